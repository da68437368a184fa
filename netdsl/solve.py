"""The inverse of costing: the largest size or number for which a network meets a bound.

Sizes of the input are tried in the network's formulas, other numbers by elaborating the network;
either way the answer is then costed as a network of its own, with the next value beyond it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import isfinite, lcm
from typing import NamedTuple, TypeAlias

from netdsl import syntax
from netdsl.bind import Given
from netdsl.cost import CostReport
from netdsl.diagnostics import Fault, did_you_mean
from netdsl.elaborate import elaborate, resolve_network
from netdsl.evaluate import evaluate
from netdsl.exits import PROGRAM_HAS_ERRORS, WRONG_USAGE, Failure
from netdsl.formulas import QUANTITIES, NoFormula, OpenNetwork, open_network, size_names
from netdsl.limits import LIMITS
from netdsl.network import load_network, setting_of
from netdsl.parse import parse
from netdsl.program import ProgramFile
from netdsl.scope import Scope, UnknownValue
from netdsl.search import Bound, Line, Outcome, Refused, Search
from netdsl.size_sets import EVERY, SizeSet, Undecidable
from netdsl.size_words import as_condition
from netdsl.sizes import symbols
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

_DOUBLINGS = 22
"""How far from its value a number is varied: 4 million steps."""
_TRIALS = 16
"""How many further values are tried for an answer that was found by elaborating."""
_FORMULA_TRIALS = 400
_FARTHEST_STEP = 64
"""How far apart the whole numbers that a network works with are looked for."""
_NEARBY = 9
"""Closer values are tried before far ones where the present one is refused."""
_MOST_DIVIDED = 10_000
"""Up to which of its divisors are tried beside those near a number, where there are gaps."""
_LONGEST = 80
"""How long a condition may be that a note shows."""
_TRIED = "only sizes"
"""How the note on a condition of sizes begins.

