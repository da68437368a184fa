"""What changed from one network to another, layer by layer, as data.

Names of layers that hold no weights are not compared: nothing is kept under them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Literal, NamedTuple, TypeAlias

from netdsl.compare.align import Alignment, align
from netdsl.cost import CostReport, LayerCost, Totals
from netdsl.graph import Graph, Node, Output
from netdsl.report import plain, shape
from netdsl.sizes import Size

ChangeKind: TypeAlias = Literal[
    "added",
    "removed",
    "changed",  # other arguments, or other inputs
    "replaced",  # another operator in the same place
    "followed",  # the layer is what it was, but its shape or cost follows from other changes
]

_Path: TypeAlias = "tuple[str, ...]"


class ArgumentChange(NamedTuple):
    """One argument's values as a program would write them; or what a layer reads, by paths."""

    name: str
    before: str
    after: str


class Change(NamedTuple):
    """One layer's change. `before` is None where it was added, `after` where it was removed."""

    kind: ChangeKind
    before: LayerCost | None
    after: LayerCost | None
    arguments: tuple[ArgumentChange, ...] = ()

    @property
    def layer(self) -> LayerCost:
        """The layer as it is now; a removed one as it was."""
        layer = self.after if self.after is not None else self.before
        assert layer is not None
        return layer

    @property
    def params(self) -> Size:
        """By how much its parameters grew."""
        return _of(self.after, "params") - _of(self.before, "params")

    @property
    def macs(self) -> Size:
        """By how much its multiply-accumulates grew, for one image."""
        return _of(self.after, "macs") - _of(self.before, "macs")


class Rename(NamedTuple):
    """A layer with weights whose path is another, or a prefix under which all such layers moved.

    A path follows the rename with the longest prefix of it; without one it is as it was. No layer
    that was removed gets a layer's path by it.
    """

    before: tuple[str, ...]
    after: tuple[str, ...]
    layers: int
    """How many layers with weights follow it."""


class Difference(NamedTuple):
    """All that changed. `changes` are in the order of the networks; `outputs` in words."""

    before: CostReport
    after: CostReport
    alignment: Alignment
    changes: tuple[Change, ...]
    renames: tuple[Rename, ...]
    outputs: tuple[str, ...]

    @property
    def same(self) -> bool:
        return not (self.changes or self.renames or self.outputs)


def difference(before: CostReport, after: CostReport) -> Difference:
    """What changed between two networks. Raises UnwieldySize for sizes that are too long."""
    alignment = align(before, after)
    return Difference(
        before,
        after,
        alignment,
        tuple(_changes(before, after, alignment.pairs)),
        tuple(_renames(before.graph, after.graph, alignment)),
        tuple(_outputs(before.graph, after.graph, alignment.pairs)),
    )


class _Both(NamedTuple):
    """Two networks, with the layer of the second for each of the first that it is, and back."""

    before: Graph
    after: Graph
    pairs: dict[int, int]
    origin: dict[int, int]


def _of(layer: LayerCost | None, measure: Literal["params", "macs"]) -> Size:
    if layer is None:
        return 0
    return layer.params if measure == "params" else layer.macs


def _changes(before: CostReport, after: CostReport, pairs: dict[int, int]) -> Iterator[Change]:
    """Changes in the order of the second network, removals where they were between its layers."""
    both = _Both(before.graph, after.graph, pairs, {b: a for a, b in pairs.items()})
    removed: dict[int, list[LayerCost]] = {}
    behind = -1
    for layer in before.layers:
        if layer.node.number in pairs:
            behind = pairs[layer.node.number]
        else:
            removed.setdefault(behind, []).append(layer)
    for gone in removed.get(-1, ()):
        yield Change("removed", gone, None)
    for layer in after.layers:
        number = layer.node.number
        if number not in both.origin:
            yield Change("added", None, layer)
        else:
            old = before.layers[both.origin[number]]
            change = _change(old, layer, _rewired(both, old, layer))
            if change is not None:
                yield change
        for gone in removed.get(number, ()):
            yield Change("removed", gone, None)


def _change(old: LayerCost, new: LayerCost, rewired: tuple[ArgumentChange, ...]) -> Change | None:
    a, b = old.node.op, new.node.op
    if type(a) is not type(b):
        return Change("replaced", old, new, rewired)
    if a is None or b is None:
        if old.node.type == new.node.type and old.node.path == new.node.path:
            return None
        shapes = ArgumentChange("shape", str(old.node.type), str(new.node.type))
        names = ArgumentChange("name", ".".join(old.node.path), ".".join(new.node.path))
        both = tuple(each for each in (names, shapes) if each.before != each.after)
        return Change("changed", old, new, both)
    arguments = tuple(
        ArgumentChange(name, parameter.kind.show(vars(a)[name]), parameter.kind.show(vars(b)[name]))
        for name, parameter in type(a).parameters.items()
        if vars(a)[name] != vars(b)[name]
    )
    if arguments or rewired:
        return Change("changed", old, new, arguments + rewired)
    if (old.node.type, old.params, old.macs) != (new.node.type, new.params, new.macs):
        return Change("followed", old, new)
    return None


