"""A lesson: the arithmetic of some layers of a network, or of all, as data.

What is built again, by a loop or by another call of the same block, is told once; of the later
passes, only what differs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

from netdsl.cost import CostReport, LayerCost, sum_layers
from netdsl.derivation import Step, named, total
from netdsl.graph import Item, Node, Region
from netdsl.report import node_indices
from netdsl.teach.context import Context
from netdsl.tensor import TensorType


class Layer(NamedTuple):
    """One layer's arithmetic. `also` are the paths of further layers that the same line makes."""

    path: str
    call: str
    line: int
    inputs: tuple[TensorType, ...]
    cost: LayerCost
    steps: tuple[Step, ...]
    also: tuple[str, ...] = ()


class Difference(NamedTuple):
    """A layer of a later pass that is not as in the pass that it is compared with."""

    path: str
    """Within the pass."""
    cost: LayerCost
    new: bool = False
    """Whether the other pass has no such layer."""
    call: str = ""
    """The operator with its arguments, where these differ in what the shapes don't show."""
    inputs: tuple[TensorType, ...] = ()
    note: str = ""
    """What a sum adds, where the other pass has no such sum or adds something else."""


class Repeat(NamedTuple):
    """Passes over what was told before. `missing` are the layers that only `like` has."""

    paths: tuple[str, ...]
    like: str
    differences: tuple[Difference, ...]
    missing: tuple[str, ...]

    @property
    def is_same(self) -> bool:
        """Whether nothing differs."""
        return not self.differences and not self.missing


Entry: TypeAlias = "Layer | Repeat"


class Lesson(NamedTuple):
    """What `netdsl explain` tells; `sums` are of the whole network, where that was asked for."""

    network: str
    documentation: str
    entries: tuple[Entry, ...]
    sums: tuple[Step, ...] = ()

    @property
    def layers(self) -> tuple[Layer, ...]:
        return tuple(entry for entry in self.entries if isinstance(entry, Layer))


def of_layers(report: CostReport, chosen: Sequence[Sequence[int]]) -> Lesson:
    """The lesson of some layers; of those that one line made, the first is told."""
    context = Context(report)
    entries = []
    for numbers in chosen:
        also = tuple(".".join(report.graph.nodes[number].path) for number in numbers[1:])
        entries.append(_layer(context, report.graph.nodes[numbers[0]])._replace(also=also))
    return Lesson(report.graph.name, report.graph.documentation, tuple(entries))


def of_network(report: CostReport, wanted: frozenset[int] | None = None) -> Lesson:
    """The lesson of all layers, or of those `wanted`, with repetitions summed up."""
    graph = report.graph
    every = frozenset(node.number for node in graph.nodes if node.op is not None)
    walk = _Walk(report, every if wanted is None else wanted)
    walk.region(graph.root)
    whole = sums(report) if wanted is None else ()
    return Lesson(graph.name, graph.documentation, tuple(walk.entries), whole)


def sums(report: CostReport) -> tuple[Step, ...]:
    """The totals of the inference graph, added up where there are few layers."""
    inside = [layer for layer in report.layers if not layer.auxiliary]
    totals = sum_layers(inside)
    steps = []
    for measure, value, parts in (
        ("weights", totals.params, [layer.params for layer in inside if layer.params != 0]),
        ("macs", totals.macs, [layer.macs for layer in inside if layer.macs != 0]),
    ):
        if 1 < len(parts) <= 12:
            steps.append(Step(measure, total(*(named("", part) for part in parts)), "in all"))
        else:
            note = f"in all, of {len(parts)} layers" if len(parts) > 1 else "in all"
            steps.append(Step(measure, named("", value), note))
    return tuple(steps)


def _layer(context: Context, node: Node) -> Layer:
    assert node.op is not None
    inputs = tuple(context.nodes[index].type for index in node.inputs)
    steps = (*node.op.derivation(node.type, *inputs), *context.steps(node))
    # The sums stand together, and what is said of them comes after.
    steps = (
        *(step for step in steps if step.formula is not None),
        *(step for step in steps if step.formula is None),
    )
    return Layer(
        ".".join(node.path),
        node.op.text(),
        node.origin.span.line,
        inputs,
        context.report.layers[node.number],
        merged(steps),
    )


def merged(steps: tuple[Step, ...]) -> tuple[Step, ...]:
    """The steps with those of height and width made one where they say the same."""
    found = {step.measure: step for step in steps}
    alike = "height" in found and all(
        _words(found.get(f"height{part}")) == _words(found.get(f"width{part}"))
        for part in ("", " padding")
    )
    if not alike:
        return steps
    kept = []
    for step in steps:
        if step.measure.startswith("width"):
            continue
        both = {"height": "height = width", "height padding": "padding"}.get(step.measure)
        kept.append(step._replace(measure=both) if both else step)
    return tuple(kept)


