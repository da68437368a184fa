"""Evaluate compile-time expressions: Python's rules over numbers, sizes, lists and shapes.

Raises `Fault` with a diagnostic at the place of the mistake, and `UnknownValue`, silently, where
a value is missing because of a mistake that was reported already.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import NamedTuple, NoReturn

from netdsl import syntax
from netdsl.diagnostics import Diagnostic, Fault, Label, did_you_mean
from netdsl.fuel import Fuel
from netdsl.kinds import show_value
from netdsl.limits import LIMITS
from netdsl.ops import OPERATORS, WORDS
from netdsl.ops.base import Op
from netdsl.sizes import Expression, UndecidedSize, UnwieldySize
from netdsl.source import Span
from netdsl.tensor import TensorType, Window


class Tensor(NamedTuple):
    """A value of the network: the output of node `node`. `type` is None after a mistake."""

    node: int
    type: TensorType | None
    span: Span


class Unknown(NamedTuple):
    """Stands for a value whose expression had a mistake."""


UNKNOWN = Unknown()


class UnknownValue(Exception):
    """What was asked for depends on a mistake that has its diagnostic."""


class Scope:
    """The names visible at a place, innermost first; a name is bound once in each scope.

    A `body` scope belongs to a block or network. In it, each pass of a loop has a `pass` scope, and
    each branch a `branch` scope with its own `in`, `out` and `let`s. A plain label is put in the
    innermost pass or body; a template label, which names one thing for good, in the body.
    `defaults` are the argument defaults set by `default`, by operator. `fuel` is the parent's.
    """

    def __init__(
        self, parent: Scope | None = None, kind: str = "body", fuel: Fuel | None = None
    ) -> None:
        self.parent = parent
        self.fuel: Fuel = parent.fuel if parent is not None else fuel or Fuel()
        self.names: dict[str, object] = {}
        self.spans: dict[str, Span] = {}
        self.body: Scope = self if kind == "body" or parent is None else parent.body
        self.labels: Scope = parent.labels if kind == "branch" and parent is not None else self
        self.defaults: dict[str, tuple[syntax.Argument, ...]] = {}

    def find(self, name: str) -> object | None:
        scope: Scope | None = self
        while scope is not None:
            if name in scope.names:
                return scope.names[name]
            scope = scope.parent
        return None

    def default_arguments(self, name: str) -> Iterable[syntax.Argument]:
        """The defaults in force for an operator or block, the innermost first."""
        scope: Scope | None = self
        while scope is not None:
            yield from scope.defaults.get(name, ())
            scope = scope.parent

    def visible(self) -> list[str]:
        names: list[str] = []
        scope: Scope | None = self
        while scope is not None:
            names.extend(scope.names)
            scope = scope.parent
        return names

    def bind(self, name: str, value: object, span: Span) -> None:
        """Bind a name; a Fault where this very scope has it already."""
        if name in self.names:
            first = self.spans.get(name)
            before = () if first is None else (Label(first, f"`{name}` is first given here"),)
            raise Fault(
                Diagnostic(
                    "name-taken",
                    f"`{name}` has a meaning here already",
                    span,
                    labels=before,
                    help="use another name; a name keeps its value to the end of its body",
                )
            )
        self.names[name] = value
        self.spans[name] = span


def evaluate(expression: syntax.Expression, scope: Scope) -> object:
    """The value of an expression: int, float, bool, str, Window, list, tuple, a symbolic size,
    a Tensor, or a block."""
    scope.fuel.spend(1, expression.span)
    match expression:
        case syntax.Constant(value):
            return value
        case syntax.Name(name, span):
            return _name(name, span, scope)
        case syntax.Path():
            return _template(expression, scope)
        case syntax.Sequence(items, is_tuple, span):
            if len(items) > LIMITS.list_values:
                message = f"a list of {len(items):,} is over the limit of {LIMITS.list_values:,}"
                fail("list-too-long", message, span)
            values = [evaluate(item, scope) for item in items]
            return tuple(values) if is_tuple else values
        case syntax.Unary(operator, operand, span):
            return _unary(operator, evaluate(operand, scope), span)
        case syntax.Binary():
            return _binary(expression, scope)
        case syntax.Comparison(left, rest, span):
            before = evaluate(left, scope)
            for operator, right in rest:
                following = evaluate(right, scope)
                scope.fuel.spend(2 * (_length(before) + _length(following)), span)
                if not compare(operator, before, following, span):
                    return False
                before = following
            return True
        case syntax.Conditional(condition, then, otherwise, _):
            return evaluate(then if truth(condition, scope) else otherwise, scope)
        case syntax.Apply(function, function_span, arguments, span):
            result = _apply(function, function_span, arguments, span, scope)
            scope.fuel.spend(_length(result), span)
            return result
        case syntax.Attribute(value, name, span):
            label = scope.find(_dotted(expression))
            if isinstance(label, Tensor):
                return label
            return _attribute(evaluate(value, scope), name, span)
        case syntax.Index(value, index, span):
            return _index(evaluate(value, scope), evaluate(index, scope), span)
        case syntax.Quantity(_, unit, span):
            fail("unit-not-allowed", f"`{unit}` is a unit for recipes, not for a network", span)


def truth(expression: syntax.Expression, scope: Scope) -> bool:
    """The value of a condition, which must be true or false."""
    value = evaluate(expression, scope)
    if not isinstance(value, bool):
        fail(
            "condition-not-boolean",
            f"a condition must be true or false, not {describe(value)}",
            expression.span,
            help="compare it, for instance with `!= 0`",
        )
    return value


def path_parts(path: syntax.Path, scope: Scope) -> tuple[str, ...]:
    """A label as text, its templates filled in: `layer{i + 1}` is `layer2` where i is 1."""
    parts = []
    for pieces in path.parts:
        text = ""
        for piece in pieces:
            if isinstance(piece, str):
                text += piece
                continue
            value = evaluate(piece, scope)
            is_part = isinstance(value, (int, str)) and not isinstance(value, bool)
            if not is_part or str(value).startswith("-"):
                fail(
                    "label-not-a-name",
                    f"a label is made of names and whole numbers from 0, not {describe(value)}",
                    piece.span,
                )
            text += str(value)
        parts.append(text)
    return tuple(parts)


def is_template(path: syntax.Path) -> bool:
    return any(not isinstance(piece, str) for pieces in path.parts for piece in pieces)


def match_pattern(pattern: syntax.Pattern, value: object, span: Span) -> dict[str, object]:
    """The names that a pattern binds; `span` is what the value was taken from."""
    if pattern.nested is None:
        return {pattern.name: value}
    if not isinstance(value, (list, tuple)) or isinstance(value, Window):
        fail("pattern-mismatch", f"{describe(value)} can't be taken apart", pattern.span)
    if len(value) != len(pattern.nested):
        fail(
            "pattern-mismatch",
            f"{len(pattern.nested)} names for {len(value)} values: {show_value(value)}",
            pattern.span,
            labels=(Label(span, "the values come from here"),),
        )
    bound: dict[str, object] = {}
    for each, item in zip(pattern.nested, value, strict=True):
        bound.update(match_pattern(each, item, span))
    return bound


def fail(
    code: str, message: str, span: Span, *, help: str = "", labels: tuple[Label, ...] = ()
) -> NoReturn:
    raise Fault(Diagnostic(code, message, span, help=help, labels=labels))


def describe(value: object) -> str:
    """What kind of thing a value is, with its value, for a message."""
    match value:
        case bool():
            return f"`{show_value(value)}`"
        case int():
            return f"the whole number {value}"
        case float():
            # 224.0 is shown as such, for where a whole number was wanted.
            return f"the number {value if value.is_integer() else show_value(value)}"
        case str():
            return f'the text "{value}"'
        case Window():
            return f"the size {value}"
        case Expression():
            return f"the size {value}"
        case Tensor():
            return f"a value of the network ({value.type})"
        case list() | tuple() | range():
            return f"the list {show_value(list(value))}"
        case type():
            return f"the operator `{value.name}`" if issubclass(value, Op) else "a block"
        case _:
            return f"the block `{getattr(value, 'name', value)}`"


def _name(name: str, span: Span, scope: Scope) -> object:
    value = scope.find(name)
    if value is UNKNOWN:
        raise UnknownValue
    if value is not None:
        return value
    if name in WORDS:
        return name
    if name in OPERATORS:
        return OPERATORS[name]
    if name in ("in", "out"):
        what = "enters these braces" if name == "in" else "leaves the body"
        fail("no-value", f"nothing {what} here, so `{name}` has no meaning", span)
    help = did_you_mean(name, tuple(dict.fromkeys([*scope.visible(), *WORDS, *OPERATORS])))
    fail("unknown-name", f"there is no `{name}` here", span, help=help)


def _template(path: syntax.Path, scope: Scope) -> object:
    parts = path_parts(path, scope)
    return _name(".".join(parts), path.span, scope)


def _length(value: object) -> int:
    return len(value) if isinstance(value, (list, tuple)) else 0


def _unary(operator: str, value: object, span: Span) -> object:
    if operator == "not":
        if isinstance(value, bool):
            return not value
    elif isinstance(value, (int, float, Expression)) and not isinstance(value, bool):
        return -value if operator == "-" else value
    fail("operand-type", f"`{operator}` has no meaning for {describe(value)}", span)


def _binary(expression: syntax.Binary, scope: Scope) -> object:
    # A long sum leans to the left: walk down that side without recursion.
    pending: list[syntax.Binary] = []
    left: syntax.Expression = expression
    while isinstance(left, syntax.Binary):
        pending.append(left)
        left = left.left
    value = evaluate(left, scope)
    while pending:
        operation = pending.pop()
        if operation.operator in ("and", "or"):
            if not isinstance(value, bool):
                fail(
                    "condition-not-boolean",
                    f"`{operation.operator}` joins conditions, not {describe(value)}",
                    operation.left.span,
                )
            if value == (operation.operator == "and"):
                value = truth(operation.right, scope)
            continue
        right = evaluate(operation.right, scope)
        value = calculate(operation.operator, value, right, operation.span)
        scope.fuel.spend(_length(value), operation.span)
    return value


_ARITHMETIC: dict[str, Callable[..., object]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
    "//": lambda a, b: a // b,
    "%": lambda a, b: a % b,
    "**": lambda a, b: a**b,
}


_WHOLE = "sizes divide with `//`"


def calculate(operator: str, left: object, right: object, span: Span) -> object:
    """`left operator right` for numbers and sizes; lists join with `+` and repeat with `*`."""
    apply = _ARITHMETIC[operator]
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
    return _bounded(value, span)


def _bounded(value: object, span: Span) -> object:
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


def compare(operator: str, left: object, right: object, span: Span) -> bool:
    """A comparison. Symbolic sizes are equal where their normal forms are; an order that depends
    on the size is an error."""
    if operator in ("==", "!="):
        return _equal(left, right, span) == (operator == "==")
    if operator in ("in", "not in"):
        if not isinstance(right, (list, tuple, range)):
            fail("operand-type", f"`in` looks into a list, not {describe(right)}", span)
        found = any(_equal(left, item, span) for item in right)
        return found == (operator == "in")
    numbers = all(
        isinstance(side, (int, float, Expression)) and not isinstance(side, bool)
        for side in (left, right)
    )
    if not numbers:
        fail(
            "operand-type",
            f"`{operator}` has no meaning between {describe(left)} and {describe(right)}",
            span,
        )
    try:
        return _ORDER[operator](left, right)
    except UndecidedSize as undecided:
        fail(
            "condition-depends-on-size",
            f"{undecided}",
            span,
            help="give the input's size a `default` or a `where`, or compare channels instead",
        )
    except UnwieldySize as unwieldy:
        fail("number-too-large", f"the sizes are too long to compare: {unwieldy}", span)


def _equal(left: object, right: object, span: Span) -> bool:
    """Lists and tuples compare alike; a size is equal to sizes alone."""
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
            return False
    return True


def _dotted(expression: syntax.Expression) -> str:
    """`a.b.c` as the text of a label; what is no such chain of names gives no label's text."""
    match expression:
        case syntax.Attribute(value, name):
            return f"{_dotted(value)}.{name}"
        case syntax.Name(name):
            return name
    return ""


