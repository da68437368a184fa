"""Roll steps that follow each other alike, with numbers in their keys that count up, into loops."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from netdsl.lift.steps import (
    Layer,
    Loop,
    Merge,
    Residual,
    Step,
    Steps,
    Text,
    holders,
    layers,
    with_bodies,
)
from netdsl.lift.traced import Path

LONGEST_PASS = 8
"""Steps in a pass at most."""
MOST_VARYING = 2
"""Arguments that may differ from pass to pass otherwise than in the first one."""
MOST_CELLS = 12
"""Values in the table that a loop goes through; longer ones read better apart."""

Show = Callable[[str, str, object], str]
"""Writes an argument: from the layer's word, the argument's name and its value."""


def roll(steps: Steps, show: Show, taken: frozenset[str]) -> Steps:
    """The steps with loops, also in branches and bodies; `taken` names can't be variables."""
    inner = tuple(with_bodies(step, lambda body: roll(body, show, taken)) for step in steps)
    # What lies under one prefix belongs together, whatever else would repeat.
    for rules in _ROUNDS:
        inner = _rolled(inner, show, taken, rules)
    return inner


class _Rules(NamedTuple):
    """Which loops a round makes.

    `labelled`: of single layers that are all that lies under one prefix; `longest`: steps in a
    pass; `tables`: whether arguments may differ in later passes.
    """

    labelled: bool
    longest: int
    tables: bool


_ROUNDS = (
    _Rules(True, 1, True),
    _Rules(True, LONGEST_PASS, True),
    _Rules(False, 1, False),
    _Rules(False, LONGEST_PASS, False),
    _Rules(False, 1, True),
    _Rules(False, LONGEST_PASS, True),
)


def _rolled(steps: Steps, show: Show, taken: frozenset[str], rules: _Rules) -> Steps:
    made: list[Step] = []
    position = 0
    while position < len(steps):
        found = _longest(steps, position, show, taken, rules)
        if found is None:
            made.append(steps[position])
            position += 1
        else:
            loop, length = found
            made.append(loop)
            position += length
    return tuple(made)


def _longest(
    steps: Steps, start: int, show: Show, taken: frozenset[str], rules: _Rules
) -> tuple[Loop, int] | None:
    """The loop that covers most of the steps from `start` on, and how many those are."""
    best: tuple[Loop, int] | None = None
    for length in range(1, rules.longest + 1):
        passes = [steps[start : start + length]]
        position = start + length
        if len(passes[0]) < length or not holders(passes[0]):
            continue
        while position + length <= len(steps):
            following = steps[position : position + length]
            if not _Pass(len(passes)).alike(passes[0], following):
                break
            passes.append(following)
            position += length
        while len(passes) > 1:
            loop = _loop(passes, show, taken, rules)
            if loop is not None:
                covered = len(passes) * length
                if best is None or covered > best[1]:
                    best = loop, covered
                break
            passes.pop()
    return best


class _Pass:
    """Compares the first pass of a loop with a later one, of the given number."""

    def __init__(self, number: int) -> None:
        self.number = number

    def alike(self, first: Steps, other: Steps) -> bool:
        return len(first) == len(other) and all(
            type(a) is type(b) and self.step(a, b) for a, b in zip(first, other, strict=True)
        )

    def step(self, a: Step, b: Step) -> bool:
        match a, b:
            case Layer(), Layer():
                if a.word != b.word or not self.counts_up(a.key, b.key):
                    return False
                return [name for name, _ in a.arguments] == [name for name, _ in b.arguments]
            case Residual(), Residual():
                same = (a.condition, a.shortcut_condition) == (b.condition, b.shortcut_condition)
                same = same and (a.shortcut is None) == (b.shortcut is None)
                return (
                    same
                    and self.alike(a.body, b.body)
                    and self.alike(a.shortcut or (), b.shortcut or ())
                )
            case Merge(), Merge():
                return (
                    a.word == b.word
                    and len(a.branches) == len(b.branches)
                    and all(map(self.alike, a.branches, b.branches))
                )
        return False

    def counts_up(self, a: Path, b: Path) -> bool:
        if len(a) != len(b) or (a == b and a):
            return False
        differing = [(x, y) for x, y in zip(a, b, strict=True) if x != y]
        if len(differing) > 1:
            return False
        for mine, theirs in differing:
            stem, first = _split(mine)
            other, number = _split(theirs)
            if stem != other or first is None or number != first + self.number:
                return False
        return True


def _split(part: str) -> tuple[str, int | None]:
    found = re.fullmatch(r"(.*?)(0|[1-9][0-9]*)", part)
    return (found[1], int(found[2])) if found else (part, None)


