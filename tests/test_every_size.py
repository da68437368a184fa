"""The verdict for every size against networks elaborated, or typed again, size by size."""

from __future__ import annotations

import re
import shlex
from functools import cache
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from netdsl import size_report
from netdsl.check import check_network
from netdsl.elaborate import elaborate
from netdsl.main import run
from netdsl.network import (
    complete_networks,
    find,
    load_file,
    load_network,
    setting_of,
    shipped_networks,
)
from netdsl.ops.base import OpError
from netdsl.proof import prove_network, sizes_of
from netdsl.size_words import in_words
from netdsl.source import Source
from netdsl.tensor import TensorType

LARGEST = 600
SIZE = re.compile(r"\b([HW]) = (\d+)")


def program(text):
    file, diagnostics = load_file(Source("t.net", text))
    assert file is not None and not diagnostics, diagnostics
    return file


def written(body, sizes="H, W, 3", default="64, 64, 3", where=""):
    given = f" default [{default}]" if default else ""
    clause = f" where {where}" if where else ""
    return program(f"network net {{\n  input image[{sizes}]{given}{clause}\n{body}\n}}\n")


def verdict_of(file, name="net"):
    found = check_network(file, name, {})
    assert found.sizes is not None, found.diagnostics
    return found


def works(file, name, values):
    """Whether a network elaborates at these very sizes, its assertions about them included."""
    settings = {key: setting_of(key, value) for key, value in values.items()}
    network, diagnostics = load_network(file, name, settings)
    return network is not None and not diagnostics


def claimed(sizes, values):
    return all(value in sizes.valid[name] for name, value in values.items())


BODIES = {
    "strides": "conv(8, 7x7, 2, pad = 3) -> maxpool(3x3, 2) -> conv(8, 5x5) -> avgpool(2x2, 2)",
    "ceil": "maxpool(3x3, 2, ceil = true) -> conv(4, 4x4, 3) -> maxpool(2x2, 2, ceil = true)",
    "unet": """
      a: conv(4, 3x3, pad = same)
      b: maxpool(2x2, 2) -> conv(4, 3x3, pad = same)
      maxpool(2x2, 2) -> upsample(2)
      concat { | from b | identity } -> upsample(2)
      concat { | from a | identity }""",
    "valid_unet": """
      a: conv(4, 3x3) -> conv(4, 3x3)
      maxpool(2x2, 2) -> conv(4, 3x3) -> conv(4, 3x3) -> upsample(2)
      concat { | from a -> crop(4) | identity }""",
    "thirds": """
      a: conv(4, 3x3, 3)
      from image -> maxpool(3x3, 3) -> pad(1) -> conv(4, 3x3)
      add(a)""",
    "halves": """
      a: conv(4, 3x3, 2, pad = 1)
      from image -> maxpool(2x2, 2) -> conv(4, 1x1)
      add(a)""",
    "blocks": "space_to_depth(2) -> conv(4, 3x3, pad = same) -> space_to_depth(3)",
    "reflect": "pad(5, mode = reflect) -> conv(4, 3x3, 2) -> pad(3, mode = reflect)",
    "transposed": """
      a: conv(4, 3x3, 2, pad = same) -> conv_transpose(4, 4x4, 2, pad = 1)
      from image -> conv(4, 1x1)
      add(a)""",
    "channels": "conv(H, 3x3) -> conv(6, 3x3, groups = 3) -> groupnorm(2)",
    "dilated": "conv(4, 3x3, dilation = 6) -> conv(4, 3x3, 2, dilation = 3)",
}


@pytest.mark.parametrize("name", BODIES)
def test_the_verdict_is_what_every_size_gives(name):
    """Height and width are decided alone: each is tried with the other at two fixed sizes."""
    file = written(BODIES[name])
    sizes, _ = prove_network(file, "net", {})
    assert sizes is not None and not sizes.questions and not sizes.exempt
    for size in range(1, 121):
        for other in (60, 63):
            for values in ({"H": size, "W": other}, {"H": other, "W": size}):
                assert claimed(sizes, values) == works(file, "net", values), values
    smallest = sizes.smallest
    assert works(file, "net", smallest)
    for axis in smallest:
        for less in range(1, smallest[axis]):
            assert not works(file, "net", {**smallest, axis: less})


