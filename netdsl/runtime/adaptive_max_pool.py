"""Max pooling to a given size."""

from __future__ import annotations

import jax
import jax.numpy as jnp


def adaptive_max_pool(x: jax.Array, *, height: int, width: int) -> jax.Array:
    """The largest of height x width bins; bin i is floor(i n / m) to ceil((i + 1) n / m)."""

    def bins(y: jax.Array, axis: int, count: int) -> jax.Array:
        size = y.shape[axis]
        edges = [(i * size // count, -(-(i + 1) * size // count)) for i in range(count)]
        parts = [jnp.max(jnp.take(y, jnp.arange(a, b), axis), axis) for a, b in edges]
        return jnp.stack(parts, axis)

    return bins(bins(x, 1, height), 2, width)
