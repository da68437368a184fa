"""Which parameters of a network can be left open, so that its costs are formulas in them.

A whole number becomes a symbol, as a named size of the input is one, and elaboration carries it
into channels and the shapes of weights. Where the program needs its value, for the passes of a loop
or for a condition, the parameter stays what it is, and the reason is told.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from netdsl import syntax
from netdsl.bind import Given
from netdsl.cost import CostReport, cost
from netdsl.diagnostics import Diagnostic
from netdsl.elaborate import elaborate, resolve_network
from netdsl.program import ProgramFile
from netdsl.scope import describe
from netdsl.sizes import Size, UnwieldySize, symbol, symbols
from netdsl.sizes import evaluate as value_at
from netdsl.source import Span

_TERMS = 60
"""Of how many summands a cost may be where nobody asked for the parameter by its name."""
_IMAGE = 240
"""The multiple of each open size at which formulas are compared."""


class Kept(NamedTuple):
    """A parameter that stays a number, and why; `span` is where the program needs it."""

    name: str
    reason: str
    span: Span | None = None

    def text(self) -> str:
        return self.reason if self.span is None else f"{self.reason} ({self.span})"


class Opened(NamedTuple):
    """A network with parameters open: its costs, and what those parameters are by default."""

    report: CostReport
    defaults: dict[str, int]
    kept: tuple[Kept, ...]


def open_parameters(
    file: ProgramFile,
    name: str,
    settings: Mapping[str, Given],
    base: CostReport,
    wanted: tuple[str, ...] | None,
) -> Opened:
    """Open the parameters of a network that are whole numbers and not in `settings`.

    `base` is its report with those settings, which sizes left open may be among. `wanted` are the
    only ones to open; None opens all but those that would make formulas too long to read. Each was
    compared with `base` at its default, one after the other.
    """
    network, _ = resolve_network(file, name)
    opened, defaults, report = dict(settings), dict[str, int](), base
    kept: list[Kept] = []
    for parameter in network.parameters:
        value = base.graph.arguments[parameter.name]
        if parameter.name in settings or (wanted is not None and parameter.name not in wanted):
            continue
        if isinstance(value, bool) or not isinstance(value, int):
            if wanted is None:
                if not isinstance(value, float):
                    continue  # Nobody expects a formula in a block or a list.
                half = Given(parameter.name, value / 2, parameter.span)
                if _costs_alike(file, name, opened, half, report):
                    continue
            reason = f"it is {describe(value)}, and formulas are of whole numbers"
            kept.append(Kept(parameter.name, reason))
            continue
        opening = Given(parameter.name, symbol(parameter.name), parameter.span)
        attempt = opened | {parameter.name: opening}
        found = _opened(file, name, attempt, parameter, base, defaults | {parameter.name: value})
        if isinstance(found, CostReport) and not any(
            parameter.name in _names(size) for size in _totals(found)
        ):
            # Such as the usual size of an input whose sizes are open.
            found = Kept(parameter.name, "no cost depends on it")
            if wanted is None:
                continue
        if isinstance(found, CostReport) and wanted is None:
            found = _readable(found, parameter.name)
        if isinstance(found, Kept):
            kept.append(found)
            continue
        opened, report = attempt, found
        defaults[parameter.name] = value
    return Opened(report, defaults, tuple(kept))


def _costs_alike(
    file: ProgramFile, network: str, settings: Mapping[str, Given], other: Given, base: CostReport
) -> bool:
    """Whether another value of a parameter changes no cost, as that of a rate of dropout."""
    graph = elaborate(file, network, {**settings, str(other.name): other}, symbolic=True).graph
    try:
        return graph is not None and _totals(cost(graph)) == _totals(base)
    except UnwieldySize:
        return False


def _opened(
    file: ProgramFile,
    network: str,
    settings: dict[str, Given],
    parameter: syntax.Parameter,
    base: CostReport,
    defaults: dict[str, int],
) -> CostReport | Kept:
    """The costs with one parameter more open, or why they are no formula in it."""
    name = parameter.name
    if defaults[name] < 1:
        return Kept(name, "formulas are for values from 1 on")
    elaboration = elaborate(file, network, settings, symbolic=True)
    if elaboration.graph is None:
        return _needed(name, elaboration.diagnostics)
    for comparison in elaboration.open_comparisons:
        if any(name in _names(left - right) for left, right in comparison.pairs):
            return Kept(name, "a condition goes another way for some values", comparison.span)
    try:
        report = cost(elaboration.graph)
    except UnwieldySize as error:
        return Kept(name, str(error))
    for left, right in zip(_totals(report), _totals(base), strict=True):
        sizes = {each.name: _IMAGE * each.multiple for each in symbols(right)}
        if value_at(left, sizes | defaults) != value_at(right, sizes):
            return Kept(name, f"the program takes another way at {defaults[name]} than in general")
    return report


def _needed(name: str, diagnostics: tuple[Diagnostic, ...]) -> Kept:
    """What the program needs a parameter's value for."""
    first = next((each for each in diagnostics if each.severity == "error"), None)
    if first is None:
        return Kept(name, "the program does not work with it open")
    match first.code:
        case "repeat-count":
            reason = "it counts the passes of a loop"
        case "condition-depends-on-size":
            reason = "a condition depends on it"
        case "operand-type":
            reason = "it is reckoned with in fractions"
        case "function-arguments":
            reason = "a function needs its value"
        case "argument-value":
            reason = f"{first.message.partition(' must be')[0]} has to be a number"
        case _:
            reason = first.message
    return Kept(name, reason, first.span)


def _readable(report: CostReport, name: str) -> CostReport | Kept:
    terms = max(1 if isinstance(size, int) else len(size.terms) for size in _totals(report))
    if terms <= _TERMS:
        return report
    return Kept(name, f"with it formulas have up to {terms} summands; `--for {name}` shows them")


def _totals(report: CostReport) -> tuple[Size, ...]:
    total = report.total
    return total.params, total.buffers, total.macs, total.flops, total.activation_bytes


def _names(size: Size) -> set[str]:
    return {each.name for each in symbols(size)}
