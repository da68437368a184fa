"""Average pooling whose sizes round up."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import lax


def average_pool(
    x: jax.Array,
    *,
    window_shape: tuple[int, int],
    strides: tuple[int, int],
    padding: tuple[tuple[int, int], tuple[int, int]],
    overhang: tuple[int, int],
    count_padding: bool,
) -> jax.Array:
    """Means over windows that hang over the padding; what hangs over never counts."""
    counted = jnp.ones((1, *x.shape[1:3], 1))
    if count_padding:
        counted = jnp.pad(counted, ((0, 0), *padding, (0, 0)), constant_values=1.0)
    around = tuple(
        (a, b + over) for (a, b), over in zip(padding, overhang, strict=True)
    )
    beyond = ((0, 0), *around, (0, 0))
    hanging = ((0, 0), (0, overhang[0]), (0, overhang[1]), (0, 0))
    rest = hanging if count_padding else beyond
    window, step = (1, *window_shape, 1), (1, *strides, 1)
    total = lax.reduce_window(x, 0.0, lax.add, window, step, beyond)
    return total / lax.reduce_window(counted, 0.0, lax.add, window, step, rest)
