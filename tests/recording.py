"""Stand-ins for jax and flax that record what is computed instead of computing it.

An emitted file that runs on them, and a graph that is interpreted on them node by node, give equal
values exactly where they compute the same from the same layers: in milliseconds, whatever the
sizes.
"""

from __future__ import annotations

import ast
from collections.abc import Callable

from netdsl import code
from netdsl.emit import class_name
from netdsl.graph import Graph


class Recorder:
    """Numbers each thing that is computed: equal computations have equal numbers."""

    def __init__(self) -> None:
        self.numbers: dict[object, int] = {}
        self.usual: dict[tuple[str, str], object] = {}
        """Defaults of functions, by function and keyword: giving one is like leaving it out."""

    def value(self, *key: object) -> Value:
        return Value(self, self.numbers.setdefault(key, len(self.numbers)))

    def arguments(self, function: str, positional: tuple, keywords: dict) -> object:
        kept = sorted(
            (name, plain(each))
            for name, each in keywords.items()
            if plain(self.usual.get((function, name), ...)) != plain(each)
        )
        return function, plain(positional), tuple(kept)

    def function(self, name: str) -> Callable[..., Value]:
        return lambda *given, **named: self.value(self.arguments(name, given, named))

    def layer(self, name: str) -> Callable[..., Layer]:
        return lambda *given, **named: Layer(self, self.arguments(name, given, named))

    def names(self, runtime: set[str]) -> dict[str, object]:
        """What emitted code finds under its names."""
        found: dict[str, object] = {name: self.function(name) for name in runtime}
        found |= {name: self.layer(name) for name in map(runtime_class, runtime)}
        found["nnx"] = Flax(self)
        return found | {name: Library(self, name) for name in ("jnp", "jax", "lax")}


class Value:
    """A recorded value. It has no truth: nothing may branch on it."""

    __bool__ = None

    def __init__(self, recorder: Recorder, number: int) -> None:
        self.recorder = recorder
        self.number = number

    def __add__(self, other: object) -> Value:
        return self.recorder.value("+", plain(self), plain(other))

    def __mul__(self, other: object) -> Value:
        return self.recorder.value("*", plain(self), plain(other))

    def __getitem__(self, index: object) -> Value:
        return self.recorder.value("[]", plain(self), plain(index))

    def reshape(self, *shape: object) -> Value:
        return self.recorder.value("reshape", plain(self), plain(shape))


class Layer:
    """What holds weights; `path` is where it was found in the network."""

    path: tuple[str, ...] | None = None

    def __init__(self, recorder: Recorder, made: object) -> None:
        self.recorder = recorder
        self.made = made

    def __call__(self, *given: object, **named: object) -> Value:
        return self.recorder.value(self.path, self.recorder.arguments("", given, named))


class Module:
    def __getitem__(self, key: str) -> object:
        return getattr(self, key)


class Dict(Module):
    def __init__(self, held: dict[str, object] | None = None, **more: object) -> None:
        vars(self).update(held or {}, **more)

    def __setitem__(self, key: str, value: object) -> None:
        setattr(self, key, value)


class Library:
    def __init__(self, recorder: Recorder, name: str) -> None:
        self.recorder = recorder
        self.name = name

    def __getattr__(self, name: str) -> object:
        return self.recorder.function(f"{self.name}.{name}")


class Flax:
    Module = Module
    Dict = Dict
    List = list
    Rngs = type("Rngs", (), {})

    def __init__(self, recorder: Recorder) -> None:
        self.recorder = recorder
        self.initializers = Library(recorder, "nnx.initializers")

    def __getattr__(self, name: str) -> object:
        make = self.recorder.layer if name[0].isupper() else self.recorder.function
        return make(f"nnx.{name}")


def runtime_class(name: str) -> str:
    """What the class of a runtime source is called, if it holds one."""
    return name.title().replace("_", "")


def plain(value: object) -> object:
    """A value as a key; 1, 1.0 and True are three keys."""
    match value:
        case Value():
            return "value", value.number
        case Layer():
            return "layer", value.made
        case tuple() | list():
            return type(value).__name__, *(plain(each) for each in value)
        case slice():
            return "slice", plain(value.start), plain(value.stop)
        case None | bool() | int() | float() | str():
            return type(value).__name__, value
        case _:
            return type(value).__name__


