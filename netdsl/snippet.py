"""Draw lines of a program with marks under the stretches that a diagnostic speaks of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from netdsl.diagnostics import Edit
from netdsl.source import Source, Span, printable
from netdsl.terminal import display_width, styled

_TAB_COLUMNS = 4
# A longer line is cut around what is marked.
_LINE_COLUMNS = 120
# A stretch over more lines is shown by its first lines and its last.
_WHOLE_LINES = 5


class Mark(NamedTuple):
    """A stretch to underline, with `^` where it is the diagnostic's own place and else with `-`."""

    span: Span
    text: str
    primary: bool


class _Stretch(NamedTuple):
    """A mark by 1-based lines and by characters within them, the last one not included."""

    first_line: int
    start: int
    last_line: int
    end: int
    text: str
    primary: bool


class _Row:
    """Cells of one output line, each with its style."""

    def __init__(self) -> None:
        self.cells: list[tuple[str, str]] = []

    def put(self, column: int, text: str, style: str = "") -> None:
        missing = column + len(text) - len(self.cells)
        self.cells.extend([(" ", "")] * missing)
        self.cells[column : column + len(text)] = [(character, style) for character in text]

    def text(self, *, color: bool) -> str:
        while self.cells and self.cells[-1][0] == " ":
            self.cells.pop()
        shown, run, style = "", "", ""
        for character, each in (*self.cells, ("", "")):
            if each != style:
                shown += styled(run, style, color=color)
                run, style = "", each
            run += character
        return shown + run


class _Line:
    """One line as it is shown: tabs as spaces, controls escaped, cut around `focus` where long."""

    def __init__(self, text: str, focus: int) -> None:
        # Columns before the cut don't matter, so that a huge line costs no more than a long one.
        self.first = max(0, focus - _LINE_COLUMNS) if len(text) > _LINE_COLUMNS else 0
        cells: list[str] = []
        columns = [0]
        for character in text[self.first : self.first + 3 * _LINE_COLUMNS]:
            if character == "\t":
                cell = " " * (_TAB_COLUMNS - columns[-1] % _TAB_COLUMNS)
            else:
                cell = printable(character)
            cells.append(cell)
            columns.append(columns[-1] + display_width(cell))
        begin, end = 0, len(cells)
        if self.first or len(cells) < len(text) or columns[-1] > _LINE_COLUMNS:
            before = columns[min(focus - self.first, end)] - _LINE_COLUMNS // 3
            begin = next((i for i in range(end) if columns[i] >= before), end)
            limit = columns[begin] + _LINE_COLUMNS - 2
            end = next((i for i in range(begin, end) if columns[i + 1] > limit), end)
        left = "…" if self.first + begin else ""
        right = "…" if self.first + end < len(text) else ""
        self.text = left + "".join(cells[begin:end]) + right
        # What is marked in a part that was cut off is marked under the ellipsis.
        shown = [column - columns[begin] + len(left) for column in columns[begin : end + 1]]
        self._columns = shown
        self._first_shown = self.first + begin
        self._after = shown[-1] + len(right)

    def column(self, character: int) -> int:
        position = character - self._first_shown
        if position < 0:
            return 0
        return self._columns[position] if position < len(self._columns) else self._after


def snippet(
    source: Source, marks: Iterable[Mark], gutter: int, severity: str, *, color: bool
) -> list[str]:
    """The marked lines of `source`, line numbers right-aligned to `gutter` columns.

    Primary marks have the style of `severity`.
    """
    stretches = sorted({_stretch(mark) for mark in marks})
    blocks = [stretch for stretch in stretches if stretch.first_line < stretch.last_line]
    drawing = _Drawing(source, blocks, gutter, severity)
    drawing.row()
    previous = 0
    for number in _shown_lines(stretches):
        if previous and number > previous + 1:
            drawing.ellipsis(previous)
        drawing.line(number, [each for each in stretches if each not in blocks])
        previous = number
    return [row.text(color=color) for row in drawing.rows]


def proposal(edits: Sequence[Edit], gutter: int, *, color: bool) -> list[str]:
    """The lines that `edits` change, as they are with `-` and as they would be with `+`.

    Numbers of the latter are those of the changed text. The edits lie in one source.
    """
    rows: list[str] = []
    added = 0
    for first, group in _by_lines(edits):
        source = group[0].span.source
        last = source.line_column(max(edit.span.end for edit in group))[0]
        start = source.line_starts[first - 1]
        old = source.text[start : source.line_starts[last - 1] + len(source.line(last))]
        new, end = "", start
        for span, text in group:
            new += source.text[end : span.start] + text
            end = span.end
        before, after = old.split("\n"), (new + old[end - start :]).split("\n")
        number = first
        while before and after and before[0] == after[0]:
            number += 1
            del before[0], after[0]
        while before and after and before[-1] == after[-1]:
            del before[-1], after[-1]
        if rows:
            rows.append(styled("...", "frame", color=color))
        for sign, style, lines, shift in (
            ("-", "error", before, 0),
            ("+", "good", after, added),
        ):
            for position, line in enumerate(lines):
                focus = max(group[0].span.start - start, 0) if position == 0 else 0
                shown = _Line(line, min(focus, len(line))).text
                label = styled(f"{number + shift + position:>{gutter}}", "frame", color=color)
                rows.append(f"{label} {styled(f'{sign} {shown}'.rstrip(), style, color=color)}")
        added += len(after) - len(before)
    return rows


