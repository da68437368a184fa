"""Lifted models compute what ONNX's own reference does, and read as a person would write them."""

from __future__ import annotations

import random
import sys
from pathlib import Path
from types import SimpleNamespace

import jax
import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from netdsl import load
from netdsl.lift import Lifted, LiftMistake, Unsupported, lift, write
from netdsl.lift.compare import graph_of, keys_of, require_equal
from netdsl.lift.onnx_file import module_of
from netdsl.lift.traced import Recorder, Traced
from netdsl.main import run
from netdsl.ops import OPERATORS
from netdsl.source import Source
from netdsl.tensor import TensorType, Window
from netdsl.weights import write_safetensors

jax.config.update("jax_platforms", "cpu")

FIXTURES = Path(__file__).parent / "fixtures/onnx"


# ---------------------------------------------------------------- numbers, against ONNX's reference


def computed(lifted: Lifted, image: np.ndarray, tmp_path: Path) -> np.ndarray:
    """What the lifted program computes of (N, C, H, W), channels first again."""
    file = tmp_path / "state_dict.safetensors"
    write_safetensors(file, lifted.tensors, {})
    module = load(Source("lifted.net", lifted.text)).load_weights(file)
    y = np.asarray(module(image.transpose(0, 2, 3, 1) if image.ndim == 4 else image))
    return y.transpose(0, 3, 1, 2) if y.ndim == 4 else y


def require_same(model: onnx.ModelProto, tmp_path: Path) -> str:
    """The lifted text, when both compute the same."""
    axes = model.graph.input[0].type.tensor_type.shape.dim
    # As many images as channels, since the reference's LRN takes the one for the other.
    shape = [4, *(axis.dim_value for axis in axes[1:])]
    image = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    name = model.graph.input[0].name
    (expected,) = ReferenceEvaluator(model).run(None, {name: image})
    assert np.ptp(expected) > 1e-3
    lifted = lift(model)
    y = computed(lifted, image, tmp_path)
    assert y.shape == expected.shape
    assert np.abs(y - expected).max() < 1e-4 * np.abs(expected).max()
    return lifted.text


@pytest.mark.parametrize("name", ["residual", "mobile"])
def test_an_exported_network_computes_the_same(name, tmp_path):
    require_same(onnx.load(FIXTURES / f"{name}.onnx"), tmp_path)


