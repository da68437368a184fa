"""What a program allows: `# lint: allow RULE — reason`.

Behind code such a comment is about its own line. On a line of its own it is about the next line of
code; before a declaration, about all of that. `allow-file` is about the whole file.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from typing import NamedTuple

from netdsl import syntax
from netdsl.codes import RULES
from netdsl.diagnostics import Diagnostic, Edit, Fix, did_you_mean
from netdsl.lint.edits import without_statement
from netdsl.lint.rule import finding
from netdsl.parse import parse, tokenize
from netdsl.source import Source, Span

_MARK = re.compile(r"#[ \t]*lint[ \t]*:[ \t]*(?P<rest>[^\n]*)", re.IGNORECASE)
_FORM = re.compile(
    r"(?P<word>allow|allow-file)\b[ \t]+(?P<rules>[\w-]+(?:[ \t]*,[ \t]*[\w-]+)*)"
    r"[ \t]*(?P<mark>—|–|--|-|:)?[ \t]*(?P<reason>.*)"
)


class Allowance(NamedTuple):
    """That a rule's findings are meant, on the lines from `first` to `last`."""

    rule: str
    first: int
    last: int
    span: Span
    """The rule's name in the comment."""
    comment: Span


class Allowances(NamedTuple):
    """All that one file allows, and the comments that don't say what they mean to."""

    allowed: tuple[Allowance, ...]
    mistakes: tuple[Diagnostic, ...]


def read_allowances(source: Source, tree: syntax.File | None = None) -> Allowances:
    """The allowances of a file; its tree is parsed where it is not given."""
    if _MARK.search(source.text) is None:
        return Allowances((), ())
    tree = parse(source)[0] if tree is None else tree
    if tree is None:
        return Allowances((), ())
    tokens = [
        (each.start_pos or 0, each.end_pos or 0)
        for each in tokenize(source)
        if each.type != "NEWLINE"
    ]
    starts = [start for start, _ in tokens]
    allowed: list[Allowance] = []
    mistakes: list[Diagnostic] = []
    for match in _MARK.finditer(source.text):
        index = bisect_right(starts, match.start())
        if index and tokens[index - 1][1] > match.start():
            continue  # It stands in a text.
        if "#" in source.line(source.line_column(match.start())[0])[: _column(source, match)]:
            continue  # It is quoted in another comment.
        comment = source.span(match.start(), match.start() + len(match[0].rstrip()))
        form = _FORM.fullmatch(match["rest"].rstrip())
        if form is None:
            mistakes.append(_malformed(comment))
            continue
        if not form["reason"]:
            help = f"`{comment.text.rstrip(' -—–:')} — why it is meant`"
            mistakes.append(
                finding("allow-form", "a rule is allowed without a reason", comment, help=help)
            )
            continue
        first, last = _lines(source, comment, form["word"], tree, starts[index:])
        offset = match.start("rest") + form.start("rules")
        for name in re.finditer(r"[\w-]+", form["rules"]):
            span = source.span(offset + name.start(), offset + name.end())
            if name[0] in RULES:
                allowed.append(Allowance(name[0], first, last, span, comment))
            else:
                help = did_you_mean(name[0], tuple(RULES)) or "`netdsl list rules` shows them"
                mistakes.append(
                    finding("allow-form", f"there is no rule `{name[0]}`", span, help=help)
                )
    return Allowances(tuple(allowed), tuple(mistakes))


def unused_allowance(allowance: Allowance, *, alone: bool) -> Diagnostic:
    """Says that an allowance keeps nothing back; `alone` if its comment allows nothing else."""
    edit = _without_comment(allowance.comment) if alone else _without_rule(allowance.span)
    message = "remove the comment" if alone else f"remove `{allowance.rule}`"
    return finding(
        "unused-allow",
        f"nothing here is found by `{allowance.rule}`",
        allowance.span,
        fix=edit and Fix(message, (edit,), True),
    )


def _column(source: Source, match: re.Match[str]) -> int:
    return source.line_column(match.start())[1] - 1


def _malformed(comment: Span) -> Diagnostic:
    return finding(
        "allow-form",
        "a comment for `netdsl lint` says nothing that it knows",
        comment,
        help="`# lint: allow RULE — why it is meant`; also `allow-file`, and several rules with "
        "commas",
    )


def _lines(
    source: Source, comment: Span, word: str, tree: syntax.File, following: list[int]
) -> tuple[int, int]:
    """The lines that a comment is about; `following` is where words begin behind it."""
    if word == "allow-file":
        return 1, len(source.line_starts)
    line = comment.line
    column = source.line_column(comment.start)[1]
    if source.line(line)[: column - 1].strip():
        return line, line
    if not following:
        return line, line
    for declaration in tree.declarations:
        if declaration.span.start == following[0]:
            return declaration.span.line, source.line_column(declaration.span.end)[0]
    after = source.line_column(following[0])[0]
    return after, after


def _without_comment(comment: Span) -> Edit | None:
    line = comment.source.line_starts[comment.line - 1]
    before = comment.source.text[line : comment.start].rstrip(" \t")
    if not before:
        return without_statement(comment)
    return Edit(comment._replace(start=line + len(before)), "")


def _without_rule(span: Span) -> Edit:
    text = span.source.text
    before = re.search(
        r"[ \t]*,[ \t]*\Z", text[span.source.line_starts[span.line - 1] : span.start]
    )
    if before is not None:
        return Edit(span._replace(start=span.start - len(before[0])), "")
    after = re.compile(r"[ \t]*,[ \t]*").match(text, span.end)
    return Edit(span._replace(end=span.end if after is None else after.end()), "")
