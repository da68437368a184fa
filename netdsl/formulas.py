"""Costs as functions of the input's size and of parameters, in terms that a reader can take in.

A layer's cost is a number for each place of the image, so a network's is a sum of one term for each
size that the image has on its way: `9,408 ceil(H/2) ceil(W/2) + 212,992 ceil(H/4) ceil(W/4) + …`.
Multiplied out, as `netdsl.sizes` compares them, the same sums are far longer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from math import lcm
from typing import NamedTuple

from netdsl import syntax
from netdsl.bind import Given
from netdsl.cost import CostReport, LayerCost, cost
from netdsl.diagnostics import Diagnostic, Fault
from netdsl.elaborate import elaborate, resolve_network
from netdsl.evaluate import truth
from netdsl.every_size import Exempt, decide
from netdsl.exits import PROGRAM_HAS_ERRORS, Failure
from netdsl.fuel import OpenComparison
from netdsl.graph import Graph
from netdsl.input_sizes import known_multiples, tied_sizes
from netdsl.open_parameters import Kept, Opened, open_parameters
from netdsl.program import ProgramFile
from netdsl.report import rows
from netdsl.scope import Scope, UnknownValue
from netdsl.size_bounds import Region
from netdsl.sizes import Expression, Size, Symbol, UnwieldySize, symbol, symbols
from netdsl.sizes import evaluate as value_at
from netdsl.source import Span
from netdsl.tensor import TensorType
from netdsl.terms import Factors, Formula, Product, Term, multiplied, simplest

QUANTITIES = ("params", "buffers", "macs", "flops", "activation_bytes")
"""The totals that are sums over layers, each of which a formula can give."""


class NoFormula(Failure):
    """The costs can't be given as functions of the input's size."""

    exit_code = PROGRAM_HAS_ERRORS


class Part(NamedTuple):
    """A layer or a block with the formula of each quantity."""

    path: str
    op: str
    output: TensorType
    formulas: dict[str, Formula]


class OpenNetwork(NamedTuple):
    """A network whose input's sizes are left open, and some of its parameters.

    `defaults` are the sizes by name, with the value that each has unless it is set; None where the
    program gives none. `tied` are sizes that the input's `where` gives as functions of those.
    `parameters` are those open besides, with their values, and `kept` those that can't be.
    """

    report: CostReport
    defaults: dict[str, int | None]
    conditions: tuple[syntax.Expression, ...]
    """What each input's `where` demands of `scope` with the sizes in it."""
    scope: Scope
    image_sizes: tuple[Expression, ...]
    """Every open size that a value in the network has; each has to be at least 1."""
    valid: Region
    """The open sizes for which the network is proved to work."""
    exempt: tuple[Exempt, ...]
    """Sizes of which the formulas say nothing, for the program takes another way there."""
    comparisons: tuple[OpenComparison, ...]
    """The comparisons of sizes that are false in general; where one is true, that way is taken."""
    differs_at_default: bool
    """Whether the program takes another way at the default sizes than the formulas."""
    parameters: dict[str, int]
    kept: tuple[Kept, ...]
    tied: Mapping[str, Size]

    def at_default(self) -> dict[str, int] | None:
        """The value of everything open; None where the program does not give all, or the formulas
        are not about it."""
        if self.differs_at_default:
            return None
        known = {name: value for name, value in self.defaults.items() if value is not None}
        if len(known) < len(self.defaults):
            return None
        return self.with_tied(known) | self.parameters

    def with_tied(self, sizes: Mapping[str, int]) -> dict[str, int]:
        """The sizes with those that are functions of them."""
        return {**sizes, **{name: value_at(size, sizes) for name, size in self.tied.items()}}

    def allows(self, values: Mapping[str, int]) -> bool:
        """Whether the input may have these sizes, and every layer has something left of them.

        A program can still refuse them, such as by an assertion.
        """
        scope = Scope(self.scope)
        scope.names.update(self.with_tied(values))
        try:
            if not all(truth(condition, scope) for condition in self.conditions):
                return False
        except (Fault, UnknownValue):
            pass  # A condition uses a name of the network's body.
        if any(values[name] not in held for name, held in self.valid.items()):
            return False
        return all(value_at(size, values) >= 1 for size in self.image_sizes)

    def is_exempt(self, values: Mapping[str, int]) -> bool:
        """Whether the program takes another way for these sizes than the formulas."""
        return any(each.holds(values) for each in self.comparisons)

    @property
    def of_several_sizes(self) -> tuple[Span, ...]:
        """The comparisons of which `exempt` has no region, for they are of several sizes at once,
        such as `in.height == in.width`."""
        known = {span for _, span in self.exempt}
        return tuple(
            each.span
            for each in self.comparisons
            if each.span not in known
            and len({size.name for pair in each.pairs for side in pair for size in symbols(side)})
            > 1
        )

    def formulas(self) -> dict[str, Formula]:
        """The totals of the inference graph, by quantity."""
        layers = [layer for layer in self.report.layers if not layer.auxiliary]
        return _formulas(layers, self._bases(), self._of_channels())

    def parts(self, *, layers: bool) -> list[Part]:
        """The formulas of every layer, or of the network's own items with blocks summed up."""
        bases, parameters = self._bases(), self._of_channels()
        return [
            Part(row.path, row.op, row.output, _formulas(row.layers, bases, parameters))
            for row in rows(self.report, layers=layers)
        ]

    def multiples(self) -> dict[str, int]:
        """What each open size is known to be a multiple of."""
        return {
            each.name: each.multiple
            for size in self.report.graph.nodes[0].type.shape
            for each in symbols(size)
        }

    @property
    def channels(self) -> frozenset[str]:
        """The open sizes that are channels of the input, and of the image no side."""
        *sides, channels = self.report.graph.nodes[0].type.shape
        of_sides = {each.name for size in sides for each in symbols(size)}
        return frozenset(each.name for each in symbols(channels)) - of_sides

    def _of_channels(self) -> frozenset[str]:
        return self.channels.union(self.parameters)

    def _bases(self) -> list[Factors]:
        found = (_base(node.type) for node in self.report.graph.nodes)
        return [base for base in dict.fromkeys(found) if base]


