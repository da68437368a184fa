"""`netdsl explain`: no arithmetic that it shows can lie, and the quiz knows right from wrong."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

import jax
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from test_ops import MERGES, SINGLE, entering, images, named, operators, shapes

from netdsl import load
from netdsl.derivation import AXES, Term, ceiling, even_share, largest, latex_size, term
from netdsl.derivation import named as number
from netdsl.derivation import shown as in_full
from netdsl.main import run
from netdsl.ops import AveragePool, Conv
from netdsl.ops.base import OpError
from netdsl.sizes import symbol
from netdsl.source import Source
from netdsl.teach import quiz, show
from netdsl.teach.context import Context
from netdsl.teach.lesson import Layer, Repeat, of_network
from netdsl.tensor import TensorType

MANY = settings(max_examples=20, suppress_health_check=list(HealthCheck))


# ---------------------------------------------------------------- no arithmetic can lie


def assert_true(op, *inputs):
    """Each step gives what the rule says, and nothing that needs a step is without one."""
    output = op.infer(*inputs)
    held = op.weights(*inputs)
    work = op.cost(output, *inputs)
    claims = {
        **dict(zip(AXES[len(output.shape)], output.shape, strict=True)),
        "weights": sum((weight.elements for weight in held if weight.trainable), 0),
        "buffers": sum((weight.elements for weight in held if not weight.trainable), 0),
        "macs": work.macs,
        "flops": work.flops,
    }
    steps = op.derivation(output, *inputs)
    given = {step.measure: step.formula.value for step in steps if step.measure in claims}
    assert given == {measure: claims[measure] for measure in given}
    needed = {measure for measure in ("weights", "buffers", "macs") if claims[measure] != 0}
    if claims["macs"] == 0 and claims["flops"] != 0:
        needed.add("flops")
    first = inputs[0].shape
    for position, axis in enumerate(AXES[len(output.shape)]):
        if len(first) != len(output.shape) or first[position] != output.shape[position]:
            needed.add(axis)
    assert needed <= set(given)
    assert steps, "there is always something to say"
    for step in steps:
        assert step.formula is not None or step.note
        if step.formula is not None:
            assert_readable(step.formula)


def assert_readable(formula):
    for text in (formula.symbols(), formula.numbers()):
        assert text.count("(") == text.count(")")
        assert text.count("⌊") == text.count("⌋")
    for names in (True, False):
        text = formula.latex(named=names)
        assert text.count("{") == text.count("}")
        assert text.count(r"\left") == text.count(r"\right")
    if isinstance(formula.value, int) and not re.search("[A-Z]", formula.numbers()):
        assert by_python(formula.numbers()) == formula.value


def by_python(text):
    """What a line of numbers comes to, worked out by another calculator than ours."""
    text = text.replace(",", "").replace("max(", "largest(")
    for shown, python in (("·", "*"), ("−", "-"), ("²", "**2"), ("⌊", "down("), ("⌈", "up(")):
        text = text.replace(shown, python)
    text = re.sub("[⌋⌉]", ")", text)
    text = re.sub(r"largest\((.*) 0\)", r"max(\1, 0)", text)
    text = text.replace("/", "//") if "up(" not in text else text
    return eval(text, {"down": _down, "up": _up, "max": max})


def _down(value):
    return int(value // 1)


def _up(value):
    return -int(-value // 1)


@pytest.mark.parametrize("op", SINGLE, ids=named)
@MANY
@given(data=st.data())
def test_every_derivation_gives_what_the_rules_say(op, data):
    layer = data.draw(operators(op))
    x, _ = entering(op, TensorType(data.draw(shapes(op))))
    try:
        layer.infer(x)
    except OpError:
        assume(False)
    assert_true(layer, x)


@pytest.mark.parametrize("op", SINGLE, ids=named)
@MANY
@given(data=st.data())
def test_derivations_of_open_sizes_do_too(op, data):
    layer = data.draw(operators(op))
    multiple = data.draw(st.sampled_from([1, 2, 4]))
    x = TensorType((symbol("H", multiple), symbol("W", multiple), 12))
    x, _ = entering(op, x)
    try:
        layer.infer(x)
    except OpError:
        assume(False)
    assert_true(layer, x)


@pytest.mark.parametrize("op", MERGES, ids=named)
@MANY
@given(data=st.data())
def test_derivations_of_merges_do_too(op, data):
    shape = data.draw(images())
    inputs = [TensorType(shape) for _ in range(data.draw(st.integers(1, 4)))]
    if op.name == "concat":
        inputs = [TensorType((*shape[:-1], data.draw(st.integers(1, 9)))) for _ in inputs]
    if op.name == "mul" and data.draw(st.booleans()):
        inputs.append(TensorType(shape[-1:]))
    assert_true(op(), *inputs)


@MANY
@given(
    size=st.integers(1, 40),
    kernel=st.integers(1, 7),
    stride=st.integers(1, 4),
    dilation=st.integers(1, 3),
)
def test_padding_is_what_xla_pads(size, kernel, stride, dilation):
    """Oracle: jax's own `SAME`."""
    op = Conv(1, kernel, stride=stride, pad="same", dilation=dilation)
    x = TensorType((size, size, 1))
    (step,) = (step for step in op.derivation(op.infer(x), x) if step.measure == "height padding")
    reach = dilation * (kernel - 1) + 1
    ((before, after),) = jax.lax.padtype_to_pads((size,), (reach,), (stride,), "SAME")
    assert step.formula.value == before + after
    if before != after:
        assert step.note.startswith(f"{before} before (above, left) and {after} after")