def model_of(nodes, arrays=None, shape=(4, 8, 8), images=0, opset=18):
    """An ONNX model of nodes from `x` to `y`; `images` 0 leaves the batch open."""
    axes = [images or "images", *shape]
    generator = np.random.default_rng(1)
    made = {
        name: generator.standard_normal(value).astype(np.float32) / 3
        if isinstance(value, tuple)
        else np.asarray(value)
        for name, value in (arrays or {}).items()
    }
    for name in made:
        if name.endswith("running_var"):
            made[name] = np.abs(made[name]) + np.float32(0.5)
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, axes)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [])],
        [numpy_helper.from_array(value, name) for name, value in made.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    model.ir_version = 10
    return model


def node(kind, inputs="x", output="y", **attributes):
    return helper.make_node(kind, inputs.split(" "), [output], **attributes)


CONV = {"c.weight": (6, 4, 3, 3), "c.bias": (6,)}
LAYERS = {
    "conv(6, 3x3, pad = 1)": ([node("Conv", "x c.weight c.bias", pads=[1, 1, 1, 1])], CONV),
    "conv(6, 3x3, stride = 2x1, pad = ((1, 0), (2, 0)))": (
        [node("Conv", "x c.weight c.bias", pads=[1, 2, 0, 0], strides=[2, 1])],
        CONV,
    ),
    "conv(6, 3x3, stride = 2, pad = same)": (
        [node("Conv", "x c.weight c.bias", auto_pad="SAME_UPPER", strides=[2, 2])],
        CONV,
    ),
    "conv(6, 3x3, dilation = 2, groups = 2, bias = false)": (
        [node("Conv", "x c.weight", dilations=[2, 2], group=2)],
        {"c.weight": (6, 2, 3, 3)},
    ),
    "depthwise(3x3, multiplier = 2)": (
        [node("Conv", "x c.weight c.bias", group=4)],
        {"c.weight": (8, 1, 3, 3), "c.bias": (8,)},
    ),
    "conv_transpose(5, 3x3, stride = 2, pad = 1, extra = 1x1)": (
        [
            node(
                "ConvTranspose",
                "x c.weight c.bias",
                strides=[2, 2],
                pads=[1, 1, 1, 1],
                output_padding=[1, 1],
            )
        ],
        {"c.weight": (4, 5, 3, 3), "c.bias": (5,)},
    ),
    "bn(eps = 0.001)": (
        [
            node(
                "BatchNormalization",
                "x b.weight b.bias b.running_mean b.running_var",
                epsilon=1e-3,
            )
        ],
        dict.fromkeys(("b.weight", "b.bias", "b.running_mean", "b.running_var"), (4,)),
    ),
    "relu": ([node("Relu")], {}),
    "relu6": ([node("Clip", "x low high")], {"low": np.float32(0), "high": np.float32(6)}),
    "leaky_relu(slope = 0.1)": ([node("LeakyRelu", alpha=0.1)], {}),
    "elu(alpha = 0.5)": ([node("Elu", alpha=0.5)], {}),
    "sigmoid": ([node("Sigmoid")], {}),
    "tanh": ([node("Tanh")], {}),
    "hard_swish": ([node("HardSwish")], {}),
    "hard_sigmoid": ([node("HardSigmoid", alpha=1 / 6)], {}),
    "softmax": ([node("Softmax", axis=1)], {}),
    "lrn(size = 3, alpha = 0.1, beta = 0.5, k = 1)": (
        [node("LRN", size=3, alpha=0.3, beta=0.5)],
        {},
    ),
    "maxpool(2x2)": ([node("MaxPool", kernel_shape=[2, 2], strides=[2, 2])], {}),
    "maxpool(3x3, stride = 2, pad = 1, ceil = true)": (
        [
            node(
                "MaxPool",
                kernel_shape=[3, 3],
                strides=[2, 2],
                pads=[1, 1, 1, 1],
                ceil_mode=1,
            )
        ],
        {},
    ),
    "avgpool(3x3, stride = 1, pad = 1, count_padding = false)": (
        [node("AveragePool", kernel_shape=[3, 3], pads=[1, 1, 1, 1])],
        {},
    ),
    "globalavgpool(keep = true)": ([node("GlobalAveragePool")], {}),
    "globalavgpool\n": ([node("ReduceMean", "x axes", keepdims=0)], {"axes": np.array([2, 3])}),
    "flatten(order = channels_first)": ([node("Flatten")], {}),
    "flatten(order = channels_first)\n": ([node("Reshape", "x s")], {"s": np.array([0, -1])}),
    "flatten\n": (
        [node("Transpose", output="t", perm=[0, 2, 3, 1]), node("Flatten", "t")],
        {},
    ),
    "split(2, 1)": (
        [node("Slice", "x a b c")],
        {"a": np.array([2]), "b": np.array([4]), "c": np.array([1])},
    ),
    "select([0, 2])": ([node("Gather", "x i", axis=1)], {"i": np.array([0, 2])}),
    "channel_shuffle(2)": (
        [
            node("Reshape", "x s", "r"),
            node("Transpose", "r", "t", perm=[0, 2, 1, 3, 4]),
            node("Reshape", "t u"),
        ],
        {"s": np.array([0, 2, 2, 8, 8]), "u": np.array([0, 4, 8, 8])},
    ),
    "crop(((1, 2), (0, 3)))": (
        [node("Slice", "x a b c")],
        {"a": np.array([1, 0]), "b": np.array([6, 5]), "c": np.array([2, 3])},
    ),
    "pad(((1, 3), (2, 4)))": ([node("Pad", "x p")], {"p": np.array([0, 0, 1, 2, 0, 0, 3, 4])}),
    "pad(1, mode = reflect)": (
        [node("Pad", "x p", mode="reflect")],
        {"p": np.array([0, 0, 1, 1, 0, 0, 1, 1])},
    ),
    "upsample(2x2)": (
        [
            node(
                "Resize",
                "x  s",
                coordinate_transformation_mode="asymmetric",
                nearest_mode="floor",
            )
        ],
        {"s": np.array([1, 1, 2, 2], np.float32)},
    ),
    "upsample(2x3, method = bilinear)": (
        [node("Resize", "x  s", mode="linear")],
        {"s": np.array([1, 1, 2, 3], np.float32)},
    ),
    "\n  scale\n": ([node("Mul", "x scale")], {"scale": (4, 1, 1)}),
    "residual": ([node("Relu", output="r"), node("Add", "r x")], {}),
    "max { | sigmoid | tanh }": (
        [node("Sigmoid", output="a"), node("Tanh", output="b"), node("Max", "a b")],
        {},
    ),
    "concat { | sigmoid | identity }": (
        [node("Sigmoid", output="a"), node("Concat", "a x", axis=1)],
        {},
    ),
    "layernorm(eps = 1e-05)": (
        [
            node("Transpose", output="t", perm=[0, 2, 3, 1]),
            node("LayerNormalization", "t n.weight n.bias", "n"),
            node("Transpose", "n", perm=[0, 3, 1, 2]),
        ],
        {"n.weight": (4,), "n.bias": (4,)},
    ),
    "d: dense(classes, axis = channels)": (
        [
            node("Transpose", output="t", perm=[0, 2, 3, 1]),
            node("MatMul", "t w", "m"),
            node("Add", "m d.bias", "a"),
            node("Transpose", "a", perm=[0, 3, 1, 2]),
        ],
        {"w": (4, 5), "d.bias": (5,)},
    ),
}


@pytest.mark.parametrize("expected", LAYERS, ids=lambda text: text.strip() or text)
def test_a_node_is_the_operator_that_computes_the_same(expected, tmp_path):
    nodes, arrays = LAYERS[expected]
    text = require_same(model_of(nodes, arrays), tmp_path)
    assert expected in text


def test_a_pool_that_is_also_used_as_an_image_stays_one(tmp_path):
    nodes = [
        node("GlobalAveragePool", output="p"),
        node("Flatten", "p", "f"),
        node("Conv", "p c.weight", "q"),
        node("Flatten", "q", "g"),
        node("Add", "f g"),
    ]
    text = require_same(model_of(nodes, {"c.weight": (4, 4, 1, 1)}), tmp_path)
    assert "globalavgpool(keep = true)" in text


def test_a_gemm_and_a_product_are_dense_layers(tmp_path):
    nodes = [
        node("Gemm", "x a.weight a.bias", "h", transB=1),
        node("Relu", "h", "r"),
        node("MatMul", "r w"),
    ]
    arrays = {"a.weight": (6, 4), "a.bias": (6,), "w": (6, 3)}
    text = require_same(model_of(nodes, arrays, shape=(4,)), tmp_path)
    assert "a: dense(6) -> relu" in text and "dense(classes, bias = false)" in text


# ---------------------------------------------------------------- structure, of the exported files


def test_blocks_and_repeats_come_back():
    assert (
        lift(FIXTURES / "residual.onnx").text
        == '''\
"""Lifted from residual.onnx by `netdsl import-model`."""

block layer(filters, stride = 1) {
  default conv(bias = false)
  residual {
    conv(filters, 3x3, stride, pad = 1) -> bn -> relu
    conv(filters, 3x3, pad = 1) -> bn
  } shortcut if in.shape != out.shape {
    downsample.0: conv(filters, 1x1, stride = 2)
    downsample.1: bn
  }
  relu
}

network residual_net(classes = 5) {
  input image[16, 16, 3]
  conv1: conv(4, 3x3, pad = 1, bias = false)
  bn1: bn -> relu
  layer1: repeat 2 { layer(4) }
  layer2: repeat 3 as i { layer(6, stride = 2 if i == 0 else 1) }
  layer3: repeat 2 as i { layer(8, stride = 2 if i == 0 else 1) }
  globalavgpool
  fc: dense(classes)

  claim onnx "residual.onnx" { params == 5_001 }
}
'''
    )


def test_a_block_in_a_block_and_a_shuffle_come_back():
    text = lift(FIXTURES / "mobile.onnx").text
    assert "block gate {" in text and "block unit {" in text
    assert "| split(2, 0)" in text and "channel_shuffle(2)" in text
    assert "units: repeat 4 { unit }" in text


def test_the_keys_are_those_of_the_state_dict():
    lifted = lift(FIXTURES / "residual.onnx")
    assert {"conv1.weight", "layer2.0.downsample.1.running_var", "fc.bias"} <= set(lifted.tensors)
    initial = {each.name for each in onnx.load(FIXTURES / "residual.onnx").graph.initializer}
    # The exporter names equal arrays once, so some of ours are not among its names.
    assert {"conv1.weight", "layer3.1.conv2.weight", "fc.weight"} <= initial & set(lifted.tensors)


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("/conv1/Conv", "conv1"),
        ("/layer1/layer1.0/conv1/Conv", "layer1.0.conv1"),
        ("/layer2/layer2.0/downsample/downsample.0/Conv", "layer2.0.downsample.0"),
        ("/Flatten", ""),
        ("Conv_0", ""),
        ("/a b/Conv", ""),
    ],
)
def test_an_exporters_node_names_tell_the_modules(name, path):
    assert ".".join(module_of(name)) == path


