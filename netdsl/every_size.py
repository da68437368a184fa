"""Decide for every size of the input whether a network works: proved, refuted, or not known.

The network is elaborated once with its sizes as unknowns. What it needs of them are statements on
closed forms: every size is at least 1, merged sizes agree, windows tile the image. Each is decided
exactly (`netdsl.size_sets`), so that the answer holds beyond any size that could be tried; what
can't be decided is said, never assumed.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from itertools import islice, product
from types import MappingProxyType
from typing import NamedTuple

from netdsl import syntax
from netdsl.diagnostics import Diagnostic
from netdsl.elaborate import Elaboration
from netdsl.fuel import OpenComparison
from netdsl.graph import Graph, Node
from netdsl.ops.base import Requirement
from netdsl.records import records
from netdsl.scope import Scope
from netdsl.size_bounds import Fitted, Region, fitted, least
from netdsl.size_conditions import allowed_sizes, conjuncts, holds, in_a_row, set_meeting
from netdsl.size_errors import nothing_allowed, nothing_left, refutation, suggesting
from netdsl.size_sets import EVERY, NONE, SizeSet, Undecidable, always_zero, meeting
from netdsl.size_unmet import Unmet, by_cause, gathered, place_of, refuted_alone
from netdsl.size_words import as_condition, in_words
from netdsl.sizes import Expression, Size, Symbol, UndecidedSize, evaluate, rises, symbols
from netdsl.source import Span
from netdsl.tensor import TensorType

_RELATIONS = {"equal": "==", "divisible": "%", "at least": ">="}
_TRIED = 48
"""How many values of each of several sizes are tried when looking for a counterexample."""

_FIRSTS = (1, 100, 1_000)
"""From where on sizes are tried, so that conditions that take large ones meet some."""

_LONG = 80
"""Longer conditions on several sizes are not shown."""

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
    `exempt`. With `questions`, it may work for fewer. `together` are conditions of `where` that
    neither takes in, since they are about several sizes at once. `tied` are the named sizes that
    `where` gives as functions of the others.
    """

    defaults: Mapping[str, int]
    allowed: Region
    valid: Region
    questions: tuple[Question, ...]
    exempt: tuple[Exempt, ...]
    fitted: tuple[Fitted, ...]
    diagnostics: tuple[Diagnostic, ...]
    together: tuple[str, ...] = ()
    images: tuple[TensorType, ...] = ()
    """The sizes that the image has on its way, in closed form, channels left out."""
    tied: Mapping[str, Size] = MappingProxyType({})
    apart: tuple[OpenComparison, ...] = ()
    """Comparisons of several sizes at once; nothing is said of those for which one is true."""

    @property
    def smallest(self) -> dict[str, int] | None:
        """The smallest sizes that are proved; None where there are none, or that isn't known.

        Where `where` demands something of several sizes together, that is not known.
        """
        if self.together:
            return None
        found = {name: each.smallest() for name, each in self.valid.items()}
        regions = [region for region, _ in self.exempt]
        while regions:
            region = next((each for each in regions if _is_in(each, found)), None)
            if region is None:
                break
            # The nearest way out of the region: beyond it in one of its sizes.
            name = min(region)
            outside = self.valid[name] - region[name]
            found[name] = outside.smallest(found[name] or 1)
        sizes = {name: size for name, size in found.items() if size is not None}
        if len(sizes) < len(found) or any(each.holds(sizes) for each in self.apart):
            return None
        return self.with_tied(sizes)

    def with_tied(self, sizes: dict[str, int]) -> dict[str, int]:
        """Values of the open sizes, and of those that `where` gives in terms of them."""
        return sizes | {name: evaluate(size, sizes) for name, size in self.tied.items()}


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
    try:
        return _Decision(graph, unknowns, defaults, elaboration).verdict()
    except Undecidable as why:
        every = dict.fromkeys(unknowns, EVERY)
        question = Question(f"for which sizes it works: {why}", graph.nodes[0].origin.span)
        return EverySize(defaults, every, every, (question,), (), (), ())


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
        self.unmet: dict[tuple[str, Span], list[Unmet]] = {}
        """What fails at each place for values of one size, whatever the others are."""
        self.diagnostics: dict[tuple[str, Span], Diagnostic] = {}
        """What fails at each place for values of several sizes together."""
        self.conditions = tuple(each.expression for each in elaboration.conditions)
        self.impossible: tuple[Diagnostic, ...] = ()
        """Why the network works for no size at all."""
        self.apart: list[OpenComparison] = []
        self.together: list[tuple[syntax.Expression, Scope]] = []
        """Conditions on several sizes together, or on more than sizes."""

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
        valid = {
            name: NONE if self.impossible else each & self.needed[name]
            for name, each in self.large.items()
        }
        exempt, fits = tuple(self.exempt()), self.fitted(valid)
        return EverySize(
            self.defaults,
            self.allowed,
            valid,
            tuple(self.questions.values()),
            exempt,
            fits,
            self.impossible + self.refuted(),
            tuple(dict.fromkeys(each.span.text for each, _ in self.together)),
            tuple(dict.fromkeys(self.images())),
            apart=tuple(self.apart),
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
        asserted, together = allowed_sizes(assertions, self.unknowns, on_sizes=True)
        self.together += together
        self.allowed = {name: held & asserted[name] for name, held in allowed.items()}
        self.large = dict(self.allowed)

    def leave_something(self) -> None:
        """Find from which sizes on every layer has at least one pixel."""
        several: list[tuple[Node, Expression]] = []
        seen: set[Size] = set()
        for node in self.graph.nodes:
            for size in node.type.shape:
                if isinstance(size, int) or size in seen:
                    continue
                seen.add(size)
                if _is_surely_positive(size):
                    continue
                if self.is_late(node):
                    return
                try:
                    name, held = meeting(size, ">=", 1)
                    left = EVERY if name is None else self.large[name] & held
                except Undecidable as why:
                    if len(symbols(size)) > 1:
                        several.append((node, size))
                    else:
                        self.ask(f"whether {size} is at least 1: {why}", node.origin.span)
                    continue
                if name is None:
                    continue
                if left.is_empty and not self.large[name].is_empty:
                    self.impossible = (nothing_left(node, in_words(held, name), self.conditions),)
                    return
                self.large[name] = left
        for node, size in several:
            low = least(size, self.large)
            if low is None or low < 1:
                self.ask(f"whether {size} is at least 1", node.origin.span)

    def requirements(self) -> Iterator[tuple[Node, Requirement]]:
        """What layers need, each need once for each place in the program."""
        seen: set[tuple[object, ...]] = set()
        for node in self.graph.nodes:
            if node.op is None:
                continue
            for need in node.op.requirements(*self.types(node)):
                key = (node.origin.span, need.subject, need.relation, need.left, need.right)
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
            self.needed[name] &= held
        except Undecidable as why:
            self.ask(f"whether {need.subject} for every {name}: {why}", node.origin.span)
            return
        if missing.is_empty:
            return
        possible = not (self.large[name] & held).is_empty
        default = self.defaults.get(name)
        small = not missing.remainders and (default is None or max(missing.below) < default)
        if possible and small:
            return
        values = self.example_among(name, missing)
        if values is None:
            self.ask(f"whether {need.subject} for every {name} that is allowed", node.origin.span)
            return
        unmet = Unmet(node, need, (name,), held if possible else NONE, values)
        place = need.code, place_of(node, need)
        self.unmet.setdefault(place, []).append(unmet)

    def need_together(self, node: Node, need: Requirement) -> None:
        """Decide what a layer needs of several sizes at once, or look for sizes that fail it."""
        difference = (
            need.left % need.right if need.relation == "divisible" else need.left - need.right
        )
        names = sorted(_unknowns_of(need))
        together = " and ".join(names)
        condition = f": where {need.condition}" if len(need.condition) < _LONG else ""
        try:
            if need.relation == "at least":
                low = least(difference, self.large)
                if low is not None and low >= 0:
                    return
                if rises(difference):  # Large enough images do; the default itself was checked.
                    text = f"from which {together} on {need.subject}{condition}"
                    self.ask(text, node.origin.span)
                    return
            elif isinstance(difference, Expression) and always_zero(difference):
                return
        except Undecidable:
            pass
        starts = [self.defaults.get(name, 1) for name in names]
        choices = [
            list(islice(self.large[name].numbers(start), _TRIED))
            for name, start in zip(names, starts, strict=True)
        ]
        for numbers in sorted(product(*choices), key=sum):
            values = self.example(dict(zip(names, numbers, strict=True)))
            if values is not None and not need.is_met(values):
                message = f"whether {need.subject} depends on {together} together"
                found = refutation(node, self.inputs(node), need, message, values, tuple(names))
                self.diagnostics.setdefault((found.code, found.span), found)
                self.ask(f"for which {together} {need.subject}{condition}", node.origin.span)
                return
        self.ask(f"whether {need.subject} for every {together}{condition}", node.origin.span)

    def example(self, chosen: dict[str, int]) -> dict[str, int] | None:
        """Sizes for all names, of which some are chosen, that all conditions allow."""
        alike = max(chosen.values())
        for other in (None, alike, *range(1, _TRIED), *_FIRSTS):
            values = {
                name: chosen.get(name, self.defaults.get(name, 1) if other is None else other)
                for name in self.unknowns
            }
            if any(values[name] not in self.large[name] for name in values if name not in chosen):
                continue
            if self.is_allowed(values):
                return values
            if len(chosen) == len(values):
                return None
        return None

    def example_among(self, name: str, numbers: SizeSet) -> dict[str, int] | None:
        """Sizes for all names that all conditions allow, one of them among some numbers: the first
        from its default on, or the first of all."""
        for first in (self.defaults.get(name, 1), 1):
            for number in islice(numbers.numbers(first), _TRIED // 4):
                values = self.example({name: number})
                if values is not None:
                    return values
        return None

    def is_allowed(self, values: Mapping[str, int]) -> bool:
        """Whether sizes, each of which is allowed, meet the conditions on several together, and
        have the network that sizes in general have."""
        return all(holds(single, scope, values) for single, scope in self.together) and not any(
            each.holds(values) for each in self.elaboration.open_comparisons
        )

    def has_some(self, region: Region) -> bool:
        """Whether sizes of the region are seen that all conditions allow."""
        choices = [
            [each for first in _FIRSTS for each in islice(held.numbers(first), _TRIED // 3)]
            for held in region.values()
        ]
        return any(
            self.is_allowed(dict(zip(region, numbers, strict=True)))
            for numbers in product(*choices)
        )

    def refuted(self) -> tuple[Diagnostic, ...]:
        """What fails, with the `where` that keeps it out if it fails for a size by itself."""
        clause = self.clause() if self.unmet else ""
        start = self.graph.nodes[0].origin.span
        alone = [
            suggesting(
                refuted_alone(each, self.inputs(each[0].node)), clause, start, self.conditions
            )
            for each in by_cause([gathered(each) for each in self.unmet.values()])
        ]
        together = [
            suggesting(each, "", start, self.conditions)
            for place, each in self.diagnostics.items()
            if place not in self.unmet
        ]
        return (*alone, *together)

    def clause(self) -> str:
        """The `where` that would keep out what does not work; "" where none is known.

        What the input demands already stays, but for what is about those sizes alone.
        """
        limited = {
            name: self.allowed[name] & held for name, held in self.needed.items() if held != EVERY
        }
        region = {name: held & limited.get(name, EVERY) for name, held in self.large.items()}
        if not limited or not self.has_some(region):
            return ""
        limits = {name: as_condition(held, name) for name, held in limited.items()}
        texts = []
        for condition in self.elaboration.conditions:
            for single in conjuncts(condition.expression):
                name = self.about(single, condition.scope)
                texts.append(limits.get(name or "", in_a_row(single)))
        return " and ".join(text for text in dict.fromkeys((*texts, *limits.values())) if text)

    def about(self, condition: syntax.Expression, scope: Scope) -> str | None:
        """The one size whose allowed values take a condition in."""
        try:
            name, _ = set_meeting(condition, scope)
        except Undecidable:
            return None
        if name is None:
            # What made its symbol a multiple is true of it, and about it all the same.
            named = {each.name for each in records(condition) if isinstance(each, syntax.Name)}
            sizes = [each for each in named if isinstance(scope.find(each), Expression)]
            name = sizes[0] if len(sizes) == 1 else None
        return name

    def exempt(self) -> Iterator[Exempt]:
        """Where comparisons of the program come out otherwise than in general."""
        for comparison in self.elaboration.open_comparisons:
            region = self.equal_region(comparison)
            if region is not None:
                yield Exempt(region, comparison.span)

    def equal_region(self, comparison: OpenComparison) -> Region | None:
        region: dict[str, SizeSet] = {}
        for a, b in comparison.pairs:
            try:
                name, held = meeting(a, "==", b)
            except Undecidable:
                self.apart.append(comparison)
                return None
            if name is not None:
                region[name] = region.get(name, self.allowed[name]) & held
            elif held.is_empty:
                return None
        if any(each.is_empty for each in region.values()):
            return None
        return {name: region[name] for name in self.unknowns if name in region}

    def fitted(self, valid: Region) -> tuple[Fitted, ...]:
        if len(self.defaults) < len(self.unknowns):
            return ()
        found = []
        for node in self.graph.nodes:
            try:
                layer = fitted(node, self.types(node), self.defaults, valid)
            except Undecidable as why:
                text = f"which sizes fit the weights of `{'.'.join(node.path)}`: {why}"
                self.ask(text, node.origin.span)
                continue
            if layer is not None:
                found.append(layer)
        return tuple(found)

    def images(self) -> Iterator[TensorType]:
        for node in self.graph.nodes:
            if node.type.is_image and node.number not in self.graph.auxiliary:
                yield TensorType(node.type.shape[:2])


def _is_in(region: Region, sizes: Mapping[str, int | None]) -> bool:
    return all(sizes[name] in held for name, held in region.items())


def _is_surely_positive(size: Size) -> bool:
    try:
        return size >= 1
    except UndecidedSize:
        return False


def _unknowns_of(need: Requirement) -> frozenset[str]:
    return frozenset(each.name for each in symbols(need.left) | symbols(need.right))
