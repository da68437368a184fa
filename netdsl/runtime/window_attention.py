"""Attention in windows, with a learned bias for each way from pixel to pixel."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import nnx

from netdsl.runtime.attend_in_windows import attend_in_windows
from netdsl.runtime.relative_positions import relative_positions


class WindowAttention(nnx.Module):
    """Mix the pixels of each window, as they agree and by where they lie."""

    def __init__(
        self,
        features: int,
        *,
        heads: int,
        window: tuple[int, int],
        shift: tuple[int, int] = (0, 0),
        dilated: bool = False,
        scaled_by_head: bool = True,
        kernel_init: nnx.Initializer,
        rngs: nnx.Rngs,
    ):
        self.heads = heads
        self.window = window
        self.shift = shift
        self.dilated = dilated
        self.scale = (features // heads if scaled_by_head else features) ** -0.5
        ways = (2 * window[0] - 1) * (2 * window[1] - 1)
        start = nnx.initializers.truncated_normal(0.02)
        self.position_bias = nnx.Param(start(rngs.params(), (ways, heads)))
        self.qkv = nnx.Linear(
            features, 3 * features, kernel_init=kernel_init, rngs=rngs
        )
        self.out = nnx.Linear(features, features, kernel_init=kernel_init, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        _, height, width, features = x.shape
        below, right = -height % self.window[0], -width % self.window[1]
        x = jnp.pad(x, ((0, 0), (0, below), (0, right), (0, 0)))
        shape = (*x.shape[:3], self.heads, features // self.heads)
        q, k, v = (y.reshape(shape) for y in jnp.split(self.qkv(x), 3, axis=-1))
        y = attend_in_windows(
            q * self.scale,
            k,
            v,
            self.position_bias[...].T[:, relative_positions(self.window)],
            window=self.window,
            shift=self.shift,
            dilated=self.dilated,
        )
        return self.out(y.reshape(x.shape))[:, :height, :width]