# ---------------------------------------------------------------- structure, of the neutral form


def traced(build, classes=None, shape=(8, 8, 4)) -> Traced:
    """What `build` records, from the number of the input to that of the output."""
    recorder = Recorder()
    output = build(recorder, recorder.input(TensorType(shape)))
    found = recorder.finished("test", "torch", output, classes or {}, {})
    arrays = {key: np.zeros(size, np.float32) for key, size in keys_of(found.operations).items()}
    return found._replace(tensors=arrays)


def layer(recorder, x, key, filters=4, kernel=1, **named):
    op = OPERATORS["conv"](filters, kernel, **named)
    return recorder.add(op, (x,), key=tuple(key.split(".")))


def merged(recorder, word, *values, scope=()):
    return recorder.add(OPERATORS[word](), values, scope=scope)


def body(text: str) -> list[str]:
    """The lines of the network, without its input and claim."""
    lines = text[text.index("\nnetwork") :].splitlines()[2:]
    return [line[2:] for line in lines if not line.startswith(("  input", "  claim", "}")) and line]


def test_densenets_joins_are_a_chain():
    def build(recorder, x):
        values = [x]
        for number in range(1, 6):
            joined = merged(recorder, "concat", *values) if len(values) > 1 else x
            values.append(layer(recorder, joined, f"dense{number}"))
        return merged(recorder, "concat", *values)

    assert body(write(traced(build), "net").text) == [
        "repeat 5 as i { concat { | identity | dense{i + 1}: conv(4, 1x1) } }"
    ]


