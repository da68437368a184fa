"""Judge a network's assertions and claims against its costs and shapes."""

from __future__ import annotations

from netdsl import syntax
from netdsl.cost import CostReport, Totals, sum_layers
from netdsl.diagnostics import Diagnostic, Fault, did_you_mean
from netdsl.elaborate.builder import Check
from netdsl.evaluate import evaluate, path_parts
from netdsl.graph import Graph, Region
from netdsl.kinds import show_value
from netdsl.scope import Scope, UnknownValue, describe, fail
from netdsl.sizes import Expression, UndecidedSize
from netdsl.source import Span

MEASURES = (
    "params",
    "trainable_params",
    "buffers",
    "macs",
    "flops",
    "depth",
    "receptive_field",
    "activation_bytes",
)
"""The names that assertions and claims may use beside those in scope."""


def judge(checks: tuple[Check, ...], report: CostReport) -> tuple[Diagnostic, ...]:
    """A diagnostic for each assertion that fails and each claim that differs."""
    found: list[Diagnostic] = []
    shapes = _shapes(report.graph)
    for check in checks:
        scope = _measured(check, report)
        statement = check.statement
        parts: tuple[syntax.Assert | syntax.ClaimEntry, ...] = (
            statement.entries if isinstance(statement, syntax.Claim) else (statement,)
        )
        for part in parts:
            try:
                if isinstance(part, syntax.Assert):
                    _assertion(part, scope)
                    continue
                assert isinstance(statement, syntax.Claim)
                if part.output is not None:
                    _output(part, part.output, statement, scope, report.graph, shapes)
                else:
                    _measure(part, statement, scope, report)
            except Fault as fault:
                found.append(fault.diagnostic._replace(trail=check.trail))
            except (UnknownValue, UndecidedSize):
                continue
    return tuple(found)


def _measured(check: Check, report: CostReport) -> Scope:
    """The check's scope with the measures of what it stands in; names of the program come first."""
    totals = report.total
    if check.nodes is not None:
        first, end = check.nodes
        layers = report.layers[first:end]
        totals = sum_layers(layers)
        before = report.layers[layers[0].node.inputs[0]].depth if layers else 0
        totals = totals._replace(depth=totals.depth - before)
    values = measures(totals)
    field = report.receptive_field
    if field is None:
        height, width = (*report.graph.nodes[0].type.shape, 1)[:2]
        open_size = next((size for size in (height, width) if isinstance(size, Expression)), None)
        values["receptive_field"] = max(height, width) if open_size is None else open_size
    else:
        values["receptive_field"] = max(field)
    scope = Scope(check.scope, "branch")
    for name, value in values.items():
        if check.scope.find(name) is None:
            scope.names[name] = value
    return scope


def measures(totals: Totals) -> dict[str, object]:
    return {
        "params": totals.params,
        "trainable_params": totals.params,
        "buffers": totals.buffers,
        "macs": totals.macs,
        "flops": totals.flops,
        "depth": totals.depth,
        "activation_bytes": totals.activation_bytes,
    }


def _assertion(statement: syntax.Assert, scope: Scope) -> None:
    value = evaluate(statement.condition, scope)
    if not isinstance(value, bool):
        fail(
            "condition-not-boolean",
            f"an assertion must be true or false, not {describe(value)}",
            statement.condition.span,
        )
    if value:
        return
    message = f"`{statement.condition.span.text}` is false"
    if statement.message is not None:
        text = evaluate(statement.message, scope)
        if not isinstance(text, str):
            wrong = f"a message is a text, not {describe(text)}"
            fail("operand-type", wrong, statement.message.span)
        message += f": {text}"
    raise Fault(
        Diagnostic(
            "assertion-failed",
            message,
            statement.condition.span,
            notes=_values(statement.condition, scope),
        )
    )


