"""Layers compute what PyTorch recorded of its own, from weights in the layout of its state_dicts.

tests/fixtures/torch_layers.py made the record, and says how.
"""

from __future__ import annotations

import json
from math import prod
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from netdsl import load
from netdsl.source import Source

jax.config.update("jax_platforms", "cpu")

RECORD = json.loads((Path(__file__).parent / "fixtures/torch_layers.json").read_text("utf-8"))


def numbers(shape, seed):
    """The values that the record's inputs and weights are made of."""
    index = np.arange(prod(shape))
    return (((index * 37 + seed * 11) % 101 - 50) / 50).astype(np.float32).reshape(shape)


def recorded(weight, held):
    """A weight that the record names, in our layout."""
    value = numbers(held["shape"], held["seed"])
    if weight.state_dict_name == "running_var":
        value = np.abs(value) + np.float32(0.5)
    # `layout` gives our axis for each of theirs.
    ours = value.transpose(np.argsort(weight.layout))
    return ours[::-1, ::-1] if weight.mirrored else ours


@pytest.mark.parametrize("case", RECORD["cases"], ids=lambda case: case["layer"])
def test_a_layer_computes_what_pytorchs_does(case):
    sizes = ", ".join(map(str, case["input"]))
    text = f"network net {{\n  input image[{sizes}]\n  {case['layer']}\n}}\n"
    model = load(Source("layer.net", text))
    weights = {
        (*node.path, weight.name): (weight, case["weights"][weight.state_dict_name])
        for node in model.graph.nodes[1:]
        for weight in node.op.weights(*[model.graph.nodes[i].type for i in node.inputs])
    }
    module, state = nnx.split(nnx.eval_shape(lambda: model.module(nnx.Rngs(0))))
    filled = []
    for path, leaf in nnx.to_flat_state(state):
        weight, held = weights.pop(path)
        value = recorded(weight, held)
        assert leaf.shape == value.shape == weight.shape
        filled.append((path, leaf.replace(jnp.asarray(value))))
    assert not weights, "all are in the module's state"
    forward = jax.jit(lambda state, x: nnx.merge(module, state)(x))
    y = forward(nnx.from_flat_state(filled), jnp.asarray(3 * numbers(case["input"], 0))[None])
    expected = np.array(case["output"]["values"]).reshape(case["output"]["shape"])
    np.testing.assert_allclose(y[0], expected, rtol=2e-5, atol=2e-5)
