"""Conditions of a program on its input's sizes, as the sets of sizes that meet them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import pairwise

from netdsl import syntax
from netdsl.diagnostics import Fault
from netdsl.evaluate import evaluate, truth
from netdsl.fuel import Fuel
from netdsl.scope import Scope, UnknownValue
from netdsl.size_sets import EVERY, NONE, SizeSet, Undecidable, meeting
from netdsl.sizes import Expression, Symbol, UndecidedSize


def allowed_sizes(
    conditions: Iterable[tuple[syntax.Expression, Scope]], unknowns: Mapping[str, Symbol]
) -> tuple[dict[str, SizeSet], list[syntax.Expression]]:
    """For each unknown size the values that conditions allow, and the conditions that are about
    several sizes together or about more than sizes."""
    conditions = list(conditions)
    others: list[syntax.Expression] = []
    allowed: dict[str, SizeSet] = {}
    for unknown in unknowns.values():
        try:
            allowed[unknown.name] = EVERY.times(unknown.multiple)
        except Undecidable:  # So large a multiple that its condition is only tried on numbers.
            allowed[unknown.name] = EVERY
            others += [single for condition, _ in conditions for single in conjuncts(condition)]
    for condition, scope in conditions:
        for single in conjuncts(condition):
            try:
                name, held = set_meeting(single, scope)
                for each in unknowns if name is None else (name,):
                    allowed[each] &= held
            except Undecidable:
                others.append(single)
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
            if one is not None and other is not None and one != other:
                raise Undecidable(f"it depends on {one} and {other} together")
            return one or other, first & second if word == "and" else first | second
        case syntax.Unary("not", operand, _):
            name, held = set_meeting(operand, scope)
            return name, EVERY - held
        case syntax.Comparison(left, rest, _):
            name, held = None, EVERY
            before = _value(left, scope)
            for relation, right in rest:
                following = _value(right, scope)
                unknown, numbers = _compared(before, relation, following)
                if unknown is not None and name is not None and unknown != name:
                    raise Undecidable(f"it depends on {name} and {unknown} together")
                name, held = name or unknown, held & numbers
                before = following
            return name, held
    try:
        return None, EVERY if truth(condition, scope) else NONE
    except (Fault, UnknownValue, UndecidedSize):
        raise Undecidable(f"`{condition.span.text}` is about more than sizes") from None


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
    """Whether a condition holds with numbers for some names; where that can't be told, it does."""
    numbers = Scope(scope)
    numbers.names.update(values)
    try:
        return truth(condition, numbers)
    except (Fault, UnknownValue):
        return True
