"""Weights between published checkpoints and our modules, by what the operators say of each array.

A checkpoint is a state_dict, keyed and laid out as PyTorch has it (`layer1.0.conv1.weight`, OIHW);
or netdsl's own file, keyed and laid out as the Flax module has it (`layer1.0.conv1.kernel`, HWIO),
whose metadata says `format: netdsl`. There is no table between the two: a key is the layer's path
with a name from `Weight`, and `Weight.layout` orders the axes. Nothing computes with a value, so
the way there and back keeps every bit.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from netdsl.graph import Graph
from netdsl.tensor import Derived, Weight
from netdsl.weights.tensors import Tensors, WeightsError

FORMAT = "netdsl"
"""The `format` in the metadata of files that hold arrays as our modules do."""

_FLOATS = ("F32", "F16", "BF16")
"""What a module's float32 arrays can be filled from without losing anything."""

_DERIVED_TYPES = {"F32": np.float32, "I64": np.int64}

_SHOWN = 8
"""How many keys of a kind an error lists."""


class Misfit(WeightsError):
    """A file has other arrays than the network; `help` is a way out, which the message has too."""

    def __init__(self, what: str, help: str) -> None:
        super().__init__(f"{what}\n  help: {help}" if help else what)
        self.what = what
        self.help = help


class Held(NamedTuple):
    """One array of a network, by its place in the module's state and its key in a state_dict.

    A `Derived` one is in state_dicts only: it counts steps, or follows from shapes.
    """

    ours: str
    theirs: str
    weight: Weight | Derived
    is_side: bool
    """Whether only a side branch needs it."""

    @property
    def our_shape(self) -> tuple[int, ...]:
        return _known(self.weight.shape)

    @property
    def their_shape(self) -> tuple[int, ...]:
        if isinstance(self.weight, Derived):
            return self.our_shape
        shape = self.our_shape
        return tuple(1 if axis < 0 else shape[axis] for axis in self.weight.layout)


class Array(NamedTuple):
    """An array and its type as safetensors names it, which NumPy may lack (BF16)."""

    value: np.ndarray
    dtype: str


def held(graph: Graph) -> tuple[Held, ...]:
    """Every array of a network, side branches included, in the order of its layers."""
    found = []
    for node in graph.nodes:
        if node.op is None:
            continue
        inputs = [graph.nodes[number].type for number in node.inputs]
        path = ".".join(node.path)
        arrays: tuple[Weight | Derived, ...] = node.op.weights(*inputs) + node.op.derived(*inputs)
        for weight in arrays:
            theirs = f"{path}.{weight.state_dict_name}" if weight.state_dict_name else path
            ours = theirs if isinstance(weight, Derived) else f"{path}.{weight.name}"
            found.append(Held(ours, theirs, weight, node.number in graph.auxiliary))
    return tuple(found)


def fits(graph: Graph, tensors: Tensors) -> bool:
    """Whether the file's keys and shapes are the network's."""
    return not any(_Fit(graph, tensors).problems())


def older_names(graph: Graph, tensors: Tensors) -> dict[str, str]:
    """The names in the file that an early PyTorch gave, with what the network calls them."""
    fit = _Fit(graph, tensors)
    return {
        fit.name_of(each): each.theirs
        for each in fit.present
        if fit.theirs and fit.name_of(each) != each.theirs
    }


def read(graph: Graph, tensors: Tensors) -> dict[str, Array]:
    """All arrays of a file, keyed and laid out as the network's module has them.

    Names and shapes are compared before any value is read. `Derived` arrays that the file has keep
    their key. Raises Misfit, which lists all that is missing, unknown or of another shape; and
    WeightsError, which names an array that holds an infinity or no number.
    """
    fit = _Fit(graph, tensors)
    fit.require()
    found: dict[str, Array] = {}
    for each in fit.present:
        name = fit.name_of(each)
        dtype = tensors.entry(name).dtype
        value = tensors.read(name)
        _require_finite(tensors, name, value)
        if isinstance(each.weight, Derived):
            _require_derived(tensors, name, value, each.weight)
        elif fit.theirs:
            value = to_ours(each.weight, value)
        found[each.ours] = Array(value, dtype)
    return found


def to_state_dict(graph: Graph, arrays: dict[str, Array]) -> dict[str, Array]:
    """Arrays as `read` gives them, keyed and laid out as PyTorch has them.

    What follows from shapes alone is made where it is absent.
    """
    found: dict[str, Array] = {}
    for each in held(graph):
        if isinstance(each.weight, Derived):
            if each.ours in arrays:
                found[each.theirs] = arrays[each.ours]
            elif each.weight.values is not None:
                found[each.theirs] = Array(_derived(each.weight), each.weight.dtype)
        else:
            array = arrays[each.ours]
            found[each.theirs] = array._replace(value=to_theirs(each.weight, array.value))
    return found


def to_ours(weight: Weight, value: np.ndarray) -> np.ndarray:
    """An array in PyTorch's layout, in ours; a view where that can be."""
    singles = tuple(axis for axis, ours in enumerate(weight.layout) if ours < 0)
    order = [ours for ours in weight.layout if ours >= 0]
    value = value.squeeze(singles).transpose(np.argsort(order))
    return value[::-1, ::-1] if weight.mirrored else value


def to_theirs(weight: Weight, value: np.ndarray) -> np.ndarray:
    """An array in our layout, in PyTorch's; a view where that can be."""
    if weight.mirrored:
        value = value[::-1, ::-1]
    value = value.transpose([ours for ours in weight.layout if ours >= 0])
    singles = tuple(axis for axis, ours in enumerate(weight.layout) if ours < 0)
    return np.expand_dims(value, singles)


