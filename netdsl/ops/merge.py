"""Operators that join several values."""

from __future__ import annotations

from netdsl.code import Emission, Fragment, Input, Listing, Operation, call
from netdsl.derivation import AXES, Step, named, remark, total, values_count
from netdsl.ops.base import Op, OpError, Requirement
from netdsl.sizes import Size
from netdsl.tensor import Cost, TensorType, Weight


class _Merge(Op):
    is_merge = True

    def requirements(self, *inputs: TensorType) -> tuple[Requirement, ...]:
        first = inputs[0]
        axes = len(first.shape)
        return tuple(each for x in inputs for each in _agreement(self, first, x, axes))

    def weights(self, *inputs: TensorType) -> tuple[Weight, ...]:
        return ()

    def cost(self, output: TensorType, *inputs: TensorType) -> Cost:
        return Cost(flops=(len(inputs) - 1) * output.elements)

    def derivation(self, output: TensorType, *inputs: TensorType) -> tuple[Step, ...]:
        operations = (named("n", len(inputs)) - 1) * values_count(output.shape)
        note = f"n = {len(inputs)} inputs of one shape, value by value"
        return (Step("flops", operations, note),)


def _require_equal(op: Op, first: TensorType, other: TensorType, operand: int, axes: int) -> None:
    """Raise OpError where two shapes differ in one of their first `axes` sizes."""
    if len(first.shape) != len(other.shape):
        raise OpError(
            "shape-mismatch",
            f"`{op.name}` joins {first} with {other}: {first.noun} with {other.noun}",
            operand=operand,
            help="`globalavgpool(keep = true)` leaves an image; `flatten` makes a vector"
            if op.name == "concat"
            else "`mul` weighs the channels of an image with a vector",
        )
    names = AXES[len(first.shape)]
    for name, a, b in list(zip(names, first.shape, other.shape, strict=True))[:axes]:
        if _always_differ(a, b):
            verb = "differ" if name == "channels" else "differs"
            raise OpError(
                "shape-mismatch",
                f"`{op.name}` joins {first} with {other}: {name} {verb}, {a} and {b}",
                operand=operand,
                help=f"`conv({a}, 1x1)` makes {a} channels of {b}"
                if name == "channels"
                else _as_large(a, b)
                if first.is_image
                else _BORDER,
            )


