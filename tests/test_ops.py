"""Operators: what they say of shapes, weights and costs is what running them shows."""

from __future__ import annotations

import math
from fractions import Fraction

import jax
import jax.numpy as jnp
import pytest
from flax import nnx
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from netdsl import ProgramError, load
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

FEW = settings(max_examples=6, suppress_health_check=list(HealthCheck))


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
        case Number(minimum=low, below=float() | int() as end):
            low = 0.0 if low is None else low
            return st.integers(0, 7).map(lambda part: low + part / 8 * (end - low))
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


SEQUENTIAL = {"attention", "class_token", "position_embedding", "take_token"}
"""The operators that take a sequence alone."""


def shapes(op):
    return st.tuples(st.integers(2, 12)) if op.name == "dense" else images()


def entering(op, x):
    """What the operator is given of an image `x`, and the statements that make it so."""
    if op.name not in SEQUENTIAL:
        return x, []
    height, width, channels = x.shape
    return TensorType((height * width, channels)), ["tokens"]


SINGLE = [op for op in OPS if not op.is_merge]
MERGES = [op for op in OPS if op.is_merge]


def named(op):
    return op.name


@pytest.mark.parametrize("op", SINGLE, ids=named)
@FEW
@given(data=st.data())
def test_running_shows_the_shape_and_the_weights(op, data):
    layer = data.draw(operators(op))
    image = TensorType(data.draw(shapes(op)))
    x, before = entering(op, image)
    try:
        expected = layer.infer(x)
    except OpError:
        assume(False)
    model = network(image.shape, *before, layer.text())
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
            (*node.path, *weight.name.split(".")): weight.shape
            for node in model.graph.nodes[1:]
            for weight in node.op.weights(*[model.graph.nodes[i].type for i in node.inputs])
            if weight.trainable == trainable
        }
        assert held == declared
    assert set(map(type, jax.tree.leaves(state, is_leaf=lambda leaf: True))) <= {nnx.State}


# ---------------------------------------------------------------- symbolic sizes


