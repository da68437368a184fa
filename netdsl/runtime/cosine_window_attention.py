"""Attention in windows by the angle between queries and keys."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import nnx

from netdsl.runtime.attend_in_windows import attend_in_windows
from netdsl.runtime.relative_positions import relative_positions


class CosineWindowAttention(nnx.Module):
    """Mix the pixels of each window, by angles and by what is learned of places."""

    def __init__(
        self,
        features: int,
        *,
        heads: int,
        window: tuple[int, int],
        shift: tuple[int, int] = (0, 0),
        kernel_init: nnx.Initializer,
        rngs: nnx.Rngs,
    ):
        self.heads = heads
        self.window = window
        self.shift = shift
        self.log_scale = nnx.Param(jnp.full((heads,), jnp.log(10.0)))
        self.position_hidden = nnx.Linear(2, 512, rngs=rngs)
        self.position_out = nnx.Linear(512, heads, use_bias=False, rngs=rngs)
        self.qkv = nnx.Linear(
            features, 3 * features, use_bias=False, kernel_init=kernel_init, rngs=rngs
        )
        self.qkv_bias = nnx.Param(jnp.zeros((3 * features,)))
        self.out = nnx.Linear(features, features, kernel_init=kernel_init, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        _, height, width, features = x.shape
        below, right = -height % self.window[0], -width % self.window[1]
        x = jnp.pad(x, ((0, 0), (0, below), (0, right), (0, 0)))
        # Keys have no bias.
        bias = self.qkv_bias[...].at[features : 2 * features].set(0.0)
        qkv = self.qkv(x) + bias
        shape = (*x.shape[:3], self.heads, features // self.heads)
        q, k, v = (y.reshape(shape) for y in jnp.split(qkv, 3, axis=-1))
        # The least length is squared, since a root has no slope at 0.
        q, k = (
            y / jnp.sqrt(jnp.maximum(jnp.sum(y * y, axis=-1, keepdims=True), 1e-24))
            for y in (q, k)
        )
        scale = jnp.exp(jnp.minimum(self.log_scale[...], jnp.log(100.0)))
        y = attend_in_windows(
            q * scale[:, None],
            k,
            v,
            self.position_bias(),
            window=self.window,
            shift=self.shift,
        )
        return self.out(y.reshape(x.shape))[:, :height, :width]

    def position_bias(self) -> jax.Array:
        """From 0 to 16 for each way from pixel to pixel, near ones told apart best."""
        steps = [
            8 * jnp.arange(1 - side, side) / max(side - 1, 1) for side in self.window
        ]
        ways = jnp.stack(jnp.meshgrid(*steps, indexing="ij"), axis=-1).reshape(-1, 2)
        ways = jnp.sign(ways) * jnp.log2(jnp.abs(ways) + 1) / 3
        bias = 16 * nnx.sigmoid(self.position_out(nnx.relu(self.position_hidden(ways))))
        return bias.T[:, relative_positions(self.window)]
