"""Costing a network with further values of a size or number, and the answer that comes of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from netdsl.bind import Given
from netdsl.network import load_network, setting_of
from netdsl.program import ProgramFile
from netdsl.question import MEASURES, NoAnswer, Number
from netdsl.search import Bound, Outcome, Refused, Search

DOUBLINGS = 22
"""How far from its value a number is varied: 4 million steps."""
TRIALS = 16
"""How many further values are tried for an answer that was found by elaborating."""
FARTHEST_STEP = 64
"""How far apart the whole numbers that a network works with are looked for."""
_NEARBY = 9
"""Closer values are tried before far ones where the present one is refused."""
TRIED = "only sizes"
"""How the note on a condition of sizes begins.

The search knows these itself, and no step could do better.
"""


class Trial(NamedTuple):
    """What the network costs with some values, by costing it."""

    values: dict[str, Number]
    outcome: Outcome


class Answer(NamedTuple):
    """The extreme values that meet a bound, and the first beyond them, which do not.

    `largest` says at which end of those that meet it they are. `by_formula` says how they were
    searched for, `steady` whether the measure was seen to go only one way, and `proven` that it
    must. `notes` are for the user.
    """

    bound: Bound
    best: Trial
    beyond: Trial
    largest: bool
    by_formula: bool
    steady: bool
    proven: bool
    notes: tuple[str, ...]


class Costed:
    """What a network costs with given values, each computed once."""

    def __init__(
        self,
        file: ProgramFile,
        network: str,
        settings: dict[str, Given],
        measure: str,
        batch: int,
    ) -> None:
        self.file = file
        self.network = network
        self.settings = settings
        self.measure = measure
        self.batch = batch
        self.known: dict[tuple[tuple[str, Number], ...], Trial] = {}

    def trial(self, values: dict[str, Number]) -> Trial:
        key = tuple(values.items())
        if key not in self.known:
            given = {name: setting_of(name, value) for name, value in values.items()}
            network, diagnostics = load_network(
                self.file, self.network, self.settings | given, batch=self.batch
            )
            if network is None:
                reasons = [each.message for each in diagnostics if each.severity == "error"]
                outcome: Outcome = Refused(reasons[0] if reasons else "it has errors")
            else:
                cost = MEASURES[self.measure](network.report)
                outcome = (
                    cost if isinstance(cost, int) else Refused(f"it is {cost}: a size is open")
                )
            self.known[key] = Trial(values, outcome)
        return self.known[key]


def nearest_working(trial: Callable[[int], Trial]) -> tuple[int, tuple[str, ...]]:
    """How far from the present value is one that the network works with, and a note on it.

    An assertion that the present value fails is a common reason to ask for another.
    """
    present = trial(0)
    if isinstance(present.outcome, Refused):
        far = (1 << doublings for doublings in range(4, DOUBLINGS))
        for distance in (*range(1, _NEARBY), *far, *range(_NEARBY, FARTHEST_STEP)):
            for away in (-distance, distance):
                near = trial(away)
                if not isinstance(near.outcome, Refused):
                    return away, (began(present, near),)
    return 0, ()


def began(present: Trial, near: Trial) -> str:
    assert isinstance(present.outcome, Refused)
    return (
        f"the network refuses {assignments(present.values)}, so the search began at "
        f"{assignments(near.values)}: {present.outcome.reason}"
    )


def answer_of(
    costed: Costed,
    search: Search,
    name: str,
    values: Callable[[int], dict[str, Number]],
    notes: tuple[str, ...],
    *,
    by_formula: bool,
    proven: bool,
) -> Answer:
    bound = search.bound
    worked = [index for index, value in search.known.items() if not isinstance(value, Refused)]
    tried = sorted(worked or search.known)
    span = f"{show(values(tried[0])[name])} to {show(values(tried[-1])[name])}"
    if search.inside == search.outside:
        start = search.outcome(search.start)
        if not search.seen():
            assert isinstance(start, Refused)
            raise NoAnswer(
                f"`{costed.network}` works with no `{name}` that was tried, from {span}: "
                f"{start.reason}; `--set {name}=…` gives a value to start from"
            )
        if len(search.seen()) == 1:
            raise NoAnswer(
                f"`{name}` has no influence on {bound.measure}: it is "
                f"{min(search.seen()):,} for all values tried, from {span}"
            )
        smallest, largest = min(search.seen()), max(search.seen())
        every = "every" if search.meets(search.start) else "no"
        raise NoAnswer(
            f"{every} `{name}` that was tried, from {span}, meets `{bound.text}`: "
            f"{bound.measure} is {smallest:,} to {largest:,}"
        )
    best, beyond = (costed.trial(values(index)) for index in (search.inside, search.outside))
    turned = None if proven else search.backward_pair()
    if turned is not None:
        a, b = (f"{name} = {show(values(index)[name])}" for index in turned)
        first, second = (search.outcome(index) for index in turned)
        notes += (
            f"{bound.measure} does not go one way with {name}: it is {first:,} at {a} and "
            f"{second:,} at {b}; other values may meet the bound too",
        )
    if isinstance(beyond.outcome, Refused) and not isinstance(best.outcome, Refused):
        note = "the network does not work with the next value, whatever it costs"
        if not any(TRIED in each for each in notes):
            note += f"; where it takes only some values of {name}, `--step` tries only those"
        notes += (note,)
    return Answer(
        bound,
        best,
        beyond,
        search.outside > search.inside,
        by_formula,
        turned is None,
        proven,
        notes,
    )


def assignments(values: dict[str, int] | dict[str, Number]) -> str:
    """As in "H = 224, W = 224"."""
    return ", ".join(f"{name} = {show(value)}" for name, value in values.items())


def show(number: Number) -> str:
    return str(number) if isinstance(number, int) else f"{number:.15g}"
