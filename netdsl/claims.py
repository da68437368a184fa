"""Judge a network's assertions and claims against its costs and shapes."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from netdsl import syntax
from netdsl.arithmetic import compare
from netdsl.budgets import Gap, dominant
from netdsl.cost import CostReport, Totals, peak_of_one, seen_within, sum_layers
from netdsl.diagnostics import Diagnostic, Fault, Label, did_you_mean
from netdsl.elaborate.builder import Check
from netdsl.evaluate import evaluate, path_parts, truth
from netdsl.figures import (
    equality,
    holds_with,
    is_number,
    names_in,
    rounding_of,
    tolerance_for,
)
from netdsl.fuel import Fuel
from netdsl.graph import Graph, Region
from netdsl.kinds import show_value
from netdsl.scope import Scope, Tensor, UnknownValue, describe, fail
from netdsl.sizes import Expression, Size, UndecidedSize

if TYPE_CHECKING:
    from netdsl.conventions import Conventions

MEASURES = (
    "params",
    "trainable_params",
    "buffers",
    "macs",
    "flops",
    "depth",
    "receptive_field",
    "activation_bytes",
    "peak_inference_bytes",
    "peak_training_bytes",
)
"""The names that assertions and claims may use beside those in scope; the peaks are those of one
image, and not of a block."""


_EXPLAINED = 20
"""For how many figures of a file that differ conventions are looked for; with more, the program is
wrong."""

_ALTERNATIVES = 3
"""Under how many conventions, the most usual first, an inequality is said to hold."""

_NO_ACCIDENT = 10_000
"""From here on a number that comes out of one of a hundred conventions was meant."""


class Shortfall(NamedTuple):
    """The comparison `left operator right` that makes a condition false, with what its sides are,
    and the measures that it is about. `5K <= params` is turned around: a measure stands left."""

    left: syntax.Expression
    right: syntax.Expression
    gap: Gap
    measures: tuple[str, ...]


def judge(checks: tuple[Check, ...], report: CostReport) -> tuple[Diagnostic, ...]:
    """A diagnostic for each assertion that fails and each claim that differs."""
    return _Judge(report, checks[0].scope.fuel).all(checks) if checks else ()


def shortfall(check: Check, report: CostReport) -> Shortfall | None:
    """Why an assertion fails, where it is by a comparison of numbers; None where it holds.

    Raises Fault and UnknownValue where its condition has no value.
    """
    assert isinstance(check.statement, syntax.Assert)
    return _shortfall(check.statement.condition, _measured(check, report))


def sides(short: Shortfall, check: Check, report: CostReport) -> Gap | None:
    """The same comparison by another report, whether it holds or not; None where it has no value.

    Raises as `shortfall`.
    """
    scope = _measured(check, report)
    left, right = evaluate(short.left, scope), evaluate(short.right, scope)
    if not is_number(left) or not is_number(right):
        return None
    return short.gap._replace(left=left, right=right)  # type: ignore[arg-type]  # As just tested.


class _Judge:
    """Judges all that a network asserts and claims; what many of them need is computed once."""

    def __init__(self, report: CostReport, fuel: Fuel) -> None:
        self.report = report
        self.fuel = fuel
        self._conventions: Conventions | None = None
        self.dominating: dict[tuple[str, tuple[int, int] | None], Label | None] = {}

    def all(self, checks: tuple[Check, ...]) -> tuple[Diagnostic, ...]:
        found: list[Diagnostic] = []
        shapes = _shapes(self.report.graph)
        for check in checks:
            scope = _measured(check, self.report)
            statement = check.statement
            parts: tuple[syntax.Assert | syntax.ClaimEntry, ...] = (
                statement.entries if isinstance(statement, syntax.Claim) else (statement,)
            )
            for part in parts:
                try:
                    if isinstance(part, syntax.Assert):
                        self.assertion(part, scope, check)
                        continue
                    assert isinstance(statement, syntax.Claim)
                    if part.output is not None:
                        self.output(part, part.output, statement, scope, shapes)
                    else:
                        self.measure(part, statement, scope)
                except Fault as fault:
                    found.append(fault.diagnostic._replace(trail=check.trail))
                except (UnknownValue, UndecidedSize):
                    continue
        return tuple(found)

    @property
    def conventions(self) -> Conventions:
        if self._conventions is None:
            # Imported here because only a failing program pays for it.
            from netdsl.conventions import Conventions

            self._conventions = Conventions(self.report, self.fuel)
        return self._conventions

    def dominant(self, measure: str, nodes: tuple[int, int] | None) -> tuple[Label, ...]:
        key = measure, nodes
        if key not in self.dominating:
            self.dominating[key] = dominant(self.report, measure, nodes)
        label = self.dominating[key]
        return () if label is None else (label,)

    def assertion(self, statement: syntax.Assert, scope: Scope, check: Check) -> None:
        if _condition(statement.condition, scope, "an assertion"):
            return
        message = f"`{statement.condition.span.text}` is false"
        if statement.message is not None:
            text = evaluate(statement.message, scope)
            if not isinstance(text, str):
                wrong = f"a message is a text, not {describe(text)}"
                fail("operand-type", wrong, statement.message.span)
            message += f": {text}"
        short = _shortfall(statement.condition, scope)
        above = short is not None and short.gap.falls
        raise Fault(
            Diagnostic(
                "assertion-failed",
                message,
                statement.condition.span,
                label="" if short is None else short.gap.text(),
                labels=self.dominant(short.measures[0], check.nodes)
                if short is not None and above and short.measures
                else (),
                notes=_values(statement.condition, scope),
            )
        )

    def measure(self, entry: syntax.ClaimEntry, claim: syntax.Claim, scope: Scope) -> None:
        if entry.within is None:
            if _condition(entry.condition, scope, "a claim"):
                return
        else:
            left, right = equality(entry, scope)
            tolerance = evaluate(entry.within, scope)
            if isinstance(tolerance, bool) or not isinstance(tolerance, (int, float)):
                wrong = f"a tolerance is a number, not {describe(tolerance)}"
                fail("operand-type", wrong, entry.span)
            if abs(left - right) <= abs(right) * tolerance / 100:
                return
        _refuse_kinds(entry, scope)
        short = _shortfall(entry.condition, scope)
        notes = self.explain(entry, scope, short)
        labels: tuple[Label, ...] = ()
        if not notes and short is not None and short.measures:
            labels = self.dominant(short.measures[0], None)
        raise Fault(
            Diagnostic(
                "claim-differs",
                f'{claim.kind} "{claim.source}" has `{entry.span.text.strip()}`',
                entry.span,
                label="" if short is None else short.gap.text(),
                labels=labels,
                notes=(*_values(entry.condition, scope), *notes),
                help="correct the network, or say beside the claim why it differs",
            )
        )

    def explain(
        self, entry: syntax.ClaimEntry, scope: Scope, short: Shortfall | None
    ) -> tuple[str, ...]:
        """The conventions under which a claim would hold."""
        self.fuel.explained_claims += 1
        if self.fuel.explained_claims > _EXPLAINED:
            return ()
        rounding = rounding_of(entry)

        def holds(values: dict[str, Size]) -> bool:
            if "params" in values:
                values = values | {"trainable_params": values["params"]}
            return holds_with(entry, scope, values, rounding)

        if rounding and holds({}):
            left, right = equality(entry, scope)
            if right == 0:  # No share of it is a tolerance.
                return ()
            return (f"it would hold if rounded as stated: `within {tolerance_for(left, right)}%`",)
        exact = not rounding and entry.within is None
        ways = list(
            self.conventions.explain(
                holds,
                measures,
                exact=exact and short is not None and abs(short.gap.right) >= _NO_ACCIDENT,
            )
        )
        if short is not None and short.gap.operator != "==":
            del ways[_ALTERNATIVES:]  # A bound that a few meet is met by many, mostly by chance.
        rounded = ", rounded as stated" if rounding else ""
        return tuple(f"it would hold {way}{rounded}" for way in ways)

    def output(
        self,
        entry: syntax.ClaimEntry,
        path: syntax.Path,
        claim: syntax.Claim,
        scope: Scope,
        shapes: dict[str, int],
    ) -> None:
        graph = self.report.graph
        name = ".".join(path_parts(path, scope))
        node = graph.labels.get(name, shapes.get(name))
        if node is None:
            known = tuple(dict.fromkeys((*graph.labels, *shapes)))
            fail(
                "unknown-label",
                f"the network has no layer or label `{name}`",
                path.span,
                help=did_you_mean(name, known),
            )
        expected = evaluate(entry.condition, scope)
        actual = list(graph.nodes[node].type.shape)
        if any(isinstance(size, Expression) for size in actual):
            raise UnknownValue
        if isinstance(expected, (list, tuple)) and list(expected) == actual:
            return
        ways: tuple[str, ...] = ()
        self.fuel.explained_claims += 1
        if isinstance(expected, (list, tuple)) and self.fuel.explained_claims <= _EXPLAINED:
            ways = self.conventions.of_output(node, list(expected))
        raise Fault(
            Diagnostic(
                "claim-differs",
                f'{claim.kind} "{claim.source}" has `{entry.span.text.strip()}`',
                entry.span,
                notes=(
                    f"{name} is {show_value(actual)} here",
                    *(f"it would hold {way}" for way in ways),
                ),
            )
        )


def _measured(check: Check, report: CostReport) -> Scope:
    """The check's scope with the measures of what it stands in; names of the program come first."""
    scope = Scope(check.scope, "branch")
    if all(check.scope.find(name) is not None for name in _mentioned(check)):
        return scope  # It is about no measure.
    totals = report.total
    if check.nodes is not None:
        first, end = check.nodes
        layers = report.layers[first:end]
        totals = sum_layers(layers)
        before = report.layers[layers[0].node.inputs[0]].depth if layers else 0
        totals = totals._replace(depth=totals.depth - before)
    values: dict[str, object] = dict(measures(totals))
    if check.nodes is None and any(name.startswith("peak") for name in _mentioned(check)):
        peak = peak_of_one(report)
        values["peak_inference_bytes"] = peak.inference_bytes
        values["peak_training_bytes"] = peak.training_bytes
    values["receptive_field"] = _field(check, report)
    for name, value in values.items():
        if check.scope.find(name) is None:
            scope.names[name] = value
    return scope


