"""ONNX's layers that hold weights, in netdsl's terms, and how their settings are read."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx

from netdsl.lift.values import UnknownOperation, Unsayable
from netdsl.ops import OPERATORS
from netdsl.tensor import Window

if TYPE_CHECKING:
    from netdsl.lift.onnx_file import OnnxFrontEnd


class Settings:
    """A node's attributes."""

    def __init__(self, node: onnx.NodeProto) -> None:
        self.values = {each.name: onnx.helper.get_attribute_value(each) for each in node.attribute}

    def get(self, name: str, default: Any) -> Any:
        value = self.values.get(name, default)
        return value.decode() if isinstance(value, bytes) else value


Handler = Callable[["OnnxFrontEnd", Settings, list[Any]], Any]


def window(sizes: Any, default: int = 1) -> Window:
    if not sizes:
        return Window(default, default)
    if len(sizes) != 2:
        raise UnknownOperation(f"a window over {len(sizes)} axes is unknown")
    return Window(*map(int, sizes))


def padding(settings: Settings) -> Any:
    """`same`, or the pixels on each side."""
    automatic = settings.get("auto_pad", "NOTSET")
    if automatic == "SAME_UPPER":
        return "same"
    if automatic == "SAME_LOWER":
        raise UnknownOperation("auto_pad = SAME_LOWER is unknown")
    pads = settings.get("pads", [0, 0, 0, 0])
    if len(pads) != 4:
        raise UnknownOperation(f"padding of {len(pads) // 2} axes is unknown")
    above, left, below, right = pads
    return (above, below), (left, right)


def given(inputs: list[Any], position: int, default: Any = None) -> Any:
    found = inputs[position] if len(inputs) > position else None
    return default if found is None else found


def array_of(value: Any, what: str) -> np.ndarray:
    if not isinstance(value, np.ndarray):
        raise Unsayable(f"its {what} is computed, not a constant")
    return value


def number_of(value: Any, what: str) -> float:
    if isinstance(value, (int, float)):
        return float(value)
    array = array_of(value, what)
    if array.size != 1:
        raise UnknownOperation(f"a {what} of {array.size} numbers is unknown")
    return float(array.reshape(()))


