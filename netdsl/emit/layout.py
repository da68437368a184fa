"""Read a block's or network's own items off its region, with values named by where they come from.

A value's name (`Ref`) is relative to the block, and the same in every call of it: the path of the
layer that made it, or the place of the condition, residual or loop that it leaves. So two calls of
a block can be laid side by side.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

from netdsl.code import Emission
from netdsl.diagnostics import Diagnostic, Fault
from netdsl.graph import Graph, Node, PassNumber, Region
from netdsl.ops.base import OpError
from netdsl.report import node_indices


class Each(NamedTuple):
    """The part of a path where the number of a loop's pass stands."""

    loop: tuple[int, int]


Path: TypeAlias = tuple[str | Each, ...]
Ref: TypeAlias = Path
START: Ref = ("<start>",)
"""The value that enters a block, or the input of a network."""


class OpItem(NamedTuple):
    """One operator. `path` is relative to the block."""

    ref: Ref
    path: Path
    emission: Emission
    inputs: tuple[Ref, ...]
    label: str


class BlockItem(NamedTuple):
    """The call of another block."""

    ref: Ref
    path: Path
    region: Region
    input: Ref
    label: str


class IfItem(NamedTuple):
    """A condition; `items` are those of the way taken, `result` what they end in."""

    ref: Ref
    taken: str
    items: tuple[Item, ...]
    input: Ref
    result: Ref


class ResidualItem(NamedTuple):
    """A residual; `taken` as of `Region`. `shortcut` is None unless one is projected."""

    ref: Ref
    taken: str
    body: tuple[Item, ...]
    body_result: Ref
    shortcut: tuple[Item, ...] | None
    shortcut_result: Ref
    input: Ref


class Pass(NamedTuple):
    """One pass of a loop, in which the flowing value is called `carry`."""

    items: tuple[Item, ...]
    result: Ref


class LoopItem(NamedTuple):
    ref: Ref
    carry: Ref
    passes: tuple[Pass, ...]
    input: Ref


class AuxItem(NamedTuple):
    """A side branch of a network."""

    items: tuple[Item, ...]
    result: Ref


Item: TypeAlias = OpItem | BlockItem | IfItem | ResidualItem | LoopItem | AuxItem


