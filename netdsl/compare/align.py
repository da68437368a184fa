"""Which layer of one network is which of another: by path first, then by what it is.

Each network is a tree of places: layers, and the scopes that their paths share. Scopes that
correspond have their children aligned in order, so that the sum of likenesses is the largest
(Needleman & Wunsch 1970); long stretches are cut first where children surely correspond, which
keeps all near linear. What keeps the name that someone chose corresponds in any order. What is
left over on both sides was moved if it is alike.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import NamedTuple, TypeAlias

from netdsl.compare.names import keeping_names, layer_names, unwrapped, without_counted_names
from netdsl.compare.places import DIGITS, Place, likeness, rising
from netdsl.cost import CostReport
from netdsl.graph import Graph, PassNumber

_CELLS = 10_000
"""Stretches with more pairs of children than this are cut before they are aligned."""


class Alignment(NamedTuple):
    """`pairs` gives for a node of the first graph that of the second, `scopes` pairs of scopes."""

    before: Place
    after: Place
    pairs: dict[int, int]
    scopes: list[tuple[Place, Place]]


_Pairs: TypeAlias = "list[tuple[Place, Place]]"
_Branches: TypeAlias = "dict[tuple[str, bool], _Branches | int]"


def align(before: CostReport, after: CostReport) -> Alignment:
    """Align two networks; the other way around it is the same alignment, mirrored."""
    if _order(after.graph) < _order(before.graph):
        # Where several alignments are equally good, which is taken depends on the order.
        mirrored = _align(after, before)
        pairs = {old: new for new, old in mirrored.pairs.items()}
        scopes = [(old, new) for new, old in mirrored.scopes]
        return Alignment(mirrored.after, mirrored.before, pairs, scopes)
    return _align(before, after)


def _order(graph: Graph) -> tuple[int, list[tuple[tuple[str, ...], str]]]:
    nodes = graph.nodes
    return len(nodes), [(node.path, node.op.text() if node.op else "") for node in nodes]


def _align(before: CostReport, after: CostReport) -> Alignment:
    forms: dict[Hashable, int] = {}
    roots = _tree(before.graph, forms), _tree(after.graph, forms)
    pairs: dict[int, int] = {}
    scopes: _Pairs = [roots]
    for left, right in scopes:  # It grows as we go.
        for a, b in _children(left.children, right.children):
            if a.node is not None and b.node is not None:
                pairs[a.node] = b.node
            else:
                scopes.append((a, b))
    _find_moved(before, after, pairs)
    return Alignment(*roots, pairs, scopes)


def _tree(graph: Graph, forms: dict[Hashable, int]) -> Place:
    root: _Branches = {}
    for node in graph.nodes:
        branches = root
        for part in node.path[:-1]:
            inner = branches.setdefault((part, False), {})
            assert isinstance(inner, dict)
            branches = inner
        branches[node.path[-1], True] = node.number

    def place(name: str, path: tuple[str, ...], inside: _Branches | int) -> Place:
        if isinstance(inside, int):
            node = graph.nodes[inside]
            word = "" if node.op is None else node.op.name
            labelled = name.rstrip(DIGITS) != word
            form = forms.setdefault(node.op, len(forms))
            counts = {word: 1}
            channels, inputs = node.type.channels, tuple(node.inputs)
            return Place(
                name, path, inside, (), form, {form: 1}, counts, labelled, node.op, channels, inputs
            )
        children = tuple(place(part, (*path, part), each) for (part, _), each in inside.items())
        counts = {}
        layers: dict[int, int] = {}
        for child in children:
            for word, count in child.operators.items():
                counts[word] = counts.get(word, 0) + count
            for each, count in child.layer_forms.items():
                layers[each] = layers.get(each, 0) + count
        form = forms.setdefault(tuple(child.form for child in children), len(forms))
        labelled = not isinstance(name, PassNumber) and not name.isdecimal()
        return Place(name, path, None, children, form, layers, counts, labelled)

    return place("", (), root)


def _children(left: Sequence[Place], right: Sequence[Place]) -> _Pairs:
    """Pairs of children that correspond, also where some were put into a scope or taken out."""
    names = {place.name for place in left}, {place.name for place in right}
    layers = layer_names(left), layer_names(right)
    left = unwrapped(left, names[1], names[1] - names[0], layers[1])
    right = unwrapped(right, names[0], names[0] - names[1], layers[0])
    left, right = keeping_names(*without_counted_names(left, right))
    found = _aligned(left, right)
    paired = {a.path for a, _ in found}, {b.path for _, b in found}
    kept = {b.keeps: b for b in right if b.keeps}
    rest = {b.name: b for b in right if b.labelled and b.path not in paired[1]}
    for a in left:
        if a.path in paired[0]:
            continue
        if a.keeps:
            found.append((a, kept[a.keeps]))
        elif a.labelled and a.name in rest and likeness(a, rest[a.name]) > 0:
            found.append((a, rest.pop(a.name)))  # It keeps its name in another order.
    return found


def _aligned(left: Sequence[Place], right: Sequence[Place]) -> _Pairs:
    """Pairs of children that correspond, in order."""
    start = 0
    shorter = min(len(left), len(right))
    while start < shorter and _name_and_form(left[start]) == _name_and_form(right[start]):
        start += 1
    end = 0
    while end < shorter - start and _name_and_form(left[~end]) == _name_and_form(right[~end]):
        end += 1
    found = list(zip(left[:start], right[:start], strict=True))
    inner_left, inner_right = left[start : len(left) - end], right[start : len(right) - end]
    if inner_left and inner_right:
        if len(inner_left) * len(inner_right) <= _CELLS:
            found += _best(inner_left, inner_right)
        else:
            found += _cut(inner_left, inner_right)
    found += zip(left[len(left) - end :], right[len(right) - end :], strict=True)
    return found


def _name_and_form(place: Place) -> Hashable:
    return place.name, place.form, place.keeps


def _name_and_operators(place: Place) -> Hashable:
    return place.name, place.node is None, place.keeps, *sorted(place.operators.items())


def _form(place: Place) -> Hashable:
    return place.form, place.keeps


def _cut(left: Sequence[Place], right: Sequence[Place]) -> _Pairs:
    """Align long stretches between the pairs that surely correspond; without such, none."""
    for key in (_name_and_form, _form, _name_and_operators):
        anchors = _anchors(left, right, key)
        if not anchors:
            continue
        found: _Pairs = []
        i = j = 0
        for a, b in [*anchors, (len(left), len(right))]:
            found += _aligned(left[i:a], right[j:b])
            if a < len(left):
                found.append((left[a], right[b]))
            i, j = a + 1, b + 1
        return found
    return []


def _anchors(
    left: Sequence[Place], right: Sequence[Place], key: Callable[[Place], Hashable]
) -> list[tuple[int, int]]:
    """The longest rising chain of places that have their key, the same number of times before."""
    positions: dict[Hashable, list[int]] = {}
    for j, place in enumerate(right):
        positions.setdefault(key(place), []).append(j)
    rest = {name: iter(found) for name, found in positions.items()}
    candidates = []
    for i, place in enumerate(left):
        position = next(rest.get(key(place), iter(())), None)
        if position is not None:
            candidates.append((i, position))
    return rising(candidates)


def _best(left: Sequence[Place], right: Sequence[Place]) -> _Pairs:
    """The pairs, in order, whose likenesses have the largest sum; of such, the earliest."""
    alike = [[likeness(a, b) for b in right] for a in left]
    best = [[0.0] * (len(right) + 1) for _ in range(len(left) + 1)]
    for i in reversed(range(len(left))):
        for j in reversed(range(len(right))):
            best[i][j] = max(best[i + 1][j], best[i][j + 1], alike[i][j] + best[i + 1][j + 1])
    found = []
    i = j = 0
    while i < len(left) and j < len(right):
        if alike[i][j] > 0 and best[i][j] == alike[i][j] + best[i + 1][j + 1]:
            found.append((left[i], right[j]))
            i, j = i + 1, j + 1
        elif best[i][j] == best[i + 1][j]:
            i += 1
        else:
            j += 1
    return found


def _find_moved(before: CostReport, after: CostReport, pairs: dict[int, int]) -> None:
    """Pair what is left over: layers with the same kernel, and equal ones next to those."""
    taken = set(pairs.values())

    def pair(a: int, b: int) -> None:
        pairs[a] = b
        taken.add(b)

    places: dict[Hashable, list[int]] = {}
    for layer in reversed(after.layers):
        if layer.node.number not in taken and layer.params != 0 and layer.macs != 0:
            places.setdefault((layer.node.op, layer.params), []).append(layer.node.number)
    seeds = []
    for layer in before.layers:
        if layer.node.number not in pairs and layer.params != 0 and layer.macs != 0:
            candidates = places.get((layer.node.op, layer.params))
            if candidates:
                seeds.append((layer.node.number, candidates.pop()))
                pair(*seeds[-1])
    old, new = before.graph.nodes, after.graph.nodes
    for seed_a, seed_b in seeds:
        for step in (-1, 1):
            a, b = seed_a + step, seed_b + step
            while (
                0 <= a < len(old)
                and 0 <= b < len(new)
                and a not in pairs
                and b not in taken
                and old[a].op == new[b].op
            ):
                pair(a, b)
                a, b = a + step, b + step
