"""Round or square brackets where the braces of a body should be."""

from __future__ import annotations

import re
from collections.abc import Sequence

from lark import Token

from netdsl.diagnostics import Diagnostic, Edit, Fix, Label
from netdsl.ops import OPERATORS
from netdsl.source import Source
from netdsl.tokens import OPEN_ENDED

MERGES = tuple(name for name, operator in OPERATORS.items() if operator.is_merge)
WITH_BODY = ("residual", "repeat", "for", "if", "shortcut", "else", "aux")
LAYERS = frozenset((*OPERATORS, "input", "residual", "repeat", "aux"))
"""Words that begin a step, or the statement before one."""

_BRACKET = re.compile(r"[()\[\]{}]")
_CLOSING = {"(": ")", "[": "]"}
_BEHIND_BODY = re.compile(r"[ \t]*(?:$|[\n;}|#]|->|else\b|shortcut\b)")
_LONGEST_BODY = 10_000
"""How many characters behind a bracket its end is looked for in."""
_HEAD = 40
"""How many tokens before a bracket are looked at."""


def end_of_body(source: Source, before: Sequence[Token], bracket: Token) -> int | None:
    """Where the body ends that a bracket stands before in place of a brace; None for what may be a
    value. `before` are the tokens up to the bracket."""
    head = head_of(before)
    word = str(head[0]) if head else ""
    if word not in (*WITH_BODY, *MERGES):
        return None
    text, start = source.text, bracket.start_pos or 0
    depth, end = 0, start
    for found in _BRACKET.finditer(text, start, start + _LONGEST_BODY):
        depth, end = depth + (1 if found[0] in "([{" else -1), found.start()
        if not depth:
            break
    if depth or text[end] != _CLOSING[str(bracket)] or not _BEHIND_BODY.match(text, end + 1):
        return None
    inside = text[start + 1 : end].lstrip()
    if word in MERGES:
        return end if len(head) == 1 and inside.startswith("|") else None
    layer = re.match(r"[A-Za-z_]\w*|\{", inside)
    if layer is None or not _is_complete(head, before):
        return None
    # A name may be that of a function or list, whose call or element this is.
    called = len(head) > 1 and head[-1].type not in ("INT", "TRUE", "FALSE")
    if called and not text[start - 1].isspace():
        return None
    if (called or word == "aux") and "->" not in inside and layer[0] not in LAYERS.union("{"):
        return None
    return end


def misbraced(source: Source, before: Sequence[Token], bracket: Token, end: int) -> Diagnostic:
    """That the body which a bracket begins, and one at `end` ends, stands in braces."""
    head = head_of(before)
    word = head[0]
    what, body = ("branches stand", "| … | …") if word in MERGES else ("a body stands", "…")
    between = "" if len(head) == 1 else "… "
    start = bracket.start_pos or 0
    places = source.span(start, start + 1), source.span(end, end + 1)
    text = source.text
    opening = f"{'' if text[start - 1].isspace() else ' '}{{"
    opening += "" if text[start + 1].isspace() else " "
    closing = "}" if text[end - 1].isspace() else " }"
    edits = Edit(places[0], opening), Edit(places[1], closing)
    return Diagnostic(
        "unexpected-token",
        f"`{bracket}` stands where `{{` should be",
        places[0],
        labels=(Label(places[1], "it ends here"),),
        help=f"{what} in braces: `{word} {between}{{ {body} }}`",
        fixes=(Fix("write braces", edits, True),),
    )


def head_of(before: Sequence[Token]) -> Sequence[Token]:
    """What stands of a step before its body; of a long one, its end."""
    for index in range(len(before) - 1, max(len(before) - _HEAD, 0) - 1, -1):
        token = before[index]
        if token.type in ("NEWLINE", "TEMPLATE") or token in ("{", "}", "|", "->", ":"):
            return before[index + 1 :]
    return []


def _is_complete(head: Sequence[Token], before: Sequence[Token]) -> bool:
    """Whether a body can follow what stands before it."""
    word, last = head[0], head[-1]
    if word in ("else", "shortcut"):
        behind = (each for each in before[-len(head) - 1 :: -1] if each.type != "NEWLINE")
        if next(behind, "") != "}":
            return False
    if len(head) == 1:
        return word in ("else", "shortcut", "residual", "aux")
    if word == "aux" or (word == "for" and "in" not in head):
        return False
    return last not in OPEN_ENDED and last not in ("in", "if", "as")
