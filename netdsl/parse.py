"""Turn a text into the syntax tree, with `netdsl.tokens` and `netdsl.tree`: only these know Lark.

The tokens that mean something are fed, one by one, to Lark's LALR(1) engine, whose callbacks build
the records bottom-up, so that no depth of nesting recurses. After a mistake the parser goes on at
the next statement; a tree is only returned where there was none.

Building the parser's tables takes ten times as long as loading them, so they are shipped as data
(`grammar/tables.json`, made by `python -m netdsl.parse`); a test compares them with the grammar.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import lark
from lark.common import LexerConf
from lark.exceptions import UnexpectedToken
from lark.grammar import NonTerminal, Rule, Symbol, Terminal
from lark.lexer import BasicLexer, PatternRE, PatternStr, TerminalDef
from lark.parsers.lalr_analysis import Action, IntParseTable, Reduce, Shift
from lark.parsers.lalr_parser_state import ParseConf, ParserState

from netdsl import syntax
from netdsl.brackets import DECLARATIONS, balanced
from netdsl.diagnostics import Diagnostic
from netdsl.expected import unexpected
from netdsl.grammar import __file__ as _GRAMMAR_FILE
from netdsl.limits import LIMITS
from netdsl.source import Source, Span
from netdsl.tokens import BAD, significant, split
from netdsl.tree import Children, TreeBuilder

_FOLDER = Path(str(_GRAMMAR_FILE)).parent
GRAMMAR = _FOLDER / "net.lark"
TABLES = _FOLDER / "tables.json"

_START = "start"
_END = "$END"
_DEEP = "nesting-too-deep"


def parse(
    source: Source, places: Source | None = None
) -> tuple[syntax.File | None, tuple[Diagnostic, ...]]:
    """The syntax tree of a text; None where it has mistakes, each of which is reported.

    The tree's spans are in `places`, where the text is that one with parts left blank.
    """
    language = _language()
    tokens, mistakes = split(source, language.lexer)
    if mistakes and not tokens:
        return None, tuple(mistakes)
    tokens, unmatched, doubtful = balanced(tokens, source)
    mistakes += unmatched
    builder = TreeBuilder(source if places is None else places)
    tree: syntax.File | None = None
    if len(mistakes) < LIMITS.errors and not any(each.code == _DEEP for each in mistakes):
        parser = _Parser(language, builder, source, list(significant(tokens)))
        tree = parser.run()
        # What follows a bracket that is never closed is read otherwise than it is meant.
        mistakes += (
            each
            for each in parser.mistakes + builder.diagnostics
            if not any(start <= each.span.start < end for start, end in doubtful)
        )
    if tree is not None and not mistakes:
        mistakes += _too_deep(tree)
    mistakes.sort(key=lambda each: each.span.start)
    if any(each.code == "unterminated-string" and each.span.text == '"""' for each in mistakes):
        # Where quotes are missing or too many, texts are read as code from there on.
        del mistakes[1:-1]
    return (None if mistakes else tree), tuple(mistakes[: LIMITS.errors])


def tokenize(source: Source) -> list[lark.Token]:
    """All tokens of a text without mistakes, newlines included, blanks and comments not."""
    return split(source, _language().lexer)[0]


# ---------------------------------------------------------------- tables


class _Rule(Rule):
    """A rule of the engine's table, which has each once: one is looked up for every reduction."""

    __slots__ = ()
    __eq__ = object.__eq__
    __hash__ = object.__hash__


class _Language(NamedTuple):
    """What the grammar says, in the form in which Lark's engine runs it."""

    lexer: BasicLexer
    table: IntParseTable
    rules: dict[_Rule, list[bool]]
    """For each rule, which of its parts are lists that become part of its own."""
    words: dict[str, str]
    """The text of each terminal that has only one."""


_loaded: _Language | None = None