class _Fit:
    """What a file has of a network's arrays, and what stands in the way of loading it."""

    def __init__(self, graph: Graph, tensors: Tensors) -> None:
        self.graph = graph
        self.tensors = tensors
        self.theirs = tensors.metadata.get("format") != FORMAT
        self.all = held(graph)
        self.names = {each.ours: each.theirs if self.theirs else each.ours for each in self.all}
        if self.theirs:
            self._take_older_names()
        self.present = [each for each in self.all if self.name_of(each) in tensors]

    def name_of(self, each: Held) -> str:
        """What the file calls an array."""
        return self.names[each.ours]

    def _take_older_names(self) -> None:
        """Find what an early PyTorch called otherwise: `norm.1` is `norm1` since its version 0.4.

        torchvision's released DenseNets still have such names, of which it drops the dots itself.
        Source: torchvision/models/densenet.py, `_load_state_dict`.
        """
        present = set(self.names.values())
        older = {name.replace(".", ""): name for name in self.tensors if name not in present}
        for ours, name in self.names.items():
            if name not in self.tensors:
                self.names[ours] = older.get(name.replace(".", ""), name)

    def _shape_of(self, each: Held) -> tuple[int, ...]:
        return each.their_shape if self.theirs else each.our_shape

    def problems(self) -> Iterator[tuple[str, list[str]]]:
        """What is wrong, by kind: a heading, and a line for each key."""
        tensors = self.tensors
        present = {self.name_of(each) for each in self.present}
        missing = [
            f"{self.name_of(each)} {_show(self._shape_of(each))}"
            for each in self.all
            if self.name_of(each) not in present and not isinstance(each.weight, Derived)
        ]
        if missing:
            yield "not in the file", missing
        unknown = [
            f"{name} {_show(tensors.entry(name).shape)}" for name in tensors if name not in present
        ]
        if unknown:
            yield "not in the network", unknown
        shapes, kinds = [], []
        for each in self.present:
            name = self.name_of(each)
            entry = tensors.entry(name)
            allowed = (each.weight.dtype,) if isinstance(each.weight, Derived) else _FLOATS
            if entry.shape != self._shape_of(each):
                expected = _show(self._shape_of(each))
                shapes.append(f"{name} {_show(entry.shape)}, in the network {expected}")
            elif entry.dtype not in allowed:
                kinds.append(f"{name} {entry.dtype}, in the network {allowed[0]}")
        if shapes:
            yield "of another shape", shapes
        if kinds:
            yield "of another type", kinds

    def require(self) -> None:
        """Raise WeightsError unless the file has just what the network needs."""
        found = list(self.problems())
        if not found:
            return
        total = sum(not isinstance(each.weight, Derived) for each in self.all)
        message = [f"`{self.tensors.path}` does not fit `{self.graph.name}`; nothing was loaded"]
        for heading, lines in found:
            message.append(f"  {heading}: {len(lines)}")
            message += [f"    {line}" for line in lines[:_SHOWN]]
            if len(lines) > _SHOWN:
                message.append(f"    … and {len(lines) - _SHOWN} more")
        raise Misfit("\n".join(message), self._help(found, total))

    def _help(self, found: list[tuple[str, list[str]]], total: int) -> str:
        by_kind = dict(found)
        classes = self.graph.arguments.get("classes")
        shapes = [
            (self.tensors.entry(self.name_of(each)).shape, self._shape_of(each))
            for each in self.present
        ]
        tops = {
            (theirs[0], ours[0]) for theirs, ours in shapes if theirs != ours and theirs and ours
        }
        if set(by_kind) == {"of another shape"} and self.theirs and len(tops) == 1:
            ((theirs, ours),) = tops
            if ours == classes:
                return f"the file is for {theirs} classes: --set classes={theirs}"
        missing = [
            each
            for each in self.all
            if self.name_of(each) not in self.tensors and not isinstance(each.weight, Derived)
        ]
        if set(by_kind) == {"not in the file"} and all(each.is_side for each in missing):
            switch = ": --set aux_logits=false" if "aux_logits" in self.graph.arguments else ""
            return f"the file has no side branches, which only training uses{switch}"
        if len(by_kind.get("not in the file", ())) == total:
            return "no key is the network's: is the file another network's?"
        return ""


def _require_finite(tensors: Tensors, name: str, value: np.ndarray) -> None:
    if value.dtype.kind == "f" and not np.isfinite(value).all():
        place = np.argwhere(~np.isfinite(value))[0]
        shown = value[tuple(place)]
        raise WeightsError(
            f"`{tensors.path}`: {name}{[int(index) for index in place]} is {shown}; "
            "weights are finite numbers, so this training has diverged or the file is damaged"
        )


def _require_derived(tensors: Tensors, name: str, value: np.ndarray, weight: Derived) -> None:
    """Refuse other values than those that follow from the shape: the network would differ."""
    if weight.values is None:
        return
    if not np.allclose(value, _derived(weight), rtol=1e-5, atol=1e-6):
        raise WeightsError(
            f"`{tensors.path}`: {name} differs from what the network's sizes give, "
            "so the file is of another version of this network"
        )


def _derived(weight: Derived) -> np.ndarray:
    assert weight.values is not None
    return np.asarray(weight.values(), _DERIVED_TYPES[weight.dtype])


def _known(shape: tuple[object, ...]) -> tuple[int, ...]:
    sizes = tuple(size for size in shape if isinstance(size, int))
    if len(sizes) < len(shape):
        shown = ", ".join(map(str, shape))
        raise WeightsError(
            f"an array of the network has the open shape [{shown}]; "
            "give the input's size with --set"
        )
    return sizes


def _show(shape: tuple[int, ...]) -> str:
    return f"[{', '.join(map(str, shape))}]"