def test_long_connections_have_labels():
    def build(recorder, x):
        a = layer(recorder, x, "a")
        b = c = layer(recorder, recorder.add(OPERATORS["maxpool"](2), (a,)), "b.0", 8)
        for number in range(1, 5):
            c = layer(recorder, c, f"b.{number}", 8)
        c = merged(recorder, "concat", c, b)
        up = recorder.add(OPERATORS["upsample"](Window(2, 2)), (c,))
        return merged(recorder, "concat", a, up)

    assert body(write(traced(build), "net").text) == [
        "a: conv(4, 1x1)",
        "maxpool(2x2)",
        "b.0: conv(8, 1x1)",
        "b_out: identity",
        "repeat 4 as i { b.{i + 1}: conv(8, 1x1) }",
        "concat(b_out)",
        "upsample1: upsample(2x2)",
        "from a -> concat(upsample1)",
    ]


def test_ways_that_cross_are_listed_with_labels():
    def build(recorder, x):
        a, b = layer(recorder, x, "a"), layer(recorder, x, "b")
        c, d = merged(recorder, "mul", a, b), merged(recorder, "add", a, b)
        return merged(recorder, "concat", d, c)

    text = write(traced(build), "net").text
    assert body(text)[:2] == ["a: conv(4, 1x1)", "b: from image -> conv(4, 1x1)"]
    assert body(text)[-1].endswith("concat(mul1)")