The search knows these itself, and no step could do better.
"""
_LISTED = 12
"""How many of those a note lists."""


class WrongQuestion(Failure):
    """The question makes no sense; the message says what would."""

    exit_code = WRONG_USAGE


class NoAnswer(Failure):
    """No value meets the bound, or all do."""

    exit_code = PROGRAM_HAS_ERRORS


Number: TypeAlias = "int | float"


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


def solve(
    file: ProgramFile,
    network: str,
    settings: dict[str, Given],
    bound: Bound,
    names: tuple[str, ...],
    *,
    step: Step | None = None,
    batch: int = 1,
) -> Answer:
    """Find the last value of `names` for which a network meets `bound`.

    Several names are sizes of the input that grow together. Raises WrongQuestion and NoAnswer.
    """
    parameters, sizes = require_variable(file, network, names)
    for name in names:
        if name in settings and (name not in parameters or len(names) > 1):
            raise WrongQuestion(f"`{name}` is set, so it can't be solved for")
        if len(names) > 1 and name not in sizes:
            raise WrongQuestion(f"`{name}` is no size of the input, so it is solved for alone")
    costed = _Costed(file, network, settings, bound.measure, batch)
    if names[0] not in sizes or names[0] in settings:
        return _solve_number(costed, bound, names[0], step)
    try:
        opened = open_network(file, network, settings)
    except NoFormula as failure:
        if names[0] not in parameters:
            raise
        answer = _solve_number(costed, bound, names[0], step)
        return answer._replace(notes=(str(failure), *answer.notes))
    names = tuple(dict.fromkeys(_free(name, opened) for name in names))
    if names[0] not in opened.defaults:
        return _solve_number(costed, bound, names[0], step)
    return _solve_sizes(costed, bound, names, opened, step)


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


class _Costed:
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


def _free(name: str, opened: OpenNetwork) -> str:
    """The size that gives the size `name`: itself, or the one that the input keeps equal to it."""
    size = opened.tied.get(name)
    if size is None:
        return name
    others = [each.name for each in symbols(size)]
    if str(size) not in others:
        raise WrongQuestion(
            f"`{name}` is {size}, as the input demands; ask for `{' or '.join(others)}`"
        )
    return others[0]


def _solve_sizes(
    costed: _Costed,
    bound: Bound,
    names: tuple[str, ...],
    opened: OpenNetwork,
    step: Step | None,
) -> Answer:
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
        notes.append(f"{_TRIED} {which} were tried")

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
    away, why = _nearest_working(lambda distance: costed.trial(values(start + distance)))
    if base is not None and base not in tried and step is None:
        present = costed.trial(of_size(base))
        if isinstance(present.outcome, Refused):
            why = (_began(present, costed.trial(values(start + away))),)
    start, notes = start + away, [*notes, *why]
    if formula is not None:
        takes_other_ways = bool(opened.exempt or opened.of_several_sizes)
        proven = formula.rises() and not takes_other_ways
        trials = 0 if proven else _TRIALS if takes_other_ways else _FORMULA_TRIALS
        search = Search(by_formula, bound, start, low, high, trials, aside)
        answer = _answer(
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
        _TRIALS,
        aside,
    )
    return _answer(costed, search, first, values, tuple(notes), by_formula=False, proven=False)


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


def _solve_number(costed: _Costed, bound: Bound, name: str, step: Step | None) -> Answer:
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
        away, why = _nearest_working(lambda distance: costed.trial({name: present + distance}))
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

    reach = 1 << _DOUBLINGS
    start = tried.nearest(current - offset)
    if not whole:
        away, why = _nearest_working(lambda distance: costed.trial(values(start + distance)))
        start, notes = start + away, (*notes, *why)
    search = Search(
        lambda index: costed.trial(values(index)).outcome,
        bound,
        start,
        start - reach,
        start + reach,
        _TRIALS,
    )
    if step is None and isinstance(current, int) and units == 1 and search.is_cut_short:
        working = _working_values(costed, name, current)
        if working:
            try:
                return _solve_among(costed, bound, name, working, current, notes)
            except NoAnswer:
                if search.inside == search.outside:
                    raise
    return _answer(costed, search, name, values, notes, by_formula=False, proven=False)


def _solve_among(
    costed: _Costed,
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
        _TRIALS,
    )
    listed = ", ".join(map(str, working[:_LISTED])) + (", …" if len(working) > _LISTED else "")
    notes += (f"the network works with some values of {name} only, such as {listed}",)
    return _answer(costed, search, name, values, notes, by_formula=False, proven=False)


def _nearest_working(trial: Callable[[int], Trial]) -> tuple[int, tuple[str, ...]]:
    """How far from the present value is one that the network works with, and a note on it.

    An assertion that the present value fails is a common reason to ask for another.
    """
    present = trial(0)
    if isinstance(present.outcome, Refused):
        far = (1 << doublings for doublings in range(4, _DOUBLINGS))
        for distance in (*range(1, _NEARBY), *far, *range(_NEARBY, _FARTHEST_STEP)):
            for away in (-distance, distance):
                near = trial(away)
                if not isinstance(near.outcome, Refused):
                    return away, (_began(present, near),)
    return 0, ()


def _began(present: Trial, near: Trial) -> str:
    assert isinstance(present.outcome, Refused)
    return (
        f"the network refuses {assignments(present.values)}, so the search began at "
        f"{assignments(near.values)}: {present.outcome.reason}"
    )


def _working_values(costed: _Costed, name: str, current: int) -> list[int]:
    """The numbers around the present one that the network works with, where there are gaps between
    them, as between divisors of its channels; else none."""
    near = range(current - _FARTHEST_STEP, current + _FARTHEST_STEP + 1)
    divisors = (each for each in range(1, min(current, _MOST_DIVIDED) + 1) if current % each == 0)
    tried = sorted({*near, *divisors, 2 * current, 4 * current})
    working = [
        value for value in tried if not isinstance(costed.trial({name: value}).outcome, Refused)
    ]
    if current not in working:
        return []
    within = tried[tried.index(working[0]) : tried.index(working[-1]) + 1]
    return working if len(within) > len(working) else []


def _working_step(costed: _Costed, name: str, current: int) -> int:
    """The distance to the nearest other number that the network works with; 1 if none is near."""
    for distance in range(1, _FARTHEST_STEP + 1):
        for value in (current + distance, current - distance):
            if not isinstance(costed.trial({name: value}).outcome, Refused):
                return distance
    return 1


def _answer(
    costed: _Costed,
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
        if not any(_TRIED in each for each in notes):
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
