"""Costs as functions of the input's size, in terms that a reader can take in.

A layer's cost is a number for each place of the image, so a network's is a sum of one term for each
size that the image has on its way: `9,408 ceil(H/2) ceil(W/2) + 212,992 ceil(H/4) ceil(W/4) + …`.
Multiplied out, as `netdsl.sizes` compares them, the same sums are far longer.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from math import lcm
from typing import NamedTuple, TypeAlias

from netdsl import syntax
from netdsl.bind import Given
from netdsl.cost import CostReport, LayerCost, cost
from netdsl.diagnostics import Diagnostic, Fault
from netdsl.elaborate import elaborate, resolve_network
from netdsl.evaluate import truth
from netdsl.exits import PROGRAM_HAS_ERRORS, Failure
from netdsl.graph import Graph
from netdsl.input_sizes import known_multiples
from netdsl.program import ProgramFile
from netdsl.report import rows, short
from netdsl.scope import Scope, UnknownValue
from netdsl.sizes import Expression, Size, Symbol, UnwieldySize, rises, symbol, symbols
from netdsl.sizes import evaluate as value_at
from netdsl.tensor import TensorType

Factors: TypeAlias = "tuple[tuple[Expression, int], ...]"
"""Sizes with their powers, in the order in which they are printed."""

QUANTITIES = ("params", "buffers", "macs", "flops", "activation_bytes")
"""The totals that are sums over layers, each of which a formula can give."""


class NoFormula(Failure):
    """The costs can't be given as functions of the input's size."""

    exit_code = PROGRAM_HAS_ERRORS


class Term(NamedTuple):
    coefficient: int
    factors: Factors


class Formula(NamedTuple):
    """A sum of terms, those with the largest sizes first, and a number."""

    terms: tuple[Term, ...]
    constant: int

    def at(self, values: Mapping[str, int]) -> int:
        total = self.constant
        for coefficient, factors in self.terms:
            for size, power in factors:
                coefficient *= value_at(size, values) ** power
            total += coefficient
        return total

    def rises(self) -> bool:
        """Whether it surely never falls as sizes grow, where those of the image are above 0."""
        return all(
            coefficient >= 0 and all(rises(size) for size, _ in factors)
            for coefficient, factors in self.terms
        )

    def texts(self, *, compact: bool = False) -> list[str]:
        """Each summand; with `compact`, its coefficient rounded to three digits."""
        found = []
        for coefficient, factors in self.terms:
            product = " ".join(_factor(size, power) for size, power in factors)
            found.append(f"{_number(coefficient, compact)} {product}")
        if self.constant or not found:
            found.append(_number(self.constant, compact))
        return found

    def text(self, *, compact: bool = False) -> str:
        return " + ".join(self.texts(compact=compact)).replace("+ -", "- ")


class Part(NamedTuple):
    """A layer or a block with the formula of each quantity."""

    path: str
    op: str
    output: TensorType
    formulas: dict[str, Formula]


class OpenNetwork(NamedTuple):
    """A network whose input's sizes are left open. `defaults` are the sizes by name, with the value
    that each has unless it is set; None where the program gives none."""

    report: CostReport
    defaults: dict[str, int | None]
    conditions: tuple[syntax.Expression, ...]
    """What each input's `where` demands of `scope` with the sizes in it."""
    scope: Scope
    image_sizes: tuple[Expression, ...]
    """Every open size that a value in the network has; each has to be at least 1."""

    def allows(self, values: Mapping[str, int]) -> bool:
        """Whether the input may have these sizes, and every layer has something left of them.

        A program can still refuse them, such as by an assertion.
        """
        scope = Scope(self.scope)
        scope.names.update(values)
        try:
            if not all(truth(condition, scope) for condition in self.conditions):
                return False
        except (Fault, UnknownValue):
            pass  # A condition uses a name of the network's body.
        return all(value_at(size, values) >= 1 for size in self.image_sizes)

    def formulas(self) -> dict[str, Formula]:
        """The totals of the inference graph, by quantity."""
        return _formulas(
            [layer for layer in self.report.layers if not layer.auxiliary], self._bases()
        )

    def parts(self, *, layers: bool) -> list[Part]:
        """The formulas of every layer, or of the network's own items with blocks summed up."""
        bases = self._bases()
        return [
            Part(row.path, row.op, row.output, _formulas(row.layers, bases))
            for row in rows(self.report, layers=layers)
        ]

    def multiples(self) -> dict[str, int]:
        """What each open size is known to be a multiple of."""
        return {
            each.name: each.multiple
            for size in self.report.graph.nodes[0].type.shape
            for each in symbols(size)
        }

    def _bases(self) -> list[Factors]:
        found = (_base(node.type) for node in self.report.graph.nodes)
        return [base for base in dict.fromkeys(found) if base]


