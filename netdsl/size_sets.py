"""Sets of image sizes that repeat from some size on, and the sizes that solve a question exactly.

A size inside a network is a polynomial over floor divisions of the input's sizes (`netdsl.sizes`).
In one unknown x it is quasi-polynomial: there is a period p so that f(r + p t) is a polynomial in t
for every r. So where f is 0, or at least 1, repeats from some x on, and finitely many values decide
it for all. Each set here is decided that way; what can't be is `Undecidable`, not guessed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from itertools import pairwise
from math import factorial, gcd, lcm
from typing import NamedTuple

from netdsl.sizes import Expression, Quotient, Size, Symbol, evaluate, rises, symbols

_LONGEST = 20_000
"""How many sizes a set may list: the period, and what comes before it repeats."""
_COMBINATIONS = 4_000
"""How many combinations of several sizes are looked at."""


class Undecidable(Exception):
    """A question about sizes that has no exact answer here; the text says why."""


class Together(Undecidable):
    """A question about several sizes at once."""


class SizeSet(NamedTuple):
    """A set of whole numbers from 1 on, in normal form, so that equal sets are equal tuples.

    Below `start` it has those in `below`; from there on those whose remainder by `period` is in
    `remainders`.
    """

    start: int
    period: int
    remainders: frozenset[int]
    below: frozenset[int]

    def __contains__(self, number: object) -> bool:
        if not isinstance(number, int) or number < 1:
            return False
        if number < self.start:
            return number in self.below
        return number % self.period in self.remainders

    def __and__(self, other: SizeSet) -> SizeSet:
        return _joined(self, other, lambda number: number in self and number in other)

    def __or__(self, other: SizeSet) -> SizeSet:
        return _joined(self, other, lambda number: number in self or number in other)

    def __sub__(self, other: SizeSet) -> SizeSet:
        return _joined(self, other, lambda number: number in self and number not in other)

    @property
    def is_empty(self) -> bool:
        return not self.remainders and not self.below

    def times(self, factor: int) -> SizeSet:
        """The set of `factor` times each number; raises Undecidable where it repeats too late."""
        if factor == 1:
            return self
        if factor * (self.start + self.period) > _LONGEST:
            raise Undecidable(f"it repeats only after more than {_LONGEST:,} sizes")
        return SizeSet(
            (self.start - 1) * factor + 1,
            self.period * factor,
            frozenset(each * factor for each in self.remainders),
            frozenset(each * factor for each in self.below),
        )._normal()

    def numbers(self, first: int = 1) -> Iterator[int]:
        """The numbers of the set from `first` on, rising; without end where the set has none."""
        number = first
        while self.remainders or number < self.start:
            if number in self:
                yield number
            number += 1

    def smallest(self, first: int = 1) -> int | None:
        """The smallest number of the set that is at least `first`, None where there is none."""
        return next(self.numbers(first), None)

    def _normal(self) -> SizeSet:
        period = self.period
        for smaller in range(1, period):
            if period % smaller == 0:
                folded = {each % smaller for each in self.remainders}
                if len(folded) * (period // smaller) == len(self.remainders):
                    period = smaller
                    break
        remainders = frozenset(each % period for each in self.remainders)
        start = self.start
        while start > 1 and (start - 1 in self.below) == ((start - 1) % period in remainders):
            start -= 1
        return SizeSet(start, period, remainders, frozenset(x for x in self.below if x < start))


def set_of(holds: Callable[[int], bool], start: int, period: int) -> SizeSet:
    """The numbers for which `holds`, which from `start` on repeats with `period`.

    Raises Undecidable where that is more numbers than can be looked at.
    """
    if start + period > _LONGEST:
        raise Undecidable(f"it may repeat only after more than {_LONGEST:,} sizes")
    held = [number for number in range(1, start + period) if holds(number)]
    return SizeSet(
        start,
        period,
        frozenset(each % period for each in held if each >= start),
        frozenset(each for each in held if each < start),
    )._normal()


EVERY = SizeSet(1, 1, frozenset({0}), frozenset())
NONE = SizeSet(1, 1, frozenset(), frozenset())


def zeros(size: Size) -> SizeSet:
    """Where a size in at most one unknown is 0, in units of its symbol; raises Undecidable."""
    if isinstance(size, int):
        return NONE if size else EVERY
    if rises(size):
        return at_least(size, 0) - at_least(size, 1)
    return _solve(size, _is_zero)


def at_least(size: Size, bound: int) -> SizeSet:
    """Where a size in at most one unknown is at least `bound`; raises Undecidable."""
    above = size - (bound - 1)
    if isinstance(above, int):
        return EVERY if above >= 1 else NONE
    if rises(above):
        return _from(above)
    return _solve(above, _is_positive)


def meeting(size: Size, relation: str, other: Size) -> tuple[str | None, SizeSet]:
    """The values of the one unknown for which a relation holds, with its name; None for no unknown.

    `relation` is a comparison of the language, or `%`: `size` is divisible by `other`. Raises
    Undecidable where there are several unknowns, or no exact answer.
    """
    difference = size % other if relation == "%" else size - other
    found = symbols(difference)
    if len(found) > 1:
        names = " and ".join(sorted(each.name for each in found))
        raise Together(f"it depends on {names} together")
    match relation:
        case "==" | "%":
            held = zeros(difference)
        case "!=":
            held = EVERY - zeros(difference)
        case ">=":
            held = at_least(difference, 0)
        case ">":
            held = at_least(difference, 1)
        case "<=":
            held = at_least(-difference, 0)
        case "<":
            held = at_least(-difference, 1)
        case _:
            raise Undecidable(f"`{relation}` compares no sizes")
    for unknown in found:
        return unknown.name, held.times(unknown.multiple)
    return None, held


def decided(allowed: Mapping[str, SizeSet], relation: str, left: Size, right: Size) -> bool | None:
    """Whether a relation holds for all allowed sizes, or for none; None for some, or not known."""
    try:
        name, held = meeting(left, relation, right)
        numbers = EVERY if name is None else allowed.get(name, EVERY)
        if (numbers - held).is_empty:
            return True
        return False if (numbers & held).is_empty else None
    except Undecidable:
        return None


def always_zero(size: Expression) -> bool:
    """Whether a size in several unknowns is 0 for all their values; raises Undecidable.

    On each class of remainders it is a polynomial, which is 0 if it is 0 at one more value of each
    unknown than its degree.
    """
    points: list[dict[str, int]] = [{}]
    for each in sorted(symbols(size)):
        period, degree = _repeats(size, each.name)
        reach = period * (degree + 1)
        if len(points) * reach > _COMBINATIONS:
            raise Undecidable("there are too many combinations of sizes to look at")
        points = [
            {**point, each.name: each.multiple * number}
            for point in points
            for number in range(1, reach + 1)
        ]
    return all(evaluate(size, point) == 0 for point in points)


@lru_cache(maxsize=10_000)
def _from(size: Expression) -> SizeSet:
    """Where a size that never falls is at least 1: from some number on, found by bisection."""
    (unknown,) = symbols(size)

    def value(number: int) -> int:
        return evaluate(size, {unknown.name: number * unknown.multiple})

    low, high = 0, 1  # The first number is above `low`, and at most `high`.
    while value(high) < 1:
        low, high = high, 2 * high
        if low > _LONGEST:
            raise Undecidable(f"it is less for the first {_LONGEST:,} sizes")
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if value(middle) >= 1 else (middle, high)
    return set_of(lambda number: number >= high, high, 1)


def _is_zero(value: int) -> bool:
    return value == 0


def _is_positive(value: int) -> bool:
    return value >= 1


@lru_cache(maxsize=10_000)
def _solve(size: Expression, holds: Callable[[int], bool]) -> SizeSet:
    (unknown,) = symbols(size)

    def value(number: int) -> int:
        return evaluate(size, {unknown.name: number * unknown.multiple})

    period, degree = _repeats(size, unknown.name)
    if period * (degree + 1) > _LONGEST:
        raise Undecidable(f"it repeats only after {period:,} sizes")
    start = 1
    for first in range(1, period + 1):
        row = [value(first + period * step) for step in range(degree + 1)]
        start = max(start, first + period * _settled(row, _LONGEST // period))
    return set_of(lambda number: holds(value(number)), start, period)


def _settled(row: list[int], most: int) -> int:
    """From which step on a polynomial keeps its sign, of which `row` are the first values.

    Raises Undecidable where that is after `most` steps.
    """
    differences = []  # At step 0: the value, its rise, the rise of the rise, …
    while row:
        differences.append(row[0])
        row = [after - before for before, after in pairwise(row)]
    step = 0
    while any(differences[1:]):
        # All of one sign: from here on it only moves away from 0.
        if differences[0] and (min(differences) >= 0 or max(differences) <= 0):
            break
        differences = [
            this + following
            for this, following in zip(differences, [*differences[1:], 0], strict=True)
        ]
        step += 1
        if step > most:
            raise Undecidable(f"it may change beyond {_LONGEST:,} sizes")
    return step


def _repeats(size: Size, name: str) -> tuple[int, int]:
    """The period and the degree of a quasi-polynomial in the unknown `name`."""
    period, degree = 1, 0
    for term, _ in size.terms if isinstance(size, Expression) else ():
        whole = 0
        for atom, power in term:
            inner_period, inner_degree = _atom_repeats(atom, name)
            period = lcm(period, inner_period)
            whole += inner_degree * power
        degree = max(degree, whole)
    return period, degree


def _atom_repeats(atom: Symbol | Quotient, name: str) -> tuple[int, int]:
    if isinstance(atom, Symbol):
        return (1, 1) if atom.name == name else (1, 0)
    if isinstance(atom.denominator, Expression):
        raise Undecidable(f"a size is divided by another one, {atom.denominator}")
    period, degree = _repeats(atom.numerator, name)
    if degree == 0:
        return 1, 0
    divisor = atom.denominator
    unknowns = symbols(atom.numerator)
    if degree == 1 and len(unknowns) == 1:
        (unknown,) = unknowns
        first = evaluate(atom.numerator, {name: unknown.multiple})
        later = evaluate(atom.numerator, {name: unknown.multiple * (1 + period)})
        return period * (divisor // gcd(later - first, divisor)), 1
    # A whole-valued polynomial of degree d, modulo n, repeats after n d! steps or sooner.
    return period * divisor * factorial(degree), degree


def _joined(one: SizeSet, other: SizeSet, holds: Callable[[int], bool]) -> SizeSet:
    return set_of(holds, max(one.start, other.start), lcm(one.period, other.period))
