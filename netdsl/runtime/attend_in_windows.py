"""Attention among the pixels of each window of an image."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import nnx


def attend_in_windows(
    q: jax.Array,
    k: jax.Array,
    v: jax.Array,
    bias: jax.Array,
    *,
    window: tuple[int, int],
    shift: tuple[int, int] = (0, 0),
    dilated: bool = False,
) -> jax.Array:
    """softmax(q k + bias) v in each window, for q, k and v of [N, H, W, heads, D].

    Windows tile the image; `dilated` ones have pixels at equal steps all over it.
    `bias` is [heads, T, T] for the T pixels of a window. `shift` moves the tiling down
    and right, round the edge, across which nothing is seen; not along an axis that one
    window fills.
    """
    height, width = q.shape[1:3]
    rows, columns = window
    down = shift[0] if rows < height else 0
    right = shift[1] if columns < width else 0
    tiles = height // rows, width // columns

    def split(x: jax.Array) -> jax.Array:
        batch, _, _, *rest = x.shape
        if dilated:
            y = x.reshape(batch, rows, tiles[0], columns, tiles[1], *rest)
            y = jnp.moveaxis(y, (2, 4), (1, 2))
        else:
            y = x.reshape(batch, tiles[0], rows, tiles[1], columns, *rest)
            y = y.swapaxes(2, 3)
        return y.reshape(batch, tiles[0] * tiles[1], rows * columns, *rest)

    def join(y: jax.Array) -> jax.Array:
        batch, _, _, *rest = y.shape
        y = y.reshape(batch, *tiles, rows, columns, *rest)
        y = jnp.moveaxis(y, (1, 2), (2, 4)) if dilated else y.swapaxes(2, 3)
        return y.reshape(batch, height, width, *rest)

    q, k, v = (split(jnp.roll(x, (-down, -right), (1, 2))) for x in (q, k, v))
    logits = jnp.einsum("nwqhd,nwkhd->nwhqk", q, k) + bias
    if down or right:
        below = jnp.arange(height)[:, None] >= height - down
        beyond = jnp.arange(width) >= width - right
        side = split((2 * below + beyond)[None])[:, :, None]
        unseen = side[..., None] != side[..., None, :]
        logits = logits + jnp.where(unseen, -100.0, 0.0)
    y = jnp.einsum("nwhqk,nwkhd->nwqhd", nnx.softmax(logits), v)
    return jnp.roll(join(y), (down, right), (1, 2))