def open_network(file: ProgramFile, name: str, settings: dict[str, Given]) -> OpenNetwork:
    """Elaborate and cost a network with every size of its input open that `settings` don't give.

    A parameter that stands for such a size is open too. Raises NoFormula.
    """
    try:
        network, _ = resolve_network(file, name)
        statements = [each for each in network.body.statements if isinstance(each, syntax.Input)]
        # What each size is unless it is open; None where the program does not say or goes wrong.
        closed = elaborate(file, name, settings).graph
        defaults = _defaults(statements, closed, settings)
        arguments = {} if closed is None else closed.arguments
        conditions = tuple(each.where for each in statements if each.where is not None)
        opened = dict(settings)
        for size in defaults:
            if size in arguments:
                multiple = _multiple(size, conditions, _scope(file, arguments))
                opened[size] = Given(size, symbol(size, multiple), network.name_span)
        elaboration = elaborate(file, name, opened, symbolic=True)
        if elaboration.graph is None:
            raise NoFormula(_unfit(name, elaboration.diagnostics))
        report = cost(elaboration.graph)
    except Fault as fault:
        raise NoFormula(_unfit(name, (fault.diagnostic,))) from None
    except UnwieldySize:
        raise NoFormula(f"the costs of `{name}` are too long for a formula") from None
    if not defaults:
        raise NoFormula(
            f"the input of `{name}` is always {elaboration.graph.nodes[0].type}, so its costs are "
            "numbers; `input image[H, W, 3] default [224, 224, 3]` leaves its sizes open"
        )
    given = {key: setting.value for key, setting in settings.items()}
    sizes = (size for node in report.graph.nodes for size in node.type.shape)
    return OpenNetwork(
        report,
        defaults,
        conditions,
        _scope(file, arguments | given),
        tuple(dict.fromkeys(size for size in sizes if isinstance(size, Expression))),
    )


def _unfit(name: str, diagnostics: tuple[Diagnostic, ...]) -> str:
    reason = next((each.message for each in diagnostics if each.severity == "error"), "")
    return (
        f"`{name}` does not work with every size that its input allows, so no formula gives its "
        f"cost: {reason}"
    )


def _scope(file: ProgramFile, arguments: dict[str, object]) -> Scope:
    scope = Scope(file.scope)
    scope.names.update(arguments)
    return scope


def _multiple(name: str, conditions: tuple[syntax.Expression, ...], scope: Scope) -> int:
    """What `where` promises a size to be a multiple of."""
    try:
        return lcm(*(known_multiples(each, scope).get(name, 1) for each in conditions))
    except (Fault, UnknownValue):  # It uses a name of the network's body.
        return 1


def _defaults(
    statements: list[syntax.Input], closed: Graph | None, settings: dict[str, Given]
) -> dict[str, int | None]:
    """The named sizes of the inputs that are not set, channels left out, with their values."""
    found: dict[str, int | None] = {}
    inputs = [] if closed is None else [node for node in closed.nodes if node.op is None]
    for number, statement in enumerate(statements):
        for axis, size in enumerate(statement.sizes[:-1]):
            if isinstance(size, syntax.Name) and size.name not in settings:
                value = inputs[number].type.shape[axis] if number < len(inputs) else None
                found.setdefault(size.name, value if isinstance(value, int) else None)
    return found


