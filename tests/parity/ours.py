"""What netdsl's networks compute from the same synthetic weights."""

from __future__ import annotations

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from netdsl import load
from netdsl.model import Model
from netdsl.tensor import Derived
from netdsl.weights.convert import held
from netdsl.weights.safetensors_file import write_safetensors
from tests.parity import synthetic


def network(name: str, size: int) -> Model:
    """A shipped network for images of `size`² pixels."""
    model = load(name)
    height = model.graph.nodes[0].type.shape[0]
    if height == size:
        return model
    if "size" in model.graph.arguments:
        return load(name, size=size)
    return load(name, H=size, W=size)


def write_synthetic(model: Model, path: Path) -> None:
    """A state_dict of the network's keys with synthetic values."""
    arrays = {
        each.theirs: synthetic.array(each.theirs, each.their_shape)
        for each in held(model.graph)
        if not isinstance(each.weight, Derived)
    }
    write_safetensors(path, arrays, {})


def logits(module: nnx.Module, image: np.ndarray) -> np.ndarray:
    """float32[classes] of float32[height, width, channels]."""
    definition, state = nnx.split(module)
    forward = jax.jit(lambda state, x: nnx.merge(definition, state)(x))
    return np.asarray(forward(state, jnp.asarray(image)[None])[0])


def relative_error(ours: np.ndarray, theirs: np.ndarray) -> float:
    """The largest difference, as a share of the largest logit."""
    return float(np.abs(ours - theirs).max() / np.abs(theirs).max())
