"""Turn a text into the syntax tree, with `netdsl.tree`; these two files alone know Lark.

The tokens of Lark's basic lexer pass a filter for newlines, then feed an LALR(1) parser whose
callbacks build the records bottom-up, so that no depth of nesting recurses. After a mistake the
parser goes on at the next statement; a tree is only returned where there was none.

Building the parser's tables takes ten times as long as loading them, so they are shipped as data
(`grammar/tables.json`, made by `python -m netdsl.parse`); a test compares them with the grammar.
"""

from __future__ import annotations

import json
import threading
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lark
from lark.exceptions import UnexpectedCharacters, UnexpectedToken
from lark.grammar import Rule
from lark.lexer import TerminalDef

from netdsl import syntax
from netdsl.diagnostics import Diagnostic, Label, did_you_mean
from netdsl.grammar import __file__ as _GRAMMAR_FILE
from netdsl.limits import LIMITS
from netdsl.source import Source, Span, printable
from netdsl.tree import TreeBuilder

_FOLDER = Path(str(_GRAMMAR_FILE)).parent
GRAMMAR = _FOLDER / "net.lark"
TABLES = _FOLDER / "tables.json"

# The callbacks belong to the one parser that is loaded, and hold the text being parsed.
_LOCK = threading.Lock()
_BUILDER = TreeBuilder()
_loaded: lark.Lark | None = None


def parse(source: Source) -> tuple[syntax.File | None, tuple[Diagnostic, ...]]:
    """The syntax tree of a text; None where it has mistakes, each of which is reported."""
    with _LOCK:
        tokens, mistakes = _tokens(source)
        if not mistakes:
            mistakes = _unbalanced(tokens, source)
        if mistakes:
            return None, tuple(mistakes)
        _BUILDER.begin(source)
        tree, mistakes = _feed(_significant(tokens), source)
        mistakes += _BUILDER.diagnostics
        mistakes.sort(key=lambda each: each.span.start)
        return (None if mistakes else tree), tuple(mistakes)


# ---------------------------------------------------------------- tables


def make_tables() -> str:
    """The parser's tables as JSON, from the grammar.

    Lark numbers states as its sets come, so two runs may differ; `grammar` tells which text the
    tables are of.
    """
    grammar = GRAMMAR.read_text("utf-8")
    parser = lark.Lark(
        grammar,
        parser="lalr",
        lexer="basic",
        keep_all_tokens=True,
        maybe_placeholders=False,
    )
    data, memo = parser.memo_serialize([TerminalDef, Rule])
    tables = {"grammar": digest(grammar), "lark": lark.__version__, "data": data, "memo": memo}
    return json.dumps(tables, separators=(",", ":"), sort_keys=True) + "\n"


def digest(text: str) -> str:
    """A fingerprint of a grammar."""
    return f"{len(text)} {zlib.crc32(text.encode()):08x}"


def _parser() -> lark.Lark:
    global _loaded
    if _loaded is None:
        tables = json.loads(TABLES.read_text("utf-8"))
        # JSON has only texts for keys; Lark's references are numbers.
        memo = {int(key): value for key, value in tables["memo"].items()}
        table = tables["data"]["parser"]["parser"]
        table["tokens"] = {int(key): value for key, value in table["tokens"].items()}
        table["states"] = {
            int(state): {int(token): action for token, action in actions.items()}
            for state, actions in table["states"].items()
        }
        # Lark has no public way in for tables that are not pickled, nor a typed one.
        lark_class: Any = lark.Lark
        _loaded = lark_class._load_from_dict(tables["data"], memo, transformer=_BUILDER)
    return _loaded


# ---------------------------------------------------------------- tokens


def _tokens(source: Source) -> tuple[list[lark.Token], list[Diagnostic]]:
    """All tokens, newlines included, and what can't be one."""
    tokens: list[lark.Token] = []
    mistakes: list[Diagnostic] = []
    thread: Any = _parser().parse_interactive(source.text).lexer_thread
    counter = thread.state.line_ctr
    while len(mistakes) < LIMITS.errors:
        try:
            tokens.extend(thread.lex(None))  # This lexer has no use for the parser's state.
            break
        except UnexpectedCharacters:
            start = counter.char_pos
            mistake = _bad_character(source, start)
            mistakes.append(mistake)
            counter.feed(lark.Token("BAD", source.text[start : mistake.span.end]))
    return tokens, mistakes


_MEANT = {"→": "write `->`", "×": "write `x`, as in `3x3`", "≤": "write `<=`", "≥": "write `>=`"}
_MEANT |= {"&": "write `and`", "!": "write `not` or `!=`", "'": 'a text stands in `"`'}
_MEANT |= {"“": 'a text stands in `"`', "”": 'a text stands in `"`', "\\": "a bracket joins lines"}