def _attribute(value: object, name: str, span: Span) -> object:
    if isinstance(value, Tensor):
        if value.type is None:
            raise UnknownValue
        shape = value.type.shape
        attributes: dict[str, object] = {"shape": list(shape), "channels": shape[-1]}
        if value.type.is_image:
            attributes |= {"height": shape[0], "width": shape[1]}
        elif name in ("height", "width"):
            what = "a flat vector" if len(shape) == 1 else "a sequence"
            fail("unknown-attribute", f"{what} ({value.type}) has no {name}", span)
    elif isinstance(value, Window):
        attributes = {"height": value.height, "width": value.width}
    else:
        fail("unknown-attribute", f"{describe(value)} has no `.{name}`", span)
    if name not in attributes:
        help = did_you_mean(name, tuple(attributes))
        fail("unknown-attribute", f"{describe(value)} has no `.{name}`", span, help=help)
    return attributes[name]


def _index(value: object, index: object, span: Span) -> object:
    if not isinstance(value, (list, tuple, range)):
        fail("operand-type", f"{describe(value)} has no elements", span)
    if isinstance(index, bool) or not isinstance(index, int):
        fail("operand-type", f"an index is a whole number, not {describe(index)}", span)
    if not -len(value) <= index < len(value):
        message = f"there is no element {index} in a list of {len(value)}"
        help = f"they count from 0, so the last is {len(value) - 1}" if value else ""
        fail("index-out-of-range", message, span, help=help)
    return value[index]


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


