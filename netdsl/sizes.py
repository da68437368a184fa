"""Sizes of tensors: integers, or expressions over the input's named sizes in one normal form.

An `Expression` is a polynomial with integer coefficients over atoms. An atom is a `Symbol` (a
named size of the input) or a `Quotient` (a rounded-down division that doesn't come out even). Two
expressions that are equal as polynomials are the same object value, so `==` decides equality of
normal forms; it never guesses.

Divisions are simplified on construction, for positive integers a, b and any integer c:

    floor((a b x + c) / b)          = a x + floor(c / b)
    floor((floor(x / a) + c) / b)   = floor((x + a c) / (a b))

so that five halvings of H come out as one division by 32. A symbol known to be a multiple of m
stands for m times its `unit`, which makes such divisions exact and prints back as H, H/2, ….
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from math import gcd, lcm, prod
from typing import NamedTuple, TypeAlias

from netdsl.limits import LIMITS

Size: TypeAlias = "int | Expression"


class Symbol(NamedTuple):
    """The named size `name` divided by `multiple`, which is known to divide it."""

    name: str
    multiple: int = 1


class Quotient(NamedTuple):
    """floor(numerator / denominator), irreducible."""

    numerator: Expression
    denominator: int | Expression


Atom: TypeAlias = Symbol | Quotient
# Atoms with their powers, sorted, so that equal products are equal tuples.
Monomial: TypeAlias = tuple[tuple[Atom, int], ...]


class UndecidedSize(Exception):
    """A comparison whose answer depends on the value of a named size."""


class UnwieldySize(Exception):
    """An expression would have more terms, nested divisions or powers than sizes of images have."""


_TERMS = 1_000
_PARTS = 100
"""The symbols and divisions that one division may have inside it, at any depth."""
_DEGREE = 64


class Expression:
    """A sum of monomials with integer coefficients, none of them zero; immutable."""

    __slots__ = ("_hash", "parts", "terms")

    def __init__(self, terms: Mapping[Monomial, int]) -> None:
        if len(terms) > _TERMS:
            raise UnwieldySize(f"a size has more than {_TERMS:,} terms")
        self.terms: tuple[tuple[Monomial, int], ...] = tuple(
            sorted(terms.items(), key=lambda term: _order(term[0]))
        )
        self.parts: int = sum(_parts(atom) for monomial, _ in self.terms for atom, _ in monomial)
        self._hash = hash(self.terms)

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return self is other or (
            isinstance(other, Expression)
            and self._hash == other._hash
            and self.terms == other.terms
        )

    def __add__(self, other: Size) -> Size:
        total = dict(self.terms)
        for monomial, coefficient in _terms(other):
            total[monomial] = total.get(monomial, 0) + coefficient
        return _normal(total)

    __radd__ = __add__

    def __neg__(self) -> Size:
        return _normal({monomial: -coefficient for monomial, coefficient in self.terms})

    def __sub__(self, other: Size) -> Size:
        return self + -other

    def __rsub__(self, other: Size) -> Size:
        return -self + other

    def __mul__(self, other: Size) -> Size:
        if isinstance(other, int):
            return self._scaled(other)
        return _product(self, other)

    def _scaled(self, factor: int) -> Size:
        """The product with a number, whose terms keep their order."""
        if factor == 0:
            return 0
        result = Expression.__new__(Expression)
        result.terms = tuple((monomial, factor * each) for monomial, each in self.terms)
        result.parts = self.parts
        result._hash = hash(result.terms)
        return result

    __rmul__ = __mul__

    def __pow__(self, exponent: int) -> Size:
        result: Size = 1
        for _ in range(exponent):
            result = result * self
        return result

    def __floordiv__(self, divisor: Size) -> Size:
        return floor_divide(self, divisor)

    def __rfloordiv__(self, dividend: int) -> Size:
        return floor_divide(dividend, self)

    def __mod__(self, divisor: Size) -> Size:
        return self - divisor * floor_divide(self, divisor)

    def __rmod__(self, dividend: int) -> Size:
        return dividend - self * floor_divide(dividend, self)

    def __lt__(self, other: Size) -> bool:
        return _positive(other - self)

    def __le__(self, other: Size) -> bool:
        return not _positive(self - other)

    def __gt__(self, other: Size) -> bool:
        return _positive(self - other)

    def __ge__(self, other: Size) -> bool:
        return not _positive(other - self)

    def __bool__(self) -> bool:
        raise UndecidedSize(f"whether {self} is zero depends on the input's size")

    def __repr__(self) -> str:
        return str(self)

    def __str__(self) -> str:
        text = ""
        # Highest powers first, the constant last.
        for monomial, coefficient in sorted(self.terms, key=lambda term: -_degree(term[0])):
            bottom = _bottom(monomial)
            names = [_print(atom) + (f"^{power}" if power > 1 else "") for atom, power in monomial]
            sign = "-" if coefficient < 0 else "+"
            shared = gcd(coefficient, bottom)
            top, bottom = abs(coefficient) // shared, bottom // shared
            product = " ".join(([str(top)] if top != 1 or not names else []) + names)
            product += f"/{bottom}" if bottom != 1 else ""
            text += f" {sign} {product}" if text else ("-" if coefficient < 0 else "") + product
        return text

    def as_factor(self) -> str:
        """The text, in parentheses where it is more than one number, name or division."""
        ((monomial, coefficient), *more) = self.terms
        single = not more and coefficient == 1 and len(monomial) == 1
        return str(self) if single or " " not in str(self) else f"({self})"


def symbol(name: str, multiple: int = 1) -> Size:
    """The named size `name`, known to be a multiple of `multiple`."""
    return Expression({((Symbol(name, multiple), 1),): multiple})


def add_all(sizes: Iterable[Size]) -> Size:
    """The sum of sizes; each `+` would bring all terms so far into their normal order again."""
    number = 0
    terms: dict[Monomial, int] = {}
    for size in sizes:
        if isinstance(size, int):
            number += size
            continue
        for monomial, coefficient in size.terms:
            terms[monomial] = terms.get(monomial, 0) + coefficient
    if not terms:
        return number
    terms[()] = terms.get((), 0) + number
    return _normal(terms)


def floor_divide(dividend: Size, divisor: Size) -> Size:
    """floor(dividend / divisor), in normal form; raises ZeroDivisionError."""
    if isinstance(dividend, int) and isinstance(divisor, int):
        return dividend // divisor
    if isinstance(divisor, Expression):
        exact = _exact(dividend, divisor)
        if exact is not None:
            return exact
        return _irreducible(_expression(dividend), divisor)
    assert isinstance(dividend, Expression)
    if divisor == 0:
        raise ZeroDivisionError("division by zero")
    if divisor < 0:
        return floor_divide(-dividend, -divisor)
    whole: dict[Monomial, int] = {}
    rest: dict[Monomial, int] = {}
    for monomial, coefficient in dividend.terms:
        quotient, remainder = divmod(coefficient, divisor)
        if remainder and monomial:
            rest[monomial] = coefficient
        else:
            whole[monomial] = quotient
            if remainder:
                rest[monomial] = remainder
    if not any(rest):  # Only a constant is left, and it is below the divisor.
        return _normal(whole)
    return _normal(whole) + _quotient(_normal(rest), divisor)


def ceil_divide(dividend: Size, divisor: int) -> Size:
    """ceil(dividend / divisor) for a positive divisor."""
    return floor_divide(dividend + divisor - 1, divisor)


def evaluate(size: Size, values: Mapping[str, int]) -> int:
    """The size where each symbol has its value; raises KeyError for a missing one."""
    if isinstance(size, int):
        return size
    total = 0
    for monomial, coefficient in size.terms:
        product = coefficient
        for atom, power in monomial:
            if isinstance(atom, Symbol):
                # The unit is whole wherever the declared condition holds.
                product *= (values[atom.name] // atom.multiple) ** power
            else:
                top = evaluate(atom.numerator, values)
                product *= (top // evaluate(atom.denominator, values)) ** power
        total += product
    return total


def symbols(size: Size) -> frozenset[Symbol]:
    """The symbols that a size depends on."""
    if isinstance(size, int):
        return frozenset()
    found: set[Symbol] = set()
    for monomial, _ in size.terms:
        for atom, _ in monomial:
            if isinstance(atom, Symbol):
                found.add(atom)
            else:
                found |= symbols(atom.numerator) | symbols(atom.denominator)
    return frozenset(found)


def rises(size: Size) -> bool:
    """Whether a size surely never falls as its symbols grow; False where that is not plain to see.

    A sum does not fall if no summand does; nor a product of factors that are never below 0.
    """
    return all(
        coefficient > 0 and all(_rises_from_zero(atom) for atom, _ in monomial)
        for monomial, coefficient in _terms(size)
        if monomial
    )


def _rises_from_zero(atom: Atom) -> bool:
    if isinstance(atom, Symbol):
        return True
    smallest = _lower_bound(atom.numerator)
    positive = smallest is not None and smallest >= 0 and isinstance(atom.denominator, int)
    return positive and rises(atom.numerator)


# The layers of a network multiply the same few heights and widths again and again.
@lru_cache(maxsize=1_000)
def _product(left: Expression, right: Expression) -> Size:
    if len(left.terms) * len(right.terms) > 10 * _TERMS:
        raise UnwieldySize(f"a size has more than {_TERMS:,} terms")
    product: dict[Monomial, int] = {}
    for one, a in left.terms:
        for other, b in right.terms:
            monomial = _multiply(one, other)
            product[monomial] = product.get(monomial, 0) + a * b
    return _normal(product)


def _quotient(numerator: Size, divisor: int) -> Size:
    """floor(numerator / divisor) of what no longer splits; nested divisions become one."""
    if isinstance(numerator, int):
        return numerator // divisor
    inner = [term for term in numerator.terms if term[0]]
    if len(inner) == 1 and inner[0][1] == 1 and len(inner[0][0]) == 1:
        atom, power = inner[0][0][0]
        if isinstance(atom, Quotient) and power == 1 and isinstance(atom.denominator, int):
            constant = numerator - _normal(dict(inner))
            top = atom.numerator + constant * atom.denominator
            return floor_divide(top, atom.denominator * divisor)
    common = divisor
    for monomial, coefficient in numerator.terms:
        if monomial:
            common = gcd(common, coefficient)
    if common > 1:
        # floor((g x + c) / (g d)) = floor((x + floor(c / g)) / d)
        shrunk = {monomial: coefficient // common for monomial, coefficient in numerator.terms}
        return floor_divide(_normal(shrunk), divisor // common)
    return _irreducible(numerator, divisor)


def _exact(dividend: Size, divisor: Expression) -> Size | None:
    """The quotient by one product that divides each summand; None where it isn't so."""
    if dividend == divisor:
        return 1
    ((monomial, factor), *more) = divisor.terms
    if more:
        return None
    whole: dict[Monomial, int] = {}
    for product, coefficient in _terms(dividend):
        powers = dict(product)
        for atom, power in monomial:
            powers[atom] = powers.get(atom, 0) - power
        if coefficient % factor or any(power < 0 for power in powers.values()):
            return None
        whole[tuple((atom, power) for atom, power in powers.items() if power)] = (
            coefficient // factor
        )
    return _normal(whole)


