"""The shipped networks: they pass their checks, and their figures are those that were published."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from netdsl import syntax
from netdsl.check import check_file, check_recipes
from netdsl.network import (
    SHIPPED,
    Network,
    complete_networks,
    find,
    load_file,
    load_network,
    read_settings,
    shipped_networks,
)
from netdsl.ops.merge import Add
from netdsl.ops.noise import StochasticDepth
from netdsl.program import ProgramFile
from netdsl.render import render
from netdsl.source import Source, read_source

FILES = sorted(SHIPPED.glob("*.net"))
PUBLISHED = json.loads((Path(__file__).parent / "fixtures/published.json").read_text("utf-8"))

WITHOUT_CLAIMS = {"efficientnet"}
"""The compound law's net is published only as B0, which is `efficientnet_b0`."""


@cache
def program(path: Path) -> ProgramFile:
    file, diagnostics = load_file(read_source(path, path.name))
    assert file is not None and not diagnostics, render(diagnostics, color=False)
    return file


def network(name: str, settings: dict[str, str] | None = None) -> Network:
    file = program(shipped_networks()[name])
    given, diagnostics = read_settings(settings or {}, file)
    assert not diagnostics
    found, diagnostics = load_network(file, name, given)
    assert found is not None, render(diagnostics, color=False)
    return found


def changed(path: str, *edits: tuple[str, str]) -> ProgramFile:
    """A shipped file with some of its text replaced."""
    text = (SHIPPED / path).read_text("utf-8")
    for old, new in edits:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    file, diagnostics = load_file(Source(path, text))
    assert file is not None and not diagnostics
    return file


# ---------------------------------------------------------------- all files


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_passes_all_checks(path: Path) -> None:
    """Shapes for every size, budgets, claims and recipes, without even a warning."""
    file = program(path)
    found = check_recipes(file)
    for verdict in check_file(file, {}):
        found += verdict.diagnostics
    assert not found, render(found, color=False)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_says_where_it_is_from(path: Path) -> None:
    documentation = program(path).tree.documentation
    first = documentation.split("\n")[0]
    assert first.endswith(".") and len(first) <= 88
    assert all(len(line) <= 100 for line in path.read_text("utf-8").split("\n"))


def test_names_are_unique() -> None:
    """`netdsl cost NAME` means one network, and finds each that the parser finds."""
    declared = [(name, path) for path in FILES for name in program(path).networks]
    names = [name for name, _ in declared]
    assert len(set(names)) == len(names)
    found = {name: path for name, path in shipped_networks().items() if "/" not in name}
    assert found == dict(declared)
    for name in names:
        assert find(name).network == name


def test_each_network_carries_claims() -> None:
    bare = set()
    for path in FILES:
        file = program(path)
        for name in complete_networks(file):
            body = file.networks[name].body
            if body is None or not any(isinstance(each, syntax.Claim) for each in body.statements):
                bare.add(name)
    assert bare == WITHOUT_CLAIMS


def test_lenet5_has_one_recipe() -> None:
    """So that training needs no choice."""
    (recipe,) = network("lenet5").recipes
    assert recipe.name == "digits"
    assert network("lenet5_relu").recipes == (recipe,)


# ---------------------------------------------------------------- figures


def settings_of(figure: dict[str, Any]) -> str:
    return "-".join([figure["network"], *figure.get("settings", {}).values()])


@pytest.mark.parametrize("figure", PUBLISHED["exact"], ids=settings_of)
def test_exact_figures(figure: dict[str, Any]) -> None:
    total = network(figure["network"], figure.get("settings")).report.total
    for measure in ("params", "macs"):
        if measure in figure:
            assert getattr(total, measure) == figure[measure], figure["source"]


@pytest.mark.parametrize(
    "figure", PUBLISHED["rounded"], ids=lambda each: f"{settings_of(each)}-{each['measure']}"
)
def test_published_figures(figure: dict[str, Any]) -> None:
    total = network(figure["network"], figure.get("settings")).report.total
    tolerance = figure["within_percent"] / 100
    counted = getattr(total, figure["measure"])
    assert counted == pytest.approx(figure["value"], rel=tolerance), figure["source"]


