"""PyTorch's functions and methods in netdsl's terms."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from netdsl.lift.torch_modules import (
    adaptive,
    average_pool,
    hardtanh,
    lrn,
    max_pool,
    padded,
    rate,
    softmax,
    upsample,
)
from netdsl.lift.traced import Path
from netdsl.lift.values import UnknownOperation
from netdsl.ops import OPERATORS
from netdsl.ops.base import Op

if TYPE_CHECKING:
    from netdsl.lift.torch_fx import TorchFrontEnd


class Constant(NamedTuple):
    """A parameter or buffer that the graph reads by itself."""

    key: str
    shape: tuple[int, ...]


Arguments = tuple[Any, ...]
Named = dict[str, Any]
Handler = Callable[["TorchFrontEnd", Arguments, Named, Any], Any]


def _unary(make: Callable[..., list[Op]], *dropped: str) -> Handler:
    """A function of one tensor and settings, as `make` says it; `dropped` settings don't matter."""

    def handle(front: TorchFrontEnd, args: Arguments, named: Named, result: Any) -> Any:
        named = dict(named)
        x = args[0] if args else named.pop("input")
        for each in ("inplace", *dropped):
            named.pop(each, None)
        for op in make(*args[1:], **named):
            x = front.apply(op, x)
        return x

    return handle


def _of_shape(make: Callable[..., list[Op]], *dropped: str) -> Handler:
    """As `_unary`, where `make` also wants what enters."""

    def handle(front: TorchFrontEnd, args: Arguments, named: Named, result: Any) -> Any:
        entering = front.node.all_input_nodes[0].meta["lifted"]
        return _unary(lambda *rest, **more: make(entering, *rest, **more), *dropped)(
            front, args, named, result
        )

    return handle


def _simple(name: str) -> Handler:
    return _unary(lambda *_: [OPERATORS[name]()])


def _merge(name: str) -> Handler:
    def handle(front: TorchFrontEnd, args: Arguments, named: Named, result: Any) -> Any:
        a, b = (*args, *(each for key, each in named.items() if key == "other"))[:2]
        if named.get("alpha", 1) != 1:
            raise UnknownOperation("an addition with alpha is unknown")
        for x, other in ((a, b), (b, a)):
            if isinstance(other, Constant):
                return _scaled(front, name, x, other)
            if isinstance(other, (int, float)):
                if other == (0 if name == "add" else 1):
                    return x
                raise UnknownOperation(f"`{name}` with the constant {other:g} is unknown")
        return front.merged(name, (a, b))

    return handle


def _scaled(front: TorchFrontEnd, name: str, x: Any, constant: Constant) -> Any:
    number = front.plain(x)
    channels = front.recorder.operations[number].type.channels
    if name != "mul" or constant.shape not in ((channels, 1, 1), (1, channels, 1, 1)):
        shape = "x".join(map(str, constant.shape))
        raise UnknownOperation(f"`{name}` with the array {constant.key} of {shape} is unknown")
    return front.apply(OPERATORS["scale"](), x, tuple(constant.key.split(".")))


def _cat(front: TorchFrontEnd, args: Arguments, named: Named, result: Any) -> Any:
    tensors = args[0] if args else named["tensors"]
    dim = args[1] if len(args) > 1 else named.get("dim", named.get("axis", 0))
    if dim not in (1, 1 - result.dim()):
        raise UnknownOperation(f"concatenation over axis {dim} is unknown: `concat` joins channels")
    return front.merged("concat", tuple(tensors))


def _mean(x: torch.Tensor, dim: Any = None, keepdim: bool = False) -> list[Op]:
    dims = sorted(d % x.dim() for d in (dim if isinstance(dim, (tuple, list)) else [dim]))
    if x.dim() != 4 or dims != [2, 3]:
        raise UnknownOperation(
            f"a mean over axes {dim} is unknown: `globalavgpool` takes it of the image"
        )
    return [OPERATORS["globalavgpool"](keep=bool(keepdim))]


def _same(front: TorchFrontEnd, args: Arguments, named: Named, result: Any) -> Any:
    return args[0]


def _key(**arrays: Any) -> Path:
    """The path under which arrays that a function was given lie, as `weight` and `bias`."""
    paths = {tuple(each.key.split("."))[:-1] for each in arrays.values() if each is not None}
    names = all(
        each is None or each.key.rpartition(".")[2] == name for name, each in arrays.items()
    )
    if len(paths) != 1 or not names or not all(paths):
        keys = ", ".join(each.key for each in arrays.values() if each is not None)
        raise UnknownOperation(
            f"weights that are not named `weight` and `bias` are unknown: {keys}"
        )
    return tuple(paths.pop())


