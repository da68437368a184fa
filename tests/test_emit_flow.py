"""Emitted code computes exactly what its graph says, for every shape that a program can have."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest
from hypothesis import HealthCheck, assume, given, settings

from netdsl import Model, ProgramError, load
from netdsl.network import shipped_networks
from netdsl.source import Source
from tests.recording import Recorder, emitted_result, graph_result
from tests.strategies import programs


def assert_same(model: Model) -> str:
    """Demand that the emitted source makes the graph's layers and computes its values."""
    recorder = Recorder()
    for train in (False, True):
        expected, layers, runtime = graph_result(recorder, model.graph, train=train)
        result, made = emitted_result(recorder, model.python, model.graph, runtime, train=train)
        assert made == layers, model.python
        assert result == expected, model.python
    return model.python


def assert_formatted(python: str) -> None:
    for command in (["format", "--diff"], ["check"]):
        ran = subprocess.run(
            [sys.executable, "-m", "ruff", *command, "--isolated", "-"],
            input=python,
            capture_output=True,
            text=True,
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr


def network(body: str, blocks: str = "") -> Model:
    return load(Source("test.net", f"{blocks}\nnetwork net {{\n  input image[8, 8, 4]\n{body}\n}}"))


@settings(max_examples=60, suppress_health_check=list(HealthCheck))
@given(programs())
def test_random_programs(text):
    try:
        model = load(Source("random.net", text))
    except ProgramError:
        assume(False)
    assert_formatted(assert_same(model))


@pytest.mark.parametrize("name", sorted(shipped_networks()))
def test_shipped_networks(name):
    try:
        model = load(name)
    except ProgramError as error:
        # A template for variants, which needs arguments of its own.
        assert {each.code for each in error.diagnostics} == {"missing-argument"}
        return
    assert_same(model)


CASES = {
    "a sum is cut as a whole": (
        "residual { conv(4, 1x1) } -> split(2, 0)\nadd { | tanh | relu } -> flatten -> dense(3)",
        "",
    ),
    "sums in sums keep their order": (
        "a: relu\nresidual { residual { conv(4, 1x1) } }\nadd(a)\nadd { | identity | add(a) }",
        "",
    ),
    "calls one after another": (
        "f.0: b(1)\nf.1: b(2)\nf.2: b(3)\nk: relu\nf.3: b(4)\nf.4: c\nf.5: b(5)\nadd(k)\n"
        "g.0: b(1)\ng.1: b(2)\nconv(4, 1x1)\ng.2: b(3)\nm: b(1)\nb(2)\nb(3)\n"
        "repeat 3 { b(1) -> b(2) -> b(3) -> c }\nh: repeat 2 { b(1) -> b(2) -> b(3) }",
        "block b(n) {\n  conv(n, 1x1)\n  conv(4, 1x1)\n}\nblock c { bn -> b(2) }",
    ),
    "ways that share a path": (
        "u: repeat 4 as i { b(i) -> c(i) }",
        "block b(n) {\n  if n == 1 { d.0: conv(4, 1x1) } else {\n    d.0: conv(n + 3, 1x1)\n"
        "    d.1: conv(4, 1x1)\n  }\n}\n"
        "block c(n) {\n  if n == 1 { e: conv(4, 1x1) } else if n == 2 { e: bn } else {\n"
        "    e: { 0: conv(4, 5x5, pad = 2); 1: bn }\n  }\n}",
    ),
    "loops whose rows are too long for their line": (
        "f.0: conv(4, 1x1)\n"
        + "".join(
            f"for (width_of_it, kernel, dilation) in {rows} {{\n"
            f"  f.{{{first} + kernel}}: wide(width_of_it, kernel, dilation)\n}}\n"
            for first, rows in [
                (0, "[(40000, 1, 1), (50000, 3, 1)]"),
                (10, "[(60000, 1, 1), (70000, 3, 2)]"),
            ]
        )
        + "g.0: repeat 9 as i { wide(40000 + i * i, 3, 1 + i % 3) }\n"
        "g.1: repeat 9 as i { wide(50000 + i * i * i, 3, 1 + i % 2) }",
        "block wide(n, k, d) {\n  conv(n, 1x1)\n  conv(4, k, dilation = d, pad = d * (k - 1) // 2)"
        "\n}",
    ),
    "conditions in conditions": (
        "b(true, true) -> b(true, false) -> b(false, true) -> b(false, false)",
        "block b(f, g) {\n  residual if f { residual if g { conv(4, 1x1) } }\n"
        "  residual { bn } shortcut if f { residual if g { tanh } }\n"
        "  if f { if g { relu } else { gelu } } else { conv(4, 1x1) }\n}",
    ),
    "side branches beside several outputs": (
        "a: conv(3, 1x1)\naux(weight = 0.3) { globalavgpool -> dense(3) }\n"
        "b: conv(5, 1x1)\nfrom image -> tanh\nglobalavgpool -> dense(2)",
        "",
    ),
    "labels that are functions of the runtime": (
        "upsample: conv(4, 1x1) -> relu\nupsample(2x) -> maxpool(2x2)\nadd(upsample)\n"
        "channel_shuffle: conv(4, 1x1)\nchannel_shuffle(2) -> add(channel_shuffle)",
        "",
    ),
    "labels that are variables": (
        "y: relu\nconv(4, 1x1)\nbranch1: bn\nadd(y)\nadd(branch1)\naux1: tanh\n"
        "aux(weight = 0.1) { globalavgpool -> dense(3) }\nconv(4, 1x1)\nadd(aux1)\n"
        "globalavgpool -> dense(3)",
        "",
    ),
    "a variable named as a loop's": (
        "value: conv(4, 1x1)\nrate: relu\nfor (rates, width) in [(0.1, 4), (0.2, 4)] {\n"
        "  conv(width, 1x1) -> stochastic_depth(rates)\n}\nadd(value)\nadd(rate)",
        "",
    ),
    "parameters that are classes or words of Python": (
        "outer(3, 5, 6, 4) -> outer(4, 6, 3, 4)",
        "block outer(Outer, Inner, self, lambda) {\n"
        "  inner(Outer) -> conv(Inner, 1x1) -> conv(self, 1x1) -> conv(lambda, 1x1)\n}\n"
        "block inner(x) { conv(x, 1x1) }",
    ),
    "calls that fit a third but not each other": (
        "b(false, relu) -> b(true, relu) -> b(true, tanh)",
        "block leaf(u: block) { u }\n"
        "block b(f, u: block) {\n  if f { leaf(u) -> conv(4, 1x1) }\n  relu\n}",
    ),
    "two blocks that each hold the other": (
        "a(b, true) -> b(a, true)",
        "block a(u: block, go) {\n  if go { u(relu, false) }\n  conv(4, 1x1)\n}\n"
        "block b(u: block, go) {\n  if go { u(relu, false) }\n  conv(5, 1x1)\n}",
    ),
    "loops of no, one and more passes": (
        "b(0) -> b(1) -> b(3)",
        "block b(n) {\n  conv(4, 1x1)\n  repeat n { conv(4, 3x3, pad = same) -> bn }\n  relu\n}",
    ),
    "a loop in a condition in a loop": (
        "repeat 3 as i {\n  conv(4, 1x1)\n  if i > 0 { repeat 2 as j { conv(4 + j, 1x1) } }\n"
        "  conv(4, 1x1)\n}",
        "",
    ),
    "lists, lists with gaps, and loops beside numbers": (
        "a.0: conv(4, 1x1) -> relu\na.1: conv(4, 1x1)\nb.0: conv(4, 1x1)\nb.2: conv(4, 1x1)\n"
        "c: repeat 2 { conv(4, 1x1) }\nc.2: conv(4, 1x1)\nd.1: conv(4, 1x1)\nd.0: conv(4, 1x1)\n"
        "e.items: conv(4, 1x1)\ne.keys: conv(4, 1x1)",
        "",
    ),
    "a value from before a loop": (
        "a: conv(4, 1x1)\nrepeat 3 { conv(4, 1x1) -> add(a) }\nrelu",
        "",
    ),
    "a value that leaves a loop": (
        "repeat 2 as i { a{i}: conv(4, 1x1)\n  relu }\nadd(a0)",
        "",
    ),
    "very long names": (
        "first(3, 4) -> first(4, 4)",
        "block first(a_rather_long_name_for_a_parameter_of_a_block_in_it, strides) {\n"
        "  another_rather_long_name_for_one_of_its_layers: "
        "maxpool(a_rather_long_name_for_a_parameter_of_a_block_in_it, 1, pad = same)\n"
        "  an_even_longer_name_for_one_of_its_layers_that_fills_most_of_a_line: conv(4, 1x1)\n}",
    ),
    "many branches": (
        "max {\n" + "| conv(2, 1x1)\n" * 300 + "}\nconcat {\n" + "| conv(1, 1x1)\n" * 30 + "}",
        "",
    ),
    "many side branches": (
        "aux(weight = 0.3) { globalavgpool -> dense(3) }\n" * 15
        + "".join(f"from image -> conv({i}, 1x1)\n" for i in range(1, 9)),
        "",
    ),
    "some side branches beside some outputs": (
        "aux(weight = 0.3) { globalavgpool -> dense(3) }\n" * 4
        + "".join(f"from image -> conv({i}, 1x1)\n" for i in range(1, 11)),
        "",
    ),
    "many outputs": (
        "aux(weight = 0.3) { globalavgpool -> dense(3) }\n"
        + "".join(f"from image -> conv({i}, 1x1)\n" for i in range(1, 30)),
        "",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_cases(case):
    body, blocks = CASES[case]
    assert_formatted(assert_same(network(body, blocks)))


def test_the_comparison_sees_a_difference():
    model = network("conv(4, 1x1) -> relu -> residual { bn } -> conv(3, 1x1)")
    python = assert_same(model)
    recorder = Recorder()
    expected, layers, runtime = graph_result(recorder, model.graph, train=True)
    for old, new in [
        ("nnx.relu", "nnx.tanh"),
        ("not train", "train"),
        ("self.conv2(", "self.conv1("),
        ("3, kernel_size", "5, kernel_size"),
        ("self.bn", "self.norm"),
        (" + x", " + x + x"),
    ]:
        assert old in python
        broken = python.replace(old, new)
        result, made = emitted_result(recorder, broken, model.graph, runtime, train=True)
        assert (result, made) != (expected, layers), (old, new)


@pytest.mark.parametrize(
    "body",
    [
        "repeat 3_300 { conv(4, 1x1) -> bn -> relu }",
        "".join(f"repeat 3 as i {{ c{j}_{{i}}: conv(4, 1x1) }}\n" for j in range(1_000)),
        "".join(f"a{i}: conv(4, 1x1)\nrelu\nadd(a{i})\n" for i in range(1_500)),
        "repeat 1_500 as i { b(4 + i % 3) }",
    ],
    ids=["one loop", "loops that can't be", "many labels", "many calls"],
)
def test_time_is_linear(body):
    """Seconds for thousands of layers; what is quadratic takes minutes."""
    model = network(body, "block b(w) {\n  a: conv(w, 1x1)\n  conv(4, 1x1)\n}")
    started = time.perf_counter()
    model.python  # noqa: B018  # It is made when it is asked for.
    assert time.perf_counter() - started < 10
