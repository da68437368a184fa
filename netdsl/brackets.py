"""Match the brackets of a text, and say which are never closed, or close nothing."""

from __future__ import annotations

import re

from lark import Token

from netdsl.body_brackets import LAYERS, MERGES, WITH_BODY, end_of_body, head_of, misbraced
from netdsl.diagnostics import Diagnostic, Edit, Fix, Label
from netdsl.limits import LIMITS
from netdsl.source import Source, Span
from netdsl.tokens import BAD, OPEN_ENDED

_CLOSING = {"(": ")", "[": "]", "{": "}"}
_KINDS = {")": "RPAR", "]": "RSQB", "}": "RBRACE"}

# Words that begin a line only where all brackets before, or all but braces, are closed.
_OUTERMOST = frozenset(("network", "block", "recipe", "import"))
_STATEMENTS = _OUTERMOST.union(("let", "assert", "claim", "input", "repeat", "residual", "aux"))
_BEFORE_STEP = frozenset(("", "->", "{", "|", ":"))
"""Tokens before which no argument list begins: a parenthesis there stands around layers."""
DECLARATIONS = _OUTERMOST.union(("let",))
"""Words that begin a declaration."""


_STATEMENT_BEHIND_ELSE = re.compile(r"\s*(?:\{|if\b)")
"""What follows the `else` of a statement, and never that of a value."""
_BODIES = frozenset((*WITH_BODY, *MERGES, *_OUTERMOST))
"""Words that the heads of bodies begin with."""
_LABEL_IN_BRACES = re.compile(r"\{[ \t]*([\w.+*% \t-]+?)[ \t]*\}")
_LONGEST_LABEL = 60
"""How many characters of a label are looked at."""


_LOOP_OF_C = re.compile(r"^[ \t]*for\b[^{;\n]*;([^{\n]*\{)", re.MULTILINE)
"""A `for` with semicolons: what is behind one follows from the mistake that it is."""


def balanced(
    tokens: list[Token], source: Source
) -> tuple[list[Token], list[Diagnostic], list[tuple[int, int]]]:
    """The tokens with as many closing brackets as opening ones, what was wrong with them, and the
    stretches of the text that are doubtful because of it."""
    matching = _Matching(source)
    matching.doubtful += (loop.span(1) for loop in _LOOP_OF_C.finditer(source.text))
    for token in tokens:
        matching.take(token)
        if matching.too_deep or len(matching.mistakes) >= LIMITS.errors:
            break
    else:
        matching.end()
    return matching.tokens, matching.mistakes, matching.doubtful


class _Open:
    """A bracket that is not closed yet."""

    def __init__(self, token: Token, before: str, index: int) -> None:
        self.token = token
        self.sign = str(token[-1])
        self.before = before
        """The token before it, "" at the start of a statement."""
        self.index = index
        """Where it stands among the tokens."""
        self.line_behind: int | None = None
        """Among the tokens, where a line begins as a statement does: in `( )` and `[ ]`, the
        closing one is most likely missing before it."""
        self.around_steps = False
        """Whether it is a parenthesis around steps, which have none."""
        self.holds_arguments = False
        """Whether it is a brace that stands for a parenthesis, as in `conv{8, 3x3}`."""
        self.word = ""
        """The word that the head of a body's brace begins with, where it is known; `|` for the
        braces around branches."""
        self.branch_indentation: str | None = None
        """Of a merge's brace, how its first branch is indented that begins a line."""


