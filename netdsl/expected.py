"""Word what the parser found, what it would have taken there, and what was probably meant."""

from __future__ import annotations

from lark import Token

from netdsl.diagnostics import Diagnostic, Edit, Fix, did_you_mean
from netdsl.habits import habit
from netdsl.place import Place
from netdsl.source import Source, printable
from netdsl.tokens import MEANT, foreign_sign

_VALUES = frozenset(("NAME", "INT", "FLOAT", "SIZE", "SCALE", "STRING", "true", "false", "[", "("))
_OPERATORS = frozenset(("+", "*", "==", "and"))

# What may follow, from what tells most: a set of tokens, and how it is called.
_KINDS = (
    (frozenset(("network", "block")), "`network`, `block`, `recipe`, `import` or `let`"),
    (frozenset(("let", "residual")), "a statement"),
    (frozenset(("residual", "repeat")), "a layer such as `relu`"),
    (frozenset(("INT", "STRING", "true", "[")), "a value"),
    (frozenset(("NAME", "then")), "a setting"),
)
_NAMED = {
    "NAME": "a name",
    "INT": "a number",
    "FLOAT": "a number",
    "STRING": "a text",
    "TEMPLATE": "a name",
    "DOC": "documentation",
    "NEWLINE": "the end of the line",
    "$END": "the end of the file",
}
_CLOSING = frozenset((")", "]", "}"))

ELSE_IF = "write `else if`"
_WORDS = {
    "def": "a piece to reuse is a `block`, an entry point a `network`",
    "fn": "a piece to reuse is a `block`, an entry point a `network`",
    "function": "a piece to reuse is a `block`, an entry point a `network`",
    "class": "a piece to reuse is a `block`, an entry point a `network`",
    "module": "a piece to reuse is a `block`, an entry point a `network`",
    "model": "an entry point is a `network`",
    "return": "a body's last value is its result, without a word before it",
    "elif": ELSE_IF,
    "elseif": ELSE_IF,
    "elsif": ELSE_IF,
    "while": "write `repeat`: every loop has an end that is known",
    "lambda": "there are no functions of one's own; a piece to reuse is a `block`",
}
"""Words of other languages, with what to write here."""

_COMMA = "a comma separates values"
COMPARES = "`==` compares"
ON_ONE_LINE = "`{` stands on the line of what it belongs to"
FIGURES = "`;` separates the figures of a claim"

_COMPARISONS = frozenset(("==", "!=", "<", "<=", ">", ">=", "="))
_BEHIND_FIGURE = frozenset(("NAME", "NEWLINE", "}", "=="))
"""What may follow a claim's figure, and nothing else of the language together."""

_NUMBERS = frozenset(("INT", "FLOAT", "SIZE", "SCALE"))
_COMPLETE = frozenset(("INT", "FLOAT", "SIZE", "STRING", "TRUE", "FALSE"))
"""The kinds of tokens that are values of themselves."""

_SHOWN = 40
"""How many characters of a token a message shows."""

_BEGINNINGS = (
    *("assert", "aux", "block", "claim", "default", "for", "from", "if", "import", "input", "let"),
    *("network", "recipe", "repeat", "residual"),
)
"""Words that begin a statement or declaration."""


def missing_comma(word: str) -> str:
    """The help where an argument's name is read as the unit of the number before it."""
    return f"a comma is missing before `{word}`"


def unexpected(
    token: Token, recent: tuple[Token, Token], accepted: set[str], source: Source
) -> Diagnostic:
    """`token`, or the end of the text, stands after `recent` where only `accepted` could: the texts
    of tokens, or their kinds."""
    if accepted == {"INT", "FLOAT"} and recent[1].type == "NAME" and recent[1] != "within":
        return _behind_figure(recent[1], token, source)
    start = token.start_pos or 0
    end = token.end_pos or 0
    shown = f"`{_shortened(token)}` stands"
    if token.type == "DOC":
        shown = "documentation stands"
        end = start + 3
    before = recent[1]
    unfinished = (
        "\n" in source.text[before.end_pos or 0 : start]
        and "NEWLINE" not in accepted
        and before not in ("{", "|", "")
        and before.type != "NEWLINE"
    )
    if token.type == "$END" or token.startswith("\n") or unfinished:
        # Something is missing right behind the token before.
        shown = "the file ends" if token.type == "$END" else "the line ends"
        start = before.end_pos or 0
        end = min(start + 1, len(source.text))
        start = min(start, max(end - 1, 0))
    known = habit(Place(token, *recent, accepted, source))
    help = known.help if known else _help(token, recent, accepted, source)
    fix = known.fix if known else _comma(token, before, source) if help == _COMMA else None
    return Diagnostic(
        "unexpected-token",
        f"{shown} where {_expected(accepted)} should be",
        source.span(start, end),
        help=help,
        fixes=() if fix is None else (fix,),
    )


def _comma(token: Token, before: Token, source: Source) -> Fix | None:
    """A comma between two values. It is safe between complete ones: a name may be the name of an
    argument or a function, and `2 3` may be a 23."""
    if token == "(" or before.type == "SCALE":
        return None
    complete = before.type in _COMPLETE or before in (")", "]")
    digits = before[-1].isdigit() and token[0].isdigit()
    place = before.end_pos or 0
    edit = Edit(source.span(place, place), ",")
    return Fix("put a comma between them", (edit,), complete and not digits)