def _rewired(both: _Both, old: LayerCost, new: LayerCost) -> tuple[ArgumentChange, ...]:
    """What a layer reads, where that is not the same and not through added or removed layers.

    Those that were put in between, or taken out, say it themselves.
    """
    before, after, pairs, origin = both
    was = [_through(before, number, pairs) for number in old.node.inputs]
    now = [_through(after, number, origin) for number in new.node.inputs]
    if None in was or None in now:
        return ()
    expected = [pairs[number] for number in was if number is not None]
    found = [number for number in now if number is not None]
    ordered = new.node.op is not None and new.node.op.name == "concat"
    if found == expected or (not ordered and sorted(found) == sorted(expected)):
        return ()
    texts = _inputs(both, old, new)
    if texts is None:
        had = [number for number in was if number is not None], [origin[n] for n in found]
        full = [[".".join(before.nodes[n].path) for n in numbers] for numbers in had]
        texts = ", ".join(full[0]), ", ".join(full[1])
    return (ArgumentChange("input" if len(found) == len(expected) == 1 else "inputs", *texts),)


def _inputs(both: _Both, old: LayerCost, new: LayerCost) -> tuple[str, str] | None:
    """What two layers read, in names none of which means one layer before and another after.

    Counted names may do so; then it is said from which layers with weights the inputs come, or from
    which of those that kept their names. None where these do not differ either.
    """
    before, after, pairs, origin = both

    def kept(a: int | None, b: int | None) -> bool:
        return a is not None and b is not None and before.nodes[a].path == after.nodes[b].path

    a_reads, b_reads = old.node.inputs, new.node.inputs
    for was, now in (
        (a_reads, b_reads),
        (_behind(before, a_reads, lambda _: True), _behind(after, b_reads, lambda _: True)),
        (
            _behind(before, a_reads, lambda a: kept(a, pairs.get(a))),
            _behind(after, b_reads, lambda b: kept(origin.get(b), b)),
        ),
    ):
        texts = _reads(before, old, was), _reads(after, new, now)
        paths = {after.nodes[number].path: number for number in now}
        if texts[0] != texts[1] and all(
            paths.get(before.nodes[a].path) in (None, pairs.get(a)) for a in was
        ):
            return texts
    return None


def _through(graph: Graph, number: int, known: dict[int, int]) -> int | None:
    """The nearest known node on a chain that leads to this one; None where a merge is between."""
    while number not in known:
        inputs = graph.nodes[number].inputs
        if len(inputs) != 1:
            return None
        (number,) = inputs
    return number


def _behind(graph: Graph, numbers: Sequence[int], named: Callable[[int], bool]) -> list[int]:
    """Of each chain that leads here, the nearest named layer with weights, else the first layer."""
    found = []
    for number in numbers:
        while len(graph.nodes[number].inputs) == 1 and not (
            _holds_weights(graph.nodes[number]) and named(number)
        ):
            (number,) = graph.nodes[number].inputs
        found.append(number)
    return found


def _reads(graph: Graph, layer: LayerCost, inputs: Sequence[int]) -> str:
    return ", ".join(relative(graph.nodes[number].path, layer.node.path[:-1]) for number in inputs)


def relative(path: tuple[str, ...], scope: tuple[str, ...]) -> str:
    """A path as text, without the scope's that it begins with."""
    return ".".join(path[len(scope) :] if path[: len(scope)] == scope else path)