def conv(front: OnnxFrontEnd, settings: Settings, inputs: list[Any]) -> Any:
    weight = array_of(inputs[1], "weight")
    bias = given(inputs, 2)
    filters, per_group, *kernel = weight.shape
    if len(kernel) != 2:
        raise UnknownOperation(f"a convolution over {len(kernel)} axes is unknown")
    groups = settings.get("group", 1)
    named = {
        "stride": window(settings.get("strides", None)),
        "pad": padding(settings),
        "dilation": window(settings.get("dilations", None)),
        "bias": bias is not None,
    }
    if groups > 1 and per_group == 1:
        op = OPERATORS["depthwise"](Window(*kernel), multiplier=filters // groups, **named)
    else:
        op = OPERATORS["conv"](filters, Window(*kernel), groups=groups, **named)
    key = front.hold(front.key("conv", *front.node.input[1:]), weight=weight, bias=bias)
    return front.apply(op, inputs[0], key)


def conv_transpose(front: OnnxFrontEnd, settings: Settings, inputs: list[Any]) -> Any:
    weight = array_of(inputs[1], "weight")
    bias = given(inputs, 2)
    if settings.get("group", 1) != 1 or weight.ndim != 4 or "output_shape" in settings.values:
        raise UnknownOperation("a transposed convolution in groups, or of a set size, is unknown")
    if settings.get("auto_pad", "NOTSET") not in ("NOTSET", "VALID"):
        raise UnknownOperation("a transposed convolution with auto_pad is unknown")
    op = OPERATORS["conv_transpose"](
        weight.shape[1],
        Window(*weight.shape[2:]),
        stride=window(settings.get("strides", None)),
        pad=padding(settings),
        extra=window(settings.get("output_padding", None), 0),
        dilation=window(settings.get("dilations", None)),
        bias=bias is not None,
    )
    key = front.hold(front.key("conv_transpose", *front.node.input[1:]), weight=weight, bias=bias)
    return front.apply(op, inputs[0], key)


def batch_norm(front: OnnxFrontEnd, settings: Settings, inputs: list[Any]) -> Any:
    if settings.get("training_mode", 0):
        raise UnknownOperation("a batch norm that trains is unknown")
    # ONNX's momentum is the share of the old statistics, as ours is.
    op = OPERATORS["bn"](
        momentum=short(settings.get("momentum", 0.9)), eps=short(settings.get("epsilon", 1e-5))
    )
    weight, bias, mean, variance = inputs[1:5]
    key = front.key("bn", *front.node.input[1:5])
    key = front.hold(key, weight=weight, bias=bias, running_mean=mean, running_var=variance)
    return front.apply(op, inputs[0], key)


def short(number: float) -> float:
    """A float32 as it was written: 0.1, not 0.10000000149…"""
    return float(str(np.float32(number)))


def gemm(front: OnnxFrontEnd, settings: Settings, inputs: list[Any]) -> Any:
    if settings.get("alpha", 1.0) != 1 or settings.get("beta", 1.0) != 1:
        raise UnknownOperation("a Gemm with alpha or beta is unknown")
    if settings.get("transA", 0):
        raise UnknownOperation("a Gemm of what is transposed is unknown")
    weight = array_of(inputs[1], "weight")
    return _dense(
        front,
        inputs[0],
        weight if settings.get("transB", 0) else weight.T,
        given(inputs, 2),
        front.node.input[1:],
    )


def matmul(front: OnnxFrontEnd, settings: Settings, inputs: list[Any]) -> Any:
    weight = array_of(inputs[1], "second factor")
    bias, add = _following_bias(front, weight.shape[-1:])
    value = _dense(front, inputs[0], weight.T, bias, [front.node.input[1], *add[1:]])
    if add:
        front.added[add[0]] = value
    return value


def _dense(front: OnnxFrontEnd, x: Any, weight: np.ndarray, bias: Any, names: Any) -> Any:
    if weight.ndim != 2:
        raise UnknownOperation(f"a product with an array of {weight.ndim} axes is unknown")
    op = OPERATORS["dense"](weight.shape[0], bias=bias is not None)
    if bias is not None:
        bias = np.broadcast_to(array_of(bias, "bias"), (weight.shape[0],))
    key = front.hold(front.key("dense", *names), weight=weight, bias=bias)
    return front.apply(op, x, key)


def _following_bias(front: OnnxFrontEnd, shape: tuple[int, ...]) -> tuple[Any, list[str]]:
    """The array that the one Add behind a MatMul adds, with that node's output and its name."""
    made = front.node.output[0]
    users = [node for node in front.model.graph.node if made in node.input]
    is_output = any(each.name == made for each in front.model.graph.output)
    if is_output or len(users) != 1 or users[0].op_type != "Add":
        return None, []
    (other,) = [name for name in users[0].input if name != made] or [""]
    array = front.values.get(other)
    if not isinstance(array, np.ndarray) or array.shape != shape:
        return None, []
    return array, [users[0].output[0], other]


def layer_norm(front: OnnxFrontEnd, settings: Settings, inputs: list[Any]) -> Any:
    weight, bias = array_of(inputs[1], "scale"), given(inputs, 2)
    axes = front.positions(inputs[0]).ndim
    if settings.get("axis", -1) % axes != axes - 1 or weight.ndim != 1:
        raise UnknownOperation("a layer norm over several axes is unknown")
    op = OPERATORS["layernorm"](eps=short(settings.get("epsilon", 1e-5)), bias=bias is not None)
    key = front.hold(front.key("layernorm", *front.node.input[1:]), weight=weight, bias=bias)
    return front.apply(op, inputs[0], key)
