"""What else is wrong with a program that has mistakes of syntax.

Statements that can't be read are left out. What they would have made of the value is unknown, and
so are the names that they may give, so that nothing is said of what only follows from them.
"""

from __future__ import annotations

import re
import time
from typing import Any, NamedTuple

from netdsl.check import check_file, check_names, check_recipes, check_templates
from netdsl.diagnostics import Diagnostic
from netdsl.limits import LIMITS, lowered
from netdsl.network import load_file
from netdsl.parse import parse
from netdsl.scope import UNKNOWN
from netdsl.source import Source, Span

_ROUNDS = 4
"""How often statements are left out, as one may have hidden another's mistake."""
_STEPS = 100_000
"""Of elaborating: the mistakes of syntax are to be seen soon."""
_SECONDS = 0.1
"""Of processor time, after which no further network is begun."""
_CHARACTERS = 50_000
"""Longer programs are not looked through."""

_MISTAKES = 20
"""With more of them, or with one of these, a text is hardly a program."""
_UNREADABLE = frozenset(
    (
        "invisible-character",
        "line-too-long",
        "nesting-too-deep",
        "number-too-long",
        "program-too-long",
    )
)

_PLACEHOLDER = "_"
# What a left out statement may be needed for, or bounds that its absence may break.
_FOLLOWING = re.compile(
    r"no-|input-|second-input|value-unused|too-(?!many-arguments)|claim-|assertion-failed|merge-operands"
    r"|label-repeated|name-taken|rate-|setting-twice|warmup-too-long"
)
_DECLARES = re.compile(
    r"\s*(?:let|for|import|from|input|repeat|network|block|recipe|def|class|function)\b([^{=]*)"
)
_LABEL = re.compile(r"([A-Za-z_]\w*)[ \t]*:")
_ASSIGNED = re.compile(r"^\s*([A-Za-z_]\w*)[ \t]*[-+*/%]*=", re.MULTILINE)
_NAME = re.compile(r"[A-Za-z_]\w*")


class Remains(NamedTuple):
    """A program without its mistakes of syntax, at the same places; `lost` are names that what is
    `left_out` gives."""

    source: Source
    left_out: str
    lost: frozenset[str]


def besides(source: Source, mistakes: tuple[Diagnostic, ...]) -> tuple[Diagnostic, ...]:
    """The errors of a program besides the `mistakes` for which it can't be read."""
    if not _is_readable(mistakes):
        return ()
    remains = what_remains(source) if len(source.text) <= _CHARACTERS else None
    if remains is None:
        return ()
    with lowered({"steps": min(_STEPS, LIMITS.steps)}):
        file, found = load_file(remains.source)
        if file is None:
            return ()
        for name in remains.lost | {_PLACEHOLDER}:
            file.scope.names.setdefault(name, UNKNOWN)
        for verdict in check_file(file, {}, until_s=time.process_time() + _SECONDS):
            found += verdict.diagnostics
        found += check_templates(file) + check_recipes(file)
        found += check_names(file, found, None)
    kept = dict.fromkeys(
        each for each in found if each.severity == "error" and not _follows(each, remains)
    )
    return tuple(_moved(each, remains.source, source) for each in kept)


def what_remains(source: Source) -> Remains | None:
    """A program without the statements that have mistakes of syntax; None where it has some even
    so."""
    lost: set[str] = set()
    whole = source.text
    for _ in range(_ROUNDS):
        mistakes = parse(source)[1]
        if not mistakes:
            kept = zip(whole, source.text, strict=True)
            left_out = "".join(" " if there == here else here for here, there in kept)
            return Remains(source, left_out, frozenset(lost))
        if not _is_readable(mistakes):
            return None
        text, done = source.text, 0
        for each in mistakes:
            if each.span.start < done:
                continue  # It is left out already.
            # Rather the brace that may be wrong, which lies in the body, than that of the body.
            inner = next((at for at in each.labels if at.role == "suspect"), each).span
            start, end = _statement(text, inner.start)
            if each.code == "unclosed-bracket" and (each.span.text != "{" or inner != each.span):
                end = min(end, (text + "\n").index("\n", inner.start))
            if not text[start:end].strip():
                # An empty body is the mistake: leave out what it is the body of.
                start, end = _statement(text, start - 1) if start else (0, 0)
            left_out = text[start:end]
            lost |= _given(left_out)
            blank = re.sub(r"[^\n]", " ", left_out)
            indent = len(left_out) - len(left_out.lstrip())
            in_body = text.count("{", 0, start) > text.count("}", 0, start)
            if in_body and left_out.strip() not in ("", _PLACEHOLDER):
                blank = blank[:indent] + _PLACEHOLDER + blank[indent + 1 :]
            text, done = text[:start] + blank + text[end:], end
        if text == source.text:
            return None
        source = Source(source.name, text, source.path)
    return None


def _is_readable(mistakes: tuple[Diagnostic, ...]) -> bool:
    return len(mistakes) <= _MISTAKES and not any(
        each.code in _UNREADABLE or each.code.startswith("too-") for each in mistakes
    )


def _given(statement: str) -> set[str]:
    """The names that a statement gives, as far as is to be seen."""
    declared = _DECLARES.match(statement)
    names = {*_LABEL.findall(statement), *_ASSIGNED.findall(statement)}
    return names | set(_NAME.findall(declared[1] if declared else ""))


def _statement(text: str, position: int) -> tuple[int, int]:
    """From where to where the lines of a statement go, or what of them lies in its braces."""
    start = text.rfind("\n", 0, position) + 1
    start = max(start, text.rfind(";", start, position) + 1)
    depth = 0
    for place in range(position - 1, start - 1, -1):
        depth += (text[place] == "}") - (text[place] == "{")
        if depth < 0:
            start = place + 1
            break
    depth = 0
    end = position
    for end in range(start, len(text) + 1):
        sign = text[end : end + 1]
        if not depth and ((end >= position and sign in "\n;") or sign in ("}", "")):
            break
        depth += (sign in ("(", "[", "{")) - (sign in (")", "]", "}"))
    return start, end


def _follows(diagnostic: Diagnostic, remains: Remains) -> bool:
    """Whether a mistake may be one only because something is left out."""
    words = set(_NAME.findall(diagnostic.span.text))
    if (
        _FOLLOWING.match(diagnostic.code) is not None
        or diagnostic.span.text == _PLACEHOLDER
        or not words.isdisjoint(remains.lost)
    ):
        return True
    if not diagnostic.code.startswith("unknown-") or diagnostic.code == "unknown-argument":
        return False  # No statement gives an argument its name.
    # The name may stand there cut off, or run together with others.
    together = "".join(_NAME.findall(remains.left_out))
    parts = [each for each in _NAME.findall(remains.left_out) if len(each) > 2]
    return any(word in together or word.startswith(tuple(parts)) for word in words)


def _moved(value: Any, there: Source, here: Source) -> Any:
    """A diagnostic, or a part of one, with its places in one source moved to another."""
    if isinstance(value, Span):
        return value._replace(source=here) if value.source is there else value
    if isinstance(value, tuple):
        parts = [_moved(each, there, here) for each in value]
        return value._make(parts) if hasattr(value, "_make") else type(value)(parts)
    return value
