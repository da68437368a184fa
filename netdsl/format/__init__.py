"""Lay a program out in the one way that its readers know, and change nothing else.

    text, diagnostics = format_source(source)

Words, comments and their order stay, and so does the syntax tree. Of the layout, what carries
meaning is the author's: rows of a table, blank lines, columns, where a chain is broken.
"""

from __future__ import annotations

from typing import Any

from netdsl.deadline import within_time
from netdsl.diagnostics import Diagnostic, LimitFault
from netdsl.format.columns import align, align_settings, comment_gaps, text_of
from netdsl.format.layout import INDENT, Line, lay_out
from netdsl.format.words import Word, read_words
from netdsl.parse import parse
from netdsl.source import Source, Span

_LIMITS = ("line-too-long", "program-too-long")
"""Codes of limits that a program may pass only when it is formatted, as it then has more lines."""


def format_source(source: Source) -> tuple[str | None, tuple[Diagnostic, ...]]:
    """The formatted text; None for one with mistakes of syntax, which are reported; also where
    the formatted text would pass a limit."""
    try:
        with within_time(source.span(0, 0)):
            return _format(source)
    except LimitFault as fault:
        return None, (fault.diagnostic,)


def _format(source: Source) -> tuple[str | None, tuple[Diagnostic, ...]]:
    tree, diagnostics = parse(source)
    if tree is None:
        return None, diagnostics
    text = _text(read_words(source, tree))
    formatted, diagnostics = parse(Source(source.name, text))
    if formatted is None and all(each.code in _LIMITS for each in diagnostics):
        return None, diagnostics
    assert formatted is not None and same_program(tree, formatted), "formatting changed a program"
    return text, ()


def same_program(tree: Any, other: Any) -> bool:
    """Whether two syntax trees are the same but for the places that they came from."""
    pairs = [(tree, other)]
    while pairs:
        one, two = pairs.pop()
        if type(one) is not type(two):
            return False
        if isinstance(one, tuple) and type(one) is not Span:
            if len(one) != len(two):
                return False
            pairs += zip(one, two, strict=True)
        elif type(one) not in (Span, Source) and one != two:
            return False
    return True


def _text(words: list[Word]) -> str:
    align_settings(words)
    lines = lay_out(words)
    align(words, lines)
    gaps = comment_gaps(words, lines)
    written: list[str] = []
    for line, gap in zip(lines, [0, *gaps], strict=False):
        written += _before(words, line, gap, written)
        text = text_of(words, line)
        first = words[line.first]
        if first.kind == "DOC":
            text = text.replace(first.text, _documentation(first.text, line.indent), 1)
        written.append(text)
    end = Line(0, len(words) - 1, len(words))
    written += _before(words, end, gaps[-1] if gaps else 0, written)
    return "".join(f"{each}\n" for each in written)


def _before(words: list[Word], line: Line, gap: int, written: list[str]) -> list[str]:
    """Comments and blank lines before a line; a comment behind the last line is added to that."""
    word = words[line.first]
    opens = line.first == 0 or words[line.first - 1].opens
    indent = line.indent + (INDENT if word.closes else 0)
    found: list[str] = []
    for comment in word.comments:
        if not comment.alone:
            written[-1] += " " * gap + comment.text
            continue
        if comment.blank and (found or not opens):
            found.append("")
        found.append(" " * indent + comment.text)
    continues = not (word.starts or word.kind == "VBAR" or words[line.first - 1].kind == "COMMA")
    if word.blank and not word.closes and (found or not (opens or continues)):
        found.append("")
    if word.kind == "END" and found and not found[-1]:
        found.pop()
    return found


def _documentation(text: str, indent: int) -> str:
    """Documentation whose later lines are indented as its first one is."""
    first, *rest = text.split("\n")
    if not rest:
        return text
    rest = [each.expandtabs() for each in rest]
    margin = min((len(each) - len(each.lstrip()) for each in rest if _is_text(each)), default=0)
    lines = [" " * indent + each[margin:] if _is_text(each) else "" for each in rest]
    *inner, last = lines
    if not last:
        last = " " * indent + '"""'
    return "\n".join((first.rstrip(), *(each.rstrip() for each in inner), last))


def _is_text(line: str) -> bool:
    return line.strip() not in ("", '"""')
