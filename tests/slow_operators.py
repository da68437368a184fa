"""What an operator makes of shapes, by arithmetic that counts one thing at a time.

It shares nothing with netdsl and avoids formulas: windows are counted by sliding them.
"""

from __future__ import annotations

from itertools import product
from typing import Any

from tests.typed_tree import Sides


class Misfit(Exception):
    """A program is wrong: something does not fit."""


Shape = tuple[int, ...]


def require(holds: bool) -> None:
    if not holds:
        raise Misfit


def whole_number(value: Any, least: int = 1) -> int:
    require(type(value) is int and value >= least)
    return int(value)


def _sides(value: Any, least: int = 1) -> tuple[int, int]:
    if type(value) is int:
        value = Sides(value, value)
    require(isinstance(value, Sides) and min(value) >= least)
    return value[0], value[1]


def _padding(value: Any) -> Any:
    """`same`, or the pixels ((above, below), (left, right))."""
    if value in ("same", "valid"):
        return "same" if value == "same" else ((0, 0), (0, 0))
    if isinstance(value, tuple) and not isinstance(value, Sides):
        (above, below), (left, right) = value
        return (above, below), (left, right)
    height, width = _sides(value, 0)
    return (height, height), (width, width)


def _places(
    size: int, kernel: int, stride: int, padding: Any, dilation: int = 1, ceil: bool = False
) -> int:
    """How many windows there are along an axis, found by sliding one over it."""
    if padding == "same":
        return sum(1 for pixel in range(size) if pixel % stride == 0)
    before, after = padding
    last = (kernel - 1) * dilation
    count = 0
    start = -before
    while True:
        end = start + last  # The window's last row; `size + after - 1` is the last one there is.
        beyond = end - (size + after - 1)
        if ceil:
            # Fewer rows than a step may hang over, and it must begin before the padding below.
            if beyond >= stride or start >= size:
                break
        elif beyond > 0:
            break
        count += 1
        start += stride
    require(count > 0)
    return count


def _slide(x: Shape, given: dict[str, Any], *, ceil: bool = False) -> tuple[int, int]:
    require(len(x) == 3)
    kernel = _sides(given["kernel"])
    stride = _sides(given.get("stride", 1))
    dilation = _sides(given.get("dilation", 1))
    padding = _padding(given.get("pad", 0))
    both = ["same", "same"] if padding == "same" else padding
    height, width = (
        _places(x[axis], kernel[axis], stride[axis], both[axis], dilation[axis], ceil)
        for axis in (0, 1)
    )
    return height, width


def _spread(size: int, axis: int, given: dict[str, Any]) -> int:
    """Rows that a transposed convolution makes: each pixel's window is laid down, then cut."""
    kernel, stride = _sides(given["kernel"])[axis], _sides(given.get("stride", 1))[axis]
    dilation = _sides(given.get("dilation", 1))[axis]
    extra = _sides(given.get("extra", 0), 0)[axis]
    padding = _padding(given.get("pad", 0))
    if padding == "same":
        return sum(stride for _ in range(size)) + extra
    touched = {row * stride + tap * dilation for row in range(size) for tap in range(kernel)}
    rows = max(touched) + 1 - sum(padding[axis]) + extra
    require(rows > 0)
    return rows


def divides(part: int, whole: int) -> bool:
    return any(part * times == whole for times in range(whole + 1))


def _elements(x: Shape) -> int:
    return sum(1 for _ in product(*map(range, x)))


SAME_SHAPE = (
    *("relu", "relu6", "leaky_relu", "elu", "gelu", "silu", "hard_swish", "hard_sigmoid"),
    *("sigmoid", "tanh", "softmax", "identity", "dropout", "stochastic_depth"),
)