def _bad_character(source: Source, start: int) -> Diagnostic:
    text = source.text
    character = text[start]
    end = start + 1
    if character == '"':
        line_end = text.find("\n", start)
        end = len(text) if line_end < 0 else line_end
        if text.startswith('"""', start):
            end = start + 3
            return Diagnostic(
                "unterminated-string", "this documentation is never closed", source.span(start, end)
            )
        return Diagnostic(
            "unterminated-string",
            "this text is not closed on its line",
            source.span(start, end),
            help='end it with `"`',
        )
    if character.isdigit():
        while end < len(text) and (text[end].isalnum() or text[end] == "_"):
            end += 1
        word = text[start:end]
        return Diagnostic(
            "unexpected-character",
            f"`{word}` is neither a number nor a name",
            source.span(start, end),
            help="a number may end in K, M or G; a size is 3x3 or 2x; a name begins with a letter",
        )
    return Diagnostic(
        "unexpected-character",
        f"`{printable(character)}` has no meaning here",
        source.span(start, end),
        help=_MEANT.get(character, ""),
    )


_CLOSING = {"(": ")", "[": "]", "{": "}"}
_BRACKETS = 200
"""The depth to which brackets may nest."""
_OPERATORS = 200
"""The operators that one expression may have of those that nest."""
_NESTING = frozenset({"**", "not", "if", "."})


def _unbalanced(tokens: list[lark.Token], source: Source) -> list[Diagnostic]:
    """Brackets that don't match, or nest too deep; operators likewise."""
    open_brackets: list[lark.Token] = []
    nesting = 0
    previous = ""
    for token in tokens:
        span = source.span(token.start_pos or 0, token.end_pos or 0)
        text = token[-1] if token.type == "TEMPLATE" else str(token)
        if token.type in ("STRING", "DOC"):
            text = '"'
        if text in (",", "\n", ";", "{", "}"):
            nesting = 0
        prefix = text in ("-", "+") and previous in ("", "(", "[", "=", "-", "+", "*", "/")
        postfix = text == "[" and (previous in (")", "]") or previous.isidentifier())
        nesting += prefix or postfix or text in _NESTING
        if nesting > _OPERATORS:
            return [_too_deep(f"an expression has over {_OPERATORS} nested operators", span)]
        previous = text
        if text in _CLOSING:
            open_brackets.append(token)
            braces = sum(1 for each in open_brackets if each[-1] == "{")
            if len(open_brackets) > _BRACKETS or braces > LIMITS.nesting:
                return [_too_deep("brackets nest too deep", span)]
        elif text in (")", "]", "}"):
            if not open_brackets:
                return [Diagnostic("unopened-bracket", f"`{text}` closes nothing", span)]
            opening = open_brackets.pop()
            if _CLOSING[opening[-1]] != text:
                return [_unclosed(opening, source, f"before this `{text}`", span)]
    if open_brackets:
        return [_unclosed(open_brackets[-1], source, "", None)]
    return []


def _too_deep(message: str, span: Span) -> Diagnostic:
    return Diagnostic(
        "nesting-too-deep", message, span, help="name parts of it with `let` or `block`"
    )


def _unclosed(opening: lark.Token, source: Source, where: str, at: Span | None) -> Diagnostic:
    bracket = opening[-1]
    end = opening.end_pos or 0
    return Diagnostic(
        "unclosed-bracket",
        f"`{bracket}` is not closed {where}".strip(),
        source.span(end - 1, end),
        labels=() if at is None else (Label(at, f"`{_CLOSING[bracket]}` is missing before this"),),
        help=f"close it with `{_CLOSING[bracket]}`",
    )


# Tokens after which a statement goes on, and tokens that go on with one.
_COMPARISONS = ("==", "!=", "<", "<=", ">", ">=")
_OPEN_ENDED = frozenset(
    ("{", "(", "[", "|", "->", ",", "=", ".", ":", "+", "-", "*", "/", "//", "%", "**")
).union(_COMPARISONS)
_CONTINUING = frozenset(("->", "}", ")", "]", "|", "else", "shortcut", "where", "as", "within"))


def _significant(tokens: list[lark.Token]) -> Iterator[lark.Token]:
    """The tokens without those newlines that end no statement."""
    inside = 0
    recent = ("", "", "{")
    pending: lark.Token | None = None
    for token in tokens:
        if token.type == "NEWLINE":
            # `within 1%` ends a claim, though `%` between numbers goes on.
            ends = recent[2] not in _OPEN_ENDED or (recent[0] == "within" and recent[2] == "%")
            if ends and not inside and pending is None:
                pending = token
            continue
        text = str(token)
        if pending is not None and text not in _CONTINUING:
            yield pending
        pending = None
        if token.type not in ("STRING", "DOC"):
            inside += (text in ("(", "[")) - (text in (")", "]"))
        yield token
        recent = (*recent[1:], text)


# ---------------------------------------------------------------- parsing


