"""Which layer of one network is which of another: by path first, then by what it is.

Each network is a tree of places: layers, and the scopes that their paths share. Scopes that
correspond have their children aligned in order, so that the sum of likenesses is the largest
(Needleman & Wunsch 1970); long stretches are cut first where children surely correspond, which
keeps all near linear. What keeps the name that someone chose corresponds in any order. What is
left over on both sides was moved if it is alike.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Collection, Hashable, Sequence
from typing import NamedTuple, TypeAlias, TypeVar

from netdsl.cost import CostReport
from netdsl.graph import Graph, PassNumber
from netdsl.ops.base import Op
from netdsl.sizes import Size

_CELLS = 10_000
"""Stretches with more pairs of children than this are cut before they are aligned."""

# How alike two places are. That a layer is exactly the same outweighs a number in its name, which
# shifts as layers are put before it; a name that someone chose outweighs that.
_EXACT = 1.0
_SAME_OPERATOR = 0.45
_SAME_ARGUMENTS = 0.15
_SAME_FAMILY = 0.1
_SAME_LABEL = 0.5
_SAME_NUMBER = 0.1
_SAME_CHANNELS = 0.05
_DIGITS = "0123456789"
_SCOPE = 4.0
"""A scope counts as this many layers."""


class Place(NamedTuple):
    """A layer, or a scope of layers whose paths begin alike.

    `form` is equal for places of the same structure, whatever their names. `labelled` says that
    the name was chosen and not counted. Places with a number in `keeps` correspond to the one that
    has the same there, and to no other.
    """

    name: str
    path: tuple[str, ...]
    node: int | None
    children: tuple[Place, ...]
    form: int
    layer_forms: dict[int, int]
    operators: dict[str, int]
    labelled: bool
    op: Op | None = None
    channels: Size = 0
    inputs: tuple[int, ...] = ()
    keeps: int = 0

    def layers(self) -> list[int]:
        """The nodes of its layers."""
        if self.node is not None:
            return [self.node]
        return [number for child in self.children for number in child.layers()]


class Alignment(NamedTuple):
    """`pairs` gives for a node of the first graph that of the second, `scopes` pairs of scopes."""

    before: Place
    after: Place
    pairs: dict[int, int]
    scopes: list[tuple[Place, Place]]


_Pairs: TypeAlias = "list[tuple[Place, Place]]"
_Key = TypeVar("_Key", str, int)
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
            labelled = name.rstrip(_DIGITS) != word
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
    layers = _layer_names(left), _layer_names(right)
    left = _unwrapped(left, names[1], names[1] - names[0], layers[1])
    right = _unwrapped(right, names[0], names[0] - names[1], layers[0])
    left, right = _keeping_names(*_without_counted_names(left, right))
    found = _aligned(left, right)
    paired = {a.path for a, _ in found}, {b.path for _, b in found}
    kept = {b.keeps: b for b in right if b.keeps}
    rest = {b.name: b for b in right if b.labelled and b.path not in paired[1]}
    for a in left:
        if a.path in paired[0]:
            continue
        if a.keeps:
            found.append((a, kept[a.keeps]))
        elif a.labelled and a.name in rest and _likeness(a, rest[a.name]) > 0:
            found.append((a, rest.pop(a.name)))  # It keeps its name in another order.
    return found


def _layer_names(places: Sequence[Place]) -> set[str]:
    return {place.name for place in places if place.node is not None and place.labelled}


def _has_weights(place: Place) -> bool:
    return place.op is not None and place.op.holds_weights


def _unwrapped(
    places: Sequence[Place], names: set[str], missing: set[str], layers: set[str]
) -> list[Place]:
    """The places, with a scope's children for each scope that only one network has, where half of
    its children are missing beside it; and for each that has a layer's name there, which then is
    that of its first layer with weights."""
    found: list[Place] = []
    for place in places:
        inside = sum(child.name in missing for child in place.children)
        if place.name not in names and 0 < len(place.children) <= 2 * inside:
            found += place.children
        elif place.children and place.name in layers:
            first = next((child for child in place.children if _has_weights(child)), None)
            found += [
                child._replace(name=place.name, labelled=True) if child is first else child
                for child in place.children
            ]
        else:
            found.append(place)
    return found


def _without_counted_names(
    left: Sequence[Place], right: Sequence[Place]
) -> tuple[list[Place], list[Place]]:
    """The places, names taken as counted where they count up (stage1, stage2) to another number.

    What was put before others there has shifted their names.
    """
    series = _series(left), _series(right)
    shifted = {
        stem
        for stem, numbers in series[0].items()
        if len(numbers) != len(series[1].get(stem, numbers))
        and all(
            sorted(found) == list(range(min(numbers), min(numbers) + len(found)))
            for found in (numbers, series[1][stem])
        )
    }

    def counted(place: Place) -> Place:
        stem = place.name.rstrip(_DIGITS)
        return place._replace(labelled=False) if stem in shifted else place

    return [counted(place) for place in left], [counted(place) for place in right]


def _series(places: Sequence[Place]) -> dict[str, list[int]]:
    """The numbers that chosen names end in, by what is before them."""
    found: dict[str, list[int]] = {}
    for place in places:
        stem = place.name.rstrip(_DIGITS)
        if place.labelled and stem != place.name:
            found.setdefault(stem, []).append(int(place.name[len(stem) :]))
    return found


def _keeping_names(
    left: Sequence[Place], right: Sequence[Place]
) -> tuple[list[Place], list[Place]]:
    """The places, with a number in `keeps` for those that correspond by name in any order.

    These are the same under the same chosen name; then those with other arguments, unless what they
    were is there under another name. Counted layers next to them went with them.
    """
    numbers = {place.name: j for j, place in enumerate(right) if place.labelled}
    named = {numbers[a.name]: i for i, a in enumerate(left) if a.labelled and a.name in numbers}
    kept = {i: j for j, i in named.items() if left[i].form == right[j].form}
    forms = _forms(left, kept.keys()), _forms(right, kept.values())
    for j, i in named.items():
        a, b = left[i], right[j]
        if i in kept or a.form in forms[1] or b.form in forms[0]:
            continue
        if type(a.op) is type(b.op) and _likeness(a, b) > 0:
            kept[i] = j
    moved = _out_of_order(kept)
    _take_along(left, right, list(kept.items()), 1, kept)
    _take_along(left, right, moved, -1, kept)
    keeping = list(left), list(right)
    for number, (i, j) in enumerate(kept.items(), 1):
        keeping[0][i] = left[i]._replace(keeps=number)
        keeping[1][j] = right[j]._replace(keeps=number)
    return keeping


def _forms(places: Sequence[Place], known: Collection[int]) -> set[int]:
    numbers = set(known)
    return {place.form for i, place in enumerate(places) if i not in numbers}


def _out_of_order(kept: dict[int, int]) -> list[tuple[int, int]]:
    """The fewest pairs without which the others are in order."""
    pairs = sorted(kept.items())
    in_order = set(_rising(pairs))
    return [pair for pair in pairs if pair not in in_order]


def _take_along(
    left: Sequence[Place],
    right: Sequence[Place],
    pairs: Sequence[tuple[int, int]],
    step: int,
    kept: dict[int, int],
) -> None:
    """Keep what leads on from these pairs too, or to them, if it is the same on both sides."""
    taken = set(kept.values())
    for i, j in pairs:
        a, b = i + step, j + step
        while (
            0 <= a < len(left)
            and 0 <= b < len(right)
            and a not in kept
            and b not in taken
            and _goes_along(left[a], left[i])
            and left[a].form == right[b].form
            and not right[b].labelled
            and all(
                _leads_on(places[min(k, k - step)], places[max(k, k - step)])
                for places, k in ((left, a), (right, b))
            )
        ):
            kept[a] = b
            taken.add(b)
            a, b = a + step, b + step


def _goes_along(layer: Place, kept: Place) -> bool:
    """Whether it is a counted layer that may belong to another place, like its norm."""
    if layer.op is None or layer.labelled:
        return False
    return not (layer.op.holds_weights and layer.op.name in kept.operators)


def _leads_on(place: Place, after: Place) -> bool:
    """Whether what the place gives is all that the next one reads."""
    return len(after.inputs) == 1 and after.inputs[0] in place.layers()


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
    return _rising(candidates)


def _rising(candidates: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """The longest chain of pairs, sorted by the first, that rises in the second too."""
    # Longest increasing subsequence: `ends[k]` ends the best chain of k + 1 candidates.
    ends: list[int] = []
    last: list[int] = []
    previous: list[int] = []
    for number, (_, j) in enumerate(candidates):
        k = bisect_left(ends, j)
        previous.append(last[k - 1] if k else -1)
        ends[k : k + 1] = [j]
        last[k : k + 1] = [number]
    chain = []
    number = last[-1] if last else -1
    while number >= 0:
        chain.append(candidates[number])
        number = previous[number]
    return chain[::-1]


def _best(left: Sequence[Place], right: Sequence[Place]) -> _Pairs:
    """The pairs, in order, whose likenesses have the largest sum; of such, the earliest."""
    likeness = [[_likeness(a, b) for b in right] for a in left]
    best = [[0.0] * (len(right) + 1) for _ in range(len(left) + 1)]
    for i in reversed(range(len(left))):
        for j in reversed(range(len(right))):
            best[i][j] = max(best[i + 1][j], best[i][j + 1], likeness[i][j] + best[i + 1][j + 1])
    found = []
    i = j = 0
    while i < len(left) and j < len(right):
        if likeness[i][j] > 0 and best[i][j] == likeness[i][j] + best[i + 1][j + 1]:
            found.append((left[i], right[j]))
            i, j = i + 1, j + 1
        elif best[i][j] == best[i + 1][j]:
            i += 1
        else:
            j += 1
    return found


def _likeness(a: Place, b: Place) -> float:
    """How alike two places are; 0 for those that can't correspond."""
    if a.keeps != b.keeps:
        return 0.0
    bonus = 0.0
    if a.name == b.name:
        bonus = _SAME_LABEL if a.labelled and b.labelled else _SAME_NUMBER
    if a.node is None and b.node is None:
        if a.form == b.form:
            return _SCOPE * (_EXACT + bonus)
        share = _share(a.operators, b.operators)
        if share < 0.5 and (a.name != b.name or share == 0):
            return 0.0
        same = _share(a.layer_forms, b.layer_forms)
        return _SCOPE * (_SAME_OPERATOR * share + _SAME_ARGUMENTS * same + bonus)
    if a.node is None or b.node is None:
        return 0.0
    if a.channels == b.channels:
        bonus += _SAME_CHANNELS
    if a.form == b.form:
        return _EXACT + bonus
    if a.op is None or b.op is None:
        return 0.0
    if type(a.op) is type(b.op):
        values = vars(b.op)
        equal = [values[name] == value for name, value in vars(a.op).items()]
        return _SAME_OPERATOR + _SAME_ARGUMENTS * equal.count(True) / len(equal) + bonus
    # Operators of one family stand in one file: activations, norms, pools.
    family = type(a.op).__module__ == type(b.op).__module__
    label = bonus >= _SAME_LABEL and a.op.holds_weights == b.op.holds_weights
    return _SAME_FAMILY + bonus if family or label else 0.0


def _share(a: dict[_Key, int], b: dict[_Key, int]) -> float:
    """Which share of two collections both have; 1 for equal ones."""
    shared = sum(min(count, b.get(key, 0)) for key, count in a.items())
    return 2 * shared / (sum(a.values()) + sum(b.values()))


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