def _irreducible(numerator: Expression, divisor: Size) -> Expression:
    if isinstance(divisor, int) and divisor >= LIMITS.integer:
        raise UnwieldySize("a size is divided by more than 2^63")
    if numerator.parts > _PARTS:
        raise UnwieldySize(f"a division has more than {_PARTS} sizes and divisions inside it")
    return Expression({((Quotient(numerator, divisor), 1),): 1})


def _parts(atom: Atom) -> int:
    """How many symbols and divisions an atom is made of."""
    if isinstance(atom, Symbol):
        return 1
    below = atom.denominator
    return 1 + atom.numerator.parts + (below.parts if isinstance(below, Expression) else 0)


def _expression(size: Size) -> Expression:
    return size if isinstance(size, Expression) else Expression({(): size})


def _terms(size: Size) -> tuple[tuple[Monomial, int], ...]:
    return size.terms if isinstance(size, Expression) else (((), size),)


def _normal(terms: Mapping[Monomial, int]) -> Size:
    kept = {monomial: coefficient for monomial, coefficient in terms.items() if coefficient}
    if not kept:
        return 0
    if len(kept) == 1 and () in kept:
        return kept[()]
    return Expression(kept)


def _multiply(left: Monomial, right: Monomial) -> Monomial:
    powers: dict[Atom, int] = dict(left)
    for atom, power in right:
        powers[atom] = powers.get(atom, 0) + power
    if sum(powers.values()) > _DEGREE:
        raise UnwieldySize(f"a size has a power above {_DEGREE}")
    return tuple(sorted(powers.items(), key=lambda each: _print(each[0])))