def _behind_figure(name: Token, token: Token, source: Source) -> Diagnostic:
    """A name behind a claim's figure, of which only `token` after it shows that it is wrong."""
    start = name.start_pos or 0
    return Diagnostic(
        "unexpected-token",
        f"`{_shortened(name)}` stands where `within`, `;` or `}}` should be",
        source.span(start, start + len(name)),
        help=FIGURES
        if token in _COMPARISONS or not _misspelt(name, ("within",))
        else "a tolerance is written `within 1%`",
    )


def _shortened(token: Token) -> str:
    text = printable(str(token))
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _expected(accepted: set[str]) -> str:
    rest = set(accepted)
    found = []
    for kind, name in _KINDS:
        if kind <= rest:
            found.append(name)
            rest &= _CLOSING if name == "a value" else {"}", "NEWLINE"}
            break
    else:
        if rest >= _OPERATORS:
            found.append("an operator")
            rest &= {",", "{", "->", "else", "NEWLINE", "|", *_CLOSING}
        elif {"else", "or"} <= rest:
            rest = {"else"}
        elif "->" in rest:
            # After a layer much can follow, of which little was meant.
            rest &= {"->", "else", "shortcut", "|", "NEWLINE"}
        else:
            rest = rest - {"DOC", "$END"} or rest
    if "NEWLINE" in rest:
        rest.discard("}")
    signs = sorted(f"`{each}`" for each in rest if each not in _NAMED)
    words = sorted({_NAMED[each] for each in rest if each in _NAMED})
    names = [*signs, *found, *words]
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + f" or {names[-1]}"


def _help(token: Token, recent: tuple[Token, Token], accepted: set[str], source: Source) -> str:
    text = str(token)
    before = recent[1]
    foreign = foreign_sign(source.text, token.start_pos or 0)
    if len(foreign) > 1 and foreign not in accepted and token.type not in ("NAME", "STRING"):
        return MEANT[foreign]
    if text in _WORDS and text not in accepted:
        return _WORDS[text]
    if before in _WORDS and before.type == "NAME":
        return _WORDS[str(before)]
    if token.type == "TEMPLATE" or (before == "}" and "{" in accepted):
        return "a space before `{` begins a body; without one it is part of a name"
    if text in ("=", ":") and {"from", "INT"} <= accepted:
        return f"a setting has no `{text}`: `{before} VALUE`"
    if text == "=" and "," in accepted and before.type == "NAME" and recent[0].type in _NUMBERS:
        return missing_comma(str(before))
    if text == ":" and before.type not in ("NAME", "NEWLINE") and before.isidentifier():
        return f"`{before}` is a word of the language; choose another label"
    if text == ":" and "," in accepted and before.type == "NAME" and recent[0] in (",", "("):
        return f"an argument is given by name as `{before} = …`"
    if text == "else" and "->" in accepted:
        return "`else` follows the `}` of its `if`"
    if text == "=" and "==" in accepted:
        return COMPARES
    # The values of a recipe go on with `->`.
    if text in (",", ":") and accepted >= _BEHIND_FIGURE and "->" not in accepted:
        return FIGURES if text == "," else COMPARES
    if text == "=" and {"->", ":"} <= accepted:
        return f"a value is named with `let {before} = …`, a layer with `{before}: …`"
    following = source.text[token.end_pos or 0 :][:_SHOWN].lstrip()
    if "{" in accepted and following.startswith("{") and text.isspace():
        return ON_ONE_LINE
    if accepted == {"(", "=", "{"}:
        return "`{` begins the body, on this line"
    if text == ":" and "{" in accepted:
        return "a body stands in braces: `{ … }`"
    if token.type == "STRING" and "let" in accepted:
        return 'documentation stands in `"""`, right behind the `{`'
    if text == "->" and "where" in accepted:
        return "layers follow on a line of their own"
    if {"else", "or"} <= accepted:
        return "a condition between values has two: `a if c else b`"
    if text == "." and "INT" in accepted:
        return "a number begins with a digit: `0.5`"
    words = sorted(each for each in accepted if each.isalpha() and each.islower())
    near = _misspelt(token, words)
    if not near and recent[0].type in ("", "NEWLINE", "LBRACE", "VBAR"):
        near = _misspelt(before, _BEGINNINGS)
    return near or _joined(token, recent, accepted)


def _joined(token: Token, recent: tuple[Token, Token], accepted: set[str]) -> str:
    """A way out where one value or layer follows another."""
    text = str(token)
    before = recent[1]
    value = token.type in _VALUES or text in _VALUES
    if value and "," in accepted and accepted & {")", "]"}:
        named = recent[0] in (",", "(") or recent[0].type in _NUMBERS
        if before.type == "NAME" and named and token.type != "NAME":
            return f"an argument is given by name as `{before} = {_shortened(token)}`"
        return _COMMA
    if "," in accepted and (token.type == "STRING" or (before == ")" and "{" in accepted)):
        return _COMMA  # Before the text of an assertion, or the next operator of a `default`.
    if "->" in accepted and token.type == "NAME":
        return "`->` joins layers"
    if value and "(" in accepted and before.type == "NAME":
        return f"arguments stand in parentheses: `{before}({_shortened(token)})`"
    if "NAME" in accepted and text.isidentifier() and token.type != "NAME":
        return f"`{text}` is a word of the language; choose another name"
    return ""


def _misspelt(token: Token, words: list[str] | tuple[str, ...]) -> str:
    """The one of `words` that a name nearly is."""
    near = did_you_mean(str(token), words) if token.type == "NAME" and len(token) > 2 else ""
    return near if near.startswith("did") else ""
