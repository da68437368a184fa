"""The operators of expressions: arithmetic, comparison and equality of compile-time values."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

from netdsl.fuel import Fuel, OpenComparison
from netdsl.kinds import show_value
from netdsl.limits import LIMITS
from netdsl.scope import describe, fail
from netdsl.size_sets import Undecidable, decided, meeting
from netdsl.size_words import as_condition
from netdsl.sizes import Expression, Size, UndecidedSize, UnwieldySize
from netdsl.source import Span
from netdsl.tensor import Window


def unary(operator: str, value: object, span: Span) -> object:
    """`-value` and `+value` of numbers and sizes, `not value` of a condition."""
    if operator == "not":
        if isinstance(value, bool):
            return not value
    elif isinstance(value, (int, float, Expression)) and not isinstance(value, bool):
        return -value if operator == "-" else value
    fail("operand-type", f"`{operator}` has no meaning for {describe(value)}", span)


_ARITHMETIC: dict[str, Callable[..., object]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
    "//": lambda a, b: a // b,
    "%": lambda a, b: a % b,
    "**": lambda a, b: a**b,
}

_CLOSED = frozenset("+-*")
"""What two whole numbers always have a whole number for."""

_WHOLE = "sizes divide with `//`"


def calculate(operator: str, left: object, right: object, span: Span) -> object:
    """`left operator right` for numbers and sizes; lists join with `+` and repeat with `*`."""
    apply = _ARITHMETIC[operator]
    if type(left) is int and type(right) is int and operator in _CLOSED:
        return bounded(apply(left, right), span)
    if isinstance(left, Window) or isinstance(right, Window):
        return _window_arithmetic(operator, left, right, span)
    if isinstance(left, (list, tuple)):
        length = None
        if operator == "+" and isinstance(right, (list, tuple)) and type(left) is type(right):
            length = len(left) + len(right)
        elif operator == "*" and type(right) is int:
            length = len(left) * right
        if length is not None:
            if length > LIMITS.list_values:
                message = f"a list of {length:,} is over the limit of {LIMITS.list_values:,}"
                fail("list-too-long", message, span)
            return apply(left, right)
    numbers = all(
        isinstance(side, (int, float, Expression)) and not isinstance(side, bool)
        for side in (left, right)
    )
    symbolic = isinstance(left, Expression) or isinstance(right, Expression)
    inexact = isinstance(left, float) or isinstance(right, float)
    if not numbers or (symbolic and (inexact or operator == "/")):
        fail(
            "operand-type",
            f"`{operator}` has no meaning between {describe(left)} and {describe(right)}",
            span,
            help=_WHOLE if symbolic and operator == "/" else "",
        )
    if operator == "**" and (not isinstance(right, (int, float)) or abs(right) > 64):
        fail("number-too-large", f"the exponent {show_value(right)} is over the limit of 64", span)
    if operator == "**" and symbolic and (not isinstance(right, int) or right < 0):
        fail("operand-type", f"a size has no power {show_value(right)}", span)
    try:
        value = apply(left, right)
    except ZeroDivisionError:
        fail("division-by-zero", f"`{operator}` divides {show_value(left)} by zero", span)
    except OverflowError:
        fail("number-too-large", "the result is too large for a number", span)
    except UnwieldySize as unwieldy:
        fail("number-too-large", f"the result is too long to work with: {unwieldy}", span)
    if isinstance(value, complex):
        fail("operand-type", f"a negative number has no power {show_value(right)}", span)
    return bounded(value, span)


def bounded(value: object, span: Span) -> object:
    """The value; a Fault where a number passes the limit."""
    if isinstance(value, int) and abs(value) >= LIMITS.integer:
        power = math.floor(math.log10(abs(value)))
        fail("number-too-large", f"the result is beyond ±2^63: about 10^{power}", span)
    if isinstance(value, Expression) and any(abs(n) >= LIMITS.integer for _, n in value.terms):
        fail("number-too-large", "the result has a factor beyond ±2^63", span)
    return value


def _window_arithmetic(operator: str, left: object, right: object, span: Span) -> object:
    sides = [
        (side.height, side.width)
        if isinstance(side, Window)
        else (side, side)
        if isinstance(side, int) and not isinstance(side, bool)
        else None
        for side in (left, right)
    ]
    if sides[0] is None or sides[1] is None or operator in ("/", "**"):
        fail(
            "operand-type",
            f"`{operator}` has no meaning between {describe(left)} and {describe(right)}",
            span,
            help=_WHOLE if operator == "/" else "",
        )
    height, width = (
        calculate(operator, a, b, span) for a, b in zip(sides[0], sides[1], strict=True)
    )
    assert isinstance(height, int) and isinstance(width, int)
    return Window(height, width)


_ORDER: dict[str, Callable[..., bool]] = {
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}


def compare(operator: str, left: object, right: object, span: Span, fuel: Fuel) -> bool:
    """A comparison. Symbolic sizes are equal where their normal forms are, or for all sizes that
    the input allows; an order that depends on the size is an error."""
    if operator in ("==", "!="):
        return _equal(left, right, span, fuel) == (operator == "==")
    if operator in ("in", "not in"):
        if not isinstance(right, (list, tuple, range)):
            fail("operand-type", f"`in` looks into a list, not {describe(right)}", span)
        items: Iterable[object] = right
        if type(left) is int:  # Most numbers are told apart at once.
            items = [item for item in right if type(item) is not int or item == left]
        found = any(_equal(left, item, span, fuel) for item in items)
        return found == (operator == "in")
    if not _is_number(left) or not _is_number(right):
        fail(
            "operand-type",
            f"`{operator}` has no meaning between {describe(left)} and {describe(right)}",
            span,
        )
    try:
        return _ORDER[operator](left, right)
    except UndecidedSize:
        if isinstance(left, (int, Expression)) and isinstance(right, (int, Expression)):
            holds = decided(fuel.allowed, operator, left, right)
            if holds is not None:
                return holds
        fail(
            "condition-depends-on-size",
            f"whether {left} {operator} {right} depends on the input's size",
            span,
            help=_deciding(left, operator, right),
        )
    except UnwieldySize as unwieldy:
        fail("number-too-large", f"the sizes are too long to compare: {unwieldy}", span)


def _deciding(left: object, operator: str, right: object) -> str:
    """The `where` under which a comparison of sizes is always true, as a way out."""
    try:
        if isinstance(left, (int, Expression)) and isinstance(right, (int, Expression)):
            name, sizes = meeting(left, operator, right)
            condition = "" if name is None or sizes.is_empty else as_condition(sizes, name)
            if condition:
                return f"behind the input `where {condition}` makes it true"
    except Undecidable:
        pass
    return "a `where` behind the input may decide it; or compare channels instead"


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float, Expression)) and not isinstance(value, bool)


def _equal(left: object, right: object, span: Span, fuel: Fuel) -> bool:
    """Lists and tuples compare alike; a size is equal to sizes alone.

    Where sizes differ as formulas, but not for every input, that is noted in `fuel`.
    """
    open_pairs: list[tuple[Size, Size]] = []
    pending = [(left, right)]
    compared = 0
    while pending:
        a, b = pending.pop()
        compared += 1
        if compared > LIMITS.list_values:
            # Lists of lists of lists … may be longer than memory.
            fail("list-too-long", f"lists of over {LIMITS.list_values:,} values are compared", span)
        if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
            if isinstance(a, Window) != isinstance(b, Window) or len(a) != len(b):
                return False
            pending.extend(zip(a, b, strict=True))
        elif a != b:
            if not isinstance(a, (int, Expression)) or not isinstance(b, (int, Expression)):
                return False
            if isinstance(a - b, int):
                return False
            open_pairs.append((a, b))
    answers = [decided(fuel.allowed, "==", a, b) for a, b in open_pairs]
    if all(answers):
        return True
    if False not in answers:
        fuel.open_comparisons[OpenComparison(span, tuple(open_pairs))] = None
    return False
