"""Local response normalisation."""

from __future__ import annotations

import jax
from jax import lax


def local_response_norm(
    x: jax.Array, *, size: int, alpha: float, beta: float, k: float
) -> jax.Array:
    """x / (k + alpha * sum of squares over `size` neighbouring channels) ** beta."""
    window = (1,) * (x.ndim - 1) + (size,)
    before = size // 2
    padding = ((0, 0),) * (x.ndim - 1) + ((before, size - 1 - before),)
    energy = lax.reduce_window(x * x, 0.0, lax.add, window, (1,) * x.ndim, padding)
    return x / (k + alpha * energy) ** beta
