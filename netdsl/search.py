"""Find where a bound begins or ceases to hold, for a measure that mostly rises or mostly falls."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple, TypeAlias

from netdsl.size_sets import SizeSet

_NEAR = 4
"""How far around an answer, at least, further values are tried."""


_ASIDE = 8
"""How far a value is looked for that can stand for one which is to be left aside."""


class Bound(NamedTuple):
    measure: str
    operator: str
    limit: int | float
    text: str

    def holds(self, value: int) -> bool:
        match self.operator:
            case "<=":
                return value <= self.limit
            case "<":
                return value < self.limit
            case ">=":
                return value >= self.limit
            case _:
                return value > self.limit


class Refused(NamedTuple):
    """A value that the network does not work with, and why."""

    reason: str


Outcome: TypeAlias = "int | Refused"


class Line:
    """The numbers of a set by their index: 0 is the smallest, and so on.

    So that a search sees where the set ends, there are numbers before the first and, behind a set
    that has an end, after the last, `stride` apart.
    """

    def __init__(self, numbers: SizeSet, stride: int) -> None:
        self.period = numbers.period
        self.stride = stride
        self.below = sorted(numbers.below)
        start = numbers.start
        self.repeated = sorted(start + (each - start) % self.period for each in numbers.remainders)

    def number(self, index: int) -> int:
        if index < 0:
            return self.number(0) + index * self.stride
        if index < len(self.below):
            return self.below[index]
        if not self.repeated:
            return self.below[-1] + (index - len(self.below) + 1) * self.stride
        rounds, position = divmod(index - len(self.below), len(self.repeated))
        return self.repeated[position] + rounds * self.period

    def last_until(self, number: int) -> int:
        """The index of the largest number up to `number`."""
        first = self.number(0)
        if number < first:
            return (number - first) // self.stride
        if not self.repeated and number > self.below[-1]:
            return len(self.below) - 1 + (number - self.below[-1]) // self.stride
        if not self.repeated or number < self.repeated[0]:
            return bisect_right(self.below, number) - 1
        rounds, remainder = divmod(number - self.repeated[0], self.period)
        position = bisect_right(self.repeated, self.repeated[0] + remainder) - 1
        return len(self.below) + rounds * len(self.repeated) + position

    def nearest(self, number: int) -> int:
        """The index of the nearest number of the set."""
        index = max(self.last_until(number), 0)
        if not self.repeated and index >= len(self.below) - 1:
            return len(self.below) - 1
        nearer = self.number(index + 1) - number < abs(number - self.number(index))
        return index + 1 if nearer else index


class Search:
    """Where, on a line of whole numbers, a bound begins or ceases to hold: `inside` still meets it,
    `outside`, its neighbour, no longer does. None of both where it never changes.

    Values that the network refuses don't meet it. From `start` the search goes, in doubling steps,
    where the bound should change if the measure rises, unless that is seen to be the wrong way.
    Values for which `aside` are exceptions, which say little about their neighbours.
    """

    def __init__(
        self,
        measure: Callable[[int], Outcome],
        bound: Bound,
        start: int,
        low: int,
        high: int,
        trials: int,
        aside: Callable[[int], bool] = lambda index: False,
    ) -> None:
        self.measure = measure
        self.bound = bound
        self.low = low
        self.high = high
        self.aside = aside
        self.start = start = self._regular(start, low, high)
        self.known: dict[int, Outcome] = {}
        self.inside = self.outside = start
        upward = bound.operator.startswith("<") == self.meets(start)
        found = None
        for direction in (1, -1) if upward else (-1, 1):
            crossing = self._walk(direction)
            # A refusal is the last resort: the bound itself may change the other way.
            if crossing is not None and (found is None or not self._refused(crossing)):
                found = crossing
                if not self._refused(crossing):
                    break
        if found is not None and (len(self.seen()) > 1 or not self.meets(start)):
            self._bisect(*found)
            self._look_around(trials)

    @property
    def is_cut_short(self) -> bool:
        """Whether values that the network refuses ended the search before the bound changed."""
        refused = any(isinstance(value, Refused) for value in self.known.values())
        crosses = self.inside != self.outside
        return refused and not (crosses and not self._refused((self.inside, self.outside)))

    def outcome(self, index: int) -> Outcome:
        if index not in self.known:
            self.known[index] = self.measure(index)
        return self.known[index]

    def meets(self, index: int) -> bool:
        value = self.outcome(index)
        return isinstance(value, int) and self.bound.holds(value)

    def seen(self) -> set[int]:
        """The different values of the measure so far."""
        return {value for value in self.known.values() if isinstance(value, int)}

    def backward_pair(self) -> tuple[int, int] | None:
        """Two neighbours among what was tried between which the measure turns back."""
        line = [(i, value) for i, value in sorted(self.known.items()) if isinstance(value, int)]
        rising = line[-1][1] >= line[0][1]
        for (a, before), (b, after) in pairwise(line):
            if before != after and (after > before) != rising:
                return a, b
        return None

    def _regular(self, index: int, low: int, high: int) -> int:
        """The nearest index that is not to be left aside; the same where none is near."""
        for distance in range(_ASIDE + 1):
            for near in (index - distance, index + distance):
                if low <= near <= high and not self.aside(near):
                    return near
        return index

    def _refused(self, crossing: tuple[int, int]) -> bool:
        return any(isinstance(self.outcome(index), Refused) for index in crossing)

    def _walk(self, direction: int) -> tuple[int, int] | None:
        """Two indices between which the bound changes, the first of them nearer to the start."""
        met, before = self.meets(self.start), self.outcome(self.start)
        # To change, the measure has to grow where it is small enough, or too small.
        growing = self.bound.operator.startswith("<") == met
        previous, reach = self.start, 1
        while True:
            index = min(max(self.start + direction * reach, self.low), self.high)
            if index == previous:
                return None
            end = self.high if direction > 0 else self.low
            index = self._regular(index, min(index, end), max(index, end))
            value = self.outcome(index)
            if self.meets(index) != met:
                return previous, index
            if isinstance(value, Refused):
                return self._before_refusal(previous, index)
            if isinstance(before, int) and value != before and (value > before) != growing:
                return None
            previous, reach = index, 2 * abs(index - self.start)

    def _before_refusal(self, last: int, refused: int) -> tuple[int, int] | None:
        """Of the values up to the first refused one, the crossing where they meet the bound."""
        while abs(refused - last) > 1:
            middle = (last + refused) // 2
            if self.meets(middle):
                return last, middle
            if isinstance(self.outcome(middle), Refused):
                refused = middle
            else:
                last = middle
        return None

    def _bisect(self, first: int, second: int) -> None:
        met = self.meets(first)
        while abs(second - first) > 1:
            middle = (first + second) // 2
            middle = self._regular(middle, min(first, second) + 1, max(first, second) - 1)
            if self.meets(middle) == met:
                first = middle
            else:
                second = middle
        self.inside, self.outside = (first, second) if met else (second, first)

    def _look_around(self, trials: int) -> None:
        """Try further values; where the bound is met beyond where it ceased to be, go on there."""
        reach = max(abs(self.inside - self.start), _NEAR)
        for trial in range(trials):
            index = self.inside - reach + (2 * reach * trial + reach) // trials
            if self.low <= index <= self.high:
                self.outcome(index)
        direction = self.outside - self.inside
        for _ in range(trials):
            line = sorted(self.known, reverse=direction < 0)
            last = max(position for position, index in enumerate(line) if self.meets(index))
            if line[last] == self.inside:
                return
            if last + 1 < len(line):
                self._bisect(line[last], line[last + 1])
            else:
                further = min(max(line[last] + direction * reach, self.low), self.high)
                if further == line[last]:
                    return
                self.outcome(further)
