"""Where lines begin: where the author began them, and where they would be too long.

Braces and lists that stand on several lines stay so, a list in the rows that its author gave it.
Arguments and other parentheses are joined where they fit, unless a comma follows the last one.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

from netdsl.format.words import Word

LINE_LENGTH = 100
INDENT = 2
_FURTHER = 4
"""Indentation of a statement's later lines, so that they differ from the body after it."""


class Line(NamedTuple):
    """The words from `first` up to, not including, `end`."""

    indent: int
    first: int
    end: int


def lay_out(words: list[Word]) -> list[Line]:
    """The lines of a program. Sets `Word.breaks`, and the text of each list's last comma."""
    layout = _Layout(words)
    layout.keep_breaks()
    return list(layout.lines())


class _Layout:
    def __init__(self, words: list[Word]) -> None:
        self.words = words
        self.bases: dict[int, int] = {}
        """The indentation of the line that each open bracket ends."""
        self.divided: set[int] = set()
        """The opening brackets between which and their closing ones a line ends."""
        self.own: dict[int, list[int]] = {-1: []}
        """The words directly in each bracket, that is, with inner brackets but not their words."""
        self.bars: dict[int, int] = {}
        """The first `|` in each bracket that has any."""
        for index, word in enumerate(words):
            self.own[word.parent].append(index)
            if word.opens:
                self.own[index] = []
            elif word.kind == "VBAR":
                self.bars.setdefault(word.parent, index)

    # ------------------------------------------------------------ what the author broke

    def keep_breaks(self) -> None:
        for index in range(1, len(self.words)):
            self.words[index].breaks = self._author_breaks(index)
        for word in self.words:
            if word.closes:
                self._keep_bracket(word.partner)

    def _keep_bracket(self, opening: int) -> None:
        """Break a bracket that stays broken; those in it are seen to before."""
        if self._stays_broken(opening):
            self._break(opening)
        else:
            self._set_last_comma(opening, broken=False)
        inside = (*self.own[opening], self.words[opening].partner)
        if any(self.words[each].breaks or each in self.divided for each in inside):
            self.divided.add(opening)

    def _author_breaks(self, index: int) -> bool:
        """Whether a line begins here whatever the brackets around do."""
        before, word = self.words[index - 1], self.words[index]
        if word.comments or word.kind == "END":
            return True
        if before.kind == "DOC":
            return word.starts
        if word.starts:
            inside = before.body or before.kind == "VBAR"
            return not inside and (word.newlines > 0 or self._is_recipe(word.parent))
        if word.text == "->":
            after = self.words[index + 1]
            return word.newlines > 0 or (after.newlines > 0 and not after.comments)
        return self._is_row(index) and not self._in_bracket(index)

    def _is_row(self, index: int) -> bool:
        before, word = self.words[index - 1], self.words[index]
        return before.kind == "COMMA" and (word.newlines > 0 or before.newlines > 0)

    def _in_bracket(self, index: int) -> bool:
        parent = self.words[index].parent
        return parent >= 0 and not self.words[parent].body

    def _is_recipe(self, opening: int) -> bool:
        return any(self.words[each].setting for each in self.own[opening][:3])

    def _stays_broken(self, opening: int) -> bool:
        words = self.words
        if words[opening].label:
            return False
        # What stands before a closing bracket is inside it.
        inner = self.own[opening]
        own = [words[each] for each in inner if not words[each].closes]
        closing = words[words[opening].partner]
        if closing.comments or any(each.comments for each in own):
            return True
        if not own:
            return False
        if words[opening].body:
            return (
                words[opening + 1].newlines > 0
                or closing.newlines > 0
                or any(each.breaks for each in own)
                or not self.divided.isdisjoint(inner)
                or any(each.kind == "VBAR" and each.newlines for each in own)
                or any(each.kind == "DOC" and "\n" in each.text for each in own)
            )
        wide = closing.newlines > 0 or any(each.newlines for each in own)
        return wide and (
            words[words[opening].partner - 1].kind == "COMMA"
            or self._is_list(opening)
            or not self.divided.isdisjoint(inner)
        )

    def _is_list(self, opening: int) -> bool:
        """Whether this opens a list or a tuple, whose rows stay."""
        word = self.words[opening]
        if word.attached or self._is_pattern(opening):
            return False
        commas = (self.words[each].kind == "COMMA" for each in self.own[opening])
        return word.kind == "LSQB" or any(commas)

    def _is_pattern(self, opening: int) -> bool:
        """Whether this opens the names that a `let` or `for` gives to a tuple's items."""
        return opening > 0 and (
            self.words[opening - 1].kind in ("LET", "FOR")
            or (self.words[opening].kind == "LPAR" and self._is_pattern(self.words[opening].parent))
        )

    # ------------------------------------------------------------ breaking

    def _break(self, opening: int) -> None:
        """Put what stands in a bracket on lines of its own."""
        words = self.words
        closing = words[opening].partner
        words[opening + 1].breaks = words[closing].breaks = True
        for index in self.own[opening]:
            if words[opening].body:
                words[index].breaks |= words[index].kind == "VBAR"
            elif index > opening + 1:
                words[index].breaks |= self._is_row(index)
        self._set_last_comma(opening, broken=True)

    def _set_last_comma(self, opening: int, *, broken: bool) -> None:
        """A list that is broken ends in a comma; none stands before a bracket on the same line."""
        words = self.words
        last = words[words[opening].partner - 1]
        if words[opening].kind not in ("LPAR", "LSQB") or last is words[opening]:
            return
        if last.kind == "COMMA":
            commas = sum(words[each].kind == "COMMA" for each in self.own[opening])
            only = words[opening].kind == "LPAR" and not words[opening].attached and commas == 1
            last.text = "," if broken or only else ""
        else:
            last.tail = "," if broken and self._is_list(opening) else ""

    # ------------------------------------------------------------ lines

    def lines(self) -> Iterator[Line]:
        first = 0
        while self.words[first].kind != "END":
            end = self._end(first)
            indent = self._indent(first)
            while self._width(first, end, indent) > LINE_LENGTH and self._split(first, end):
                end = self._end(first)
            yield Line(indent, first, end)
            last = self.words[end - 1]
            if last.opens:
                behind_bar = self.words[first].kind == "VBAR"
                self.bases[end - 1] = indent + (INDENT if behind_bar else 0)
            first = end

    def _end(self, first: int) -> int:
        end = first + 1
        while not self.words[end].breaks:
            end += 1
        return end

    def _indent(self, index: int) -> int:
        """How far a line that begins with this word is indented."""
        word = self.words[index]
        if word.closes and word.partner in self.bases:
            return self.bases[word.partner]
        opening = word.parent
        while opening >= 0 and opening not in self.bases:
            opening = self.words[opening].parent
        indent = self.bases[opening] + INDENT if opening >= 0 else 0
        if word.kind == "VBAR":
            return indent
        if self.bars.get(opening, index) < index:
            indent += INDENT
        if word.starts or word.closes or word.kind in ("END", "ELSE", "SHORTCUT"):
            return indent
        if opening >= 0 and not self.words[opening].body:
            before = self.words[index - 1]
            begins = index - 1 == opening or (before.kind == "COMMA" and word.parent == opening)
            return indent if begins else indent + INDENT
        setting = self.words[word.statement]
        if setting.setting:
            return indent + len(setting.text) + len(self.words[word.statement + 1].space)
        arrow = "->" in (word.text, self.words[index - 1].text)
        return indent + (INDENT if arrow else _FURTHER)

    def _width(self, first: int, end: int, indent: int) -> int:
        """How long a line is without its comment."""
        words = self.words[first:end]
        if any("\n" in each.text for each in words):
            return 0
        blanks = sum(len(each.space) for each in words) - len(words[0].space)
        return indent + blanks + sum(len(each.text) + len(each.tail) for each in words)

    # ------------------------------------------------------------ splitting

    def _split(self, first: int, end: int) -> bool:
        """Begin more lines within one that is too long; False where nothing can be done."""
        words = self.words
        inner = range(first + 1, end)
        depth = min(words[each].depth for each in range(first, end))
        outer = [each for each in inner if words[each].depth == depth]
        statements = [
            each for each in outer if words[each].starts and words[each - 1].kind != "VBAR"
        ]
        if statements:
            for each in statements:
                words[each].breaks = True
            return True
        bodies = [
            each
            for each in inner
            if words[each].body and words[each].partner < end and words[each].partner > each + 1
        ]
        if bodies:
            depth = min(words[each].depth for each in bodies)
            for each in bodies:
                if words[each].depth == depth:
                    self._break(each)
            return True
        for belongs in _WAYS:
            places = [each for each in outer if belongs(words[each - 1], words[each])]
            if places:
                # A part that fits on no line has to be divided: of a list, once it is alone.
                return (
                    self._fill(first, places, end)
                    or (belongs is not _behind_comma and self._divide(first, places, end))
                    or self._fill(first, places, end, anyway=True)
                    or self._break_bracket(first, end)
                )
        return self._break_bracket(first, end)

    def _fill(self, first: int, places: list[int], end: int, *, anyway: bool = False) -> bool:
        """Break before as few of `places` as can be; without `anyway`, only if all lines fit."""
        chosen = []
        start, indent = first, self._indent(first)
        for place, following in pairwise((first, *places, end)):
            if place > start and self._width(start, following, indent) > LINE_LENGTH:
                start, indent = place, self._indent(place)
                chosen.append(place)
            if not anyway and self._width(start, following, indent) > LINE_LENGTH:
                return False
        for place in chosen:
            self.words[place].breaks = True
        return bool(chosen)

    def _divide(self, first: int, places: list[int], end: int) -> bool:
        """Break a bracket in the first part between `places` that fits on no line."""
        for start, following in pairwise((first, *places, end)):
            if self._width(start, following, self._indent(start)) > LINE_LENGTH:
                return self._break_bracket(start, following)
        return False

    def _break_bracket(self, first: int, end: int) -> bool:
        """Break the widest of the outermost brackets on a line."""
        words = self.words
        brackets = [
            each
            for each in range(first, end - 1)
            if words[each].kind in ("LPAR", "LSQB") and words[each].partner > each + 1
        ]
        if not brackets:
            return False
        depth = min(words[each].depth for each in brackets)
        outermost = [each for each in brackets if words[each].depth == depth]
        widest = max(outermost, key=lambda each: self._width(each, words[each].partner, 0))
        self._break(widest)
        return True


def _at_arrow(before: Word, word: Word) -> bool:
    return word.text == "->"


def _behind_comma(before: Word, word: Word) -> bool:
    return before.kind == "COMMA"


def _at_condition(before: Word, word: Word) -> bool:
    goes_on = word.kind == "ELSE" and before.kind != "RBRACE"
    return goes_on or word.kind in ("WHERE", "AND", "OR")


def _behind_sign(before: Word, word: Word) -> bool:
    return before.infix and before.kind not in ("AND", "OR")


_WAYS = (_at_arrow, _behind_comma, _at_condition, _behind_sign)
"""Where a line may be broken, by the words before and after, the better ways first."""
