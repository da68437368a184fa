"""Candidate fixes for what is spelt wrongly: names, arguments, signs and brackets.

A candidate is only a guess; `netdsl.fixes` tries each before anyone sees it. Candidates come in
groups, of which the first that works is kept.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TypeAlias

from netdsl import syntax
from netdsl.diagnostics import Diagnostic, Edit, Fix, NearNames, one_edit
from netdsl.network import SHIPPED
from netdsl.ops import OPERATORS, SYNONYMS
from netdsl.program import Library
from netdsl.records import Record
from netdsl.source import Span
from netdsl.tokens import MEANT

Group: TypeAlias = "list[Fix]"
"""Candidates in the order to try them."""

ARGUMENT_SYNONYMS: dict[str, str] = {
    "filters": "features",
    "kernel_size": "kernel",
    "num_groups": "groups",
    "num_heads": "heads",
    "out_channels": "filters",
    "out_features": "features",
    "padding": "pad",
    "pool_size": "kernel",
    "strides": "stride",
    "units": "features",
    "use_bias": "bias",
}
"""What other tools call our arguments."""


def candidates(diagnostic: Diagnostic, tree: syntax.File | None) -> list[Group]:
    """Groups of fixes that may make a mistake of spelling go away; `tree` is None without one."""
    groups: list[Group] = []
    known = _KNOWN.get(diagnostic.code)
    if known is not None:
        groups.append(list(known(diagnostic, tree)))
    if isinstance(diagnostic.help, NearNames):
        groups.append(list(_near(diagnostic, diagnostic.help)))
    # Both may come to the same name, which is then the surer for it.
    return [groups[0] + groups[1]] if len(groups) == 2 else groups


def walk(node: object) -> Iterator[Record]:
    """The records below a part of a syntax tree, itself first, in the order of the text."""
    if isinstance(node, Span) or not isinstance(node, tuple):
        return
    if isinstance(node, Record):
        yield node
    for each in node:
        yield from walk(each)


def _near(diagnostic: Diagnostic, help: NearNames) -> Iterator[Fix]:
    span = _word(diagnostic.span, help.word)
    if span is None:
        return
    for position, name in enumerate(help.names):
        yield Fix(f"write `{name}`", (Edit(span, name),), help.certain and position == 0)


def _word(span: Span, word: str) -> Span | None:
    """Where a word stands in a stretch of text, or right before it; None where it does not."""
    found = re.search(rf"(?<!\w){re.escape(word)}(?!\w)", span.text)
    if found is not None:
        return span.source.span(span.start + found.start(), span.start + found.end())
    before = len(span.source.text[: span.start].rstrip())
    if span.source.text[:before].endswith(word):
        return span.source.span(before - len(word), before)
    return None


def _layer(diagnostic: Diagnostic, tree: syntax.File | None) -> Iterator[Fix]:
    name = diagnostic.span.text
    if name in SYNONYMS:
        meant = SYNONYMS[name]
        calls = (each for each in walk(tree) if isinstance(each, syntax.Call))
        call = next((each for each in calls if each.name_span == diagnostic.span), None)
        safe = call is not None and not _other_order(call)
        edits = [Edit(diagnostic.span, meant)]
        known = OPERATORS[meant].parameters
        for argument in () if call is None else call.arguments:
            name = ARGUMENT_SYNONYMS.get(argument.name or "", "")
            if name in known and argument.name not in known:
                span = argument.span
                end = span.start + len(argument.name or "")
                edits.append(Edit(span.source.span(span.start, end), name))
        shown = ", ".join(f"`{edit.text}`" for edit in edits)
        yield Fix(f"write {shown}", tuple(edits), safe)
    elif tree is not None and name in Library(None, SHIPPED).shared_blocks():
        place = _import_place(tree)
        line = f"import {name} from std\n"
        yield Fix("import it", (Edit(place, line),), True)


def _other_order(call: syntax.Call) -> bool:
    """Whether two bare numbers stand in a row, which other tools may order otherwise than we do:
    PyTorch's layers begin with the channels that enter."""
    numbers = [
        each.name is None and isinstance(each.value, syntax.Constant) and each.span.text.isdecimal()
        for each in call.arguments
    ]
    return any(numbers[i] and numbers[i + 1] for i in range(len(numbers) - 1))