class _Matching:
    def __init__(self, source: Source) -> None:
        self.source = source
        self.tokens: list[Token] = []
        self.mistakes: list[Diagnostic] = []
        self.doubtful: list[tuple[int, int]] = []
        self.too_deep = False
        self.open: list[_Open] = []
        self.braces = 0
        self.last = ""
        # The last bad token, and a brace whose closing one is indented otherwise than its line.
        self.bad: Token | None = None
        self.suspect: Token | None = None
        # The last brace that closed an outermost one, and whether it was indented like its line.
        self.outermost: Token | None = None
        self.early = False
        self.layer_outside = False
        # Where brackets end that stand for a body's braces.
        self.ends_of_bodies: set[int] = set()
        # What the last brace that was closed belonged to, as in `_Open.word`.
        self.closed_word = ""

    def take(self, token: Token) -> None:
        start, end = token.start_pos or 0, token.end_pos
        if start in self.ends_of_bodies:
            token = Token("RBRACE", "}", start, end_pos=end)
        elif token in ("(", "[") and (not self.open or self.open[-1].sign == "{"):
            body_end = end_of_body(self.source, self.tokens, token)
            if body_end is not None:
                self.mistakes.append(misbraced(self.source, self.tokens, token, body_end))
                self.ends_of_bodies.add(body_end)
                token = Token("LBRACE", "{", start, end_pos=end)
        text = token[-1] if token.type == "TEMPLATE" else str(token)
        if token.type == "NEWLINE":
            self.tokens.append(token)
            return
        if token.type == BAD:
            self.bad = token
        elif text in _STATEMENTS and self.open and self._begins_statement(token):
            inside = text not in _OUTERMOST or self._indented(token)
            self._close(self._innermost_brace() + 1 if inside else 0, token)
            if text in _OUTERMOST and self.open:
                self._misplaced(token)
        elif text == "->" and self.open and self.open[-1].sign != "{":
            if self.open[-1].sign == "(" and self.open[-1].before in _BEFORE_STEP:
                self.open[-1].around_steps = True
            else:
                self._close(self._innermost_brace() + 1, token)
        elif text in ("shortcut", "else", "|") and self.open:
            self._go_on(token)
        elif text in _KINDS:
            if not self._closes(text, token):
                return
        elif text in _CLOSING:
            if token == "{" and self.last not in OPEN_ENDED:
                # Behind a value it begins a body, and expressions have none.
                self._close(self._innermost_brace() + 1, token)
            self._open(token)
        elif text == "in":
            self._end_pattern(token)
        elif text == "," and self.open and self.open[-1].before in _BEFORE_STEP:
            self.open[-1].holds_arguments = self.open[-1].token.type == "TEMPLATE"
        elif token.type == "NAME" and self.open:
            self._see_line()
        elif not self.open:
            self._see_layer(token)
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

    def _begins_statement(self, token: Token) -> bool:
        """Whether a word begins a statement on a line of its own, and is no label."""
        if token.type == "NAME" or self.source.text.startswith(":", token.end_pos):
            return False
        return self._begins_line()

    def _see_line(self) -> None:
        """A line that begins with a name is no proof that brackets before are meant to be closed:
        a comma may be missing there."""
        newline = self.tokens[-1].startswith("\n")
        if newline and self.open[-1].sign != "{" and self._begins_line():
            index = len(self.tokens)
            while self.tokens[index - 1].type == "NEWLINE":
                index -= 1
            for each in self.open[self._innermost_brace() + 1 :]:
                if each.line_behind is None:
                    each.line_behind = index

    def _go_on(self, token: Token) -> None:
        """`shortcut`, `else` and `|` go on with what stands before them, outside of its braces."""
        source, end = self.source.text, token.end_pos or 0
        innermost = self._innermost_brace()
        begins_line = self.tokens[-1].type == "NEWLINE"
        if token == "|":
            if innermost < 0:
                return
            opening = self.open[innermost]
            behind_loop = self.last == "}" and self.closed_word == "|"
            if (
                opening.word in ("|", *MERGES)
                or self.last == "{"
                or (behind_loop and opening.word == "for")
            ):
                if begins_line and opening.branch_indentation == self._indentation(token):
                    self._close(innermost + 1, token)
                if begins_line and opening.branch_indentation is None:
                    opening.branch_indentation = self._indentation(token)
                opening.word = "|"
                return
            wanted: tuple[str, ...] = ("|",)
        elif token == "shortcut":
            wanted = ("residual",)
            if source.startswith(":", end):
                return
        else:
            wanted = ("if", "else")
            if not _STATEMENT_BEHIND_ELSE.match(source, end, end + _LONGEST_LABEL):
                return
        if token != "|" and self.last == "}" and self.closed_word in (*wanted, ""):
            return
        for index in range(innermost, -1, -1):
            opening = self.open[index]
            if opening.word not in wanted:
                continue
            if begins_line:
                there = opening.branch_indentation
                there = self._indentation(opening.token) if token != "|" else there
                if there != self._indentation(token):
                    continue
            elif source.find("\n", opening.token.start_pos or 0, token.start_pos) >= 0:
                return
            closed = self.open[index + (token == "|") :]
            told = len(self.mistakes)
            self._close(index + (token == "|"), token)
            if told < len(self.mistakes) and all(each.sign == "{" for each in closed):
                fix = self._closing_before(token, closed)
                self.mistakes[-1] = self.mistakes[-1]._replace(fixes=() if fix is None else (fix,))
            return

    def _closing_before(self, token: Token, closed: list[_Open]) -> Fix | None:
        """Braces closed right before `shortcut` or `else`, or on lines of their own before `|`;
        None for a brace whose line the `|` follows: it is closed there."""
        text, start = self.source.text, token.start_pos or 0
        written = "} " * len(closed)
        if token == "|":
            before = len(text[:start].rstrip())
            if text.find("\n", closed[-1].token.start_pos or 0, before) < 0:
                return None
            start = text.rfind("\n", 0, start) + 1
            lines = (f"{self._indentation(each.token)}}}\n" for each in reversed(closed))
            written = "".join(lines)
        edit = Edit(self.source.span(start, start), written)
        return Fix(f"close it with `}}` before this `{token}`", (edit,), False)

    def _end_pattern(self, token: Token) -> None:
        """In `for (a, b) in pairs` the parenthesis ends before the `in`."""
        for index in range(self._innermost_brace() + 1, len(self.open)):
            if self.open[index].before == "for":
                self._close(index, token)
                return

    def _indented(self, token: Token) -> bool:
        """Whether a line is indented deeper than that of the outermost bracket."""
        return len(self._indentation(token)) > len(self._indentation(self.open[0].token))

    def _misplaced(self, token: Token) -> None:
        """A declaration inside of braces, of which none is missing."""
        outermost = self.open[0].token
        what = "an import stands" if token == "import" else f"a {token} is declared"
        self.mistakes.append(
            Diagnostic(
                "unexpected-token",
                f"`{token}` stands where a statement should be",
                self._span(token),
                labels=(Label(self._span(outermost), "inside of these braces"),),
                help=f"{what} outside of all braces",
            )
        )
        # What it declares is then not looked at.
        token.type = BAD

    def _open(self, token: Token) -> None:
        before = self.last
        if self.tokens and self.tokens[-1].type == "NEWLINE":
            before = "" if self._innermost_brace() == len(self.open) - 1 else "\n"
        opening = _Open(token, before, len(self.tokens))
        if token == "{":
            head = head_of(self.tokens)
            if head and head[0] in _BODIES:
                opening.word = str(head[0])
        self.open.append(opening)
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
        while index >= 0 and self.open[index].sign != "{":
            index -= 1
        return index

    def _closes(self, text: str, token: Token) -> bool:
        """Whether the bracket closes one; those inside it are then closed too."""
        index = self._innermost_brace()
        if text != "}":
            inner = [_CLOSING[each.sign] for each in self.open[index + 1 :]]
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
        if opening.around_steps:
            self._around_steps(opening, token)
            return False
        if text == "}":
            self.braces -= 1
            self.closed_word = opening.word
            if (
                opening.token == "{"
                and opening.before in ("", "{", "|")
                and self._labels(opening, token)
            ):
                return False
            if opening.holds_arguments and not self.source.text.startswith(":", token.end_pos):
                self._around_arguments(opening, token)
                return False
            self._see_indentation(opening.token, token)
            if not self.open:
                self.outermost = token
                self.early = self._indentation(opening.token) != self._indentation(token)
        return True

    def _labels(self, opening: _Open, closing: Token) -> bool:
        """Whether braces are a label such as `{i}: relu`, which is then read as a name."""
        start, end = opening.token.start_pos or 0, closing.end_pos or 0
        if end - start > _LONGEST_LABEL or not self.source.text.startswith(":", end):
            return False
        inside = _LABEL_IN_BRACES.fullmatch(self.source.text, start, end)
        if inside is None:
            return False
        number = inside[1].isdecimal()
        written = inside[1] if number else f"layer{{{inside[1]}}}"
        span = self.source.span(start, end)
        fix = Fix(f"write `{written}`", (Edit(span, written),), number)
        what = "a number stands alone" if number else "a label begins with a name"
        self.mistakes.append(
            Diagnostic(
                "unexpected-token",
                "`{` stands where a label should be",
                span,
                help=f"{what}: `{written}: …`",
                fixes=(fix,),
            )
        )
        del self.tokens[opening.index :]
        self.tokens.append(Token("NAME", span.text, start, end_pos=end))
        self.last = span.text
        return True

    def _around_steps(self, opening: _Open, closing: Token) -> None:
        """Parentheses around layers, which are then read as if they were not there."""
        places = self._span(opening.token), self._span(closing)
        del self.tokens[opening.index]
        self.mistakes.append(
            Diagnostic(
                "unexpected-token",
                "`(` stands where a layer such as `relu` should be",
                places[0],
                labels=(Label(places[1], "it ends here"),),
                help="a chain has no parentheses",
                fixes=(Fix("leave them out", tuple(Edit(each, "") for each in places), True),),
            )
        )

    def _around_arguments(self, opening: _Open, closing: Token) -> None:
        """Braces around arguments, which are then read as parentheses."""
        brace = opening.token.end_pos or 0
        name = Token("NAME", opening.token[:-1], opening.token.start_pos, end_pos=brace - 1)
        places = self.source.span(brace - 1, brace), self._span(closing)
        edits = Edit(places[0], "("), Edit(places[1], ")")
        self.mistakes.append(
            Diagnostic(
                "unexpected-token",
                "`{` stands where `(` should be",
                places[0],
                help=f"arguments stand in parentheses: `{name}(…)`",
                fixes=(Fix("write parentheses", edits, True),),
            )
        )
        parenthesis = Token("LPAR", "(", brace - 1, end_pos=brace)
        self.tokens[opening.index : opening.index + 1] = (name, parenthesis)
        self.tokens.append(Token("RPAR", ")", closing.start_pos, end_pos=closing.end_pos))
        self.last = ")"

    def _see_layer(self, token: Token) -> None:
        """Of layers that stand outside of all braces, only the first is reported."""
        if str(token) in LAYERS and (not self.tokens or self._begins_line()):
            if self.layer_outside:
                self.doubtful.append((token.start_pos or 0, token.end_pos or 0))
            self.layer_outside = True

    def _closed_otherwise(self, token: Token) -> None:
        """The innermost bracket is closed by one of another kind."""
        opening = self.open.pop()
        closing = _CLOSING[opening.sign]
        self.mistakes.append(
            Diagnostic(
                "unclosed-bracket",
                f"`{opening.sign}` is closed by `{token}`",
                self._span(token),
                labels=(Label(self._span(opening.token), "opened here"),),
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
                label = Label(self._span(self.outermost), "this one closes the body before it")
                if self.early:
                    text = "perhaps this one is too many: it is indented otherwise"
                    label = label._replace(text=text, role="suspect")
                labels = (label,)
        message = f"`{token}` closes nothing"
        self.mistakes.append(
            Diagnostic("unopened-bracket", message, self._span(token), labels=labels)
        )

    def _close(self, kept: int, before: Token | None) -> None:
        """Close all but `kept` brackets, as `before`, or the end of the text, can't be inside."""
        if len(self.open) <= kept:
            return
        innermost, line, closed = True, None, 0
        while len(self.open) > kept:
            opening = self.open.pop()
            closed = closed + 1 if opening.line_behind == line else 0
            line = opening.line_behind
            behind = before if line is None else self._following(line + closed)
            if innermost or (line is not None and not closed):
                self._unclosed(opening, behind)
            innermost = False
            closing = _CLOSING[opening.sign]
            if closing == "}":
                self.braces -= 1
            else:
                end = len(self.source.text) + 1 if behind is None else behind.start_pos or 0
                self.doubtful.append((opening.token.start_pos or 0, end))
            index = len(self.tokens) if line is None else line + closed
            place = self.tokens[index - 1].end_pos
            self.tokens.insert(index, Token(_KINDS[closing], closing, place, end_pos=place))
        if not self.open:
            self.suspect = None
        if before is not None and str(before) in _STATEMENTS:
            place = before.start_pos
            self.tokens.append(Token("NEWLINE", "\n", place, end_pos=place))

    def _following(self, index: int) -> Token:
        """The first token from there on that is no newline."""
        while self.tokens[index].type == "NEWLINE":
            index += 1
        return self.tokens[index]

    def _unclosed(self, opening: _Open, before: Token | None) -> None:
        start = opening.token.start_pos or 0
        closing = _CLOSING[opening.sign]
        if self.bad is not None and (self.bad.start_pos or 0) > start and closing != "}":
            # What is missing may be in the bad token.
            return
        labels = []
        where = "never closed"
        if before is not None:
            where = f"not closed before this `{before}`"
            labels.append(Label(self._span(before), f"`{closing}` is missing before this", "end"))
        if closing == "}" and self.suspect is not None and (self.suspect.start_pos or 0) > start:
            text = "perhaps this one: the `}` that closes it is indented otherwise"
            labels.append(Label(self._span(self.suspect), text, "suspect"))
        end = opening.token.end_pos or 0
        self.mistakes.append(
            Diagnostic(
                "unclosed-bracket",
                f"`{opening.sign}` is {where}",
                self.source.span(end - 1, end),
                labels=tuple(labels),
                help=f"close it with `{closing}`",
            )
        )

    def _span(self, token: Token) -> Span:
        return self.source.span(token.start_pos or 0, token.end_pos or 0)