def emitted_result(
    recorder: Recorder, python: str, graph: Graph, runtime: set[str], *, train: bool
) -> tuple[object, dict[tuple[str, ...], object]]:
    """What an emitted file returns, and how the layers at each path were made."""
    tree = ast.parse(python)
    copied = set(map(runtime_class, runtime))
    tree.body = [
        node for node in tree.body if isinstance(node, ast.ClassDef) and node.name not in copied
    ]
    # The annotations name types that the stand-ins don't have.
    tree.body.insert(0, ast.parse("from __future__ import annotations").body[0])
    names = recorder.names(runtime)
    exec(compile(tree, "<emitted>", "exec"), names)
    network = names[class_name(graph)](rngs=Flax.Rngs())
    made: dict[tuple[str, ...], object] = {}
    _find_layers(network, (), made)
    result = network(recorder.value("input"), train=train, rngs=Flax.Rngs())
    return plain(result), made


def _find_layers(held: object, path: tuple[str, ...], made: dict) -> None:
    match held:
        case Layer():
            assert held.path is None, f"one layer at {held.path} and {path}"
            held.path = path
            made[path] = held.made
        case list():
            for number, each in enumerate(held):
                _find_layers(each, (*path, str(number)), made)
        case Module():
            for name, each in vars(held).items():
                _find_layers(each, (*path, name), made)


def graph_result(
    recorder: Recorder, graph: Graph, *, train: bool
) -> tuple[object, dict[tuple[str, ...], object], set[str]]:
    """The same of a graph, each node by its operator's own code alone; and the runtime used."""
    values: dict[int, object] = {}
    made: dict[tuple[str, ...], object] = {}
    runtime: set[str] = set()
    for number, node in enumerate(graph.nodes):
        if node.op is None:
            values[number] = recorder.value("input")
            continue
        emission = node.op.emit(*(graph.nodes[each].type for each in node.inputs))
        runtime |= set(emission.runtime)
        names = recorder.names(set(emission.runtime))
        layer = None
        if emission.module is not None:
            layer = _run(emission.module, recorder, names, (), None, train)
            layer.path = tuple(map(str, node.path))
            made[layer.path] = layer.made
        if train or number not in graph.auxiliary:
            inputs = tuple(values[each] for each in node.inputs)
            values[number] = _run(emission.apply, recorder, names, inputs, layer, train)
    results = [values[each.node] for each in graph.outputs if each.weight is None]
    result: object = results[0] if len(results) == 1 else tuple(results)
    side = [values[each.node] for each in graph.outputs if each.weight is not None and train]
    return plain((result, tuple(side)) if side else result), made, runtime


def _run(fragment, recorder, names, inputs, layer, train):  # type: ignore[no-untyped-def]
    """Evaluate a fragment by its meaning, with no text in between."""

    def run(each):  # type: ignore[no-untyped-def]
        return _run(each, recorder, names, inputs, layer, train)

    match fragment:
        case code.Name(name):
            first, *attributes = name.split(".")
            found = names[first]
            for attribute in attributes:
                found = getattr(found, attribute)
            return found
        case code.Call(function, positional, keywords):
            for name, value in keywords:
                if isinstance(value, code.Usual) and isinstance(function, code.Name):
                    recorder.usual[function.name, name] = value.usual
            given = [run(each) for each in positional]
            return run(function)(*given, **{name: run(value) for name, value in keywords})
        case code.Usual(value, _):
            return run(value)
        case code.Method(value, name, positional):
            return getattr(run(value), name)(*(run(each) for each in positional))
        case code.Operation(operator, operands):
            total, *others = (run(each) for each in operands)
            for each in others:
                total = total + each if operator == "+" else total * each
            return total
        case code.Slice(value, ranges):
            *others, (start, stop) = ranges
            if all(each == (None, None) for each in others):
                return run(value)[..., slice(start, stop)]
            last = max(i for i, each in enumerate(ranges) if each != (None, None))
            return run(value)[tuple(slice(*each) for each in ranges[: last + 1])]
        case code.Take(value, indices):
            return run(value)[..., names["jnp"].array(list(indices))]
        case code.Listing(items):
            return [run(each) for each in items]
        case code.Input():
            return inputs[fragment[0]]
        case code.Module():
            return layer
        case code.Train():
            return train
        case code.NotTrain():
            return not train
        case code.Rngs():
            return Flax.Rngs()
        case _:
            return fragment
