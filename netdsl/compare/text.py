"""A difference in few words: what many blocks share is said once, and consequences are summed up.

                                               params    MACs
in 3 blocks: layer2.0, layer3.0, layer4.0
  ~ conv1  stride 2 → 1                                +231 M
  ~ conv2  stride 1 → 2
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from netdsl.amounts import short
from netdsl.compare.difference import Change, Difference, Rename
from netdsl.compare.entries import Entry, entries, few, many, ranges, unit_of, units_of
from netdsl.cost import CostReport
from netdsl.report import both, count
from netdsl.sizes import Size
from netdsl.terminal import display_width, styled

_STYLES = {"": "", "+": "good", "-": "error", "~": "warning", "=": "dim", "→": "note", " ": "note"}

_RENAMES = 12
"""Renames that are shown; more are counted."""


class _Line(NamedTuple):
    """One line of the table: what, and by how much it changes parameters and MACs."""

    sign: str
    label: str
    words: str
    params: Size = 0
    macs: Size = 0
    indented: bool = False

    @property
    def head(self) -> str:
        return "  " * self.indented + (f"{self.sign} " if self.sign else "") + self.label

    def text(self, label_width: int) -> str:
        if not self.words:
            return self.head
        return self.head + " " * (label_width - display_width(self.head)) + "  " + self.words


def as_text(found: Difference, *, title: str, width: int, color: bool) -> str:
    """The difference for people, at most `width` columns where names allow it; a line each."""
    lines = [styled(title, "bold", color=color)]
    if found.same:
        return f"{lines[0]}: no difference, {count(found.after.total.params)} parameters\n"
    lines += _table(_lines(found, width), width, color)
    lines += _totals(found, color)
    return "\n".join(line.rstrip() for line in lines) + "\n"


def network_text(title: str, report: CostReport, *, added: bool, color: bool) -> str:
    """One line for a network that is only in one of two files."""
    sign = "+" if added else "-"
    total = report.total
    head = styled(f"{sign} {title}", _STYLES[sign], color=color)
    return f"{head}: {both(total.params)} parameters, {both(total.macs)} MACs\n"


def _lines(found: Difference, width: int) -> list[_Line]:
    units = units_of(found.before.graph), units_of(found.after.graph)
    names = {**units[0], **units[1]}
    for a, b in found.alignment.scopes:
        was, now = units[0].get(a.path), units[1].get(b.path)
        if was and now and was != now:
            names[b.path] = f"{was} → {now}"
    lines = _grouped(entries(found, units), names)
    lines += _renamed(found, units[0], width)
    lines += [_Line("~", output, "") for output in found.outputs]
    followed = [change for change in found.changes if change.kind == "followed"]
    if followed:
        lines.append(_followed(followed))
    return lines


def _grouped(happened: Iterable[Entry], units: dict[tuple[str, ...], str]) -> list[_Line]:
    """Lines in which entries that several units share stand once, under the units' names."""
    alike: dict[tuple[object, ...], list[Entry]] = {}
    for entry in happened:
        alike.setdefault((bool(entry.unit), *entry.key), []).append(entry)
    together: dict[tuple[tuple[str, ...], ...], list[list[Entry]]] = {}
    for group in alike.values():
        together.setdefault(tuple(entry.unit for entry in group), []).append(group)
    lines: list[_Line] = []
    for places, groups in together.items():
        if len(set(places)) > 1:
            names = {units.get(unit, "") for unit in places}
            noun = "block" if "" not in names else "place"
            block = f" {names.pop()}" if len(names) == 1 and noun == "block" else ""
            shown = ranges([".".join(unit) for unit in dict.fromkeys(places)])
            head = f"in {len(set(places))}{block} {noun}s: {shown}"
            lines.append(_Line("", head, ""))
        for group in groups:
            lines.append(_line(group, indented=len(set(places)) > 1))
    return lines


def _line(group: Sequence[Entry], *, indented: bool) -> _Line:
    first = group[0]
    params: Size = 0
    macs: Size = 0
    for entry in group:
        params, macs = params + entry.params, macs + entry.macs
    details = {entry.detail for entry in group}
    words = first.detail if len(details) == 1 and first.detail else first.words
    parts = [words] if words else []
    for i, (name, _, _) in enumerate(first.values):
        pairs = dict.fromkeys(_step(*entry.values[i][1:]) for entry in group)
        parts.append(f"{name} {few(list(pairs))}".strip())
    label = first.label
    if not indented and first.unit:
        label = ".".join((*first.unit, first.label))
    return _Line(first.sign, label, ", ".join(parts), params, macs, indented)


def _renamed(found: Difference, units: dict[tuple[str, ...], str], width: int) -> list[_Line]:
    """What was renamed alike in several blocks stands once, and what went into one scope."""
    scopes = {a.path: b.path for a, b in found.alignment.scopes}
    alike: dict[tuple[tuple[str, ...], str], list[tuple[str, int]]] = {}
    for rename in found.renames:
        unit, was, now = _in_unit(rename, units, scopes)
        text = name = f"{'.'.join(was)} → {'.'.join(now)}"
        if now[len(now) - len(was) :] == was:
            text = f"into {'.'.join(now[: len(now) - len(was)])}"
        elif was[len(was) - len(now) :] == now:
            text = f"out of {'.'.join(was[: len(was) - len(now)])}"
        alike.setdefault((unit, text), []).append((name if was and now else "", rename.layers))
    counted: dict[str, int] = {}
    for (_, text), renamed in alike.items():
        name = renamed[0][0]
        if len(renamed) > 1 or not name:
            name = f"{many(sum(layers for _, layers in renamed), 'layer')} {text}"
        counted[name] = counted.get(name, 0) + 1
    if not counted:
        return []
    texts = [text if times == 1 else f"{text} ({times} times)" for text, times in counted.items()]
    if len(texts) > _RENAMES:
        texts[_RENAMES:] = [f"and {len(texts) - _RENAMES} more"]
    rows = ["→ renamed:"]
    for i, text in enumerate(texts):
        comma = "," if i + 1 < len(texts) else ""
        if display_width(rows[-1]) + display_width(text) + 2 > width:
            rows.append(" ")
        rows[-1] += f" {text}{comma}"
    return [_Line(row[0], row[2:], "") for row in rows]


