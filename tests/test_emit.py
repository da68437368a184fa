"""Emitted code computes what the graph says, looks as ruff would have it, and is only ours."""

from __future__ import annotations

import ast
import subprocess
import sys
import traceback

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from hypothesis import HealthCheck, given, settings

from netdsl import ProgramError, load
from netdsl.code import Call
from netdsl.emit.build import ForbiddenCode, build, check
from netdsl.emit.printer import Context, flat
from netdsl.source import Source
from tests.strategies import programs

jax.config.update("jax_platforms", "cpu")


def states(model):
    """The module, and its state's arrays by path, with odd values everywhere."""
    module = model.module(nnx.Rngs(0))
    graph, state = nnx.split(module)
    random = np.random.default_rng(0)
    values = {}
    for path, leaf in nnx.to_flat_state(state):
        array = random.normal(size=leaf.shape).astype(np.float32) * 0.5
        values[".".join(map(str, path))] = np.abs(array) + 0.5 if path[-1] == "var" else array
    filled = nnx.from_flat_state(
        [
            (path, leaf.replace(jnp.asarray(values[".".join(map(str, path))])))
            for path, leaf in nnx.to_flat_state(state)
        ]
    )
    return nnx.merge(graph, filled), values


def interpret(graph, values, x):
    """Run a graph node by node, each operator's own code alone: the slow and obvious way."""
    names = {"nnx": nnx, "jnp": jnp, "jax": jax}
    results = {}
    for node in graph.nodes:
        if node.op is None:
            results[node.number] = x
            continue
        types = [graph.nodes[index].type for index in node.inputs]
        emission = node.op.emit(*types)
        assert not emission.runtime, "the strategy uses none of these"
        scope = {**names, "rngs": nnx.Rngs(0), "train": False}
        if emission.module is not None:
            assert isinstance(emission.module, Call)
            module = eval(flat(emission.module, Context()), dict(scope))
            for weight in node.op.weights(*types):
                key = ".".join((*node.path, weight.name))
                getattr(module, weight.name)[...] = jnp.asarray(values[key])
            scope["module"] = module
        for position, index in enumerate(node.inputs):
            scope[f"i{position}"] = results[index]
        inputs = tuple(f"i{position}" for position in range(len(node.inputs)))
        results[node.number] = eval(flat(emission.apply, Context(inputs, "module")), scope)
    return [results[output.node] for output in graph.outputs if output.weight is None]


