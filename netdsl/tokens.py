"""Split a text into tokens, and drop the newlines that end no statement."""

from __future__ import annotations

import re
import unicodedata
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
    "⟶": "write `->`",
    "➔": "write `->`",
    "➜": "write `->`",
    "–>": "write `->`",
    "—>": "write `->`",
    "-->": "write `->`",
    "=>": "write `->`",
    ">>": "write `->`",
    "|>": "write `->`",
    "±": "write `within`, as in `25.6M within 1%`",
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
            if mistake.code == "unterminated-string" and source.text.startswith('"""', start):
                start = _end_before_documentation(tokens, source, start)
                mistake = _bad(source, start)
                mistakes = [each for each in mistakes if each.span.start < start]
            mistakes.append(mistake)
            end = mistake.span.end
            tokens.append(Token(BAD, source.text[start:end], start, end_pos=end))
            if mistake.code == "unterminated-string" and source.text.startswith('"""', start):
                break
            counter.feed(source.text[counter.char_pos : end])
    return tokens, mistakes


def _end_before_documentation(tokens: list[Token], source: Source, start: int) -> int:
    """Where the documentation begins that is never closed, of a text whose last quotes, at `start`,
    are not: another's first quotes, which begin their line before a word, may have ended it. It and
    what follows leave `tokens`."""
    for index, token in enumerate(tokens):
        if token.type == "DOC" and "\n" in token:
            end = token.end_pos or 0
            opens = re.match(r"[ \t]*[^\s#;}]", source.text[end : end + _INDENTED])
            if opens is not None and not token[:-3].rpartition("\n")[2].strip():
                del tokens[index:]
                return token.start_pos or 0
    return start


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
        lookalike = _lookalike(source.span(start, end))
        if lookalike is not None:
            return lookalike
        if character in "0123456789":
            return _bad_number(source.span(start, end))
        help = "a name is made of the letters a to z and A to Z, digits and `_`"
        return _unexpected(source.span(start, end), "is no name", help)
    sign = foreign_sign(text, start)
    help = MEANT.get(sign, "")
    if sign == "&" and re.compile(r"&[ \t]*\d").match(text, start):
        help = "`and` joins conditions; `n % 2` is what the last bit of a number says"
    end = max(end, start + len(sign))
    while end < line_end and text[end] == character:
        end += 1
    diagnostic = _unexpected(source.span(start, end), "has no meaning here", help)
    if sign in _DASHES and _between_steps(text, start, end):
        fix = Fix("write `->`", (Edit(diagnostic.span, "->"),), True)
        return diagnostic._replace(help="write `->`", fixes=(fix,))
    return diagnostic


_DASHES = ("–", "—", "−")
_BEFORE_VALUE = re.compile(
    r"\s*(?:let|assert|claim|if|else|repeat|for|residual|shortcut|default|input|aux|import|network"
    r"|block|recipe)\b"
)


def _between_steps(text: str, start: int, end: int) -> bool:
    """Whether what stands at a place of a line stands between layers, and not between values."""
    before = re.split(r"[{};|]", text[text.rfind("\n", 0, start) + 1 : start])[-1]
    if _BEFORE_VALUE.match(before) or before.count("(") != before.count(")"):
        return False
    if before.count("[") != before.count("]") or "=" in before.partition("(")[0]:
        return False
    step = re.search(r"\)$|[A-Za-z_]\w*$", before.rstrip()[-_INDENTED:])
    following = re.match(r"[ \t]*[A-Za-z_]", text[end : end + _INDENTED])
    return step is not None and following is not None


_INDENTED = 40
"""How many characters are looked at before a word and behind it."""
_LOOKALIKES = str.maketrans(
    "аекорсухіјѕАВЕКМНОРСТУХІЈЅοΑΒΕΖΗΙΚΜΝΟΡΤΥΧ",
    "aekopcyxijsABEKMHOPCTYXIJSoABEZHIKMNOPTYX",
)
"""Letters of other scripts that look like those of the language."""
_WORD = re.compile(r"[A-Za-z_][\w.]*|\d+x\d*|\d[\d_.]*[KMG]?", re.ASCII)


def _lookalike(span: Span) -> Diagnostic | None:
    """A word or number with letters of another script, which is one with those that they look
    like; None for any other."""
    text = span.text
    if text.isascii():
        return None
    meant = "".join(
        each if each.isascii() else unicodedata.normalize("NFKC", each) for each in text
    ).translate(_LOOKALIKES)
    if not _WORD.fullmatch(meant) or len(meant) != len(text):
        return None
    other, letter = next(pair for pair in zip(text, meant, strict=True) if pair[0] != pair[1])
    script = unicodedata.name(other, "another").split()[0].capitalize()
    what = "letter" if letter.isalpha() else "digit"
    help = f"it is {script}; write the Latin `{letter}`: `{meant}`"
    if script not in ("Cyrillic", "Greek"):
        help = f"write `{meant}`"
    fix = Fix(f"write `{meant}`", (Edit(span, meant),), any(map(str.isascii, text)))
    return Diagnostic(
        "unexpected-character",
        f"`{printable(text)}` has a {what} of another script, `{other}`",
        span,
        help=help,
        fixes=(fix,),
    )


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
    for index, token in enumerate(tokens):
        text = "{" if token.type == "TEMPLATE" else str(token)
        if token.type == "NEWLINE":
            if newline is None and recent[2] == "%" and not inside and _behind_share(tokens, index):
                ending = token
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


def _behind_share(tokens: list[Token], newline: int) -> bool:
    """Whether a line ends in a share such as `20%`, as the next one begins a setting: no value goes
    on as `epochs 10` does."""
    sign = tokens[newline - 1]
    if newline < 2 or tokens[newline - 2].type not in _NUMBERS:
        return False
    if tokens[newline - 2].end_pos != sign.start_pos:
        return False
    index = newline
    while index < len(tokens) and tokens[index].type == "NEWLINE":
        index += 1
    words = tokens[index : index + 3]
    if len(words) < 3 or words[0].type != "NAME":
        return False
    # A value may have a unit, and a claim's figure a tolerance.
    if words[1].type == "NAME":
        return words[1] not in ("epochs", "steps", "within") or words[2] == "("
    return words[1].type in ("INT", "FLOAT", "SIZE", "STRING", "TRUE", "FALSE")