@pytest.mark.parametrize(
    "where",
    ["H % 16 == 12", "H >= 30 and W != 64", "not (H < 20 or H > 90)", "H % 6 in [1, 4]", "H == W"],
)
def test_where_is_taken_in(where):
    file = written("conv(4, 7x7, 2)", default="", where=where)
    sizes, _ = prove_network(file, "net", {})
    assert sizes is not None and not sizes.questions
    for height in range(1, 130):
        for width in (height, 64, 65):
            values = {"H": height, "W": width}
            if where == "H == W" and height != width:
                continue
            known = {name: values[name] for name in sizes.valid}
            assert claimed(sizes, known) == works(file, "net", values), values


LAYERS = st.sampled_from(
    [
        "conv(4, 3x3)",
        "conv(4, 3x3, 2)",
        "conv(4, 5x2, 3, pad = 1)",
        "conv(4, 3x3, 2, pad = same)",
        "maxpool(2x2, 2)",
        "maxpool(3x3, 2, ceil = true)",
        "upsample(2)",
        "crop(1)",
        "space_to_depth(2)",
        "conv_transpose(4, 2x2, 2)",
    ]
)
CHAINS = st.lists(LAYERS, min_size=1, max_size=2).map(" -> ".join)
WHERES = st.lists(
    st.sampled_from(
        [
            "H % 4 == 0",
            "W >= 23",
            "H == W",
            "W == 2 * H",
            "W == H + 3",
            "H >= W",
            "0 == H % 2 == W % 2",
            "W in [2, 5, 8, 11, 14, 17, 20, 23, 26, 29, 32]",
            "(H < 20 or H % 4 == 1)",
            "H + W >= 30",
        ]
    ),
    max_size=2,
    unique=True,
).map(" and ".join)
BODY_SHAPES = st.sampled_from(
    [
        "{} -> {}",
        "{}\nconcat {{ | {} | {} }}",
        "a: {}\nb: {}\n{}\nconcat {{ | from a | from b }}",
        "{} -> tokens -> take_token(3)",
    ]
)


@settings(max_examples=60)
@given(BODY_SHAPES, st.tuples(CHAINS, CHAINS, CHAINS), WHERES)
def test_any_verdict_is_what_trying_gives(shape, chains, where):
    """What is said of a network, whatever it is, and of the sizes that its input allows."""
    body = shape.format(*chains)
    file = written(body, default="", where=where)
    sizes, _ = prove_network(file, "net", {})
    assume(sizes is not None)
    meets = eval(f"lambda H, W: {where or True}")
    sizes_tried = [(h, w) for h in (1, 2, 5, 8, 9, 16, 23, 31, 44, 45) for w in (h, 2 * h, 8, 23)]
    for height, width in sizes_tried:
        values = {"H": height, "W": width}
        if not meets(height, width):
            continue
        right = all(values[name] in held for name, held in sizes.valid.items())
        if sizes.questions:
            assert right or not works(file, "net", values), values
        else:
            assert right == works(file, "net", values), values
    for refuted in sizes.diagnostics:
        given = {name: int(size) for name, size in SIZE.findall(refuted.message)}
        if len(given) == 2:
            assert meets(given["H"], given["W"]) and not works(file, "net", given)
        for fix in refuted.fixes:
            clause = fix.edits[0].text.removeprefix(" where ")
            kept = eval(f"lambda H, W: {clause}")
            assert all(meets(*each) for each in sizes_tried if kept(*each)), clause
            mended, _ = prove_network(written(body, default="", where=clause), "net", {})
            assert refuted.message not in [each.message for each in mended.diagnostics]
    smallest = sizes.smallest
    if smallest and not sizes.questions and not sizes.diagnostics:
        assert meets(smallest["H"], smallest["W"]) and works(file, "net", smallest)


