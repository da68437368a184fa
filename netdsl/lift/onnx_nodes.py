"""ONNX's operators in netdsl's terms: those without weights, and the table of all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from netdsl.lift.onnx_layers import (
    Handler,
    Settings,
    array_of,
    batch_norm,
    conv,
    conv_transpose,
    gemm,
    given,
    layer_norm,
    matmul,
    number_of,
    padding,
    short,
    window,
)
from netdsl.lift.values import UnknownOperation, Value
from netdsl.ops import OPERATORS
from netdsl.tensor import Window

if TYPE_CHECKING:
    from netdsl.lift.onnx_file import OnnxFrontEnd


MOVES = frozenset(
    [
        "Flatten",
        "Gather",
        "Reshape",
        "Slice",
        "Split",
        "Squeeze",
        "Transpose",
        "Unsqueeze",
        "DepthToSpace",
    ]
)
"""What only moves elements."""


def _merge(name: str) -> Handler:
    def handle(front: OnnxFrontEnd, settings: Settings, inputs: list[Any]) -> Any:
        if name == "add" and front.node.output[0] in front.added:
            return front.added[front.node.output[0]]
        arrays = [each for each in inputs if isinstance(each, np.ndarray)]
        if not arrays:
            return front.merged(name, tuple(inputs))
        (x,) = [each for each in inputs if isinstance(each, Value)]
        (array,) = arrays
        if array.size == 1 and array.item() == (0 if name == "add" else 1):
            return x
        channels = front.recorder.operations[front.plain(x)].type.channels
        if name == "mul" and array.shape in ((channels, 1, 1), (1, channels, 1, 1)):
            (held,) = [n for n, each in zip(front.node.input, inputs, strict=True) if each is array]
            path = tuple(held.split("."))
            key = path if front.is_named(path) else front.key("scale")
            front.tensors[".".join(key)] = array.reshape(-1, 1, 1)
            return front.apply(OPERATORS["scale"](), x, key)
        shape = "x".join(map(str, array.shape)) or f"the number {array.item():g}"
        raise UnknownOperation(f"{front.node.op_type} with a constant, {shape}, is unknown")

    return handle


def _concat(front: OnnxFrontEnd, settings: Settings, inputs: list[Any]) -> Any:
    axis = settings.get("axis", 0)
    axes = front.positions(inputs[0]).ndim
    if axis % axes != 1:
        raise UnknownOperation(f"joining over axis {axis} is unknown: `concat` joins channels")
    return front.merged("concat", tuple(inputs))


def _pool(word: str) -> Handler:
    def handle(front: OnnxFrontEnd, settings: Settings, inputs: list[Any]) -> Any:
        if any(each != 1 for each in settings.get("dilations", [])):
            raise UnknownOperation("a pool with dilations is unknown")
        kernel = window(settings.get("kernel_shape", None))
        stride = window(settings.get("strides", None))
        named: dict[str, Any] = {"pad": padding(settings)}
        named["ceil"] = bool(settings.get("ceil_mode", 0))
        if stride != kernel:
            named["stride"] = stride
        if word == "avgpool" and named["pad"] not in ("same", ((0, 0), (0, 0))):
            named["count_padding"] = bool(settings.get("count_include_pad", 0))
        return front.apply(OPERATORS[word](kernel, **named), inputs[0])

    return handle


def _global(kind: str) -> Handler:
    def handle(front: OnnxFrontEnd, settings: Settings, inputs: list[Any]) -> Any:
        return front.apply(OPERATORS[f"global{kind}pool"](keep=True), inputs[0])

    return handle


def _mean(front: OnnxFrontEnd, settings: Settings, inputs: list[Any]) -> Any:
    axes = settings.get("axes", None)
    if axes is None:
        axes = array_of(given(inputs, 1, np.array([])), "axes").tolist()
    if sorted(axis % 4 for axis in axes) != [2, 3] or front.positions(inputs[0]).ndim != 4:
        raise UnknownOperation(f"a mean over axes {list(axes)} is unknown")
    keep = bool(settings.get("keepdims", 1))
    return front.apply(OPERATORS["globalavgpool"](keep=keep), inputs[0])


def _simple(word: str) -> Handler:
    return lambda front, settings, inputs: front.apply(OPERATORS[word](), inputs[0])


def _clip(front: OnnxFrontEnd, settings: Settings, inputs: list[Any]) -> Any:
    low = given(inputs, 1, settings.get("min", -np.inf))
    high = given(inputs, 2, settings.get("max", np.inf))
    bounds = number_of(low, "least value"), number_of(high, "largest value")
    if bounds == (0, 6):
        return front.apply(OPERATORS["relu6"](), inputs[0])
    if bounds == (0, np.inf):
        return front.apply(OPERATORS["relu"](), inputs[0])
    raise UnknownOperation(f"clipping to {bounds[0]:g} … {bounds[1]:g} is unknown")


def _hard_sigmoid(front: OnnxFrontEnd, settings: Settings, inputs: list[Any]) -> Any:
    slope, shift = settings.get("alpha", 0.2), settings.get("beta", 0.5)
    if abs(slope - 1 / 6) > 1e-6 or shift != 0.5:
        raise UnknownOperation(
            f"HardSigmoid with alpha = {slope:g}, beta = {shift:g} is unknown: "
            "`hard_sigmoid` has 1/6 and 1/2"
        )
    return front.apply(OPERATORS["hard_sigmoid"](), inputs[0])


def _leaky_relu(front: OnnxFrontEnd, settings: Settings, inputs: list[Any]) -> Any:
    return front.apply(OPERATORS["leaky_relu"](short(settings.get("alpha", 0.01))), inputs[0])


def _elu(front: OnnxFrontEnd, settings: Settings, inputs: list[Any]) -> Any:
    return front.apply(OPERATORS["elu"](short(settings.get("alpha", 1.0))), inputs[0])


def _gelu(front: OnnxFrontEnd, settings: Settings, inputs: list[Any]) -> Any:
    approximate = settings.get("approximate", "none") == "tanh"
    return front.apply(OPERATORS["gelu"](approximate), inputs[0])


def _softmax(front: OnnxFrontEnd, settings: Settings, inputs: list[Any]) -> Any:
    axes = front.positions(inputs[0]).ndim
    axis = settings.get("axis", -1 if front.opsets.get("", 1) >= 13 else 1)
    if axis % axes != 1:
        raise UnknownOperation(f"softmax over axis {axis} is unknown")
    return front.apply(OPERATORS["softmax"](), inputs[0])


def _dropout(front: OnnxFrontEnd, settings: Settings, inputs: list[Any]) -> Any:
    rate = given(inputs, 1, settings.get("ratio", 0.5))
    return front.apply(OPERATORS["dropout"](short(number_of(rate, "rate"))), inputs[0])


def _identity(front: OnnxFrontEnd, settings: Settings, inputs: list[Any]) -> Any:
    return inputs[0]


def _lrn(front: OnnxFrontEnd, settings: Settings, inputs: list[Any]) -> Any:
    size = settings.get("size", 1)
    if size % 2 == 0:
        raise UnknownOperation(f"LRN over an even number of channels, {size}, is unknown")
    alpha = short(settings.get("alpha", 1e-4) / size)  # ONNX divides alpha by the size.
    beta, bias = short(settings.get("beta", 0.75)), short(settings.get("bias", 1.0))
    return front.apply(OPERATORS["lrn"](size, alpha, beta, bias), inputs[0])


def _pad(front: OnnxFrontEnd, settings: Settings, inputs: list[Any]) -> Any:
    pads = settings.get("pads", None)
    if pads is None:
        pads = array_of(given(inputs, 1), "padding").tolist()
    if given(inputs, 3) is not None or len(pads) != 8 or any((*pads[:2], *pads[4:6])):
        raise UnknownOperation("padding other than of height and width is unknown")
    mode = settings.get("mode", "constant")
    word = {"constant": "zeros", "reflect": "reflect", "edge": "edge"}.get(mode)
    value = number_of(given(inputs, 2, settings.get("value", 0.0)), "value")
    if word is None or (word == "zeros" and value):
        raise UnknownOperation(f"padding of mode {mode} with {value:g} is unknown")
    (above, left), (below, right) = pads[2:4], pads[6:8]
    if not any((above, left, below, right)):
        return inputs[0]
    if min(above, left, below, right) < 0:
        raise UnknownOperation("padding by less than nothing is unknown; Slice crops")
    return front.apply(OPERATORS["pad"](((above, below), (left, right)), word), inputs[0])


def _resize(front: OnnxFrontEnd, settings: Settings, inputs: list[Any]) -> Any:
    before = front.positions(inputs[0]).shape
    if len(before) != 4:
        raise UnknownOperation("resizing what is no image is unknown")
    if front.node.op_type == "Upsample":
        scales = array_of(given(inputs, 1), "scale").tolist()
    else:
        sizes, found = given(inputs, 3), given(inputs, 2)
        if sizes is not None:
            after = array_of(sizes, "size").tolist()
            scales = [a / b for a, b in zip(after, before, strict=True)]
        else:
            scales = array_of(found, "scale").tolist()
    mode = settings.get("mode", "nearest")
    transform = settings.get("coordinate_transformation_mode", "half_pixel")
    rounding = settings.get("nearest_mode", "round_prefer_floor")
    whole = scales[:2] == [1, 1] and all(each == int(each) and each >= 1 for each in scales[2:])
    known = (mode == "linear" and transform in ("half_pixel", "pytorch_half_pixel")) or (
        mode == "nearest"
        and (
            (transform, rounding) == ("asymmetric", "floor")
            or (transform == "half_pixel" and rounding.startswith("round_prefer"))
            or front.node.op_type == "Upsample"
        )
    )
    if not whole or not known:
        raise UnknownOperation(
            f"resizing by {scales} with {mode}, {transform}, {rounding} is unknown: `upsample` "
            "takes whole factors, nearest or linear at the centres of pixels"
        )
    method = "bilinear" if mode == "linear" else "nearest"
    return front.apply(OPERATORS["upsample"](Window(*map(int, scales[2:])), method), inputs[0])


NODES: dict[str, Handler] = {
    "Add": _merge("add"),
    "AveragePool": _pool("avgpool"),
    "BatchNormalization": batch_norm,
    "Clip": _clip,
    "Concat": _concat,
    "Conv": conv,
    "ConvTranspose": conv_transpose,
    "Dropout": _dropout,
    "Elu": _elu,
    "Gelu": _gelu,
    "Gemm": gemm,
    "GlobalAveragePool": _global("avg"),
    "GlobalMaxPool": _global("max"),
    "HardSigmoid": _hard_sigmoid,
    "HardSwish": _simple("hard_swish"),
    "Identity": _identity,
    "LRN": _lrn,
    "LayerNormalization": layer_norm,
    "LeakyRelu": _leaky_relu,
    "MatMul": matmul,
    "Max": _merge("max"),
    "MaxPool": _pool("maxpool"),
    "Mul": _merge("mul"),
    "Pad": _pad,
    "ReduceMean": _mean,
    "Relu": _simple("relu"),
    "Resize": _resize,
    "Sigmoid": _simple("sigmoid"),
    "Softmax": _softmax,
    "Sum": _merge("add"),
    "Tanh": _simple("tanh"),
    "Upsample": _resize,
}
"""What each ONNX operator does: from the front end, the node's attributes and its inputs."""