def _measure(
    entry: syntax.ClaimEntry, claim: syntax.Claim, scope: Scope, report: CostReport
) -> None:
    if entry.within is None:
        value = evaluate(entry.condition, scope)
        if not isinstance(value, bool):
            fail(
                "condition-not-boolean",
                f"a claim must be true or false, not {describe(value)}",
                entry.condition.span,
            )
        if value:
            return
    else:
        left, right = _equality(entry, scope)
        tolerance = evaluate(entry.within, scope)
        if isinstance(tolerance, bool) or not isinstance(tolerance, (int, float)):
            fail("operand-type", f"a tolerance is a number, not {describe(tolerance)}", entry.span)
        if abs(left - right) <= abs(right) * tolerance / 100:
            return
    raise Fault(
        Diagnostic(
            "claim-differs",
            f'{claim.kind} "{claim.source}" has `{entry.span.text.strip()}`',
            entry.span,
            notes=(*_values(entry.condition, scope), *_conventions(entry, scope, report)),
            help="correct the network, or say beside the claim why it differs",
        )
    )


def _equality(entry: syntax.ClaimEntry, scope: Scope) -> tuple[float, float]:
    condition = entry.condition
    if isinstance(condition, syntax.Comparison) and len(condition.rest) == 1:
        operator, right = condition.rest[0]
        if operator == "==":
            sides = evaluate(condition.left, scope), evaluate(right, scope)
            if any(isinstance(side, Expression) for side in sides):
                raise UnknownValue  # Depends on the input's size: nothing to compare yet.
            if all(isinstance(side, (int, float)) for side in sides):
                return sides  # type: ignore[return-value]  # Both are numbers, as just tested.
    fail(
        "claim-form",
        "`within` needs an equality of two numbers, such as `params == 25.6M within 1%`",
        entry.span,
    )


def _output(
    entry: syntax.ClaimEntry,
    path: syntax.Path,
    claim: syntax.Claim,
    scope: Scope,
    graph: Graph,
    shapes: dict[str, int],
) -> None:
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
    if not isinstance(expected, (list, tuple)) or list(expected) != actual:
        raise Fault(
            Diagnostic(
                "claim-differs",
                f'{claim.kind} "{claim.source}" has `{entry.span.text.strip()}`',
                entry.span,
                notes=(f"{name} is {show_value(actual)} here",),
            )
        )


def _conventions(entry: syntax.ClaimEntry, scope: Scope, report: CostReport) -> tuple[str, ...]:
    """The other ways of counting under which a claim would hold."""
    total, trained = report.total, report.trained
    ways = {
        "if a multiply-add counts as two operations": {"macs": 2 * total.macs},
        "if all floating-point operations are counted, not only MACs": {"macs": total.flops},
        "if FLOPs are read as multiply-adds": {"flops": total.macs},
        "if batch norm's running statistics are counted": {"params": total.params + total.buffers},
        "if the side branches are counted": {"params": trained.params, "macs": trained.macs},
    }
    notes = []
    for way, values in ways.items():
        changed = Scope(scope, "branch")
        changed.names.update({name: value for name, value in values.items() if name in scope.names})
        try:
            if entry.within is None:
                holds = evaluate(entry.condition, changed) is True
            else:
                left, right = _equality(entry, changed)
                tolerance = evaluate(entry.within, changed)
                assert isinstance(tolerance, (int, float)), "the parser takes numbers alone"
                holds = abs(left - right) <= abs(right) * tolerance / 100
        except (Fault, UnknownValue):
            continue
        if holds:
            notes.append(f"it would hold {way}")
    return tuple(notes)


def _values(expression: syntax.Expression, scope: Scope) -> tuple[str, ...]:
    """The measures that an expression uses, with their values."""
    shown = []
    for name in _names(expression):
        value = scope.names.get(name)
        if isinstance(value, int):
            shown.append(f"{name} is {value:,}")
        elif value is not None:
            shown.append(f"{name} is {value}")
    return tuple(dict.fromkeys(shown))


def _names(expression: object) -> list[str]:
    if isinstance(expression, syntax.Name):
        return [expression.name]
    if isinstance(expression, tuple) and not isinstance(expression, Span):
        return [name for part in expression for name in _names(part)]
    return []


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