def _in_unit(
    rename: Rename,
    units: dict[tuple[str, ...], str],
    scopes: dict[tuple[str, ...], tuple[str, ...]],
) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """The block or pass around what was renamed, and both paths from there where it stays there."""
    was, now = rename.before, rename.after
    for unit in (was, unit_of(was, units)):
        around = scopes.get(unit)
        if (unit in units or not unit) and around is not None and now[: len(around)] == around:
            return unit, was[len(unit) :], now[len(around) :]
    return (), was, now


def _followed(changes: Sequence[Change]) -> _Line:
    params: Size = 0
    macs: Size = 0
    for change in changes:
        params, macs = params + change.params, macs + change.macs
    layers = many(len(changes), "more layer")
    text = f"{layers} {'follows' if len(changes) == 1 else 'follow'} in shape or cost"
    grown = [change for change in changes if isinstance(change.params, int) and change.params]
    if grown:
        grown.sort(key=lambda change: -abs(change.params if isinstance(change.params, int) else 0))
        names = [".".join(change.layer.node.path) for change in grown[:3]]
        text += f", in parameters {', '.join(names)}{' …' if len(grown) > 3 else ''}"
    return _Line("=", text, "", params, macs)


def _table(lines: Sequence[_Line], width: int, color: bool) -> list[str]:
    """Lines with their changes of parameters and MACs in two columns on the right."""
    cells = [(signed(line.params), signed(line.macs)) for line in lines]
    params_width = max(len("params"), *(len(params) for params, _ in cells))
    macs_width = max(len("MACs"), *(len(macs) for _, macs in cells))
    room = max(width - params_width - macs_width - 4, 40)
    signs = [display_width(line.head) for line in lines if line.words]
    label_width = min(max(signs, default=0), 2 * room // 5)
    texts = [
        _cut(line.text(label_width), room if any(cell) else width)
        for line, cell in zip(lines, cells, strict=True)
    ]
    left = max(
        (display_width(text) for text, cell in zip(texts, cells, strict=True) if any(cell)),
        default=0,
    )
    shown = []
    if left:
        head = " " * left + f"  {'params'.rjust(params_width)}  {'MACs'.rjust(macs_width)}"
        shown.append(styled(head, "dim", color=color))
    for line, text, (params, macs) in zip(lines, texts, cells, strict=True):
        gap = " " * (left - display_width(text)) if params or macs else ""
        start = len(line.head)
        shown.append(
            styled(text[:start], _STYLES[line.sign], color=color)
            + text[start:]
            + (
                f"{gap}  {params.rjust(params_width)}  {macs.rjust(macs_width)}"
                if gap or params or macs
                else ""
            )
        )
    return shown


def _totals(found: Difference, color: bool) -> list[str]:
    before, after = found.before.total, found.after.total
    rows = [
        ("parameters", before.params, after.params),
        ("MACs", before.macs, after.macs),
    ]
    if found.before.auxiliary or found.after.auxiliary:
        before, after = found.before.trained, found.after.trained
        rows += [
            ("parameters with side branches", before.params, after.params),
            ("MACs with side branches", before.macs, after.macs),
        ]
    width = max(len(name) for name, _, _ in rows)
    lines = [""]
    for name, old, new in rows:
        text = f"{both(new)}, as before"
        if old != new:
            text = f"{count(old)} → {count(new)}{_growth(old, new)}"
        lines.append(styled(name.ljust(width), "bold", color=color) + f"  {text}")
    return lines


def _growth(old: Size, new: Size) -> str:
    """` (+231,211,008, +5.99%)`, or in times where that says more; "" for formulas."""
    if not isinstance(old, int) or not isinstance(new, int):
        return ""
    text = f"{new - old:+,}"
    if old:
        times = new / old
        text += (
            f", {times - 1:+.2%}" if times < 3 else f", {times:,.{1 if times < 100 else 0}f} times"
        )
    return f" ({text})"


def _step(before: str, after: str) -> str:
    """From one value to another, long fractions cut where they still differ."""
    shortened = _cut_fraction(before), _cut_fraction(after)
    return " → ".join(shortened if shortened[0] != shortened[1] else (before, after))


def _cut_fraction(text: str) -> str:
    digits = text.partition("e")[0].replace(".", "")
    return f"{float(text):.4g}" if "." in text and digits.isdecimal() and len(digits) > 5 else text


def _cut(text: str, room: int) -> str:
    while display_width(text) > room:
        text = text[: room - 1 - max(display_width(text) - len(text), 0)] + "…"
    return text


def signed(size: Size) -> str:
    """A change in three digits: +4.09 G; "" for none."""
    if not isinstance(size, int):
        return "formula"
    return f"{'-' if size < 0 else '+'}{short(abs(size))}" if size else ""
