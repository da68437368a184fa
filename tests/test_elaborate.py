"""Paths, scopes, flows and control, seen in the graphs that programs become."""

from __future__ import annotations

import pytest

from netdsl.check import check_network
from netdsl.elaborate import elaborate
from netdsl.graph import Graph
from netdsl.network import load_file
from netdsl.sizes import evaluate
from netdsl.source import Source


def graph_of(text: str, name: str = "net", *, symbolic: bool = False) -> Graph:
    file, diagnostics = load_file(Source("test.net", text))
    assert file is not None and not diagnostics, diagnostics
    elaboration = elaborate(file, name, {}, symbolic=symbolic)
    assert elaboration.graph is not None, elaboration.diagnostics
    return elaboration.graph


def network(body: str, blocks: str = "") -> Graph:
    return graph_of(f"{blocks}\nnetwork net {{\n  input image[16, 16, 8]\n{body}\n}}\n")


def paths(graph: Graph) -> list[str]:
    return [".".join(node.path) for node in graph.nodes[1:]]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("conv(4, 1x1) -> relu", ["conv", "relu"]),
        ("conv(4, 1x1) -> conv(4, 1x1)", ["conv1", "conv2"]),
        ("conv1: conv(4, 1x1)\nconv(4, 1x1)", ["conv1", "conv"]),
        ("a: conv(4, 1x1) -> relu", ["a", "relu"]),
        ("a: conv(4, 1x1) -> bn -> relu", ["a.conv", "a.bn", "a.relu"]),
        ("a: relu", ["a"]),
        ("0: conv(4, 1x1)\nfeatures.3: conv(4, 1x1)", ["0", "features.3"]),
        ("block.0: conv(4, 1x1)\nblock.block: conv(4, 1x1)", ["block.0", "block.block"]),
        ("repeat 2 as i { a.b{i}-{i + 1}: conv(4, 1x1) }", ["a.b0-1", "a.b1-2"]),
        ("repeat 2 { conv(4, 1x1) -> bn }", ["conv.0", "bn.0", "conv.1", "bn.1"]),
        ("l: repeat 2 { conv(4, 1x1) }", ["l.0", "l.1"]),
        ("l: repeat 1 { conv(4, 1x1) -> bn }", ["l.0.conv", "l.0.bn"]),
        ("repeat 2 as i { c{i + 1}: conv(4, 1x1) }", ["c1", "c2"]),
        (
            "repeat 2 { repeat 2 { conv(4, 1x1) } }",
            ["conv.0.0", "conv.0.1", "conv.1.0", "conv.1.1"],
        ),
        ("l: repeat 1 { repeat 2 { conv(4, 1x1) } }", ["l.0.0", "l.0.1"]),
        ("g: { conv(4, 1x1) -> conv(4, 1x1) }", ["g.conv1", "g.conv2"]),
        ("m: concat { | conv(4, 1x1) | identity }", ["m.conv", "m.identity", "m.concat"]),
        (
            "residual { conv(8, 1x1) } shortcut { conv(8, 1x1) }\n"
            "residual { relu } shortcut { conv(8, 1x1) }",
            ["conv", "shortcut1", "add1", "relu", "shortcut2", "add2"],
        ),
        ("unit(3) -> unit(4)", ["unit1.conv", "unit1.relu", "unit2.conv", "unit2.relu"]),
        ("if true { conv(4, 1x1) } else { conv(4, 1x1) }\nconv(4, 1x1)", ["conv1", "conv3"]),
    ],
)
def test_paths(body, expected):
    unit = "block unit(width) {\n  conv(width, 1x1) -> relu\n}\n"
    assert paths(network(body, unit)) == expected


def test_names_do_not_depend_on_arguments():
    """A layer keeps its path whether or not an optional one before it is there."""
    block = "block b(wide) {\n  if wide { conv(16, 1x1) }\n  conv(8, 1x1)\n}\n"
    assert paths(network("b(true)", block)) == ["b.conv1", "b.conv2"]
    assert paths(network("b(false)", block)) == ["b.conv2"]


def test_a_condition_may_ask_for_shapes():
    block = """
block unit(width, stride) {
  residual { conv(width, 3x3, stride, pad = 1) } shortcut if in.shape != out.shape {
    conv(width, 1x1, stride)
  }
}
"""
    graph = network("unit(8, 1) -> unit(16, 2) -> unit(16, 1)", block)
    assert [path for path in paths(graph) if "shortcut" in path] == ["unit2.shortcut"]
    assert graph.nodes[-1].type.shape == (8, 8, 16)


