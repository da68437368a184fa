"""What is asked of a network: a bound on what it costs, a step, and what may vary."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import isfinite
from typing import NamedTuple, TypeAlias

from netdsl import syntax
from netdsl.cost import CostReport
from netdsl.diagnostics import Fault, did_you_mean
from netdsl.elaborate import resolve_network
from netdsl.evaluate import evaluate
from netdsl.exits import PROGRAM_HAS_ERRORS, WRONG_USAGE, Failure
from netdsl.formulas import size_names
from netdsl.parse import parse
from netdsl.program import ProgramFile
from netdsl.scope import Scope, UnknownValue
from netdsl.search import Bound
from netdsl.source import Source

MEASURES: dict[str, Callable[[CostReport], object]] = {
    "params": lambda report: report.total.params,
    "buffers": lambda report: report.total.buffers,
    "macs": lambda report: report.total.macs,
    "flops": lambda report: report.total.flops,
    "activation_bytes": lambda report: report.total.activation_bytes,
    "peak_inference_bytes": lambda report: report.peak_inference_bytes,
    "peak_training_bytes": lambda report: report.peak_training_bytes,
    "depth": lambda report: report.total.depth,
}
"""What a question may bound, as `netdsl.cost.DEFINITIONS` says it."""


class WrongQuestion(Failure):
    """The question makes no sense; the message says what would."""

    exit_code = WRONG_USAGE


class NoAnswer(Failure):
    """No value meets the bound, or all do."""

    exit_code = PROGRAM_HAS_ERRORS


Number: TypeAlias = "int | float"


class Step(NamedTuple):
    """The distance of two values to try, `units` / 10^`decimals`, so that 0.001 is exact."""

    units: int
    decimals: int = 0

    def value(self, position: int, *, whole: bool) -> Number:
        top, bottom = position * self.units, self._bottom()
        return top // bottom if whole and top % bottom == 0 else top / bottom

    def nearest(self, value: Number) -> int:
        """The position whose value is nearest."""
        return round(value * self._bottom() / self.units)

    def _bottom(self) -> int:
        return int("1" + "0" * self.decimals)


def read_bound(text: str, file: ProgramFile) -> Bound:
    """`macs <= 2G`, written as in a program; raises WrongQuestion."""
    help = "write it like `macs <= 2G`, with <=, <, >= or >"
    tree, diagnostics = parse(Source("--solve", f"let bound = {text}"))
    declaration = tree.declarations[0] if tree is not None and tree.declarations else None
    if diagnostics or tree is None or len(tree.declarations) != 1:
        reason = f": {diagnostics[0].message}" if diagnostics else ""
        raise WrongQuestion(f"`{text}` is no bound{reason}; {help}")
    assert isinstance(declaration, syntax.Let)
    match declaration.value:
        case syntax.Comparison(
            syntax.Name(measure), ((("<=" | "<" | ">=" | ">") as operator, right),)
        ):
            pass
        case _:
            raise WrongQuestion(f"`{text}` is no bound; {help}")
    if measure not in MEASURES:
        raise WrongQuestion(f"`{measure}` is no measure; {did_you_mean(measure, tuple(MEASURES))}")
    try:
        limit = evaluate(right, Scope(file.scope))
    except Fault as fault:
        raise WrongQuestion(f"`{text}`: {fault.diagnostic.message}") from None
    except UnknownValue:
        limit = None
    if isinstance(limit, bool) or not isinstance(limit, (int, float)) or not isfinite(limit):
        raise WrongQuestion(f"`{text}` does not compare with a number; {help}")
    return Bound(measure, operator, limit, text)


def read_step(text: str) -> Step:
    """A decimal number above 0, such as `0.25`; raises WrongQuestion."""
    whole, _, fraction = text.partition(".")
    digits = (whole + fraction).strip()
    if not digits.isascii() or not digits.isdecimal() or len(digits) > 15 or int(digits) == 0:
        raise WrongQuestion(f"a step is a decimal number above 0, such as 0.25 or 8, not `{text}`")
    return Step(int(digits), len(fraction))


def require_variable(
    file: ProgramFile, network: str, names: tuple[str, ...], settings: Iterable[str] = ()
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The parameters of a network and the names of its input's sizes, among which `names` must be.

    None of them may be among `settings`. Raises WrongQuestion and NoAnswer.
    """
    try:
        tree, _ = resolve_network(file, network)
    except Fault as fault:
        raise NoAnswer(fault.diagnostic.message) from None
    parameters = tuple(parameter.name for parameter in tree.parameters)
    sizes = size_names(tree)
    known = (*parameters, *(each for each in sizes if each not in parameters))
    for name in names:
        if name not in known:
            advice = did_you_mean(name, known)
            raise WrongQuestion(
                f"`{network}` has no parameter or input size `{name}`"
                + (f"; {advice}" if advice else "")
            )
        if name in settings:
            raise WrongQuestion(f"`{name}` is set, so it can't be left open")
    return parameters, sizes
