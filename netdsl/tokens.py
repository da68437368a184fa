"""Split a text into tokens, and drop the newlines that end no statement."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from lark import Token
from lark.exceptions import UnexpectedCharacters
from lark.lexer import BasicLexer, LexerThread

from netdsl.diagnostics import Diagnostic, Edit, Fix
from netdsl.kinds import PaddingKind, WindowKind
from netdsl.limits import LIMITS
from netdsl.ops import OPERATORS
from netdsl.source import Source, Span, invisible_characters, printable

BAD = "BAD"
"""The kind of a token that is none: it is reported already."""

WIDE = dict(zip("（）［］｛｝，：；＝", "()[]{},:;=", strict=True))
"""Signs as wide as an ideograph, with those of the language."""
_NARROW = str.maketrans(WIDE)
COMMENT = "a comment begins with `#`"
MEANT = {
    "→": "write `->`",
    "⇒": "write `->`",
    "–>": "write `->`",
    "—>": "write `->`",
    "-->": "write `->`",
    "=>": "write `->`",
    ">>": "write `->`",
    "|>": "write `->`",
    "×": "write `x` in a size, as in `3x3`; `*` multiplies",
    "≤": "write `<=`",
    "≥": "write `>=`",
    "≠": "write `!=`",
    "−": "write `-`",
    "–": "write `-`",
    "—": "write `-`",
    **{
        wide: f"write `{sign}`"
        for wide, sign in zip("（）［］｛｝，：；＝", "()[]{},:;=", strict=True)
    },
    "&&": "write `and`",
    "&": "write `and`",
    "||": "write `or`",
    "!": "write `not`",
    "^": "a power is `**`",
    "\\": "a newline inside brackets joins lines",
    "?": "a condition between values is `a if c else b`",
    "//": COMMENT,
    "/*": COMMENT,
}
"""Signs of other languages and keyboards, with what to write here."""

_LONGEST_SIGN = max(map(len, MEANT))

QUOTES = {"'": "'", "`": "`", "“": "”", "‘": "’", "«": "»"}


_LETTERS = {
    **dict.fromkeys(("k", "kb", "thousand"), "K"),
    **dict.fromkeys(("m", "mb", "million"), "M"),
    **dict.fromkeys(("g", "gb", "b", "bn", "billion"), "G"),
}
"""How other texts write the letters that a number may end in."""


def foreign_sign(text: str, start: int) -> str:
    """The sign of `MEANT` that stands at a place of a text, the longest; "" for none."""
    lengths = range(_LONGEST_SIGN, 0, -1)
    signs = (text[start : start + length] for length in lengths)
    return next((sign for sign in signs if sign in MEANT), "")


def size_argument(text: str, start: int, end: int) -> str | None:
    """The name of the argument that a stretch of a text is the value of, where an operator takes a
    size there; None anywhere else, as in `filters = 8 x 2`."""
    name, text = "", text.translate(_NARROW)
    named = re.compile(r"(\w+)\s*=\s*$").search(text, text.rfind("\n", 0, start) + 1, start)
    if named is not None:
        name, start = named[1], named.start()
    if text[:start].rstrip()[-1:] not in ("(", ",") or text[end:].lstrip()[:1] not in (")", ","):
        return None
    depth = position = 0
    for place in range(start - 1, -1, -1):
        depth += (text[place] in ")]}") - (text[place] in "([{")
        position += not depth and text[place] == ","
        if depth < 0:
            break
    else:
        return None
    layer = re.search(r"(?<![\w.])\w+$", text[:place].rstrip())
    operator = OPERATORS.get(layer[0]) if layer is not None and text[place] == "(" else None
    parameters = {} if operator is None else operator.parameters
    if not name and position < len(parameters):
        name = list(parameters)[position]
    taken = parameters.get(name)
    is_size = taken is not None and isinstance(taken.kind, WindowKind | PaddingKind)
    return name if is_size else None


# ---------------------------------------------------------------- characters


def split(source: Source, lexer: BasicLexer) -> tuple[list[Token], list[Diagnostic]]:
    """All tokens, newlines included, with one of kind `BAD` for each mistake.

    Of a text that passes a limit, or has invisible characters, only that is said: no tokens.
    """
    tokens: list[Token] = []
    mistakes = _unfit(source)
    if mistakes:
        return [], mistakes
    thread: Any = LexerThread.from_text(lexer, source.text)
    counter = thread.state.line_ctr
    while len(mistakes) < LIMITS.errors:
        try:
            for token in thread.lex(None):
                if _part_of_label(token, source):
                    token.type = "NAME"
                elif token.type in _PARTS and tokens and tokens[-1].type in _NUMBERS:
                    spaced = _spaced(tokens[-1], source)
                    if spaced is not None:
                        tokens[-1], mistake = spaced
                        mistakes.append(mistake)
                if tokens and (token.start_pos or 0) < (tokens[-1].end_pos or 0):
                    continue  # It is a part of the one before.
                tokens.append(token)
                if len(tokens) > LIMITS.tokens:
                    return [], [_too_many(token, source)]
            break
        except UnexpectedCharacters:
            start = counter.char_pos
            mistake = _bad(source, start)
            behind = tokens[-1] if tokens and tokens[-1].end_pos == start else ""
            if behind.isidentifier() and source.text[start].isalpha():
                # A name has a letter that it can't have.
                start = tokens.pop().start_pos or 0
                mistake = _bad(source, start)
            mistakes.append(mistake)
            end = mistake.span.end
            tokens.append(Token(BAD, source.text[start:end], start, end_pos=end))
            if mistake.code == "unterminated-string" and source.text.startswith('"""', start):
                break
            counter.feed(source.text[counter.char_pos : end])
    return tokens, mistakes


