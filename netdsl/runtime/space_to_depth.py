"""Make the pixels of small blocks channels of one."""

from __future__ import annotations

import jax
import jax.numpy as jnp


def space_to_depth(
    x: jax.Array, *, scale: tuple[int, int], by_columns: bool = False
) -> jax.Array:
    """Blocks of rows x columns pixels become channels; zeros fill up the last ones."""
    batch, height, width, channels = x.shape
    rows, columns = scale
    x = jnp.pad(x, ((0, 0), (0, -height % rows), (0, -width % columns), (0, 0)))
    y = x.reshape(
        batch, -(-height // rows), rows, -(-width // columns), columns, channels
    )
    y = y.transpose((0, 1, 3, 4, 2, 5) if by_columns else (0, 1, 3, 2, 4, 5))
    return y.reshape(*y.shape[:3], rows * columns * channels)