def _layer_norm_function(front: TorchFrontEnd, args: Arguments, named: Named, result: Any) -> Any:
    names = ("input", "normalized_shape", "weight", "bias", "eps")
    given: Named = dict(zip(names, args, strict=False)) | named
    weight, bias, shape = given.get("weight"), given.get("bias"), given["normalized_shape"]
    if len(shape) != 1:
        raise UnknownOperation(f"layer norm over {list(shape)} is unknown")
    op = OPERATORS["layernorm"](
        eps=given.get("eps", 1e-5), scale=weight is not None, bias=bias is not None
    )
    key = _key(weight=weight, bias=bias) if weight or bias else ()
    return front.apply(op, given["input"], key)


def _stochastic_depth(p: float, mode: str, training: bool = True) -> list[Op]:
    if mode != "row":
        raise UnknownOperation(f"stochastic depth of the mode {mode!r} is unknown")
    return [OPERATORS["stochastic_depth"](rate(p))]


MOVES: dict[str, Callable[..., Any]] = {
    "chunk": torch.chunk,
    "clone": torch.clone,
    "contiguous": lambda x, **_: x,
    "detach": torch.clone,
    "flatten": torch.flatten,
    "getitem": operator.getitem,
    "movedim": torch.movedim,
    "permute": lambda x, *dims: x.permute(*dims),
    "reshape": lambda x, *sizes: x.reshape(*sizes),
    "split": torch.split,
    "squeeze": torch.squeeze,
    "swapaxes": torch.swapaxes,
    "tensor_split": torch.tensor_split,
    "transpose": torch.transpose,
    "unbind": torch.unbind,
    "unflatten": torch.unflatten,
    "unsqueeze": torch.unsqueeze,
    "view": lambda x, *sizes: x.reshape(*sizes),
}
"""What only moves elements, as it works on a tensor of positions, or picks one of several."""


FUNCTIONS: dict[str, Handler] = {
    **{
        name: _simple(ours)
        for name, ours in {
            "relu": "relu",
            "relu_": "relu",
            "relu6": "relu6",
            "silu": "silu",
            "tanh": "tanh",
            "hardswish": "hard_swish",
            "hardsigmoid": "hard_sigmoid",
            "sigmoid": "sigmoid",
        }.items()
    },
    **{name: _merge("add") for name in ("add", "iadd", "add_")},
    **{name: _merge("mul") for name in ("mul", "imul", "mul_", "multiply")},
    "maximum": _merge("max"),
    **dict.fromkeys(("cat", "concat", "concatenate"), _cat),
    **dict.fromkeys(("to", "float"), _same),
    "adaptive_avg_pool2d": _of_shape(lambda x, output_size: adaptive("avg", output_size, x)),
    "adaptive_max_pool2d": _of_shape(lambda x, output_size: adaptive("max", output_size, x)),
    "max_pool2d": _unary(lambda kernel_size, *rest, **more: max_pool(kernel_size, *rest, **more)),
    "boolean_dispatch": _unary(
        lambda kernel_size, *rest, **more: max_pool(kernel_size, *rest, **more)
    ),
    "avg_pool2d": _unary(
        lambda kernel_size, *rest, **more: average_pool(kernel_size, *rest, **more)
    ),
    "dropout": _unary(lambda p=0.5, training=True: [OPERATORS["dropout"](rate(p))]),
    "stochastic_depth": _unary(_stochastic_depth),
    "mean": _of_shape(_mean),
    "interpolate": _of_shape(
        lambda x, size=None, scale_factor=None, mode="nearest", align_corners=None, **_: upsample(
            x, size, scale_factor, mode, align_corners
        )
    ),
    "pad": _of_shape(lambda x, pad, mode="constant", value=None: padded(x, pad, mode, value)),
    "softmax": _of_shape(lambda x, dim=None, **_: softmax(dim, x)),
    "leaky_relu": _unary(lambda negative_slope=0.01: [OPERATORS["leaky_relu"](negative_slope)]),
    "elu": _unary(lambda alpha=1.0: [OPERATORS["elu"](alpha)]),
    "gelu": _unary(lambda approximate="none": [OPERATORS["gelu"](approximate == "tanh")]),
    "hardtanh": _unary(lambda min_val=-1.0, max_val=1.0: hardtanh(min_val, max_val)),
    "clamp": _unary(lambda min=None, max=None: _clamp(min, max)),
    "local_response_norm": _unary(
        lambda size, alpha=1e-4, beta=0.75, k=1.0: lrn(size, alpha, beta, k)
    ),
    "layer_norm": _layer_norm_function,
}
"""What each function or method does, by name: from the front, its arguments and what it gave."""


def _clamp(low: Any, high: Any) -> list[Op]:
    if low == 0 and high is None:
        return [OPERATORS["relu"]()]
    return hardtanh(float("-inf") if low is None else low, float("inf") if high is None else high)