def _formulas(layers: Iterable[LayerCost], bases: list[Factors]) -> dict[str, Formula]:
    layers = list(layers)
    return {
        "params": _formula(((each.params, each) for each in layers), bases),
        "buffers": _formula(((each.buffers, each) for each in layers), bases),
        "macs": _formula(((each.macs, each) for each in layers), bases),
        "flops": _formula(((each.flops, each) for each in layers), bases),
        "activation_bytes": _formula(((each.output_bytes, each) for each in layers), bases),
    }


def _formula(costs: Iterable[tuple[Size, LayerCost]], bases: list[Factors]) -> Formula:
    collected: dict[Factors, int] = {}  # A number has no factors.
    rest: Size = 0
    for size, layer in costs:
        if isinstance(size, int):
            rest = rest + size
            continue
        # A layer works once for each place of its output or, as a mean does, of its input.
        near = [base for base in (_base(layer.node.type), _base(layer.input)) if base]
        for base in (*near, *bases):
            fitted = _fit(size, base)
            if fitted is not None:
                terms, constant = fitted
                for coefficient, factors in terms:
                    collected[factors] = collected.get(factors, 0) + coefficient
                rest = rest + constant
                break
        else:
            rest = rest + size
    for coefficient, factors in _summands(rest):
        collected[factors] = collected.get(factors, 0) + coefficient
    constant = collected.pop((), 0)
    terms = [Term(number, factors) for factors, number in collected.items() if number]
    return Formula(tuple(sorted(terms, key=_magnitude, reverse=True)), constant)


def _summands(size: Size) -> Iterator[Term]:
    """The summands of a size that is multiplied out."""
    for monomial, coefficient in size.terms if isinstance(size, Expression) else (((), size),):
        factors = []
        for atom, power in monomial:
            factor = Expression({((atom, 1),): 1})
            if isinstance(atom, Symbol) and coefficient % atom.multiple**power == 0:
                factor = Expression({((atom, 1),): atom.multiple})
                coefficient //= atom.multiple**power
            factors.append((factor, power))
        yield Term(coefficient, tuple(factors))


# Blocks are repeated, and so are their sizes.
@lru_cache(maxsize=1_000)
def _base(type: TensorType) -> Factors:
    """How many places a value has, as factors; none where that is a number."""
    powers: dict[Expression, int] = {}
    for size in type.shape[:-1]:
        if isinstance(size, Expression):
            powers[size] = powers.get(size, 0) + 1
    return tuple(powers.items())


@lru_cache(maxsize=1_000)
def _fit(size: Expression, base: Factors) -> tuple[list[Term], int] | None:
    """`size` as a b² + c b + d with whole a, c and d, b being the base; None where it isn't."""
    terms = []
    left: Size = size
    for power in (2, 1):
        factors = tuple((each, exponent * power) for each, exponent in base)
        product: Size = 1
        for each, exponent in factors:
            product = product * each**exponent
        if not isinstance(left, Expression) or not isinstance(product, Expression):
            break
        monomial, leading = product.terms[0]
        coefficient = dict(left.terms).get(monomial, 0)
        if coefficient == 0 or coefficient % leading:
            continue
        terms.append(Term(coefficient // leading, factors))
        left = left - coefficient // leading * product
    return (terms, left) if isinstance(left, int) else None


def _magnitude(term: Term) -> int:
    """A term's size without its coefficient, at some size of input."""
    product = 1
    for size, power in term.factors:
        values = {each.name: 240 * each.multiple for each in symbols(size)}
        product *= value_at(size, values) ** power
    return product


def _number(number: int, compact: bool) -> str:
    if not compact:
        return f"{number:,}"
    return f"-{short(-number)}" if number < 0 else short(number)


def _factor(size: Expression, power: int) -> str:
    text = _LONG_NUMBER.sub(lambda match: f"{int(match[0]):,}", str(size))
    fraction = "/" in text and not text.startswith(("ceil(", "floor("))
    if len(size.terms) > 1 or fraction or (" " in text and not text.endswith(")")):
        text = f"({text})"
    return text if power == 1 else f"{text}^{power}"


_LONG_NUMBER = re.compile(r"\d{4,}")
