"""Layers and scopes of two networks, and how alike they are."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import NamedTuple, TypeVar

from netdsl.ops.base import Op
from netdsl.sizes import Size

DIGITS = "0123456789"

# How alike two places are. That a layer is exactly the same outweighs a number in its name, which
# shifts as layers are put before it; a name that someone chose outweighs that.
_EXACT = 1.0
_SAME_OPERATOR = 0.45
_SAME_ARGUMENTS = 0.15
_SAME_FAMILY = 0.1
_SAME_LABEL = 0.5
_SAME_NUMBER = 0.1
_SAME_CHANNELS = 0.05
_SCOPE = 4.0
"""A scope counts as this many layers."""

_Key = TypeVar("_Key", str, int)


class Place(NamedTuple):
    """A layer, or a scope of layers whose paths begin alike.

    `form` is equal for places of the same structure, whatever their names. `labelled` says that
    the name was chosen and not counted. Places with a number in `keeps` correspond to the one that
    has the same there, and to no other.
    """

    name: str
    path: tuple[str, ...]
    node: int | None
    children: tuple[Place, ...]
    form: int
    layer_forms: dict[int, int]
    operators: dict[str, int]
    labelled: bool
    op: Op | None = None
    channels: Size = 0
    inputs: tuple[int, ...] = ()
    keeps: int = 0

    def layers(self) -> list[int]:
        """The nodes of its layers."""
        if self.node is not None:
            return [self.node]
        return [number for child in self.children for number in child.layers()]


def likeness(a: Place, b: Place) -> float:
    """How alike two places are; 0 for those that can't correspond."""
    if a.keeps != b.keeps:
        return 0.0
    bonus = 0.0
    if a.name == b.name:
        bonus = _SAME_LABEL if a.labelled and b.labelled else _SAME_NUMBER
    if a.node is None and b.node is None:
        if a.form == b.form:
            return _SCOPE * (_EXACT + bonus)
        share = _share(a.operators, b.operators)
        if share < 0.5 and (a.name != b.name or share == 0):
            return 0.0
        same = _share(a.layer_forms, b.layer_forms)
        return _SCOPE * (_SAME_OPERATOR * share + _SAME_ARGUMENTS * same + bonus)
    if a.node is None or b.node is None:
        return 0.0
    if a.channels == b.channels:
        bonus += _SAME_CHANNELS
    if a.form == b.form:
        return _EXACT + bonus
    if a.op is None or b.op is None:
        return 0.0
    if type(a.op) is type(b.op):
        values = vars(b.op)
        equal = [values[name] == value for name, value in vars(a.op).items()]
        return _SAME_OPERATOR + _SAME_ARGUMENTS * equal.count(True) / len(equal) + bonus
    # Operators of one family stand in one file: activations, norms, pools.
    family = type(a.op).__module__ == type(b.op).__module__
    label = bonus >= _SAME_LABEL and a.op.holds_weights == b.op.holds_weights
    return _SAME_FAMILY + bonus if family or label else 0.0


def _share(a: dict[_Key, int], b: dict[_Key, int]) -> float:
    """Which share of two collections both have; 1 for equal ones."""
    shared = sum(min(count, b.get(key, 0)) for key, count in a.items())
    return 2 * shared / (sum(a.values()) + sum(b.values()))


def rising(candidates: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """The longest chain of pairs, sorted by the first, that rises in the second too."""
    # Longest increasing subsequence: `ends[k]` ends the best chain of k + 1 candidates.
    ends: list[int] = []
    last: list[int] = []
    previous: list[int] = []
    for number, (_, j) in enumerate(candidates):
        k = bisect_left(ends, j)
        previous.append(last[k - 1] if k else -1)
        ends[k : k + 1] = [j]
        last[k : k + 1] = [number]
    chain = []
    number = last[-1] if last else -1
    while number >= 0:
        chain.append(candidates[number])
        number = previous[number]
    return chain[::-1]
