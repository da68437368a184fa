"""Read an ONNX model, and say each of its nodes in netdsl's terms.

Keys are the names of the initialisers where those look like a state_dict's, else the modules that
an exporter writes into the names of nodes, else the operators, counted.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper
from onnx.reference import ReferenceEvaluator

from netdsl.exits import INPUT_OUTPUT_FAILED, PROGRAM_HAS_ERRORS, Failure
from netdsl.lift.onnx_layers import Settings
from netdsl.lift.onnx_nodes import MOVES, NODES
from netdsl.lift.traced import Path as Key
from netdsl.lift.traced import Traced
from netdsl.lift.values import FrontEnd, UnknownOperation, Unsayable, Value
from netdsl.source import open_regular, printable
from netdsl.tensor import TensorType


class UnreadableModel(Failure):
    """A file is no ONNX model; the message says why."""

    exit_code = INPUT_OUTPUT_FAILED


class UnusableModel(Failure):
    """A model does not say what its input is, or has several; the message says a way out."""

    exit_code = PROGRAM_HAS_ERRORS


def read_model(path: Path) -> onnx.ModelProto:
    """The model in a file, with its weights, which may lie in files beside it."""
    try:
        with open_regular(path):  # A device would be read without an end.
            return onnx.load(path)
    except FileNotFoundError as error:
        missing = printable(str(error.filename or path))
        raise UnreadableModel(f"there is no file `{missing}`") from None
    except Exception as error:  # The parser of protocol buffers has no common exception.
        shown = printable(str(path))
        raise UnreadableModel(f"`{shown}` is no ONNX model that can be read: {error}") from None


def trace_onnx(model: onnx.ModelProto, shape: tuple[int, ...] | None, source: str) -> Traced:
    """A model's inference for an input of `shape`, (H, W, C) or (C,), if it leaves that open.

    Raises UnusableModel, and Unsupported with all that netdsl can't say.
    """
    try:
        onnx.checker.check_model(model)
    except (onnx.checker.ValidationError, ValueError) as error:
        raise UnusableModel(f"{source} is no valid ONNX model: {error}") from None
    images, found = _input_shape(model, shape, source)
    return OnnxFrontEnd(model, images, found).traced(source)


def _input_shape(
    model: onnx.ModelProto, shape: tuple[int, ...] | None, source: str
) -> tuple[int, tuple[int, ...]]:
    """The images in a batch, and the shape of one, channels last."""
    constants = {each.name for each in model.graph.initializer}
    inputs = [each for each in model.graph.input if each.name not in constants]
    if len(inputs) != 1 or len(model.graph.output) != 1:
        raise UnusableModel(
            f"{source} has {len(inputs)} inputs and {len(model.graph.output)} outputs; a lifted "
            "network has one of each"
        )
    axes = inputs[0].type.tensor_type.shape.dim
    if len(axes) not in (2, 4):
        raise UnusableModel(
            f"the input of {source} has {len(axes)} axes; known are (N, C, H, W) and (N, C)"
        )
    batch, *stated = [axis.dim_value for axis in axes]
    if shape is None:
        if not all(stated):
            raise UnusableModel(f"{source} leaves the size of its input open; --input gives it")
        shape = (*stated[1:], stated[0])
    given = (shape[-1], *shape[:-1])
    if len(given) != len(stated) or any(a and a != b for a, b in zip(stated, given, strict=True)):
        says = "x".join(str(size or "?") for size in stated)
        raise UnusableModel(
            f"the input of {source} is {says} (C, H, W), not {'x'.join(map(str, given))}"
        )
    return batch or 2, shape


class OnnxFrontEnd(FrontEnd):
    def __init__(self, model: onnx.ModelProto, images: int, shape: tuple[int, ...]) -> None:
        super().__init__(images)
        self.model = model
        self.shape = shape
        self.opsets = {each.domain: each.version for each in model.opset_import}
        self.values: dict[str, Any] = {
            each.name: numpy_helper.to_array(each) for each in model.graph.initializer
        }
        self.tensors: dict[str, np.ndarray] = {}
        self.added: dict[str, Value] = {}
        """Outputs of nodes that an earlier one has done already: the bias behind a product."""
        self.node = onnx.NodeProto()

    def traced(self, source: str) -> Traced:
        given = next(each for each in self.model.graph.input if each.name not in self.values)
        self.values[given.name] = Value(self.recorder.input(TensorType(self.shape)))
        for node in self.model.graph.node:
            self.node = node
            self.scope = module_of(node.name)
            self.place = node.name or f"the {node.op_type} that makes {node.output[0]}"
            self.run(node)
        output = self.model.graph.output[0].name
        number = 0
        self.place = "output"
        try:
            number = self.plain(self.values[output])
        except Unsayable as fault:
            if not self.tainted(self.values[output]):
                self.recorder.fault("output", str(fault))
        self._place_nameless()
        return self.recorder.finished(source, "onnx", number, self.modules(), self.tensors)

    def run(self, node: onnx.NodeProto) -> None:
        inputs = [self.values[name] if name else None for name in node.input]
        try:
            made = self.made(node, inputs)
        except (Unsayable, ValueError) as fault:  # An operator's kinds raise ValueError.
            if not isinstance(fault, Unsayable):
                self.recorder.fault(self.place, f"{node.op_type} does not fit: {fault}")
            elif isinstance(fault, UnknownOperation) or not self.tainted(inputs):
                self.recorder.fault(self.place, str(fault))
            type = self._likeness(inputs)
            made = [Value(self.recorder.opaque(type)) for _ in node.output]
        # A training output of BatchNormalization or Dropout is never asked for.
        self.values.update(zip(node.output, made, strict=False))

    def made(self, node: onnx.NodeProto, inputs: list[Any]) -> list[Any]:
        if node.domain not in ("", "ai.onnx"):
            raise UnknownOperation(f"the operator {node.op_type} of {node.domain} is unknown")
        if all(each is None or isinstance(each, np.ndarray) for each in inputs):
            return self.evaluated(node, inputs)
        settings = Settings(node)
        if node.op_type == "Shape":
            shape = self.positions(inputs[0]).shape
            return [np.array(shape[settings.get("start", 0) : settings.get("end", None)], np.int64)]
        if node.op_type in MOVES:
            if self.tainted(inputs):
                raise Unsayable("the shape of what enters it is unknown")
            result = self.moved(
                inputs[0], lambda x: self._moves(node, x, inputs[1:], len(node.output))
            )
            return list(result) if isinstance(result, tuple) else [result]
        handle = NODES.get(node.op_type)
        if handle is None:
            raise UnknownOperation(f"the operator {node.op_type} is unknown")
        return [handle(self, settings, inputs)]

    def _moves(
        self, node: onnx.NodeProto, positions: np.ndarray, rest: list[Any], outputs: int
    ) -> Any:
        made = self.evaluated(node, [positions, *rest])
        return made[0] if outputs == 1 else made

    def evaluated(self, node: onnx.NodeProto, inputs: list[Any]) -> list[Any]:
        """What a node makes of constants, by ONNX's own reference."""
        if any(isinstance(each, Value) for each in inputs):
            raise Unsayable("its settings are computed, not constants")
        given = {
            name: value for name, value in zip(node.input, inputs, strict=True) if value is not None
        }
        try:
            return list(ReferenceEvaluator(node, opsets=self.opsets).run(None, given))
        except Exception as error:  # The reference raises whatever its NumPy code does.
            raise UnknownOperation(f"{node.op_type} can't be computed: {error}") from None

    def positions(self, x: Any) -> np.ndarray:
        if not isinstance(x, Value):
            raise Unsayable("it is applied to a constant")
        x = self.settled(x)
        return self.first(x.number) if x.positions is None else x.positions

    def _likeness(self, inputs: list[Any]) -> TensorType:
        numbers = [each.number for each in inputs if isinstance(each, Value)]
        return self.recorder.operations[numbers[0]].type if numbers else TensorType((1,))

    # Keys.

    def key(self, word: str, *names: str) -> Key:
        """A key for a layer whose arrays have some names, such as `layer1.0.conv1.weight`."""
        prefixes = {name.rpartition(".")[0] for name in names if "." in name}
        paths = [tuple(prefixes.pop().split("."))] if len(prefixes) == 1 else []
        paths.append(module_of(self.node.name))
        for path in paths:
            if self.is_named(path):
                return path
        number = 1
        while not self.is_free((f"{word}{number}",)):
            number += 1
        return (f"{word}{number}",)

    def is_named(self, path: Key) -> bool:
        return bool(path) and all(map(is_label, path)) and self.is_free(path)

    def is_free(self, path: Key) -> bool:
        """Whether no other layer has this key, or lies inside it or around it."""
        return not any(
            path[: len(other)] == other or other[: len(path)] == path for other in self.held
        )

    def hold(self, key: Key, **arrays: Any) -> Key:
        """Keep a layer's arrays, laid out as a state_dict has them, under its key."""
        for name, array in arrays.items():
            if array is not None:
                if not isinstance(array, np.ndarray):
                    raise Unsayable(f"its {name} is computed, not a constant")
                self.tensors[".".join((*key, name))] = array.astype(np.float32)
        return key

    # Modules.

    def modules(self) -> dict[Key, str]:
        """The modules that the keys tell of; those whose parts are only numbered are lists."""
        parts: dict[Key, set[str]] = {}
        for operation in self.recorder.operations:
            for length in range(1, len(operation.key)):
                parts.setdefault(operation.key[:length], set()).add(operation.key[length])
        return {
            path: "" for path, names in parts.items() if not all(name.isdecimal() for name in names)
        }

    def _place_nameless(self) -> None:
        """Put operations whose node tells no module into that of what they take, else the last's.

        In nested modules that is the outer one: a sum of a module's value and that of a module
        inside it belongs to the outer.
        """
        operations = self.recorder.operations
        if any(operation.scope and not operation.key for operation in operations):
            return
        for number, operation in enumerate(operations):
            if operation.key or not operation.inputs:
                continue
            scopes = [operations[each].scope for each in sorted(operation.inputs)]
            scope = scopes[-1]
            for other in scopes:
                if scope[: len(other)] == other:
                    scope = other
            operations[number] = operation._replace(scope=scope)


def module_of(name: str) -> Key:
    """The path of the module that PyTorch's exporter writes into a node's name; () without one.

    `/layer1/layer1.0/conv1/Conv` is ("layer1", "0", "conv1").
    """
    scopes: list[str] = []
    for part in name.split("/")[1:-1]:
        if scopes and part.startswith(f"{scopes[-1]}."):
            scopes.pop()  # What lies in a list is called `layer1.0` behind `layer1`.
        scopes.append(part)
    path = ".".join(scopes)
    parts = tuple(path.split(".")) if path else ()
    return parts if all(map(is_label, parts)) else ()


def is_label(part: str) -> bool:
    """Whether a part of a key can be one of a path of the language."""
    return re.fullmatch(r"[A-Za-z_][A-Za-z0-9_-]*|0|[1-9][0-9]*", part) is not None