def test_a_condition_and_a_counterexample():
    found = verdict_of(written(BODIES["unet"], default="224, 224, 3"))
    (first,) = found.diagnostics
    assert first.code == "shape-mismatch"
    assert first.message == (
        "the heights and widths that `concat` joins agree only when H and W are 0 or 1 more than "
        "multiples of 4: H = 226 gives 113 against 112"
    )
    assert [each.partition(", ")[2] for each in first.notes] == [
        "the heights and widths that `concat` joins agree only when H and W are even"
    ]
    assert first.fixes[0].message == "let the input say `where H % 4 == 0 and W % 4 == 0`"
    assert size_report.summary(found.sizes) == "not for every H and W"


@pytest.mark.parametrize(
    ("where", "proposed"),
    [
        ("H == W", "H == W and H % 4 == 0"),
        ("H % 2 == 0", "H % 4 == 0 and W % 4 == 0"),
        ("W == 2 * H and H >= 9", "W == 2 * H and H >= 12 and H % 4 == 0"),
        ("(W > 90 or H > 90) and W % 3 == 0", "(W > 90 or H > 90) and W % 12 == 0 and H % 4 == 0"),
        ("W > 90 or H > 90", "(W > 90 or H > 90) and H % 4 == 0 and W % 4 == 0"),
        ("0 == H % 2 == W % 2", "H % 4 == 0 and W % 4 == 0"),
    ],
)
def test_what_is_proposed_keeps_what_the_input_demands(where, proposed):
    _, found = prove_network(written(BODIES["unet"], default="", where=where), "net", {})
    assert {fix.message for each in found for fix in each.fixes} == {
        f"let the input say `where {proposed}`"
    }


def test_no_where_is_proposed_that_nothing_meets():
    body = "avgpool(2x2, 2)\nconcat { | conv_transpose(4, 2x2, 2) | conv_transpose(4, 2x2, 2) -> "
    body += "maxpool(2x2, 2, ceil = true) }"
    _, found = prove_network(written(body, default="", where="H + W >= 30"), "net", {})
    assert found and not any(each.fixes for each in found)


def test_sizes_that_follow_from_others_are_said():
    sizes, _ = prove_network(written(BODIES["unet"], where="W == 2 * H", default=""), "net", {})
    assert sizes.tied.keys() == {"W"} and sizes.valid.keys() == {"H"}
    file = written("conv(4, 7x7, 2)", default="", where="W == H // 2 and H % 4 == 0")
    sizes, _ = prove_network(file, "net", {})
    assert size_report.summary(sizes) == "where H is at least 16 and a multiple of 4, with W = H/2"
    assert sizes.smallest == {"H": 16, "W": 8} and works(file, "net", sizes.smallest)
    written_out = size_report.to_json(sizes)
    assert (written_out["with"], written_out["smallest"]) == ({"W": "H/2"}, {"H": 16, "W": 8})
    nothing = written("conv(4, 7x7)", default="", where="H == W and W == H + 3")
    sizes, _ = prove_network(nothing, "net", {})
    assert size_report.rows(sizes)[0] == ("works", "for no size, which is proved")


def test_a_where_that_suffices_proves_the_network():
    found = verdict_of(written(BODIES["unet"], where="H % 4 == 0 and W % 4 == 0"))
    assert not found.diagnostics
    assert size_report.summary(found.sizes) == "where H and W are multiples of 4"
    found = verdict_of(written(BODIES["halves"], default="64, 64, 3", where="H % 2 == 0"))
    assert [each.message.partition(":")[0] for each in found.diagnostics] == [
        "the widths that `add` joins agree only when W is even"
    ]


def test_sizes_together_are_not_guessed():
    file = written("conv(3, 1x1) -> reshape([-1, 12])", default="")
    sizes, diagnostics = prove_network(file, "net", {})
    assert "depends on H and W together: H = 1, W = 1 gives 3 against 0" in diagnostics[0].message
    assert sizes.questions
    file = written(
        "conv(3, 1x1) -> reshape([-1, 12]) -> take_token(3)",
        where="H % 2 == 0 and W % 2 == 0",
    )
    sizes, _ = prove_network(file, "net", {})
    assert not sizes.diagnostics
    (question,) = sizes.questions
    assert question.text == ("from which H and W on `take_token` takes token 3: where H W/4 >= 4")