def assert_formatted(python: str):
    for command in (["format", "--diff"], ["check"]):
        ran = subprocess.run(
            [sys.executable, "-m", "ruff", *command, "--isolated", "-"],
            input=python,
            capture_output=True,
            text=True,
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr


@settings(max_examples=15, suppress_health_check=list(HealthCheck))
@given(programs())
def test_emitted_code_computes_the_graph(text):
    try:
        model = load(Source("random.net", text))
    except ProgramError as error:
        codes = {each.code for each in error.diagnostics}
        # A loop of no passes may leave a body with nothing in it.
        assert codes <= {"no-layers"}, error
        return
    module, values = states(model)
    x = jnp.asarray(np.random.default_rng(1).normal(size=(2, 6, 6, 4)), jnp.float32)
    found = module(x)
    expected = interpret(model.graph, values, x)
    for a, b in zip(found if isinstance(found, tuple) else [found], expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4)
    assert set(values) == {
        ".".join((*node.path, weight.name))
        for node in model.graph.nodes
        if node.op is not None
        for weight in node.op.weights(*[model.graph.nodes[i].type for i in node.inputs])
    }


def emitted(body: str, **settings) -> str:
    return load(Source("test.net", body), **settings).python


STAGES = """
block unit(filters, stride = 1) {
  residual {
    conv(filters, 3x3, stride, pad = 1) -> bn -> relu
    conv(filters, 3x3, pad = 1) -> bn
  } shortcut if in.shape != out.shape { conv(filters, 1x1, stride) -> bn }
  relu
}
network stages(deep = 100) {
  input image[32, 32, 3]
  conv(8, 3x3, pad = same)
  layer1: repeat deep { unit(8) }
  layer2: repeat 4 as i { unit(16, stride = 2 if i == 0 else 1) }
  repeat 3 { conv(16, 3x3, pad = same) -> relu }
  globalavgpool
  fc: dense(10)
}
"""


def test_loops_stay_loops():
    short, long = emitted(STAGES, deep=2), emitted(STAGES, deep=100)
    assert short.count("\n") == long.count("\n")
    assert "for _ in range(100)" in long
    assert "[(8, 2, True)] + [(16, 1, False)] * 3" in long


def test_a_block_is_one_class_with_what_differs_as_parameters():
    python = emitted(STAGES)
    tree = ast.parse(python)
    classes = [node.name for node in tree.body if isinstance(node, ast.ClassDef)]
    assert classes == ["Unit", "Stages"]
    assert "def __init__(" in python and "in_features: int" in python
    assert_formatted(python)


def test_a_block_of_numbered_layers_is_a_dict_with_a_call():
    model = load(
        Source(
            "net.net",
            "block unit(width) {\n"
            "  0: conv(width, 1x1)\n  1: bn -> relu\n  last-1: conv(2, 1x1)\n}\n"
            "network net {\n  input image[4, 4, 3]\n  a.3: unit(5)\n  _b: unit(6)\n}\n",
        )
    )
    assert "class Unit(nnx.Dict):" in model.python
    assert 'self["0"] = nnx.Conv(' in model.python
    module, values = states(model)
    assert {"a.3.0.kernel", "a.3.1.scale", "a.3.last-1.kernel", "_b.0.bias"} <= values.keys()
    x = jnp.asarray(np.random.default_rng(1).normal(size=(2, 4, 4, 3)), jnp.float32)
    (expected,) = interpret(model.graph, values, x)
    np.testing.assert_allclose(module(x), expected, rtol=1e-5)


def test_paths_are_labels():
    model = load(Source("test.net", STAGES), deep=2)
    state = nnx.state(nnx.eval_shape(lambda: model.module(nnx.Rngs(0))))
    paths = {".".join(map(str, path)) for path, _ in nnx.to_flat_state(state)}
    assert {"layer1.0.conv1.kernel", "layer2.0.shortcut.conv.kernel", "conv2.2.bias"} <= paths
    assert "layer2.1.shortcut.conv.kernel" not in paths


@pytest.mark.parametrize(
    "text",
    [
        'He said \\"\\"\\" and left.',
        "back\\\\slash and 'quotes'",
        'trailing quote\\"',
        "import os\n    os.system('x')",
    ],
)
def test_documentation_stays_documentation(text):
    program = f'"""{text}"""\nnetwork net {{\n  input image[4, 4, 1]\n  relu\n}}\n'
    python = emitted(program)
    tree = ast.parse(python)
    check(tree)
    assert [type(node).__name__ for node in tree.body] == [
        "Expr", "Import", "ImportFrom", "ClassDef",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "code",
    [
        "import os",
        "from os import system",
        "x = lambda: 0",
        "while True: pass",
        "with open('x') as f: pass",
        "x = ().__class__",
        "x = __import__",
        "try:\n    pass\nexcept ValueError:\n    pass",
        "global x",
        "async def f(): pass",
        "del x",
        "x: int = [i async for i in y]",
    ],
)
def test_anything_but_emitted_code_is_refused(code):
    with pytest.raises(ForbiddenCode):
        check(ast.parse(code))


def test_builtins_are_out_of_reach():
    source = "from flax import nnx\n\n\nclass Net(nnx.Module):\n    x = open\n"
    with pytest.raises(NameError):
        build(source, "Net")


def test_a_traceback_shows_the_emitted_line():
    model = load(Source("test.net", STAGES), deep=2)
    module = model.module(nnx.Rngs(0))
    try:
        module(jnp.zeros((1, 32, 32, 5)))
    except Exception:
        shown = traceback.format_exc()
    assert "layer1" in shown or "self.conv1(x)" in shown
    assert "<netdsl Stages" in shown


def test_side_branches_are_computed_in_training_only():
    model = load(
        Source(
            "test.net",
            """
            network net {
              input image[8, 8, 3]
              conv(4, 3x3)
              aux(weight = 0.3) { globalavgpool -> dense(5) }
              head: conv(4, 3x3) -> globalavgpool -> dense(5)
            }
            """,
        )
    )
    module = model.module(nnx.Rngs(0))
    x = jnp.zeros((2, 8, 8, 3))
    assert module(x).shape == (2, 5)
    logits, (side,) = module(x, train=True, rngs=nnx.Rngs(0))
    assert logits.shape == side.shape == (2, 5)
    assert_formatted(model.python)


def test_several_outputs_come_in_order():
    model = load(
        Source(
            "test.net",
            """
            network net {
              input image[8, 8, 3]
              conv(4, 3x3)
              small: conv(2, 1x1)
              from image -> conv(7, 1x1)
            }
            """,
        )
    )
    first, second = model.module(nnx.Rngs(0))(jnp.zeros((1, 8, 8, 3)))
    assert first.shape == (1, 6, 6, 2) and second.shape == (1, 8, 8, 7)
    assert [output.name for output in model.graph.outputs] == ["small", "conv2"]


def test_open_sizes_compile_where_no_layer_needs_them():
    program = "network net {\n  input image[H, W, 3]\n  conv(4, 3x3, pad = same)\n"
    module = load(Source("test.net", program + "}")).module(nnx.Rngs(0))
    assert module(jnp.zeros((1, 5, 7, 3))).shape == (1, 5, 7, 4)
    flat_program = load(Source("test.net", program + "  flatten -> dense(2)\n}"))
    with pytest.raises(ProgramError, match="size-open"):
        flat_program.module(nnx.Rngs(0))


def test_a_parameter_never_hides_a_layer():
    """A parameter that code keeps, here `project`, and a layer of that name are two attributes."""
    model = load(
        Source(
            "test.net",
            """
            block b(width) {
              residual { conv(width, 1x1) } shortcut if in.channels != width {
                project: conv(width, 1x1)
              }
            }
            network net {
              input image[8, 8, 3]
              b(4) -> b(4)
            }
            """,
        )
    )
    assert model.module(nnx.Rngs(0))(jnp.zeros((1, 8, 8, 3))).shape == (1, 8, 8, 4)


def test_nothing_but_jax_and_flax_is_imported():
    tree = ast.parse(emitted(STAGES))
    imported = {
        alias.name if isinstance(node, ast.Import) else node.module
        for node in ast.walk(tree)
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for alias in node.names
    }
    assert imported <= {"jax", "jax.numpy", "flax"}