def _loop(passes: list[Steps], show: Show, taken: frozenset[str], rules: _Rules) -> Loop | None:
    first = passes[0]
    label = _labels_itself(passes) if rules.labelled else ()
    if rules.labelled and not label:
        return None
    if not label and (len(passes) < 3 and len(first) < 3):
        return None
    if not label and any(_split(part)[0] == "" for part in _first_parts(passes)):
        return None  # A line can't begin with a template.
    rows = [_arguments(each) for each in passes]
    columns = list(zip(*rows, strict=True))
    index = next(each for each in _INDICES if each not in taken)
    texts: list[Text | None] = []
    varying: list[tuple[str, list[str]]] = []
    counts = False
    for column in columns:
        values = [value for _, _, value in column]
        if all(value == values[0] and type(value) is type(values[0]) for value in values):
            texts.append(None)
            continue
        if any(isinstance(value, Text) for value in values):
            return None
        shown = [show(*each) for each in column]
        if not all(_NUMBER.fullmatch(each) for each in shown):
            return None  # A table of windows reads worse than the lines.
        width = any(type(value) is int for value in values)
        if len(set(shown[1:])) == 1 and not width and (label or len(passes) > 2):
            texts.append(Text(f"{shown[0]} if {index} == 0 else {shown[1]}"))
            counts = True
            continue
        same = next((name for name, others in varying if others == shown), None)
        if same is None:
            name = column[0][1]
            known = taken | {each for each, _ in varying}
            same = next(
                each for each in (name, *(f"{name}{n}" for n in range(2, 99))) if each not in known
            )
            varying.append((same, shown))
        texts.append(Text(same))
    if varying and not rules.tables:
        return None
    cells = len(varying) * len(passes)
    if varying and (len(varying) > MOST_VARYING or cells > MOST_CELLS or len(passes) < 3):
        return None
    body = _with(first, iter(texts), lambda key: key if label else _template(key, passes, index))
    counts = counts or not label
    head = _head(len(passes), varying, index if counts else "")
    if label:
        body = tuple(
            step._replace(key=("0",)) if isinstance(step, Layer) and step.holds else step
            for step in body
        )
    return Loop(head, body, label)


_INDICES = ("i", "j", "k", "n", *(f"i{number}" for number in range(100)))
_NUMBER = re.compile(r"-?[0-9.]+(e-?[0-9]+)?")


def _head(count: int, varying: list[tuple[str, list[str]]], index: str) -> str:
    """What stands before the braces; `index` is the number of the pass, "" where unneeded."""
    if not varying:
        return f"repeat {count} as {index}" if index else f"repeat {count}"
    names = ", ".join(name for name, _ in varying)
    rows = [", ".join(row) for row in zip(*(shown for _, shown in varying), strict=True)]
    if len(varying) > 1:
        names = f"({names})"
        rows = [f"({row})" for row in rows]
    listed = f"[{', '.join(rows)}]"
    if index:
        return f"for ({index}, {names}) in enumerate({listed})"
    return f"for {names} in {listed}"


def _labels_itself(passes: list[Steps]) -> Path:
    """The label of a loop whose passes are each one layer, numbered from 0; () for others."""
    prefix: Path = ()
    for number, each in enumerate(passes):
        held = [step for step in each if isinstance(step, Layer) and step.holds]
        if len(held) != 1 or any(not isinstance(step, Layer) for step in each):
            return ()
        key = held[0].key
        if len(key) < 2 or key[-1] != str(number) or (prefix and key[:-1] != prefix):
            return ()
        prefix = key[:-1]
    return prefix


def _first_parts(passes: list[Steps]) -> list[str]:
    """The first parts of those keys in which they differ."""
    parts: list[str] = []
    for a, b in zip(holders(passes[0]), holders(passes[1]), strict=True):
        if a.key[0] != b.key[0]:
            parts.append(a.key[0])
    return parts


def _template(key: Path, passes: list[Steps], index: str) -> Path:
    place = [layer.key for layer in holders(passes[0])].index(key)
    other = holders(passes[1])[place].key
    made: list[str] = []
    for mine, theirs in zip(key, other, strict=True):
        stem, number = _split(mine)
        if mine == theirs:
            made.append(mine)
        else:
            made.append(f"{stem}{{{index}}}" if number == 0 else f"{stem}{{{index} + {number}}}")
    return tuple(made)


def _arguments(steps: Steps) -> list[tuple[str, str, object]]:
    """Each argument with its layer's word and its name."""
    return [(layer.word, name, value) for layer in layers(steps) for name, value in layer.arguments]


def _with(steps: Steps, texts: Iterator[Text | None], key_of: Callable[[Path], Path]) -> Steps:
    """The steps with each argument that has a text as that, and other keys."""
    made: list[Step] = []
    for step in steps:
        if isinstance(step, Layer):
            given = []
            for name, value in step.arguments:
                text = next(texts)
                given.append((name, value if text is None else text))
            step = step._replace(arguments=tuple(given), key=key_of(step.key) if step.key else ())
        made.append(with_bodies(step, lambda body: _with(body, texts, key_of)))
    return tuple(made)
