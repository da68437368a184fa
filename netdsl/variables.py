"""What of a network may be varied: its numeric parameters and the named sizes of its input."""

from __future__ import annotations

from collections.abc import Iterator
from math import gcd, isqrt
from typing import NamedTuple

from netdsl import syntax
from netdsl.bind import Given
from netdsl.budgets import Number
from netdsl.elaborate import resolve_network
from netdsl.figures import names_in
from netdsl.graph import Graph
from netdsl.program import ProgramFile
from netdsl.source import Span

_IMAGE_GRID = 32
"""Sizes of images are multiples of this where the present one is."""

_LARGEST_UNIT = 64
"""Layers have up to as many groups that a number of channels has to fit."""

_MOST_DIVIDED = 10_000
"""Up to where divisors are looked for."""


class Variable(NamedTuple):
    """What may be changed: a parameter, or sizes of the input that are alike and go together.

    Its values are `unit` / 10^`decimals` times whole numbers. `places` are the numbers in the
    program that give its value; none where it is not written as one. Sizes that go together in
    proportion are each a number of times the value: `factors` are those of `names`, and
    `place_factors` of `places`; empty where all are 1.
    """

    names: tuple[str, ...]
    value: Number
    unit: int
    decimals: int
    places: tuple[Span, ...]
    factors: tuple[int, ...] = ()
    place_factors: tuple[int, ...] = ()

    def at(self, position: int) -> Number:
        if not self.decimals:
            return position * self.unit
        return float(position * self.unit / 10**self.decimals)

    @property
    def start(self) -> int:
        return round(self.value * 10.0**self.decimals / self.unit)

    def values(self, value: Number) -> dict[str, Number]:
        """What each name is."""
        factors = self.factors or (1,) * len(self.names)
        return {name: value * each for name, each in zip(self.names, factors, strict=True)}

    def text(self, value: Number) -> str:
        if self.factors:
            return ", ".join(f"{name} = {each}" for name, each in self.values(value).items())
        return f"{' = '.join(self.names)} = {value}"

    def now(self) -> str:
        """The present value, in words."""
        return ", ".join(map(str, dict.fromkeys(self.values(self.value).values())))

    def edits(self, value: Number) -> tuple[tuple[Span, Number], ...]:
        """The numbers in the program, and what each becomes."""
        factors = self.place_factors or (1,) * len(self.places)
        return tuple((each, value * by) for each, by in zip(self.places, factors, strict=True))


def variables_of(
    file: ProgramFile, name: str, settings: dict[str, Given], graph: Graph
) -> Iterator[Variable]:
    """The network's parameters that are numbers, and the sizes of its input that have names."""
    network, variants = resolve_network(file, name)
    parameters = [parameter.name for parameter in network.parameters]
    inputs = [each for each in network.body.statements if isinstance(each, syntax.Input)]
    sides = inputs[0].sizes[:-1] if inputs else ()  # It may stand in the braces of a condition.
    named = [size.name if isinstance(size, syntax.Name) else "" for size in sides]
    for parameter in network.parameters:
        value = graph.arguments[parameter.name]
        if isinstance(value, bool) or not isinstance(value, (int, float)) or value <= 0:
            continue
        match parameter.default:
            case syntax.Constant(float()):
                value = float(value)  # A fraction that happens to be written as a whole number.
        written = parameter.default
        for variant in reversed(variants):
            written = _argument(variant, parameter.name, parameters) or written
        places = () if parameter.name in settings else _places(file, written)
        if parameter.name in named and isinstance(value, int):
            yield Variable((parameter.name,), value, _image_grid(value), 0, places)
        elif isinstance(value, int):
            yield Variable((parameter.name,), value, 1, 0, places)
        elif (grid := _grid(value)) is not None:
            yield Variable((parameter.name,), value, *grid, places)
    alike: dict[int, list[int]] = {}
    for axis, size in enumerate(named):
        value = graph.nodes[0].type.shape[axis]
        if size and size not in parameters and isinstance(value, int):
            alike.setdefault(value, []).append(axis)
    for value, axes in alike.items():
        names = tuple(dict.fromkeys(named[axis] for axis in axes))
        default = inputs[0].default
        places = (
            ()
            if default is None or any(each in settings for each in names)
            else tuple(place for axis in axes for place in _places(file, default[axis]))
        )
        yield Variable(names, value, _image_grid(value), 0, places)
    if inputs and len(alike) > 1:
        yield from _in_proportion(file, inputs[0], named, alike, settings)


