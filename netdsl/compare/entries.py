"""What happened between two networks, in as few entries as say it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from netdsl.compare.difference import Change, Difference, relative
from netdsl.compare.places import Place
from netdsl.cost import CostReport, LayerCost, sum_layers
from netdsl.graph import Graph, Region
from netdsl.sizes import Size

_SIGNS = {"added": "+", "removed": "-", "changed": "~", "replaced": "~", "followed": "="}

_LONG_CHAIN = 3
"""Of more layers in a row than this, only operators are named."""
SHOWN = 4
"""Of more values or names than this, the first and the last are shown."""


class Entry(NamedTuple):
    """One thing that happened, to one layer or to some that belong together.

    `label` is its path inside of `unit`, the block or pass around it. `words` say what it is,
    `detail` with its arguments, `values` each argument from what to what. Entries of several units
    that differ in `values` or `detail` alone are one line. `what` is what a single place is.
    """

    sign: str
    unit: tuple[str, ...]
    label: str
    words: str
    detail: str
    params: Size
    macs: Size
    values: tuple[tuple[str, str, str], ...] = ()
    what: str = ""

    @property
    def key(self) -> tuple[object, ...]:
        return self.sign, self.label, self.words, tuple(name for name, _, _ in self.values)


def units_of(graph: Graph) -> dict[tuple[str, ...], str]:
    """The paths of blocks and passes, with the block's name or "" for a pass."""
    found: dict[tuple[str, ...], str] = {}
    pending = [graph.root]
    while pending:
        region = pending.pop()
        if region.path and region.kind in ("block", "iteration"):
            name = region.definition if region.kind == "block" else ""
            found[region.path] = found.get(region.path) or name
        pending += [item for item in region.items if isinstance(item, Region)]
    return found


def unit_of(path: tuple[str, ...], units: dict[tuple[str, ...], str]) -> tuple[str, ...]:
    scope = path[:-1]
    while scope and scope not in units:
        scope = scope[:-1]
    return scope


def entries(
    found: Difference, units: tuple[dict[tuple[str, ...], str], dict[tuple[str, ...], str]]
) -> list[Entry]:
    """What was added, removed and changed, in order; `units` of both networks, as `units_of`."""
    alignment = found.alignment
    origin = {b: a for a, b in alignment.pairs.items()}
    gone = _whole_scopes(alignment.before, alignment.pairs)
    new = _whole_scopes(alignment.after, origin)
    happened: list[Entry] = []
    chain: list[Change] = []
    done: set[tuple[str, tuple[str, ...]]] = set()

    def end_chain() -> None:
        if chain:
            names = units[chain[0].kind == "added"]
            happened.append(_chain(chain, unit_of(chain[0].layer.node.path, names)))
            chain.clear()

    for change in found.changes:
        node = change.layer.node
        if change.kind == "followed":
            continue
        if change.kind in ("changed", "replaced"):
            end_chain()
            happened.append(_edit(change, units[1]))
            continue
        place = (new if change.kind == "added" else gone).get(node.number)
        if place is not None:
            if (change.kind, place.path) not in done:
                end_chain()
                done.add((change.kind, place.path))
                report = found.after if change.kind == "added" else found.before
                happened.append(_scope(change, place, report, units[change.kind == "added"]))
            continue
        last = chain[-1] if chain else None
        if last is not None and (
            last.kind != change.kind
            or last.layer.node.path[:-1] != node.path[:-1]
            or last.layer.node.number + 1 != node.number
        ):
            end_chain()
        chain.append(change)
    end_chain()
    return list(_joined(happened))


def _call(layer: LayerCost) -> str:
    return "input" if layer.node.op is None else layer.node.op.text()


def _unsaid(label: str, words: str) -> str:
    """The words; "" where they are but the label again, without its number."""
    return "" if label.rstrip("0123456789").endswith(words) else words


def _whole_scopes(root: Place, known: dict[int, int]) -> dict[int, Place]:
    """For each layer of a scope none of whose layers is known, the outermost such scope."""
    found: dict[int, Place] = {}
    pending = list(root.children)
    while pending:
        place = pending.pop()
        if place.node is not None:
            continue
        layers = place.layers()
        if any(number in known for number in layers):
            pending += place.children
        else:
            found.update(dict.fromkeys(layers, place))
    return found


