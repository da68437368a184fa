"""Attention among all tokens of a sequence."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import nnx


class SelfAttention(nnx.Module):
    """Mix the tokens of a sequence, in each head as queries and keys agree."""

    def __init__(
        self,
        features: int,
        *,
        heads: int,
        kernel_init: nnx.Initializer,
        rngs: nnx.Rngs,
    ):
        self.heads = heads
        self.qkv = nnx.Linear(
            features, 3 * features, kernel_init=kernel_init, rngs=rngs
        )
        self.out = nnx.Linear(features, features, kernel_init=kernel_init, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        batch, tokens, features = x.shape
        shape = (batch, tokens, self.heads, features // self.heads)
        q, k, v = (y.reshape(shape) for y in jnp.split(self.qkv(x), 3, axis=-1))
        return self.out(jax.nn.dot_product_attention(q, k, v).reshape(x.shape))
