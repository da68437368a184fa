"""What stands in columns: the values of a recipe always, other things where their author has it so.

These are arrows, the `=` of declarations, the cells of a table's rows, and comments behind code. In
the source they begin, or numbers end, in the same column on lines that follow each other, with more
than one space before some of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from netdsl.format.layout import LINE_LENGTH, Line
from netdsl.format.words import Word

_COMMENT_GAP = 2


def align_settings(words: list[Word]) -> None:
    """Put the values of each recipe's settings into a column, as far as no blank line divides
    them."""
    runs: dict[int, list[int]] = {}
    for index, word in enumerate(words):
        if not word.starts:
            continue
        run = runs.setdefault(word.parent, [])
        if not word.setting or word.blank or any(each.blank for each in word.comments):
            _pad_settings(words, run)
            run.clear()
        if word.setting:
            run.append(index)
    for run in runs.values():
        _pad_settings(words, run)


def _pad_settings(words: list[Word], run: Sequence[int]) -> None:
    widest = max((len(words[each].text) for each in run), default=0)
    for each in run:
        words[each + 1].space = " " * (widest + 1 - len(words[each].text))


def width(words: Sequence[Word], line: Line, end: int | None = None) -> int:
    """The length of a line's last physical line, or of what stands before the word `end`."""
    text = text_of(words, Line(line.indent, line.first, line.end if end is None else end))
    return len(text) - text.rfind("\n") - 1


def text_of(words: Sequence[Word], line: Line) -> str:
    """A line's text, without its comment."""
    parts = [" " * line.indent]
    for index in range(line.first, line.end):
        word = words[index]
        if index > line.first:
            parts.append(word.space)
        parts += word.text, word.tail
    return "".join(parts)


# ---------------------------------------------------------------- as the author aligned


def align(words: list[Word], lines: Sequence[Line]) -> None:
    """Set the spaces before what its author aligned."""
    paragraph: list[Line] = []
    for line in lines:
        if paragraph and not _follows(words, paragraph[-1], line):
            _align_paragraph(words, paragraph)
            paragraph = []
        paragraph.append(line)
    _align_paragraph(words, paragraph)


def _follows(words: list[Word], before: Line, line: Line) -> bool:
    word = words[line.first]
    alone = any(each.alone for each in word.comments)
    return line.indent == before.indent and not alone and not word.blank


def _align_paragraph(words: list[Word], lines: Sequence[Line]) -> None:
    if len(lines) < 2:
        return
    cells = [_cells(words, line) for line in lines]
    for number in range(max(map(len, cells))):
        column = [words[each[number]] if len(each) > number else None for each in cells]
        starts = _runs(column, lambda word: word.column)
        ends = _runs(column, lambda word: word.column + len(word.text))
        start = 0
        while start < len(lines):
            length = max(starts[start], ends[start])
            if length > 1:
                chosen = range(start, start + length)
                at_end = length > starts[start]
                _align_cells(words, [(lines[i], cells[i][number]) for i in chosen], at_end)
            start += length


def _cells(words: list[Word], line: Line) -> list[int]:
    """What may be aligned on a line: the cells of a row of a list, or a statement's signs."""
    first = words[line.first]
    inner = range(line.first + 1, line.end)
    if first.parent >= 0 and not words[first.parent].body:
        # Behind a last comma, which is left out, stands no cell.
        return [
            each for each in inner if words[each - 1].kind == "COMMA" and not words[each].closes
        ]
    return [
        each
        for each in inner
        if words[each].depth == first.depth and words[each].text in ("->", "=")
    ]


def _runs(column: Sequence[Word | None], edge: Callable[[Word], int]) -> list[int]:
    """For each line, on how many from it on the source has this edge of the cells in one column;
    1 where no more than one space stands before any of them."""
    lengths = [1] * len(column)
    length, spaced = 0, False
    below: Word | None = None
    for index in range(len(column) - 1, -1, -1):
        word = column[index]
        same = (
            word is not None
            and below is not None
            and edge(word) == edge(below)
            and (word.text == below.text or not _is_sign(word, below))
        )
        length = length + 1 if same else 1
        spaced = (spaced and same) or (word is not None and word.gap > 1)
        lengths[index] = length if spaced else 1
        below = word
    return lengths


def _is_sign(*words: Word) -> bool:
    return any(each.text in ("->", "=") for each in words)


def _align_cells(words: list[Word], cells: list[tuple[Line, int]], at_end: bool) -> None:
    columns = []
    for line, index in cells:
        column = width(words, line, index) + 1
        columns.append(column + len(words[index].text) * at_end)
    column = max(columns)
    spaces = [1 + column - each for each in columns]
    if all(
        width(words, line) - len(words[index].space) + space <= LINE_LENGTH
        for (line, index), space in zip(cells, spaces, strict=True)
    ):
        for (_, index), space in zip(cells, spaces, strict=True):
            words[index].space = " " * space


# ---------------------------------------------------------------- comments behind code


def comment_gaps(words: list[Word], lines: Sequence[Line]) -> list[int]:
    """The spaces before the comment behind each line, if it has any.

    Comments that are aligned in the source stay so, as far from the code as they are.
    """
    gaps = [0] * len(lines)
    start = 0
    while start < len(lines):
        end = start
        column = _comment_column(words, lines[start])
        while end < len(lines) and _comment_column(words, lines[end]) == column:
            end += 1
        if column >= 0:
            widths = [width(words, each) for each in lines[start:end]]
            gap = min(words[each.end].comments[0].gap for each in lines[start:end])
            farthest = max(widths) + max(gap, _COMMENT_GAP)
            gaps[start:end] = [farthest - each for each in widths]
        start = end
    return gaps


def _comment_column(words: list[Word], line: Line) -> int:
    """Where in the source the comment behind a line begins, -1 for none."""
    comments = words[line.end].comments
    return comments[0].column if comments and not comments[0].alone else -1
