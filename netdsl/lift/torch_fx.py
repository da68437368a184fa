"""Trace a PyTorch module with torch.fx, and say each of its operations in netdsl's terms.

PyTorch itself finds the shape of each value, on tensors without storage.
"""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import torch
from torch import fx, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from netdsl.exits import PROGRAM_HAS_ERRORS, Failure
from netdsl.lift.torch_functions import FUNCTIONS, MOVES, Constant
from netdsl.lift.torch_modules import MODULES
from netdsl.lift.traced import Path, Traced
from netdsl.lift.values import FrontEnd, UnknownOperation, Unsayable, Value
from netdsl.tensor import TensorType

IMAGES = 2
"""Images in the batch of the trace: more than one, so that no view can mistake their number."""


class NotTraceable(Failure):
    """torch.fx can't follow a module, or it does not take one image; the message says why."""

    exit_code = PROGRAM_HAS_ERRORS


def trace(module: nn.Module, shape: tuple[int, ...], source: str) -> Traced:
    """A module's inference for an input of `shape`: (H, W, C), or (C,) for a vector.

    Raises NotTraceable, and Unsupported with all that netdsl can't say.
    """
    module = module.eval()
    try:
        traced = fx.symbolic_trace(module)
    except fx.proxy.TraceError as error:
        raise NotTraceable(
            f"torch.fx can't trace {source}: {error}\n"
            "  Give a builder of a module whose forward does not depend on its values."
        ) from None
    except Exception as error:  # Whatever the module's own code raises when values are symbols.
        raise NotTraceable(
            f"torch.fx can't trace {source}: {type(error).__name__}: {error}"
        ) from None
    _find_shapes(traced, shape, source)
    return TorchFrontEnd(module, traced, shape).traced(source)


def _find_shapes(traced: fx.GraphModule, shape: tuple[int, ...], source: str) -> None:
    """Put what each node gives into its `meta`, as a tensor without storage."""
    sizes = (IMAGES, shape[-1], *shape[:-1])

    class Shapes(fx.Interpreter):
        def run_node(self, n: fx.Node) -> Any:
            n.meta["lifted"] = super().run_node(n)
            return n.meta["lifted"]

    log = logging.getLogger("torch._subclasses.fake_tensor")  # It shows a traceback of its own.
    level = log.level
    with FakeTensorMode(allow_non_fake_inputs=True) as mode, torch.no_grad():
        try:
            log.setLevel(logging.CRITICAL)
            Shapes(traced).run(mode.from_tensor(torch.empty(sizes)))
        except Exception as error:  # Whatever the module's own code raises at a shape.
            reason = str(error).partition("\n\nWhile executing")[0]
            raise NotTraceable(
                f"{source} does not take an input of {'x'.join(map(str, sizes))} (N, C, H, W): "
                f"{reason}\n  --input gives another size"
            ) from None
        finally:
            log.setLevel(level)


