"""A learned factor for each channel."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import nnx


class Scale(nnx.Module):
    """Multiply each channel by a learned number, and maybe add one."""

    def __init__(self, features: int, *, init: float = 1.0, use_bias: bool = False):
        self.scale = nnx.Param(jnp.full((features,), init))
        self.bias = nnx.Param(jnp.zeros((features,))) if use_bias else None

    def __call__(self, x: jax.Array) -> jax.Array:
        y = x * self.scale[...]
        return y if self.bias is None else y + self.bias[...]
