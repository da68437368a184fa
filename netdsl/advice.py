"""The smallest change of one declared parameter with which a failing assertion holds.

A parameter of the network, or a size of its input, is tried on the grid on which people choose it,
by elaborating the network with other values. Nothing is said of what was not seen to work.
"""

from __future__ import annotations

import time
from math import ceil, exp, floor, isfinite, log
from typing import NamedTuple

from netdsl import syntax
from netdsl.bind import Given
from netdsl.budgets import Gap, Number, Work, amount
from netdsl.claims import Shortfall, judge, shortfall, sides
from netdsl.cost import CostReport, cost
from netdsl.diagnostics import Diagnostic, Edit, Fault, Fix
from netdsl.elaborate import Elaboration, elaborate
from netdsl.elaborate.builder import Check
from netdsl.program import ProgramFile
from netdsl.scope import UnknownValue
from netdsl.sizes import UndecidedSize, UnwieldySize
from netdsl.source import Source, Span
from netdsl.variables import Variable, coarser, variables_of, working_values

_ASSERTIONS = 5
_TRIALS = 14
"""How many values of one parameter are tried."""
_ALTERNATIVES = 3
_FARTHEST = log(8)
"""By which factor, as a logarithm, one guess may go beyond what was tried."""


class _Trial(NamedTuple):
    gap: Gap
    """How the sides of the comparison that failed stand."""
    passes: bool
    """Whether the assertion holds, and no other one fails that held before."""


class _Change(NamedTuple):
    variable: Variable
    value: Number
    left: Number

    @property
    def relative(self) -> float:
        return abs(self.value - self.variable.value) / abs(self.variable.value)


def advise(
    file: ProgramFile,
    name: str,
    settings: dict[str, Given],
    elaboration: Elaboration,
    diagnostics: tuple[Diagnostic, ...],
    work: Work,
) -> tuple[Diagnostic, ...]:
    """The diagnostics of a network, its failing assertions with the change that mends them.

    Where the value stands in `file` as a number, there is a fix too, not tried on its other
    networks. What that takes is taken off `work`; a note says where nothing was found for want of
    it.
    """
    graph = elaboration.graph
    variables = () if graph is None else tuple(variables_of(file, name, settings, graph))
    failing = frozenset(each.span for each in diagnostics if each.code == "assertion-failed")
    if not failing or not variables:
        return diagnostics
    search = _Search(file, name, settings, elaboration, variables, failing, work)
    known: dict[Span, tuple[str, tuple[Fix, ...]]] = {}
    advised: list[Diagnostic] = []
    for diagnostic in diagnostics:
        if diagnostic.span in failing and diagnostic.code == "assertion-failed":
            if diagnostic.span not in known and len(known) < _ASSERTIONS:
                known[diagnostic.span] = search.advice(diagnostic.span)
            help, fixes = known.get(diagnostic.span, ("", ()))
            notes = (*diagnostic.notes, _OVER) if not help and search.is_spent else diagnostic.notes
            diagnostic = diagnostic._replace(help=help, notes=notes, fixes=fixes)
        advised.append(diagnostic)
    work.cpu_s = search.end_s - time.process_time()
    return tuple(advised)


_OVER = "the time for finding a change that mends it is over; there may be one"


