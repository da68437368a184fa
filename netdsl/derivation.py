"""Arithmetic as a teacher writes it: a formula in symbols, then with numbers, and its result.

An operator's `derivation` builds each formula of named numbers with Python's own operators, and
the value comes from the very same tree, so that what is shown and what it gives can't part:

    height, kernel = named("H", 32), named("K", 5)
    step = Step("height", (height - kernel) // named("S", 1) + 1, symbol="H'")
    step.formula.symbols()    ⌊(H − K)/S⌋ + 1
    step.formula.numbers()    ⌊(32 − 5)/1⌋ + 1
    step.formula.value        28
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Literal, NamedTuple, TypeAlias

from netdsl.sizes import Expression, Size, UndecidedSize, UnwieldySize, ceil_divide, floor_divide

Value: TypeAlias = "Size | float | None"
"""None where it depends on a named size of the input in a way that no formula of ours has."""

Kind: TypeAlias = Literal["number", "sum", "product", "power", "floor", "ceil", "over", "max"]

_THOUSANDS = re.compile(r"\b\d{4,}\b")
_ROUNDED = re.compile(r"(floor|ceil)\(")
_SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


class Term:
    """A formula; immutable. `parts` are what it is made of, `value` what it comes to.

    In a "sum", `minus` has the positions of the parts that are taken away. "floor", "ceil" and
    "over" divide the first part by the second, the last without rounding.
    """

    __slots__ = ("kind", "minus", "parts", "symbol", "value")

    def __init__(
        self,
        kind: Kind,
        value: Value,
        parts: tuple[Term, ...] = (),
        symbol: str = "",
        minus: frozenset[int] = frozenset(),
    ) -> None:
        self.kind = kind
        self.value = value
        self.parts = parts
        self.symbol = symbol
        self.minus = minus

    def __add__(self, other: Term | int) -> Term:
        return _sum(self, term(other), minus=False)

    def __radd__(self, other: int) -> Term:
        return term(other) + self

    def __sub__(self, other: Term | int) -> Term:
        return _sum(self, term(other), minus=True)

    def __rsub__(self, other: int) -> Term:
        return term(other) - self

    def __mul__(self, other: Term | int) -> Term:
        right = term(other)
        value = _both(self, right, lambda a, b: a * b)
        grouped = self.kind == "product" and any(part.kind == "product" for part in self.parts)
        if self.kind != "product" or (right.kind == "product" and not grouped):
            return Term("product", value, (self, right))
        return Term("product", value, (*self.parts, right))

    def __rmul__(self, other: int) -> Term:
        return term(other) * self

    def __pow__(self, exponent: int) -> Term:
        value = None if self.value is None else self.value**exponent
        return Term("power", value, (self, term(exponent)))

    def __floordiv__(self, other: Term | int) -> Term:
        right = term(other)
        return Term("floor", _both(self, right, floor_divide), (self, right))

    def __truediv__(self, other: Term | int) -> Term:
        right = term(other)
        return Term("over", _both(self, right, _quotient), (self, right))

    def __rtruediv__(self, other: int) -> Term:
        return term(other) / self

    def symbols(self) -> str:
        """The formula with its numbers' names: ⌊(H + 2P − K)/S⌋ + 1."""
        return _text(self, named=True)

    def numbers(self) -> str:
        """The formula with numbers: ⌊(32 + 2·0 − 5)/1⌋ + 1."""
        return _text(self, named=False)

    def latex(self, *, named: bool) -> str:
        """As `symbols` or `numbers`, for LaTeX's mathematics."""
        return _latex(self, named)

    @property
    def is_number(self) -> bool:
        """Whether it is one number, so that there is nothing to work out."""
        return self.kind == "number"


def named(symbol: str, value: Size) -> Term:
    """A number with the name that formulas give it, such as K or H_out."""
    return Term("number", value, symbol=symbol)


def term(value: Term | Size) -> Term:
    """A number without a name, such as the 2 of 2P."""
    return value if isinstance(value, Term) else Term("number", value)


def ceiling(top: Term, bottom: Term) -> Term:
    """⌈top / bottom⌉."""
    divide = None
    if isinstance(bottom.value, int) and isinstance(top.value, (int, Expression)):
        divide = ceil_divide(top.value, bottom.value)
    return Term("ceil", divide, (top, bottom))