def _unfit(source: Source) -> list[Diagnostic]:
    """What keeps a text from being looked at: a line that is too long, invisible characters."""
    text = source.text
    longest = LIMITS.line_characters
    if len(text) > longest:
        for start, end in pairwise([*source.line_starts, len(text) + 1]):
            length = end - start - 1
            if length > longest:
                message = f"a line of {length:,} characters is over the limit of {longest:,}"
                help = "a newline inside brackets, or after an operator, joins lines"
                place = source.span(start + longest, start + longest + 1)
                return [Diagnostic("line-too-long", message, place, help=help)]
    invisible = invisible_characters(text)
    mistakes: list[Diagnostic] = []
    for offset, character in enumerate(text) if invisible else ():
        if character in invisible and len(mistakes) < LIMITS.errors:
            message = f"the character U+{ord(character):04X} can't be seen"
            span = source.span(offset, offset + 1)
            mistakes.append(Diagnostic("invisible-character", message, span, help="remove it"))
    return mistakes


def _too_many(token: Token, source: Source) -> Diagnostic:
    return Diagnostic(
        "program-too-long",
        f"a file has at most {LIMITS.tokens:,} words, numbers and signs",
        source.span(token.start_pos or 0, token.end_pos or 0),
        help="write what repeats as a `block` or with `repeat`, or import a part of it",
    )


def _part_of_label(token: Token, source: Source) -> bool:
    """Whether this is the label `block`, or a part of one: published keys have `block.0`."""
    if token.type != "BLOCK":
        return False
    text, start, end = source.text, token.start_pos or 0, token.end_pos or 0
    before = text[text.rfind("\n", 0, start) + 1 : start].rstrip(" ")
    # A parameter's kind stands behind a `:`.
    referred = before.endswith(("(", ",")) or before.split(" ")[-1] == "from"
    return referred or text[start - 1 : start] == "." or text[end : end + 1] in (".", ":")


MANY_SIZES = re.compile(r"\d+(\s*[xX]\s*\d+){2,}")
_NUMBERS = frozenset(("INT", "FLOAT", "SCALE"))
_PARTS = frozenset(("INT", "NAME"))
_SPACED_SIZE = re.compile(r"\d+(?:[ \t]*[xX][ \t]*\d+)+(?!\w)")
# An argument's name may follow a forgotten comma.
_SPACED_NUMBER = re.compile(r"([\d_.]*\d)[ \t]+([A-Za-z]+)(?!\w|[ \t]*=[^=])")


def _spaced(number: Token, source: Source) -> tuple[Token, Diagnostic] | None:
    """The number or size that `number` begins, where blanks divide it as in `3 x 3` and `5 M`:
    nowhere else can a number stand before such words."""
    start = number.start_pos or 0
    found = _SPACED_SIZE.match(source.text, start)
    if found is not None:
        sizes = re.findall(r"\d+", found[0])
        if len(sizes) > 2:
            mistake = _bad_number(source.span(start, found.end()))
            return Token(BAD, found[0], start, end_pos=found.end()), mistake
        kind, text, what = "SIZE", "x".join(sizes), "size"
    else:
        found = _SPACED_NUMBER.match(source.text, start)
        letter = "" if found is None else _LETTERS.get(found[2].lower(), "")
        # Small letters may be a name, as the kernel is often called `k`.
        if found is None or not letter or found[2] in ("k", "m", "g", "b", "bn"):
            return None
        kind, text, what = number.type, f"{found[1]}{letter}", "number"
    span = source.span(start, found.end())
    help = f"write `{text}`"
    fixes = [Fix(help, (Edit(span, text),), True)]
    if what == "size" and size_argument(source.text, start, found.end()) is None:
        product = " * ".join(sizes)
        fixes = [
            fixes[0]._replace(safe=False),
            Fix(f"write `{product}`", (Edit(span, product),), False),
        ]
        if sizes[0] != sizes[1]:
            fixes.reverse()
        help = f"{help}; `*` multiplies"
    diagnostic = Diagnostic(
        "unexpected-token",
        f"a blank stands inside the {what} `{printable(span.text)}`",
        span,
        help=help,
        fixes=tuple(fixes),
    )
    return Token(kind, text, start, end_pos=found.end()), diagnostic