H, K, S, P = number("H", 32), number("K", 5), number("S", 2), number("P", 0)


@pytest.mark.parametrize(
    ("formula", "symbols", "numbers", "value"),
    [
        ((H + 2 * P - K) // S + 1, "⌊(H + 2P − K)/S⌋ + 1", "⌊(32 + 2·0 − 5)/2⌋ + 1", 14),
        (ceiling(H, S), "⌈H/S⌉", "⌈32/2⌉", 16),
        (K * K * S + S, "K·K·S + S", "5·5·2 + 2", 52),
        (K * K * (H * H), "K·K · H·H", "5·5 · 32·32", 25_600),
        (H - (K - S), "H − (K − S)", "32 − (5 − 2)", 29),
        (S * (K - 1) ** 2, "S·(K − 1)²", "2·(5 − 1)²", 32),
        (largest(K - H, 0), "max(K − H, 0)", "max(5 − 32, 0)", 0),
        (1 / S + 1 / K**2, "1/S + 1/K²", "1/2 + 1/5²", 0.54),
        (H / S, "H/S", "32/2", 16),
        (term(3) - H, "3 − H", "3 − 32", -29),
        (number("C", 1024) * 2, "C·2", "1,024·2", 2048),
        (even_share(H, S) * (H / S), "(H/S)·(H/S)", "(32/2)·(32/2)", 256),
        (ceiling(H / S, S), "⌈(H/S)/S⌉", "⌈(32/2)/2⌉", 8),
    ],
)
def test_formulas_read_as_on_a_board(formula: Term, symbols, numbers, value):
    assert (formula.symbols(), formula.numbers()) == (symbols, numbers)
    assert formula.value == pytest.approx(value)


NETWORKS = ["lenet5", "resnet50", "mobilenet_v1", "googlenet", "unet", "torchvision/swin_t"]


@pytest.mark.parametrize("name", NETWORKS)
def test_what_a_place_explains_is_what_is_counted(name):
    report = load(name).report
    context = Context(report)
    found = set()
    for layer in report.layers[1:]:
        for step in context.steps(layer.node):
            found.add(step.measure)
            measure, _, axis = step.measure.partition(" in ")
            if measure not in ("sees", "step"):
                continue
            window = layer.receptive_field if measure == "sees" else layer.stride
            sides = [getattr(window, axis)] if axis else list(window)
            assert {step.formula.value} == set(sides)
    assert "sees" in found


# ---------------------------------------------------------------- the lessons


@pytest.fixture
def explain(capsys, monkeypatch):
    """Run the command, as in a pipe; its exit code, output and messages."""
    monkeypatch.delenv("COLUMNS", raising=False)  # Of a terminal that the tests may run in.

    def explained(*arguments):
        code = run(["explain", *arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return explained


def test_lenet5_as_in_the_first_lesson(explain):
    code, out, _ = explain("lenet5", "conv1")
    assert code == 0
    assert "H' = ⌊(H + 2P − K)/S⌋ + 1 = ⌊(32 + 2·0 − 5)/1⌋ + 1 = 28" in out
    assert "K·K·C·F + F = 5·5·1·6 + 6 = 156" in out
    assert "K·K·C·F · H'·W' = 5·5·1·6 · 28·28 = 117,600" in out
    assert "R' = R + (K − 1)·J = 1 + (5 − 1)·1 = 5" in out


@pytest.mark.parametrize(
    ("arguments", "texts"),
    [
        (["lenet5"], ["156 + 2,416 + 48,120 + 10,164 + 850 = 61,706", "H·W·C = 5·5·16 = 400"]),
        (["lesson_1x1"], ["shrinks the depth from 192 to 32 channels"]),
        (
            ["lesson_5x5_bottleneck"],
            ["5·5·192·32 · 28·28 = 120,422,400", "2,408,448 + 10,035,200 = 12,443,648, 9.68 times"],
        ),
        (
            ["lesson_separable"],
            ["432 + 240 = 672", "3·3·3·5 · 4·4 = 2,160", "1/F + 1/K² = 1/5 + 1/3² = 0.3111"],
        ),
        (["lesson_bottleneck"], ["150 + 270 + 600 = 1,020", "grows the depth from 5 to 30"]),
        (
            ["resnet50", "layer2.0"],
            [
                "W_s of y = F(x) + W_s·x: the body's F(x) is 28×28×512, x is 56×56×256",
                "makes 512 of its 256 channels and takes only every second row and column",
                "y = F(x) + W_s·x: the body F",
                "no bias: batch norm subtracts the mean",
                "2C = 2·512 = 1,024   a running mean and variance",
            ],
        ),
        (["resnet50", "layer2.1"], ["y = F(x) + x: the body has only to learn what x lacks"]),
        (
            ["mobilenet_v1", "layers.1.depthwise"],
            ["0 before (above, left) and 1 after (below, right): the odd pixel goes after"],
        ),
        (["mobilenet_v1", "layers.0"], ["1/F + 1/K² = 1/64 + 1/3² = 0.1267", "7.89 times fewer"]),
        (
            ["googlenet", "inception3a"],
            ["C_1 + C_2 + C_3 + C_4 = 64 + 128 + 32 + 32 = 256", "C_1 of inception3a.relu1"],
        ),
        (["alexnet", "conv2"], ["K·K·(C/G)·F + F = 5·5·(96/2)·256 + 256 = 307,456", "2 groups"]),
        (["googlenet", "maxpool1"], ["⌈(H + 2P − K)/S⌉ + 1 = ⌈(112 + 2·0 − 3)/2⌉ + 1 = 56"]),
        (["googlenet", "aux1"], ["on a side branch: it is trained, but no part of inference"]),
        (["torchvision/vit_b_32"], ["4T·C² + 2T²·C = 4·50·768² + 2·50²·768 = 121,804,800"]),
    ],
    ids=lambda value: "-".join(value) if value[0].islower() else "",
)
def test_what_a_lesson_says(explain, arguments, texts):
    code, out, _ = explain(*arguments)
    words = " ".join(out.split())
    assert code == 0
    for text in texts:
        assert " ".join(text.split()) in words


def test_what_is_said_of_windows_that_are_not_square():
    text = """
    network net { input image[24, 24, 4]
      conv(8, 1x1, stride = 1x2) -> conv(8, 1x1, groups = 2, stride = 3x2) -> maxpool(3x2)
      depthwise(1x1, multiplier = 2) -> conv_transpose(8, 4x4, stride = 2, pad = 1)
      upsample(2) -> space_to_depth(2) -> adaptiveavgpool(2) -> flatten -> reshape([128]) }
    """
    entries = of_network(load(Source("net.net", text)).report).entries
    said = {entry.path: [(step.note, step.formula) for step in entry.steps] for entry in entries}
    notes = {path: " ".join(note for note, _ in steps) for path, steps in said.items()}
    formulas = {
        path: " ".join(formula.symbols() for _, formula in steps if formula is not None)
        for path, steps in said.items()
    }
    assert "one pixel in every second column: each filter" in notes["conv1"]
    assert "in every third row and second column" in notes["conv2"]
    assert "a weighted sum of its group's channels of that pixel" in notes["conv2"]
    assert "K_h·K_w − 1 comparisons" in notes["maxpool"]
    assert "+ C·M: a bias for each filter" in notes["depthwise"]
    assert "R + (⌈K/S⌉ − 1)·J" in formulas["conv_transpose"]
    assert "max(⌊J/S⌋, 1)" in formulas["upsample"]
    assert "H/S" in formulas["space_to_depth"] and "⌈" not in formulas["space_to_depth"]
    for path in ("adaptiveavgpool", "flatten", "reshape"):
        assert "sees the whole image" not in notes[path]


DIFFER = "the body's F(x) is 4×3×16, x is 8×6×8, and only equal shapes can be added, so "
SHORTCUTS = [
    (
        "p: avgpool(2x2); c: conv(16, 1x1)",
        "W_s·P(x)",
        ["p", "c"],
        "p shrinks 8×6 to 4×3, then c makes 16 of its 8 channels",
    ),
    (
        "c: conv(16, 1x1); p: maxpool(2x2)",
        "P(W_s·x)",
        ["c", "p"],
        "c makes 16 of its 8 channels, then p shrinks 8×6 to 4×3",
    ),
    (
        "c: conv(16, 1x1, stride = 2); bn",
        "W_s·x",
        ["c"],
        "W_s makes 16 of its 8 channels and takes only every second row and column",
    ),
    (
        "c: conv(16, 3x3, stride = 2, pad = 1)",
        "W_s·x",
        ["c"],
        "W_s makes 16 of its 8 channels and shrinks 8×6 to 4×3",
    ),
    (
        "c: conv(4, 1x1); relu; d: conv(16, 2x2, stride = 2)",
        "G(x)",
        ["c", "d"],
        "c makes 4 of its 8 channels, then d makes 16 of its 4 channels and shrinks 8×6 to 4×3",
    ),
    ("s: space_to_depth(2); t: conv(16, 1x1)", "G(x)", ["s", "t"], "s makes 32 of its 8"),
    ("concat { | maxpool(2x2) | avgpool(2x2) }", "G(x)", [], ""),
]


def said_of_sums(body, shortcut, image="8, 6, 8"):
    text = f"""network net {{ input image[{image}]
      residual {{ {body} }} shortcut {{ {shortcut} }} }}"""
    layers = of_network(load(Source("net.net", text)).report).layers
    notes = {layer.path: " ".join(step.note for step in layer.steps) for layer in layers}
    return {path: words for path, words in notes.items() if "y = F(x) + " in words}


@pytest.mark.parametrize(
    ("shortcut", "function", "paths", "does"), SHORTCUTS, ids=[each[0] for each in SHORTCUTS]
)
def test_what_each_layer_of_a_shortcut_does(shortcut, function, paths, does):
    said = said_of_sums("conv(16, 3x3, stride = 2, pad = 1)", shortcut)
    assert list(said) == [*paths, "add"]
    assert f"y = F(x) + {function}: the body F, and " in said["add"]
    for path in paths:
        assert f" of y = F(x) + {function}: {DIFFER}{does}" in said[path]
        assert ("as in ResNet-D" in said[path]) == (path == "p" and "avgpool" in shortcut)
    assert "every row" not in " ".join(said.values())


def test_a_shortcut_that_only_pools_has_no_weights():
    said = said_of_sums("conv(8, 3x3, stride = 2, pad = 1)", "p: maxpool(2x2)")
    assert "so p shrinks 8×6 to 4×3" in said["p"]
    assert said["add"].endswith("the shortcut's pooling P of x, which has no weights")
    assert "W_s" not in " ".join(said.values())


def test_a_shortcut_that_need_not_be():
    same = "x is 8×6×8 as F(x) is, so it could be added as it is; here "
    said = said_of_sums("conv(8, 3x3, pad = 1)", "c: conv(8, 1x1)")
    assert f"W_s of y = F(x) + W_s·x: {same}it is projected all the same" in said["c"]
    said = said_of_sums("conv(8, 3x3, pad = 1)", "c: conv(4, 1x1); relu; d: conv(8, 1x1)")
    assert f"{same}c makes 4 of its 8 channels, then d makes 8 of its 4" in said["c"]
    said = said_of_sums("conv(8, 3x3, pad = 1)", "c: conv(8, 1x1); relu")
    assert f"y = F(x) + G(x): {same}it goes through c all the same" in said["c"]


def test_a_shortcut_of_open_sizes():
    said = said_of_sums(
        "conv(8, 3x3, stride = 2, pad = 1)", "c: conv(8, 2x2, stride = 2, pad = same)", "H, W, 8"
    )
    assert "so W_s changes H×W to ceil(H/2)×ceil(W/2)" in said["c"]


def test_open_sizes_in_numbers():
    """Thousands are set apart, and LaTeX has one kind of brackets for what is rounded."""
    size = symbol("H")
    assert in_full(1224 * size) == "1,224 H"
    assert latex_size(2000 * (size // 3) + size) == (r"H + 2{,}000 \left\lfloor H/3 \right\rfloor")
    step = AveragePool(3, pad="same").derivation
    x = TensorType((symbol("H"), symbol("W"), 3))
    assert all("zeros" not in each.note for each in step(x, x))


def test_what_a_loop_repeats_is_told_once(explain):
    _, out, _ = explain("resnet50")
    assert "\nlayer1.0.conv1  conv(" in out
    assert "\nlayer1.1.conv1  conv(" not in out
    assert "\nlayer1.1  as layer1.0, without downsample.0 and downsample.1; and\n" in out
    assert "\nlayer3.2 … layer3.5  each as layer3.1\n" in out


@pytest.mark.parametrize("name", NETWORKS)
def test_each_layer_is_told_or_stands_under_a_repetition(name):
    report = load(name).report
    lesson = of_network(report)
    told = {entry.path for entry in lesson.layers}
    repeated = {
        path for entry in lesson.entries if isinstance(entry, Repeat) for path in entry.paths
    }
    for layer in report.layers[1:]:
        path = layer.node.path
        beginnings = {".".join(path[:depth]) for depth in range(len(path) + 1)}
        assert (".".join(path) in told) != bool(beginnings & repeated)
    for entry in lesson.entries:
        for each in entry.differences if isinstance(entry, Repeat) else ():
            assert each.cost in report.layers


def test_a_changed_argument_is_a_difference():
    text = """
    block unit(rate) { conv(4, 3x3, pad = same) -> dropout(rate) }
    network net { input image[8, 8, 4]
      unit(0.1)
      unit(0.1)
      unit(0.2) }
    """
    *_, same, other = of_network(load(Source("net.net", text)).report).entries
    assert (same.like, same.differences) == ("unit1", ())
    assert [each.call for each in other.differences] == ["dropout(rate = 0.2)"]


REPEATS = """
block unit(f, d, wide) {
  a: conv(f, 3x3, pad = d, dilation = d)
  b: conv(f, 3x3, pad = 1, groups = f)
  concat { | identity | c: conv(f, 1x1, stride = wide); upsample(wide) }
}
network net { input image[16, 16, 4]
  u1: unit(4, 1, 1)
  u2: unit(8, 2, 1)
  u3: unit(4, 2, 2)
}
"""


def test_arguments_that_shapes_do_not_show_are_a_difference():
    first, second = of_network(load(Source("net.net", REPEATS)).report).entries[-2:]
    calls = {each.path: each.call for each in first.differences}
    assert calls == {
        "a": "conv(filters = 8, kernel = 3x3, pad = 2, dilation = 2)",
        "b": "",  # A group for each channel, as before.
        "c": "",  # The depth alone.
        "concat": "",
    }
    calls = {each.path: each.call for each in second.differences}
    assert (second.like, calls["a"]) == (
        "u1",
        "conv(filters = 4, kernel = 3x3, pad = 2, dilation = 2)",
    )
    assert calls["c"] == "conv(filters = 4, kernel = 1x1, stride = 2)"


@pytest.mark.parametrize("output_format", ["text", "markdown", "latex", "json"])
def test_such_arguments_are_shown(explain, tmp_path, output_format):
    file = tmp_path / "net.net"
    file.write_text(REPEATS)
    code, out, _ = explain(str(file), "--format", output_format)
    assert code == 0
    assert "conv(filters = 8, kernel = 3x3, pad = 2, dilation = 2)" in out
    if output_format == "text":
        assert "  concat  16×16×(8 + 8) → 16×16×16\n" in out


def test_a_new_sum_says_what_it_adds(explain):
    _, out, _ = explain("mobilenet_v2")
    told = "y = F(x) + x: the body has only to learn what x lacks"
    assert re.findall(rf"add \(new\) .*\n +{re.escape(told)}\n", out)
    _, out, _ = explain("resnet50")
    assert f"\n  add    56×56×256 → 56×56×256\n         {told}\n" in out
    assert out.count(told) == 1


def test_open_sizes_stay_in_the_formulas(explain, tmp_path):
    file = tmp_path / "open.net"
    file.write_text(
        "network net {\n  input image[H, W, 3]\n  conv(8, 3x3, stride = 2, pad = 1)\n}\n"
    )
    code, out, _ = explain(str(file))
    assert code == 0
    unbroken = " ".join(out.split())
    assert "⌊(H + 2·1 − 3)/2⌋ + 1 = ceil(H/2)" in unbroken
    assert "3·3·3·8 · ceil(H/2)·ceil(W/2) = 216 ceil(H/2) ceil(W/2)" in unbroken


@pytest.mark.parametrize("name", ["alexnet", "vgg11", "torchvision/maxvit_t"])
def test_all_lines_fit(name):
    lesson = of_network(load(name).report)
    for width in (80, 100):
        text = show.text(lesson, width=width, color=False)
        assert all(len(line) <= width for line in text.splitlines())
        for step in lesson.sums:
            assert " = ".join(show.equation(step)) in " ".join(text.split())


@pytest.mark.parametrize("name", ["lenet5", "googlenet"])
def test_lines_fit(name):
    for width in (60, 100):
        text = show.text(of_network(load(name).report), width=width, color=False)
        # Headings, equations of one piece and pairs of shapes can't be broken.
        prose = [line for line in text.splitlines() if line.startswith("   ") and "=" not in line]
        assert all(len(line) <= width for line in prose)


# ---------------------------------------------------------------- lines and paths

PROGRAM = """\
block unit(f) {
  conv(f, 3x3, pad = 1) -> relu
}
network one {
  input image[8, 8, 3]
  unit(4)
  unit(8)
}
network two {
  input image[6, 6, 3]
  stem: conv(5, 3x3)
}
"""


@pytest.fixture
def program(tmp_path):
    file = tmp_path / "program.net"
    file.write_text(PROGRAM)
    return str(file)


def told(out):
    return re.findall(r"^(\S+)  \S.*line \d+$", out, re.MULTILINE)


def test_a_line_of_a_network(explain, program):
    code, out, _ = explain(f"{program}:11")
    assert (code, told(out)) == (0, ["stem"])
    assert out.startswith("two\n")


def test_a_line_of_a_block(explain, program):
    code, out, _ = explain(f"{program}:2")
    assert (code, told(out)) == (0, ["unit1.conv", "unit1.relu"])
    assert "the same line makes unit2.conv" in out


def test_a_line_that_calls_a_block(explain, program):
    for arguments in ([f"{program}:7"], [f"{program}:one", "7"], [f"{program}:one:7"]):
        code, out, _ = explain(*arguments)
        assert (code, told(out)) == (0, ["unit2.conv", "unit2.relu"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["lenet5", "convv1"], "has no layer `convv1`; did you mean `conv1`?\nits layers: conv1, "),
        (
            ["resnet50", "layer9"],
            "did you mean `layer4`?\nit has conv1, bn1, relu, maxpool, layer1",
        ),
        (
            ["lenet5", "3"],
            "line 3 of `lenet5.net` makes no layer of the network `lenet5`; the near",
        ),
        (["lenet5", "c\x1bv"], "has no layer `c\\x1bv`"),
        (["lenet6"], "there is no operator, code or network `lenet6`; did you mean `lenet5`?"),
        (["covn"], "there is no operator, code or network `covn`; did you mean `conv`?"),
        (["nowhere.net"], "there is no file `nowhere.net`"),
        (["lenet5.net:12", "conv1"], "names a line, so that no PATH can follow"),
        (["conv", "conv1"], "`conv` is an operator; a PATH, --set, --quiz"),
        (["conv", "--quiz"], "`conv` is an operator"),
        (["shape-mismatch", "--format", "latex"], "`shape-mismatch` is a diagnostic code"),
        (["lenet5", "--quiz", "--format", "json"], "--quiz asks in text"),
        (["-", "--quiz"], "give a file"),
        (["lenet5", "act1", "--quiz"], "there is nothing to ask"),
        (["lenet5", "--set", "clases=3"], "clases"),
    ],
    ids=lambda value: value if isinstance(value, str) else "-",
)
def test_what_can_t_be_explained_is_said(explain, monkeypatch, tmp_path, arguments, message):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.stdin", io.StringIO())
    code, _, err = explain(*arguments)
    assert code in (1, 2, 3)
    assert message in err


# ---------------------------------------------------------------- formats


def test_json(explain):
    code, out, _ = explain("resnet50", "--format", "json")
    data = json.loads(out)
    assert code == 0
    first = data["entries"][0]
    results = {step.get("measure"): step.get("result") for step in first["steps"]}
    assert results["weights"] == 9408
    assert (first["inputs"], first["output"]) == ([[224, 224, 3]], [112, 112, 64])
    repeats = [entry for entry in data["entries"] if "like" in entry]
    assert repeats[0]["missing"] == ["downsample.0", "downsample.1"]


def test_markdown(explain):
    code, out, _ = explain("resnet50", "--format", "markdown")
    assert code == 0
    assert "\n## conv1\n" in out
    assert "- **weights**: `K·K·C·F = 7·7·3·64 = 9,408` — no bias\n" in out
    call = "conv(filters = 128, kernel = 1x1, stride = 2, bias = false, init = he_normal)"
    assert f"| `conv1`, `{call}` | 56×56×256 → 28×28×128 | 32,768 | 25,690,112 |" in out
    assert "| `conv2` | 28×28×128 → 28×28×128 | 147,456 | 115,605,504 |" in out
    assert "\n- `add`: y = F(x) + x: the body has only to learn what x lacks\n" in out


def test_latex(explain):
    code, out, _ = explain("resnet50", "--format", "latex")
    assert code == 0
    assert r"\left\lfloor \frac{224 + 2 \cdot 3 - 7}{2} \right\rfloor + 1 = 112" in out
    assert r"118{,}013{,}952" in out
    assert out.count(r"\begin{") == out.count(r"\end{")
    assert out.isascii(), "any engine can read it"


def bare_words(latex):
    """Runs of letters that LaTeX would set as a product of as many numbers."""
    inside = re.findall(r"\\begin\{align\*\}(.*?)\\end\{align\*\}|\$(.*?)\$", latex, re.DOTALL)
    left = re.sub(r"\\(text|mathrm)\{[^}]*\}|\\[a-zA-Z]+", "", str(inside).replace("\\\\", "\\"))
    return re.findall("[A-Za-z]{2,}", left.replace("\\n", ""))


def test_words_in_mathematics_are_text():
    assert bare_words(r"$K \\cdot depth$") == ["depth"]
    for name in [*NETWORKS, "efficientnet_lite0", "torchvision/maxvit_t"]:
        assert bare_words(show.latex(of_network(load(name).report))) == []
    text = "network net { input image[rows, W, 3]\n conv(8, 3x3, stride = 2) }"
    out = show.latex(of_network(load(Source("net.net", text)).report))
    assert r"\frac{\text{rows} + 2" in out
    assert bare_words(out) == []


# ---------------------------------------------------------------- the quiz


@pytest.mark.parametrize("given", ["28x28x6", "28×28×6", "28 X 28 x 6", "(28, 28, 6)", "28 28 6"])
def test_shapes_are_read(given):
    assert quiz.read_shape(given) == (28, 28, 6)


@pytest.mark.parametrize("given", ["", "x", "28x", "-28x6", "28.5x3", "9" * 400])
def test_what_is_no_shape(given):
    if given == "28x":
        assert quiz.read_shape(given) == (28,)
        return
    with pytest.raises(ValueError, match="is no shape"):
        quiz.read_shape(given)


@pytest.mark.parametrize(
    ("given", "answer", "right"),
    [
        ("1020", 1020, True),
        ("1,020", 1020, True),
        ("1.02K", 1020, True),
        ("1.02 k", 1020, True),
        ("1_020", 1020, True),
        ("1.03K", 1020, False),
        ("1K", 1020, False),  # Too coarse to show that it is known.
        ("118K", 117_600, True),
        ("117K", 117_600, False),
        ("1.58G", 1_582_671_872, True),
        ("2.4M", 2_400_000, True),
        ("1021", 1020, False),
    ],
)
def test_counts_are_read(given, answer, right):
    low, high = quiz.read_count(given)
    assert (low <= answer <= high) == right


@pytest.mark.parametrize("given", ["", "foo", "-5", "1.2.3", "10x10", "1e3", "9" * 50])
def test_what_is_no_count(given):
    with pytest.raises(ValueError, match="is no number"):
        quiz.read_count(given)


class Pupil:
    """Answers from a list, and what was written in between."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.shown = []

    def read(self, prompt):
        self.shown.append(prompt)
        return self.answers.pop(0) if self.answers else None

    def take(self, lesson):
        return quiz.run(quiz.questions(lesson), self.read, self.shown.append)


@pytest.fixture(scope="module")
def lenet5():
    return of_network(load("lenet5").report)


def test_all_right(lenet5):
    questions = quiz.questions(lenet5)
    pupil = Pupil(*(question.text for question in questions))
    assert pupil.take(lenet5) == (len(questions), len(questions), len(questions))


def test_hints(lenet5):
    pupil = Pupil("28x28x5", "28x28x6", "150", "155", "235200", "")
    assert pupil.take(lenet5) == (3, 1, 0)
    shown = "\n".join(pupil.shown)
    assert "height and width are right, the channels are not" in shown
    assert "the biases are missing" in shown
    assert "K·K·C·F + F = 5·5·1·6 + 6\n" in shown
    assert "it is 156" in shown
    assert "a multiplication with its addition counts once" in shown


def test_hints_do_not_tell():
    for name in NETWORKS[:4]:
        for question in quiz.questions(of_network(load(name).report)):
            shown = quiz.hint(question, "1x1x1" if question.measure == "shape" else "1")
            for line in shown.splitlines():
                assert question.measure == "shape" or f"= {question.text}" not in line


def test_each_answer_is_the_network_s(lenet5):
    for question in quiz.questions(lenet5):
        cost = question.layer.cost
        says = {"shape": cost.node.type.shape, "weights": (cost.params,), "macs": (cost.macs,)}
        assert question.answer == says[question.measure]


def quizzed(explain, monkeypatch, answers, *arguments):
    class Pipe:
        def __init__(self):
            self.lines = [f"{answer}\n" for answer in answers]

        def isatty(self):
            return False

        def readline(self):
            return self.lines.pop(0) if self.lines else ""

    monkeypatch.setattr("sys.stdin", Pipe())
    return explain(*arguments, "--quiz")


def test_a_quiz_through_a_pipe(explain, monkeypatch):
    answers = ["28x28x6", "156", "117.6K"]
    code, out, err = quizzed(explain, monkeypatch, answers, "lenet5", "conv1")
    assert (code, err) == (0, "")
    assert "weights? 156\n  right: 156\n" in out
    assert out.endswith("3 of 3 right, 3 of them at once\n")
    code, out, _ = quizzed(explain, monkeypatch, answers[:1], "lenet5", "conv1")
    assert code == 0
    assert out.endswith("1 of 1 right, 1 of them at once; 2 not asked\n")


def test_a_seed_picks_the_same_questions(explain, monkeypatch):
    sheets = [
        quizzed(explain, monkeypatch, [""] * 9, "vgg16", "--seed", seed, "--questions", "4")[1]
        for seed in ("1", "1", "2")
    ]
    assert sheets[0] == sheets[1] != sheets[2]
    assert "0 of 4 right" in sheets[0]


PAGE = Path(__file__).parents[1] / "docs" / "explain.md"
EXAMPLES = re.findall(
    r"^```\n\$ netdsl explain (.*)\n([\s\S]*?)^```$", PAGE.read_text(), re.MULTILINE
)


@pytest.mark.parametrize(("arguments", "shown"), EXAMPLES)
def test_the_page_shows_what_is_printed(explain, monkeypatch, arguments, shown):
    answers = re.findall(r"^  .*\? (.*)$", shown, re.MULTILINE)
    words = arguments.replace(" --quiz", "").split()
    if answers:
        assert quizzed(explain, monkeypatch, answers, *words) == (0, shown, "")
    else:
        assert explain(*words) == (0, shown, "")


def test_the_page_has_both_examples():
    assert len(EXAMPLES) == 2


def test_open_sizes_can_t_be_asked(explain, monkeypatch, tmp_path):
    file = tmp_path / "open.net"
    file.write_text("network net {\n  input image[H, W, 3]\n  maxpool(2x2)\n}\n")
    code, _, err = quizzed(explain, monkeypatch, [], str(file))
    assert code == 2
    assert "--set H=64" in err


def test_entries_are_layers_or_repeats(lenet5):
    assert all(isinstance(entry, (Layer, Repeat)) for entry in lenet5.entries)
