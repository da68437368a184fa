"""What a front end makes of a foreign model: operations in netdsl's terms, or why it can't."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from netdsl.exits import PROGRAM_HAS_ERRORS, Failure
from netdsl.ops import OPERATORS
from netdsl.ops.base import Op, OpError
from netdsl.tensor import TensorType

if TYPE_CHECKING:
    import numpy as np

Path = tuple[str, ...]


class Operation(NamedTuple):
    """One operator applied to earlier values, which it refers to by their numbers.

    `op` is None for the network's input and for what is unsupported. `key` is where a layer's
    weights lie in the source's checkpoint, () for one without; `scope` the module that it was
    written in. `place` is how the source calls it, for messages.
    """

    op: Op | None
    inputs: tuple[int, ...]
    type: TensorType
    key: Path
    scope: Path
    place: str


class Traced(NamedTuple):
    """A foreign model, one operation for each value, in topological order; the first is its input.

    `classes` names the class of each module that computes, containers left out; an empty one says
    that the source knows none. `tensors` are the arrays by key, in the layout of a state_dict.
    """

    source: str
    framework: str
    operations: tuple[Operation, ...]
    output: int
    classes: dict[Path, str]
    tensors: dict[str, np.ndarray]


class Unsupported(Failure):
    """A model has operations that netdsl does not know; the message lists all, with their places.

    `operations` are pairs of the place and what is wrong there.
    """

    exit_code = PROGRAM_HAS_ERRORS

    def __init__(self, source: str, operations: tuple[tuple[str, str], ...]) -> None:
        count = "1 operation" if len(operations) == 1 else f"{len(operations)} operations"
        lines = "".join(f"\n  {place}: {reason}" for place, reason in operations)
        super().__init__(f"netdsl can't say {count} of {source}:{lines}")
        self.operations = operations


class Recorder:
    """Collects operations, and notes what can't be said instead of stopping at it."""

    def __init__(self) -> None:
        self.operations: list[Operation] = []
        self.faults: list[tuple[str, str]] = []
        self.tainted: set[int] = set()
        """Values made from what is unsupported: that they don't fit is no further fault."""

    def input(self, type: TensorType) -> int:
        return self._append(Operation(None, (), type, (), (), "input"))

    def add(
        self, op: Op, inputs: tuple[int, ...], *, key: Path = (), scope: Path = (), place: str = ""
    ) -> int:
        """The number of the value that `op` makes; where its inputs don't fit, an opaque one."""
        types = tuple(self.operations[number].type for number in inputs)
        tainted = not self.tainted.isdisjoint(inputs)
        try:
            type = op.infer(*types)
        except OpError as error:
            if not tainted:
                self.fault(place, error.message)
            return self.opaque(types[0])
        number = self._append(Operation(op, inputs, type, key, key[:-1] if key else scope, place))
        if tainted:
            self.tainted.add(number)
        return number

    def opaque(self, type: TensorType) -> int:
        """The number of a value that is unsupported; its type is the best guess."""
        number = self._append(Operation(None, (), type, (), (), ""))
        self.tainted.add(number)
        return number

    def fault(self, place: str, reason: str) -> None:
        if (place, reason) not in self.faults:
            self.faults.append((place, reason))

    def _append(self, operation: Operation) -> int:
        self.operations.append(operation)
        return len(self.operations) - 1

    def finished(
        self,
        source: str,
        framework: str,
        output: int,
        classes: dict[Path, str],
        tensors: dict[str, np.ndarray],
    ) -> Traced:
        """The operations that the output needs. Raises Unsupported where there were faults."""
        if self.faults:
            raise Unsupported(source, tuple(self.faults))
        operations, output = _pools_to_vectors(*_needed(self.operations, output))
        return Traced(source, framework, operations, output, classes, tensors)


def _needed(operations: list[Operation], output: int) -> tuple[list[Operation], int]:
    """Without what the output does not need; the input stays."""
    wanted = {0, output}
    for number in range(len(operations) - 1, -1, -1):
        if number in wanted:
            wanted.update(operations[number].inputs)
    kept = sorted(wanted)
    numbers = {old: new for new, old in enumerate(kept)}
    return [
        operations[old]._replace(inputs=tuple(numbers[each] for each in operations[old].inputs))
        for old in kept
    ], numbers[output]


def _pools_to_vectors(
    operations: list[Operation], output: int
) -> tuple[tuple[Operation, ...], int]:
    """A global pool that keeps an image of 1×1, only to be flattened, gives the vector itself."""
    uses = [0] * len(operations)
    for operation in operations:
        for number in operation.inputs:
            uses[number] += 1
    uses[output] += 1
    made = list(operations)
    for number, operation in enumerate(operations):
        if operation.op is None or operation.op.name != "flatten":
            continue
        # Dropout may stand in between: it works on either.
        chain = [number]
        source = operation.inputs[0]
        while uses[source] == 1 and _is(made[source], "dropout"):
            chain.append(source)
            source = made[source].inputs[0]
        pool = made[source]
        if uses[source] == 1 and _is(pool, "globalavgpool", "globalmaxpool"):
            assert pool.op is not None
            vector = TensorType((pool.type.channels,))
            made[source] = pool._replace(op=OPERATORS[pool.op.name](), type=vector)
            for each in chain:
                made[each] = made[each]._replace(type=vector)
            made[number] = made[number]._replace(op=OPERATORS["identity"]())
    return _without_identities(made, output)


def _is(operation: Operation, *names: str) -> bool:
    return operation.op is not None and operation.op.name in names


def _without_identities(
    operations: list[Operation], output: int
) -> tuple[tuple[Operation, ...], int]:
    numbers: list[int] = []
    kept: list[Operation] = []
    for operation in operations:
        if _is(operation, "identity"):
            numbers.append(numbers[operation.inputs[0]])
            continue
        numbers.append(len(kept))
        kept.append(operation._replace(inputs=tuple(numbers[each] for each in operation.inputs)))
    return tuple(kept), numbers[output]