def _by_lines(edits: Sequence[Edit]) -> list[tuple[int, list[Edit]]]:
    """Edits in the order of the text, those that share a line together, with their first line."""
    groups: list[tuple[int, list[Edit]]] = []
    last = 0
    for edit in sorted(edits, key=lambda edit: edit.span[1:]):
        if edit.span.line != last:
            groups.append((edit.span.line, []))
        groups[-1][1].append(edit)
        last = edit.span.source.line_column(edit.span.end)[0]
    return groups


class _Drawing:
    """Rows so far. Blocks are stretches over several lines, each with a border of its own."""

    def __init__(self, source: Source, blocks: list[_Stretch], gutter: int, severity: str) -> None:
        self.source = source
        self.blocks = blocks
        self.gutter = gutter
        self.severity = severity
        self.rows: list[_Row] = []
        self.indent = gutter + 3 + (2 * len(blocks) if blocks else 0)
        """Where the program's text begins."""

    def style(self, stretch: _Stretch) -> str:
        return self.severity if stretch.primary else "frame"

    def row(self, number: int | None = None, borders: Iterable[_Stretch] = ()) -> _Row:
        """A new row, with its line number and the borders that pass through it."""
        row = _Row()
        if number is not None:
            row.put(0, f"{number:>{self.gutter}}", "frame")
        row.put(self.gutter + 1, "|", "frame")
        for block in borders:
            row.put(self.border(block), "|", self.style(block))
        self.rows.append(row)
        return row

    def border(self, block: _Stretch) -> int:
        return self.gutter + 3 + 2 * self.blocks.index(block)

    def ellipsis(self, previous: int) -> None:
        row = _Row()
        row.put(0, "...", "frame")
        for block in self.blocks:
            if block.first_line <= previous < block.last_line:
                row.put(self.border(block), "|", self.style(block))
        self.rows.append(row)

    def line(self, number: int, singles: list[_Stretch]) -> None:
        text = self.source.line(number)
        marked = [each for each in singles if each.first_line == number]
        starting = [each for each in self.blocks if each.first_line == number]
        ending = [each for each in self.blocks if each.last_line == number]
        focus = [(not each.primary, each.start) for each in (*marked, *starting)]
        focus += [(not each.primary, each.end) for each in ending]
        line = _Line(text, min(focus)[1] if focus else 0)
        open_blocks = [each for each in self.blocks if each.first_line < number <= each.last_line]
        row = self.row(number, open_blocks)
        row.put(self.indent, line.text)
        for block in starting:
            if not text[: block.start].strip():
                row.put(self.border(block), "/", self.style(block))
                open_blocks.append(block)
        for block in starting:
            if block not in open_blocks:
                row = self.row(None, open_blocks)
                self.turn(row, block, line.column(block.start), self.border(block) + 1)
                open_blocks.append(block)
        self.underline(marked, line, open_blocks)
        for block in reversed(ending):  # Inner ones first, so that no line crosses another.
            row = self.row(None, open_blocks)
            end = self.turn(row, block, line.column(max(block.end - 1, 0)), self.border(block) + 1)
            if block.text:
                row.put(end + 1, printable(block.text), self.style(block))

    def turn(self, row: _Row, block: _Stretch, column: int, start: int) -> int:
        """A line from the border to a column of the text; the column after it."""
        end = self.indent + column
        row.put(start, "_" * (end - start), self.style(block))
        row.put(end, "^" if block.primary else "-", self.style(block))
        return end + 1

    def underline(self, marked: list[_Stretch], line: _Line, borders: list[_Stretch]) -> None:
        if not marked:
            return
        starts = {each: self.indent + line.column(each.start) for each in marked}
        ends = {each: max(self.indent + line.column(each.end), starts[each] + 1) for each in marked}
        row = self.row(None, borders)
        # Narrow ones over wide ones, so that both can be seen.
        for each in sorted(marked, key=lambda each: (starts[each] - ends[each], each.primary)):
            sign = "^" if each.primary else "-"
            row.put(starts[each], sign * (ends[each] - starts[each]), self.style(each))
        beside = max(marked, key=lambda each: (ends[each], starts[each], each.primary))
        if beside.text:
            row.put(ends[beside] + 1, printable(beside.text), self.style(beside))
        hanging = sorted(
            (each for each in marked if each.text and each is not beside),
            key=lambda each: starts[each],
        )
        if hanging:
            row = self.row(None, borders)
            for each in hanging:
                row.put(starts[each], "|", self.style(each))
        while hanging:
            each = hanging.pop()
            row = self.row(None, borders)
            for other in hanging:
                row.put(starts[other], "|", self.style(other))
            row.put(starts[each], printable(each.text), self.style(each))


def _stretch(mark: Mark) -> _Stretch:
    source = mark.span.source
    length = len(source.text)
    start = min(max(mark.span.start, 0), length)
    end = min(max(mark.span.end, start), length)
    # The end of a line belongs to the line that it ends.
    while end > start and source.text[end - 1] == "\n":
        end -= 1
    first_line, start_column = source.line_column(start)
    last_line, end_column = source.line_column(end)
    return _Stretch(
        first_line, start_column - 1, last_line, end_column - 1, mark.text, mark.primary
    )


def _shown_lines(stretches: list[_Stretch]) -> list[int]:
    numbers: set[int] = set()
    for each in stretches:
        if each.last_line - each.first_line < _WHOLE_LINES:
            numbers.update(range(each.first_line, each.last_line + 1))
        else:
            numbers.update((each.first_line, each.first_line + 1, each.last_line))
    # An ellipsis in place of one line would save nothing.
    return sorted(numbers | {number + 1 for number in numbers if number + 2 in numbers})
