"""Recognise what only moves elements of a value as netdsl's operators.

A view, a transposition or a slice is applied to an array of positions, and the result compared
with what each operator does: so a channel shuffle is one however it is written.
"""

from __future__ import annotations

import numpy as np

from netdsl.ops import OPERATORS
from netdsl.ops.base import Op


def recognise(first: np.ndarray, moved: np.ndarray) -> list[Op] | None:
    """The operators that move the elements of `first` to `moved`; None where there are none.

    Both hold positions: `first` all of them in order, (N, C, H, W) or (N, C).
    """
    if np.array_equal(moved, first):
        return []
    if moved.ndim == 2 and first.ndim == 4 and moved.size == first.size:
        return _flatten(first, moved)
    if moved.ndim == 4 and first.ndim == 2:
        vector = np.array_equal(moved, first[:, :, None, None])
        return [OPERATORS["reshape"]((1, 1, first.shape[1]))] if vector else None
    if moved.ndim != first.ndim or moved.shape[0] != first.shape[0] or not moved.size:
        return None
    if moved.ndim == 4 and moved.shape[2:] != first.shape[2:]:
        return _crop(first, moved)
    channels = _channels(first, moved)
    return None if channels is None else [_selection(channels, first.shape[1])]


def _flatten(first: np.ndarray, moved: np.ndarray) -> list[Op] | None:
    images = len(first)
    if np.array_equal(moved, first.transpose(0, 2, 3, 1).reshape(images, -1)):
        return [OPERATORS["flatten"]()]
    if np.array_equal(moved, first.reshape(images, -1)):
        return [OPERATORS["flatten"]("channels_first")]
    return None


def _channels(first: np.ndarray, moved: np.ndarray) -> list[int] | None:
    """Which channels of `first` make `moved`."""
    leading = moved[0].reshape(moved.shape[1], -1)[:, 0]
    channels = leading // first[0, 0].size
    if channels.max() >= first.shape[1] or not np.array_equal(first[:, channels], moved):
        return None
    return [int(each) for each in channels]


def _selection(channels: list[int], count: int) -> Op:
    length, start = len(channels), channels[0]
    if channels == list(range(start, start + length)):
        if count % length == 0 and start % length == 0:
            return OPERATORS["split"](count // length, start // length)
    elif sorted(channels) == list(range(count)) and channels[1] and count % channels[1] == 0:
        size = channels[1]
        groups = count // size
        if channels == [group * size + each for each in range(size) for group in range(groups)]:
            return OPERATORS["channel_shuffle"](groups)
    return OPERATORS["select"](channels)


def _crop(first: np.ndarray, moved: np.ndarray) -> list[Op] | None:
    height, width = first.shape[2:]
    top, left = divmod(int(moved[0, 0, 0, 0]) % (height * width), width)
    below, right = height - top - moved.shape[2], width - left - moved.shape[3]
    if below < 0 or right < 0:
        return None
    cut = first[:, :, top : height - below, left : width - right]
    if not np.array_equal(cut, moved):
        return None
    return [OPERATORS["crop"](((top, below), (left, right)))]
