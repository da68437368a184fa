"""Split a text into tokens, match its brackets, and drop the newlines that end no statement."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from lark import Token
from lark.exceptions import UnexpectedCharacters
from lark.lexer import BasicLexer, LexerThread

from netdsl.diagnostics import Diagnostic, Label
from netdsl.limits import LIMITS
from netdsl.source import Source, Span, invisible_characters, printable

BAD = "BAD"
"""The kind of a token that is none: it is reported already."""

MEANT = {
    "→": "write `->`",
    "=>": "write `->`",
    ">>": "write `->`",
    "|>": "write `->`",
    "×": "write `x`, as in `3x3`",
    "≤": "write `<=`",
    "≥": "write `>=`",
    "≠": "write `!=`",
    "−": "write `-`",
    "&&": "write `and`",
    "&": "write `and`",
    "||": "write `or`",
    "!": "write `not`",
    "^": "a power is `**`",
    "\\": "a newline inside brackets joins lines",
    "//": "a comment begins with `#`",
    "/*": "a comment begins with `#`",
}
"""Signs of other languages, with what to write here."""

_QUOTES = {"'": "'", "`": "`", "“": "”", "‘": "’", "«": "»"}


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
    """Whether this is `block` in a dotted label, as many published keys have it: `block.0`."""
    text, start, end = source.text, token.start_pos or 0, token.end_pos or 0
    return token.type == "BLOCK" and "." in (text[start - 1 : start], text[end : end + 1])


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
    if character in _QUOTES:
        closing = text.find(_QUOTES[character], start + 1, line_end)
        end = start + 1 if closing < 0 else closing + 1
        return _unexpected(source.span(start, end), "has no meaning here", 'a text stands in `"`')
    end = start + 1
    if character.isalnum() or character == "_":
        while end < line_end and (text[end].isalnum() or text[end] in "_."):
            end += 1
        if character in "0123456789":
            help = "a number may end in K, M or G; a size is `3x3`, `2x`; names begin with a letter"
            return _unexpected(source.span(start, end), "is neither a number nor a name", help)
        help = "a name is made of the letters a to z and A to Z, digits and `_`"
        return _unexpected(source.span(start, end), "is no name", help)
    help = MEANT.get(text[start : start + 2]) or MEANT.get(character, "")
    while end < line_end and text[end] == character:
        end += 1
    return _unexpected(source.span(start, end), "has no meaning here", help)


def _unexpected(span: Span, fault: str, help: str) -> Diagnostic:
    shown = printable(span.text)
    quoted = f"`{shown}`" if "`" not in shown else f"{shown}"
    return Diagnostic("unexpected-character", f"{quoted} {fault}", span, help=help)


# ---------------------------------------------------------------- brackets

_CLOSING = {"(": ")", "[": "]", "{": "}"}
_KINDS = {")": "RPAR", "]": "RSQB", "}": "RBRACE"}

# Words that begin a line only where all brackets before, or all but braces, are closed.
_OUTERMOST = frozenset(("network", "block", "recipe", "import"))
_STATEMENTS = _OUTERMOST.union(("let", "assert", "claim", "input", "repeat", "residual", "aux"))
DECLARATIONS = _OUTERMOST.union(("let",))
"""Words that begin a declaration."""


def balanced(
    tokens: list[Token], source: Source
) -> tuple[list[Token], list[Diagnostic], list[tuple[int, int]]]:
    """The tokens with as many closing brackets as opening ones, what was wrong with them, and the
    stretches of the text that are doubtful because of it."""
    matching = _Matching(source)
    for token in tokens:
        matching.take(token)
        if matching.too_deep or len(matching.mistakes) >= LIMITS.errors:
            break
    else:
        matching.end()
    return matching.tokens, matching.mistakes, matching.doubtful


class _Matching:
    def __init__(self, source: Source) -> None:
        self.source = source
        self.tokens: list[Token] = []
        self.mistakes: list[Diagnostic] = []
        self.doubtful: list[tuple[int, int]] = []
        self.too_deep = False
        self.open: list[Token] = []
        self.braces = 0
        self.last = ""
        # The last bad token, and a brace whose closing one is indented otherwise than its line.
        self.bad: Token | None = None
        self.suspect: Token | None = None

    def take(self, token: Token) -> None:
        text = token[-1] if token.type == "TEMPLATE" else str(token)
        if token.type == "NEWLINE":
            self.tokens.append(token)
            return
        if token.type == BAD:
            self.bad = token
        elif text in _STATEMENTS and token.type != "NAME" and self.open and self._begins_line():
            self._close(0 if text in _OUTERMOST else self._innermost_brace() + 1, token)
        elif text in _KINDS:
            if not self._closes(text, token):
                return
        elif text in _CLOSING:
            self._open(token)
        self.tokens.append(token)
        self.last = text

    def end(self) -> None:
        if self.bad is not None and self.bad.startswith('"""'):
            # The rest of the text was not looked at.
            self.doubtful.append((self.bad.start_pos or 0, len(self.source.text) + 1))
            self.open = self.open[:0]
        self._close(0, None)

    def _begins_line(self) -> bool:
        return self.tokens[-1].type == "NEWLINE" and self.last not in OPEN_ENDED

    def _open(self, token: Token) -> None:
        self.open.append(token)
        self.braces += token[-1] == "{"
        if len(self.open) > LIMITS.brackets or self.braces > LIMITS.nesting:
            limits = ("brackets", LIMITS.brackets), ("braces", LIMITS.nesting)
            what, limit = limits[self.braces > LIMITS.nesting]
            self.too_deep = True
            self.mistakes.append(
                Diagnostic(
                    "nesting-too-deep",
                    f"{what} nest deeper than {limit}",
                    self._span(token),
                    help="name parts with `let` or `block`",
                )
            )

    def _innermost_brace(self) -> int:
        index = len(self.open) - 1
        while index >= 0 and self.open[index][-1] != "{":
            index -= 1
        return index

    def _closes(self, text: str, token: Token) -> bool:
        """Whether the bracket closes one; those inside it are then closed too."""
        index = self._innermost_brace()
        if text != "}":
            inner = [_CLOSING[each[-1]] for each in self.open[index + 1 :]]
            if text not in inner:
                self._unopened(token)
                return False
            index = len(self.open) - 1 - inner[::-1].index(text)
        elif index < 0:
            self._unopened(token)
            return False
        self._close(index + 1, token)
        opening = self.open.pop()
        if text == "}":
            self.braces -= 1
            self._see_indentation(opening, token)
        return True

    def _see_indentation(self, opening: Token, closing: Token) -> None:
        if not self.open:
            self.suspect = None
        elif (
            self.suspect is None
            and self.tokens[-1].type == "NEWLINE"
            and self._indentation(opening) != self._indentation(closing)
        ):
            self.suspect = opening

    def _indentation(self, token: Token) -> str:
        start = self.source.text.rfind("\n", 0, token.start_pos) + 1
        before = self.source.text[start : token.start_pos]
        return before[: len(before) - len(before.lstrip())]

    def _unopened(self, token: Token) -> None:
        self.mistakes.append(
            Diagnostic("unopened-bracket", f"`{token}` closes nothing", self._span(token))
        )

    def _close(self, kept: int, before: Token | None) -> None:
        """Close all but `kept` brackets, as `before`, or the end of the text, can't be inside."""
        if len(self.open) <= kept:
            return
        self._unclosed(self.open[-1], before)
        while len(self.open) > kept:
            opening = self.open.pop()
            closing = _CLOSING[opening[-1]]
            if closing == "}":
                self.braces -= 1
            else:
                end = len(self.source.text) + 1 if before is None else before.start_pos or 0
                self.doubtful.append((opening.start_pos or 0, end))
            place = self.tokens[-1].end_pos
            self.tokens.append(Token(_KINDS[closing], closing, place, end_pos=place))
        if before is not None and str(before) in _STATEMENTS:
            place = before.start_pos
            self.tokens.append(Token("NEWLINE", "\n", place, end_pos=place))

    def _unclosed(self, opening: Token, before: Token | None) -> None:
        start = opening.start_pos or 0
        bracket = opening[-1]
        closing = _CLOSING[bracket]
        if self.bad is not None and (self.bad.start_pos or 0) > start and closing != "}":
            # What is missing may be in the bad token.
            return
        labels = []
        where = "never closed"
        if before is not None:
            where = f"not closed before this `{before}`"
            labels.append(Label(self._span(before), f"`{closing}` is missing before this"))
        if closing == "}" and self.suspect is not None:
            text = "perhaps this one: the `}` that closes it is indented otherwise"
            labels.append(Label(self._span(self.suspect), text))
        end = opening.end_pos or 0
        self.mistakes.append(
            Diagnostic(
                "unclosed-bracket",
                f"`{bracket}` is {where}",
                self.source.span(end - 1, end),
                labels=tuple(labels),
                help=f"close it with `{closing}`",
            )
        )

    def _span(self, token: Token) -> Span:
        return self.source.span(token.start_pos or 0, token.end_pos or 0)


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
