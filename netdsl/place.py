"""Where the parser stops, with the statement around it, and what is written there as elsewhere.

A fix is only a guess, as those of `netdsl.fixes_of_names`: each is tried before anyone sees it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from lark import Token

from netdsl.diagnostics import Edit, Fix
from netdsl.source import Source

NUMBERS = frozenset(("INT", "FLOAT", "SIZE", "SCALE"))
_CLOSING = {"(": ")", "[": "]", "{": "}"}


class Habit(NamedTuple):
    help: str
    fix: Fix | None = None


class Place(NamedTuple):
    """Where the parser stops: at `token`, behind `earlier` and `before`, where it would have taken
    only `accepted`: the texts of tokens, or their kinds."""

    token: Token
    earlier: Token
    before: Token
    accepted: set[str]
    source: Source

    @property
    def start(self) -> int:
        return self.token.start_pos or 0

    @property
    def end(self) -> int:
        return self.token.end_pos or 0

    @property
    def begin(self) -> int:
        """Where the statement begins, of which only the last line is looked at."""
        line = self.source.text[: self.start].rpartition("\n")[2]
        statement = re.split(r"; *|(?<!\w)\{ +|\| +", line.lstrip())[-1]
        return self.start - len(statement)

    @property
    def statement(self) -> str:
        """What stands of the statement before the token."""
        return self.source.text[self.begin : self.start]

    @property
    def word(self) -> str:
        """The statement's first word."""
        found = re.match(r"\w+", self.source.text[self.begin : self.end])
        return found[0] if found else ""

    @property
    def finish(self) -> int:
        """Where the statement ends, at the end of its line at the latest."""
        return next((place for place, _ in outside_brackets(self.source, self.start, "\n;|#")))

    @property
    def rest(self) -> str:
        """What stands of the statement behind the token."""
        return self.source.text[self.end : self.finish].rstrip()

    def fix(self, message: str, *edits: tuple[int, int, str], safe: bool = True) -> Fix:
        span = self.source.span
        return Fix(message, tuple(Edit(span(start, end), text) for start, end, text in edits), safe)

    def written(self, start: int, end: int, text: str, *, safe: bool = True) -> Fix:
        """The fix that puts `text` in the place of a stretch."""
        return self.fix(f"write `{text}`", (start, end, text), safe=safe)


def outside_brackets(source: Source, start: int, signs: str) -> Iterator[tuple[int, str]]:
    """Where the signs stand that are in no brackets opened from `start` on; the end of what is
    around is the last one."""
    text, depth = source.text, 0
    for place in range(start, len(text)):
        sign = text[place]
        if not depth and sign in signs:
            yield place, sign
        depth += (sign in "([{") - (sign in ")]}")
        if depth < 0:
            yield place, sign
            return
    yield len(text), ""


def matching(source: Source, start: int) -> int:
    """Where the bracket that opens at a place is closed, -1 for nowhere."""
    place, sign = next(outside_brackets(source, start + 1, ""))
    return place if sign == _CLOSING[source.text[start]] else -1


def in_parentheses(place: Place, name: str, opening: int) -> Habit:
    """`opening` is the bracket behind `name`; others of its kind in the chain are like it."""
    text = place.source.text
    help = f"arguments stand in parentheses: `{name}(…)`"
    edits: list[tuple[int, int, str]] = []
    for at, sign in outside_brackets(place.source, opening, f"{text[opening]}\n;|#"):
        closing = matching(place.source, at) if sign == text[opening] else -1
        if closing < 0:
            break
        start = len(text[:at].rstrip())
        if text[at + 1 : closing].strip():
            edits += (start, at + 1, "("), (closing, closing + 1, ")")
        else:
            edits.append((start, closing + 1, ""))
    if not edits:
        return Habit(help)
    if len(edits) == 1:
        help = f"without arguments, there are no brackets: `{name}`"
        return Habit(help, place.fix("leave them out", *edits))
    return Habit(help, place.fix("write parentheses", *edits))


_NEXT_STEP = re.compile(r"\s*[A-Za-z_]\w*(?P<label>[\w.-]*[ \t]*:)?[ \t]*(?![=\w.\"])")


def between_steps(place: Place, at_line_end: str = "") -> Fix | None:
    """What stands for the commas of this line, and for those at the ends of the lines behind it;
    None where something else than steps stands between them."""
    edits: list[tuple[int, int, str]] = []
    text = place.source.text
    ends = False
    for at, sign in outside_brackets(place.source, place.start, ",\n;|#"):
        if sign == "\n" and ends:
            ends = False
            continue
        if sign != ",":
            if sign in (")", "]"):
                return None
            break
        start = len(text[:at].rstrip(" \t"))
        step = _NEXT_STEP.match(text, at + 1)
        ends = re.match(r"[ \t]*(\n|#|$|\})", text[at + 1 :]) is not None
        if ends:
            edits.append((start, at + 1, at_line_end))
        elif step is not None:
            # With the word, so that a fix that makes an error of it is seen to.
            between = ";" if step["label"] else " ->"
            words = text[at + 1 : step.end()].rstrip(" \t")
            edits.append((start, at + 1 + len(words), f"{between}{words}"))
        else:
            return None
    message = "leave the comma out" if not edits[0][2] else "write `->`"
    return place.fix(message, *edits)
