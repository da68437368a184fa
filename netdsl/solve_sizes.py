"""The largest sizes of an input for which a network meets a bound, tried in its formulas."""

from __future__ import annotations

from math import lcm

from netdsl.formulas import QUANTITIES, OpenNetwork
from netdsl.limits import LIMITS
from netdsl.question import Number, Step, WrongQuestion
from netdsl.search import Bound, Line, Outcome, Refused, Search
from netdsl.size_sets import EVERY, SizeSet, Undecidable
from netdsl.size_words import as_condition
from netdsl.trials import TRIALS, TRIED, Answer, Costed, answer_of, began, nearest_working

_FORMULA_TRIALS = 400
_LONGEST = 80
"""How long a condition may be that a note shows."""


def solve_sizes(
    costed: Costed,
    bound: Bound,
    names: tuple[str, ...],
    opened: OpenNetwork,
    step: Step | None,
) -> Answer:
    """Search along the sizes that the program allows, all of `names` growing together.

    What the formulas say is confirmed by costing the network; where it isn't, the search is done
    again that way.
    """
    defaults = opened.defaults
    base = defaults[names[0]]
    alike: list[str] = []
    if len(names) == 1:
        (name,) = names
        alike = [
            each
            for each in defaults
            if each != name and defaults[each] == base and each not in opened.channels
        ]
        names = (name, *alike)
    first = names[0]
    if step is not None and step.decimals:
        raise WrongQuestion("the step of a size is a whole number")
    units = 1 if step is None else step.units
    multiples = opened.multiples()
    stride = lcm(units, multiples.get(first, 1))
    lines = {name: Line(_possible(opened, name), multiples.get(name, 1)) for name in names}
    same = tuple(name for name in names if base is None or defaults[name] in (None, base))
    tried = _tried(opened, same, units, base)
    together = tried is not None
    if tried is None:
        tried = _tried(opened, (first,), units, base)
    if tried is None:
        tried = SizeSet(1, stride, frozenset({0}), frozenset())
    line = Line(tried, stride)

    notes: list[str] = []
    if alike:
        kept = "equal to" if together else "as near as it can be to"
        notes.append(
            f"{', '.join(alike)} is kept {kept} {first}, as by default; "
            f"`--set {alike[0]}=…` keeps it as it is"
        )
    if multiples.get(first, 1) > 1:
        notes.append(f"{first} is always a multiple of {multiples[first]}")
    if _has_gaps(tried) and tried != SizeSet(1, stride, frozenset({0}), frozenset()):
        condition = as_condition(tried, first)
        which = f"with `{condition}`" if len(condition) <= _LONGEST else "that the program allows"
        notes.append(f"{TRIED} {which} were tried")

    others: dict[str, int] = {}
    for name, default in defaults.items():
        if name not in names:
            if default is None:
                raise WrongQuestion(f"`{name}` has no default; give it with `--set {name}=…`")
            others[name] = default

    def of_size(size: int) -> dict[str, Number]:
        found = {first: size}
        for name in names[1:]:
            default = defaults[name]
            ratio = size if default is None or base is None else default * size // base
            found[name] = lines[name].number(lines[name].last_until(ratio))
        complete = opened.with_tied(others | found)
        return {name: complete[name] for name in (*names, *opened.tied)}

    def values(index: int) -> dict[str, Number]:
        return of_size(line.number(index))

    formulas = opened.formulas()
    formula = formulas[bound.measure] if bound.measure in QUANTITIES else None

    def by_formula(index: int) -> Outcome:
        chosen = values(index)
        sizes = others | {name: int(value) for name, value in chosen.items()}
        if opened.is_exempt(sizes):
            return costed.trial(chosen).outcome
        if not opened.allows(sizes):
            return Refused("its input or a layer does not take this size")
        assert formula is not None
        return formula.at(sizes)

    def aside(index: int) -> bool:
        return opened.is_exempt(
            others | {name: int(value) for name, value in values(index).items()}
        )

    start = line.nearest(base or 224)
    low, high = line.last_until(0) + 1, line.last_until(LIMITS.dimension)
    away, why = nearest_working(lambda distance: costed.trial(values(start + distance)))
    if base is not None and base not in tried and step is None:
        present = costed.trial(of_size(base))
        if isinstance(present.outcome, Refused):
            why = (began(present, costed.trial(values(start + away))),)
    start, notes = start + away, [*notes, *why]
    if formula is not None:
        takes_other_ways = bool(opened.exempt or opened.of_several_sizes)
        proven = formula.rises() and not takes_other_ways
        trials = 0 if proven else TRIALS if takes_other_ways else _FORMULA_TRIALS
        search = Search(by_formula, bound, start, low, high, trials, aside)
        answer = answer_of(
            costed, search, first, values, tuple(notes), by_formula=True, proven=proven
        )
        found = (search.outcome(search.inside), search.outcome(search.outside))
        confirmed = answer.best.outcome == found[0] and (
            answer.beyond.outcome == found[1] or isinstance(answer.beyond.outcome, Refused)
        )
        if confirmed:
            return answer
        # The program treats some sizes as no formula does: it asks for more of them in a `where`,
        # or takes another way where two sizes happen to agree.
    search = Search(
        lambda index: costed.trial(values(index)).outcome,
        bound,
        start,
        low,
        high,
        TRIALS,
        aside,
    )
    return answer_of(costed, search, first, values, tuple(notes), by_formula=False, proven=False)


def _possible(opened: OpenNetwork, name: str) -> SizeSet:
    """What an open size can be: any for which the formulas are, or for which they may not be."""
    multiple = SizeSet(1, opened.multiples().get(name, 1), frozenset({0}), frozenset())
    try:
        held = opened.valid.get(name, EVERY)
        for region, _ in opened.exempt:
            held |= region.get(name, EVERY)
        held &= multiple
    except Undecidable:
        return multiple
    return multiple if held.is_empty else held


def _has_gaps(sizes: SizeSet) -> bool:
    line = Line(sizes, 1)
    listed = [*line.below, *line.repeated]
    return bool(line.below and not line.repeated) or (
        listed[-1] - listed[0] >= len(listed) or len(line.repeated) < sizes.period
    )


def _tried(
    opened: OpenNetwork, names: tuple[str, ...], units: int, base: int | None
) -> SizeSet | None:
    """The sizes that all of `names` can have; None where none is found.

    They are multiples of `units` if there are any, else so much from the size by default.
    """
    try:
        held = EVERY
        for name in names:
            held &= _possible(opened, name)
        for rest in (0, (base or 0) % units):
            stepped = held & SizeSet(1, units, frozenset({rest}), frozenset())
            if not stepped.is_empty:
                return stepped
    except Undecidable:
        pass
    return None
