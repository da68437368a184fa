"""Type one operator's output, and turn its complaints into diagnostics at the right place."""

from __future__ import annotations

from collections.abc import Sequence

from netdsl.diagnostics import Diagnostic, Fault, Label
from netdsl.graph import Origin
from netdsl.limits import LIMITS
from netdsl.ops.base import Op, OpError
from netdsl.sizes import UnwieldySize
from netdsl.source import Span
from netdsl.tensor import TensorType


def infer(
    op: Op, inputs: Sequence[TensorType], operand_spans: Sequence[Span], origin: Origin
) -> TensorType:
    """The type of `op`'s output. `operand_spans` are the places that made each input.

    Raises Fault, with every input's shape and place shown where the inputs disagree.
    """
    try:
        type = op.infer(*inputs)
        elements = type.elements
    except UnwieldySize as error:
        raise Fault(
            Diagnostic(
                "number-too-large",
                f"the output's size is too long to work with: {error}",
                origin.span,
                help="fix the input's size, or give it a `where` that makes divisions exact",
                trail=origin.trail,
            )
        ) from None
    except OpError as error:
        span = origin.arguments.get(error.argument or "", origin.span)
        if len(inputs) > 1:
            labels = tuple(
                Label(place, f"this is {type}")
                for place, type in zip(operand_spans, inputs, strict=True)
            )
        else:
            labels = tuple(
                Label(place, f"{type} comes from here")
                for place, type in zip(operand_spans, inputs, strict=True)
                if place != span
            )
        raise Fault(
            Diagnostic(
                error.code,
                error.message,
                span,
                labels=labels,
                notes=(error.note,) if error.note else (),
                help=error.help or _divisors(error, inputs),
                trail=origin.trail,
            )
        ) from None
    for size in type.shape:
        if isinstance(size, int) and size > LIMITS.dimension:
            raise Fault(
                Diagnostic(
                    "number-too-large",
                    f"the output would be {type}: no size may be above {LIMITS.dimension:,}",
                    origin.span,
                    trail=origin.trail,
                )
            )
    if isinstance(elements, int) and elements >= LIMITS.integer:
        raise Fault(
            Diagnostic(
                "number-too-large",
                f"the output would have {float(elements):.3g} values",
                origin.span,
                trail=origin.trail,
            )
        )
    return type


def _divisors(error: OpError, inputs: Sequence[TensorType]) -> str:
    """Which numbers of parts would do, where that is what is wrong."""
    channels = inputs[0].channels
    if (
        error.code != "channels-not-divisible"
        or not isinstance(channels, int)
        or channels > 1 << 16
    ):
        return ""
    numbers = [number for number in range(1, channels + 1) if channels % number == 0]
    shown = ", ".join(map(str, numbers[:_DIVISORS])) + (", …" if len(numbers) > _DIVISORS else "")
    return f"{channels} can be divided by {shown}"


_DIVISORS = 12
"""How many numbers a help text names."""