def test_the_few_sizes_that_a_comparison_decides_otherwise_are_tried():
    shortcut = "shortcut if in.shape != out.shape { conv(3, 1x1, 2) }"
    file = written(f"residual {{ conv(3, 3x3, 2, pad = same) }} {shortcut}")
    sizes, diagnostics = prove_network(file, "net", {})
    assert not diagnostics and not sizes.exempt
    assert sizes.smallest == {"H": 1, "W": 1}


def test_many_sizes_that_a_comparison_decides_otherwise_are_exempt():
    body = "if in.height == in.height // 2 * 2 { conv(3, 3x3, 2) } else { conv(3, 3x3) }"
    sizes, diagnostics = prove_network(written(body), "net", {})
    assert not diagnostics
    (exempt,) = sizes.exempt
    assert {name: in_words(held, name) for name, held in exempt.region.items()} == {
        "H": "H is even"
    }
    assert sizes.smallest == {"H": 3, "W": 3}
    assert "but for exceptions" in size_report.summary(sizes)
    assert ("not looked at" in dict(size_report.rows(sizes))) is True
    assert dict(size_report.rows(sizes))["works"].endswith("proved but for what was not looked at")


@pytest.mark.parametrize(
    "body",
    [
        "conv(8, 3x3) -> flatten -> dense(3)",
        "conv(8, 5x5, 2) -> maxpool(3x3, 2) -> flatten -> dense(3)",
        "conv(8, 7x7, 7) -> tokens -> class_token -> layernorm -> take_token(0) -> dense(3)",
    ],
)
def test_products_of_sizes_that_are_at_least_one_are_proved(body):
    """`flatten` and `tokens` multiply height and width, in which neither stands alone."""
    file = written(body)
    sizes = verdict_of(file).sizes
    assert not sizes.questions
    for height in range(1, 24):
        for width in (1, 7, 8, 23):
            values = {"H": height, "W": width}
            assert claimed(sizes, values) == works(file, "net", values), values


def test_no_size_is_named_where_something_is_not_known():
    """An image of 1×1 has no token 9, which is not decided."""
    file = written("conv(8, 3x3, pad = 1) -> tokens -> take_token(9)")
    sizes = verdict_of(file).sizes
    shown = dict(size_report.rows(sizes))
    assert shown["works"].startswith("at most for every H and W")
    assert "smallest input" not in shown and size_report.to_json(sizes)["smallest"] is None


@pytest.mark.parametrize("condition", ["H == W", "H % 2 == W % 2", "H // 2 == W", "H == 2 * W"])
def test_what_sizes_decide_together_is_not_taken_for_proved(condition):
    file = written(f"if {condition} {{ conv(4, 3x3) }} else {{ conv(4, 1x1) }}", default="")
    sizes, _ = prove_network(file, "net", {})
    (apart,) = sizes.apart
    assert apart.span.text == condition
    assert "proved but for what was not looked at" in dict(size_report.rows(sizes))["works"]
    for smallest in (sizes.smallest, size_report.to_json(sizes)["smallest"]):
        assert smallest is None or not apart.holds(smallest)


@pytest.mark.parametrize(
    "condition",
    [
        "H >= W",
        "in.height * in.width <= 5000",
        "H >= 40 or W >= 40",
        "(H >= 40 if W >= 20 else H >= 30)",
    ],
)
def test_assertions_about_several_sizes_are_kept_in_mind(condition):
    file = written(f"assert {condition}\nconv(3, 3x3)")
    sizes, _ = prove_network(file, "net", {})
    assert sizes.together == (condition,) and not sizes.questions
    assert f"`{condition}`" in size_report.summary(sizes) and sizes.smallest is None