def _feed(
    tokens: Iterator[lark.Token], source: Source
) -> tuple[syntax.File | None, list[Diagnostic]]:
    parser = _parser().parse_interactive("")
    mistakes: list[Diagnostic] = []
    last: lark.Token | None = None
    for token in tokens:
        try:
            parser.feed_token(token)
        except UnexpectedToken:
            mistakes.append(_unexpected(token, parser, source))
            if len(mistakes) >= LIMITS.errors or not _recover(token, tokens, parser):
                return None, mistakes
        last = token
    end = lark.Token.new_borrow_pos("$END", "", last) if last else lark.Token("$END", "")
    try:
        return parser.feed_token(end), mistakes
    except UnexpectedToken:
        if not mistakes:
            mistakes.append(_unexpected(None, parser, source))
        return None, mistakes


def _recover(token: lark.Token, tokens: Iterator[lark.Token], parser: Any) -> bool:
    """Skip to the end of the statement, braces with it, and undo what was begun of it.

    Each call takes at least one token, so recovery ends. False at the end of the text.
    """
    depth = 0
    while True:
        text = "{" if token.type == "TEMPLATE" else str(token)
        if depth == 0 and (token.type == "NEWLINE" or text == "}"):
            break
        if token.type not in ("STRING", "DOC"):
            depth += (text == "{") - (text == "}")
        following = next(tokens, None)
        if following is None:
            return False
        token = following
    state = parser.parser_state
    while len(state.state_stack) > 1:
        if token.type == "NEWLINE" and str(state.value_stack[-1]) == "{":
            return True  # The body's first statement was skipped; the next may be the first.
        if token.type in parser.choices():
            before = len(state.state_stack)
            try:
                parser.feed_token(token)
                return True
            except UnexpectedToken:
                if len(state.state_stack) < before:
                    continue
        state.state_stack.pop()
        state.value_stack.pop()
    return False


_WORDS = {
    "NAME": "a name",
    "INT": "a number",
    "FLOAT": "a number",
    "SIZE": "a size",
    "SCALE": "a size",
    "STRING": "a text",
    "DOC": "documentation",
    "NEWLINE": "the end of the line",
    "TEMPLATE": "a name",
    "TRUE": "true",
    "FALSE": "false",
    "$END": "the end of the file",
}
_VALUE = frozenset({"INT", "FLOAT", "STRING", "SIZE", "NAME"})


def _unexpected(token: lark.Token | None, parser: Any, source: Source) -> Diagnostic:
    accepted = parser.accepts()
    if token is None:
        end = len(source.text.rstrip())
        span = source.span(max(end - 1, 0), end)
        found = "the file ends"
    else:
        span = source.span(token.start_pos or 0, token.end_pos or 0)
        found = "the line ends" if token == "\n" else f"`{printable(str(token))}` stands"
        if token.type == "NEWLINE":
            span = source.span(span.start, span.start + 1)
    return Diagnostic(
        "unexpected-token",
        f"{found} where {_expected(accepted)} should be",
        span,
        help=_help(token, accepted),
    )


def _expected(accepted: set[str]) -> str:
    """What the parser would take, in words, most telling first."""
    terminals = {each.name: str(each.pattern.value) for each in _parser().terminals}
    signs = {terminals.get(name, "") for name in accepted}
    words = []
    if accepted >= _VALUE:
        words.append("a value")
        signs = set()
    elif {"repeat", "residual"} <= signs:
        words.append("a layer such as `relu`")
        signs &= {"input", "}"}
    elif {"+", "*"} <= signs:
        # After a value: what closes or goes on is more telling than all operators.
        words.append("an operator")
        signs &= {",", ")", "]", "}", "{", "->"}
    else:
        words += [_WORDS[name] for name in sorted(accepted) if name in _WORDS]
    signs = {sign for sign in signs if sign.isascii() and sign.isprintable() and len(sign) < 12}
    found = [f"`{sign}`" for sign in sorted(signs) if sign]
    names = list(dict.fromkeys([*(each for each in found if "\\" not in each), *words]))
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + f" or {names[-1]}"


def _help(token: lark.Token | None, accepted: set[str]) -> str:
    if token is None:
        return ""
    text = str(token)
    if text == "=" and "__ANON_6" not in accepted and "EQUAL" not in accepted:
        return "`==` compares; a value is named with `let name = …`"
    if text == ":" and "LBRACE" in accepted:
        return "a body stands in braces: `{ … }`"
    if token.type == "NAME":
        keywords = [
            str(each.pattern.value)
            for each in _parser().terminals
            if each.name in accepted and str(each.pattern.value).isalpha()
        ]
        near = did_you_mean(text, keywords) if keywords else ""
        if near.startswith("did"):
            return near
    if "COMMA" in accepted and token.type in (*_VALUE, "LPAR", "LSQB", "TRUE", "FALSE"):
        return "a comma separates values"
    if "NAME" in accepted and text.isidentifier():
        return f"`{text}` is a word of the language; choose another name"
    return ""


if __name__ == "__main__":
    TABLES.write_text(make_tables(), "utf-8")
