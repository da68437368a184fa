"""Operators: what they say of shapes, weights and costs is what running them shows."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import pytest
from flax import nnx
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from netdsl import load
from netdsl.kinds import (
    Boolean,
    Choice,
    Integer,
    Integers,
    Number,
    PaddingKind,
    WindowKind,
)
from netdsl.ops import OPERATORS, OPS
from netdsl.ops.base import Op, OpError
from netdsl.sizes import evaluate, symbol
from netdsl.source import Source
from netdsl.tensor import TensorType, Window

jax.config.update("jax_platforms", "cpu")

FEW = settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))


def network(shape, *statements):
    """A network of these statements over an input `image` of a shape."""
    sizes = ", ".join(str(size) for size in shape)
    lines = [f"input image[{sizes}]", *statements]
    text = "network net {\n" + "".join(f"  {line}\n" for line in lines) + "}\n"
    return load(Source("op.net", text))


# ---------------------------------------------------------------- the table of operators


def named_subclasses(base):
    for subclass in base.__subclasses__():
        if subclass.name:
            yield subclass
        yield from named_subclasses(subclass)


def test_the_table_has_every_operator_once():
    assert set(OPS) == set(named_subclasses(Op))
    assert len(OPERATORS) == len(OPS)


def test_a_forgotten_rule_is_an_error_at_import():
    with pytest.raises(TypeError, match="no rule for infer, weights, cost, emit"):
        type("Forgetful", (Op,), {"name": "forgetful"})


# ---------------------------------------------------------------- generated arguments


def values(kind, parameter):
    """Valid values of a kind, small ones first."""
    sides = st.integers(0, 2)
    match kind:
        case PaddingKind():
            pairs = st.tuples(st.tuples(sides, sides), st.tuples(sides, sides))
            return st.one_of(*map(st.just, kind.words), sides, pairs)
        case WindowKind():
            least = kind.minimum
            window = st.builds(Window, st.integers(least, 3), st.integers(least, 3))
            return st.one_of(st.integers(least, 3).map(lambda n: Window(n, n)), window)
        case Integers() if parameter == "shape":
            return st.sampled_from([(-1,), (4, 4, -1), (-1, 2, 6), (2, -1, 3)])
        case Integers():
            return st.lists(st.integers(0, 5), min_size=1, max_size=4)
        case Integer():
            return st.integers(kind.minimum, 4)
        case Number(minimum=low, maximum=high):
            return st.floats(
                0.0 if low is None else low, 2.0 if high is None else high, width=32
            ).map(lambda value: round(value, 3))
        case Boolean():
            return st.booleans()
        case Choice(words=words):
            return st.sampled_from(words)
    raise AssertionError(f"no values are known for {kind}")


@st.composite
def operators(draw, op):
    """An instance of `op` with some arguments given and the others at their defaults."""
    arguments = {}
    for name, parameter in op.parameters.items():
        if parameter.required or draw(st.booleans()):
            arguments[name] = draw(values(parameter.kind, name))
    return op(**arguments)


def images(channels=(6, 12)):
    return st.tuples(st.integers(5, 9), st.integers(5, 9), st.sampled_from(channels))


def shapes(op):
    return st.tuples(st.integers(2, 12)) if op.name == "dense" else images()


SINGLE = [op for op in OPS if not op.is_merge]
MERGES = [op for op in OPS if op.is_merge]


def named(op):
    return op.name


@pytest.mark.parametrize("op", SINGLE, ids=named)
@FEW
@given(data=st.data())
def test_running_shows_the_shape_and_the_weights(op, data):
    layer = data.draw(operators(op))
    x = TensorType(data.draw(shapes(op)))
    try:
        expected = layer.infer(x)
    except OpError:
        assume(False)
    model = network(x.shape, layer.text())
    assert model.graph.nodes[-1].op == layer, "a layer's text gives it back"
    assert model.graph.nodes[-1].type == expected
    assert_runs_as_it_says(model)


@pytest.mark.parametrize("op", MERGES, ids=named)
@pytest.mark.parametrize("branches", [2, 3])
def test_running_a_merge_shows_the_shape(op, branches):
    lines = ["| identity", "| conv(6, 1x1)", "| conv(6, 3x3, pad = same) -> relu"][:branches]
    assert_runs_as_it_says(network((5, 7, 6), f"{op.name} {{ {' '.join(lines)} }}"))


def assert_runs_as_it_says(model):
    """The emitted module has the graph's output shape, and holds its weights and no others."""
    module = nnx.eval_shape(lambda: model.module(nnx.Rngs(0)))
    graph, state = nnx.split(module)
    *_, last = model.graph.nodes
    x = jax.ShapeDtypeStruct((2, *model.graph.nodes[0].type.shape), jnp.float32)
    output = jax.eval_shape(lambda state, x: nnx.merge(graph, state)(x), state, x)
    assert output.shape == (2, *last.type.shape)
    for kind, trainable in ((nnx.Param, True), (nnx.BatchStat, False)):
        held = {
            tuple(map(str, path)): leaf.shape
            for path, leaf in nnx.to_flat_state(nnx.state(module, kind))
        }
        declared = {
            (*node.path, weight.name): weight.shape
            for node in model.graph.nodes[1:]
            for weight in node.op.weights(*[model.graph.nodes[i].type for i in node.inputs])
            if weight.trainable == trainable
        }
        assert held == declared
    assert set(map(type, jax.tree.leaves(state, is_leaf=lambda leaf: True))) <= {nnx.State}


# ---------------------------------------------------------------- symbolic sizes


@pytest.mark.parametrize("op", [op for op in SINGLE if op.name != "dense"], ids=named)
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_symbolic_sizes_have_the_values_of_whole_ones(op, data):
    layer = data.draw(operators(op))
    multiple = data.draw(st.sampled_from([1, 2, 4]))
    channels = 12
    symbolic = TensorType((symbol("H", multiple), symbol("W", multiple), channels))
    try:
        closed = layer.infer(symbolic)
    except OpError:
        assume(False)
    work = layer.cost(closed, symbolic)
    for height in range(multiple, 30 * multiple, multiple):
        values = {"H": height, "W": 31 * multiple - height}
        x = TensorType((values["H"], values["W"], channels))
        try:
            y = layer.infer(x)
        except OpError:
            continue  # The image is too small for the window.
        assert tuple(evaluate(size, values) for size in closed.shape) == y.shape
        assert tuple(evaluate(each, values) for each in work) == tuple(layer.cost(y, x))