def test_a_condition_on_one_size_may_be_a_choice():
    file = written("assert H >= 9 if H % 2 == 0 else H >= 4\nconv(3, 3x3)")
    sizes, _ = prove_network(file, "net", {})
    for height in range(1, 30):
        assert claimed(sizes, {"H": height, "W": 9}) == works(file, "net", {"H": height, "W": 9})


def test_counterexamples_meet_assertions_about_several_sizes():
    body = f"assert in.height < in.width\n{BODIES['unet']}"
    sizes, _ = prove_network(written(body, default="64, 128, 3"), "net", {})
    for refuted in sizes.diagnostics:
        given = {name: int(size) for name, size in SIZE.findall(refuted.message)}
        assert given and given.get("H", 1) < given.get("W", 2**30)


def test_the_smallest_input_lies_in_no_region_that_was_not_looked_at():
    body = "if H in [1, 2, 64] { conv(4, 3x3) } else { conv(4, 1x1) }"
    sizes, _ = prove_network(written(body), "net", {})
    assert sizes.smallest == {"H": 3, "W": 1}


def test_weights_that_other_products_fit_are_not_said_to_fit_no_other():
    body = "conv(4, 8x8, 8) -> tokens -> position_embedding"
    (fit,) = verdict_of(written(body)).sizes.fitted
    assert not fit.only  # 4·16 tokens of 32×128 pixels are as many as 8·8.
    text = dict(size_report.rows(verdict_of(written(body)).sizes))["weights"]
    assert "fits where H and W are 64 to 71, and others only if they give the same shape" in text
    (fit,) = verdict_of(written("flatten -> dense(2)", where="H == W")).sizes.fitted
    assert fit.only


def test_what_the_input_allows_decides_a_condition():
    body = "if in.height > 32 { maxpool(2x2, 2) }\n conv(3, 3x3)"
    assert verdict_of(written(body, where="H >= 64")).diagnostics == ()
    (error,) = check_network(written(body), "net", {}).diagnostics
    assert error.code == "condition-depends-on-size"
    body = "if in.height == in.width { maxpool(2x2, 2) }\n conv(3, 3x3)"
    sizes = verdict_of(written(body, where="H == W")).sizes
    assert not sizes.exempt and list(sizes.valid) == ["H"]


def test_weights_after_flatten_fit_some_sizes():
    body = "maxpool(2x2, 2) -> conv(4, 3x3, 2)\nfc: flatten -> dense(10)"
    file = written(body)
    sizes = verdict_of(file).sizes
    (fit,) = sizes.fitted
    assert (fit.layer, fit.weight, fit.shape) == ("fc", "kernel", (15 * 15 * 4, 10))
    shape = lambda values: (  # noqa: E731
        load_network(file, "net", {k: setting_of(k, v) for k, v in values.items()})[0]
        .graph.nodes[-2]
        .type.shape
    )
    for size in range(10, 130):
        same = shape({"H": size, "W": 64}) == (900,)
        assert (size in fit.region["H"]) == same, size
    assert "the layer fits where H and W are 62 to 65" in str(size_report.rows(sizes))


def test_parameters_that_are_sizes_are_decided_when_asked():
    file = program(
        "network net(size = 20) {\n  assert size % 16 == 4\n  input image[size, size, 1]\n"
        "  conv(2, 3x3, 2)\n}\n"
    )
    assert check_network(file, "net", {}).sizes is None
    sizes, _ = sizes_of(file, "net", {})
    assert sizes.smallest == {"size": 4}
    assert size_report.to_json(sizes)["works_where"] == {"size": "size % 16 == 4"}


def pytest_generate_tests(metafunc):
    """Shipped networks: one of each file, or all with `--exhaustive`."""
    if "target" in metafunc.fixturenames:
        every = metafunc.config.getoption("--exhaustive")
        files = {}
        for target, path in shipped_networks().items():
            files.setdefault(target if every else path, target)
        metafunc.parametrize("target", files.values())


@cache
def loaded(target):
    name = target.rpartition("/")[2]
    file, _ = load_file(find(target).source)
    return (file, name) if name in complete_networks(file) else None


