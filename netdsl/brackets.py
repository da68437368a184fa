"""Match the brackets of a text, and say which are never closed, or close nothing."""

from __future__ import annotations

from lark import Token

from netdsl.diagnostics import Diagnostic, Label
from netdsl.limits import LIMITS
from netdsl.source import Source, Span
from netdsl.tokens import BAD, OPEN_ENDED

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
        # The last brace that closed an outermost one, and whether it was indented like its line.
        self.outermost: Token | None = None
        self.early = False

    def take(self, token: Token) -> None:
        text = token[-1] if token.type == "TEMPLATE" else str(token)
        if token.type == "NEWLINE":
            self.tokens.append(token)
            return
        if token.type == BAD:
            self.bad = token
        elif text in _STATEMENTS and self.open and self._begins_statement(token):
            self._close(0 if text in _OUTERMOST else self._innermost_brace() + 1, token)
        elif text == "->" and self.open and self.open[-1][-1] != "{":
            self._close(self._innermost_brace() + 1, token)
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

    def _begins_statement(self, token: Token) -> bool:
        """Whether a word begins a statement on a line of its own, and is no label."""
        if token.type == "NAME" or self.source.text.startswith(":", token.end_pos):
            return False
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
                if not inner:
                    self._unopened(token)
                    return False
                self._closed_otherwise(token)
                return True
            index = len(self.open) - 1 - inner[::-1].index(text)
        elif index < 0:
            self._unopened(token)
            return False
        self._close(index + 1, token)
        opening = self.open.pop()
        if text == "}":
            self.braces -= 1
            self._see_indentation(opening, token)
            if not self.open:
                self.outermost = token
                self.early = self._indentation(opening) != self._indentation(token)
        return True

    def _closed_otherwise(self, token: Token) -> None:
        """The innermost bracket is closed by one of another kind."""
        opening = self.open.pop()
        closing = _CLOSING[opening[-1]]
        self.mistakes.append(
            Diagnostic(
                "unclosed-bracket",
                f"`{opening[-1]}` is closed by `{token}`",
                self._span(token),
                labels=(Label(self._span(opening), "opened here"),),
                help=f"write `{closing}`",
            )
        )
        token.type = _KINDS[closing]

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
        labels: tuple[Label, ...] = ()
        if token == "}" and self.outermost is not None:
            # What lies between them is read as if it stood outside of a body.
            self.doubtful.append((self.outermost.end_pos or 0, token.start_pos or 0))
            if self.tokens[-1] is not self.outermost and self.tokens[-2:-1] != [self.outermost]:
                text = "this one closes the body before it"
                if self.early:
                    text = "perhaps this one is too many: it is indented otherwise"
                labels = (Label(self._span(self.outermost), text),)
        message = f"`{token}` closes nothing"
        self.mistakes.append(
            Diagnostic("unopened-bracket", message, self._span(token), labels=labels)
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
