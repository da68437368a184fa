"""Sets of sizes in words, and as conditions of the language."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from netdsl.size_sets import EVERY, NONE, SizeSet, set_of

_FEW = 8
"""How many numbers a text lists."""

_LONGEST_PERIOD = 64
"""Of a long list that is written as what it repeats."""


def in_words(numbers: SizeSet, *names: str) -> str:
    """The set as a condition on a size, or on several alike: "H is even", "H and W are even"."""
    subject = _enumerated(names, "and")
    clauses = _clauses(numbers, several=len(names) > 1)
    return f"{subject} {'are' if len(names) > 1 else 'is'} {clauses}"


def as_condition(numbers: SizeSet, name: str) -> str:
    """The set as a condition of the language, `H % 2 == 0 and H >= 64`; "" for all numbers."""
    if numbers == EVERY:
        return ""
    if not numbers.remainders:
        return _listed_condition(sorted(numbers.below), name)
    bound, few = _beginning(numbers)
    parts = [f"{name} >= {bound}"] if bound is not None else []
    parts += _remainder_condition(numbers, name)
    condition = " and ".join(parts)
    return f"({_listed_condition(few, name)} or {condition})" if few else condition


def region_in_words(region: Mapping[str, SizeSet]) -> str:
    """Sets of several sizes: "H and W are at least 63", "H is even and W is any size"."""
    names: dict[SizeSet, list[str]] = {}
    for name, held in region.items():
        names.setdefault(held, []).append(name)
    return " and ".join(in_words(held, *alike) for held, alike in names.items())


def _clauses(numbers: SizeSet, *, several: bool) -> str:
    if numbers == EVERY:
        return "any size"
    if numbers == NONE:
        return "no size at all"
    if not numbers.remainders:
        return _listed(sorted(numbers.below), several=several)
    bound, few = _beginning(numbers)
    clauses = [f"at least {bound}"] if bound is not None else []
    if numbers.period > 1:
        clauses.append(_remainders(numbers, several=several))
    clause = " and ".join(clauses)
    return f"{_listed(few, several=several)}, or {clause}" if few else clause


def _beginning(numbers: SizeSet) -> tuple[int | None, list[int]]:
    """From where on the remainders alone tell the set, None for 1; and its numbers before that."""
    plain = numbers._replace(start=1, below=frozenset())
    least = numbers.smallest()
    assert least is not None
    if set_of(lambda each: each >= least and each in plain, least, numbers.period) == numbers:
        return (None if plain.smallest() == least else least), []
    return numbers.smallest(numbers.start), sorted(numbers.below)


def _listed(held: list[int], *, several: bool) -> str:
    if len(held) > 2 and len(held) == held[-1] - held[0] + 1:
        return f"{held[0]} to {held[-1]}"
    repeating = _repeating(held)
    if repeating is not None:
        return f"{_remainders(repeating, several=several)}, from {held[0]} to {held[-1]}"
    if len(held) > _FEW:
        return f"{', '.join(map(str, held[:3]))} or {len(held) - 3} others up to {held[-1]}"
    return _enumerated(map(str, held), "or")


def _repeating(held: list[int]) -> SizeSet | None:
    """The remainders that tell a long list between its ends; None for a short one, or no such."""
    if len(held) <= _FEW:
        return None
    first, last = held[0], held[-1]
    for period in range(2, min(_LONGEST_PERIOD, (last - first) // 2) + 1):
        remainders = frozenset(each % period for each in held)
        if held == [each for each in range(first, last + 1) if each % period in remainders]:
            return SizeSet(1, period, remainders, frozenset())
    return None


def _listed_condition(held: list[int], name: str) -> str:
    if not held:
        return "false"
    first, last = held[0], held[-1]
    if len(held) == 1:
        return f"{name} == {first}"
    if len(held) == last - first + 1:
        return f"{name} <= {last}" if first == 1 else f"{name} >= {first} and {name} <= {last}"
    repeating = _repeating(held)
    if repeating is None:
        return f"{name} in [{', '.join(map(str, held))}]"
    least = [f"{name} >= {first}"] if repeating.smallest() != first else []
    return " and ".join([*least, f"{name} <= {last}", *_remainder_condition(repeating, name)])


def _remainders(numbers: SizeSet, *, several: bool) -> str:
    period = numbers.period
    held = sorted(numbers.remainders)
    missing = [each for each in range(period) if each not in numbers.remainders]
    if period == 2:
        return "odd" if held == [1] else "even"
    if held == [0]:
        return f"multiples of {period}" if several else f"a multiple of {period}"
    if missing == [0]:
        return f"no multiples of {period}" if several else f"no multiple of {period}"
    multiple = f"multiples of {period}" if several else f"a multiple of {period}"
    if len(missing) == 1:
        return f"not {missing[0]} more than {multiple}"
    if len(held) > _FEW:
        shown = ", ".join(map(str, held[:3]))
        return f"{shown} or {len(held) - 3} other numbers more than {multiple}"
    return f"{_enumerated(map(str, held), 'or')} more than {multiple}"


def _remainder_condition(numbers: SizeSet, name: str) -> list[str]:
    period = numbers.period
    held = sorted(numbers.remainders)
    missing = [each for each in range(period) if each not in numbers.remainders]
    if period == 1:
        return []
    if len(held) == 1:
        return [f"{name} % {period} == {held[0]}"]
    if len(missing) == 1:
        return [f"{name} % {period} != {missing[0]}"]
    if len(held) == held[-1] - held[0] + 1:
        low = [f"{name} % {period} >= {held[0]}"] if held[0] else []
        high = [f"{name} % {period} <= {held[-1]}"] if held[-1] < period - 1 else []
        return low + high
    if len(missing) < len(held):
        return [f"{name} % {period} not in [{', '.join(map(str, missing))}]"]
    return [f"{name} % {period} in [{', '.join(map(str, held))}]"]


def _enumerated(words: Iterable[str], joint: str) -> str:
    *most, last = words
    return f"{', '.join(most)} {joint} {last}" if most else last
