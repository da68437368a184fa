"""Decide for every size of the input whether a network works: proved, refuted, or not known.

The network is elaborated once with its sizes as unknowns. What it needs of them are statements on
closed forms: every size is at least 1, merged sizes agree, windows tile the image. Each is decided
exactly (`netdsl.size_sets`), so that the answer holds beyond any size that could be tried; what
can't be decided is said, never assumed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping
from itertools import islice, product
from math import prod
from types import MappingProxyType
from typing import NamedTuple

from netdsl import syntax
from netdsl.diagnostics import Diagnostic
from netdsl.elaborate import Elaboration
from netdsl.graph import Graph, Node
from netdsl.ops.base import Requirement
from netdsl.scope import Scope
from netdsl.size_bounds import Fitted, Region, fitted, least
from netdsl.size_conditions import (
    allowed_sizes,
    are_together,
    as_written,
    equal_region,
    holds,
    tied_sizes,
)
from netdsl.size_errors import nothing_allowed, nothing_left, refutation, suggesting
from netdsl.size_sets import EVERY, SizeSet, Undecidable, always_zero, meeting
from netdsl.size_words import as_condition, in_words
from netdsl.sizes import (
    Expression,
    Size,
    Symbol,
    UndecidedSize,
    UnwieldySize,
    evaluate,
    symbols,
)
from netdsl.source import Span
from netdsl.tensor import TensorType

_RELATIONS = {"equal": "==", "divisible": "%", "at least": ">="}
_TRIED = 48
"""How many values of each of several sizes are tried when looking for a counterexample."""

_SECONDS = 0.5
"""Of processor time. The networks that netdsl ships take 0.01 s at most."""


class Question(NamedTuple):
    """Something that is not known for all sizes, and why."""

    text: str
    span: Span


class Exempt(NamedTuple):
    """Sizes of which nothing is said: the comparison at `span` goes the other way for them."""

    region: Region
    span: Span


class EverySize(NamedTuple):
    """For which sizes of its input a network works.

    `defaults` are what the sizes are unless they are set. `allowed` are those that the input's
    `where` lets in, `valid` those of them for which the network is proved to work, but for the
    `exempt`. With `questions`, it works for `valid` at most. `together` are conditions that neither
    takes in, since they are about several sizes at once.
    """

    defaults: Mapping[str, int]
    allowed: Region
    valid: Region
    questions: tuple[Question, ...] = ()
    exempt: tuple[Exempt, ...] = ()
    fitted: tuple[Fitted, ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()
    together: tuple[str, ...] = ()
    images: tuple[TensorType, ...] = ()
    """The sizes that the image has on its way, in closed form, channels left out."""
    tied: Mapping[str, Size] = {}
    """The further sizes of the input that follow from these: W, where it is to be 2 H."""
    ties: tuple[str, ...] = ()
    """The conditions that say so."""
    is_tried: bool = False
    """Whether the network was tried with the least sizes, and works."""

    @property
    def looked_at(self) -> tuple[Region, bool]:
        """The valid sizes without the exempt ones, and whether some of those are still in it,
        since they are about several sizes at once."""
        region = dict(self.valid)
        is_left = False
        for exempt, _ in self.exempt:
            try:
                (name,) = exempt
                region[name] -= exempt[name]
            except (ValueError, Undecidable):
                is_left = True
        return region, is_left

    @property
    def least(self) -> dict[str, int] | None:
        """The smallest of the sizes for which the network may work; None for none, or not known."""
        region, _ = self.looked_at
        found = {name: each.smallest() for name, each in region.items()}
        for exempt, _ in self.exempt:
            if all(found[name] in each for name, each in exempt.items()):
                # The nearest way out of the region: beyond it in one of its sizes.
                name = min(exempt)
                found[name] = next(
                    (n for n in region[name].numbers() if n not in exempt[name]), None
                )
        sizes = {name: size for name, size in found.items() if size is not None}
        return self.with_tied(sizes) if len(sizes) == len(found) and not self.together else None

    @property
    def smallest(self) -> dict[str, int] | None:
        """The smallest sizes that are known to work; None where there are none, or for a doubt."""
        return None if self.questions and not self.is_tried else self.least

    def with_tied(self, values: Mapping[str, int]) -> dict[str, int]:
        """Sizes, and those that follow from them."""
        return {**values, **_following(self.tied, values)}


def decide(elaboration: Elaboration, defaults: Mapping[str, int]) -> EverySize | None:
    """The verdict on a network that was elaborated with open sizes; None where it has none.

    `defaults` are the values of the sizes that have one.
    """
    graph = elaboration.graph
    if graph is None:
        return None
    unknowns = {each.name: each for size in graph.nodes[0].type.shape for each in symbols(size)}
    if not unknowns:
        return None
    defaults = {name: defaults[name] for name in unknowns if name in defaults}
    return _Decision(graph, unknowns, defaults, elaboration).verdict()


class _Decision:
    def __init__(
        self,
        graph: Graph,
        unknowns: Mapping[str, Symbol],
        defaults: Mapping[str, int],
        elaboration: Elaboration,
    ) -> None:
        self.graph = graph
        self.unknowns = unknowns
        self.defaults = defaults
        self.elaboration = elaboration
        self.allowed: dict[str, SizeSet] = {}
        self.large: dict[str, SizeSet] = {}
        """The allowed sizes for which something is left of the image everywhere."""
        self.needed = dict.fromkeys(unknowns, EVERY)
        """What layers need besides."""
        self.end_s = time.process_time() + _SECONDS
        self.questions: dict[str, Question] = {}
        self.diagnostics: dict[tuple[str, Span], Diagnostic] = {}
        self.conditions = tuple(each.expression for each in elaboration.conditions)
        self.impossible: tuple[Diagnostic, ...] = ()
        """Why the network works for no size at all."""
        self.together: list[tuple[syntax.Expression, Scope]] = []
        """Conditions on several sizes together, or on more than sizes."""
        self.tied, self.ties = tied_sizes(elaboration.conditions, unknowns)

    def verdict(self) -> EverySize:
        self.read_conditions()
        if not self.impossible:
            self.leave_something()
        needs = [] if self.impossible else list(self.requirements())
        for several in (False, True):
            for node, need in needs:
                if self.is_late(node):
                    break
                if (len(_unknowns_of(need)) > 1) == several:
                    (self.need_together if several else self.need)(node, need)
        input = self.graph.nodes[0].origin.span
        valid = dict(self.large)
        for name, held in self.needed.items():
            try:
                valid[name] &= held
            except Undecidable as why:
                self.ask(f"for which {name} all of this holds: {why}", input)
        exempt = tuple(self.exempt())
        return EverySize(
            self.defaults,
            self.allowed,
            valid,
            tuple(self.questions.values()),
            exempt,
            tuple(self.fitted(valid)),
            self.impossible
            + suggesting(
                tuple(self.diagnostics.values()),
                self.clause() if self.diagnostics else "",
                input,
                self.conditions,
            ),
            tuple(dict.fromkeys(each.span.text for each, _ in self.together)),
            tuple(dict.fromkeys(self.images())),
            self.tied,
            self.ties,
        )

    def is_late(self, node: Node) -> bool:
        """Whether the time is up; then what follows is a question."""
        late = time.process_time() > self.end_s
        if late:
            self.ask("what would take longer to decide, from here on", node.origin.span)
        return late

    def ask(self, text: str, span: Span) -> None:
        self.questions.setdefault(text, Question(text, span))

    def read_conditions(self) -> None:
        """Take in what `where` demands, and assertions about sizes."""
        allowed, self.together = allowed_sizes(self.elaboration.conditions, self.unknowns)
        none = [name for name, sizes in allowed.items() if sizes.is_empty]
        if none:
            self.impossible = (nothing_allowed(none, self.conditions),)
        assertions = [
            (each.statement.condition, each.scope)
            for each in self.elaboration.checks
            if isinstance(each.statement, syntax.Assert)
        ]
        asserted, others = allowed_sizes(assertions, self.unknowns)
        self.together += [each for each in others if are_together(*each)]
        for name, held in allowed.items():
            try:
                self.allowed[name] = held & asserted[name]
            except Undecidable as why:
                self.allowed[name] = held
                self.ask(f"for which {name} all conditions hold: {why}", self.conditions[0].span)

    def leave_something(self) -> None:
        """Find from which sizes on every layer has at least one pixel."""
        self.large = dict(self.allowed)
        several: list[tuple[Node, Expression]] = []
        for node, size in self.open_sizes():
            if self.is_late(node):
                return
            if len(_names(size)) > 1:
                several.append((node, size))
                continue
            try:
                name, held = meeting(size, ">=", 1)
                assert name is not None
                left = self.large[name] & held
            except Undecidable as why:
                self.ask(f"whether {size} is at least 1: {why}", node.origin.span)
                continue
            if left.is_empty and not self.large[name].is_empty:
                self.impossible = (nothing_left(node, in_words(held, name), self.conditions),)
                return
            self.large[name] = left
        for node, size in several:
            low = least(size, self.large)
            if (low is None or low < 1) and not self.is_rearranged(node):
                self.ask_of_least(f"whether {size} is at least 1", size, 1, node)

    def open_sizes(self) -> Iterator[tuple[Node, Expression]]:
        """The sizes in the network that might be below 1, each once."""
        seen: set[Size] = set()
        for node in self.graph.nodes:
            for size in node.type.shape:
                if isinstance(size, Expression) and size not in seen:
                    seen.add(size)
                    if not _is_surely_positive(size):
                        yield node, size

    def is_rearranged(self, node: Node) -> bool:
        """Whether a layer gives all its input's values another shape, so that of its sizes the one
        in several unknowns is at least 1 if the others are, and those of its input."""
        types = self.types(node)
        if sum(len(_names(size)) > 1 for size in node.type.shape) != 1 or len(types) != 1:
            return False
        try:
            return prod(types[0].shape) == prod(node.type.shape)
        except UnwieldySize:
            return False

    def ask_of_least(self, text: str, size: Size, bound: int, node: Node) -> None:
        """Ask whether a size reaches a bound; that none of the smallest images do is no mistake."""
        found = self.counterexample(_names(size), lambda values: evaluate(size, values) < bound)
        gives = "" if found is None else f": {self.given(found)} gives {evaluate(size, found)}"
        self.ask(text + gives, node.origin.span)

    def requirements(self) -> Iterator[tuple[Node, Requirement]]:
        """What layers need, each need once for each place in the program."""
        seen: set[tuple[object, ...]] = set()
        for node in self.graph.nodes:
            if node.op is None:
                continue
            for need in node.op.requirements(*self.types(node)):
                key = (node.origin.span, need.relation, need.left, need.right)
                if key not in seen:
                    seen.add(key)
                    yield node, need

    def inputs(self, node: Node) -> tuple[Node, ...]:
        return tuple(self.graph.nodes[each] for each in node.inputs)

    def types(self, node: Node) -> tuple[TensorType, ...]:
        return tuple(each.type for each in self.inputs(node))

    def need(self, node: Node, need: Requirement) -> None:
        """Decide what a layer needs of one size."""
        (name,) = _unknowns_of(need)
        try:
            _, held = meeting(need.left, _RELATIONS[need.relation], need.right)
            missing = self.large[name] - held
            possible = not (self.large[name] & held).is_empty
            self.needed[name] &= held
        except Undecidable as why:
            self.ask(f"whether {need.subject} for every {name}: {why}", node.origin.span)
            return
        if missing.is_empty:
            return
        default = self.defaults.get(name)
        small = not missing.remainders and (default is None or max(missing.below) < default)
        if possible and small:
            return
        value = missing.smallest(default or 1) or missing.smallest()
        assert value is not None
        values = self.example({name: value})
        if values is None:
            self.ask(f"whether {need.subject} for every {name} that is allowed", node.origin.span)
            return
        only = f"only when {in_words(held, name)}" if possible else f"for no {name}"
        self.refute(node, need, f"{need.subject} {only}", values, {name})

    def need_together(self, node: Node, need: Requirement) -> None:
        """Decide what a layer needs of several sizes at once, or look for sizes that fail it."""
        difference = (
            need.left % need.right if need.relation == "divisible" else need.left - need.right
        )
        names = _unknowns_of(need)
        together = " and ".join(sorted(names))
        is_bound = need.relation == "at least"
        if is_bound:
            low = least(difference, self.large)
            if low is not None and low >= 0:
                return
        elif _is_always_zero(difference):
            return

        def fails(values: Mapping[str, int]) -> bool:
            value = evaluate(difference, values)
            return value < 0 if is_bound else value != 0

        values = self.counterexample(names, fails, self.defaults)
        if values is not None and not (is_bound and not self.defaults):
            message = f"whether {need.subject} depends on {together} together"
            self.refute(node, need, message, values, names)
            self.ask(f"for which {together} {need.subject}", node.origin.span)
        elif is_bound:
            assert isinstance(need.right, int)
            self.ask_of_least(f"whether {need.subject}", need.left, need.right, node)
        else:
            self.ask(f"whether {need.subject} for every {together}", node.origin.span)

    def counterexample(
        self,
        names: Collection[str],
        fails: Callable[[Mapping[str, int]], bool],
        first: Mapping[str, int] = MappingProxyType({}),
    ) -> dict[str, int] | None:
        """Allowed sizes from `first` on for which something fails; None where none is found."""
        choices = [islice(self.large[name].numbers(first.get(name, 1)), _TRIED) for name in names]
        for numbers in sorted(product(*choices), key=sum):
            values = self.example(dict(zip(names, numbers, strict=True)))
            if values is not None and fails(values):
                return values
            if time.process_time() > self.end_s:
                break
        return None

    def example(self, chosen: dict[str, int]) -> dict[str, int] | None:
        """Sizes for all names, of which some are chosen, that all conditions allow."""
        alike = max(chosen.values())
        for other in (None, alike, *range(1, _TRIED)):
            values = {
                name: chosen.get(name, self.defaults.get(name, 1) if other is None else other)
                for name in self.unknowns
            }
            if any(values[name] not in self.large[name] for name in values if name not in chosen):
                continue
            values |= _following(self.tied, values)
            if all(holds(single, scope, values) for single, scope in self.together):
                return values
            if len(chosen) == len(self.unknowns):
                return None
        return None

    def given(self, values: Mapping[str, int], names: Collection[str] | None = None) -> str:
        """Sizes in words: all, or those that `names` decide."""
        shown = {
            name: value
            for name, value in values.items()
            if names is None or name in names or (_names(self.tied.get(name, 0)) & set(names))
        }
        return ", ".join(f"{name} = {value}" for name, value in shown.items())

    def refute(
        self,
        node: Node,
        need: Requirement,
        message: str,
        values: dict[str, int],
        names: Collection[str],
    ) -> None:
        """Report a need that some sizes fail, once for each place."""
        given = self.given(values, names)
        found = refutation(node, self.inputs(node), need, message, values, given)
        self.diagnostics.setdefault((found.code, found.span), found)

    def clause(self) -> str:
        """The `where` that would keep out what does not work; "" where none is known."""
        try:
            limited = {
                name: self.allowed[name] & held
                for name, held in self.needed.items()
                if held != EVERY and not (held & self.large[name]).is_empty
            }
        except Undecidable:
            return ""
        if not limited:
            return ""
        texts = [*as_written(self.elaboration.conditions)]
        texts += [
            as_condition(limited.get(name, held), name) for name, held in self.allowed.items()
        ]
        return " and ".join(text for text in texts if text)

    def exempt(self) -> Iterator[Exempt]:
        """Where comparisons of the program come out otherwise than in general."""
        for comparison in self.elaboration.open_comparisons:
            try:
                region = equal_region(comparison.pairs, self.allowed)
            except Undecidable as why:
                text = f"for which sizes `{comparison.span.text}` holds: {why}"
                self.ask(text, comparison.span)
                continue
            if region is not None:
                yield Exempt(region, comparison.span)

    def fitted(self, valid: Region) -> Iterator[Fitted]:
        """What a trained network no longer takes, if its default works."""
        if all(self.defaults.get(name, 0) in held for name, held in valid.items()):
            for node in self.graph.nodes:
                layer = fitted(node, self.types(node), self.defaults, valid)
                if layer is not None:
                    yield layer

    def images(self) -> Iterator[TensorType]:
        for node in self.graph.nodes:
            if node.type.is_image and node.number not in self.graph.auxiliary:
                yield TensorType(node.type.shape[:2])


def _is_surely_positive(size: Size) -> bool:
    try:
        return size >= 1
    except UndecidedSize:
        return False


def _is_always_zero(size: Size) -> bool:
    try:
        return isinstance(size, Expression) and always_zero(size)
    except Undecidable:
        return False


def _unknowns_of(need: Requirement) -> frozenset[str]:
    return _names(need.left) | _names(need.right)


def _names(size: Size) -> frozenset[str]:
    return frozenset(each.name for each in symbols(size))


def _following(tied: Mapping[str, Size], values: Mapping[str, int]) -> dict[str, int]:
    """The values of sizes that follow from those of others."""
    return {name: evaluate(size, values) for name, size in tied.items()}
