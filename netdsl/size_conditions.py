"""Conditions of a program on its input's sizes, as the sets of sizes that meet them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import pairwise

from netdsl import syntax
from netdsl.arithmetic import compare
from netdsl.diagnostics import Fault
from netdsl.evaluate import evaluate, truth
from netdsl.fuel import Fuel
from netdsl.scope import Scope, UnknownValue
from netdsl.size_sets import EVERY, NONE, SizeSet, Together, Undecidable, meeting
from netdsl.sizes import Expression, Symbol, UndecidedSize
from netdsl.sizes import evaluate as value_at


def allowed_sizes(
    conditions: Iterable[tuple[syntax.Expression, Scope]],
    unknowns: Mapping[str, Symbol],
    *,
    on_sizes: bool = False,
) -> tuple[dict[str, SizeSet], list[tuple[syntax.Expression, Scope]]]:
    """For each unknown size the values that conditions allow, and the conditions that are about
    several sizes together or about more than sizes; these are left out with `on_sizes`."""
    conditions = list(conditions)
    others: list[tuple[syntax.Expression, Scope]] = []
    allowed: dict[str, SizeSet] = {}
    for unknown in unknowns.values():
        try:
            allowed[unknown.name] = EVERY.times(unknown.multiple)
        except Undecidable:  # So large a multiple that its condition is only tried on numbers.
            allowed[unknown.name] = EVERY
            others += [
                (single, scope)
                for condition, scope in conditions
                for single in conjuncts(condition)
            ]
    for condition, scope in conditions:
        for single in conjuncts(condition):
            try:
                name, held = set_meeting(single, scope)
                for each in unknowns if name is None else (name,):
                    allowed[each] &= held
            except Undecidable as why:
                if isinstance(why, Together) or not on_sizes:
                    others.append((single, scope))
    return allowed, others


def conjuncts(condition: syntax.Expression) -> list[syntax.Expression]:
    """The conditions that `and` or a chain of comparisons joins, in order."""
    found: list[syntax.Expression] = []
    pending = [condition]
    while pending:
        match pending.pop():
            case syntax.Binary("and", left, right, _):
                pending += (right, left)
            case syntax.Comparison(left, [_, _, *_] as rest, _):
                sides = [left, *(right for _, right in rest)]
                found += [
                    syntax.Comparison(before, ((word, after),), before.span.to(after.span))
                    for (before, after), (word, _) in zip(pairwise(sides), rest, strict=True)
                ]
            case single:
                found.append(single)
    return found


def in_a_row(condition: syntax.Expression) -> str:
    """The text of a condition, as it can stand between `and`s."""
    match condition:
        case syntax.Binary("or", first, _, span) | syntax.Conditional(_, first, _, span):
            # A span that begins before its first part begins with a parenthesis.
            return f"({span.text})" if span.start == first.span.start else span.text
    return condition.span.text


def set_meeting(condition: syntax.Expression, scope: Scope) -> tuple[str | None, SizeSet]:
    """The values of the one unknown for which a condition holds, with its name.

    Raises Undecidable where it is about several unknowns, or about more than sizes.
    """
    match condition:
        case syntax.Binary("and" | "or" as word, left, right, _):
            one, first = set_meeting(left, scope)
            other, second = set_meeting(right, scope)
            return _same(one, other), first & second if word == "and" else first | second
        case syntax.Conditional(deciding, then, otherwise, _):
            name, chosen = set_meeting(deciding, scope)
            one, first = set_meeting(then, scope)
            other, second = set_meeting(otherwise, scope)
            return _same(_same(name, one), other), (chosen & first) | (second - chosen)
        case syntax.Unary("not", operand, _):
            name, held = set_meeting(operand, scope)
            return name, EVERY - held
        case syntax.Comparison(left, rest, _):
            name, held = None, EVERY
            before = _value(left, scope)
            for relation, right in rest:
                following = _value(right, scope)
                unknown, numbers = _compared(before, relation, following)
                name, held = _same(name, unknown), held & numbers
                before = following
            return name, held
    try:
        return None, EVERY if truth(condition, scope) else NONE
    except (Fault, UnknownValue, UndecidedSize):
        raise Undecidable(f"`{condition.span.text}` is about more than sizes") from None


def _same(one: str | None, other: str | None) -> str | None:
    """The one size of two that may be none; raises Together."""
    if one is not None and other is not None and one != other:
        raise Together(f"it depends on {one} and {other} together")
    return one or other


def _compared(left: object, relation: str, right: object) -> tuple[str | None, SizeSet]:
    if relation in ("in", "not in") and isinstance(right, (list, tuple, range)):
        name, held = None, NONE
        for each in right:
            unknown, numbers = _compared(left, "==", each)
            name, held = name or unknown, held | numbers
        return name, held if relation == "in" else EVERY - held
    if not _is_size(left) or not _is_size(right):
        raise Undecidable("it compares more than whole numbers")
    assert isinstance(left, (int, Expression)) and isinstance(right, (int, Expression))
    return meeting(left, relation, right)


def _is_size(value: object) -> bool:
    return isinstance(value, (int, Expression)) and not isinstance(value, bool)


def _value(expression: syntax.Expression, scope: Scope) -> object:
    try:
        return evaluate(expression, scope)
    except (Fault, UnknownValue):
        raise Undecidable(f"`{expression.span.text}` is about more than sizes") from None


def refuse_other_values(condition: syntax.Expression, scope: Scope) -> None:
    """Raise Fault where a condition on open sizes is none, or has a mistake of its own.

    That its truth depends on the sizes is what it is for.
    """
    apart = Scope(scope)
    apart.fuel = Fuel()  # Which notes comparisons that are open; those of a condition may be.
    for single in conjuncts(condition):
        try:
            truth(single, apart)
        except Fault as fault:
            if fault.diagnostic.code != "condition-depends-on-size":
                raise
        except (UnknownValue, UndecidedSize):
            continue


def holds(condition: syntax.Expression, scope: Scope, values: Mapping[str, int]) -> bool:
    """Whether a condition holds where sizes have values; where that can't be told, it does."""
    apart = Scope(scope)
    apart.fuel = Fuel()  # It is asked for thousands of values.
    try:
        return _holds(condition, apart, values)
    except (Fault, UnknownValue, UndecidedSize, Undecidable):
        return True


def _at(value: object, sizes: Mapping[str, int]) -> object:
    """A value where sizes have theirs."""
    if isinstance(value, (list, tuple)):
        return [_at(each, sizes) for each in value]
    return value_at(value, sizes) if isinstance(value, Expression) else value


def _holds(condition: syntax.Expression, scope: Scope, values: Mapping[str, int]) -> bool:
    match condition:
        case syntax.Binary("and", left, right, _):
            return _holds(left, scope, values) and _holds(right, scope, values)
        case syntax.Binary("or", left, right, _):
            return _holds(left, scope, values) or _holds(right, scope, values)
        case syntax.Unary("not", operand, _):
            return not _holds(operand, scope, values)
        case syntax.Conditional(deciding, then, otherwise, _):
            return _holds(then if _holds(deciding, scope, values) else otherwise, scope, values)
        case syntax.Comparison(left, rest, _):
            before = _at(_value(left, scope), values)
            for relation, right in rest:
                following = _at(_value(right, scope), values)
                if not compare(relation, before, following, condition.span, scope.fuel):
                    return False
                before = following
            return True
    return truth(condition, scope)
