"""How a program's text is changed for a fix: what is written is cut out or added to, and comments
stay. Each gives None where the text is not laid out so that this is certain."""

from __future__ import annotations

import re

from netdsl.diagnostics import Edit
from netdsl.source import Span

_ARROW_BEFORE = re.compile(r"[ \t]*\n?[ \t]*->[ \t]*\Z")
_ARROW_AFTER = re.compile(r"[ \t]*->[ \t]*")
_ARROW_BELOW = re.compile(r"(?:\s|#[^\n]*\n)*->")
_COMMA_BEFORE = re.compile(r",\s*\Z")
_COMMA_AFTER = re.compile(r"\s*,[ \t]*")
_SEPARATOR = re.compile(r"[ \t]*;[ \t]*")
_NEAR = 200
"""How many characters before a step or item are searched for what joins it to the one before."""


def without_step(span: Span) -> Edit | None:
    """A chain without one of its steps, and without the arrow that led to it or from it."""
    text = span.source.text
    after = _ARROW_AFTER.match(text, span.end)
    if after is not None:
        return Edit(span._replace(end=after.end()), "")
    line = span.source.line(span.line)
    before = _ARROW_BEFORE.search(text[max(span.start - _NEAR, 0) : span.start])
    if before is not None:
        rest = text[span.end : text.find("\n", span.end)].strip()
        if "\n" in before[0] and rest and "#" in span.source.line(span.line - 1):
            return None  # The rest of the line would become part of a comment.
        return Edit(span._replace(start=span.start - len(before[0])), "")
    goes_on = _ARROW_BELOW.match(text, span.end) is not None
    return without_statement(span) if line.strip() == span.text and not goes_on else None


def with_argument(call: Span, argument: str) -> Edit | None:
    """A call with one more argument behind its others."""
    text = call.text
    if not text.endswith(")"):
        plain = text.isidentifier()
        return Edit(call._replace(start=call.end), f"({argument})") if plain else None
    inner = text[:-1].rstrip()
    if "#" in inner.rpartition("\n")[2]:
        return None
    place = call.start + len(inner)
    lead = {"(": "", ",": " "}.get(inner[-1], ", ")
    return Edit(Span(call.source, place, place), lead + argument)


def without_statement(span: Span) -> Edit | None:
    """A body or file without one of its statements; its line goes too where nothing else is on it,
    and one of two blank lines around it. A comment behind it stays."""
    text = span.source.text
    if "#" in span.text[1:]:
        return None
    start = text.rfind("\n", 0, span.start) + 1
    end = text.find("\n", span.end)
    end = len(text) if end < 0 else end
    before, after = text[start : span.start], text[span.end : end]
    if not before.strip() and after.lstrip().startswith("#"):
        blank = len(after) - len(after.lstrip())
        return Edit(span._replace(end=span.end + blank), "")
    if before.strip() or after.strip():
        separator = _SEPARATOR.match(text, span.end)
        if separator is not None:
            return Edit(span._replace(end=separator.end()), "")
        separator = re.search(r"[ \t]*;[ \t]*\Z", before)
        length = 0 if separator is None else len(separator[0])
        return Edit(span._replace(start=span.start - length), "")
    end = min(end + 1, len(text))
    blank_before = start == 0 or text.startswith("\n\n", start - 2)
    if blank_before and text.startswith("\n", end):
        end += 1
    return Edit(Span(span.source, start, end), "")


def without_item(span: Span) -> Edit:
    """A list without one of its items, and without the comma before it or behind."""
    text = span.source.text
    before = _COMMA_BEFORE.search(text[max(span.start - _NEAR, 0) : span.start])
    if before is not None:
        return Edit(span._replace(start=span.start - len(before[0])), "")
    after = _COMMA_AFTER.match(text, span.end)
    return Edit(span._replace(end=span.end if after is None else after.end()), "")