@pytest.mark.parametrize("op", [op for op in SINGLE if op.name != "dense"], ids=named)
@settings(max_examples=25, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_symbolic_sizes_have_the_values_of_whole_ones(op, data):
    layer = data.draw(operators(op))
    multiple = data.draw(st.sampled_from([1, 2, 4]))
    channels = 12
    image = TensorType((symbol("H", multiple), symbol("W", multiple), channels))
    symbolic, _ = entering(op, image)
    try:
        closed = layer.infer(symbolic)
    except OpError:
        assume(False)
    work = layer.cost(closed, symbolic)
    for height in range(multiple, 30 * multiple, multiple):
        values = {"H": height, "W": 31 * multiple - height}
        x, _ = entering(op, TensorType((values["H"], values["W"], channels)))
        try:
            y = layer.infer(x)
        except OpError:
            continue  # The image is too small for the window.
        assert tuple(evaluate(size, values) for size in closed.shape) == y.shape
        assert tuple(evaluate(each, values) for each in work) == tuple(layer.cost(y, x))


# ---------------------------------------------------------------- refusals

IMAGE = (6, 8, 12)
VECTOR = (12,)

REFUSALS = [
    # statement, input, code, message, and the place that it points at
    (
        "conv(8, 3x3, groups = 5)",
        IMAGE,
        "channels-not-divisible",
        "groups = 5 does not divide the 12 channels of the input",
        "groups = 5",
    ),
    (
        "conv(8, 3x3, groups = 3)",
        IMAGE,
        "channels-not-divisible",
        "groups = 3 does not divide filters = 8",
        "groups = 3",
    ),
    (
        "groupnorm(5)",
        IMAGE,
        "channels-not-divisible",
        "groups = 5 does not divide the 12 channels of the input",
        "5",
    ),
    (
        "channel_shuffle(7)",
        IMAGE,
        "channels-not-divisible",
        "groups = 7 does not divide the 12 channels of the input",
        "7",
    ),
    (
        "split(5, 0)",
        IMAGE,
        "channels-not-divisible",
        "parts = 5 does not divide the 12 channels of the input",
        "5",
    ),
    (
        "split(3, 3)",
        IMAGE,
        "channels-out-of-range",
        "there is no part 3 among 3, counted from 0",
        "3",
    ),
    (
        "select([0, 12])",
        IMAGE,
        "channels-out-of-range",
        "there is no channel 12 among the 12 of the input",
        "[0, 12]",
    ),
    ("select([])", IMAGE, "channels-out-of-range", "no channel is selected", "[]"),
    (
        "conv(8, 7x3)",
        IMAGE,
        "window-too-large",
        "a window of 7 does not fit into a height of 6",
        "7x3",
    ),
    (
        "depthwise(5x5, pad = ((0, 0), (1, 0)), dilation = 1x3)",
        IMAGE,
        "window-too-large",
        "a window of 13 (5 taps, 3 apart) does not fit into a width of 8 + 1 + 0",
        "5x5",
    ),
    (
        "maxpool(3x9)",
        IMAGE,
        "window-too-large",
        "a window of 9 does not fit into a width of 8",
        "3x9",
    ),
    (
        "avgpool(2x2, pad = 2)",
        IMAGE,
        "padding-too-large",
        "with a padding of 2, a window of 2 may have only padding",
        "pad = 2",
    ),
    (
        "conv_transpose(4, 1x1, pad = 3)",
        IMAGE,
        "window-too-large",
        "a padding of 3 + 3 cuts off the whole height",
        "pad = 3",
    ),
    (
        "crop(0x4)",
        IMAGE,
        "window-too-large",
        "this crops an image of 6×8×12 to 6×0",
        "0x4",
    ),
    (
        "pad(((0, 0), (0, 8)), mode = reflect)",
        IMAGE,
        "window-too-large",
        "8 pixels can't be mirrored from a width of 8",
        "((0, 0), (0, 8))",
    ),
    (
        "reshape([2, 2, 2, -1])",
        IMAGE,
        "reshape-sizes",
        "[2, 2, 2, -1] is not a shape of 1 to 3 sizes with at most one -1",
        "[2, 2, 2, -1]",
    ),
    (
        "reshape([5, 5, -1])",
        IMAGE,
        "reshape-sizes",
        "6×8×12 has 576 values, which can't be shaped to [5, 5, -1]",
        "[5, 5, -1]",
    ),
    (
        "dense(3)",
        IMAGE,
        "needs-vector",
        "`dense` works on a vector, not on an image of 6×8×12",
        "dense(3)",
    ),
    *(
        (
            f"{name}{arguments}",
            VECTOR,
            "needs-image",
            f"`{name}` works on an image (height × width × channels), not on a vector of 12",
            f"{name}{arguments}",
        )
        for name, arguments in [
            ("conv", "(4, 1x1)"),
            ("depthwise", "(1x1)"),
            ("conv_transpose", "(4, 2x2)"),
            ("maxpool", "(2x2)"),
            ("globalavgpool", ""),
            ("adaptivemaxpool", "(1x1)"),
            ("lrn", ""),
            ("upsample", "(2)"),
            ("pad", "(1)"),
            ("crop", "(1)"),
        ]
    ),
]


@pytest.mark.parametrize(("statement", "shape", "code", "message", "place"), REFUSALS, ids=str)
def test_a_refusal_says_what_is_wrong_at_the_argument(statement, shape, code, message, place):
    with pytest.raises(ProgramError) as caught:
        network(shape, statement)
    (diagnostic,) = caught.value.diagnostics
    assert (diagnostic.code, diagnostic.message) == (code, message)
    assert diagnostic.span.text == place


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        (
            "add { | identity | conv(12, 3x3) }",
            "`add` joins 6×8×12 with 4×6×12: height differs, 6 and 4",
        ),
        (
            "concat { | identity | conv(2, 1x1) | maxpool(1x2) }",
            "`concat` joins 6×8×12 with 6×4×12: width differs, 8 and 4",
        ),
        (
            "max { | identity | conv(2, 1x1) }",
            "`max` joins 6×8×12 with 6×8×2: channels differ, 12 and 2",
        ),
        (
            "add { | identity | globalavgpool }",
            "`add` joins 6×8×12 with 12: an image with a vector",
        ),
        (
            "mul { | identity | globalavgpool -> dense(4) }",
            "`mul` weighs the 12 channels of 6×8×12 with 4 numbers",
        ),
    ],
)
def test_a_refused_merge_shows_both_shapes(statement, message):
    with pytest.raises(ProgramError) as caught:
        network(IMAGE, statement)
    (diagnostic,) = caught.value.diagnostics
    assert (diagnostic.code, diagnostic.message) == ("shape-mismatch", message)
    assert len(diagnostic.labels) == statement.count("|")