def apply(name: str, given: dict[str, Any], inputs: list[Shape]) -> tuple[Shape, int, int]:
    """The shape that an operator makes, its parameters and its multiply-accumulates."""
    x = inputs[0]
    bias = given.get("bias", True)
    match name:
        case "conv":
            filters, groups = whole_number(given["filters"]), whole_number(given.get("groups", 1))
            kernel = _sides(given["kernel"])
            height, width = _slide(x, given)
            require(divides(groups, x[2]) and divides(groups, filters))
            seen = next(n for n in range(1, x[2] + 1) if n * groups == x[2])
            weights = kernel[0] * kernel[1] * seen * filters
            return (height, width, filters), weights + filters * bias, weights * height * width
        case "depthwise":
            kernel, multiplier = _sides(given["kernel"]), whole_number(given.get("multiplier", 1))
            height, width = _slide(x, given)
            filters = sum(multiplier for _ in range(x[2]))
            weights = kernel[0] * kernel[1] * filters
            return (height, width, filters), weights + filters * bias, weights * height * width
        case "conv_transpose":
            filters, kernel = whole_number(given["filters"]), _sides(given["kernel"])
            require(len(x) == 3)
            weights = kernel[0] * kernel[1] * x[2] * filters
            shape = (_spread(x[0], 0, given), _spread(x[1], 1, given), filters)
            return shape, weights + filters * bias, weights * x[0] * x[1]
        case "maxpool" | "avgpool":
            kernel = _sides(given["kernel"])
            padding = _padding(given.get("pad", 0))
            if padding != "same":
                require(all(max(padding[axis]) < kernel[axis] for axis in (0, 1)))
            given = {"stride": given["kernel"], **given}
            return (*_slide(x, given, ceil=given.get("ceil", False)), x[2]), 0, 0
        case "globalavgpool" | "globalmaxpool":
            require(len(x) == 3)
            return (1, 1, x[2]) if given.get("keep", False) else (x[2],), 0, 0
        case "adaptiveavgpool" | "adaptivemaxpool":
            require(len(x) == 3)
            return (*_sides(given["size"]), x[2]), 0, 0
        case "upsample":
            require(len(x) == 3)
            height, width = _sides(given["scale"])
            rows = [row for row in range(x[0]) for _ in range(height)]
            columns = [column for column in range(x[1]) for _ in range(width)]
            return (len(rows), len(columns), x[2]), 0, 0
        case "space_to_depth":
            require(len(x) == 3)
            scale = _sides(given["scale"])
            if given.get("pad", "valid") == "valid":
                require(divides(scale[0], x[0]) and divides(scale[1], x[1]))
            height, width = (len(range(0, x[axis], scale[axis])) for axis in (0, 1))
            return (height, width, _elements((*scale, x[2]))), 0, 0
        case "pad":
            require(len(x) == 3)
            sides = _padding(given["amount"])
            if given.get("mode") == "reflect":
                require(all(max(sides[axis]) < x[axis] for axis in (0, 1)))
            return (x[0] + sum(sides[0]), x[1] + sum(sides[1]), x[2]), 0, 0
        case "crop":
            require(len(x) == 3)
            sides = _padding(given["amount"])
            left = [range(x[axis])[sides[axis][0] :] for axis in (0, 1)]
            height, width = (max(len(left[axis]) - sides[axis][1], 0) for axis in (0, 1))
            require(height > 0 and width > 0)
            return (height, width, x[2]), 0, 0
        case "select":
            taken = given["channels"]
            require(len(taken) > 0 and all(each in range(x[-1]) for each in taken))
            return (*x[:-1], len(taken)), 0, 0
        case "split":
            parts, index = whole_number(given["parts"]), whole_number(given["index"], 0)
            require(divides(parts, x[-1]) and index in range(parts))
            return (*x[:-1], sum(1 for c in range(x[-1]) if c % parts == 0)), 0, 0
        case "channel_shuffle":
            require(divides(whole_number(given["groups"]), x[-1]))
            return x, 0, 0
        case "groupnorm":
            require(divides(whole_number(given.get("groups", 32)), x[-1]))
            return x, x[-1] + x[-1], 0
        case "bn" | "layernorm":
            return x, x[-1] * (given.get("scale", True) + given.get("bias", True)), 0
        case "scale":
            return x, x[-1] + x[-1] * given.get("bias", False), 0
        case "flatten":
            return (_elements(x),), 0, 0
        case "dense":
            features = whole_number(given["features"])
            require(len(x) < 3 or given.get("axis") == "channels")
            vectors = _elements(x[:-1])
            weights = x[-1] * features
            return (*x[:-1], features), weights + features * bias, weights * vectors
        case "tokens":
            require(len(x) == 3)
            return (_elements(x[:2]), x[2]), 0, 0
        case "class_token":
            require(len(x) == 2)
            return (x[0] + 1, x[1]), x[1], 0
        case "position_embedding":
            require(len(x) == 2)
            return x, _elements(x), 0
        case "take_token":
            require(len(x) == 2 and whole_number(given["index"], 0) in range(x[0]))
            return (x[1],), 0, 0
        case "attention":
            require(len(x) == 2 and divides(whole_number(given["heads"]), x[1]))
            tokens, channels = x
            projections = 4 * (channels * channels)  # Queries, keys, values and the last one.
            pairs = 2 * sum(tokens * channels for _ in range(tokens))
            return x, projections + 4 * channels, projections * tokens + pairs
        case "add" | "max" | "concat" | "mul" if len(inputs) < 2:
            raise Misfit
        case "add" | "max":
            require(all(each == x for each in inputs))
            return x, 0, 0
        case "concat":
            require(all(len(y) == len(x) and y[:-1] == x[:-1] for y in inputs))
            return (*x[:-1], sum(y[-1] for y in inputs)), 0, 0
        case "mul":
            for whole in sorted(inputs, key=_elements, reverse=True):
                if all(_weighs(each, whole) for each in inputs):
                    return whole, 0, 0
            raise Misfit
    require(name in SAME_SHAPE)
    return x, 0, 0


def _weighs(x: Shape, whole: Shape) -> bool:
    """Whether `mul` takes x beside an image (or what else is `whole`)."""
    one_number_each = len(x) == 1 or (len(x) == 3 and x[:2] == (1, 1))
    return x == whole or (len(whole) == 3 and one_number_each and x[-1] == whole[-1])