def modules(settings, make):
    """Modules m0, m1, … of one class, one after the other."""

    def build(recorder, x):
        for number, each in enumerate(settings):
            x = make(recorder, x, f"m{number}", *each)
        return x

    return traced(build, {(f"m{number}",): "Unit" for number in range(len(settings))})


def test_arguments_that_differ_are_parameters():
    def make(recorder, x, path, filters, stride):
        y = layer(recorder, x, f"{path}.conv1", filters, 3, stride=stride, pad=1)
        return layer(recorder, y, f"{path}.conv2", 2 * filters)

    text = write(modules([(6, 1), (8, 1), (16, 2)], make), "net").text
    assert "block unit(filters, stride = 1) {" in text
    assert "  conv(filters, 3x3, stride, pad = 1)\n  conv(2 * filters, 1x1)" in text
    assert body(text) == [
        "for (i, (filters, stride)) in enumerate([(6, 1), (8, 1), (16, 2)]) {",
        "  m{i}: unit(filters, stride)",
        "}",
    ]


def test_a_padding_of_half_the_window_is_said_so():
    def make(recorder, x, path, kernel):
        return layer(
            recorder, layer(recorder, x, f"{path}.a", 4, kernel, pad=kernel // 2), f"{path}.b"
        )

    text = write(modules([(1,), (3,), (5,)], make), "net").text
    assert "block unit(kernel) {" in text and "a: conv(4, kernel, pad = kernel // 2)" in text


def test_what_is_a_residual_only_at_times_says_when():
    def make(recorder, x, path, filters, stride):
        y = layer(recorder, x, f"{path}.a", 24)
        y = layer(recorder, y, f"{path}.b", filters, 3, stride=stride, pad=1)
        same = recorder.operations[x].type == recorder.operations[y].type
        return merged(recorder, "add", x, y, scope=(path,)) if same else y

    text = write(modules([(8, 2), (8, 1), (8, 2), (16, 1), (16, 1)], make), "net").text
    assert "residual if stride == 1 and in.channels == filters {" in text


def test_an_activation_that_differs_is_a_parameter():
    def make(recorder, x, path, word):
        x = recorder.add(OPERATORS["bn"](), (layer(recorder, x, f"{path}.0"),), key=(path, "1"))
        return recorder.add(OPERATORS[word](), (x,), scope=(path,)) if word else x

    text = write(modules([("relu",), ("silu",), ("",), ("relu",), ("relu",)], make), "net").text
    assert "block unit(act: block = relu) {\n  0: conv(4, 1x1)\n  1: bn\n  act\n}" in text
    assert body(text)[:3] == ["m0: unit", "m1: unit(act = silu)", "m2: unit(act = identity)"]


def test_a_network_is_called_otherwise_than_its_blocks():
    def make(recorder, x, path):
        return layer(recorder, layer(recorder, x, f"{path}.a"), f"{path}.b")

    text = write(modules([(), ()], make), "unit").text
    assert "block unit {" in text and "network unit_net {" in text


def test_a_class_that_has_itself_inside_is_a_block_of_each_height():
    def build(recorder, x):
        for path in ("m0", "m1"):
            x = layer(recorder, layer(recorder, x, f"{path}.inner.a"), f"{path}.inner.b")
            x = layer(recorder, x, f"{path}.a")
        return x

    paths = [("m0",), ("m1",), ("m0", "inner"), ("m1", "inner")]
    text = write(traced(build, dict.fromkeys(paths, "Unit")), "net").text
    assert text.count("\nblock ") == 2 and "  inner: unit\n" in text


def test_what_no_condition_tells_apart_is_two_blocks():
    def make(recorder, x, path, adds):
        y = layer(recorder, layer(recorder, x, f"{path}.a"), f"{path}.b")
        project = layer(recorder, x, f"{path}.p") if adds else x
        return merged(recorder, "add", y, project, scope=(path,))

    text = write(modules([(True,), (False,), (True,), (False,)], make), "net").text
    assert text.count("\nblock ") == 2


@pytest.mark.parametrize("word", ["repeat", "lambda", "train"])
def test_keys_that_are_no_labels_are_named(word):
    with pytest.raises(Unsupported) as found:
        write(traced(lambda recorder, x: layer(recorder, x, f"a.{word}")), "net")
    assert found.value.operations == ((f"a.{word}", f"`{word}` in its key can't be a label"),)


def test_names_of_ours_give_way_to_keys():
    def build(recorder, x):
        for key in ("image", "classes", "i", "filters", "conv"):
            x = layer(recorder, x, key)
        for number in range(4):
            x = layer(recorder, x, f"list.{number}", 4 + number)
        x = recorder.add(OPERATORS["globalavgpool"](), (x,))
        return recorder.add(OPERATORS["dense"](3), (x,), key=("fc",))

    text = write(traced(build), "net").text
    assert "network net {\n  input x[8, 8, 4]" in text
    assert "list: for filters2 in [4, 5, 6, 7] { conv(filters2, 1x1) }" in text


WORDS = ("conv", "conv", "bn", "relu", "add", "add", "mul", "max", "concat", "scale", "avgpool")


def random_network(seed: int) -> Traced:
    """Operations that take any earlier values, in modules that need not be where they stand."""
    rng = random.Random(seed)
    scopes = [(), ("s",), ("s", "0"), ("s", "1"), ("s", "2"), ("t",), ("t", "0")]

    def build(recorder, x):
        values = [x]
        for _ in range(rng.randint(2, 14)):
            word = rng.choice(WORDS)
            scope = rng.choice(scopes)
            inputs = [rng.choice(values[-4:]) for _ in range(rng.choice((2, 2, 3)))]
            key = (*scope, rng.choice(("a", "3", "4", word, f"{word}1", f"{word}2")))
            if word in ("conv", "bn", "scale"):
                if any(each.key == key for each in recorder.operations):
                    continue
                op = OPERATORS["conv"](4, 1) if word == "conv" else OPERATORS[word]()
                value = recorder.add(op, (inputs[0],), key=key)
            elif word == "avgpool":
                op = OPERATORS[word](3, stride=Window(1, 1), pad=1)
                value = recorder.add(op, (inputs[0],), scope=scope)
            elif word == "relu":
                value = recorder.add(OPERATORS[word](), (inputs[0],), scope=scope)
            else:
                value = merged(recorder, word, *inputs, scope=scope)
            if word == "concat":
                value = recorder.add(OPERATORS["select"](range(4)), (value,), scope=scope)
            values.append(value)
        return values[-1]

    return traced(build, {scope: rng.choice("AB") for scope in scopes[1:]})


@settings(max_examples=150)
@given(st.integers(0, 1 << 30))
def test_any_dataflow_is_written_and_proved(seed):
    write(random_network(seed), "net")  # A LiftMistake would say that it is not.


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("stride = 2 if i == 0", "stride = 2 if i == 1"),
        ("pad = 1) -> bn -> relu", "pad = 1) -> bn -> relu6"),
        ("conv(filters, 3x3, pad = 1) -> bn\n", "conv(filters, 3x3, pad = 1) -> bn -> relu\n"),
        ("fc: dense", "fd: dense"),
        ("residual {", "residual if false {"),
    ],
)
def test_the_proof_finds_a_difference(before, after):
    """A program that is not what was traced is a mistake of ours, never written."""
    from netdsl.lift.onnx_file import read_model, trace_onnx

    path = FIXTURES / "residual.onnx"
    model = trace_onnx(read_model(path), None, path.name)
    text = lift(path).text
    require_equal(graph_of(text, "residual_net"), model)
    assert before in text
    with pytest.raises(LiftMistake):
        require_equal(graph_of(text.replace(before, after, 1), "residual_net"), model)


