"""Make blocks of the modules that are alike, with parameters where they differ."""

from __future__ import annotations

import re
from typing import NamedTuple

from netdsl.kinds import Kind
from netdsl.lift.parameters import RESERVED, BlockParameter, Parameters
from netdsl.lift.regions import LIST, Region
from netdsl.lift.steps import (
    From,
    Hole,
    Join,
    Layer,
    Name,
    Residual,
    Step,
    Steps,
    holders,
    walk,
    with_bodies,
    words,
)
from netdsl.lift.structure import structure
from netdsl.lift.traced import Operation, Path
from netdsl.lift.unify import Mismatch, unify
from netdsl.ops import OPERATORS
from netdsl.parameters import REQUIRED


class LiftedBlock(NamedTuple):
    name: str
    parameters: tuple[BlockParameter, ...]
    body: Steps


class Lifted(NamedTuple):
    """A network in steps, with the blocks that it calls in an order in which each is known."""

    blocks: tuple[LiftedBlock, ...]
    body: Steps


def make_blocks(network: Region, operations: tuple[Operation, ...]) -> Lifted:
    """Blocks for all modules that occur more than once; the others go into what is around."""
    return _Blocks(operations).made(network)


class _Blocks:
    def __init__(self, operations: tuple[Operation, ...]) -> None:
        self.operations = operations
        self.blocks: list[LiftedBlock] = []
        self.calls: dict[int, Steps] = {}
        """The steps that stand for a region, by its identity."""

    def made(self, network: Region) -> Lifted:
        # Each class after those that it has inside; of one that has itself inside, the inner first.
        classes: dict[str, list[tuple[int, Region]]] = {}
        for region in _inside(network):
            classes.setdefault(region.kind, []).append((_height(region), region))
        groups: list[tuple[int, str, list[Region]]] = []
        for kind, found in classes.items():
            inside = {each.kind for _, region in found for each in _inside(region)}
            levels = (
                {height for height, _ in found} if kind in inside else {max(found, key=_first)[0]}
            )
            for level in levels:
                alike = [region for height, region in found if height == level or len(levels) == 1]
                groups.append((level, kind, alike))
        for _, kind, alike in sorted(groups, key=lambda group: group[:2]):
            self.group(kind, alike)
        body = self.steps(network)
        called = set(words(body))
        kept: list[LiftedBlock] = []
        for block in reversed(self.blocks):
            if block.name in called:
                kept.insert(0, block)
                called.update(words(block.body))
        return Lifted(tuple(kept), body)

    def steps(self, region: Region) -> Steps:
        return structure(region, self.operations, self.call)

    def call(self, region: Region) -> Steps:
        found = self.calls.get(id(region))
        if found is None:
            found = self.calls[id(region)] = self.steps(region)
        return found

    def group(self, kind: str, regions: list[Region]) -> None:
        groups: list[tuple[list[Region], list[Steps], Steps]] = []
        for region in regions:
            steps = numbered(under(self.steps(region), len(region.path)))
            for index, (members, bodies, _) in enumerate(groups):
                try:
                    template = unify([*bodies, steps])
                    _agrees(template)
                except Mismatch:
                    continue
                groups[index] = ([*members, region], [*bodies, steps], template)
                break
            else:
                groups.append(([region], [steps], unify([steps])))
        for members, _, template in groups:
            if len(members) > 1 and worth(template):
                self.block(kind, members, template)

    def block(self, kind: str, members: list[Region], template: Steps) -> None:
        entering = tuple(self.operations[region.source].type.channels for region in members)
        labels = {layer.key[0] for layer in holders(template)}
        parameters = Parameters(entering, labels, self.kind_of)
        body = parameters.filled(template)
        if parameters.sized > 1:
            # Several widths are told apart by the layers that have them.
            parameters = Parameters(entering, labels, self.kind_of, by_place=True)
            body = parameters.filled(template)
        if kind in ("", LIST):
            # Called as the modules are, where those agree: `layer` for layer1.0, layer2.3, …
            stems = {_stem(region.path) for region in members}
            kind = (stems.pop() if len(stems) == 1 else "") or kind
        block = LiftedBlock(self.name(kind, template, members), parameters.finished(), body)
        self.blocks.append(block)
        for index, region in enumerate(members):
            arguments = []
            for parameter in block.parameters:
                value = parameter.values[index]
                if value is None:
                    value = next(each for each in parameter.values if each is not None)
                    if parameter.default is not REQUIRED:
                        value = parameter.default
                arguments.append((parameter.name, value))
            self.calls[id(region)] = (Layer(block.name, tuple(arguments), region.path),)

    def kind_of(self, word: str, argument: str) -> Kind | None:
        if word in OPERATORS:
            return OPERATORS[word].parameters[argument].kind
        block = next(each for each in self.blocks if each.name == word)
        return next(each.kind for each in block.parameters if each.name == argument)

    def name(self, kind: str, template: Steps, members: list[Region]) -> str:
        """A name for a block: a label of the same name would hide it, unless that is its own."""
        name = snake(kind) or "unit"
        labels = {part for operation in self.operations for part in operation.key}
        if all(region.path[-1] == name for region in members):
            labels.discard(name)
        if name in labels or name in OPERATORS or name in RESERVED:
            name += "_block"
        taken = {each.name for each in self.blocks} | set(OPERATORS) | RESERVED | labels
        if name in taken:
            known = {
                word
                for each in self.blocks
                if each.name.startswith(name)
                for word in words(each.body)
            }
            for word in words(template):
                if (
                    word not in known
                    and not word.startswith("conv")
                    and f"{name}_{word}" not in taken
                ):
                    return f"{name}_{word}"
        number = 2
        unique = name
        while unique in taken:
            unique, number = f"{name}_{number}", number + 1
        return unique


