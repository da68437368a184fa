"""Candidate fixes for what is written wrongly: signs, commas and brackets.

They come into the groups of `netdsl.fixes_of_names`, and are tried like those.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from netdsl import syntax
from netdsl.body_brackets import MERGES
from netdsl.diagnostics import Diagnostic, Edit, Fix, one_edit
from netdsl.expected import (
    COMPARES,
    ELSE_IF,
    FIGURES,
    ON_ONE_LINE,
    missing_comma,
)
from netdsl.habits_of_files import input_written_otherwise
from netdsl.ops import OPERATORS
from netdsl.place import outside_brackets
from netdsl.source import Source, Span
from netdsl.tokens import COMMENT, MANY_SIZES, MEANT, QUOTES, WIDE, foreign_sign, size_argument


def _sign(diagnostic: Diagnostic, tree: syntax.File | None) -> Iterator[Fix]:
    """A sign of another language whose like we have."""
    span = diagnostic.span
    text = span.text
    if len(text) > 1 and QUOTES.get(text[0]) == text[-1] and '"' not in text:
        yield Fix('write `"`', (Edit(span, f'"{text[1:-1]}"'),), True)
    if MANY_SIZES.fullmatch(text):
        line = span.source.line_starts[span.line - 1]
        start = span.source.text.rfind("input", line, span.start)
        fix = input_written_otherwise(span.source, start).fix if start >= 0 else None
        if fix is not None:
            yield fix
    foreign = foreign_sign(span.source.text, span.start)
    meant = re.fullmatch(r"write `([^`]+)`.*", MEANT.get(foreign, ""))
    if meant is None or diagnostic.help != MEANT[foreign]:
        return
    if foreign in WIDE:
        # All of the line, as a keyboard made them: a bracket alone would close nothing.
        start = span.source.line_starts[span.line - 1]
        edits = tuple(
            Edit(span.source.span(at, at + 1), WIDE[sign])
            for at, sign in enumerate(span.source.line(span.line), start)
            if sign in WIDE
        )
        yield Fix(f"write `{meant[1]}`", edits, True)
        return
    start, end = span.start, span.start + len(foreign)
    if foreign == "×":
        yield from _times(span.source.span(start, end))
        return
    written = meant[1]
    if written.isalpha() and len(written) > 1:
        # A word needs a space between it and what stands around it, as `!deep` does.
        around = span.source.text[start - 1 : start], span.source.text[end : end + 1]
        before, behind = (" " if each.isalnum() else "" for each in around)
        written = f"{before}{written}{behind}"
    yield Fix(f"write `{meant[1]}`", (Edit(span.source.span(start, end), written),), True)


_TIMES = re.compile(r"(?P<first>\w*)(?P<before>[ \t]*)×(?P<behind>[ \t]*)(?P<second>\w*)")


def _times(sign: Span) -> Iterator[Fix]:
    """A size, which has no blanks, or a product."""
    source = sign.source
    start = len(source.text[: sign.start].rstrip(" \t"))
    while re.match(r"\w", source.text[start - 1 : start]):
        start -= 1
    found = _TIMES.match(source.text, start)
    assert found is not None
    name = size_argument(source.text, start, found.end())
    if not (found["first"] + found["second"]).isdecimal():  # `kxk` would be a name.
        if name == "kernel" and found["first"] == found["second"]:
            yield _square(source, found)
        yield Fix("write `*`", (Edit(sign, "*"),), False)
        return
    spaced = bool(found["before"] or found["behind"])
    # `3 × 3` is a window, `2 × 2` may be a stride of 4.
    square = found["first"] == found["second"]
    safe = name is not None and (not spaced or (name == "kernel" and square))
    size = Edit(source.span(found.start("before"), found.end("behind")), "x")
    fixes = Fix("write `x`", (size,), safe), Fix("write `*`", (Edit(sign, "*"),), False)
    yield from fixes if name is not None or square else fixes[::-1]


def _square(source: Source, found: re.Match[str]) -> Fix:
    """A square of which a size is written with a name, which means both sides by itself."""
    whole = source.span(found.start("first"), found.end("second"))
    return Fix(f"write `{found['first']}`", (Edit(whole, found["first"]),), False)


_NAMED_SIZE = re.compile(r"(?<!\w)(?P<first>[A-Za-z_]\w*)[ \t]+x[ \t]+(?P<second>\w+)")

_FIGURE = re.compile(r"[^\n;}A-Za-z_]{0,20}[A-Za-z_][^\n;}<>=!]{0,80}([=!<>]=|[<>])")


def reconsidered(diagnostic: Diagnostic, fix: Fix) -> Fix | None:
    """A fix that comes with a diagnostic, as it may be proposed; None where another candidate
    stands for it."""
    source, start = diagnostic.span.source, diagnostic.span.start
    if fix.message == "put a comma between them":
        line = source.text.rfind("\n", 0, start) + 1
        return None if re.search(r"\w[ \t]+x[ \t]*$", source.text[line:start]) else fix
    if fix.message == "write parentheses" and _joined(diagnostic) is not None:
        return None
    return fix


def _joined(diagnostic: Diagnostic) -> re.Match[str] | None:
    """A merge of several names in brackets that begins its statement, as Keras writes it: there it
    joins these only, not what flows as well."""
    source, start = diagnostic.span.source, diagnostic.span.start
    line = source.text.rfind("\n", 0, start) + 1
    found = _MERGE.match(source.text, line)
    if found is None or found["merge"] not in MERGES:
        return None
    names = [found["first"], *re.findall(r"[\w.]+", found["others"])]
    return None if any(each in OPERATORS for each in names) else found


_MERGE = re.compile(
    r"[ \t]*(?:[\w.]+[ \t]*:[ \t]*)?(?P<whole>(?P<merge>\w+)[ \t]*\[[ \t]*(?P<first>[\w.]+)[ \t]*,"
    r"[ \t]*(?P<others>[\w.]+(?:[ \t]*,[ \t]*[\w.]+)*)[ \t]*,?[ \t]*\])"
)


def _keras_merge(diagnostic: Diagnostic) -> Iterator[Fix]:
    found = _joined(diagnostic) if diagnostic.span.text == "[" else None
    if found is not None:
        text = f"from {found['first']} -> {found['merge']}({found['others']})"
        span = diagnostic.span.source.span(*found.span("whole"))
        yield Fix(f"write `{text}`", (Edit(span, text),), False)


def _named_size(diagnostic: Diagnostic) -> Iterator[Fix]:
    """A square of a name, `k x k`."""
    source = diagnostic.span.source
    line = source.text.rfind("\n", 0, diagnostic.span.start) + 1
    for found in _NAMED_SIZE.finditer(source.text, line, diagnostic.span.end):
        whole = found.start() <= diagnostic.span.start < found.end()
        if whole and found["first"] == found["second"]:
            yield _square(source, found)


def _token(diagnostic: Diagnostic, tree: syntax.File | None) -> Iterator[Fix]:
    """A foreign sign; or a misspelt word before the brace that the token stands behind, where it
    was taken for a merge."""
    yield from _sign(diagnostic, tree)
    yield from _separated(diagnostic)
    yield from _keras_merge(diagnostic)
    yield from _named_size(diagnostic)
    source = diagnostic.span.source
    found = re.search(r"(\w+)\s*\{\s*$", source.text[: diagnostic.span.start])
    for word in ("residual", "else", "shortcut", "aux"):
        if found is not None and one_edit(found[1], word):
            span = source.span(found.start(1), found.end(1))
            yield Fix(f"write `{word}`", (Edit(span, word),), True)


def _separated(diagnostic: Diagnostic) -> Iterator[Fix]:
    """Commas, brackets and signs of arguments."""
    span, help = diagnostic.span, diagnostic.help
    source = span.source
    before = source.text[: span.start].rstrip()
    if help == COMPARES and span.text in ("=", ":"):
        yield Fix("write `==`", (Edit(span, "==" if span.text == "=" else " =="),), True)
    if help == FIGURES:
        place = span if span.text == "," else source.span(len(before), len(before))
        # `2 layers` has a unit, no further figure.
        if _FIGURE.match(source.text, place.end):
            yield Fix("put `;` between them", (Edit(place, ";"),), True)
    word = re.search(r"(\s+)(\w+)$", before)
    if word is not None and help == missing_comma(word[2]):
        places = (word.start(), *_arguments_behind(source, span.end, _NO_COMMA))
        edits = tuple(Edit(source.span(place, place), ",") for place in places)
        message = "put a comma between them" if len(edits) == 1 else "put commas between them"
        yield Fix(message, edits, True)
    elif span.text == ":" and word is not None and help.startswith("an argument is given by name"):
        places = (span.start, *_arguments_behind(source, span.end, _COLON))
        edits = tuple(Edit(source.span(place, place + 1), " =") for place in places)
        yield Fix("write `=`", edits, True)
    if help == ELSE_IF:
        yield Fix("write `else if`", (Edit(span, "else if"),), True)
    elif help == COMMENT and span.text == "//":
        yield Fix("write `#`", (Edit(span, "#"),), True)
    elif help == ON_ONE_LINE:
        end = source.text.find("{", span.start)
        if not source.text[span.start : end].strip():
            yield Fix("put it there", (Edit(source.span(span.start, end), " "),), True)
    if help.startswith("a setting has no") and span.text in ("=", ":"):
        behind = source.text[span.end :]
        end = span.end + len(behind) - len(behind.lstrip(" \t"))
        edit = Edit(source.span(len(before), end), " ")
        yield Fix(f"leave `{span.text}` out", (edit,), True)


_NO_COMMA = re.compile(r"(?<=[\w)\]\"])(?=[ \t]+[A-Za-z_]\w*[ \t]*=[^=])")
_COLON = re.compile(r"(?<=\w):")


def _arguments_behind(source: Source, start: int, sign: re.Pattern[str]) -> Iterator[int]:
    """Where in the rest of an argument list, on this line, what was wrong is so again: of several,
    the first hides the others."""
    end, _ = next(outside_brackets(source, start, '\n#"'))
    for found in sign.finditer(source.text, start, end):
        between = source.text[start : found.start()]
        if sum(map(between.count, "([{")) == sum(map(between.count, ")]}")):
            yield found.start()


def _close(diagnostic: Diagnostic, tree: syntax.File | None) -> Iterator[Fix]:
    """A bracket that is never closed may be meant to end with its line."""
    span = diagnostic.span
    closing = {"(": ")", "[": "]", "{": "}"}.get(span.text[-1])
    if closing is None:  # It is closed by another kind.
        wanted = diagnostic.help[-2:-1]
        yield Fix(f"write `{wanted}`", (Edit(span, wanted),), False)
        return
    text = span.source.text
    for label in diagnostic.labels:
        before = len(text[: label.span.start].rstrip())
        if label.role == "end" and "\n" not in text[span.end : before]:
            there = span.source.span(before, before)
            yield Fix(f"close it with `{closing}` there", (Edit(there, closing),), False)
        if label.role == "suspect":
            yield from _close_by_indentation(label.span)
    end = text.find("\n", span.end)
    line = text[span.end : end if end >= 0 else len(text)]
    place = span.end + len(line.partition("#")[0].rstrip())
    here = span.source.span(place, place)
    if closing != "}" or place > span.end or end < 0 or not text[end:].strip():
        yield Fix(f"close it with `{closing}`", (Edit(here, closing),), False)
    around = _left_open(text[text.rfind("\n", 0, span.start) + 1 : place])
    if len(around) > 1:
        yield Fix(f"close them with `{around}`", (Edit(here, around),), False)
    if closing == "}":
        place = len(text.rstrip())
        last = Edit(span.source.span(place, place), "\n}")
        yield Fix("close it at the end of the file", (last,), False)


def _left_open(line: str) -> str:
    """What closes the round and square brackets that a line leaves open."""
    closing = ""
    for character in line:
        if character in "([":
            closing = {"(": ")", "[": "]"}[character] + closing
        elif character == closing[:1]:
            closing = closing[1:]
    return closing


def _close_by_indentation(brace: Span) -> Iterator[Fix]:
    """Braces may be meant to end where lines are indented no deeper than the one with `{`."""
    source = brace.source
    first = source.line(brace.line)
    indentation = first[: len(first) - len(first.lstrip())]
    for number in range(brace.line + 1, len(source.line_starts) + 1):
        line = source.line(number)
        if line.strip() and len(line) - len(line.lstrip()) <= len(indentation):
            place = source.line_starts[number - 1]
            edit = Edit(source.span(place, place), f"{indentation}}}\n")
            yield Fix("close it with `}` where the indentation ends", (edit,), False)
            return


def _remove(diagnostic: Diagnostic, tree: syntax.File | None) -> Iterator[Fix]:
    for label in diagnostic.labels:
        yield Fix(f"remove the `{label.span.text}` before", (Edit(label.span, ""),), False)
    span = diagnostic.span
    yield Fix(f"remove `{span.text}`", (Edit(span, ""),), False)


def _escape(diagnostic: Diagnostic, tree: syntax.File | None) -> Iterator[Fix]:
    span = diagnostic.span
    if span.text.startswith("\\"):
        place = span.source.span(span.start, span.start)
        yield Fix("write `\\\\` for a backslash", (Edit(place, "\\"),), False)


KNOWN = {
    "unclosed-bracket": _close,
    "unexpected-character": _sign,
    "unexpected-token": _token,
    "unknown-escape": _escape,
    "unopened-bracket": _remove,
}
"""What finds fixes of a mistake by its code."""
