"""Weights and images made of a hash, the same on every machine and in every library.

A network's arrays follow from their names alone, so that a record of its logits is a test of all
of it, and needs no file of weights.
"""

from __future__ import annotations

import hashlib
from math import prod, sqrt

import numpy as np


def uniform(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """float32 from -1 to 1, of 24 random bits each. The bits of Philox are the same for ever."""
    seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:16], "little")
    bits = np.random.Philox(key=seed).random_raw(prod(shape))
    return ((bits >> 40).astype(np.float32) / np.float32(1 << 23) - np.float32(1)).reshape(shape)


def array(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """What a state_dict has under a key: kernels of a variance that keeps that of what flows, and
    statistics that no batch norm starts with."""
    values = uniform(name, shape)
    if name.endswith("running_var"):
        # Above 1, so that a hundred layers don't blow up what they differ in.
        return np.float32(2) + values / np.float32(2)
    if name.endswith(("running_mean", "bias", "relative_position_bias_table")):
        return values / np.float32(10)
    if name.endswith("logit_scale"):
        return np.float32(2) + values / np.float32(2)
    if len(shape) == 1:
        return np.float32(1) + values / np.float32(2)
    if max(shape) == prod(shape) or name.endswith(("class_token", "pos_embedding")):
        return values / np.float32(2)  # layer scales, tokens, positions
    return values * np.float32(sqrt(4.5 / prod(shape[1:])))


def image(height: int, width: int) -> np.ndarray:
    """float32[height, width, 3]."""
    return uniform(f"image {height}x{width}", (height, width, 3))