@pytest.mark.parametrize("name", PUBLISHED["layers"])
def test_layer_by_layer(name: str) -> None:
    """Parameters and MACs of each convolution, dense layer and norm are torchvision's, in order."""
    counted = [
        [layer.params, layer.macs]
        for layer in network(name).report.layers
        if layer.node.op is not None and layer.node.op.name in ("conv", "depthwise", "dense", "bn")
    ]
    assert counted == PUBLISHED["layers"][name]


@pytest.mark.parametrize(
    ("depths", "macs"),
    [
        ("[3, 4, 6, 3]", 4_089_184_256),
        ("[3, 4, 23, 3]", 7_801_405_440),
        ("[3, 8, 36, 3]", 11_513_626_624),
    ],
    ids=["resnet50", "resnet101", "resnet152"],
)
def test_resnet_with_the_stride_of_torchvision(depths: str, macs: int) -> None:
    """The one difference that resnet.net states is the whole difference."""
    file = changed(
        "resnet.net",
        ("conv(width, 1x1, stride) -> bn -> relu", "conv(width, 1x1) -> bn -> relu"),
        ("conv(width, 3x3, pad = 1) -> bn", "conv(width, 3x3, stride, pad = 1) -> bn"),
        ("network plain18 =", f"network strided = resnet(bottleneck, {depths})\nnetwork plain18 ="),
    )
    found, _ = load_network(file, "strided", {})
    assert found is not None and found.report.total.macs == macs


def test_googlenet_with_the_windows_of_torchvision() -> None:
    """Its claims notice, and count torchvision's multiplications, which batch norm leaves alone."""
    file = changed("googlenet.net", ("conv(b5, 5x5)", "conv(b5, 3x3)"))
    found, diagnostics = load_network(file, "googlenet", {})
    assert found is None and {each.code for each in diagnostics} == {"claim-differs"}
    assert "macs is 1,498,376,192" in {note for each in diagnostics for note in each.notes}


def test_side_branches_of_googlenet() -> None:
    """Two classifiers, 128 maps of 4×4 and 1024 units, count in training alone."""
    report = network("googlenet").report
    dense = (4 * 4 * 128 + 1) * 1024 + (1024 + 1) * 1000
    assert {name: each.params for name, each in report.auxiliary.items()} == {
        "aux1": (512 + 1) * 128 + dense,
        "aux2": (528 + 1) * 128 + dense,
    }
    assert report.trained.params == 13_378_280
    assert [output.weight for output in report.graph.outputs] == [None, 0.3, 0.3]


# ---------------------------------------------------------------- what the files say of themselves


@pytest.mark.parametrize(("depth", "projected"), [(18, 173_824), (34, 173_824), (20, 2_752)])
def test_plain_nets_lack_only_the_shortcuts(depth: int, projected: int) -> None:
    """Projections with their norms: what a residual net of basic blocks has more."""
    residual, plain = network(f"resnet{depth}"), network(f"plain{depth}")
    assert residual.report.total.params - plain.report.total.params == projected
    kept = [node.op for node in residual.graph.nodes if "downsample" not in node.path]
    assert [node.op for node in plain.graph.nodes] == [op for op in kept if op != Add()]


def test_no_plain_net_adds() -> None:
    for name in ("plain18", "plain34", "plain20", "plain32", "plain44", "plain56"):
        assert Add() not in [node.op for node in network(name).graph.nodes]


def test_mobilenet_saves_what_it_says() -> None:
    full, separable = network("mobilenet_v1_full"), network("mobilenet_v1")
    assert round(full.report.total.macs / separable.report.total.macs, 1) == 8.6