def _bad(source: Source, start: int) -> Diagnostic:
    """What is wrong with the characters at `start`, which begin no token."""
    text = source.text
    character = text[start]
    line_end = text.find("\n", start)
    line_end = len(text) if line_end < 0 else line_end
    if text.startswith('"""', start):
        return Diagnostic(
            "unterminated-string",
            "this documentation is never closed",
            source.span(start, start + 3),
            help='end it with `"""`',
        )
    if character == '"':
        return Diagnostic(
            "unterminated-string",
            "this text is not closed on its line",
            source.span(start, line_end),
            help='end it with `"`',
        )
    if character in QUOTES:
        closing = text.find(QUOTES[character], start + 1, line_end)
        end = start + 1 if closing < 0 else closing + 1
        return _unexpected(source.span(start, end), "has no meaning here", 'a text stands in `"`')
    end = start + 1
    if character.isalnum() or character == "_":
        while end < line_end and (text[end].isalnum() or text[end] in "_."):
            end += 1
        if character in "0123456789":
            return _bad_number(source.span(start, end))
        help = "a name is made of the letters a to z and A to Z, digits and `_`"
        return _unexpected(source.span(start, end), "is no name", help)
    sign = foreign_sign(text, start)
    help = MEANT.get(sign, "")
    end = max(end, start + len(sign))
    while end < line_end and text[end] == character:
        end += 1
    return _unexpected(source.span(start, end), "has no meaning here", help)


def _bad_number(span: Span) -> Diagnostic:
    text = span.text
    help = "a number may end in K, M or G; a size is `3x3`, `2x`; names begin with a letter"
    fixes: tuple[Fix, ...] = ()
    number = re.fullmatch(r"([\d_.]*\d)([A-Za-z]+)", text)
    letter = "" if number is None else _LETTERS.get(number[2].lower(), "")
    if re.fullmatch(r"\d+X\d+", text):
        help = f"a size has a small `x`: `{text.lower()}`"
        fixes = (Fix(f"write `{text.lower()}`", (Edit(span, text.lower()),), True),)
    elif MANY_SIZES.fullmatch(text):
        help = "a window has two sizes, `3x3`; those of an input stand in a list, `[32, 32, 3]`"
    elif number is not None and letter:
        written = f"{number[1]}{letter}"
        help = f"a number ends in K, M or G alone: `{written}`"
        fixes = (Fix(f"write `{written}`", (Edit(span, written),), True),)
    diagnostic = _unexpected(span, "is neither a number nor a name", help)
    return diagnostic._replace(fixes=fixes)


def _unexpected(span: Span, fault: str, help: str) -> Diagnostic:
    shown = printable(span.text)
    quoted = f"`{shown}`" if "`" not in shown else f"{shown}"
    return Diagnostic("unexpected-character", f"{quoted} {fault}", span, help=help)


# ---------------------------------------------------------------- newlines

_COMPARISONS = ("==", "!=", "<", "<=", ">", ">=")
_WORDS = ("and", "or", "not", "else")
_SIGNS = ("->", ",", "=", ".", ":", "|", "+", "-", "*", "/", "//", "%", "**")

OPEN_ENDED = frozenset(("", "{", "(", "[", *_SIGNS, *_COMPARISONS, *_WORDS))
"""Tokens after which a statement goes on."""
_CONTINUING = frozenset(("->", "}", "|", "else", "shortcut", "where", "and", "or"))
"""Tokens that go on with a statement."""
_ALWAYS_FIRST = frozenset(("network", "recipe", "import", "let", "assert", "claim", "input"))
"""Words that can't go on with any, so that one before them on a line of its own is at its end."""


def significant(tokens: list[Token]) -> Iterator[Token]:
    """The tokens without those newlines that end no statement. A `;` always ends one."""
    inside = 0
    recent = ("", "", "")
    ending: Token | None = None
    newline: Token | None = None
    for token in tokens:
        text = "{" if token.type == "TEMPLATE" else str(token)
        if token.type == "NEWLINE":
            newline = newline or token
            # `within 1%` ends a claim, though `%` between numbers goes on.
            goes_on = recent[2] in OPEN_ENDED and (recent[0], recent[2]) != ("within", "%")
            if inside and text[0] == ";":
                yield Token("SEMICOLON", text, token.start_pos, end_pos=token.end_pos)
            elif text[0] == ";" or not (inside or goes_on or ending is not None):
                ending = token
            continue
        if newline is not None and text in _ALWAYS_FIRST and recent[2] not in ("", "{", "|"):
            ending = ending or newline
        newline = None
        if ending is not None:
            if text not in ("}", "|") and (ending[0] == ";" or text not in _CONTINUING):
                yield ending
            ending = None
        inside += (text in ("(", "[")) - (text in (")", "]"))
        yield token
        recent = (recent[1], recent[2], text)
