"""What holds of sizes in a region of the input's: their least value, and the weights that fit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from netdsl.graph import Node
from netdsl.size_sets import SizeSet, Undecidable, meeting
from netdsl.sizes import Atom, Expression, Size, Symbol, UnwieldySize, evaluate, symbols
from netdsl.source import Span
from netdsl.tensor import TensorType

Region = Mapping[str, SizeSet]
"""Sizes of the input: those where each named one is in its set."""


class Fitted(NamedTuple):
    """A layer whose weights depend on the input's size, and the sizes that the default's fit.

    `weight` is the first of them, of shape `shape` at the default. `only` says that no sizes beside
    those of the region fit; what is a product of several, 4·16 as 8·8, may come out the same.
    """

    layer: str
    weight: str
    shape: tuple[int, ...]
    region: Region
    span: Span
    only: bool


def least(size: Size, region: Region) -> int | None:
    """A lower bound for a size in a region; None where none is seen.

    Each atom is written as the least that it can be, and what it is more. Where only positive
    multiples of what is more are added then, the constant is the least: (H - 2)(W - 2), which is
    H W - 2 H - 2 W + 4, is 1 + h + w + h w for H = 3 + h and W = 3 + w.
    """
    if isinstance(size, int):
        return size
    from_least: Size = 0
    for monomial, coefficient in size.terms:
        product: Size = coefficient
        for atom, power in monomial:
            low = _least_atom(atom, region)
            if low is None:
                return None
            try:
                product = product * (Expression({((atom, 1),): 1}) + low) ** power
            except UnwieldySize:
                return None
        from_least = from_least + product
    if isinstance(from_least, int):
        return from_least
    constant = 0
    for monomial, coefficient in from_least.terms:
        if not monomial:
            constant = coefficient
        elif coefficient < 0:
            return None
    return constant


def _least_atom(atom: Atom, region: Region) -> int | None:
    alone: Size = Expression({((atom, 1),): 1})
    names = {each.name for each in symbols(alone)}
    if len(names) > 1:
        if isinstance(atom, Symbol) or not isinstance(atom.denominator, int):
            return None
        low = least(atom.numerator, region)
        return None if low is None else low // atom.denominator
    (name,) = names
    first = region[name].smallest()
    if first is None:
        return None
    low = evaluate(alone, {name: first})
    try:
        # It is the least where it never falls below.
        _, held = meeting(alone, ">=", low)
        return low if (region[name] - held).is_empty else None
    except Undecidable:
        return None


def fitted(
    node: Node, inputs: tuple[TensorType, ...], defaults: Mapping[str, int], valid: Region
) -> Fitted | None:
    """The sizes that fit a layer's weights as they are at the default; None for every size.

    `inputs` are the types that the layer takes. Raises Undecidable.
    """
    if node.op is None or not node.op.holds_weights:
        return None
    weights = [
        each
        for each in node.op.weights(*inputs)
        if any(isinstance(size, Expression) for size in each.shape)
    ]
    if not weights:
        return None
    region, only = dict(valid), True
    for size in (size for each in weights for size in each.shape):
        if len(symbols(size)) > 1:
            only = False
            keeping = list(_keeping(size, defaults))
        else:
            name, numbers = meeting(size, "==", evaluate(size, defaults))
            keeping = [] if name is None else [(name, numbers)]
        for each, held in keeping:
            region[each] &= held
    first = weights[0]
    shape = tuple(evaluate(size, defaults) for size in first.shape)
    return Fitted(".".join(node.path), first.name, shape, region, node.origin.span, only)


def _keeping(size: Size, defaults: Mapping[str, int]) -> Iterator[tuple[str, SizeSet]]:
    """The sizes of the input at which each part of a size is what it is at the default."""
    for monomial, _ in size.terms if isinstance(size, Expression) else ():
        for atom, _ in monomial:
            alone: Size = Expression({((atom, 1),): 1})
            name, held = meeting(alone, "==", evaluate(alone, defaults))
            if name is not None:
                yield name, held
