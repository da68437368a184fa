"""The sizes of a network's input: given, defaulted, or left as symbols."""

from __future__ import annotations

from collections.abc import Mapping
from math import lcm

from netdsl import syntax
from netdsl.bind import Given
from netdsl.diagnostics import Fault, Label
from netdsl.evaluate import evaluate, truth
from netdsl.scope import Scope, UnknownValue, describe, fail
from netdsl.size_conditions import conjuncts
from netdsl.sizes import Expression, Size, symbol, symbols
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
    multiples = known_multiples(statement.where, scope)
    equals = _equals(statement.where)
    shape: list[Size] = []
    first: dict[str, syntax.Expression] = {}
    """The default of each size that is named here."""
    for position, size in enumerate(statement.sizes):
        default = None if defaults is None else defaults[position]
        if isinstance(size, syntax.Name) and default is not None:
            if size.name in first:
                _same_default(size.name, first[size.name], default, scope)
            elif scope.find(size.name) is None:
                first[size.name] = default
        if isinstance(size, syntax.Name) and scope.find(size.name) is None:
            named = _named_size(size, default, settings, multiples, symbolic, scope)
            if isinstance(named, Expression):
                # `where H == W` leaves one unknown, as does `where W == 2 * H`.
                others = (_known(each, scope) for each in equals.get(size.name, ()))
                named = next((each for each in others if isinstance(each, Expression)), named)
            scope.bind(size.name, named, size.span)
        value = evaluate(size, scope)
        shape.append(value if isinstance(value, Expression) else _whole(value, size.span))
        # What is made of a size that is open here was compared at its default.
        fixed = not isinstance(size, syntax.Name) and not isinstance(value, Expression)
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


def _same_default(
    name: str, first: syntax.Expression, default: syntax.Expression, scope: Scope
) -> None:
    """Raise Fault where a size that stands twice has two defaults."""
    one, other = evaluate(first, scope), evaluate(default, scope)
    if one != other:
        fail(
            "input-default",
            f"the default of `{name}` is {describe(one)}, and here {describe(other)}",
            default.span,
            labels=(Label(first.span, "its first default"),),
            help="a name is one size; give the other a name of its own, such as `W`"
            if name != "W"
            else "a name is one size; give the other a name of its own",
        )


def tied_sizes(axes: Mapping[str, int], shape: tuple[Size, ...]) -> dict[str, Size]:
    """The open sizes that `where` gives as functions of others, `W == 2 * H`, with the function.

    `axes` are those of the names in the input's `shape`.
    """
    return {
        name: shape[axis]
        for name, axis in axes.items()
        if isinstance(shape[axis], Expression)
        and name not in {each.name for each in symbols(shape[axis])}
    }


def _named_size(
    name: syntax.Name,
    default: syntax.Expression | None,
    settings: dict[str, Given],
    multiples: dict[str, int],
    symbolic: bool,
    scope: Scope,
) -> Size:
    if name.name in settings:
        given = settings[name.name]
        return _whole(given.value, given.span)
    if default is not None and not symbolic:
        return _whole(evaluate(default, scope), default.span)
    return symbol(name.name, multiples.get(name.name, 1))


def _whole(value: object, span: Span) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value < 1 << 31:
        fail(
            "input-size",
            f"a size is a whole number from 1 to 2^31 - 1, not {describe(value)}",
            span,
            help="`round(…)` makes it whole" if isinstance(value, float) else "",
        )
    return value


def _equals(where: syntax.Expression | None) -> dict[str, list[syntax.Expression]]:
    """What `H == W and …` promises names to be equal to."""
    equal: dict[str, list[syntax.Expression]] = {}
    for each in conjuncts(where) if where is not None else ():
        match each:
            case syntax.Comparison(left, (("==", right),), _):
                for one, other in ((left, right), (right, left)):
                    if isinstance(one, syntax.Name):
                        equal.setdefault(one.name, []).append(other)
    return equal


def _known(expression: syntax.Expression, scope: Scope) -> object:
    """The value of an expression; None where it uses a size whose name comes later."""
    try:
        return evaluate(expression, scope)
    except (Fault, UnknownValue):
        return None


def known_multiples(where: syntax.Expression | None, scope: Scope) -> dict[str, int]:
    """The divisors that `H % 16 == 0 and …` promises, by name."""
    multiples: dict[str, int] = {}
    for each in conjuncts(where) if where is not None else ():
        match each:
            case syntax.Comparison(
                syntax.Binary("%", syntax.Name(name), divisor, _), (("==", syntax.Constant(0)),), _
            ) | syntax.Comparison(
                syntax.Constant(0), (("==", syntax.Binary("%", syntax.Name(name), divisor, _)),), _
            ):
                value = evaluate(divisor, scope)
                if isinstance(value, int) and value > 0:
                    multiples[name] = lcm(multiples.get(name, 1), value)
    return multiples
