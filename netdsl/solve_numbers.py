"""The largest number for a parameter with which a network meets a bound, tried by elaborating."""

from __future__ import annotations

from netdsl.elaborate import elaborate
from netdsl.question import NoAnswer, Number, Step, WrongQuestion
from netdsl.search import Bound, Refused, Search
from netdsl.trials import (
    DOUBLINGS,
    FARTHEST_STEP,
    TRIALS,
    Answer,
    Costed,
    answer_of,
    nearest_working,
)

_MOST_DIVIDED = 10_000
"""Up to which of its divisors are tried beside those near a number, where there are gaps."""
_LISTED = 12
"""How many of those a note lists."""


def solve_number(costed: Costed, bound: Bound, name: str, step: Step | None) -> Answer:
    """Search by elaborating the network with candidates for one of its parameters."""
    graph = elaborate(costed.file, costed.network, costed.settings).graph
    given = costed.settings.get(name)
    current = given.value if given is not None else None
    if current is None:
        current = 1 if graph is None else graph.arguments.get(name)
    if isinstance(current, bool) or not isinstance(current, (int, float)):
        raise WrongQuestion(
            f"`{name}` of `{costed.network}` is no number, so it can't be solved for"
        )
    whole = isinstance(current, int)
    notes: tuple[str, ...] = ()
    if isinstance(current, int):
        present = current
        away, why = nearest_working(lambda distance: costed.trial({name: present + distance}))
        current, notes = present + away, (*notes, *why)
    if step is None and isinstance(current, int):
        units = _working_step(costed, name, current)
        if units > 1:
            working = _working_values(costed, name, current)
            if any((value - current) % units for value in working):
                return _solve_among(costed, bound, name, working, current, notes)
            notes += (
                f"the network works with no {name} from {current - units + 1} to "
                f"{current + units - 1} but {current}: these are steps of {units}",
            )
        tried = Step(units)
    else:
        tried = Step(1, 3) if step is None else step
    # Whole numbers are counted from the present one, which may be part of what they have to fit.
    offset = current if whole else 0

    def values(index: int) -> dict[str, Number]:
        return {name: offset + tried.value(index, whole=whole)}

    reach = 1 << DOUBLINGS
    start = tried.nearest(current - offset)
    if not whole:
        away, why = nearest_working(lambda distance: costed.trial(values(start + distance)))
        start, notes = start + away, (*notes, *why)
    search = Search(
        lambda index: costed.trial(values(index)).outcome,
        bound,
        start,
        start - reach,
        start + reach,
        TRIALS,
    )
    if step is None and isinstance(current, int) and units == 1 and search.is_cut_short:
        working = _working_values(costed, name, current)
        if working:
            try:
                return _solve_among(costed, bound, name, working, current, notes)
            except NoAnswer:
                if search.inside == search.outside:
                    raise
    return answer_of(costed, search, name, values, notes, by_formula=False, proven=False)


def _solve_among(
    costed: Costed,
    bound: Bound,
    name: str,
    working: list[int],
    current: int,
    notes: tuple[str, ...],
) -> Answer:
    """Search among the only numbers that the network works with."""

    def values(index: int) -> dict[str, Number]:
        return {name: working[index]}

    search = Search(
        lambda index: costed.trial(values(index)).outcome,
        bound,
        working.index(current),
        0,
        len(working) - 1,
        TRIALS,
    )
    listed = ", ".join(map(str, working[:_LISTED])) + (", …" if len(working) > _LISTED else "")
    notes += (f"the network works with some values of {name} only, such as {listed}",)
    return answer_of(costed, search, name, values, notes, by_formula=False, proven=False)


def _working_values(costed: Costed, name: str, current: int) -> list[int]:
    """The numbers around the present one that the network works with, where there are gaps between
    them, as between divisors of its channels; else none."""
    near = range(current - FARTHEST_STEP, current + FARTHEST_STEP + 1)
    divisors = (each for each in range(1, min(current, _MOST_DIVIDED) + 1) if current % each == 0)
    tried = sorted({*near, *divisors, 2 * current, 4 * current})
    working = [
        value for value in tried if not isinstance(costed.trial({name: value}).outcome, Refused)
    ]
    if current not in working:
        return []
    within = tried[tried.index(working[0]) : tried.index(working[-1]) + 1]
    return working if len(within) > len(working) else []


def _working_step(costed: Costed, name: str, current: int) -> int:
    """The distance to the nearest other number that the network works with; 1 if none is near."""
    for distance in range(1, FARTHEST_STEP + 1):
        for value in (current + distance, current - distance):
            if not isinstance(costed.trial({name: value}).outcome, Refused):
                return distance
    return 1
