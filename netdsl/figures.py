"""What a claim's figure says: the number, how exactly it is meant, and whether it holds."""

from __future__ import annotations

import re
from math import ceil, log10

from netdsl import syntax
from netdsl.diagnostics import Fault
from netdsl.evaluate import evaluate
from netdsl.fuel import Fuel
from netdsl.scope import Scope, UnknownValue, fail
from netdsl.sizes import Expression, Size, UndecidedSize
from netdsl.source import Span


def equality(entry: syntax.ClaimEntry, scope: Scope) -> tuple[float, float]:
    """The sides of an equality of numbers; raises Fault where it is none, and UnknownValue."""
    condition = entry.condition
    if isinstance(condition, syntax.Comparison) and len(condition.rest) == 1:
        operator, right = condition.rest[0]
        if operator == "==":
            sides = evaluate(condition.left, scope), evaluate(right, scope)
            if any(isinstance(side, Expression) for side in sides):
                raise UnknownValue  # Depends on the input's size: nothing to compare yet.
            if all(isinstance(side, (int, float)) for side in sides):
                return sides  # type: ignore[return-value]  # Both are numbers, as just tested.
    fail(
        "claim-form",
        "`within` needs an equality of two numbers, such as `params == 25.6M within 1%`",
        entry.span,
    )


def holds_with(
    entry: syntax.ClaimEntry, scope: Scope, values: dict[str, Size], rounding: float
) -> bool:
    """Whether a claim holds with other measures; `rounding` is how far a figure may be off."""
    if values and not any(name in values for name in names_in(entry.condition)):
        return False
    changed = Scope(scope, "branch")
    changed.fuel = Fuel()  # The program is not to be refused for what only explains its mistake.
    changed.names.update({name: value for name, value in values.items() if name in scope.names})
    try:
        if entry.within is None and not rounding:
            return evaluate(entry.condition, changed) is True
        left, right = equality(entry, changed)
        if rounding:
            return abs(left - right) <= rounding
        assert entry.within is not None
        tolerance = evaluate(entry.within, changed)
        assert isinstance(tolerance, (int, float)), "the parser takes numbers alone"
        return abs(left - right) <= abs(right) * tolerance / 100
    except (Fault, UnknownValue, UndecidedSize):
        return False


def rounding_of(entry: syntax.ClaimEntry) -> float:
    """Half of the last digit of a figure such as `25.6M`, which must be rounded; else 0."""
    match entry.condition:
        case syntax.Comparison(syntax.Name(), (("==", syntax.Constant(_, span)),)):
            pass
        case _:
            return 0
    written = _FIGURE.fullmatch(span.text.replace("_", ""))
    if entry.within is not None or written is None or not (written[1] or written[2]):
        return 0
    unit = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}[written[2]]
    return float(0.5 * unit / 10 ** len(written[1] or ""))


_FIGURE = re.compile(r"\d+(?:\.(\d+))?([KMGT]?)")


def tolerance_for(left: float, right: float) -> str:
    """The per cent, of one digit, within which two numbers are equal."""
    share = 100 * abs(left - right) / abs(right)
    digits = -int(log10(share) // 1)
    return f"{ceil(share * 10**digits) / 10**digits:.{max(digits, 0)}f}"


def names_in(expression: object) -> list[str]:
    """The names that an expression uses, in order."""
    if isinstance(expression, syntax.Name):
        return [expression.name]
    if isinstance(expression, tuple) and not isinstance(expression, Span):
        return [name for part in expression for name in names_in(part)]
    return []


def is_number(value: object) -> bool:
    """Whether a compile-time value is a number and not a truth."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)
