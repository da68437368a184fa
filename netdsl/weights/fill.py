"""Put arrays into a Flax module, and take them out."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import jax.numpy as jnp
import numpy as np
from flax import nnx


def filled(make: Callable[[], nnx.Module], arrays: Mapping[str, np.ndarray]) -> nnx.Module:
    """The module that `make` gives, with float32 `arrays` by their dotted paths in its state.

    The module's own initial values are never computed. Every array of its state must be among
    `arrays`, in its shape; others are left alone.
    """
    definition, state = nnx.split(nnx.eval_shape(make))
    leaves = []
    for path, leaf in nnx.to_flat_state(state):
        value = arrays[".".join(map(str, path))]
        assert value.shape == leaf.shape, (path, value.shape, leaf.shape)
        leaves.append((path, leaf.replace(jnp.asarray(value, jnp.float32))))
    return nnx.merge(definition, nnx.from_flat_state(leaves))


def taken(module: nnx.Module) -> dict[str, np.ndarray]:
    """A module's arrays by their dotted paths in its state."""
    return {
        ".".join(map(str, path)): np.asarray(leaf.get_value())
        for path, leaf in nnx.to_flat_state(nnx.state(module))
    }
