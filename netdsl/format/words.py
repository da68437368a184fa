"""The words of a program, with what stands between them: comments, line ends, blank lines.

Tokens say what the words are; the syntax tree says what the same token means in different places,
such as the `-` of `a - b`, of `-b` and of the label `block1-0`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from netdsl import syntax
from netdsl.parse import tokenize
from netdsl.source import Source, Span
from netdsl.tokens import significant

_COMPARISONS = ("==", "!=", "<", "<=", ">", ">=")
_INFIX = frozenset((*_COMPARISONS, "+", "-", "*", "/", "//", "%", "**", "and", "or"))
_VALUES = frozenset(("INT", "FLOAT", "SIZE", "SCALE", "STRING", "TRUE", "FALSE"))
"""Kinds of tokens that are a value; a bracket after one is an index."""


class Comment(NamedTuple):
    text: str
    alone: bool
    """Whether it has a line of its own; else it follows a word."""
    blank: bool
    """Whether a blank line stands before it."""
    column: int
    """Where it begins on its line of the source."""
    gap: int
    """Spaces before it, where it follows a word."""


class Word:
    """One token, what stood before it in the source, and what is decided about it."""

    __slots__ = (
        "attached",
        "blank",
        "breaks",
        "column",
        "comments",
        "depth",
        "gap",
        "infix",
        "kind",
        "label",
        "newlines",
        "parent",
        "partner",
        "setting",
        "space",
        "starts",
        "statement",
        "tail",
        "text",
    )

    def __init__(self, kind: str, text: str) -> None:
        self.kind = kind
        self.text = text
        self.tail = ""
        """A comma that is added behind it."""
        # Of the source: the column, the blanks and line ends before it, whether a line before it
        # is blank.
        self.column = -1
        self.gap = 0
        self.newlines = 0
        self.blank = False
        self.comments: list[Comment] = []
        # Of brackets: the opening one around this word, the other one of a pair, how many are
        # around it, and of an opening one whether it goes with the word before (`f(`, `xs[`) or is
        # part of a label (`layer{i}`).
        self.parent = -1
        self.partner = -1
        self.depth = 0
        self.attached = False
        self.label = False
        # What it is: the first word of a statement, the index of that word, the name of a recipe's
        # setting, a sign between two values.
        self.starts = False
        self.statement = 0
        self.setting = False
        self.infix = False
        # The space before it within a line, and whether a line begins here.
        self.space = ""
        self.breaks = False

    @property
    def opens(self) -> bool:
        return self.kind in ("LPAR", "LSQB", "LBRACE", "TEMPLATE")

    @property
    def closes(self) -> bool:
        return self.kind in ("RPAR", "RSQB", "RBRACE")

    @property
    def body(self) -> bool:
        """Whether it opens braces around statements or branches."""
        return self.kind == "LBRACE" and not self.label


def read_words(source: Source, tree: syntax.File) -> list[Word]:
    """The words of a program without mistakes, and one of kind `END` that has no text."""
    tokens = tokenize(source)
    separated = {each.end_pos or 0 for each in significant(tokens) if each.type == "NEWLINE"}
    marks = _Marks(tree)
    text = source.text
    words: list[Word] = []
    starts: list[int] = []
    end = 0
    ended = True
    for token in tokens:
        if token.type == "NEWLINE":
            ended = ended or (token.end_pos or 0) in separated
            continue
        start = token.start_pos or 0
        word = Word(token.type, str(token))
        _read_gap(word, text, end, start)
        word.starts = ended
        word.setting = start in marks.settings
        tolerance = word.text == "%" and end in marks.tolerances
        word.infix = word.text in _INFIX and start not in marks.signs and not tolerance
        end = token.end_pos or 0
        ended = False
        words.append(word)
        starts.append(start)
    words.append(Word("END", ""))
    words[-1].starts = True
    starts.append(len(text))
    _read_gap(words[-1], text, end, len(text))
    glued = _mark_labels(words, starts, marks)
    _link(words)
    _mark_starts(words)
    for index in range(1, len(words)):
        _space(words, index, starts, marks, index in glued)
    return words


class _Marks:
    """Offsets at which the tree says what a token is."""

    def __init__(self, tree: syntax.File) -> None:
        self.settings: set[int] = set()
        self.signs: set[int] = set()
        self.inputs: set[int] = set()
        """Where `in` is a value."""
        self.labels: list[tuple[int, int]] = []
        self.tolerances: set[int] = set()
        """Where the number before the `%` of a claim ends."""
        pending: list[Any] = [tree.declarations]
        while pending:
            node = pending.pop()
            kind = type(node)
            if kind is syntax.Setting:
                self.settings.add(node.name_span.start)
            elif kind is syntax.Unary and node.operator != "not":
                self.signs.add(node.span.start)
            elif kind is syntax.Name and node.name == "in":
                self.inputs.add(node.span.start)
            elif kind is syntax.Path:
                self.labels.append((node.span.start, node.span.end))
            elif kind is syntax.ClaimEntry and node.within is not None:
                self.tolerances.add(node.within.span.end)
            pending += (each for each in node if isinstance(each, tuple) and type(each) is not Span)


def _read_gap(word: Word, text: str, start: int, end: int) -> None:
    parts = text[start:end].split("\n")
    blank = False
    for number, part in enumerate(parts):
        position = part.find("#")
        if position >= 0:
            column = position
            if number == 0:
                column += start - text.rfind("\n", 0, start) - 1
            alone = number > 0 or start == 0
            comment = part[position:].rstrip()
            word.comments.append(Comment(comment, alone, blank, column, position))
            blank = False
        elif 0 < number < len(parts) - 1:
            blank = True
    word.blank = blank
    word.newlines = len(parts) - 1
    word.column = end - text.rfind("\n", 0, end) - 1
    word.gap = len(parts[0]) if len(parts) == 1 else 0


def _mark_labels(words: list[Word], starts: list[int], marks: _Marks) -> set[int]:
    """The words that follow another one in a label without space; their braces are marked."""
    numbers = {start: index for index, start in enumerate(starts)}
    glued: set[int] = set()
    for start, end in marks.labels:
        index, depth = numbers[start], 0
        first = index
        while starts[index] < end:
            word = words[index]
            depth -= word.closes
            if depth == 0 and index > first:
                glued.add(index)
                word.label = word.infix = False
                word.label = word.opens
            depth += word.opens
            index += 1
    for word in words:
        word.label = word.label or word.kind == "TEMPLATE"
    return glued


def _link(words: list[Word]) -> None:
    opened = [-1]
    for index, word in enumerate(words):
        if word.closes:
            word.partner = opened.pop()
            words[word.partner].partner = index
            word.label = words[word.partner].label
        word.parent = opened[-1]
        word.depth = len(opened) - 1
        if word.opens:
            opened.append(index)


def _mark_starts(words: list[Word]) -> None:
    """Which words begin a statement, and for each word the one that begins its statement."""
    latest = {-1: 0}
    for index, word in enumerate(words):
        before = words[index - 1] if index else None
        follows = before is None or before.body or before.kind in ("VBAR", "DOC")
        word.starts = (word.starts or follows) and not word.closes and word.kind != "VBAR"
        if word.starts:
            latest[word.parent] = index
        word.statement = latest.get(word.parent, index)


def _space(words: list[Word], index: int, starts: list[int], marks: _Marks, glued: bool) -> None:
    """The space before a word; and of a bracket, whether it goes with the word before."""
    before, word = words[index - 1], words[index]
    if word.kind in ("LPAR", "LSQB"):
        value = before.kind == "IN" and starts[index - 1] in marks.inputs
        indexed = word.kind == "LSQB" and (before.kind in _VALUES or before.closes)
        named = before.kind in ("NAME", "AUX") and not before.setting
        word.attached = value or indexed or named
    joined = (
        word.attached
        or glued
        or before.kind in ("LPAR", "LSQB")
        or (before.opens and (before.label or word.closes))
        or word.kind in ("RPAR", "RSQB", "COMMA", "COLON", "DOT", "END")
        or (word.closes and word.label)
        or before.kind == "DOT"
        or (before.text in ("+", "-") and starts[index - 1] in marks.signs)
        or (word.text == "%" and not word.infix)
    )
    if word.starts and not (before.body or before.kind == "VBAR"):
        word.space = "; "
    else:
        word.space = "" if joined else " "