def test_a_residual_whose_condition_is_false_is_only_its_body():
    graph = network("residual if in.channels == 9 { conv(4, 1x1) }")
    assert paths(graph) == ["conv"]


def test_in_is_what_enters_the_innermost_braces():
    graph = network("conv(4, 1x1)\nconcat { | conv(in.channels * 2, 1x1) | identity }")
    assert graph.nodes[-1].type.channels == 12


def test_defaults_hold_to_the_end_of_the_body_and_not_in_called_blocks():
    graph = network(
        "conv(4, 1x1)\ndefault conv(bias = false)\nconv(4, 1x1)\nb\nconv(4, 1x1, bias = true)",
        "block b {\n  conv(4, 1x1)\n}\n",
    )
    assert [node.op.bias for node in graph.nodes[1:]] == [True, False, True, True]


def test_labels_join_flows():
    graph = network("e1: conv(4, 1x1)\nmaxpool(2x2) -> upsample(2x) -> concat(e1)")
    assert graph.nodes[-1].type.shape == (16, 16, 8)
    assert graph.nodes[-1].inputs == (3, 1)


def test_block_is_a_label_where_nothing_else_is_meant():
    graph = network(
        "block: conv(4, 1x1)\nunit(relu)\nfrom block -> add(block)",
        "block unit(act: block) {\n  act\n}\n",
    )
    assert graph.nodes[1].path == ("block",)
    assert graph.nodes[-1].inputs == (1, 1)


def test_what_stands_behind_a_mistake_is_still_looked_at():
    lines = ["cnov(4, 1x1)", "residual { conv(width, 1x1) }", "if depth > 2 { relu }", "unit(nam)"]
    text = "block unit(x) {\n  relu\n}\n\nnetwork net {\n  input image[8, 8, 4]\n"
    text += "\n".join(f"  {line}" for line in lines) + "\n}\n"
    file, _ = load_file(Source("test.net", text))
    assert file is not None
    found = elaborate(file, "net", {}).diagnostics
    assert [each.span.text for each in found] == ["cnov", "width", "depth", "nam"]


def test_a_template_label_is_seen_after_its_loop():
    graph = network(
        "for i in range(2) { e{i}: conv(4, 1x1)\n maxpool(2x2) }\n"
        "for i in range(2) { upsample(2x) -> concat(e{1 - i}) }"
    )
    assert graph.nodes[-1].type.shape == (16, 16, 4 + 4 + 4)


def test_a_groups_labels_are_its_own():
    graph = network(
        "a: { 0: conv(4, 1x1); mid: conv(4, 1x1); conv(4, 1x1) -> concat(mid) }\n"
        "for i in range(2) { b{i}: { 0: conv(4, 1x1); last{i}: bn } }\n"
        "concat(a.mid)\nfrom a.0 -> add(a.mid)"
    )
    by_path = {".".join(node.path): node for node in graph.nodes}
    first, middle = by_path["a.0"].number, by_path["a.mid"].number
    assert by_path["a.concat"].inputs == (by_path["a.conv"].number, middle)
    assert by_path["concat"].inputs[1] == middle
    assert by_path["add"].inputs == (first, middle)
    assert {"b0.0", "b0.last0", "b1.0", "b1.last1"} <= by_path.keys()


def test_branches_from_a_loop():
    graph = network("concat { for c in [[0, 1], [2, 3, 4]] { | select(c) -> conv(1, 3x3) } }")
    assert graph.nodes[-1].type.shape == (14, 14, 2)


def test_ends_that_nothing_uses_are_outputs():
    graph = network("a: conv(4, 1x1)\nfrom image -> conv(5, 1x1)\nfrom image -> conv(6, 1x1)")
    assert [output.name for output in graph.outputs] == ["a", "conv1", "conv2"]
    assert graph.root.output == graph.outputs[-1].node


def test_blocks_and_operators_are_arguments():
    blocks = "block b(unit: block, act: block = relu) {\n  unit(4) -> act\n}\n"
    blocks += "block c(width) {\n  conv(width, 1x1)\n}\n"
    assert paths(network("b(c, act = silu)", blocks)) == ["b.unit.conv", "b.act"]