class Layout:
    """The items of one owner: a block's call, or the network."""

    def __init__(self, graph: Graph, owner: Region, uses: Uses) -> None:
        self.graph = graph
        self.owner = owner
        self.uses = uses
        self.names: dict[int, Ref] = {}
        self.rolling: set[tuple[int, int]] = set()
        self.rebound: list[tuple[int, Ref]] = []
        """The earlier names of values that were given another, to go back to."""
        self.newest = -1
        """The last node that has a name."""
        if owner.input is not None:
            self._name(owner.input, START)
        self.labels = uses.labels.get(".".join(owner.path), {})
        self.items = tuple(self._items(owner.items))
        outputs = (
            [owner.output]
            if owner.kind == "block"
            else [output.node for output in graph.outputs if output.weight is None]
        )
        self.results = tuple(self.names[node] for node in outputs if node is not None)

    def _items(self, items: tuple[int | Region, ...]) -> list[Item]:
        found: list[Item] = []
        for item in items:
            if isinstance(item, int):
                node = self.graph.nodes[item]
                if node.op is not None:
                    found.append(self._op(node))
            elif item.kind == "block":
                found.append(self._block(item))
            elif item.kind == "if" and not self.uses.leak(item):
                found.append(self._if(item))
            elif item.kind == "residual":
                found.append(self._residual(item))
            elif item.kind == "loop" and self._rolls(item):
                found.append(self._loop(item))
            elif item.kind == "aux":
                found.append(self._aux(item))
            elif item.kind == "merge":
                found += self._merge(item)
            else:
                found += self._items(item.items)
        return found

    def _inside(self, region: Region) -> tuple[list[Item], Ref]:
        """The items and the result of a region, which leaves names outside as they were."""
        before, newest = len(self.rebound), self.newest
        items = self._items(region.items)
        result = self._start(region, region.output)
        while len(self.rebound) > before:
            node, name = self.rebound.pop()
            # What was made inside keeps the name under which it may leave.
            if node <= newest:
                self.names[node] = name
        return items, result

    def _merge(self, region: Region) -> list[Item]:
        """The branches of a merge, and the node that joins their results."""
        found: list[Item] = []
        results: list[Ref] = []
        for item in region.items:
            if isinstance(item, Region):
                items, result = self._inside(item)
                found += items
                results.append(result)
            else:
                found.append(self._op(self.graph.nodes[item], tuple(results)))
        return found

    def _name(self, node: int | None, name: Ref) -> None:
        assert node is not None
        if node in self.names:
            self.rebound.append((node, self.names[node]))
        self.names[node] = name
        self.newest = max(self.newest, node)

    def _path(self, path: tuple[str, ...]) -> Path:
        """A path relative to the owner, whatever the pass of the loops that stay loops."""
        return tuple(
            Each(part.loop) if isinstance(part, PassNumber) and part.loop in self.rolling else part
            for part in path[len(self.owner.path) :]
        )

    def _op(self, node: Node, inputs: tuple[Ref, ...] = ()) -> OpItem:
        assert node.op is not None
        types = tuple(self.graph.nodes[index].type for index in node.inputs)
        path = self._path(node.path)
        inputs = inputs or tuple(self.names[index] for index in node.inputs)
        self._name(node.number, path)
        label = self.labels.get(node.number, "")
        try:
            emission = node.op.emit(*types)
        except OpError as error:
            origin = node.origin
            raise Fault(
                Diagnostic(
                    error.code, error.message, origin.span, help=error.help, trail=origin.trail
                )
            ) from None
        return OpItem(path, path, emission, inputs, label)

    def _block(self, region: Region) -> BlockItem:
        path = self._path(region.path)
        assert region.output is not None
        start = self._start(region)
        self._name(region.output, path)
        return BlockItem(path, path, region, start, self.labels.get(region.output, ""))

    def _if(self, region: Region) -> IfItem:
        start = self._start(region)
        ref = self._site("if", region)
        items = tuple(self._items(region.items))
        result = self._start(region, region.output)
        self._name(region.output, ref)
        return IfItem(ref, region.taken, items, start, result)

    def _residual(self, region: Region) -> ResidualItem:
        start = self._start(region)
        ref = self._site("residual", region)
        branches = [item for item in region.items if isinstance(item, Region)]
        body_items, body_result = self._inside(branches[0])
        shortcut = None
        shortcut_result = start
        if len(branches) > 1:
            items, shortcut_result = self._inside(branches[1])
            shortcut = tuple(items)
        self._name(region.output, ref)
        return ResidualItem(
            ref, region.taken, tuple(body_items), body_result, shortcut, shortcut_result, start
        )

    def _rolls(self, region: Region) -> bool:
        """Whether a loop can be one in Python: values pass from pass to pass by one name only."""
        passes = [item for item in region.items if isinstance(item, Region)]
        return _place(region) in self.uses.rolled and not any(map(self.uses.leak, passes))

    def _loop(self, region: Region) -> LoopItem:
        start = self._start(region)
        ref, carry = self._site("loop", region), self._site("carry", region)
        self.rolling.add(_place(region))
        passes = []
        for each in region.items:
            assert isinstance(each, Region) and each.input is not None
            outer = self.names.get(each.input)
            self.names[each.input] = carry
            items = tuple(self._items(each.items))
            passes.append(Pass(items, self._start(each, each.output)))
            if outer is not None:
                self.names[each.input] = outer
        self.rolling.discard(_place(region))
        self._name(region.output, ref)
        return LoopItem(ref, carry, tuple(passes), start)

    def _aux(self, region: Region) -> AuxItem:
        items, result = self._inside(region)
        return AuxItem(tuple(items), result)

    def _site(self, word: str, region: Region) -> Ref:
        """A name for what a condition, residual or loop makes."""
        place = _place(region)
        return (f"<{word}>", str(place[0]), str(place[1]), *self._path(region.path))

    def _start(self, region: Region, node: int | None = None) -> Ref:
        node = region.input if node is None else node
        assert node is not None
        return self.names[node]


def _place(region: Region) -> tuple[int, int]:
    return region.site.start, region.site.end


class Uses:
    """Which values are used where, to see whether one leaves a region other than at its end.

    `rolled` are the loops that stay loops: those with several passes somewhere in the network.
    """

    def __init__(self, graph: Graph) -> None:
        self.rolled = {
            _place(region)
            for region in regions(graph.root)
            if region.kind == "loop" and len(region.items) > 1
        }
        self.last_use = [-1] * len(graph.nodes)
        for node in graph.nodes:
            for index in node.inputs:
                self.last_use[index] = node.number
        for output in graph.outputs:
            self.last_use[output.node] = len(graph.nodes)
        self.labels: dict[str, dict[int, str]] = {}
        """The labels of each block, by the path of its call."""
        for label, index in graph.labels.items():
            owner, _, name = label.rpartition(".")
            self.labels.setdefault(owner, {})[index] = name

    def leak(self, region: Region) -> bool:
        """Whether a value made inside, other than the region's output, is used outside."""
        inside = node_indices(region)
        if not inside:
            return False
        last = max(inside)
        return any(self.last_use[index] > last for index in inside if index != region.output)


def regions(root: Region) -> list[Region]:
    """A region and all inside it, outer ones first, in order."""
    found: list[Region] = []
    pending = [root]
    while pending:
        region = pending.pop()
        found.append(region)
        pending.extend(item for item in reversed(region.items) if isinstance(item, Region))
    return found
