"""From a region's dataflow to steps: chains, residuals and branches, and labels for the rest."""

from __future__ import annotations

from collections.abc import Callable

from netdsl.lift.regions import NORMS, Item, Region, numbers_of, output_of
from netdsl.lift.steps import From, Join, Layer, Merge, Name, Residual, Step, Steps
from netdsl.lift.traced import Operation
from netdsl.ops.base import Op

LONG_BRANCH = 3
"""Layers from which on a branch beside an identity is written with a label instead."""


def arguments_of(op: Op) -> tuple[tuple[str, object], ...]:
    """An operator's arguments that are required or not at their default."""
    return tuple(
        (name, op.__dict__[name])
        for name, parameter in type(op).parameters.items()
        if parameter.required or op.__dict__[name] != parameter.default
    )


def structure(
    region: Region, operations: tuple[Operation, ...], inner: Callable[[Region], Steps]
) -> Steps:
    """The steps of a region; `inner` gives those that stand for a region inside."""
    return _Body(region, operations, inner).between(region.source, region.output)


class _Body:
    def __init__(
        self,
        region: Region,
        operations: tuple[Operation, ...],
        inner: Callable[[Region], Steps],
    ) -> None:
        self.operations = operations
        self.inner = inner
        self.items: dict[int, Item] = {}
        # Each value's dominator: the last value that all ways to it pass.
        self.dominator: dict[int, int] = {region.source: -1}
        self.depth: dict[int, int] = {region.source: 0}
        for item in region.items:
            output = output_of(item)
            self.items[output] = item
            common, *rest = self.inputs(output)
            for other in rest:
                common = self.common(common, other)
            self.dominator[output] = common
            self.depth[output] = self.depth[common] + 1

    def inputs(self, value: int) -> tuple[int, ...]:
        item = self.items[value]
        return self.operations[item].inputs if isinstance(item, int) else (item.source,)

    def common(self, a: int, b: int) -> int:
        while a != b:
            if self.depth[a] >= self.depth[b]:
                a = self.dominator[a]
            else:
                b = self.dominator[b]
        return a

    def between(self, source: int, target: int) -> Steps:
        """The steps from one value to another that it dominates."""
        made: list[Steps] = []
        value = target
        while value != source:
            inputs = self.inputs(value)
            start = self.dominator[value]
            made.append(self.step(value) if len(inputs) == 1 else self.merge(start, value))
            value = start
        return tuple(step for steps in reversed(made) for step in steps)

    def step(self, value: int) -> Steps:
        item = self.items[value]
        if not isinstance(item, int):
            return self.inner(item)
        operation = self.operations[item]
        assert operation.op is not None
        return (Layer(operation.op.name, arguments_of(operation.op), operation.key),)

    def merge(self, start: int, value: int) -> Steps:
        """The steps from a fork to the value that joins all of its ways."""
        item = self.items[value]
        assert isinstance(item, int)
        op = self.operations[item].op
        assert op is not None
        inputs = self.operations[item].inputs
        ways = [self.ways(start, each) for each in inputs]
        if sum(map(len, ways)) != len(set().union(*ways)) or inputs.count(start) > 1:
            return self.listed(start, value)
        branches = [self.between(start, each) for each in inputs]
        if op.name in ("add", "mul", "max"):
            branches.sort(key=bool)
        if op.name == "add" and len(branches) == 2:
            sizes = (0, 0)
            if branches[0]:
                sizes = (self.size(ways[0]), self.size(ways[1]))
            residual = self.residual(start, value, branches, sizes)
            if residual is not None:
                return (residual,)
        if op.name == "concat" and len(branches) == 2 and () in branches:
            longer = branches[0] or branches[1]
            if self.size(set().union(*ways)) >= LONG_BRANCH:
                if not branches[1]:
                    return (Name(start), *longer, Join(op.name, (start,)))
                return (
                    Name(start),
                    *longer,
                    Name(inputs[1]),
                    From(start),
                    Join(op.name, (inputs[1],)),
                )
        identity: Steps = (Layer("identity"),)
        return (Merge(op.name, tuple(each or identity for each in branches)),)

    def ways(self, start: int, value: int) -> set[int]:
        """All values after `start` that `value` is made from, itself included."""
        found: set[int] = set()
        waiting = [value]
        while waiting:
            each = waiting.pop()
            if each != start and each not in found:
                found.add(each)
                waiting += self.inputs(each)
        return found

    def residual(
        self, start: int, value: int, branches: list[Steps], sizes: tuple[int, int]
    ) -> Residual | None:
        """A sum as a residual: of the identity, or of a branch of one layer beside a longer one."""
        first, second = branches
        reshapes = self.operations[start].type.shape != self.operations[value].type.shape
        if not first:
            return Residual(second, None, reshapes)
        if min(sizes) <= 1 < max(sizes):
            body, shortcut = (first, second) if sizes[0] > sizes[1] else (second, first)
            return Residual(body, shortcut, reshapes)
        return None

    def size(self, values: set[int]) -> int:
        """The layers behind some values that weigh more than channels apart."""
        count = 0
        for value in values:
            item = self.items[value]
            numbers = [item] if isinstance(item, int) else numbers_of(item)
            count += sum(
                bool(self.operations[number].key) and self.operations[number].op.name not in NORMS  # type: ignore[union-attr]  # What has a key has an operator.
                for number in numbers
            )
        return count

    def listed(self, start: int, value: int) -> Steps:
        """The steps one after the other, each from a label where it does not follow."""
        made: list[tuple[int, Steps]] = []
        named: set[int] = set()
        current = start
        for each in sorted(self.ways(start, value)):
            inputs = list(self.inputs(each))
            steps: list[Step] = []
            item = self.items[each]
            name = self.operations[item].op.name if isinstance(item, int) else ""  # type: ignore[union-attr]  # Only the input has none.
            if len(inputs) > 1 and name != "concat" and current in inputs:
                inputs.remove(current)
                inputs.insert(0, current)
            if inputs[0] != current:
                steps.append(From(inputs[0]))
                named.add(inputs[0])
            if len(inputs) > 1:
                steps.append(Join(name, tuple(inputs[1:])))
                named.update(inputs[1:])
            else:
                steps += self.step(each)
            made.append((each, tuple(steps)))
            current = each
        all_steps: list[Step] = [Name(start)] if start in named else []
        for each, these in made:
            all_steps += these
            if each in named:
                all_steps.append(Name(each))
        return tuple(all_steps)
