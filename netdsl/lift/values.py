"""What the front ends share: values whose elements may have been moved, and operators on them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from netdsl.lift.moves import recognise
from netdsl.lift.traced import Path, Recorder
from netdsl.ops import OPERATORS
from netdsl.ops.base import Op


class Unsayable(Exception):
    """netdsl has no operator for this; the message says why."""


class UnknownOperation(Unsayable):
    """The very kind of operation is unknown, whatever enters it."""


class Value:
    """A recorded value, whose elements may have been moved since.

    `positions` tells, for each element, where it lies in the recorded value, channels first; None
    where nothing has moved. `place` and `scope` are whose movement it was.
    """

    def __init__(
        self, number: int, positions: np.ndarray | None = None, place: str = "", scope: Path = ()
    ) -> None:
        self.number: int = number
        self.positions = positions
        self.place = place
        self.scope = scope


ELEMENTWISE = frozenset(
    [
        "relu",
        "relu6",
        "leaky_relu",
        "elu",
        "gelu",
        "silu",
        "hard_swish",
        "hard_sigmoid",
        "sigmoid",
        "tanh",
        "dropout",
        "stochastic_depth",
        "identity",
    ]
)
"""Operators that don't ask where an element stands."""

_LAST = ("dense", "layernorm")
"""Operators that PyTorch and ONNX apply to the last axis."""


class FrontEnd:
    """Base of the front ends: `images` are in the batch that they trace with."""

    place = ""
    scope: Path = ()

    def __init__(self, images: int) -> None:
        self.images = images
        self.recorder = Recorder()
        self.held: dict[Path, str] = {}

    def add(self, op: Op, inputs: tuple[int, ...], key: Path = ()) -> int:
        return self.recorder.add(op, inputs, key=key, scope=self.scope, place=self.place)

    def apply(self, op: Op, x: Any, key: Path = ()) -> Value:
        """An operator of one input applied to a value, channels first or last."""
        if not isinstance(x, Value):
            raise Unsayable("it is applied to a constant")
        if key:
            if key in self.held:
                raise UnknownOperation(f"it shares its weights with {self.held[key]}")
            self.held[key] = self.place
        x = self.settled(x)
        is_image = self.recorder.operations[x.number].type.is_image
        if x.positions is None:
            if op.name in _LAST and is_image:
                raise Unsayable("it works on the last axis of an image that is channels first")
            return Value(self.add(op, (x.number,), key))
        if op.name in ELEMENTWISE:
            return Value(self.add(op, (x.number,), key), x.positions, x.place, x.scope)
        if op.name in _LAST and self.is_channels_last(x):
            if op.name == "dense":
                op = OPERATORS["dense"](**(op.__dict__ | {"axis": "channels"}))
            return self.channels_last(self.add(op, (x.number,), key), x)
        raise self.view(x)

    def plain(self, x: Any) -> int:
        """The number of a value as netdsl has it: an image or a vector, nothing moved."""
        if not isinstance(x, Value):
            raise Unsayable("it takes a constant")
        settled = self.settled(x)
        if settled.positions is not None:
            raise self.view(settled)
        return settled.number

    def view(self, x: Value) -> Unsayable:
        assert x.positions is not None
        shape = "x".join(map(str, x.positions.shape))
        return Unsayable(f"it works on a view of {shape} that {x.place} makes")

    def first(self, number: int) -> np.ndarray:
        """The positions of a recorded value's elements: (N, C, H, W), or (N, C) of a vector."""
        shape = [int(str(size)) for size in self.recorder.operations[number].type.shape]
        sizes = (self.images, shape[-1], *shape[:-1])
        return np.arange(np.prod(sizes)).reshape(sizes)

    def is_channels_last(self, x: Value) -> bool:
        first = self.first(x.number)
        return (
            x.positions is not None
            and first.ndim == 4
            and np.array_equal(x.positions, first.transpose(0, 2, 3, 1))
        )

    def channels_last(self, number: int, like: Value) -> Value:
        return Value(number, self.first(number).transpose(0, 2, 3, 1), like.place, like.scope)

    def settled(self, x: Value) -> Value:
        """The value with its movement recorded as an operator, where there is one for it."""
        if x.positions is None:
            return x
        ops = recognise(self.first(x.number), x.positions)
        if ops is not None:
            for op in ops:
                x.number = self.recorder.add(op, (x.number,), scope=x.scope, place=x.place)
            x.positions = None
        return x

    def moved(self, x: Any, move: Callable[[np.ndarray], Any]) -> Any:
        """What `move` makes of a value, or a tuple of them, if it only moves elements."""
        if not isinstance(x, Value):
            raise Unsayable("it is applied to a constant")
        x = self.settled(x)
        first = self.first(x.number)
        result = move(first if x.positions is None else x.positions)
        if not isinstance(result, np.ndarray):
            return tuple(Value(x.number, each, self.place, self.scope) for each in result)
        if np.array_equal(result, first):
            return Value(x.number)
        return Value(x.number, result, self.place, self.scope)

    def merged(self, name: str, values: tuple[Any, ...]) -> Value:
        """Values joined by `add`, `mul`, `max` or `concat`."""
        if name != "concat" and all(isinstance(each, Value) for each in values):
            settled = [self.settled(each) for each in values]
            if all(map(self.is_channels_last, settled)):
                number = self.add(OPERATORS[name](), tuple(each.number for each in settled))
                return self.channels_last(number, settled[0])
        numbers = tuple(map(self.plain, values))
        if len(numbers) == 1:
            return Value(numbers[0])
        return Value(self.add(OPERATORS[name](), numbers))

    def tainted(self, *values: Any) -> bool:
        """Whether one of some values comes from something that was unsupported."""
        return any(
            self.tainted(*each)
            if isinstance(each, (tuple, list))
            else isinstance(each, Value) and each.number in self.recorder.tainted
            for each in values
        )