# ---------------------------------------------------------------- costs


def totals(shape, *statements):
    return network(shape, *statements).report.total


def test_the_inception_lesson():
    """Szegedy et al. 2014 (arXiv:1409.4842), figure 2: the bottleneck, in Ng's course's numbers."""
    direct = totals((28, 28, 192), "conv(32, 5x5, pad = same)")
    assert direct.macs == 120_422_400
    narrow = totals((28, 28, 192), "conv(16, 1x1) -> conv(32, 5x5, pad = same)")
    assert narrow.macs == 12_443_648 == 2_408_448 + 10_035_200


def test_the_mobilenet_v2_lesson():
    """Sandler et al. 2018 (arXiv:1801.04381), table 1, for 5 channels, expansion 6, 5 to 20."""
    model = network(
        (14, 14, 5),
        "default conv(bias = false), depthwise(bias = false)",
        "conv(30, 1x1) -> depthwise(3x3, pad = 1) -> conv(20, 1x1)",
    )
    assert [layer.params for layer in model.report.layers[1:]] == [150, 270, 600]
    assert model.report.total.params == 1_020


def test_the_mobilenet_cost_ratio():
    """Howard et al. 2017 (arXiv:1704.04861), §3.1: 1/N + 1/K² of a full convolution."""
    full = totals((14, 14, 32), "conv(64, 3x3, pad = 1)").macs
    apart = totals((14, 14, 32), "depthwise(3x3, pad = 1) -> conv(64, 1x1)").macs
    assert Fraction(apart, full) == Fraction(1, 64) + Fraction(1, 9)


@pytest.mark.parametrize(
    ("shape", "statement"),
    [
        ((12, 11, 8), "conv(16, 3x5, bias = false)"),
        ((12, 11, 8), "conv(16, 3x3, stride = 2, bias = false)"),
        ((12, 11, 8), "conv(16, 3x3, groups = 4, dilation = 2, bias = false)"),
        ((12, 11, 8), "depthwise(3x3, multiplier = 2, bias = false)"),
        ((64,), "dense(10, bias = false)"),
    ],
)
def test_xla_counts_two_operations_for_each_mac(shape, statement):
    """XLA leaves out taps on padding, so the two ways of counting agree where there are none."""
    model = network(shape, statement)
    graph, state = nnx.split(nnx.eval_shape(lambda: model.module(nnx.Rngs(0))))
    x = jax.ShapeDtypeStruct((1, *shape), jnp.float32)
    lowered = jax.jit(lambda state, x: nnx.merge(graph, state)(x)).lower(state, x)
    total = model.report.total
    assert lowered.cost_analysis()["flops"] == 2 * total.macs == total.flops


@pytest.mark.parametrize(
    ("statement", "flops"),
    [
        # By hand, for an image of 6×8×12: 576 elements.
        ("relu", 576),
        ("bn", 2 * 576),
        ("maxpool(2x2)", 3 * 4 * 12 * 3),
        ("avgpool(2x2)", 3 * 4 * 12 * 4),
        ("globalavgpool", 576),
        ("lrn(size = 3)", 7 * 576),
        ("add { | identity | identity | identity }", 2 * 576),
        ("concat { | identity | identity }", 0),
        ("upsample(2)", 0),
        ("flatten", 0),
        ("conv(5, 1x1)", 48 * (2 * 12 * 5 + 5)),
        ("depthwise(1x1)", 576 * 2 + 576),
        ("flatten -> dense(10)", 2 * 576 * 10 + 10),
        ("conv_transpose(5, 2x2, stride = 2)", 48 * 4 * 12 * 5 * 2 + 12 * 16 * 5),
    ],
)
def test_operations_as_counted_by_hand(statement, flops):
    assert totals(IMAGE, statement).flops == flops