def _degree(monomial: Monomial) -> int:
    return sum(power for _, power in monomial)


def _order(monomial: Monomial) -> tuple[int, str]:
    return -_degree(monomial), " ".join(_print(atom) for atom, _ in monomial)


# Each atom prints those inside it, again and again without a memory.
@lru_cache(maxsize=10_000)
def _print(atom: Atom) -> str:
    if isinstance(atom, Symbol):
        return atom.name
    top, bottom = atom.numerator, atom.denominator
    if isinstance(bottom, int):
        # floor((x + d - 1) / d) is what a reader knows as the rounded-up division.
        above = top - (bottom - 1)
        if isinstance(above, Expression) and above.terms[-1][0] != ():
            return f"ceil({_fraction(above, bottom)})"
    return f"floor({_fraction(top, bottom)})"


def _fraction(top: Expression, bottom: Size) -> str:
    if isinstance(bottom, int):
        # Of (H/2 + 1)/2 with the unit H/2, one fraction: (H + 2)/4.
        scale = lcm(*(_bottom(monomial) for monomial, _ in top.terms))
        whole = {
            tuple((_plain(atom), power) for atom, power in monomial): scale
            // _bottom(monomial)
            * coefficient
            for monomial, coefficient in top.terms
        }
        shared = gcd(scale * bottom, *whole.values())
        top = Expression({monomial: count // shared for monomial, count in whole.items()})
        bottom = scale * bottom // shared
    above = str(top) if len(top.terms) == 1 and "/" not in str(top) else f"({top})"
    below = f"({bottom})" if set(" /") & set(str(bottom)) else str(bottom)
    return f"{above}/{below}"


def _plain(atom: Atom) -> Atom:
    return Symbol(atom.name) if isinstance(atom, Symbol) else atom


def _bottom(monomial: Monomial) -> int:
    """What the units in a product are divided by, all in all."""
    return prod(atom.multiple**power for atom, power in monomial if isinstance(atom, Symbol))


def _positive(size: Size) -> bool:
    """Whether a size is above 0 for every value of its symbols; raises UndecidedSize."""
    if isinstance(size, int):
        return size > 0
    low = _lower_bound(size)
    if low is not None and low > 0:
        return True
    low = _lower_bound(-size)
    if low is not None and low >= 0:
        return False
    raise UndecidedSize(f"whether {size} is above 0 depends on the input's size")


def _lower_bound(size: Size) -> int | None:
    """A bound that holds where every symbol is at least its multiple; None where unbounded."""
    total = 0
    for monomial, coefficient in _terms(size):
        smallest = 1
        for atom, power in monomial:
            if isinstance(atom, Symbol):
                continue  # Its unit is at least 1.
            bound = _lower_bound(atom.numerator)
            if bound is None or bound < 0 or not isinstance(atom.denominator, int):
                return None
            smallest *= (bound // atom.denominator) ** power
        if monomial and coefficient < 0:
            return None
        total += coefficient * smallest
    return total
