"""A learned token before those of the image."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import nnx


class ClassToken(nnx.Module):
    """Put a learned token before a sequence."""

    def __init__(self, features: int):
        self.token = nnx.Param(jnp.zeros((features,)))

    def __call__(self, x: jax.Array) -> jax.Array:
        token = jnp.broadcast_to(self.token[...], (x.shape[0], 1, x.shape[2]))
        return jnp.concatenate([token, x], axis=1)
