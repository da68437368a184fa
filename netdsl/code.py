"""Fragments of Python that operators emit: data with no behaviour, printed by `netdsl.emit`.

Keeping them as data, not text, lets the emitter compare two instances of a block, turn the
constants in which they differ into constructor parameters, and break long lines. Any plain Python
constant (int, float, bool, None, str, and tuples and lists of them) may stand where a fragment may.
"""

from __future__ import annotations

from typing import TypeAlias

from netdsl.records import Record

Constant: TypeAlias = "int | float | bool | str | tuple[Constant, ...] | list[Constant] | None"


class Name(Record):
    """A dotted name written as it is: `nnx.relu`. Never taken from a program."""

    name: str


class Call(Record):
    """`function(*arguments, key=value, …)`."""

    function: Fragment
    arguments: tuple[Fragment, ...] = ()
    keywords: tuple[tuple[str, Fragment], ...] = ()


class Usual(Record):
    """A keyword's value that is left out where it is the `usual` one: the callee's default.

    Written so, and not left out by the operator, two layers can be laid side by side.
    """

    value: Constant
    usual: Constant


class Method(Record):
    """`value.name(*arguments)`."""

    value: Fragment
    name: str
    arguments: tuple[Fragment, ...] = ()


class Operation(Record):
    """`a + b + …`: one infix operator between all operands."""

    operator: str
    operands: tuple[Fragment, ...]


class Slice(Record):
    """`value[:, 1:3, …]`: a (start, stop) for each axis, from the batch axis on; a pair of None is
    the whole axis. Where only channels are cut it is written `value[..., 1:3]`."""

    value: Fragment
    ranges: tuple[tuple[Fragment, Fragment], ...]


class Take(Record):
    """`value[..., indices]`: chosen channels."""

    value: Fragment
    indices: Fragment


class Listing(Record):
    """`[a, b]`, such as the operands of a concatenation."""

    items: tuple[Fragment, ...]


class Input(Record):
    """The layer's input of that number."""

    number: int = 0


class Module(Record):
    """The layer's own module: `self.conv1`."""


class Train(Record):
    """Whether this call trains: the `train` argument."""


class NotTrain(Record):
    """`not train`."""


class Rngs(Record):
    """The random streams: the constructor's for weights, the call's for noise."""


Fragment: TypeAlias = (
    "Constant | Name | Call | Method | Operation | Slice | Take | Listing | Input | Module"
    " | Train | NotTrain | Rngs"
)


class Emission(Record):
    """The Flax form of one layer.

    `module` constructs what holds its weights (None for a pure function); `apply` computes its
    output from `Input`s, with `Module()` for what was constructed. `runtime` names the functions
    of `netdsl.runtime` that either uses; their source is copied into the emitted file.
    """

    apply: Fragment
    module: Call | None = None
    runtime: tuple[str, ...] = ()


def call(function: str, *arguments: Fragment, **keywords: Fragment) -> Call:
    return Call(Name(function), arguments, tuple(keywords.items()))