def _as_large(a: Size, b: Size) -> str:
    """How two unequal heights or widths become one: by a stride where one is a multiple of the
    other, and by a border where they are nearly equal."""
    if isinstance(a, int) and isinstance(b, int):
        large, small = max(a, b), min(a, b)
        stride = round(large / small)
        if stride > 1 and -(-large // stride) == small:
            enlarged = f", `upsample({stride})` the reverse" if large == stride * small else ""
            return (
                "give both ways the same strides: "
                f"`conv(…, 1x1, stride = {stride})` makes {small} of {large}{enlarged}"
            )
        if stride > 1:
            return "give both ways the same strides and the same `pad`"
    return _BORDER


_BORDER = "`pad = same` keeps a size; `pad` and `crop` change it"
_PLURAL = {"height": "heights", "width": "widths", "channels": "channels", "tokens": "tokens"}


def _always_differ(a: Size, b: Size) -> bool:
    difference = a - b
    return isinstance(difference, int) and difference != 0


def _agreement(op: Op, first: TensorType, other: TensorType, axes: int) -> tuple[Requirement, ...]:
    """That the first `axes` sizes of two shapes are equal, where it depends on the input."""
    names = AXES[len(first.shape)]
    return tuple(
        Requirement(
            "shape-mismatch", f"the {_PLURAL[name]} that `{op.name}` joins agree", "equal", a, b
        )
        for name, a, b in list(zip(names, first.shape, other.shape, strict=True))[:axes]
        if a != b
    )


class Concat(_Merge):
    """Put the channels of all inputs one after the other.

        x_i[N, H, W, C_i] -> y[N, H, W, Σ C_i]

    Heights and widths must agree.
    """

    name = "concat"

    def infer(self, *inputs: TensorType) -> TensorType:
        channels: Size = 0
        for operand, x in enumerate(inputs):
            _require_equal(self, inputs[0], x, operand, len(x.shape) - 1)
            channels = channels + x.channels
        return TensorType((*inputs[0].shape[:-1], channels))

    def requirements(self, *inputs: TensorType) -> tuple[Requirement, ...]:
        first = inputs[0]
        axes = len(first.shape) - 1
        return tuple(each for x in inputs for each in _agreement(self, first, x, axes))

    def cost(self, output: TensorType, *inputs: TensorType) -> Cost:
        return Cost()

    def derivation(self, output: TensorType, *inputs: TensorType) -> tuple[Step, ...]:
        axes = AXES[len(output.shape)]
        channels = [named(f"C_{number}", x.channels) for number, x in enumerate(inputs, 1)]
        same = " and ".join(axes[:-1])
        note = f"channels lie one after the other; {same} must agree" if same else ""
        return (Step(axes[-1], total(*channels), note),)

    def emit(self, *inputs: TensorType) -> Emission:
        operands = Listing(tuple(Input(index) for index in range(len(inputs))))
        return Emission(call("jnp.concatenate", operands, axis=-1))


class Add(_Merge):
    """Add the inputs, which must have one shape; 1 operation per element and further input.

    Source: He et al. 2015, arXiv:1512.03385, §3.2.
    """

    name = "add"

    def infer(self, *inputs: TensorType) -> TensorType:
        for operand, x in enumerate(inputs):
            _require_equal(self, inputs[0], x, operand, len(x.shape))
        return inputs[0]

    def emit(self, *inputs: TensorType) -> Emission:
        return Emission(Operation("+", tuple(Input(index) for index in range(len(inputs)))))


class Multiply(_Merge):
    """Multiply the inputs; a vector, or an image of 1×1, weighs the channels of an image.

        x[N, H, W, C], s[N, C] -> y[N, H, W, C] = x s

    1 operation per element and further input.
    Source: Hu, Shen & Sun 2017, arXiv:1709.01507, §3.2.
    """

    name = "mul"

    def infer(self, *inputs: TensorType) -> TensorType:
        whole = _weighed(inputs)
        for operand, x in enumerate(inputs):
            if x != whole and whole.is_image and _is_weighing(x):
                if _always_differ(x.channels, whole.channels):
                    raise OpError(
                        "shape-mismatch",
                        f"`mul` weighs the {whole.channels} channels of {whole} with "
                        f"{x.channels} numbers",
                        operand=operand,
                        help="it takes one number for each channel",
                    )
            else:
                _require_equal(self, whole, x, operand, len(x.shape))
        return whole

    def requirements(self, *inputs: TensorType) -> tuple[Requirement, ...]:
        whole = _weighed(inputs)
        found: list[Requirement] = []
        for x in inputs:
            if x == whole or not (whole.is_image and _is_weighing(x)):
                found += _agreement(self, whole, x, len(x.shape))
            elif x.channels != whole.channels:
                subject = "there is a number for each channel that `mul` weighs"
                found.append(
                    Requirement("shape-mismatch", subject, "equal", whole.channels, x.channels)
                )
        return tuple(found)

    def derivation(self, output: TensorType, *inputs: TensorType) -> tuple[Step, ...]:
        steps = super().derivation(output, *inputs)
        if all(x == output for x in inputs):
            return steps
        (step,) = steps
        number = f"one number for each of the {output.channels} channels weighs all its pixels"
        return step._replace(note=f"n = {len(inputs)} inputs"), remark(number)

    def emit(self, *inputs: TensorType) -> Emission:
        whole = self.infer(*inputs)
        operands: list[Fragment] = [
            call("jnp.expand_dims", Input(index), axis=(1, 2))
            if whole.is_image and not x.is_image
            else Input(index)
            for index, x in enumerate(inputs)
        ]
        return Emission(Operation("*", tuple(operands)))


def _weighed(inputs: tuple[TensorType, ...]) -> TensorType:
    """The input that the others weigh, or are as large as."""
    return max(inputs, key=lambda x: (len(x.shape), not _is_weighing(x)))


def _is_weighing(x: TensorType) -> bool:
    return len(x.shape) == 1 or (x.is_image and x.shape[:2] == (1, 1))


class Maximum(_Merge):
    """Keep the largest of the inputs, element by element; they must have one shape.

    1 comparison per element and further input.
    Source: Goodfellow et al. 2013, arXiv:1302.4389.
    """

    name = "max"

    def infer(self, *inputs: TensorType) -> TensorType:
        for operand, x in enumerate(inputs):
            _require_equal(self, inputs[0], x, operand, len(x.shape))
        return inputs[0]

    def emit(self, *inputs: TensorType) -> Emission:
        operands: list[Fragment] = [Input(number) for number in range(len(inputs))]
        while len(operands) > 1:
            # In pairs, so that many branches nest no deeper than need be.
            pairs = zip(operands[::2], operands[1::2], strict=False)
            rest = operands[len(operands) // 2 * 2 :]
            operands = [*(call("jnp.maximum", *pair) for pair in pairs), *rest]
        return Emission(operands[0])
