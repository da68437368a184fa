"""The sizes of a network's input: given, defaulted, or left as symbols."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import lcm

from netdsl import syntax
from netdsl.bind import Given
from netdsl.diagnostics import Fault, Label
from netdsl.evaluate import evaluate, truth
from netdsl.fuel import Fuel
from netdsl.scope import Scope, UnknownValue, describe, fail
from netdsl.size_conditions import conjuncts
from netdsl.sizes import Expression, Size, symbol
from netdsl.source import Span


def input_shape(
    statement: syntax.Input, scope: Scope, settings: dict[str, Given], *, symbolic: bool
) -> tuple[Size, ...]:
    """The input's shape; each new name in it is bound in `scope`.

    A named size is what `settings` give, else its default, else a symbol; with `symbolic`, always
    a symbol unless it is set. `where` is checked as far as the sizes are known. Raises Fault.
    """
    defaults = statement.default
    if defaults is not None and len(defaults) != len(statement.sizes):
        fail(
            "input-default",
            f"{len(defaults)} default sizes for an input of {len(statement.sizes)}",
            defaults[0].span.to(defaults[-1].span),
        )
    named = _named_sizes(statement, scope, settings, symbolic=symbolic)
    shape: list[Size] = []
    for position, size in enumerate(statement.sizes):
        default = None if defaults is None else defaults[position]
        if isinstance(size, syntax.Name) and scope.find(size.name) is None:
            scope.bind(size.name, named[size.name], size.span)
        value = evaluate(size, scope)
        shape.append(value if isinstance(value, Expression) else _whole(value, size.span))
        fixed = not isinstance(size, syntax.Name)
        if default is not None and fixed and (other := evaluate(default, scope)) != value:
            message = f"the default is {describe(other)}, but the size itself {describe(value)}"
            fail("input-default", message, default.span)
    where = statement.where
    known = not any(isinstance(each, Expression) for each in shape)
    if where is not None and known and not truth(where, scope):
        sizes = "×".join(str(each) for each in shape)
        fail(
            "input-condition",
            f"an input of {sizes} does not meet the condition `{where.span.text}`",
            where.span,
            labels=()
            if defaults is None or settings
            else (Label(defaults[0].span.to(defaults[-1].span), "the default"),),
        )
    return tuple(shape)


def _named_sizes(
    statement: syntax.Input, scope: Scope, settings: dict[str, Given], *, symbolic: bool
) -> dict[str, Size]:
    """What each new name among an input's sizes stands for."""
    defaults = statement.default or (None,) * len(statement.sizes)
    pending = {
        size.name: default
        for size, default in reversed([*zip(statement.sizes, defaults, strict=True)])
        if isinstance(size, syntax.Name) and scope.find(size.name) is None
    }
    multiples = known_multiples(statement.where, scope)
    equals = _definitions(statement.where)
    apart = Scope(scope)
    apart.fuel = Fuel()  # Which notes comparisons of open sizes; those of a condition don't count.
    found: dict[str, Size] = {}
    while pending:
        # One that others define comes after them: `where W == 2 * H` leaves one unknown.
        known = {name: _defined(equals.get(name, ()), apart) for name in reversed(pending)}
        free = (name for name in known if name not in equals or known[name] is not None)
        name = next(free, next(iter(known)))
        default = pending.pop(name)
        if name in settings:
            given = settings[name]
            value: Size = _whole(given.value, given.span)
        elif default is not None and not symbolic:
            value = _whole(evaluate(default, scope), default.span)
        else:
            defined = known[name]
            value = symbol(name, multiples.get(name, 1)) if defined is None else defined
        apart.names[name] = found[name] = value
    return found


def _defined(expressions: Iterable[syntax.Expression], scope: Scope) -> Expression | None:
    """What one of some expressions says of open sizes whose names are known by now."""
    for each in expressions:
        try:
            value = evaluate(each, scope)
        except (Fault, UnknownValue):
            continue
        if isinstance(value, Expression):
            return value
    return None


def _whole(value: object, span: Span) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value < 1 << 31:
        fail(
            "input-size",
            f"a size is a whole number from 1 to 2^31 - 1, not {describe(value)}",
            span,
            help="`round(…)` makes it whole" if isinstance(value, float) else "",
        )
    return value


def _definitions(where: syntax.Expression | None) -> dict[str, list[syntax.Expression]]:
    """What `H == W and W == 2 * D` promises names to be equal to, by either side."""
    equal: dict[str, list[syntax.Expression]] = {}
    for left, right in _equations(where):
        for one, other in ((left, right), (right, left)):
            if isinstance(one, syntax.Name):
                equal.setdefault(one.name, []).append(other)
    return equal


def _equations(
    where: syntax.Expression | None,
) -> Iterator[tuple[syntax.Expression, syntax.Expression]]:
    for each in conjuncts(where) if where is not None else ():
        match each:
            case syntax.Comparison(left, (("==", right),), _):
                yield left, right


def known_multiples(where: syntax.Expression | None, scope: Scope) -> dict[str, int]:
    """The divisors that `H % 16 == 0 and …` promises, by name."""
    multiples: dict[str, int] = {}
    for left, right in _equations(where):
        match (left, right):
            case (syntax.Binary("%", syntax.Name(name), divisor, _), syntax.Constant(0)) | (
                syntax.Constant(0),
                syntax.Binary("%", syntax.Name(name), divisor, _),
            ):
                value = evaluate(divisor, scope)
                if isinstance(value, int) and value > 0:
                    multiples[name] = lcm(multiples.get(name, 1), value)
    return multiples