def _edit(change: Change, units: dict[tuple[str, ...], str]) -> Entry:
    node = change.layer.node
    unit = unit_of(node.path, units)
    assert change.before is not None
    op, old = node.op, change.before.node.op
    values = tuple((each.name, each.before, each.after) for each in change.arguments)
    words = "" if op is None else _unsaid(node.path[-1], op.name)
    if change.kind == "replaced":
        assert op is not None and old is not None
        values = (("", old.text(), op.text()), *values)
        words = ""
    label = relative(node.path, unit)
    return Entry("~", unit, label, words, "", change.params, change.macs, values=values)


def _scope(
    change: Change, place: Place, report: CostReport, units: dict[tuple[str, ...], str]
) -> Entry:
    layers = [report.layers[number] for number in place.layers()]
    unit = unit_of(place.path, units)
    params, macs = _sum(layers)
    if change.kind == "removed":
        params, macs = -params, -macs
    block = units.get(place.path, "")
    words = f"{block} ({many(len(layers), 'layer')})".lstrip()
    if not block and len(layers) <= SHOWN:
        words = " -> ".join(_call(layer).partition("(")[0] for layer in layers)
    label = relative(place.path, unit)
    return Entry(_SIGNS[change.kind], unit, label, words, words, params, macs, what=words)


def _chain(chain: Sequence[Change], unit: tuple[str, ...]) -> Entry:
    layers = [change.layer for change in chain]
    labels = [relative(layer.node.path, unit) for layer in layers]
    texts = [_call(layer) for layer in layers]
    names = [text.partition("(")[0] for text in texts]
    label = ", ".join(labels)
    what = names[0] if len(layers) == 1 else ""
    if len(layers) > _LONG_CHAIN:
        label = f"{labels[0]} … {labels[-1]}"
        names = texts = some(names, 2 * SHOWN)
    elif len(layers) == 1:
        texts, names = [_unsaid(label, texts[0])], [_unsaid(label, names[0])]
    words = " -> ".join(texts)
    params: Size = 0
    macs: Size = 0
    for change in chain:
        params, macs = params + change.params, macs + change.macs
    sign = _SIGNS[chain[0].kind]
    return Entry(sign, unit, label, " -> ".join(names), words, params, macs, what=what)


def _joined(entries: Iterable[Entry]) -> Iterator[Entry]:
    """What was added or removed in one stretch; what is alike but for its number as one entry."""
    stretch: dict[tuple[str, str], list[Entry]] = {}
    around: tuple[str, ...] = ()
    for entry in entries:
        unit = entry.sign, *entry.unit
        if stretch and (not entry.what or unit != around):
            yield from _several(stretch.values())
            stretch.clear()
        if entry.what:
            around = unit
            key = entry.what, entry.label.rstrip("0123456789")
            stretch.setdefault(key, []).append(entry)
        else:
            yield entry
    yield from _several(stretch.values())


def _several(groups: Iterable[list[Entry]]) -> Iterator[Entry]:
    for group in groups:
        details = {entry.detail for entry in group}
        if len(group) == 1 or (len(group) == 2 and len(details) > 1):
            yield from group
            continue
        params: Size = 0
        macs: Size = 0
        for entry in group:
            params, macs = params + entry.params, macs + entry.macs
        detail = details.pop() if len(details) == 1 else ""
        words = f"{len(group)} × {detail or group[0].what}"
        label = ranges([entry.label for entry in group])
        yield group[0]._replace(label=label, words=words, detail="", params=params, macs=macs)


def _sum(layers: Iterable[LayerCost]) -> tuple[Size, Size]:
    total = sum_layers(layers)
    return total.params, total.macs


def ranges(paths: Sequence[str]) -> str:
    """Paths, those that count up as one: layer3.1…5, 7, layer4.0."""
    runs: list[tuple[str, int, int]] = []
    for path in paths:
        stem = path.rstrip("0123456789")
        number = int(path[len(stem) :]) if stem != path else -1
        if runs and number > 0 and runs[-1][0] == stem and runs[-1][2] + 1 == number:
            runs[-1] = stem, runs[-1][1], number
        else:
            runs.append((stem, number, number))
    shown: list[str] = []
    before = ""
    for stem, first, last in runs:
        own = "" if stem == before else stem
        before = stem if stem.endswith(".") else ""
        if last > first:
            again = "…" if last > first + 1 else f", {'' if before else stem}"
            shown.append(f"{own}{first}{again}{last}")
        else:
            shown.append(own if first < 0 else f"{own}{first}")
    return few(shown, 2 * SHOWN - 1)


def few(texts: Sequence[str], most: int = SHOWN) -> str:
    return ", ".join(some(texts, most))


def some(texts: Sequence[str], most: int) -> list[str]:
    return [*texts[: most - 1], "…", texts[-1]] if len(texts) > most else list(texts)


def many(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
