"""Word diagnostics for a reader, as text with the program's lines or as JSON.

    error[unknown-argument]: `conv` has no argument `strides`
     --> resnet.net:4:25
      |
    3 | block conv_bn(filters, kernel = 3x3) {
      |       ------- `conv_bn` is declared here
    4 |   conv(filters, kernel, strides = 2)
      |                         ^^^^^^^
    ...
    9 |   conv_bn(64)
      |   ----------- in `conv_bn(filters = 64, kernel = 3x3)`
      |
      = help: did you mean `stride`?
      = fix: write `stride`
      |
    4 -   conv(filters, kernel, strides = 2)
    4 +   conv(filters, kernel, stride = 2)

The bytes depend on nothing but the diagnostics and `color`, so tests and editors can rely on them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from netdsl.diagnostics import Diagnostic, Frame
from netdsl.limits import LIMITS
from netdsl.snippet import Mark, proposal, snippet
from netdsl.source import Source, Span, printable
from netdsl.terminal import styled

# A longer trail is shown by its innermost and outermost calls.
_TRAIL_INNER = 6
_TRAIL_OUTER = 2


def render(diagnostics: Iterable[Diagnostic], *, color: bool) -> str:
    """All diagnostics in their order, then their number; "" for none.

    One that comes back at the same place with the same code is shown once and counted. At most
    `Limits.errors` are shown.
    """
    counted = _count_repeats(diagnostics)
    if not counted:
        return ""
    blocks = [_block(diagnostic, again, color) for diagnostic, again in counted[: LIMITS.errors]]
    hidden = len(counted) - len(blocks)
    if hidden:
        blocks.append(f"… and {hidden} more that {'is' if hidden == 1 else 'are'} not shown\n")
    blocks.append(summarize([diagnostic for diagnostic, _ in counted]) + "\n")
    return "\n".join(blocks)


def distinct(diagnostics: Iterable[Diagnostic]) -> list[Diagnostic]:
    """The diagnostics in their order, of those with the same code and place the first."""
    return [diagnostic for diagnostic, _ in _count_repeats(diagnostics)]


def concise(diagnostics: Iterable[Diagnostic]) -> str:
    """A line for each, `file:line:column: error[code] message`; "" for none."""
    return "".join(
        f"{_shown(each.span)}: {each.severity}[{each.code}] {printable(each.message)}\n"
        for each in distinct(diagnostics)
    )


def summarize(diagnostics: Sequence[Diagnostic]) -> str:
    """`2 errors, 1 warning`, or `no errors`."""
    parts = []
    for severity in ("error", "warning"):
        count = sum(diagnostic.severity == severity for diagnostic in diagnostics)
        if count:
            parts.append(f"{count} {severity}" + ("s" if count > 1 else ""))
    return ", ".join(parts) or "no errors"


def to_json(diagnostic: Diagnostic) -> dict[str, object]:
    """The diagnostic as plain data. Lines and columns count from 1, in code points.

    The end is the place after the last character.
    """
    return {
        "code": diagnostic.code,
        "severity": diagnostic.severity,
        "message": diagnostic.message,
        **_place(diagnostic.span),
        "label": diagnostic.label,
        "labels": [{**_place(label.span), "text": label.text} for label in diagnostic.labels],
        "notes": list(diagnostic.notes),
        "help": diagnostic.help,
        "trail": [
            {
                **_place(frame.span),
                "text": frame.text,
                "definition": frame.definition and _place(frame.definition),
            }
            for frame in diagnostic.trail
        ],
        "fixes": [
            {
                "message": fix.message,
                "safe": fix.safe,
                "edits": [{**_place(edit.span), "text": edit.text} for edit in fix.edits],
            }
            for fix in diagnostic.fixes
        ],
    }


def _place(span: Span) -> dict[str, object]:
    line, column = span.source.line_column(span.start)
    end_line, end_column = span.source.line_column(span.end)
    return {
        "file": span.source.name,
        "line": line,
        "column": column,
        "end_line": end_line,
        "end_column": end_column,
    }


def _count_repeats(diagnostics: Iterable[Diagnostic]) -> list[tuple[Diagnostic, int]]:
    first: dict[tuple[str, Span], Diagnostic] = {}
    again: dict[tuple[str, Span], int] = {}
    for diagnostic in diagnostics:
        key = diagnostic.code, diagnostic.span
        if key in first:
            again[key] += 1
        else:
            first[key] = diagnostic
            again[key] = 0
    return [(diagnostic, again[key]) for key, diagnostic in first.items()]


def _block(diagnostic: Diagnostic, again: int, color: bool) -> str:
    marks: dict[Source, list[Mark]] = {}
    primary = diagnostic.span
    marks[primary.source] = [Mark(primary, diagnostic.label, primary=True)]
    for label in diagnostic.labels:
        marks.setdefault(label.span.source, []).append(Mark(label.span, label.text, primary=False))
    for span, text in _trail(diagnostic.trail):
        marks.setdefault(span.source, []).append(Mark(span, text, primary=False))
    last_line = max(
        source.line_column(mark.span.end)[0] for source, group in marks.items() for mark in group
    )
    for fix in diagnostic.fixes:
        for span, text in fix.edits:
            last_line = max(last_line, span.source.line_column(span.end)[0] + text.count("\n"))
    gutter = len(str(last_line))
    severity = diagnostic.severity
    head = styled(f"{severity}[{diagnostic.code}]", severity, color=color)
    lines = [head + styled(f": {printable(diagnostic.message)}", "bold", color=color)]
    bar = " " * gutter + " " + styled("|", "frame", color=color)
    for source, group in marks.items():
        arrow, place = "-->", primary
        if source is not primary.source:
            arrow, place = ":::", min(mark.span for mark in group)
            lines.append(bar)
        lines.append(" " * gutter + styled(arrow, "frame", color=color) + f" {_shown(place)}")
        lines += snippet(source, group, gutter, severity, color=color)
    remarks = [("note", note) for note in diagnostic.notes]
    hidden = len(diagnostic.trail) - _TRAIL_INNER - _TRAIL_OUTER
    if hidden > 0:
        remarks.append(("note", f"between them are {hidden} more calls and passes"))
    if again:
        remarks.append(("note", f"and {again} more like it, in other calls or passes"))
    if diagnostic.help:
        remarks.append(("help", diagnostic.help))
    if remarks:
        lines.append(bar)
    lines += _remarks(remarks, gutter, color)
    for fix in diagnostic.fixes:
        if lines[-1] != bar and (not remarks or fix is not diagnostic.fixes[0]):
            lines.append(bar)
        lines += _remarks([("fix" if fix.safe else "unsafe fix", fix.message)], gutter, color)
        lines += [bar, *proposal(fix.edits, gutter, color=color)]
    return "\n".join(lines) + "\n"


def _remarks(remarks: list[tuple[str, str]], gutter: int, color: bool) -> list[str]:
    lines = []
    for word, text in remarks:
        first, *rest = text.split("\n")
        equals = styled("=", "frame", color=color)
        lines.append(
            f"{' ' * gutter} {equals} {styled(f'{word}:', 'note', color=color)} {printable(first)}"
        )
        lines += [" " * (gutter + len(word) + 5) + printable(each) for each in rest]
    return lines


def _trail(trail: tuple[Frame, ...]) -> list[tuple[Span, str]]:
    """The calls and passes that led to a place, and where its block is declared."""
    frames = list(trail)
    if len(frames) > _TRAIL_INNER + _TRAIL_OUTER:
        frames[_TRAIL_INNER:-_TRAIL_OUTER] = []
    shown = [(_head(frame.span), f"in {frame.text}") for frame in frames]
    declared = next((frame.definition for frame in trail if frame.definition is not None), None)
    if declared is not None:
        shown.append((declared, f"`{declared.text}` is declared here"))
    return shown


def _head(span: Span) -> Span:
    """Of a call or loop what stands on its first line, before its body."""
    head = span.text.partition("\n")[0].partition("{")[0].rstrip()
    return span.source.span(span.start, span.start + len(head))


def _shown(span: Span) -> str:
    line, column = span.source.line_column(span.start)
    return f"{printable(span.source.name)}:{line}:{column}"
