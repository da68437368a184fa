"""Layers compute what PyTorch recorded of its own, on weights that were laid out as PyTorch has it.

tests/fixtures/torch_layers.py made the record and says how.
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


def as_ours(weight, recorded):
    """A weight of the record in our layout."""
    value = numbers(recorded["shape"], recorded["seed"])
    if weight.state_dict_name == "running_var":
        value = np.abs(value) + np.float32(0.5)
    ours = np.empty([size for _, size in sorted(zip(weight.layout, value.shape, strict=True))])
    ours = value.transpose(np.argsort(weight.layout))
    return ours[::-1, ::-1] if getattr(weight, "mirrored", False) else ours


@pytest.mark.parametrize("case", RECORD["cases"], ids=lambda case: case["layer"])
def test_a_layer_computes_what_pytorchs_does(case):
    sizes = ", ".join(map(str, case["input"]))
    text = f"network net {{\n  input image[{sizes}]\n  {case['layer']}\n}}\n"
    model = load(Source("layer.net", text))
    module = model.module(nnx.Rngs(0))
    state = dict(nnx.to_flat_state(nnx.state(module)))
    used = set()
    for node in model.graph.nodes[1:]:
        for weight in node.op.weights(*[model.graph.nodes[i].type for i in node.inputs]):
            used.add(weight.state_dict_name)
            value = as_ours(weight, case["weights"][weight.state_dict_name])
            held = state[(*node.path, weight.name)]
            assert held.shape == value.shape == weight.shape
            held[...] = jnp.asarray(value)
    assert set(case["weights"]) - used == (
        {"bias"} if "bias = false" in case["layer"] and used else set()
    )
    nnx.update(module, nnx.from_flat_state(list(state.items())))
    y = module(jnp.asarray(3 * numbers(case["input"], 0))[None])[0]
    expected = np.array(case["output"]["values"]).reshape(case["output"]["shape"])
    np.testing.assert_allclose(y, expected, rtol=2e-5, atol=2e-5)
