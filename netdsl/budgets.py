"""Why a budget is exceeded: by how much, and which part of the program the cost comes from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

from netdsl.amounts import short, size_bytes
from netdsl.cost import BYTES_PER_ELEMENT, CostReport, LayerCost, peak_of_one, seen_within
from netdsl.diagnostics import Label
from netdsl.graph import Graph, Region, RegionKind
from netdsl.source import Span
from netdsl.tensor import Window

Number: TypeAlias = "int | float"


class Gap(NamedTuple):
    """A comparison of two numbers that is false: `left operator right`."""

    left: Number
    operator: str
    right: Number

    @property
    def falls(self) -> bool:
        """Whether the left side has to become smaller."""
        return self.operator in ("<", "<=") or (self.operator == "==" and self.left > self.right)

    @property
    def closed(self) -> bool:
        """Whether the sides stand as the operator says."""
        match self.operator:
            case "<=":
                return self.left <= self.right
            case "<":
                return self.left < self.right
            case ">=":
                return self.left >= self.right
            case ">":
                return self.left > self.right
            case "==":
                return self.left == self.right
            case _:
                return self.left != self.right

    def text(self) -> str:
        """Both sides, and how far they are apart."""
        left, right = self.left, self.right
        if self.operator == "!=":
            return ""
        if left == right:
            return f"it is exactly {amount(left)}"
        direction = "above" if left > right else "below"
        difference = abs(left - right)
        if left >= 10 * right > 0:
            return f"{amount(left)} is {left / right:,.0f} times {amount(right)}"
        if right and self.operator != "==":
            share = 100 * difference / abs(right)
            if share >= 0.5 and amount(left) != amount(right):
                return f"{amount(left)} is {share:,.0f} % {direction} {amount(right)}"
        return f"{_full(left)} is {_full(difference)} {direction} {_full(right)}"


def amount(number: Number) -> str:
    """A number in few digits: 3.86 G."""
    if isinstance(number, int) and number >= 10_000:
        return short(number)
    return _full(number)


def _full(number: Number) -> str:
    return f"{number:,}" if isinstance(number, int) else f"{number:,.6g}"


class Work:
    """What may still be tried to find a change that mends a program.

    `layers` to be elaborated anew, a count so that all machines say alike; and `cpu_s` of processor
    time, after which nothing further is tried whatever is left of the layers.
    """

    def __init__(self, layers: int = 6_000, cpu_s: float = 0.3) -> None:
        self.layers = layers
        self.cpu_s = cpu_s


class _Group:
    """What was made by one place of the program: its regions, each with how many calls and passes
    it lies in, or layers."""

    def __init__(self, kind: RegionKind | None, span: Span) -> None:
        self.kind = kind
        """None for a layer."""
        self.span = span
        self.members: list[tuple[Region, int]] = []
        self.times = 0
        self.share = 0


# Nobody thinks of these as parts of a network: what is in them counts for what is around.
_TRANSPARENT = frozenset(("iteration", "branch", "if"))

_WORDS: dict[RegionKind | None, str] = {
    None: "layer",
    "block": "block",
    "loop": "loop",
    "residual": "residual",
    "merge": "merge",
    "group": "group",
    "aux": "side branch",
}


def dominant(report: CostReport, measure: str, nodes: tuple[int, int] | None) -> Label | None:
    """The place in the program that most of a measure comes from, with its share.

    It is the innermost layer, block or loop that makes more than half of it, all calls and passes
    taken together; where none does, or only the block that is asked about, the layer that makes
    most. `nodes` are as of `Check`. None
    where the measure depends on open sizes, or nothing has a share.
    """
    if measure == "receptive_field":
        fields = zip(report.graph.nodes, _fields(report, nodes), strict=True)
        unseen = next((node for node, field in fields if field is None), None)
        if unseen is not None:
            return Label(unseen.origin.span, "from here on, all of the image is seen")
    if measure == "peak_inference_bytes":
        peak = peak_of_one(report)
        weights_bytes, alive_bytes = peak.weights_bytes, peak.alive_bytes
        if not isinstance(weights_bytes, int) or not isinstance(alive_bytes, int):
            return None
        if weights_bytes > alive_bytes:
            label = dominant(report, "weights", None)
            most = f"most of it is {size_bytes(weights_bytes)} of weights"
            return label and label._replace(text=f"{most}; {label.text}")
        text = f"the peak is here: {size_bytes(alive_bytes)} of values are alive"
        return Label(peak.node.origin.span, text)
    shares = _shares(report, measure, nodes)
    total = sum(shares)
    if total <= 0:
        return None
    graph = report.graph
    sums: dict[int, int] = {}
    _sum(graph.root, shares, sums)
    best: _Group | None = None
    level: list[tuple[Region, int]] = [(graph.root, 0)]
    while level:
        groups = _groups(graph, level, shares, sums)
        largest = max(groups, key=lambda each: each.share)
        if 2 * largest.share <= total:
            break
        best, level = largest, largest.members
    if best is not None:
        best = _everywhere(graph, best, shares, sums)
    whole_block = best is not None and best.kind == "block" and best.share == total
    if best is None or (nodes is not None and whole_block):
        best = max(_layers(graph, shares), key=lambda each: each.share)
    whole = _whole(measure, total)
    share = f"{100 * best.share / total:.0f} %" if best.share < total else "all"
    times = f", {best.times} times" if best.times > 1 else ""
    return Label(best.span, f"{share} of the {whole}: this {_WORDS[best.kind]}{times}")


def _whole(measure: str, total: int) -> str:
    if measure.endswith("bytes"):
        return size_bytes(total)
    if measure == "receptive_field":
        return f"{total:,} pixels"
    if measure == "weights":
        return f"{amount(total)} weights"
    return amount(total)


def _shares(report: CostReport, measure: str, nodes: tuple[int, int] | None) -> list[int]:
    """How much of a measure each node makes."""
    layers = report.layers
    first, end = (0, len(layers)) if nodes is None else nodes
    inside = [first <= index < end for index in range(len(layers))]
    if nodes is None:
        inside = [not layer.auxiliary for layer in layers]
    if measure == "depth":
        shares = _along(layers, inside, [layer.depth for layer in layers])
    elif measure == "receptive_field":
        last = report.graph.root.output or 0
        if nodes is None:
            inside = [each.node.number <= last for each in layers]
        seen = [0 if each is None else max(each) for each in _fields(report, nodes)]
        shares = _along(layers, inside, seen)
    elif measure == "peak_training_bytes":
        shares = [_training_bytes(layer) for layer in layers]
        inside = [True] * len(layers)
    else:
        field = {
            "activation_bytes": "output_bytes",
            "trainable_params": "params",
            "weights": "params",
        }
        sizes = [getattr(layer, field.get(measure, measure)) for layer in layers]
        if not all(isinstance(size, int) for size in sizes):
            return []
        shares = sizes
    return [share if within else 0 for share, within in zip(shares, inside, strict=True)]


def _fields(report: CostReport, nodes: tuple[int, int] | None) -> list[Window | None]:
    """The receptive field of each layer; of a block, in pixels of what enters it, and (1, 1) for
    all that is outside."""
    if nodes is None:
        return [each.receptive_field for each in report.layers]
    fields: list[Window | None] = [Window(1, 1)] * len(report.layers)
    fields[slice(*nodes)] = seen_within(report.layers, nodes)
    return fields


def _training_bytes(layer: LayerCost) -> int:
    """As `peak_training_bytes` is defined; 0 where a size is open."""
    size = BYTES_PER_ELEMENT * (4 * layer.params + layer.buffers) + layer.output_bytes
    return size if isinstance(size, int) else 0


def _along(layers: Sequence[LayerCost], inside: list[bool], reached: list[int]) -> list[int]:
    """What each layer adds on the way that leads to the highest of the values `reached`."""
    shares = [0] * len(layers)
    ends = [index for index, within in enumerate(inside) if within]
    index = max(ends, key=lambda each: reached[each], default=None)
    while index is not None and layers[index].node.inputs:
        before = max(layers[index].node.inputs, key=lambda each: reached[each])
        shares[index] = max(reached[index] - reached[before], 0)
        index = before
    return shares


def _sum(region: Region, shares: list[int], sums: dict[int, int]) -> int:
    total = 0
    for item in region.items:
        total += _sum(item, shares, sums) if isinstance(item, Region) else shares[item]
    sums[id(region)] = total
    return total


def _groups(
    graph: Graph, level: list[tuple[Region, int]], shares: list[int], sums: dict[int, int]
) -> list[_Group]:
    """What regions hold, by the place in the program that made it."""
    found: dict[tuple[RegionKind | None, Span], _Group] = {}
    pending = list(reversed(level))
    while pending:
        region, frames = pending.pop()
        for item in region.items:
            if not isinstance(item, Region):
                _add(found, None, graph.nodes[item].origin.span, shares[item], ())
                continue
            within = item, frames + (item.kind in ("block", "iteration"))
            if item.kind in _TRANSPARENT:
                pending.append(within)
            elif sums[id(item)]:
                _add(found, item.kind, _written(graph, *within), sums[id(item)], (within,))
    return list(found.values())


def _everywhere(graph: Graph, part: _Group, shares: list[int], sums: dict[int, int]) -> _Group:
    """All that the same place of the program made, in whatever calls and loops around it."""
    found: dict[tuple[RegionKind | None, Span], _Group] = {}
    pending = [(graph.root, 0)]
    while pending and part.kind is not None:
        region, frames = pending.pop()
        for item in region.items:
            if not isinstance(item, Region) or not sums[id(item)]:
                continue
            within = item, frames + (item.kind in ("block", "iteration"))
            if item.kind == part.kind and _written(graph, *within) == part.span:
                _add(found, item.kind, part.span, sums[id(item)], (within,))
            else:
                pending.append(within)
    groups = _layers(graph, shares) if part.kind is None else found.values()
    return next(each for each in groups if each.span == part.span)


def _layers(graph: Graph, shares: list[int]) -> list[_Group]:
    """All layers, by the place in the program that made them."""
    found: dict[tuple[RegionKind | None, Span], _Group] = {}
    for node, share in zip(graph.nodes, shares, strict=True):
        _add(found, None, node.origin.span, share, ())
    return list(found.values())


def _add(
    found: dict[tuple[RegionKind | None, Span], _Group],
    kind: RegionKind | None,
    span: Span,
    share: int,
    members: tuple[tuple[Region, int], ...],
) -> None:
    if share == 0:
        return
    group = found.get((kind, span))
    if group is None:
        group = found[kind, span] = _Group(kind, span)
    group.members.extend(members)
    group.times += 1
    group.share += share


def _written(graph: Graph, region: Region, frames: int) -> Span:
    """Where a region was written, on one line: the call of a block, the head of what has braces."""
    span = region.site
    if region.kind == "block":
        inner: Region | int = region
        while isinstance(inner, Region):  # Its sum is above 0, so that it has a layer.
            inner = next(item for item in inner.items if not _is_empty(item))
        trail = graph.nodes[inner].origin.trail
        span = trail[len(trail) - frames].span
    head = span.text.split("\n", 1)[0].split("{", 1)[0].rstrip()
    return span.source.span(span.start, span.start + max(len(head), 1))


def _is_empty(item: Region | int) -> bool:
    return isinstance(item, Region) and all(map(_is_empty, item.items))