def worth(steps: Steps) -> bool:
    """Whether a block says more than the one operator in it."""
    return len(steps) > 1 or not isinstance(steps[0], Layer)


def snake(name: str) -> str:
    name = re.sub(r"([A-Z]+)([A-Z][a-z])", r"\1_\2", re.sub(r"\W", "_", name))
    return re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", name).lower().strip("_")


def numbered(steps: Steps) -> Steps:
    """With named values counted from 0 in the order in which they are named."""
    numbers: dict[int, int] = {}

    def renumber(steps: Steps) -> Steps:
        made: list[Step] = []
        for step in steps:
            match step:
                case Name(value) | From(value):
                    step = step._replace(value=numbers.setdefault(value, len(numbers)))
                case Join(_, values):
                    counted = tuple(numbers.setdefault(each, len(numbers)) for each in values)
                    step = step._replace(values=counted)
            made.append(with_bodies(step, renumber))
        return tuple(made)

    return renumber(steps)


def under(steps: Steps, length: int) -> Steps:
    """The steps with the first `length` parts of each key left out."""
    return tuple(
        step._replace(key=step.key[length:])
        if isinstance(step, Layer)
        else with_bodies(step, lambda body: under(body, length))
        for step in steps
    )


def _inside(region: Region) -> list[Region]:
    found: list[Region] = []
    for item in region.items:
        if isinstance(item, Region):
            found += [*_inside(item), item]
    return found


def _stem(path: Path) -> str:
    """The last part of a path that is no number, without a number at its end."""
    named = [part for part in path if not part.isdecimal()]
    stem = re.sub(r"[_-]*\d*$", "", named[-1]) if named else ""
    # What is numbered inside `units` is a unit.
    return stem[:-1] if path[-1].isdecimal() and re.search("[^s]s$", stem) else stem


def _first(pair: tuple[int, Region]) -> int:
    return pair[0]


def _height(region: Region) -> int:
    inner = [_height(item) for item in region.items if isinstance(item, Region)]
    return 1 + max(inner, default=0)


def _agrees(template: Steps) -> None:
    """Refuse a template whose shortcuts no condition on shapes can tell apart."""
    for step in walk(template):
        if isinstance(step, Residual):
            assert isinstance(step.reshapes, Hole)
            known = [each for each in step.reshapes.values if isinstance(each, tuple)]
            mixed = len({projects for projects, _ in known}) > 1
            if mixed and any(projects != reshapes for projects, reshapes in known):
                raise Mismatch