# ---------------------------------------------------------------- what can't be lifted


def test_all_that_is_unsupported_is_named_with_its_place():
    nodes = [
        helper.make_node("Einsum", ["x"], ["a"], name="/mix/Einsum", equation="nchw->nchw"),
        node("Relu", "a", "r"),
        helper.make_node("Mish", ["r"], ["m"], name="/act/Mish"),
        helper.make_node("Add", ["m", "two"], ["b"], name="/Add"),
        helper.make_node("Conv", ["b", "w"], ["y"], name="/c/Conv", strides=[1, 1]),
    ]
    model = model_of(nodes, {"two": np.float32(2), "w": (3, 4, 1, 1)})
    with pytest.raises(Unsupported) as found:
        lift(model)
    assert found.value.operations == (
        ("/mix/Einsum", "the operator Einsum is unknown"),
        ("/act/Mish", "the operator Mish is unknown"),
        ("/Add", "Add with a constant, the number 2, is unknown"),
    )
    assert str(found.value).startswith("netdsl can't say 3 operations of the ONNX model:\n  /mix")


def test_what_follows_from_the_unsupported_is_no_fault_of_its_own():
    nodes = [
        node("Mish", output="m"),
        node("Reshape", "m s", "r"),
        node("Transpose", "r", "t", perm=[0, 2, 1]),
        node("Conv", "t c.weight c.bias"),
    ]
    with pytest.raises(Unsupported) as found:
        lift(model_of(nodes, {"s": np.array([0, 2, -1]), **CONV}))
    assert [reason for _, reason in found.value.operations] == ["the operator Mish is unknown"]


