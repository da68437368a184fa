"""Drop whole images from a residual branch while training."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import nnx


def stochastic_depth(
    x: jax.Array, rate: float, *, train: bool, rngs: nnx.Rngs | None
) -> jax.Array:
    """In training, 0 for an image with probability `rate`, else x / (1 - rate)."""
    if not train or rate == 0:
        return x
    if rngs is None:
        raise ValueError("training with stochastic depth needs rngs")
    shape = (x.shape[0],) + (1,) * (x.ndim - 1)
    keep = jax.random.bernoulli(rngs.dropout(), 1 - rate, shape)
    return jnp.where(keep, x / max(1 - rate, 1e-6), 0)