def even_share(top: Term, bottom: Term) -> Term:
    """top / bottom, of which nothing is left over."""
    return Term("over", ceiling(top, bottom).value, (top, bottom))


def largest(left: Term, right: Term | int) -> Term:
    """max(left, right); without a value where that depends on the input's size."""
    other = term(right)
    return Term("max", _both(left, other, _larger), (left, other))


def product(*terms: Term) -> Term:
    """The product of one or more terms."""
    result = terms[0]
    for each in terms[1:]:
        result = result * each
    return result


def total(*terms: Term) -> Term:
    """The sum of one or more terms."""
    result = terms[0]
    for each in terms[1:]:
        result = result + each
    return result


class Step(NamedTuple):
    """One line of a derivation: what it is of, the formula, and why it is so.

    `measure` is "height", "width", "channels", "tokens" or "features" for a size of the output;
    "weights", "buffers", "macs" or "flops" for what the layer holds and does; then the formula's
    value is what `infer`, `weights` or `cost` say. Other measures lead up to these. `symbol` names
    the result. A step without a formula is a remark.
    """

    measure: str
    formula: Term | None = None
    note: str = ""
    symbol: str = ""


def remark(note: str) -> Step:
    """A sentence of explanation."""
    return Step("", None, note)


AXES = {1: ("features",), 2: ("tokens", "channels"), 3: ("height", "width", "channels")}
"""What the sizes of a vector, a sequence and an image are called."""


_LETTERS = {1: "C", 2: "TC", 3: "HWC"}


def values_count(shape: tuple[Size, ...]) -> Term:
    """How many values a tensor has: H·W·C, T·C or C."""
    letters = _LETTERS[len(shape)]
    return product(*(named(letter, size) for letter, size in zip(letters, shape, strict=True)))


def shown(value: Value) -> str:
    """A value in full: 117,600; of a size that depends on the input's, its formula."""
    if value is None:
        return ""
    if isinstance(value, int):
        return f"{value:,}".replace("-", "−")
    if isinstance(value, float):
        return f"{value:.4g}"
    text = _THOUSANDS.sub(lambda number: f"{int(number[0]):,}", str(value))
    return text.replace(" - ", " − ")


def _sum(left: Term, right: Term, *, minus: bool) -> Term:
    value = _both(left, right, (lambda a, b: a - b) if minus else (lambda a, b: a + b))
    parts = left.parts if left.kind == "sum" else (left,)
    taken = left.minus if left.kind == "sum" else frozenset[int]()
    if minus:
        taken |= {len(parts)}
    return Term("sum", value, (*parts, right), minus=taken)


def _both(left: Term, right: Term, work: Callable[[Any, Any], Value]) -> Value:
    if left.value is None or right.value is None:
        return None
    try:
        return work(left.value, right.value)
    except (UndecidedSize, UnwieldySize):
        return None


def _quotient(top: Size, bottom: Size) -> Value:
    """top / bottom, whole where it comes out even."""
    if isinstance(top, Expression) or isinstance(bottom, Expression):
        return floor_divide(top, bottom)
    even = isinstance(top, int) and isinstance(bottom, int) and top % bottom == 0
    return top // bottom if even else top / bottom


def _larger(left: Size, right: Size) -> Size:
    return left if left >= right else right


# How tightly a formula holds together: what is looser than its place gets parentheses.
_SUM, _PRODUCT, _TIGHT = 0, 1, 2


def _binding(node: Term, named: bool) -> int:
    if node.kind == "number":
        text = _leaf(node, named)
        outside = _outside_parentheses(text)
        if " + " in outside or " − " in outside:
            return _SUM
        return _PRODUCT if " " in outside or "/" in outside or text[:1] == "−" else _TIGHT
    if node.kind == "sum":
        return _SUM
    return _PRODUCT if node.kind in ("product", "over") else _TIGHT


def _outside_parentheses(text: str) -> str:
    depth, kept = 0, ""
    for character in text:
        depth += (character == "(") - (character == ")")
        if depth == 0:
            kept += character
    return kept


def _leaf(node: Term, named: bool) -> str:
    if named and node.symbol:
        return node.symbol
    return shown(node.value)


