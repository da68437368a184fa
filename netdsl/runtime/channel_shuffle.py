"""Mix the channels of groups."""

from __future__ import annotations

import jax


def channel_shuffle(x: jax.Array, groups: int) -> jax.Array:
    """Channel g * (C / groups) + i goes to i * groups + g."""
    shape = x.shape
    y = x.reshape(*shape[:-1], groups, shape[-1] // groups)
    return y.swapaxes(-1, -2).reshape(shape)
