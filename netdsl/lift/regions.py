"""Find a model's modules in its operations: which of them are one step of what is around them."""

from __future__ import annotations

from netdsl.lift.traced import Operation, Path, Traced

LIST = "Sequential"
"""The class of modules that only put others one after the other."""

NORMS = ("bn", "layernorm", "groupnorm", "scale")
"""Operators that weigh channels apart."""


class Region:
    """What one module computes: from one value to one value.

    `items` are its operations, by number, and the regions inside, in topological order.
    """

    def __init__(self, path: Path, kind: str, items: list[Item], source: int, output: int) -> None:
        self.path = path
        self.kind = kind
        self.items = items
        self.source = source
        self.output = output


Item = int | Region


def output_of(item: Item) -> int:
    return item if isinstance(item, int) else item.output


def find_regions(traced: Traced, words: frozenset[str]) -> Region:
    """The network's region, with those of its modules inside.

    A module with several inputs or outputs, that is used twice, or that is called as one of the
    `words`, which are no labels, is no region: its operations are those of what is around it.
    """
    return _Finder(traced, words).network()


class _Finder:
    def __init__(self, traced: Traced, words: frozenset[str]) -> None:
        self.traced = traced
        self.words = words
        self.operations = traced.operations
        self.users: dict[int, list[int]] = {}
        for number, operation in enumerate(self.operations):
            for source in operation.inputs:
                self.users.setdefault(source, []).append(number)
        self.users.setdefault(traced.output, []).append(len(self.operations))
        self.own: dict[Path, list[int]] = {}
        self.children: dict[Path, set[Path]] = {}
        for number, operation in enumerate(self.operations[1:], 1):
            scope = operation.scope
            self.own.setdefault(scope, []).append(number)
            while scope:
                self.children.setdefault(scope[:-1], set()).add(scope)
                scope = scope[:-1]

    def network(self) -> Region:
        items = sorted(self.items(()), key=output_of)
        return Region((), "", items, 0, self.traced.output)

    def items(self, path: Path) -> list[Item]:
        items: list[Item] = list(self.own.get(path, ()))
        for child in sorted(self.children.get(path, ())):
            items += self.module(child)
        return items

    def module(self, path: Path) -> list[Item]:
        """A module as one region, with what had to be taken out of it; or all that it has."""
        items = sorted(self.items(path), key=output_of)
        kind = self.traced.classes.get(path)
        if kind is None and self.is_unit(items):
            kind = LIST
        if kind is None or path[-1] in self.words or not any(self.holds(item) for item in items):
            return items
        region = self.closed(path, kind, items)
        if region is not None:
            return [region]
        before, rest = self.without_joins(items)
        region = self.closed(path, kind, rest) if before else None
        return items if region is None else [*before, region]

    def is_unit(self, items: list[Item]) -> bool:
        """Whether a list of operators alone is worth a block: one of several layers."""
        layers = 0
        for item in items:
            if not isinstance(item, int):
                return False
            operation = self.operations[item]
            assert operation.op is not None
            layers += bool(operation.key) and operation.op.name not in NORMS
        return layers > 1

    def holds(self, item: Item) -> bool:
        return isinstance(item, Region) or bool(self.operations[item].key)

    def inputs(self, item: Item) -> tuple[int, ...]:
        return self.operations[item].inputs if isinstance(item, int) else (item.source,)

    def closed(self, path: Path, kind: str, items: list[Item]) -> Region | None:
        numbers = {number for item in items for number in numbers_of(item)}
        sources = {each for item in items for each in self.inputs(item)} - numbers
        outputs = {
            number
            for number in numbers
            if any(user not in numbers for user in self.users.get(number, ()))
        }
        if len(sources) != 1 or len(outputs) != 1:
            return None
        return Region(path, kind, items, sources.pop(), outputs.pop())

    def without_joins(self, items: list[Item]) -> tuple[list[Item], list[Item]]:
        """Merges of values from outside, which stand better before a module; and the rest."""
        inside = {output_of(item) for item in items}
        before: list[Item] = []
        for item in items:
            if (
                isinstance(item, int)
                and _is_merge(self.operations[item])
                and not inside.intersection(self.operations[item].inputs)
            ):
                before.append(item)
                inside.remove(item)
        return before, [item for item in items if item not in before]


def numbers_of(item: Item) -> list[int]:
    """All operations of an item."""
    if isinstance(item, int):
        return [item]
    return [number for each in item.items for number in numbers_of(each)]


def _is_merge(operation: Operation) -> bool:
    return operation.op is not None and operation.op.is_merge


def nested_concats(operations: tuple[Operation, ...]) -> tuple[Operation, ...]:
    """With each `concat` of what an earlier one joined, and more, made one of that one's value.

    So DenseNet's layers, which each join all values before them, are a chain.
    """
    joined: dict[tuple[int, ...], int] = {}
    made: list[Operation] = []
    for number, operation in enumerate(operations):
        if operation.op is not None and operation.op.name == "concat":
            inputs = operation.inputs
            joined.setdefault(inputs, number)
            for length in range(len(inputs) - 1, 1, -1):
                if inputs[:length] in joined:
                    rest = inputs[length:]
                    operation = operation._replace(inputs=(joined[inputs[:length]], *rest))
                    break
        made.append(operation)
    return tuple(made)