def make_tables() -> str:
    """The parser's tables as JSON, from the grammar: the same text on every machine."""
    parser: Any = lark.Lark(
        GRAMMAR.read_text("utf-8"),
        parser="lalr",
        lexer="basic",
        keep_all_tokens=True,
        maybe_placeholders=False,
    )
    table = parser.parser.parser._parse_table
    terminals = sorted(
        (
            each.name,
            each.pattern.type,
            each.pattern.value,
            each.priority,
            *(each.pattern.min_width, min(each.pattern.max_width, 1 << 16)),
        )
        for each in parser.terminals
    )
    symbols = sorted({name for actions in table.states.values() for name in actions})
    rules = sorted({rule for rule in parser.rules}, key=str)
    # Lark numbers states as sets happen to be ordered: number them as they are reached instead.
    states = [table.start_states[_START]]
    numbers = {states[0]: 0}
    for state in states:
        actions = table.states[state]
        for name in sorted(actions):
            action, target = actions[name]
            if action is Shift and target not in numbers:
                numbers[target] = len(states)
                states.append(target)
    rows = []
    for state in states:
        row: list[int] = []
        for name, (action, target) in sorted(table.states[state].items()):
            number = numbers[target] if action is Shift else ~rules.index(target)
            row += symbols.index(name), number
        rows.append(row)
    parts = {
        "terminals": terminals,
        "ignored": sorted(parser.ignore_tokens),
        "symbols": symbols,
        "rules": [[rule.origin.name, *(each.name for each in rule.expansion)] for rule in rules],
        "end": [numbers[table.end_states[_START]]],
        "states": rows,
    }
    lines = (
        f"{json.dumps(name)}:[\n"
        + ",\n".join(json.dumps(each, separators=(",", ":")) for each in part)
        + "\n]"
        for name, part in parts.items()
    )
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _language() -> _Language:
    global _loaded
    if _loaded is None:
        _loaded = _load(json.loads(TABLES.read_text("utf-8")))
    return _loaded


def _load(tables: dict[str, Any]) -> _Language:
    terminals = []
    words = {}
    for name, kind, text, priority, *width in tables["terminals"]:
        if kind == "str":
            words[name] = text
            terminals.append(TerminalDef(name, PatternStr(text), priority))
        else:
            pattern = PatternRE(text)
            pattern._width = width  # Else Lark takes each expression apart to find it.
            terminals.append(TerminalDef(name, pattern, priority))
    settings = LexerConf(terminals, re, tables["ignored"], skip_validation=True)

    kinds = {each.name: Terminal(each.name) for each in terminals}
    symbols: list[Symbol] = [kinds.get(each) or NonTerminal(each) for each in tables["symbols"]]
    by_name = {each.name: each for each in symbols}
    rules = tuple(
        _Rule(NonTerminal(origin), [by_name[name] for name in expansion])
        for origin, *expansion in tables["rules"]
    )
    # A rule is the complement of its number, so it stands as far from the list's end.
    actions: list[tuple[Action, Any]] = [(Shift, number) for number in range(len(tables["states"]))]
    actions += ((Reduce, rule) for rule in reversed(rules))
    states = {
        number: {
            symbols[symbol].name: actions[action]
            for symbol, action in zip(row[::2], row[1::2], strict=True)
        }
        for number, row in enumerate(tables["states"])
    }
    table_class: Any = IntParseTable  # It has no types.
    table = table_class(states, {_START: 0}, {_START: tables["end"][0]})
    parts = {
        rule: [not each.is_term and _is_list(each) for each in rule.expansion] for rule in rules
    }
    return _Language(BasicLexer(settings), table, parts, words)


def _is_list(symbol: Symbol) -> bool:
    """Whether what a rule makes is a list, which becomes part of the rule around it."""
    return symbol.name.startswith("_")


# ---------------------------------------------------------------- the engine


