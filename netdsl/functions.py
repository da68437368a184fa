"""The functions that expressions may call."""

from __future__ import annotations

import math
from collections.abc import Callable

from netdsl.limits import LIMITS
from netdsl.scope import describe
from netdsl.tensor import Window


def round_to(value: float, divisor: int) -> int:
    """The nearest multiple of `divisor`, at least one, and never more than 10 % below `value`.

    Source: the width rounding of MobileNetV2 (arXiv:1801.04381) as its published code has it.
    """
    rounded = max(divisor, int(value + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * value else rounded


def _listed(values: object) -> list[object]:
    if isinstance(values, (list, tuple, range)) and not isinstance(values, Window):
        return list(values)
    raise TypeError(f"takes lists, not {describe(values)}")


def _range(*bounds: int) -> list[object]:
    numbers = range(*bounds)
    limit = LIMITS.list_values
    if len(numbers) > limit:
        raise TypeError(f"would make {len(numbers):,} numbers; the limit is {limit:,}")
    return list(numbers)


def _round(value: float, digits: int | None = None) -> float:
    # A whole number is rounded by a power of ten, which may fill the memory.
    if digits is not None and abs(digits) > LIMITS.digits:
        raise TypeError(f"takes at most {LIMITS.digits} digits")
    return round(value, digits)


def _choose(choose: Callable[..., object], *values: object) -> object:
    return choose(_listed(values[0])) if len(values) == 1 else choose(values)


FUNCTIONS: dict[str, Callable[..., object]] = {
    "min": lambda *values: _choose(min, *values),
    "max": lambda *values: _choose(max, *values),
    "round": _round,
    "floor": math.floor,
    "ceil": math.ceil,
    "abs": abs,
    "len": lambda values: len(_listed(values)),
    "range": _range,
    "zip": lambda *lists: [tuple(row) for row in zip(*map(_listed, lists), strict=True)],
    "enumerate": lambda values, start=0: list(enumerate(_listed(values), start)),
    "sum": lambda values: sum(_listed(values)),  # type: ignore[arg-type]  # `_apply` says what can't be added.
    "round_to": round_to,
}
"""The compile-time functions, by name."""


def reason_of(function: str, values: list[object], error: Exception) -> str:
    if str(error).startswith(("takes", "would")):
        return str(error)
    if function == "zip":
        lengths = [len(each) for each in values if isinstance(each, (list, tuple))]
        return f"its lists have {' and '.join(map(str, lengths))} elements"
    if not values:
        return "it has no arguments"
    return "the arguments don't fit it"