def test_connections_of_c3() -> None:
    """LeCun et al. 1998, table I: 60 connections; contiguous threes, fours, and the rest."""
    table = program(SHIPPED / "lenet5.net").scope.names["c3_table"]
    assert isinstance(table, list)
    assert [len(maps) for maps in table] == [3] * 6 + [4] * 9 + [6]
    contiguous = [sorted((start + i) % 6 for i in range(n)) for n in (3, 4) for start in range(6)]
    assert table[:12] == contiguous
    assert all(sorted(set(maps)) == maps for maps in table)
    # Every map of S2 is seen by ten of C3.
    assert [sum(number in maps for maps in table) for number in range(6)] == [10] * 6


@pytest.mark.parametrize(("phi", "size", "repeats"), [(0, 224, 16), (1, 258, 23), (2, 296, 26)])
def test_compound_law(phi: int, size: int, repeats: int) -> None:
    """Sides of 224 · 1.15^phi, and stages of ceil(1.2^phi n) blocks, as the paper's equation 3."""
    graph = network("efficientnet", {"phi": str(phi)}).graph
    assert graph.nodes[0].type.shape == (size, size, 3)
    blocks = {node.path[:2] for node in graph.nodes if node.path[0].startswith("stage")}
    assert len(blocks) == repeats


def test_efficientnet_b0_is_the_law_without_scaling() -> None:
    law, table = network("efficientnet"), network("efficientnet_b0")
    assert law.report.total == table.report.total


def test_stochastic_depth_of_efficientnet() -> None:
    """Rates rise from above 0 to below 0.2, only where something is added."""
    operators = [node.op for node in network("efficientnet_b0").graph.nodes if node.op is not None]
    rates = [each.rate for each in operators if isinstance(each, StochasticDepth)]
    assert rates == sorted(set(rates)) and rates[0] > 0 and rates[-1] < 0.2
    assert len(rates) == sum(each.name == "add" for each in operators) == 9


def test_alexnet_for_two_sizes() -> None:
    for size, first in (("224", 55), ("227", 56)):
        report = network("alexnet", {"size": size}).report
        shapes = {".".join(layer.node.path): layer.node.type.shape for layer in report.layers}
        assert shapes["conv1"] == (first, first, 96)
        assert shapes["maxpool1"] == (27, 27, 96)
        assert shapes["conv5"] == (13, 13, 256)
        assert shapes["flatten"] == (6 * 6 * 256,)


# ---------------------------------------------------------------- std


USES = {
    "conv_relu": ("conv_relu(8, 5x5)", [16, 16, 8], 5 * 5 * 4 * 8 + 8),
    "conv_bn": ("conv_bn(8, 3x3, 2, groups = 2)", [8, 8, 8], 3 * 3 * 2 * 8 + 2 * 8),
    "conv_bn_relu": ("conv_bn_relu(8, 1x1)", [16, 16, 8], 4 * 8 + 2 * 8),
    "separable": ("separable(8, 2)", [8, 8, 8], 3 * 3 * 4 + 2 * 4 + 4 * 8 + 2 * 8),
    "squeeze_excite": ("squeeze_excite(2)", [16, 16, 4], 4 * 2 + 2 + 2 * 4 + 4),
    "inverted_residual": (
        "inverted_residual(4, squeeze = 0.5, drop = 0.1)",
        [16, 16, 4],
        (4 * 24 + 2 * 24) + (3 * 3 * 24 + 2 * 24) + (24 * 2 + 2 + 2 * 24 + 24) + (24 * 4 + 2 * 4),
    ),
}
"""A use of each block on an image of 16×16×4, the shape it gives, and its parameters."""


def test_std_is_used() -> None:
    assert set(USES) == set(program(SHIPPED / "std.net").blocks)


@pytest.mark.parametrize("block", USES)
def test_std(block: str) -> None:
    use, shape, params = USES[block]
    text = f"import {block} from std\nnetwork net {{\n  input image[16, 16, 4]\n  {use}\n}}\n"
    file, diagnostics = load_file(Source("net.net", text))
    assert file is not None and not diagnostics
    found, diagnostics = load_network(file, "net", {})
    assert found is not None, render(diagnostics, color=False)
    assert list(found.graph.nodes[-1].type.shape) == shape
    assert found.report.total.params == params
