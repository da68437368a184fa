"""Prove that a written program computes what was traced, with the same weights under its keys."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from hashlib import blake2b

from netdsl.graph import Graph
from netdsl.lift.traced import Operation, Path, Traced
from netdsl.network import load_file, load_network
from netdsl.ops.base import Op
from netdsl.render import render
from netdsl.source import Source
from netdsl.tensor import TensorType

Term = tuple[object, ...]


class LiftMistake(Exception):
    """What was written is not what was traced: a mistake of the lifter's own."""


def graph_of(text: str, name: str) -> Graph:
    """The network `name` of a written program. Raises LiftMistake where that has errors."""
    file, diagnostics = load_file(Source(f"{name}.net", text))
    if file is not None and not diagnostics:
        network, diagnostics = load_network(file, name, {})
        if network is not None and not diagnostics:
            return network.graph
    raise LiftMistake(f"the lifted program has errors:\n{render(diagnostics, color=False)}\n{text}")


def reserved_parts(paths: Iterable[Path], form: str) -> frozenset[str]:
    """The parts of some paths that can't stand where `form` has `{}` in a label, such as `{}.a`."""

    def is_label(part: str) -> bool:
        text = f"network a_net {{\n  input a_image[1, 1, 1]\n  {form.format(part)}: relu\n}}\n"
        file, _ = load_file(Source("label.net", text))
        return file is not None and load_network(file, "a_net", {})[0] is not None

    return frozenset(
        part for part in {part for path in paths for part in path} if not is_label(part)
    )


def require_equal(graph: Graph, traced: Traced) -> None:
    """Raise LiftMistake unless both make the same output from the same operators and keys."""
    theirs = _terms([(each.op, each.inputs, each.key) for each in traced.operations], traced.output)
    ours = _terms(
        [(node.op, node.inputs, node.path) for node in graph.nodes], graph.outputs[-1].node
    )
    if len(graph.outputs) != 1 or ours != theirs:
        missing = sorted(map(str, theirs - ours))[:5]
        added = sorted(map(str, ours - theirs))[:5]
        raise LiftMistake(f"the lifted program differs: it lacks {missing} and adds {added}")


def _terms(
    operations: Iterable[tuple[Op | None, tuple[int, ...], Path]], output: int
) -> frozenset[Term]:
    """Each operation that the output needs, as a term over the numbers of others.

    Numbers are given to equal terms alike and depend on nothing else, so two lists compute the
    same where their sets are equal. What does nothing is left out, sums and products are in no
    order, and a `concat` of a `concat` is one.
    """
    table: dict[Term, int] = {}
    joined: dict[int, tuple[int, ...]] = {}
    values: list[int] = []
    for op, inputs, key in operations:
        given = tuple(values[number] for number in inputs)
        if op is None:
            term: Term = ("input",)
        elif op.name == "identity" or (op.name in _NOISE and op.__dict__["rate"] == 0):
            values.append(given[0])
            continue
        elif op.name == "concat":
            given = tuple(part for each in given for part in joined.get(each, (each,)))
            term = ("concat", given)
        elif op.is_merge:
            term = (op.name, tuple(sorted(given)))
        else:
            term = (op.text(), given, ".".join(key) if op.holds_weights else "")
        number = table.setdefault(term, _number_of(term))
        if op is not None and op.name == "concat":
            joined[number] = given
        values.append(number)
    needed: set[int] = set()
    by_number = {number: term for term, number in table.items()}
    waiting = [values[output]]
    while waiting:
        number = waiting.pop()
        if number in needed:
            continue
        needed.add(number)
        term = by_number[number]
        if len(term) > 1:
            assert isinstance(term[1], tuple)
            waiting += term[1]
    return frozenset(by_number[number] for number in needed)


_NOISE = ("dropout", "stochastic_depth")


def _number_of(term: Term) -> int:
    """A number that depends on the term alone."""
    return int.from_bytes(blake2b(repr(term).encode(), digest_size=16).digest())


def keys_of(operations: tuple[Operation, ...]) -> dict[str, tuple[int, ...]]:
    """The key and shape of each array that the operations need, as a state_dict has it."""
    found: dict[str, tuple[int, ...]] = {}
    for op, path, types in _holders(operations):
        for weight in op.weights(*types):
            sizes = tuple(int(str(size)) for size in weight.shape)
            shape = tuple(1 if axis < 0 else sizes[axis] for axis in weight.layout)
            found[_key(path, weight.state_dict_name)] = shape
    return found


def counters_of(operations: tuple[Operation, ...]) -> set[str]:
    """The keys of what a state_dict may have beside, such as batch norm's count of steps."""
    return {
        _key(path, each.state_dict_name)
        for op, path, types in _holders(operations)
        for each in op.derived(*types)
    }


def _holders(operations: tuple[Operation, ...]) -> Iterator[tuple[Op, str, list[TensorType]]]:
    for operation in operations:
        if operation.op is not None and operation.op.holds_weights:
            types = [operations[number].type for number in operation.inputs]
            yield operation.op, ".".join(operation.key), types


def _key(path: str, name: str) -> str:
    return f"{path}.{name}" if name else path
