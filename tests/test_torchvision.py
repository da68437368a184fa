"""The networks under architectures/torchvision: sizes, costs and keys are torchvision's own.

tests/fixtures/torchvision_networks.py measured the figures, and says how.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import pytest

from netdsl.network import Network, load_file, load_network, shipped_networks
from netdsl.program import ProgramFile
from netdsl.render import render
from netdsl.source import read_source
from netdsl.tensor import Derived
from netdsl.weights.convert import held

RECORD = json.loads(
    (Path(__file__).parent / "fixtures/torchvision_networks.json").read_text("utf-8")
)["networks"]


@cache
def program(path: Path) -> ProgramFile:
    file, diagnostics = load_file(read_source(path, path.name))
    assert file is not None, render(diagnostics, color=False)
    return file


def network(name: str) -> Network:
    found, diagnostics = load_network(program(shipped_networks()[f"torchvision/{name}"]), name, {})
    assert found is not None, render(diagnostics, color=False)
    return found


@pytest.mark.parametrize("name", RECORD)
def test_is_torchvisions_network(name: str) -> None:
    expected = RECORD[name]
    found = network(name)
    total = found.report.total
    assert found.graph.nodes[0].type.shape == (expected["size"], expected["size"], 3)
    assert (total.params, total.macs) == (expected["params"], expected["macs"])
    arrays = [each for each in held(found.graph) if each.theirs.rpartition(".")[2] != COUNTER]
    lines = sorted(f"{each.theirs} {'x'.join(map(str, each.their_shape))}\n" for each in arrays)
    assert len(lines) == expected["arrays"]
    assert hashlib.sha256("".join(lines).encode()).hexdigest() == expected["keys"]
    trained = sum(
        each.weight.elements
        for each in arrays
        if not isinstance(each.weight, Derived) and each.weight.trainable
    )
    assert trained == expected["params"] + expected["side_branch_params"]


COUNTER = "num_batches_tracked"
"""Of the batches that a batch norm has seen: in state_dicts, and no network depends on it."""


def test_all_are_shipped() -> None:
    shipped = {name for name in shipped_networks() if name.startswith("torchvision/")}
    complete = {f"torchvision/{name}" for name in RECORD}
    assert complete <= shipped


LAYERS = json.loads(
    (Path(__file__).parent / "fixtures/torchvision_layers.json").read_text("utf-8")
)["networks"]


@pytest.mark.parametrize("name", LAYERS)
def test_layer_by_layer(name: str) -> None:
    """tests/fixtures/torchvision_layers.py made the tables; loose arrays are no modules there."""
    found = network(name)
    counted = {
        ".".join(layer.node.path): [*sides(layer.node.type.shape), layer.params, layer.macs]
        for layer in found.report.layers
        if layer.params and layer.node.number not in found.graph.auxiliary
    }
    expected = {path: [*sides(shape), *counts] for path, shape, *counts in LAYERS[name]}
    loose = {path for path in counted if path.endswith("layer_scale")}
    assert {path: row for path, row in counted.items() if path not in loose} == expected


def sides(shape: Sequence[object]) -> list[object]:
    """Without the axes of 1 that pooled images keep in torchvision's heads."""
    return [side for side in shape if side != 1]