@pytest.mark.parametrize(
    ("nodes", "arrays", "reason"),
    [
        ([node("Clip", "x low")], {"low": np.float32(1)}, "clipping to 1 … inf is unknown"),
        ([node("Softmax", axis=2)], {}, "softmax over axis 2 is unknown"),
        ([node("Concat", "x x", axis=2)], {}, "joining over axis 2"),
        ([node("HardSigmoid")], {}, "alpha = 0.2"),
        ([node("MaxPool", kernel_shape=[2, 2], dilations=[2, 2])], {}, "dilations"),
        ([node("Resize", "x  s")], {"s": np.array([1, 1, 1.5, 2], np.float32)}, "whole factors"),
        ([node("Transpose", perm=[0, 2, 3, 1])], {}, "a view of 2x8x8x4"),
        ([node("Conv", "x c.weight", auto_pad="SAME_LOWER")], CONV, "SAME_LOWER"),
        ([node("Gemm", "x w", "y", alpha=2.0)], {"w": (4, 4)}, "alpha or beta"),
        ([node("ReduceMean", "x a")], {"a": np.array([1])}, "a mean over axes [1]"),
        ([node("Pad", "x p")], {"p": np.array([0, 1, 0, 0, 0, 0, 0, 0])}, "height and width"),
        ([node("Conv", "x x")], {}, "its weight is computed"),
        ([node("LRN", size=4)], {}, "an even number of channels"),
    ],
)
def test_settings_that_netdsl_lacks_are_named(nodes, arrays, reason):
    with pytest.raises(Unsupported, match="netdsl can't say 1 operation") as found:
        lift(model_of(nodes, arrays))
    assert reason in str(found.value)