class _Search:
    """What a network's assertions say with other values, as long as there is work left."""

    condition: Span
    """Of the assertion that advice is sought for."""
    short: Shortfall
    """The comparison that makes it false."""

    def __init__(
        self,
        file: ProgramFile,
        name: str,
        settings: dict[str, Given],
        elaboration: Elaboration,
        variables: tuple[Variable, ...],
        failing: frozenset[Span],
        work: Work,
    ) -> None:
        graph = elaboration.graph
        assert graph is not None
        self.graph = graph
        self.refused = False
        """Whether the network did not take a value since this was last False."""
        self.file = file
        self.name = name
        self.settings = settings
        self.checks = elaboration.checks
        self.work = work
        self.size = len(graph.nodes)
        self.end_s = time.process_time() + work.cpu_s
        self.report = cost(graph)
        self.failing = failing
        self.variables = variables

    @property
    def is_spent(self) -> bool:
        """Whether no work is left for another trial."""
        return self.work.layers < self.size or time.process_time() > self.end_s

    def advice(self, condition: Span) -> tuple[str, tuple[Fix, ...]]:
        """The help for an assertion, and fixes where values stand in the file."""
        found = [
            (check, short)
            for check in _of(condition, self.checks)
            if (short := _shortfall(check, self.report)) is not None
        ]
        if not found or found[0][1].gap.operator == "!=" or not isfinite(found[0][1].gap.right):
            return "", ()
        self.condition, self.short = condition, found[0][1]
        start = self.judged(self.checks, self.report)
        changes: list[_Change] = []
        choosy: list[Variable] = []
        for variable in self.variables:
            outcome: _Change | bool | None = None
            self.refused = False
            for each in (variable, *coarser(variable)):
                outcome = None if start is None else self.nearest(each, start.gap)
                if isinstance(outcome, _Change):
                    changes.append(outcome)
                if outcome is not None:
                    break
            if self.refused and not isinstance(outcome, _Change):
                choosy.append(variable)
        for variable in choosy:
            change = None if start is None else self.among(variable, start.gap)
            if change is not None:
                changes.append(change)
        changes.sort(key=lambda change: change.relative)
        del changes[_ALTERNATIVES:]
        said = [
            f"with `{change.variable.text(change.value)}` (now {change.variable.now()}) "
            f"it is {amount(change.left)}"
            for change in changes
        ]
        fixes = tuple(
            Fix(
                f"write `{change.variable.text(change.value)}`",
                tuple(
                    Edit(place, str(value)) for place, value in change.variable.edits(change.value)
                ),
                False,
            )
            for change in changes
            if change.variable.places
        )
        return "; or ".join(said), fixes

    def nearest(self, variable: Variable, gap: Gap) -> _Change | bool | None:
        """The value nearest to the present one with which the assertion holds; False where there
        is none, None where the network takes no values of this grid."""
        start = variable.start
        for direction in (-1, 1) if gap.falls else (1, -1):
            position = start + direction
            trial = self.trial(variable, position)
            if trial is None:
                continue
            if _crossed(trial.gap, gap):
                return _change(variable, position, trial)
            if _excess(trial.gap) == _excess(gap):
                # A step may be lost in rounding; what half or double does not change, nothing does.
                position = start // 2 if direction < 0 else 2 * start
                trial = self.trial(variable, position)
                if trial is None or _excess(trial.gap) == _excess(gap):
                    return False
            if (_excess(trial.gap) < _excess(gap)) == gap.falls:
                return self.beyond(variable, gap, (position, trial), direction)
        return None

    def beyond(
        self, variable: Variable, gap: Gap, tried: tuple[int, _Trial], direction: int
    ) -> _Change | bool:
        """Go on from a value that led the right way, of which the first step was not enough.

        Costs go with a power of a width or a size: the next value is where that power would meet
        the bound.
        """
        start = variable.start
        position, found = tried
        last, latest = (start, gap), (position, found.gap)
        failing, passing = start + direction, None
        if _crossed(found.gap, gap):
            passing = position
        else:
            failing = position
        for number in range(_TRIALS):
            guess = _crossing(last, latest, direction)
            if passing is None:
                guess = min(guess, failing - 1) if direction < 0 else max(guess, failing + 1)
                if guess < 1:
                    guess = 1
                    if failing == 1:
                        return False
            elif abs(passing - failing) == 1:
                break
            else:
                low, high = sorted((failing, passing))
                # The power is no law, so that now and then what is left is halved.
                guess = (low + high) // 2 if number % 3 == 2 else guess
                guess = min(max(guess, low + 1), high - 1)
            trial = self.trial(variable, guess)
            if trial is None:
                if passing is None:
                    return False
                failing = guess
                continue
            last, latest = latest, (guess, trial.gap)
            if _crossed(trial.gap, gap):
                passing, found = guess, trial
            else:
                failing = guess
        if passing is None or abs(passing - failing) != 1:
            return False
        return _change(variable, passing, found)

    def among(self, variable: Variable, gap: Gap) -> _Change | None:
        """The nearest value that works, of a parameter that takes some only, with gaps between."""
        variable = variable._replace(unit=1)
        values = working_values(variable, self.graph)
        below = [value for value in reversed(values) if value < variable.value]
        above = [value for value in values if value > variable.value]
        for way in (below, above) if gap.falls else (above, below):
            for value in way[:_TRIALS]:
                trial = self.trial(variable, value)
                if trial is None:
                    continue
                if _crossed(trial.gap, gap):
                    change = _change(variable, value, trial)
                    if isinstance(change, _Change):
                        return change
                elif _excess(trial.gap) == _excess(gap):
                    return None
                elif (_excess(trial.gap) < _excess(gap)) != gap.falls:
                    break
        return None

    def trial(self, variable: Variable, position: int) -> _Trial | None:
        """What the assertion says with a value; None where the network does not take it, or where
        no work is left."""
        if position < 1 or self.is_spent:
            return None
        value = variable.at(position)
        self.work.layers -= self.size
        given = {name: _given(name, each) for name, each in variable.values(value).items()}
        elaboration = elaborate(self.file, self.name, self.settings | given)
        if elaboration.graph is None:
            self.refused = True
            return None
        # A larger network has more layers than were counted.
        self.work.layers -= max(len(elaboration.graph.nodes) - self.size, 0)
        try:
            report = cost(elaboration.graph)
        except UnwieldySize:
            return None
        return self.judged(elaboration.checks, report)

    def judged(self, checks: tuple[Check, ...], report: CostReport) -> _Trial | None:
        """The assertion in that call of a block in which it is farthest from true."""
        gaps = []
        for check in _of(self.condition, checks):
            try:
                gap = sides(self.short, check, report)
            except (Fault, UnknownValue, UndecidedSize):
                gap = None
            if gap is not None:
                gaps.append(gap)
        if not gaps:
            return None
        choose = max if self.short.gap.falls else min
        failing = _failing(checks, report)
        passes = self.condition not in failing and failing <= self.failing
        return _Trial(choose(gaps, key=_excess), passes)