def _field(check: Check, report: CostReport) -> Size:
    """The receptive field of the output of what a check stands in, in pixels of what enters it."""
    layers = report.layers
    field, seen = report.receptive_field, report.graph.nodes[0].type
    if check.nodes is not None:
        first, end = check.nodes
        if first == end:
            return 1
        field, seen = seen_within(layers, check.nodes)[-1], layers[first].input
    if field is not None:
        return max(field)
    height, width = (*seen.shape, 1)[:2]
    open_size = next((size for size in (height, width) if isinstance(size, Expression)), None)
    return max(height, width) if open_size is None else open_size


def _mentioned(check: Check) -> list[str]:
    """The names that an assertion or claim uses."""
    statement = check.statement
    if isinstance(statement, syntax.Assert):
        return names_in(statement.condition)
    return [name for entry in statement.entries for name in names_in(entry.condition)]


def measures(totals: Totals) -> dict[str, Size]:
    return {
        "params": totals.params,
        "trainable_params": totals.params,
        "buffers": totals.buffers,
        "macs": totals.macs,
        "flops": totals.flops,
        "depth": totals.depth,
        "activation_bytes": totals.activation_bytes,
    }


def _condition(condition: syntax.Expression, scope: Scope, what: str) -> bool:
    value = evaluate(condition, scope)
    if not isinstance(value, bool):
        wrong = f"{what} must be true or false, not {describe(value)}"
        fail("condition-not-boolean", wrong, condition.span)
    return value