# ---------------------------------------------------------------- the command


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_command_writes_a_program_and_its_weights(here, capsys):
    arguments = ["import-model", str(FIXTURES / "mobile.onnx"), "--weights", "w.safetensors"]
    assert run(arguments) == 0
    out = capsys.readouterr().out
    assert "mobile.net: " in out and "w.safetensors: " in out
    assert run(["check", "mobile.net"]) == 0
    module = load("mobile.net").load_weights("w.safetensors")
    assert module(np.zeros((1, 16, 16, 3), np.float32)).shape == (1, 3)


def test_the_command_replaces_nothing_unasked(here, capsys):
    (here / "mobile.net").write_text("mine")
    arguments = ["import-model", str(FIXTURES / "mobile.onnx")]
    assert run(arguments) == 3
    assert "--force replaces it" in capsys.readouterr().err
    assert (here / "mobile.net").read_text() == "mine"
    assert run([*arguments, "--name", "other"]) == 0
    assert "network other(" in (here / "other.net").read_text()
    assert run([*arguments, "--force"]) == 0
    assert "network mobile(" in (here / "mobile.net").read_text()


def test_the_command_writes_to_standard_output(here, capsys):
    assert run(["import-model", str(FIXTURES / "residual.onnx"), "-o", "-"]) == 0
    out = capsys.readouterr().out
    assert out == lift(FIXTURES / "residual.onnx").text
    assert not list(here.iterdir())


def test_nothing_is_written_of_what_is_unsupported(here, capsys):
    onnx.save(model_of([node("Mish")]), "m.onnx")
    assert run(["import-model", "m.onnx", "--weights", "w.safetensors"]) == 1
    assert "the operator Mish is unknown" in capsys.readouterr().err
    assert [each.name for each in here.iterdir()] == ["m.onnx"]


def test_the_size_of_the_input_is_asked_for(here, capsys):
    model = model_of([node("Relu")])
    model.graph.input[0].type.tensor_type.shape.dim[2].dim_param = "height"
    onnx.save(model, "m.onnx")
    assert run(["import-model", "m.onnx", "-o", "-"]) == 1
    assert "--input gives it" in capsys.readouterr().err
    assert run(["import-model", "m.onnx", "-o", "-", "--input", "4x20x8"]) == 0
    assert "input image[20, 8, 4]" in capsys.readouterr().out
    assert run(["import-model", "m.onnx", "-o", "-", "--input", "3x20x8"]) == 1
    assert "is 4x?x8 (C, H, W), not 3x20x8" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ("big", "is not like `224x224x3`"),
        ("0x5x5", "is not like `224x224x3`"),
        ("5x5", "is not like `224x224x3`"),
        ("3x224x3", "the channels may be first or last"),
        ("64x64x64", "say 1xCxHxW, such as `1x64x64x64`"),
    ],
)
def test_sizes_that_mean_nothing_are_refused(sizes, message, capsys):
    assert run(["import-model", str(FIXTURES / "mobile.onnx"), "--input", sizes]) == 2
    assert message in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    ("model", "code", "message"),
    [
        ("gone.onnx", 3, "there is no file `gone.onnx`"),
        ("text.onnx", 3, "is no ONNX model that can be read"),
        ("resnet50", 2, "is not like `torchvision.models:resnet50`"),
    ],
)
def test_models_that_are_not_there(model, code, message, here, capsys, monkeypatch):
    monkeypatch.setattr("netdsl.lift.packages.find_spec", lambda name: object())
    (here / "text.onnx").write_text("no model")
    monkeypatch.setitem(sys.modules, "netdsl.lift.torch_fx", SimpleNamespace(trace=None))
    assert run(["import-model", model]) == code
    assert message in capsys.readouterr().err


def test_packages_are_asked_for_by_name(here, capsys, monkeypatch):
    monkeypatch.setattr("netdsl.lift.packages.find_spec", lambda name: None)
    assert run(["import-model", "mobile.onnx"]) == 2
    assert "pip install 'netdsl[onnx]'" in capsys.readouterr().err
    assert run(["import-model", "torchvision.models:resnet50"]) == 2
    assert "pip install 'netdsl[torch]'" in capsys.readouterr().err