def open_network(
    file: ProgramFile,
    name: str,
    settings: dict[str, Given],
    names: tuple[str, ...] | None = (),
) -> OpenNetwork:
    """Elaborate and cost a network with every size of its input open that `settings` don't give.

    A parameter that stands for such a size is open too. With `names`, only those sizes are, and
    those parameters that can be; None opens everything. Raises NoFormula.
    """
    try:
        network, _ = resolve_network(file, name)
        statements = [each for each in network.body.statements if isinstance(each, syntax.Input)]
        # What each size is unless it is open; None where the program does not say or goes wrong.
        closed = elaborate(file, name, settings).graph
        defaults = _defaults(network, closed, settings)
        arguments = {} if closed is None else closed.arguments
        conditions = tuple(each.where for each in statements if each.where is not None)
        opened = dict(settings)
        for size, value in list(defaults.items()):
            if names and size not in names and value is not None:
                opened[size] = Given(size, value, network.name_span)
                del defaults[size]
        for size in defaults:
            if size in arguments:
                multiple = _multiple(size, conditions, _scope(file, arguments))
                opened[size] = Given(size, symbol(size, multiple), network.name_span)
        elaboration = elaborate(file, name, opened, symbolic=True)
        if elaboration.graph is None:
            raise NoFormula(_unfit(name, elaboration.diagnostics))
        verdict = decide(elaboration, {})
        if verdict is not None and verdict.diagnostics:
            raise NoFormula(_unfit(name, verdict.diagnostics))
        report = cost(elaboration.graph)
        further = Opened(report, {}, ())
        if names != ():
            further = open_parameters(file, name, opened, report, names)
            report = further.report
    except Fault as fault:
        raise NoFormula(_unfit(name, (fault.diagnostic,))) from None
    except UnwieldySize:
        raise NoFormula(f"the costs of `{name}` are too long for a formula") from None
    tied = tied_sizes(
        {
            size.name: axis
            for axis, size in enumerate(statements[0].sizes)
            if isinstance(size, syntax.Name) and size.name in defaults
        },
        elaboration.graph.nodes[0].type.shape,
    )
    inputs = [node.type for node in elaboration.graph.nodes if node.op is None]
    unknown = {each.name for type in inputs for size in type.shape for each in symbols(size)}
    # A name may also stand for a number, as after `let C = 3`.
    defaults = {size: value for size, value in defaults.items() if size in unknown - tied.keys()}
    if not defaults and not further.defaults:
        kept = "; ".join(f"`{each.name}`: {each.text()}" for each in further.kept)
        image = elaboration.graph.nodes[0].type
        named = ", ".join(f"`{each}`" for each in _defaults(network, closed, {}))
        raise NoFormula(
            (
                f"no size of `{name}` is open: its input is {image}, as asked; leave {named} open"
                if named
                else f"the input of `{name}` is always {image}, so its costs are numbers; "
                "`input image[H, W, 3] default [224, 224, 3]` leaves its sizes open"
            )
            + (f". Of its parameters none can be: {kept}" if kept else "")
        )
    given = {key: setting.value for key, setting in settings.items()}
    sizes = (size for node in report.graph.nodes for size in node.type.shape)
    return OpenNetwork(
        report,
        defaults,
        conditions,
        _scope(file, arguments | given),
        tuple(dict.fromkeys(size for size in sizes if isinstance(size, Expression))),
        {} if verdict is None else verdict.valid,
        () if verdict is None else verdict.exempt,
        elaboration.open_comparisons,
        closed is not None and _differs(report, closed, defaults, further.defaults),
        further.defaults,
        further.kept,
        tied,
    )


