"""Formulas as a reader takes them in: a sum of numbers, each times sizes to their powers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from math import prod
from typing import NamedTuple, TypeAlias

from netdsl.amounts import short
from netdsl.sizes import Atom, Expression, Symbol, rises
from netdsl.sizes import evaluate as value_at

Factors: TypeAlias = "tuple[tuple[Expression, int], ...]"
"""Sizes with their powers, in the order in which they are printed."""
Product: TypeAlias = "tuple[tuple[Expression, int], ...]"
"""Factors in one order, none of which is a product or has a coefficient."""


class Term(NamedTuple):
    coefficient: int
    factors: Factors


class Formula(NamedTuple):
    """A sum of terms, those with the largest sizes first, and a number."""

    terms: tuple[Term, ...]
    constant: int

    def at(self, values: Mapping[str, int]) -> int:
        total = self.constant
        for coefficient, factors in self.terms:
            for size, power in factors:
                coefficient *= value_at(size, values) ** power
            total += coefficient
        return total

    def rises(self) -> bool:
        """Whether it surely never falls as sizes grow, where those of the image are above 0."""
        return all(
            coefficient >= 0 and all(rises(size) for size, _ in factors)
            for coefficient, factors in self.terms
        )

    def texts(self, *, compact: bool = False) -> list[str]:
        """Each summand; with `compact`, its coefficient rounded to three digits."""
        found = []
        for coefficient, factors in self.terms:
            product = " ".join(_factor(size, power) for size, power in factors)
            once = coefficient == 1 and not product.startswith("(")
            found.append(product if once else f"{_number(coefficient, compact)} {product}")
        if self.constant or not found:
            found.append(_number(self.constant, compact))
        return found

    def text(self, *, compact: bool = False) -> str:
        return " + ".join(self.texts(compact=compact)).replace("+ -", "- ")


def _number(number: int, compact: bool) -> str:
    if not compact:
        return f"{number:,}"
    return f"-{short(-number)}" if number < 0 else short(number)


def _factor(size: Expression, power: int) -> str:
    text = _LONG_NUMBER.sub(lambda match: f"{int(match[0]):,}", str(size))
    single = _single(size)
    bare = single is not None and single[1] == 1 and not isinstance(single[0], Symbol)
    if not bare and not text.isidentifier():
        text = f"({text})"
    return text if power == 1 else f"{text}^{power}"


def simplest(factors: Factors) -> Factors:
    """The same factors, where they can be, without products and powers inside them."""
    found: dict[Expression, int] = {}
    for size, power in factors:
        inner = [(size, 1)]
        ((monomial, coefficient), *more) = size.terms
        # (a b)^2 stays, as the square of the places that an image has.
        if not more and (power == 1 or len(monomial) == 1):
            atoms = [(_alone(atom), each) for atom, each in monomial]
            named = [(_named(atom), each) for atom, each in monomial]
            if coefficient == 1:
                inner = atoms
            elif coefficient == _scale(named):
                inner = named
        for each, exponent in inner:
            found[each] = found.get(each, 0) + exponent * power
    return tuple(found.items())


def multiplied(factors: Factors) -> tuple[int, Product]:
    """Factors as a number times a product that is the same however they were written."""
    scale = 1
    found: dict[Expression, int] = {}
    for size, power in factors:
        ((monomial, coefficient), *more) = size.terms
        if more:
            found[size] = found.get(size, 0) + power
            continue
        scale *= coefficient**power
        for atom, exponent in monomial:
            each = _alone(atom)
            found[each] = found.get(each, 0) + exponent * power
    return scale, tuple(sorted(found.items(), key=lambda each: str(each[0])))


def _alone(atom: Atom) -> Expression:
    return Expression({((atom, 1),): 1})


def _named(atom: Atom) -> Expression:
    """A size by its name, where its unit is a part of it."""
    return Expression({((atom, 1),): atom.multiple if isinstance(atom, Symbol) else 1})


def _scale(factors: list[tuple[Expression, int]]) -> int:
    return prod(size.terms[0][1] ** power for size, power in factors)


def _single(size: Expression) -> tuple[Atom, int] | None:
    """The one atom that a size is, with its power."""
    ((monomial, coefficient), *more) = size.terms
    return monomial[0] if not more and coefficient == 1 and len(monomial) == 1 else None


_LONG_NUMBER = re.compile(r"\d{4,}")
