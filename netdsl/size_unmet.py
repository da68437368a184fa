"""What layers need of one size that the input does not promise: one error for each cause."""

from __future__ import annotations

from collections.abc import Sequence
from math import gcd
from typing import NamedTuple

from netdsl.diagnostics import Diagnostic
from netdsl.graph import Node
from netdsl.ops.base import Requirement
from netdsl.size_errors import refutation
from netdsl.size_sets import SizeSet
from netdsl.size_words import in_words
from netdsl.source import Span

_NOTES = 4
"""How many further needs are told one by one."""


class Unmet(NamedTuple):
    """That a layer's need holds only where the size `names`, or each of these, is `held`.

    That is empty where nothing that the input allows would do. `values` are a counterexample.
    """

    node: Node
    need: Requirement
    names: tuple[str, ...]
    held: SizeSet
    values: dict[str, int]

    @property
    def condition(self) -> str:
        if self.held.is_empty:
            return f"{self.need.subject} for no {self.names[0]}"
        return f"{self.need.subject} only when {in_words(self.held, *self.names)}"

    @property
    def span(self) -> Span:
        return place_of(self.node, self.need)


def place_of(node: Node, need: Requirement) -> Span:
    """The argument that is at fault, or the layer."""
    return node.origin.arguments.get(need.argument, node.origin.span)


def gathered(place: Sequence[Unmet]) -> tuple[Unmet, ...]:
    """What is unmet at one place: all that is said of one axis together, and of both where they
    need the same."""
    axes: dict[tuple[str, tuple[str, ...]], Unmet] = {}
    for each in place:
        key = each.need.subject, each.names
        before = axes.setdefault(key, each)
        if not (before.held & each.held).is_empty:
            axes[key] = before._replace(held=before.held & each.held)
    found: list[Unmet] = []
    for each in axes.values():
        for position, before in enumerate(found):
            subject = _of_both(before.need.subject, each.need.subject)
            if subject and before.held == each.held:
                names = tuple(dict.fromkeys((*before.names, *each.names)))
                need = before.need._replace(subject=subject)
                found[position] = before._replace(need=need, names=names)
                break
        else:
            found.append(each)
    return tuple(found)


def _of_both(height: str, width: str) -> str:
    """What is said of heights and of widths in one; "" where it is not the same."""
    for one, other in (("heights", "widths"), ("height", "width")):
        if one in height and height.replace(one, other) == width:
            return height.replace(one, f"{one} and {other}")
    return ""


def by_cause(places: Sequence[tuple[Unmet, ...]]) -> list[tuple[Unmet, ...]]:
    """What is unmet, what has one cause together: the place that needs the most first, or else the
    one that comes first.

    One cause is taken for what fails in the same way for the same sizes, periods being related: a
    U-Net joins on each level what its deepest one has made too small.
    """
    causes: list[list[tuple[Unmet, ...]]] = []
    for place in places:
        cause = next((each for each in causes if _are_related(each[0][0], place[0])), None)
        if cause is None:
            causes.append([place])
        elif _is_stronger(place[0], cause[0][0]):
            cause.insert(0, place)
        else:
            cause.append(place)
    return [tuple(each for place in cause for each in place) for cause in causes]


def _are_related(one: Unmet, other: Unmet) -> bool:
    if one.need.code != other.need.code or not {*one.names} & {*other.names}:
        return False
    if one.held.is_empty or other.held.is_empty:
        return False
    contained = (one.held - other.held).is_empty or (other.held - one.held).is_empty
    return contained or gcd(one.held.period, other.held.period) > 1


def _is_stronger(one: Unmet, other: Unmet) -> bool:
    """Whether all that does for the one does for the other, but not the reverse."""
    return (one.held - other.held).is_empty and one.held != other.held


def refuted_alone(cause: Sequence[Unmet], inputs: tuple[Node, ...]) -> Diagnostic:
    """The mistake of the first need, whose layer takes `inputs`, with notes on the others."""
    first, *others = cause
    need, values = first.need, first.values
    diagnostic = refutation(first.node, inputs, need, first.condition, values, first.names[:1])
    told: dict[str, dict[Span, None]] = {}
    for each in others:
        told.setdefault(each.condition, {})[each.span] = None
    notes = []
    for condition, spans in told.items():
        if condition == first.condition:
            notes.append(f"the same happens {_lines(first, list(spans))}")
        elif list(spans) == [first.span]:
            notes.append(condition)
        else:
            notes.append(f"{_lines(first, list(spans))}, {condition}")
    if len(notes) > _NOTES:
        notes[_NOTES - 1 :] = [f"{len(notes) - _NOTES + 1} other layers need something of it, too"]
    return diagnostic._replace(notes=(*diagnostic.notes, *notes))


def _lines(first: Unmet, spans: Sequence[Span]) -> str:
    """Where something happens again: "in lines 15, 16 and 17"."""
    places: dict[str, list[str]] = {}
    for span in spans:
        file = "" if span.source is first.span.source else f" of {span.source.name}"
        lines = places.setdefault(file, [])
        if str(span.line) not in lines:
            lines.append(str(span.line))
    texts = []
    for file, lines in places.items():
        *before, last = lines
        texts.append(
            f"lines {', '.join(before)} and {last}{file}" if before else f"line {last}{file}"
        )
    return "in " + " and in ".join(texts)
