"""Formulas as a reader takes them in: a sum of numbers, each times sizes to their powers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple, TypeAlias

from netdsl.amounts import short
from netdsl.sizes import Expression, rises
from netdsl.sizes import evaluate as value_at

Factors: TypeAlias = "tuple[tuple[Expression, int], ...]"
"""Sizes with their powers, in the order in which they are printed."""


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
    fraction = "/" in text and not text.startswith(("ceil(", "floor("))
    if len(size.terms) > 1 or fraction or (" " in text and not text.endswith(")")):
        text = f"({text})"
    return text if power == 1 else f"{text}^{power}"


_LONG_NUMBER = re.compile(r"\d{4,}")