def _in_proportion(
    file: ProgramFile,
    input: syntax.Input,
    named: list[str],
    alike: dict[int, list[int]],
    settings: dict[str, Given],
) -> Iterator[Variable]:
    """The sizes of the input that are not alike, all together, where a condition ties them."""
    sizes = {named[axis]: value for value, axes in alike.items() for axis in axes}
    if input.where is None or not sizes.keys() <= set(names_in(input.where)):
        return
    value = gcd(*sizes.values())
    factors = tuple(each // value for each in sizes.values())
    axes = [axis for axis, name in enumerate(named) if name in sizes]
    places: tuple[Span, ...] = ()
    if input.default is not None and not any(each in settings for each in sizes):
        places = tuple(place for axis in axes for place in _places(file, input.default[axis]))
    by_place = tuple(sizes[named[axis]] // value for axis in axes)
    if len(places) != len(by_place):  # One of them is no number in this file.
        places, by_place = (), ()
    # In steps of the usual grid, but not so that hardly one step is left.
    unit = _image_grid(value)
    while unit % 2 == 0 and value < 4 * unit:
        unit //= 2
    yield Variable(tuple(sizes), value, unit, 0, places, factors, by_place)


def _argument(
    variant: syntax.Variant, name: str, parameters: list[str]
) -> syntax.Expression | None:
    """What a variant gives for a parameter."""
    for position, argument in enumerate(variant.arguments):
        if argument.name == name or (
            argument.name is None and parameters[position : position + 1] == [name]
        ):
            return argument.value
    return None


def _places(file: ProgramFile, written: syntax.Expression | None) -> tuple[Span, ...]:
    if isinstance(written, syntax.Constant) and written.span.source is file.source:
        return (written.span,)
    return ()


def _image_grid(value: int) -> int:
    """The largest power of two, up to the usual one, that divides a size."""
    return gcd(value, _IMAGE_GRID)


def _grid(value: float) -> tuple[int, int] | None:
    """Twentieths, or the last digit of a fraction as it is written."""
    digits = repr(value)
    if "e" in digits or "n" in digits:
        return None  # So small, so large, or no number: nothing that is set by hand.
    if round(20 * value) == round(20 * value, 6):
        return 5, 2
    return 1, len(digits.partition(".")[2])


def working_values(variable: Variable, graph: Graph) -> list[int]:
    """Values of a parameter that layers may take where they take only some, with gaps between:
    those by which channels divide that the present one divides, and half and double it."""
    value = variable.value
    if not isinstance(value, int) or variable.decimals or len(variable.names) > 1:
        return []
    found = {value // 2, 2 * value, 4 * value, *_divisors(value)}
    if variable.names[0] in graph.arguments:
        divided = {node.type.channels for node in graph.nodes}
        for channels in divided:
            if isinstance(channels, int) and channels % value == 0:
                found |= _divisors(channels)
    return sorted(found - {0, value})


def _divisors(number: int) -> set[int]:
    small = {each for each in range(1, min(isqrt(number), _MOST_DIVIDED) + 1) if number % each == 0}
    return small | {number // each for each in small}


def coarser(variable: Variable) -> tuple[Variable, ...]:
    """A whole number in larger steps, the smallest first, for it may have to fit some layer's
    groups."""
    value = variable.value
    if not isinstance(value, int):
        return ()
    return tuple(
        variable._replace(unit=unit)
        for unit in range(variable.unit + 1, _LARGEST_UNIT + 1)
        if value % unit == 0
    )