class _Parser:
    """One run over the tokens of a text, which collects `mistakes`."""

    def __init__(
        self, language: _Language, builder: TreeBuilder, source: Source, tokens: list[lark.Token]
    ) -> None:
        self.language = language
        self.source = source
        end = tokens[-1].end_pos if tokens else 0
        self.tokens = [*tokens, lark.Token(_END, "", end, end_pos=end)]
        self.next = 0
        self.mistakes: list[Diagnostic] = []
        engine = ParseConf(language.table, _callbacks(language.rules, builder), _START)
        no_lexer: Any = None  # The engine is fed.
        self.state = ParserState(engine, no_lexer)

    def run(self) -> syntax.File | None:
        while len(self.mistakes) < LIMITS.errors:
            token = self.tokens[self.next]
            self.next += 1
            states = self.state.state_stack.copy()
            if len(states) > _STACK:
                self.mistakes.append(
                    _deeper(self.source.span(token.start_pos or 0, token.end_pos or 0))
                )
                break
            try:
                tree: syntax.File | None = self.state.feed_token(token, token.type == _END)
            except UnexpectedToken:
                # A bad token is reported already, and so is one that was missing in the text.
                if token.type != BAD and (token.start_pos != token.end_pos or token.type == _END):
                    self.mistakes.append(self._mistake(token, states))
                if not self._mend(token) and not self._skip():
                    break
            else:
                if token.type == _END:
                    return tree
        return None

    def _mistake(self, token: lark.Token, states: list[int]) -> Diagnostic:
        """`states` are those before the token, for which the engine may have reduced some."""
        accepted = {
            self.language.words.get(name, name)
            for name in self.language.table.states[states[-1]]
            if name.isupper() and self._takes(name, states)
        }
        start = lark.Token("NEWLINE", "", 0, end_pos=0)
        before = [start, start, *self.tokens[max(self.next - 3, 0) : self.next - 1]]
        return unexpected(token, (before[-2], before[-1]), accepted, self.source)

    def _takes(self, terminal: str, states: list[int]) -> bool:
        """Whether the engine in these states would take a token of this kind."""
        table = self.language.table
        stack = states.copy()
        while terminal in table.states[stack[-1]]:
            action, target = table.states[stack[-1]][terminal]
            if action is Shift:
                return True
            if target.expansion:
                del stack[-len(target.expansion) :]
            stack.append(table.states[stack[-1]][target.origin.name][1])
            if terminal == _END and stack[-1] == table.end_states[_START]:
                return True
        return False

    def _mend(self, token: lark.Token) -> bool:
        """Whether a body's brace was all that stood wrong, and the parser can go on with it."""
        states = self.state.state_stack
        if token.type == "NEWLINE":
            # `net` and on the next line `{`.
            return self.tokens[self.next].type == "LBRACE" and self._takes("LBRACE", states)
        if token.type != "TEMPLATE" or not self._takes("NAME", states):
            return False
        if self._takes("REPEAT", states):
            return False
        # `net{` for `net {`.
        end = token.end_pos or 0
        name = lark.Token("NAME", token[:-1], token.start_pos, end_pos=end - 1)
        brace = lark.Token("LBRACE", "{", end, end_pos=end)
        self.tokens[self.next : self.next] = (name, brace)
        return True

    def _skip(self) -> bool:
        """Skip the rest of a statement, with the braces in it; False where the text ends first."""
        depth = 0
        self.next -= 1
        while self.next < len(self.tokens):
            token = self.tokens[self.next]
            self.next += 1
            if token.type in ("LBRACE", "TEMPLATE"):
                depth += 1
            elif depth:
                depth -= token.type == "RBRACE"
            elif token.type in ("NEWLINE", "RBRACE", "VBAR") and self._resume(token):
                return True
        return False

    def _resume(self, token: lark.Token) -> bool:
        """Undo what was begun until `token` can follow, but not beyond the innermost braces."""
        values, states = self.state.value_stack, self.state.state_stack
        opening = self._innermost_brace()
        if opening < 0 and self._indented(self.tokens[self.next]):
            # Braces that don't match may have ended a body too early.
            return False
        for kept in range(len(values), opening, -1):
            if self._takes(token.type, states[: kept + 1]):
                del values[kept:], states[kept + 1 :]
                self.state.feed_token(token)
                return True
        in_body = opening < 0 or (
            values[opening].type == "LBRACE" and self._takes("NAME", states[: opening + 2])
        )
        if token.type == "NEWLINE" and in_body:
            # The statement was the first one.
            del values[opening + 1 :], states[opening + 2 :]
            return True
        if token.type == "RBRACE" and opening >= 0:
            # Nothing is left between these braces, and they can't be empty: give them up too.
            del values[opening:], states[opening + 1 :]
        return False

    def _indented(self, token: lark.Token) -> bool:
        start = token.start_pos or 0
        return str(token) not in DECLARATIONS and self.source.text[start - 1 : start] not in "\n"

    def _innermost_brace(self) -> int:
        """Where in the engine's stack the innermost open brace is, -1 for none."""
        values = self.state.value_stack
        closed = 0
        for index in range(len(values) - 1, -1, -1):
            kind = getattr(values[index], "type", "")
            if kind in ("LBRACE", "TEMPLATE"):
                if not closed:
                    return index
                closed -= 1
            closed += kind == "RBRACE"
        return -1


