"""Conditions of a program on its input's sizes, as the sets of sizes that meet them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from netdsl import syntax
from netdsl.diagnostics import Fault
from netdsl.evaluate import evaluate, truth
from netdsl.fuel import Fuel
from netdsl.scope import Scope, UnknownValue
from netdsl.size_sets import EVERY, NONE, SizeSet, Together, Undecidable, meeting
from netdsl.sizes import Expression, Size, Symbol, UndecidedSize

Conditions = Iterable[tuple[syntax.Expression, Scope]]
"""Conditions with the names that they may use."""


def allowed_sizes(
    conditions: Conditions, unknowns: Mapping[str, Symbol]
) -> tuple[dict[str, SizeSet], list[tuple[syntax.Expression, Scope]]]:
    """For each unknown size the values that conditions allow, and the conditions that are about
    several sizes together or about more than sizes."""
    conditions = list(conditions)
    others: list[tuple[syntax.Expression, Scope]] = []
    allowed: dict[str, SizeSet] = {}
    for unknown in unknowns.values():
        try:
            allowed[unknown.name] = EVERY.times(unknown.multiple)
        except Undecidable:  # So large a multiple that its condition is only tried on numbers.
            allowed[unknown.name] = EVERY
            others += _singles(conditions)
    for single, scope in _singles(conditions):
        try:
            name, held = set_meeting(single, scope)
            for each in unknowns if name is None else (name,):
                allowed[each] &= held
        except Undecidable:
            others.append((single, scope))
    return allowed, others


def _singles(conditions: Conditions) -> Iterator[tuple[syntax.Expression, Scope]]:
    for condition, scope in conditions:
        for single in conjuncts(condition):
            yield single, scope


def are_together(condition: syntax.Expression, scope: Scope) -> bool:
    """Whether a condition is about several sizes at once."""
    try:
        set_meeting(condition, scope)
    except Together:
        return True
    except Undecidable:
        pass
    return False


def tied_sizes(
    conditions: Conditions, unknowns: Mapping[str, Symbol]
) -> tuple[dict[str, Expression], tuple[str, ...]]:
    """The sizes that `W == 2 * H` gives in terms of the unknowns, and the conditions as text."""
    tied: dict[str, Expression] = {}
    texts: list[str] = []
    for single, scope in _singles(conditions):
        match single:
            case syntax.Comparison(left, (("==", right),), span):
                names = [each.name for each in (left, right) if isinstance(each, syntax.Name)]
                values = {name: scope.find(name) for name in names if name not in unknowns}
                found = {key: each for key, each in values.items() if isinstance(each, Expression)}
                tied |= found
                texts += [span.text] if found else []
    return tied, tuple(texts)


def as_written(conditions: Conditions) -> Iterator[str]:
    """The texts of conditions that are no set of one size, such as `H == W`, for `and` to join."""
    singles = list(_singles(conditions))
    for single, scope in singles:
        try:
            name, _ = set_meeting(single, scope)
        except Undecidable:
            name = None
        if name is None:
            loose = len(singles) == 1 and isinstance(single, (syntax.Binary, syntax.Conditional))
            yield f"({single.span.text})" if loose else single.span.text


def equal_region(
    pairs: Iterable[tuple[Size, Size]], allowed: Mapping[str, SizeSet]
) -> dict[str, SizeSet] | None:
    """Where all pairs of sizes are equal, None where they never are; raises Undecidable."""
    region: dict[str, SizeSet] = {}
    for one, other in pairs:
        name, held = meeting(one, "==", other)
        if name is not None:
            region[name] = region.get(name, allowed[name]) & held
    if any(each.is_empty for each in region.values()):
        return None
    return {name: region[name] for name in allowed if name in region}


def conjuncts(condition: syntax.Expression) -> list[syntax.Expression]:
    """The conditions that `and` joins, in order; `a < b < c` is two of them."""
    found: list[syntax.Expression] = []
    pending = [condition]
    while pending:
        match pending.pop():
            case syntax.Binary("and", left, right, _):
                pending += (right, left)
            case syntax.Comparison(left, rest, _):
                for relation, right in rest:
                    span = left.span.to(right.span)
                    found.append(syntax.Comparison(left, ((relation, right),), span))
                    left = right
            case single:
                found.append(single)
    return found


def set_meeting(condition: syntax.Expression, scope: Scope) -> tuple[str | None, SizeSet]:
    """The values of the one unknown for which a condition holds, with its name.

    Raises Undecidable where it is about several unknowns, or about more than sizes.
    """
    match condition:
        case syntax.Binary("and" | "or" as word, left, right, _):
            one, first = set_meeting(left, scope)
            other, second = set_meeting(right, scope)
            if one is not None and other is not None and one != other:
                raise Together((one, other))
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
                    raise Together((name, unknown))
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
