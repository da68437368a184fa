"""Where the pixels of a window lie, seen from one another."""

from __future__ import annotations

import jax
import jax.numpy as jnp


def relative_positions(window: tuple[int, int]) -> jax.Array:
    """The number of the way from one pixel of a window to another, for all pairs."""
    rows, columns = window
    row, column = jnp.divmod(jnp.arange(rows * columns), columns)
    down = row[:, None] - row + rows - 1
    right = column[:, None] - column + columns - 1
    return down * (2 * columns - 1) + right