@pytest.mark.parametrize(
    ("statement", "params", "buffers"),
    [
        ("conv(5, 3x3)", 9 * 12 * 5 + 5, 0),
        ("conv(6, 3x3, groups = 3, bias = false)", 9 * 4 * 6, 0),
        ("depthwise(3x3, multiplier = 2)", 9 * 24 + 24, 0),
        ("conv_transpose(5, 2x2)", 4 * 12 * 5 + 5, 0),
        ("bn", 24, 24),
        ("bn(scale = false)", 12, 24),
        ("layernorm", 24, 0),
        ("groupnorm(3, bias = false)", 12, 0),
        ("scale(bias = true)", 24, 0),
        ("globalavgpool -> dense(7)", 12 * 7 + 7, 0),
        ("lrn", 0, 0),
    ],
)
def test_parameters_as_counted_by_hand(statement, params, buffers):
    total = totals(IMAGE, statement)
    assert (total.params, total.buffers) == (params, buffers)


# ---------------------------------------------------------------- receptive fields


def rows_seen(model, row):
    """The first row of the input that affects row and column `row` of the output, and the one after
    the last, by differentiation; the same for columns. (0, 0) where there is none."""
    graph, state = nnx.split(model.module(nnx.Rngs(0)))
    state = jax.tree.map(lambda leaf: jnp.abs(leaf) + 0.1, state)
    shape = (1, *model.graph.nodes[0].type.shape)
    x = jnp.linspace(1.0, 2.0, math.prod(shape)).reshape(shape)

    def total(x):
        return nnx.merge(graph, state)(x)[0, row, row].sum()

    seen = jnp.abs(jax.grad(total)(x))[0].sum(axis=2)
    bounds = []
    for axis in (1, 0):
        (touched,) = jnp.nonzero(seen.sum(axis=axis) > 0)
        bounds.append((int(touched[0]), int(touched[-1]) + 1) if touched.size else (0, 0))
    return bounds


@pytest.mark.parametrize(
    "statement",
    [
        "conv(2, 3x2, pad = 2)",
        "conv(2, 3x3, stride = 2x1, dilation = 1x2, pad = same)",
        "depthwise(5x3, stride = 3, pad = same)",
        "avgpool(3x2, stride = 2x1)",
        "avgpool(2x2)",
        "conv_transpose(2, 3x3)",
        "conv_transpose(2, 4x4, stride = 2)",
        "conv_transpose(2, 3x2, stride = 2)",
        "conv_transpose(2, 3x3, dilation = 2)",
        "conv_transpose(2, 3x3, stride = 2, dilation = 2x3)",
        "upsample(2x3)",
        "upsample(2, method = bilinear)",
        "relu",
        "bn",
        "lrn",
        "channel_shuffle(2)",
        "pad(1)",
    ],
)
def test_a_field_is_what_an_output_sees(statement):
    model = network((30, 30, 4), statement)
    field = model.graph.nodes[-1].op.field()
    middle = 8
    sizes, steps = [0, 0], [[], []]
    for row in range(middle, middle + 2 * max(field.zoom)):
        for axis, (first, end) in enumerate(rows_seen(model, row)):
            sizes[axis] = max(sizes[axis], end - first)
            steps[axis].append((first, end))
    assert tuple(sizes) == field.kernel
    for axis in (0, 1):
        # `zoom` outputs further, the window is `stride` pixels further.
        zoom = field.zoom[axis]
        for (before, _), (after, _) in zip(steps[axis], steps[axis][zoom:], strict=False):
            assert after - before == field.stride[axis] or after == 0