def _of(condition: Span, checks: tuple[Check, ...]) -> list[Check]:
    """The assertions with a condition, one for each call of the block that it stands in."""
    return [
        check
        for check in checks
        if isinstance(check.statement, syntax.Assert)
        and check.statement.condition.span == condition
    ]


def _shortfall(check: Check, report: CostReport) -> Shortfall | None:
    try:
        return shortfall(check, report)
    except (Fault, UnknownValue, UndecidedSize):
        return None


def _failing(checks: tuple[Check, ...], report: CostReport) -> frozenset[Span]:
    asserts = tuple(check for check in checks if isinstance(check.statement, syntax.Assert))
    return frozenset(each.span for each in judge(asserts, report))


def _crossed(gap: Gap, start: Gap) -> bool:
    """Whether the bound is met; of an equality, whether the left side has come that far."""
    if start.operator == "==":
        return gap.left <= gap.right if start.falls else gap.left >= gap.right
    return gap.closed


def _excess(gap: Gap) -> float:
    """By how much the left side is larger: as a ratio's logarithm, where there is one."""
    if gap.left > 0 and gap.right > 0:
        return log(gap.left) - log(gap.right)
    return gap.left - gap.right


def _crossing(a: tuple[int, Gap], b: tuple[int, Gap], direction: int) -> int:
    """The position where the sides would be equal, if they went on as from `a` to `b`."""
    (first, one), (second, other) = a, b
    change = _excess(other) - _excess(one)
    if change == 0 or first == second:
        return second + direction
    power = -_excess(other) / change * log(second / first)
    position = second * exp(min(max(power, -_FARTHEST), _FARTHEST))
    return floor(position) if direction < 0 else ceil(position)


def _change(variable: Variable, position: int, trial: _Trial) -> _Change | bool:
    return trial.passes and _Change(variable, variable.at(position), trial.gap.left)


def _given(name: str, value: Number) -> Given:
    source = Source(name, str(value))
    return Given(name, value, source.span(0, len(source.text)))