def _text(node: Term, named: bool) -> str:
    def inner(part: Term, least: int) -> str:
        text = _text(part, named)
        return f"({text})" if _binding(part, named) < least else text

    if node.kind == "number":
        return _leaf(node, named)
    if node.kind == "sum":
        text = ""
        for position, part in enumerate(node.parts):
            sign = "−" if position in node.minus else "+"
            least = _PRODUCT if position in node.minus else _SUM
            text += f" {sign} {inner(part, least)}" if position else inner(part, _SUM)
        return text
    if node.kind == "product":
        grouped = any(part.kind == "product" for part in node.parts)
        text = inner(node.parts[0], _TIGHT if node.parts[0].kind == "over" else _PRODUCT)
        for before, part in zip(node.parts, node.parts[1:], strict=False):
            # K·(C/G)·F: without parentheses, what is divided would be left to the reader.
            shown_part = inner(part, _TIGHT if part.kind == "over" else _PRODUCT)
            coefficient = before.is_number and not before.symbol
            beside = named and coefficient and shown_part[:1].isalpha()
            text += (" · " if grouped else "" if beside else "·") + shown_part
        return text
    first, second = node.parts
    if node.kind == "power":
        exponent = str(second.value).translate(_SUPERSCRIPTS)
        return inner(first, _TIGHT) + exponent
    if node.kind == "max":
        return f"max({_text(first, named)}, {_text(second, named)})"
    # (H/2)/S: of two divisions in a row, the first is in parentheses.
    divides = first.kind in ("number", "over") and "/" in _outside_parentheses(_text(first, named))
    divided = f"{inner(first, _TIGHT if divides else _PRODUCT)}/{inner(second, _TIGHT)}"
    if node.kind == "over":
        return divided
    return f"⌊{divided}⌋" if node.kind == "floor" else f"⌈{divided}⌉"


def _latex(node: Term, named: bool) -> str:
    def inner(part: Term, least: int) -> str:
        text = _latex(part, named)
        return rf"\left({text}\right)" if _binding(part, named) < least else text

    if node.kind == "number":
        return latex_size(node.value) if not (named and node.symbol) else latex_symbol(node.symbol)
    if node.kind == "sum":
        text = ""
        for position, part in enumerate(node.parts):
            sign = "-" if position in node.minus else "+"
            least = _PRODUCT if position in node.minus else _SUM
            text += f" {sign} {inner(part, least)}" if position else inner(part, _SUM)
        return text
    if node.kind == "product":
        return r" \cdot ".join(inner(part, _PRODUCT) for part in node.parts)
    first, second = node.parts
    if node.kind == "power":
        return f"{inner(first, _TIGHT)}^{{{second.value}}}"
    if node.kind == "max":
        return rf"\max\left({_latex(first, named)}, {_latex(second, named)}\right)"
    fraction = rf"\frac{{{_latex(first, named)}}}{{{_latex(second, named)}}}"
    if node.kind == "over":
        return fraction
    side = "floor" if node.kind == "floor" else "ceil"
    return rf"\left\l{side} {fraction} \right\r{side}"


def latex_size(value: Value) -> str:
    """A value for LaTeX, with thousands set apart."""
    if isinstance(value, int):
        return f"{value:,}".replace(",", "{,}")
    return _rounded_latex(shown(value).replace("−", "-").replace(",", "{,}"))


def _rounded_latex(text: str) -> str:
    """A size's formula with floor(…) and ceil(…) in brackets of their own."""
    match = _ROUNDED.search(text)
    if match is None:
        return text
    end, depth = match.end(), 1
    while depth:
        depth += {"(": 1, ")": -1}.get(text[end], 0)
        end += 1
    before, inner, after = text[: match.start()], text[match.end() : end - 1], text[end:]
    side = match[1]
    return rf"{before}\left\l{side} {_rounded_latex(inner)} \right\r{side}{_rounded_latex(after)}"


def latex_symbol(symbol: str) -> str:
    """A symbol for LaTeX: K_below as K_{\\mathrm{below}}, Greek and signs in its commands."""
    name, _, index = symbol.partition("_")
    for sign, written in (("Σ ", r"\textstyle\sum "), ("·", r" \cdot ")):
        name = name.replace(sign, written)
    return f"{name}_{{\\mathrm{{{index}}}}}" if index else name