class TorchFrontEnd(FrontEnd):
    def __init__(self, module: nn.Module, graph: fx.GraphModule, shape: tuple[int, ...]) -> None:
        super().__init__(IMAGES)
        self.module = module
        self.graph = graph
        self.shape = shape
        self.values: dict[fx.Node, Any] = {}
        self.node: fx.Node = next(iter(graph.graph.nodes))

    def traced(self, source: str) -> Traced:
        output = 0
        for node in self.graph.graph.nodes:
            self.node = node
            self.scope, self.place = self.position(node)
            result = node.meta["lifted"]
            if node.op == "output":
                output = self.output(fx.node.map_arg(node.args[0], self.values.__getitem__))
            elif _has_tensor(result):
                self.values[node] = self.value(node, result)
            else:
                self.values[node] = result
        tensors: dict[str, np.ndarray] = {
            key: tensor.detach().cpu().numpy() for key, tensor in self.module.state_dict().items()
        }
        classes = {
            tuple(path.split(".")): type(module).__name__
            for path, module in self.module.named_modules()
            if path and type(module) not in (nn.Sequential, nn.ModuleList, nn.ModuleDict)
        }
        return self.recorder.finished(source, "torch", output, classes, tensors)

    def position(self, node: fx.Node) -> tuple[Path, str]:
        """The module that a node was written in, and how to call the node in a message."""
        if node.op == "call_module":
            target = str(node.target)
            return tuple(target.split("."))[:-1], target
        stack = node.meta.get("nn_module_stack")
        path = next(reversed(stack.values()))[0] if stack else ""
        return tuple(path.split(".")) if path else (), f"{path or 'forward'}, {node.name}"

    def value(self, node: fx.Node, result: Any) -> Any:
        if node.op == "placeholder":
            if self.recorder.operations:
                self.recorder.fault(self.place, "a second input is unknown: a network has one")
                return Value(self.recorder.opaque(_type_of(result)))
            return Value(self.recorder.input(TensorType(self.shape)))
        if node.op == "get_attr":
            return Constant(str(node.target), tuple(result.shape))
        args = fx.node.map_arg(node.args, self.values.__getitem__)
        named = fx.node.map_arg(node.kwargs, self.values.__getitem__)
        try:
            if node.op == "call_module":
                return self.called(node, args, named)
            return self.function(node, args, named, result)
        except (Unsayable, ValueError) as fault:  # An operator's kinds raise ValueError.
            if not isinstance(fault, Unsayable):
                self.recorder.fault(self.place, f"it does not fit: {fault}")
            elif isinstance(fault, UnknownOperation) or not self.tainted(args, *named.values()):
                self.recorder.fault(self.place, str(fault))
            return self.opaque(result)

    def called(self, node: fx.Node, args: tuple[Any, ...], named: dict[str, Any]) -> Any:
        module = self.graph.get_submodule(str(node.target))
        make = MODULES.get(type(module))
        if make is None:
            raise UnknownOperation(f"the module {type(module).__name__} is unknown")
        (x,) = (*args, *named.values())
        entering = node.all_input_nodes[0].meta["lifted"]
        key = tuple(str(node.target).split("."))
        for op in make(module, entering):
            x = self.apply(op, x, key if op.holds_weights else ())
        return x

    def function(self, node: fx.Node, args: Any, named: Any, result: Any) -> Any:
        method = node.op == "call_method"
        name = str(node.target) if method else getattr(node.target, "__name__", str(node.target))
        if name in FUNCTIONS:
            try:
                return FUNCTIONS[name](self, args, named, result)
            except TypeError as error:  # An argument that the handler does not know.
                raise UnknownOperation(f"{name} with these arguments is unknown: {error}") from None
        if name not in MOVES:
            what = "method" if method else "function"
            raise UnknownOperation(f"the {what} {name} is unknown")
        if any(isinstance(each, Constant) for each in (*args, *named.values())):
            raise UnknownOperation(f"{name} with a parameter is unknown")
        x, *rest = args
        if self.tainted(x) and not isinstance(x, (tuple, list)):
            return self.opaque(result)  # Its shape is a guess.
        if isinstance(x, (tuple, list)):
            return MOVES[name](x, *rest, **named)

        def move(positions: np.ndarray) -> Any:
            moved = MOVES[name](torch.from_numpy(positions.copy()), *rest, **named)
            if isinstance(moved, torch.Tensor):
                return moved.numpy()
            return [each.numpy() for each in moved]

        return self.moved(x, move)

    def opaque(self, result: Any) -> Any:
        """What is known of a value that can't be said: its shape."""
        if isinstance(result, (tuple, list)):
            return tuple(map(self.opaque, result))
        if not isinstance(result, torch.Tensor):
            return result
        return Value(self.recorder.opaque(_type_of(result)))

    def output(self, value: Any) -> int:
        if isinstance(value, (tuple, list)) and len(value) == 1:
            value = value[0]
        if not isinstance(value, Value):
            kind = type(value).__name__
            self.recorder.fault("output", f"the module returns a {kind}, not one tensor")
            return 0
        try:
            return self.plain(value)
        except Unsayable as fault:
            if not self.tainted(value):
                self.recorder.fault("output", str(fault))
            return 0


def _type_of(tensor: torch.Tensor) -> TensorType:
    """The type that a tensor would have here; a vector where it is neither that nor an image."""
    channels, *sizes = tuple(tensor.shape[1:]) or (1,)
    return TensorType((*sizes, channels) if len(sizes) == 2 else (channels,))


def _has_tensor(result: Any) -> bool:
    if isinstance(result, (tuple, list)):
        return any(map(_has_tensor, result))
    return isinstance(result, torch.Tensor)