def _import_place(tree: syntax.File) -> Span:
    """The start of the line before which a further import fits: behind the others, or first."""
    imports = [each for each in tree.declarations if isinstance(each, syntax.Import)]
    text = tree.source.text
    if imports:
        start = text.find("\n", imports[-1].span.end) + 1 or len(text)
    else:
        start = text.rfind("\n", 0, tree.declarations[0].span.start) + 1
    return tree.source.span(start, start)


def _argument(diagnostic: Diagnostic, tree: syntax.File | None) -> Iterator[Fix]:
    word = diagnostic.span.text.partition("=")[0].strip()
    span = _word(diagnostic.span, word) if word in ARGUMENT_SYNONYMS else None
    if span is not None:
        meant = ARGUMENT_SYNONYMS[word]
        yield Fix(f"write `{meant}`", (Edit(span, meant),), True)


def _sign(diagnostic: Diagnostic, tree: syntax.File | None) -> Iterator[Fix]:
    """A sign of another language whose like we have."""
    span = diagnostic.span
    foreign = max(
        (sign for sign in MEANT if span.source.text.startswith(sign, span.start)),
        key=len,
        default="",
    )
    meant = re.fullmatch(r"write `([^`]+)`.*", MEANT.get(foreign, ""))
    if meant is None or diagnostic.help != MEANT[foreign]:
        return
    end = span.start + len(foreign)
    # A word needs a space before what follows it, as `!deep` does.
    glued = meant[1].isalpha() and len(meant[1]) > 1 and span.source.text[end : end + 1].isalnum()
    written = meant[1] + (" " if glued else "")
    yield Fix(f"write `{meant[1]}`", (Edit(span.source.span(span.start, end), written),), True)


def _token(diagnostic: Diagnostic, tree: syntax.File | None) -> Iterator[Fix]:
    """A foreign sign; or a misspelt word before the brace that the token stands behind, where it
    was taken for a merge."""
    yield from _sign(diagnostic, tree)
    source = diagnostic.span.source
    found = re.search(r"(\w+)\s*\{\s*$", source.text[: diagnostic.span.start])
    for word in ("residual", "else", "shortcut", "aux"):
        if found is not None and one_edit(found[1], word):
            span = source.span(found.start(1), found.end(1))
            yield Fix(f"write `{word}`", (Edit(span, word),), True)


def _kind(diagnostic: Diagnostic, tree: syntax.File | None) -> Iterator[Fix]:
    found = re.match(r"\w+(\s*:\s*\w+)", diagnostic.span.text)
    if found is not None:
        start = diagnostic.span.start
        span = diagnostic.span.source.span(start + found.start(1), start + found.end(1))
        yield Fix("leave the kind out", (Edit(span, ""),), False)


def _close(diagnostic: Diagnostic, tree: syntax.File | None) -> Iterator[Fix]:
    """A bracket that is never closed may be meant to end with its line."""
    span = diagnostic.span
    closing = {"(": ")", "[": "]", "{": "}"}[span.text[-1]]
    text = span.source.text
    end = text.find("\n", span.end)
    line = text[span.end : end if end >= 0 else len(text)]
    place = span.end + len(line.partition("#")[0].rstrip())
    yield Fix(f"close it with `{closing}`", (Edit(span.source.span(place, place), closing),), False)
    if closing == "}":
        place = len(text.rstrip())
        last = Edit(span.source.span(place, place), "\n}")
        yield Fix("close it at the end of the file", (last,), False)


def _remove(diagnostic: Diagnostic, tree: syntax.File | None) -> Iterator[Fix]:
    span = diagnostic.span
    yield Fix(f"remove `{span.text}`", (Edit(span, ""),), False)


def _remove_argument(diagnostic: Diagnostic, tree: syntax.File | None) -> Iterator[Fix]:
    span = diagnostic.span
    before = span.source.text[: span.start].rstrip()
    if before.endswith(","):
        whole = span.source.span(len(before) - 1, span.end)
        yield Fix(f"remove `{span.text}`", (Edit(whole, ""),), False)


def _escape(diagnostic: Diagnostic, tree: syntax.File | None) -> Iterator[Fix]:
    span = diagnostic.span
    if span.text.startswith("\\"):
        place = span.source.span(span.start, span.start)
        yield Fix("write `\\\\` for a backslash", (Edit(place, "\\"),), False)


_KNOWN = {
    "argument-twice": _remove_argument,
    "unclosed-bracket": _close,
    "unexpected-character": _sign,
    "unexpected-token": _token,
    "unknown-argument": _argument,
    "unknown-escape": _escape,
    "unknown-kind": _kind,
    "unknown-layer": _layer,
    "unopened-bracket": _remove,
}
