"""Learned positions."""

from __future__ import annotations

import jax
from flax import nnx


class PositionEmbedding(nnx.Module):
    """Add a learned vector to each token, by its place in the sequence."""

    def __init__(self, tokens: int, features: int, *, rngs: nnx.Rngs):
        start = nnx.initializers.normal(0.02)
        self.embedding = nnx.Param(start(rngs.params(), (tokens, features)))

    def __call__(self, x: jax.Array) -> jax.Array:
        return x + self.embedding[...]