def _callbacks(rules: dict[_Rule, list[bool]], builder: TreeBuilder) -> Any:
    """What builds the value of each rule."""
    return {
        rule: _building(
            None if _is_list(rule.origin) else getattr(builder, rule.origin.name), parts
        )
        for rule, parts in rules.items()
    }


def _building(
    build: Callable[[Children], Any] | None, parts: list[bool]
) -> Callable[[Children], Any]:
    """`build`, or None to keep the list, for children of which those in `parts` are lists."""
    if not any(parts):
        return build or list
    if build is None and len(parts) == 1:
        return _only

    def join(children: Children) -> Any:
        joined: Children = children[0] if parts[0] else [children[0]]
        for child, part in zip(children[1:], parts[1:], strict=True):
            if part:
                joined += child
            else:
                joined.append(child)
        return build(joined) if build else joined

    return join


def _only(children: Children) -> Any:
    return children[0]


# ---------------------------------------------------------------- depth

_STACK = 4_000
"""How long the engine's stack may be, which only nesting beyond all limits makes longer."""

_EXPRESSIONS = frozenset(
    (
        syntax.Sequence,
        syntax.Unary,
        syntax.Binary,
        syntax.Comparison,
        syntax.Conditional,
        syntax.Apply,
        syntax.Attribute,
        syntax.Index,
        syntax.Path,
    )
)


def _too_deep(tree: syntax.File) -> list[Diagnostic]:
    """What nests too deep, if anything; braces alone are counted before. A long sum leans to the
    left and counts as one."""
    pending: list[tuple[Any, int, int]] = [(tree.declarations, 0, 0)]
    while pending:
        node, depth, bodies = pending.pop()
        kind = type(node)
        bodies += kind is syntax.Body
        depth += kind in _EXPRESSIONS
        if depth > LIMITS.expression_depth:
            return [_deeper(node.span)]
        if bodies > LIMITS.nesting:
            message = f"`else if` and braces nest deeper than {LIMITS.nesting}"
            return [Diagnostic(_DEEP, message, node.span, help="name parts with `block`")]
        if kind is syntax.Binary and type(node.left) is syntax.Binary:
            pending += ((node.left, depth - 1, bodies), (node.right, depth, bodies))
            continue
        children = (each for each in node if isinstance(each, tuple))
        pending += ((each, depth, bodies) for each in children if type(each) is not Span)
    return []


def _deeper(span: Span) -> Diagnostic:
    message = f"an expression nests deeper than {LIMITS.expression_depth}"
    return Diagnostic(_DEEP, message, span, help="name parts of it with `let`")


if __name__ == "__main__":
    TABLES.write_text(make_tables(), "utf-8")