def _refuse_kinds(entry: syntax.ClaimEntry, scope: Scope) -> None:
    """Raise Fault for a claim that compares what can't be equal: a layer, a text with a number."""
    match entry.condition:
        case syntax.Comparison(left, ((_, right),)):
            sides = evaluate(left, scope), evaluate(right, scope)
        case _:
            return
    for side, value in zip((left, right), sides, strict=True):
        if isinstance(value, Tensor):
            name = side.span.text
            wrong = f"`{name}` is {describe(value)}, not a figure"
            help = f"`output {name} == [height, width, channels]` claims its shape"
            fail("claim-form", wrong, side.span, help=help)
    if is_number(sides[0]) != is_number(sides[1]):
        wrong = f"this compares {describe(sides[0])} with {describe(sides[1])}"
        fail("claim-form", wrong, entry.condition.span, help="a claim compares two numbers")


def _shortfall(condition: syntax.Expression, scope: Scope) -> Shortfall | None:
    """The first comparison of numbers that keeps a condition from being true."""
    if isinstance(condition, syntax.Binary) and condition.operator in ("and", "or"):
        for side in (condition.left, condition.right):
            if not truth(side, scope):
                return _shortfall(side, scope)
    if not isinstance(condition, syntax.Comparison):
        return None
    before, left = evaluate(condition.left, scope), condition.left
    for operator, right in condition.rest:
        following = evaluate(right, scope)
        if not compare(operator, before, following, condition.span, scope.fuel):
            if operator.endswith("in") or not is_number(before) or not is_number(following):
                return None
            if _is_reversed(left, right, scope):
                left, right, before, following = right, left, following, before
                operator = _REVERSED.get(operator, operator)
            names = dict.fromkeys((*names_in(left), *names_in(right)))
            return Shortfall(
                left,
                right,
                Gap(before, operator, following),  # type: ignore[arg-type]  # As just tested.
                tuple(name for name in names if name in scope.names),
            )
        before, left = following, right
    return None


_REVERSED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}


def _is_reversed(left: syntax.Expression, right: syntax.Expression, scope: Scope) -> bool:
    """Whether the bound stands before what it is for: only the right side has a measure, or, where
    none has, only the right side has names."""
    ours, others = names_in(left), names_in(right)
    measured = [any(name in scope.names for name in side) for side in (ours, others)]
    return measured == [False, True] or (not any(measured) and not ours and bool(others))


def _values(expression: syntax.Expression, scope: Scope) -> tuple[str, ...]:
    """The measures that an expression uses, with their values."""
    shown = []
    for name in names_in(expression):
        value = scope.names.get(name)
        if isinstance(value, int):
            shown.append(f"{name} is {value:,}")
        elif value is not None:
            shown.append(f"{name} is {value}")
    return tuple(dict.fromkeys(shown))


def _shapes(graph: Graph) -> dict[str, int]:
    """The output node of every path: of layers, and of what regions have a path."""
    nodes = {".".join(node.path): node.number for node in graph.nodes}
    pending = [graph.root]
    while pending:
        region = pending.pop()
        for item in region.items:
            if isinstance(item, Region):
                pending.append(item)
        if region.path and region.output is not None:
            nodes.setdefault(".".join(region.path), region.output)
    return nodes