def test_side_branches_are_apart():
    graph = network("conv(4, 1x1)\naux(weight = 0.3) { globalavgpool -> dense(2) }\nrelu")
    assert graph.auxiliary == {2, 3}
    assert [(output.name, output.weight) for output in graph.outputs] == [
        ("relu", None),
        ("aux", 0.3),
    ]
    assert paths(graph)[2] == "aux"


def test_variants_give_arguments_to_their_base():
    text = """
network base(depth, width = 4, classes = 10) {
  input image[8, 8, 3]
  repeat depth { conv(width, 1x1) }
  globalavgpool -> dense(classes)
}
network two = base(2)
network wide = two(width = 9)
"""
    graph = graph_of(text, "wide")
    assert graph.arguments == {"depth": 2, "width": 9, "classes": 10}


@pytest.mark.parametrize("size", [1, 7, 32, 33, 224, 225])
def test_symbolic_shapes_are_the_concrete_ones(size):
    text = """
network net {
  input image[H, W, 3]
  conv(4, 7x7, stride = 2, pad = 3) -> maxpool(3x3, stride = 2, pad = 1)
  conv(4, 3x3, stride = 2, pad = same) -> avgpool(2x2, stride = 1, pad = same)
}
"""
    symbolic = graph_of(text, symbolic=True)
    concrete = graph_of(text.replace("H, W", f"{size}, {size}"))
    for a, b in zip(symbolic.nodes, concrete.nodes, strict=True):
        values = {"H": size, "W": size}
        assert tuple(evaluate(each, values) for each in a.type.shape) == b.type.shape


def test_a_condition_on_the_input_proves_an_encoder_and_decoder():
    text = """
network net {
  input image[H, W, 3]WHERE
  e1: conv(4, 3x3, pad = same)
  maxpool(2x2) -> upsample(2x) -> concat(e1)
}
"""
    even = text.replace("WHERE", " where H % 2 == 0 and W % 2 == 0")
    file, _ = load_file(Source("test.net", even))
    assert file is not None and check_network(file, "net", {}).network is not None
    file, _ = load_file(Source("test.net", text.replace("WHERE", "")))
    assert file is not None
    (diagnostic,) = check_network(file, "net", {}).diagnostics
    assert diagnostic.code == "shape-mismatch"
    assert diagnostic.message == (
        "the heights and widths that `concat` joins agree only when H and W are even: "
        "H = 3 gives 2 against 3"
    )


def test_one_mistake_in_many_passes_is_one_diagnostic():
    file, _ = load_file(
        Source("t.net", "network net {\n  input image[8, 8, 3]\n  repeat 9 { dense(3) }\n}\n")
    )
    assert file is not None
    elaboration = elaborate(file, "net", {})
    assert [each.code for each in elaboration.diagnostics] == ["needs-vector"]


def test_a_loop_that_goes_on_with_the_same_mistake_is_left():
    """What the passes left would have given is unknown then, and nothing is said of it."""
    text = """
network net {{
  input image[8, 8, 3]
  repeat 3_000 as i {{
    if i == {other} {{ conv(2.5, 3x3) }}
    c{{i}}: conv(2, 3x3, strid = 2)
    from image
  }}
  concat(c7, c2999) -> nonesuch
}}
"""
    found = {}
    for other in (50, 150):
        file, _ = load_file(Source("t.net", text.format(other=other)))
        assert file is not None
        found[other] = elaborate(file, "net", {})
    codes = [each.code for each in found[50].diagnostics]
    assert codes == ["unknown-argument", "argument-value", "unknown-layer"]
    # A mistake in a pass that is left is told once the others are mended.
    codes = [each.code for each in found[150].diagnostics]
    assert codes == ["unknown-argument", "unknown-layer"]
    (note,) = found[150].diagnostics[0].notes
    assert note == "the same happens at least 100 more times, in other calls or passes"


def test_what_depends_on_a_mistake_is_silent():
    text = """
network net {
  input image[8, 8, 3]
  a: conv(4, 3x3, strid = 2)
  let c = a.channels * 2
  conv(c, 1x1) -> maxpool(2x2)
  concat(a)
  conv(3, 1x1, groups = 2, bias = 7)
}
"""
    file, _ = load_file(Source("t.net", text))
    assert file is not None
    found = elaborate(file, "net", {}).diagnostics
    assert [(each.code, each.span.text) for each in found] == [
        ("unknown-argument", "strid = 2"),
        ("argument-value", "bias = 7"),
    ]