def _words(step: Step | None) -> tuple[str, str]:
    if step is None or step.formula is None:
        return "", ""
    return step.formula.numbers(), step.note


class _Walk:
    """Goes through the regions in order, and remembers what it has told."""

    def __init__(self, report: CostReport, wanted: frozenset[int]) -> None:
        self.report = report
        self.wanted = wanted
        self.context = Context(report)
        self.entries: list[Entry] = []
        self.told: dict[tuple[object, ...], list[Region]] = {}
        self.first: dict[str, str] = {}
        """For each pass that is as an earlier one, the first such."""

    def region(self, region: Region) -> None:
        items: tuple[Item, ...] = region.items
        for item in items:
            if not isinstance(item, Region):
                if item in self.wanted:
                    self.entries.append(_layer(self.context, self.context.nodes[item]))
                continue
            if item.kind not in ("block", "iteration") or not self._is_whole(item):
                self.region(item)
                continue
            key = (item.kind, item.site.source.name, item.site.start, item.site.end)
            before = self.told.setdefault(key, [])
            if before:
                self.repeat(item, before)
            else:
                self.region(item)
            before.append(item)

    def _is_whole(self, region: Region) -> bool:
        """Whether a region can be told as one: all of it is wanted, under its own path.

        The layers of a loop around others may be numbered elsewhere, as layer1.0 and layer2.0 are.
        """
        depth = len(region.path)
        indices = node_indices(region)
        if not self.wanted.issuperset(indices):
            return False
        nodes = (self.context.nodes[index] for index in indices)
        return bool(depth and indices) and all(node.path[:depth] == region.path for node in nodes)

    def repeat(self, region: Region, before: list[Region]) -> None:
        """Tell a region by the one told before that it differs least from, of those the last."""
        repeats = [self._compared(region, other) for other in before]
        best = min(reversed(repeats), key=_distance)
        if best.is_same:
            self.first[".".join(region.path)] = best.like
        last = self.entries[-1]
        joins = isinstance(last, Repeat) and last.is_same and last.like == best.like
        if isinstance(last, Repeat) and best.is_same and joins:
            self.entries[-1] = last._replace(paths=(*last.paths, *best.paths))
        else:
            self.entries.append(best)

    def _compared(self, region: Region, other: Region) -> Repeat:
        now, then = self._inside(region), self._inside(other)
        differences = []
        for path, layer in now.items():
            known = then.get(path)
            note = self.context.added(layer.node)
            if known is not None and note == self.context.added(known.node):
                note = ""
            differs = note != "" or (known is not None and layer.node.op != known.node.op)
            call = ""
            if known is not None:
                shown = _counts(layer) and _numbers(layer) != _numbers(known)
                differs = differs or shown
                call = _changed(layer, known, depth=not shown)
            if differs or known is None:
                inputs = tuple(self.context.nodes[index].type for index in layer.node.inputs)
                differences.append(Difference(path, layer, known is None, call, inputs, note))
        missing = tuple(path for path in then if path not in now)
        # Of a row of equal passes, the first is named.
        like = ".".join(other.path)
        like = self.first.get(like, like)
        return Repeat((".".join(region.path),), like, tuple(differences), missing)

    def _inside(self, region: Region) -> dict[str, LayerCost]:
        """The layers of a region, by their paths within it."""
        found = {}
        for index in node_indices(region):
            layer = self.report.layers[index]
            if layer.node.op is not None:
                # An iteration of one layer has its very path.
                inner = ".".join(layer.node.path[len(region.path) :])
                found[inner or layer.node.op.name] = layer
        return found


def _changed(layer: LayerCost, known: LayerCost, *, depth: bool = False) -> str:
    """The operator of a layer with its arguments, where these differ from the known layer's.

    The output's depth, which a shape beside it shows, only counts where that is asked for.
    """
    op, other = layer.node.op, known.node.op
    if op is None or other is None:
        return ""
    unseen = [key for key in type(op).parameters if depth or key not in ("filters", "features")]
    same = type(op) is type(other) and all(
        _argument(layer, key) == _argument(known, key) for key in unseen
    )
    return "" if same else op.text()


def _argument(layer: LayerCost, key: str) -> object:
    """An argument of a layer; a group for each channel is the same with any number of them."""
    value = getattr(layer.node.op, key)
    each = key == "groups" and value != 1 and value == layer.input.channels
    return "one for each channel" if each else value


def _distance(repeat: Repeat) -> tuple[bool, int]:
    """How far a pass is from another: first whether they have the same layers."""
    other_layers = bool(repeat.missing) or any(each.new for each in repeat.differences)
    return other_layers, len(repeat.differences) + len(repeat.missing)


def _counts(layer: LayerCost) -> bool:
    """Whether a layer's numbers are worth a line: a norm's follow from the layer before it."""
    return layer.macs != 0 or layer.node.type != layer.input


def _numbers(layer: LayerCost) -> tuple[object, ...]:
    return layer.input, layer.node.type, layer.params, layer.macs