def typed_again(nodes, shape):
    """Whether every layer takes what the layers before it make of an input of this shape."""
    types = []
    try:
        for node in nodes:
            inputs = tuple(types[index] for index in node.inputs)
            types.append(TensorType(shape) if node.op is None else node.op.infer(*inputs))
            if min(types[-1].shape) < 1:
                return False
    except OpError:
        return False
    return True


def test_shipped_networks_work_where_it_is_said(target, exhaustive):
    """Each axis is tried alone, up to 600; the other is at its smallest size that works."""
    found = loaded(target)
    if found is None:
        return
    file, name = found
    sizes, _ = sizes_of(file, name, {})
    if sizes is None:
        return
    assert not sizes.diagnostics and not sizes.questions
    # A shortcut may need no projection for an image of one pixel: the default has the structure of
    # sizes in general.
    general = sizes.defaults or sizes.smallest
    settings = {key: setting_of(key, value) for key, value in general.items()}
    graph = elaborate(file, name, settings).graph
    assert graph is not None, sizes.smallest
    channels = graph.nodes[0].type.channels
    tried = range(1, LARGEST + 1) if exhaustive else (1, 2, 14, 15, 31, 32, 33, 62, 63, 64, 224)
    names = list(sizes.valid)
    for size in tried:
        for axis in names:
            values = {**sizes.smallest, axis: size}
            if size not in sizes.allowed[axis]:
                continue
            if any(
                all(values[key] in held for key, held in region.items())
                for region, _ in sizes.exempt
            ):
                continue
            shape = (values[names[0]], values[names[-1]], channels)
            assert claimed(sizes, values) == typed_again(graph.nodes, shape), values


PAGE = (Path(__file__).parent.parent / "docs" / "sizes.md").read_text("utf-8")
DOCUMENTED = re.findall(r"^\$ netdsl (check .*)\n((?:(?!\$ |```).*\n)*)", PAGE, re.MULTILINE)


@pytest.mark.parametrize(("command", "shown"), DOCUMENTED, ids=[each[0] for each in DOCUMENTED])
def test_the_documentation_shows_what_comes_out(command, shown, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("net.net").write_text(re.search(r"^```\n(network .*?)```", PAGE, re.M | re.S)[1])
    run(shlex.split(command))
    printed = capsys.readouterr()
    text = printed.err.lstrip() if "error" in shown else printed.out
    expected, left_out, _ = shown.partition("…\n")
    assert text.startswith(expected) if left_out else text == expected


@pytest.mark.parametrize(
    ("body", "output"),
    [
        ("tokens -> reshape([H, W, 3])", "H×W×3"),
        ("tokens -> reshape([W, H, -1])", "W×H×3"),
        ("conv(8, 4x4, 4) -> tokens -> reshape([H // 4, W // 4, -1])", "floor(H/4)×floor(W/4)×8"),
        ("conv(8, 3x3) -> tokens -> reshape([H - 2, W - 2, -1])", "(H - 2)×(W - 2)×8"),
        ("reshape([3 * H, -1])", "(3 H)×W"),
    ],
)
def test_reshape_takes_sizes_of_the_input(body: str, output: str):
    network, diagnostics = load_network(written(body, default=""), "net", {})
    assert network is not None and not diagnostics
    graph = network.report.graph
    assert str(graph.nodes[graph.root.output].type) == output


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("reshape([H - 1, W, -1])", "it is not clear that H×W×3, of 3 H W values, leaves whole"),
        ("reshape([H, W, 4])", "whether `reshape` makes [H, W, 4] of all values"),
        ("reshape([H - 1, W + 1, 3])", "whether `reshape` makes [H - 1, W + 1, 3] of all values"),
        ("crop(H // 4)", "which is open with the input's size: `--set H=…` gives it"),
    ],
)
def test_open_sizes_that_do_not_fit(body: str, message: str):
    _, diagnostics = prove_network(written(body, default=""), "net", {})
    assert message in diagnostics[0].message