def _apply(
    function: str,
    function_span: Span,
    arguments: tuple[syntax.Argument, ...],
    span: Span,
    scope: Scope,
) -> object:
    if function not in FUNCTIONS:
        if function in OPERATORS or scope.find(function) is not None:
            fail(
                "unknown-function",
                f"`{function}` is a layer, not a compile-time function",
                function_span,
                help=f"write it as a step of its own: `-> {function}(…)`",
            )
        help = did_you_mean(function, tuple(FUNCTIONS))
        fail("unknown-function", f"there is no function `{function}`", function_span, help=help)
    for argument in arguments:
        if argument.name is not None:
            fail("unknown-argument", f"`{function}` takes no named arguments", argument.span)
    values = [evaluate(argument.value, scope) for argument in arguments]
    scope.fuel.spend(sum(map(_length, values)), span)
    try:
        value = FUNCTIONS[function](*values)
    except UndecidedSize as undecided:
        fail("condition-depends-on-size", f"{undecided}", span)
    except UnwieldySize as unwieldy:
        fail("number-too-large", f"the result is too long to work with: {unwieldy}", span)
    except (TypeError, ValueError, ZeroDivisionError, OverflowError) as error:
        shown = ", ".join(show_value(value) for value in values)
        reason = _reason(function, values, error)
        fail("function-arguments", f"{function}({shown}) has no value: {reason}", span)
    return _bounded(value, span)


def _reason(function: str, values: list[object], error: Exception) -> str:
    if str(error).startswith(("takes", "would")):
        return str(error)
    if function == "zip":
        lengths = [len(each) for each in values if isinstance(each, (list, tuple))]
        return f"its lists have {' and '.join(map(str, lengths))} elements"
    if not values:
        return "it has no arguments"
    return "the arguments don't fit it"