def _renames(before: Graph, after: Graph, alignment: Alignment) -> Iterator[Rename]:
    """What the new paths follow from, said of prefixes as short as that holds for; see `Rename`."""
    scopes = {a.path: b.path for a, b in alignment.scopes}
    taken = {node.path for node in after.nodes if _holds_weights(node)}
    images: dict[_Path, _Path | None] = {}
    below: dict[_Path, list[_Path]] = {}
    inside: dict[_Path, dict[_Path, None]] = {}
    for node in filter(_holds_weights, before.nodes):
        path = node.path
        number = alignment.pairs.get(node.number)
        images[path] = None if number is None else after.nodes[number].path
        for depth in range(len(path) + 1):
            below.setdefault(path[:depth], []).append(path)
            if depth:
                inside.setdefault(path[: depth - 1], {})[path[:depth]] = None

    def moves_alike(place: _Path, target: _Path) -> bool:
        return all(images[path] == target + path[len(place) :] for path in below[place])

    def moves(place: _Path, target: _Path) -> bool:
        """Whether none of its layers stays, and no removed one would take another's path."""
        return not any(
            target + path[len(place) :] in taken if images[path] is None else images[path] == path
            for path in below[place]
        )

    renamed: dict[_Path, _Path] = {}
    pending: list[tuple[_Path, _Path]] = [((), ())] if images else []
    while pending:
        place, expected = pending.pop()
        first = below[place][0]
        target = _prefix_before(first[len(place) :], images[first])
        alike = target is not None and moves_alike(place, target)
        if target is None or not alike:
            target = scopes.get(place, expected)
            if target == place or not moves(place, target):
                target = expected
        if target != expected:
            renamed[place] = target
        if not alike:
            pending += [(each, target + each[-1:]) for each in reversed(inside.get(place, {}))]
    counted = dict.fromkeys(renamed, 0)
    for path, image in images.items():
        prefixes = (path[:depth] for depth in reversed(range(len(path) + 1)))
        prefix = next((each for each in prefixes if each in renamed), None)
        if image is not None and prefix is not None:
            counted[prefix] += 1
    for was, layers in counted.items():
        if layers:
            yield Rename(was, renamed[was], layers)


def _holds_weights(node: Node) -> bool:
    return node.op is not None and node.op.holds_weights


def _prefix_before(end: _Path, path: _Path | None) -> _Path | None:
    """The path without this end; None where it ends otherwise, and of none."""
    if path is None or path[len(path) - len(end) :] != end:
        return None
    return path[: len(path) - len(end)]


def _outputs(before: Graph, after: Graph, pairs: dict[int, int]) -> Iterator[str]:
    """Outputs correspond where their layers do, else by name, else the main one is the main one."""
    rest = list(after.outputs)
    known = set(pairs.values())
    for old in before.outputs:
        new = (
            next((each for each in rest if each.node == pairs.get(old.node)), None)
            or next((each for each in rest if each.name == old.name), None)
            or next((each for each in rest if old.weight is None is each.weight), None)
        )
        if new is None:
            yield f"{_kind(old)} {old.name} is gone"
            continue
        rest.remove(new)
        if old.weight != new.weight:
            yield f"{_kind(new)} {new.name}: loss weight {old.weight} → {new.weight}"
        if old.node in pairs and new.node in known and pairs[old.node] != new.node:
            a, b = before.nodes[old.node].path, after.nodes[new.node].path
            yield f"{_kind(new)}: {'.'.join(a)} → {'.'.join(b)}"
    for new in rest:
        yield f"{_kind(new)} {new.name} is new"


def _kind(output: Output) -> str:
    return "output" if output.weight is None else "side branch"


def as_json(found: Difference) -> dict[str, object]:
    """A difference as plain data, every layer by itself; sizes that are open are texts."""
    return {
        "before": found.before.graph.name,
        "after": found.after.graph.name,
        "same": found.same,
        "changes": [_change_json(change) for change in found.changes],
        "renamed": [
            {
                "before": ".".join(rename.before),
                "after": ".".join(rename.after),
                "layers": rename.layers,
            }
            for rename in found.renames
        ],
        "outputs": list(found.outputs),
        "total": _totals_json(found.before.total, found.after.total),
        "training": _totals_json(found.before.trained, found.after.trained),
    }


def _change_json(change: Change) -> dict[str, object]:
    return {
        "kind": change.kind,
        "before": _layer_json(change.before),
        "after": _layer_json(change.after),
        "arguments": {each.name: [each.before, each.after] for each in change.arguments},
        "params": plain(change.params),
        "macs": plain(change.macs),
    }


def _layer_json(layer: LayerCost | None) -> dict[str, object] | None:
    if layer is None:
        return None
    op = layer.node.op
    return {
        "path": ".".join(layer.node.path),
        "call": "input" if op is None else op.text(),
        "line": layer.node.origin.span.line,
        "output": shape(layer.node.type),
        "params": plain(layer.params),
        "macs": plain(layer.macs),
        "aux": layer.auxiliary,
    }


def _totals_json(before: Totals, after: Totals) -> dict[str, object]:
    return {
        "params": [plain(before.params), plain(after.params), plain(after.params - before.params)],
        "macs": [plain(before.macs), plain(after.macs), plain(after.macs - before.macs)],
    }
