"""What a lifted body is made of, before it is written: steps that one value flows through."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple, TypeAlias

from netdsl.lift.traced import Path


class Text(str):
    """An expression of the language, standing for an argument."""


class Hole(NamedTuple):
    """An argument that differs between the instances of a block: its value in each, in order.

    None: the instance does not have the step.
    """

    values: tuple[object, ...]


class Layer(NamedTuple):
    """An operator or block of one input.

    `key` is the path of its weights, () where it holds none: the whole one while a network is
    taken apart, then that from the body in which it stands. `arguments` has all of a block, and
    of an operator those that are not at their default.
    """

    word: str
    arguments: tuple[tuple[str, object], ...] = ()
    key: Path = ()

    @property
    def holds(self) -> bool:
        return bool(self.key)


ACTIVATION = "activation"
"""The word of a `Layer` that is another activation in each instance, or none; its argument of this
name is a hole with their words."""


class Residual(NamedTuple):
    """A body added to its input, or to a projection of it.

    `reshapes`: whether the input's shape differs from the output's. `adds`: whether it is a
    residual at all, for instances that have only the body. The two conditions are set when a
    block's parameters are known.
    """

    body: Steps
    shortcut: Steps | None
    reshapes: object
    adds: object = True
    condition: str = ""
    shortcut_condition: str = ""


class Merge(NamedTuple):
    """Branches of one value, joined by an operator."""

    word: str
    branches: tuple[Steps, ...]


class Name(NamedTuple):
    """Gives the flowing value a label, by which `From` and `Join` find it again."""

    value: int


class From(NamedTuple):
    """Goes on from a named value."""

    value: int


class Join(NamedTuple):
    """Joins the flowing value with named ones."""

    word: str
    values: tuple[int, ...]


class Loop(NamedTuple):
    """A body that is passed several times. `head` is what stands before its braces.

    With a `label`, its one layer takes the number of the pass as its path.
    """

    head: str
    body: Steps
    label: Path = ()


Step: TypeAlias = "Layer | Residual | Merge | Name | From | Join | Loop"
Steps: TypeAlias = "tuple[Step, ...]"


def bodies(step: Step) -> tuple[Steps, ...]:
    """The steps inside a step, in the order of the text."""
    match step:
        case Residual(body, shortcut):
            return body, shortcut or ()
        case Merge(_, branches):
            return branches
        case Loop(_, body):
            return (body,)
    return ()


def with_bodies(step: Step, change: Callable[[Steps], Steps]) -> Step:
    """A step with each of its bodies changed."""
    match step:
        case Residual(body, shortcut):
            changed = change(body)  # Before the shortcut, as the text has them.
            projected = None if shortcut is None else change(shortcut)
            return step._replace(body=changed, shortcut=projected)
        case Merge(_, branches):
            return step._replace(branches=tuple(change(each) for each in branches))
        case Loop(_, body):
            return step._replace(body=change(body))
    return step


def walk(steps: Steps) -> Iterator[Step]:
    """All steps, those inside others too, in the order of the text."""
    for step in steps:
        yield step
        for body in bodies(step):
            yield from walk(body)


def layers(steps: Steps) -> list[Layer]:
    """All operators of one input and blocks."""
    return [step for step in walk(steps) if isinstance(step, Layer)]


def holders(steps: Steps) -> list[Layer]:
    """The layers and blocks that hold weights."""
    return [layer for layer in layers(steps) if layer.holds]


def words(steps: Steps) -> list[str]:
    """What operators and blocks are called."""
    return [step.word for step in walk(steps) if isinstance(step, (Layer, Merge, Join))]