def _differs(
    report: CostReport,
    closed: Graph,
    defaults: Mapping[str, int | None],
    parameters: Mapping[str, int],
) -> bool:
    """Whether a network with its default sizes costs something else than the formulas say."""
    values = dict(parameters)
    for name, value in defaults.items():
        if value is None:
            return False
        values[name] = value
    open_total, plain = report.total, cost(closed).total
    return any(
        value_at(getattr(open_total, each), values) != getattr(plain, each) for each in QUANTITIES
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


def size_names(network: syntax.Network) -> tuple[str, ...]:
    """The names of the sizes of a network's inputs.

    Channels are among them unless a parameter gives them, which is open only on demand.
    """
    parameters = {parameter.name for parameter in network.parameters}
    return tuple(
        dict.fromkeys(
            size.name
            for statement in network.body.statements
            if isinstance(statement, syntax.Input)
            for axis, size in enumerate(statement.sizes, 1)
            if isinstance(size, syntax.Name)
            if axis < len(statement.sizes) or size.name not in parameters
        )
    )


def _defaults(
    network: syntax.Network, closed: Graph | None, settings: dict[str, Given]
) -> dict[str, int | None]:
    """The named sizes of the inputs that are not set, with their values."""
    found: dict[str, int | None] = dict.fromkeys(
        name for name in size_names(network) if name not in settings
    )
    inputs = [] if closed is None else [node for node in closed.nodes if node.op is None]
    statements = [each for each in network.body.statements if isinstance(each, syntax.Input)]
    for node, statement in zip(inputs, statements, strict=False):
        for value, size in zip(node.type.shape, statement.sizes, strict=False):
            if isinstance(size, syntax.Name) and found.get(size.name, 0) is None:
                found[size.name] = value if isinstance(value, int) else None
    return found


def _formulas(
    layers: Iterable[LayerCost], bases: list[Factors], parameters: frozenset[str]
) -> dict[str, Formula]:
    layers = list(layers)

    def formula(costs: Iterable[tuple[Size, LayerCost]]) -> Formula:
        return _formula(costs, bases, parameters)

    return {
        "params": formula((each.params, each) for each in layers),
        "buffers": formula((each.buffers, each) for each in layers),
        "macs": formula((each.macs, each) for each in layers),
        "flops": formula((each.flops, each) for each in layers),
        "activation_bytes": formula((each.output_bytes, each) for each in layers),
    }


def _formula(
    costs: Iterable[tuple[Size, LayerCost]], bases: list[Factors], parameters: frozenset[str]
) -> Formula:
    """The sum of some costs: for each product of parameters, one in terms of the image's sizes."""
    if not parameters:
        return _in_sizes(costs, bases)
    apart: dict[Factors, list[tuple[Size, LayerCost]]] = {}
    for size, layer in costs:
        for product, share in _apart(size, parameters).items():
            apart.setdefault(product, []).append((share, layer))
    terms: list[Term] = []
    constant = 0
    for product, shares in apart.items():
        formula = _in_sizes(shares, bases)
        terms += [Term(number, (*product, *factors)) for number, factors in formula.terms]
        if product and formula.constant:
            terms.append(Term(formula.constant, product))
        elif not product:
            constant = formula.constant

    def order(term: Term) -> tuple[int, int]:
        """As in sizes alone; of those alike, the higher power of parameters first."""
        of_sizes = [each for each in term.factors if not _is_made_of(each[0], parameters)]
        power = sum(power for _, power in term.factors)
        return _magnitude(Term(1, tuple(of_sizes))), power

    return Formula(tuple(sorted(terms, key=order, reverse=True)), constant)


def _is_made_of(size: Expression, names: frozenset[str]) -> bool:
    return {each.name for each in symbols(size)} <= names


# Blocks are repeated, and so are their costs.
@lru_cache(maxsize=1_000)
def _apart(size: Size, parameters: frozenset[str]) -> dict[Factors, Size]:
    """What is multiplied by each product of factors that parameters alone make up."""
    found: dict[Factors, Size] = {}
    for monomial, coefficient in size.terms if isinstance(size, Expression) else (((), size),):
        product: list[tuple[Expression, int]] = []
        rest: Size = coefficient
        for atom, power in monomial:
            factor = Expression({((atom, 1),): 1})
            if _is_made_of(factor, parameters):
                product.append((factor, power))
            else:
                rest = rest * factor**power
        key = tuple(product)
        found[key] = found.get(key, 0) + rest
    return found


def _in_sizes(costs: Iterable[tuple[Size, LayerCost]], bases: list[Factors]) -> Formula:
    collected = _Collected()
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
                for term in terms:
                    collected.add(term)
                rest = rest + constant
                break
        else:
            rest = rest + size
    for term in _summands(rest):
        collected.add(term)
    terms, constant = collected.terms()
    return Formula(tuple(sorted(terms, key=_magnitude, reverse=True)), constant)


class _Collected:
    """Terms of which those that are one product, however it is written, are added up."""

    def __init__(self) -> None:
        self.coefficients: dict[Product, int] = {}
        self.written: dict[Product, Factors] = {}
        """How each product was written first."""

    def add(self, term: Term) -> None:
        factors = simplest(term.factors)
        scale, product = multiplied(factors)
        total = self.coefficients.get(product, 0) + term.coefficient * scale
        self.coefficients[product] = total
        self.written.setdefault(product, factors)

    def terms(self) -> tuple[list[Term], int]:
        """The terms, and the number that has no factors."""
        found = []
        for product, coefficient in self.coefficients.items():
            factors = self.written[product]
            scale, _ = multiplied(factors)
            if coefficient % scale:  # H/4 was first written as H, and their sum is no number of H.
                scale, factors = 1, tuple(product)
            if coefficient and factors:
                found.append(Term(coefficient // scale, factors))
        return found, self.coefficients.get((), 0)


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
