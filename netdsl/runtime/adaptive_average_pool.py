"""Average pooling to a given size."""

from __future__ import annotations

import jax
import jax.numpy as jnp


def adaptive_average_pool(x: jax.Array, *, height: int, width: int) -> jax.Array:
    """Means over height x width bins; bin i covers floor(i n / m) up to ceil((i + 1) n / m)."""

    def bins(size: int, count: int) -> jax.Array:
        index = jnp.arange(size)
        start = (jnp.arange(count) * size // count)[:, None]
        end = -(-(jnp.arange(count) + 1) * size // count)[:, None]
        return jnp.where((index >= start) & (index < end), 1.0 / (end - start), 0.0)

    rows, columns = bins(x.shape[1], height), bins(x.shape[2], width)
    return jnp.einsum("nhwc,ih,jw->nijc", x, rows, columns)
