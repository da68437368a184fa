"""Evaluate compile-time expressions: Python's rules over numbers, sizes, lists and shapes.

Raises `Fault` with a diagnostic at the place of the mistake, and `UnknownValue`, silently, where
a value is missing because of a mistake that was reported already.
"""

from __future__ import annotations

from netdsl import syntax
from netdsl.arithmetic import bounded, calculate, compare, unary
from netdsl.diagnostics import Label, NearNames, did_you_mean
from netdsl.functions import FUNCTIONS, reason_of
from netdsl.kinds import show_value
from netdsl.limits import LIMITS
from netdsl.ops import OPERATORS, WORDS
from netdsl.scope import UNKNOWN, Scope, Tensor, UnknownValue, describe, fail
from netdsl.sizes import UndecidedSize, UnwieldySize
from netdsl.source import Span
from netdsl.tensor import Window


def evaluate(expression: syntax.Expression, scope: Scope) -> object:
    """The value of an expression: int, float, bool, str, Window, list, tuple, a symbolic size,
    a Tensor, or a block."""
    scope.fuel.spend(1, expression.span)
    # Most are one of these two, which a class pattern would take longer to tell.
    if isinstance(expression, syntax.Name):
        return value_named(expression.name, expression.span, scope)
    if isinstance(expression, syntax.Constant):
        return expression.value
    match expression:
        case syntax.Binary():
            return _binary(expression, scope)
        case syntax.Attribute(value, name, span):
            label = scope.find(_dotted(expression))
            if isinstance(label, Tensor):
                return label
            return _attribute(evaluate(value, scope), name, span)
        case syntax.Path():
            return _template(expression, scope)
        case syntax.Sequence(items, is_tuple, span):
            if len(items) > LIMITS.list_values:
                message = f"a list of {len(items):,} is over the limit of {LIMITS.list_values:,}"
                fail("list-too-long", message, span)
            values = [evaluate(item, scope) for item in items]
            return tuple(values) if is_tuple else values
        case syntax.Unary(operator, operand, span):
            return unary(operator, evaluate(operand, scope), span)
        case syntax.Comparison(left, rest, span):
            before = evaluate(left, scope)
            for operator, right in rest:
                following = evaluate(right, scope)
                scope.fuel.spend(2 * (_length(before) + _length(following)), span)
                if not compare(operator, before, following, span, scope.fuel):
                    return False
                before = following
            return True
        case syntax.Conditional(condition, then, otherwise, _):
            return evaluate(then if truth(condition, scope) else otherwise, scope)
        case syntax.Apply(function, function_span, arguments, span):
            result = _apply(function, function_span, arguments, span, scope)
            scope.fuel.spend(_length(result), span)
            return result
        case syntax.Index(value, index, span):
            return _index(evaluate(value, scope), evaluate(index, scope), span)
        case syntax.Quantity(_, unit, span):
            fail("unit-not-allowed", f"`{unit}` is a unit for recipes, not for a network", span)


def truth(expression: syntax.Expression, scope: Scope) -> bool:
    """The value of a condition, which must be true or false."""
    value = evaluate(expression, scope)
    if not isinstance(value, bool):
        remainder = isinstance(expression, syntax.Binary) and expression.operator == "%"
        fail(
            "condition-not-boolean",
            f"a condition must be true or false, not {describe(value)}",
            expression.span,
            help="compare it: `== 0` where nothing is left, `!= 0` where something is"
            if remainder
            else "compare it, for instance with `!= 0`",
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
    for pieces in path.parts:
        for piece in pieces:
            if not isinstance(piece, str):
                return True
    return False


def match_pattern(pattern: syntax.Pattern, value: object, span: Span) -> dict[str, object]:
    """The names that a pattern binds; `span` is what the value was taken from."""
    if pattern.nested is None:
        return {pattern.name: value}
    if not isinstance(value, (list, tuple)) or isinstance(value, Window):
        one = pattern.nested[0].name if len(pattern.nested) == 1 else ""
        fail(
            "pattern-mismatch",
            f"{describe(value)} can't be taken apart",
            pattern.span,
            labels=(Label(span, "the values come from here"),),
            help=f"without parentheses `{one}` is each value itself"
            if one
            else f"each value has to be a list of {len(pattern.nested)}, such as `(…, …)`",
        )
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


def value_named(name: str, span: Span, scope: Scope) -> object:
    """What a name stands for. Raises Fault, and UnknownValue as `evaluate` does."""
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
    if scope.is_lost(name):
        raise UnknownValue
    visible = tuple(dict.fromkeys(scope.visible()))
    help = did_you_mean(name, visible)
    if not isinstance(help, NearNames):
        help = did_you_mean(name, (*visible, *WORDS, *OPERATORS, "true", "false"))
    fail("unknown-name", f"there is no `{name}` here", span, help=help)


def _template(path: syntax.Path, scope: Scope) -> object:
    parts = path_parts(path, scope)
    return value_named(".".join(parts), path.span, scope)


def _length(value: object) -> int:
    return len(value) if isinstance(value, (list, tuple)) else 0


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
        if isinstance(value, (list, tuple)):
            scope.fuel.spend(len(value), operation.span)
    return value


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


def require_function(function: str, span: Span, scope: Scope) -> None:
    """Raise Fault where no compile-time function has a name."""
    if function in FUNCTIONS:
        return
    if function in OPERATORS or scope.find(function) is not None:
        fail(
            "unknown-function",
            f"`{function}` is a layer, not a compile-time function",
            span,
            help=f"write it as a step of its own: `-> {function}(…)`",
        )
    help = did_you_mean(function, tuple(FUNCTIONS))
    fail("unknown-function", f"there is no function `{function}`", span, help=help)


def _apply(
    function: str,
    function_span: Span,
    arguments: tuple[syntax.Argument, ...],
    span: Span,
    scope: Scope,
) -> object:
    require_function(function, function_span, scope)
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
        reason = reason_of(function, values, error)
        fail("function-arguments", f"{function}({shown}) has no value: {reason}", span)
    return bounded(value, span)
