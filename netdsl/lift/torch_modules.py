"""PyTorch's modules in netdsl's terms."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn

from netdsl.lift.values import UnknownOperation
from netdsl.ops import OPERATORS
from netdsl.ops.base import Op
from netdsl.tensor import Window


def _pair(value: Any) -> Window:
    if isinstance(value, (tuple, list)):
        height, width = (value * 2)[:2] if len(value) == 1 else value
        return Window(int(height), int(width))
    return Window(int(value), int(value))


def _conv(module: nn.Conv2d, x: torch.Tensor) -> list[Op]:
    kernel, dilation = _pair(module.kernel_size), _pair(module.dilation)
    ops: list[Op] = []
    pad: Any
    if module.padding == "same":
        pad = "same"
    elif module.padding == "valid":
        pad = 0
    else:
        pad = _pair(module.padding)
    if module.padding_mode != "zeros" and pad not in (0, Window(0, 0)):
        mode = {"reflect": "reflect", "replicate": "edge"}.get(module.padding_mode)
        if mode is None or pad == "same":
            raise UnknownOperation(f"padding_mode = {module.padding_mode!r} is unknown")
        ops.append(OPERATORS["pad"](pad, mode))
        pad = 0
    named: dict[str, Any] = {
        "stride": _pair(module.stride),
        "pad": pad,
        "dilation": dilation,
        "bias": module.bias is not None,
    }
    if module.groups == module.in_channels > 1:
        multiplier = module.out_channels // module.in_channels
        ops.append(OPERATORS["depthwise"](kernel, multiplier=multiplier, **named))
    else:
        ops.append(OPERATORS["conv"](module.out_channels, kernel, groups=module.groups, **named))
    return ops


def _conv_transpose(module: nn.ConvTranspose2d, x: torch.Tensor) -> list[Op]:
    if module.groups != 1:
        raise UnknownOperation(f"a transposed convolution in {module.groups} groups is unknown")
    if module.padding_mode != "zeros":
        raise UnknownOperation(f"padding_mode = {module.padding_mode!r} is unknown")
    op = OPERATORS["conv_transpose"](
        module.out_channels,
        _pair(module.kernel_size),
        stride=_pair(module.stride),
        pad=_pair(module.padding),
        extra=_pair(module.output_padding),
        dilation=_pair(module.dilation),
        bias=module.bias is not None,
    )
    return [op]


def _linear(module: nn.Linear, x: torch.Tensor) -> list[Op]:
    return [OPERATORS["dense"](module.out_features, bias=module.bias is not None)]


def _batch_norm(module: nn.BatchNorm2d | nn.BatchNorm1d, x: torch.Tensor) -> list[Op]:
    if not module.track_running_stats or module.running_mean is None:
        raise UnknownOperation("a batch norm without running statistics is unknown")
    if module.momentum is None:
        raise UnknownOperation("a batch norm with momentum = None, the plain mean, is unknown")
    momentum = round(1 - module.momentum, 10)
    return [
        OPERATORS["bn"](momentum=momentum, eps=module.eps, scale=module.affine, bias=module.affine)
    ]


def _layer_norm(module: nn.LayerNorm, x: torch.Tensor) -> list[Op]:
    if len(module.normalized_shape) != 1:
        raise UnknownOperation(
            f"layer norm over {list(module.normalized_shape)} is unknown: "
            "`layernorm` works over the channels alone"
        )
    affine = module.elementwise_affine
    return [
        OPERATORS["layernorm"](
            eps=module.eps, scale=affine, bias=affine and module.bias is not None
        )
    ]


def _group_norm(module: nn.GroupNorm, x: torch.Tensor) -> list[Op]:
    return [
        OPERATORS["groupnorm"](
            module.num_groups, eps=module.eps, scale=module.affine, bias=module.affine
        )
    ]


def lrn(size: int, alpha: float, beta: float, k: float) -> list[Op]:
    if size % 2 == 0:
        raise UnknownOperation(
            f"local response norm over an even number of channels, {size}, is unknown"
        )
    # PyTorch divides alpha by the size.
    return [OPERATORS["lrn"](size, rate(alpha / size), beta, float(k))]


def max_pool(
    kernel: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> list[Op]:
    if _pair(dilation) != (1, 1):
        raise UnknownOperation(f"a max pool with dilation = {dilation} is unknown")
    if return_indices:
        raise UnknownOperation("a max pool that returns indices is unknown")
    window = _pair(kernel)
    step = _step(window, stride)
    return [OPERATORS["maxpool"](window, pad=_pair(padding), ceil=bool(ceil_mode), **step)]


def average_pool(
    kernel: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> list[Op]:
    if divisor_override is not None:
        raise UnknownOperation("an average pool with divisor_override is unknown")
    window, pad = _pair(kernel), _pair(padding)
    counts = bool(count_include_pad) or pad == (0, 0)
    step = _step(window, stride)
    return [
        OPERATORS["avgpool"](window, pad=pad, ceil=bool(ceil_mode), count_padding=counts, **step)
    ]


def _step(kernel: Window, stride: Any) -> dict[str, Window]:
    """The stride of a pool, unless it is the kernel, which is the default."""
    if stride is None or stride == () or stride == [] or _pair(stride) == kernel:
        return {}
    return {"stride": _pair(stride)}


def adaptive(kind: str, size: Any, x: torch.Tensor) -> list[Op]:
    sizes = size if isinstance(size, (tuple, list)) else (size, size)
    found = [
        own if wanted is None else wanted for wanted, own in zip(sizes, x.shape[-2:], strict=True)
    ]
    if found == [1, 1]:
        return [OPERATORS[f"global{kind}pool"](keep=True)]
    return [OPERATORS[f"adaptive{kind}pool"](Window(*map(int, found)))]


def upsample(x: torch.Tensor, size: Any, scale: Any, mode: str, align: Any) -> list[Op]:
    if mode not in ("nearest", "bilinear", "nearest-exact"):
        raise UnknownOperation(f"interpolation by {mode!r} is unknown")
    if align:
        raise UnknownOperation("interpolation with align_corners is unknown")
    height, width = x.shape[-2:]
    if size is not None:
        sizes = size if isinstance(size, (tuple, list)) else (size, size)
        factors = [sizes[0] / height, sizes[1] / width]
    else:
        factors = list(scale) if isinstance(scale, (tuple, list)) else [scale, scale]
    if any(factor != int(factor) or factor < 1 for factor in factors):
        raise UnknownOperation(
            f"interpolation by {factors[0]:g}x{factors[1]:g} is unknown: "
            "`upsample` takes whole factors"
        )
    method = "bilinear" if mode == "bilinear" else "nearest"
    return [OPERATORS["upsample"](Window(*map(int, factors)), method)]


def padded(
    x: torch.Tensor,
    padding: Sequence[int],
    mode: str = "constant",
    value: Any = 0,
) -> list[Op]:
    sides = list(padding)
    if len(sides) == 6 and sides[4:] == [0, 0] and not any(sides[:4]):
        raise UnknownOperation("padding of channels is unknown")
    if len(sides) not in (2, 4) or x.dim() != 4:
        raise UnknownOperation(f"padding by {sides} is unknown: `pad` works on height and width")
    left, right, above, below = (*sides, 0, 0)[:4]
    word = {"constant": "zeros", "reflect": "reflect", "replicate": "edge"}.get(mode)
    if word is None or (mode == "constant" and value not in (0, None)):
        raise UnknownOperation(f"padding by {mode!r} with {value} is unknown")
    if min(left, right, above, below) < 0:
        return [OPERATORS["crop"](((-above, -below), (-left, -right)))]
    if not any((left, right, above, below)):
        return []
    return [OPERATORS["pad"](((above, below), (left, right)), word)]


def _activation(name: str, *parameters: str) -> Callable[[Any, torch.Tensor], list[Op]]:
    return lambda module, x: [OPERATORS[name](*(getattr(module, each) for each in parameters))]


def softmax(dim: Any, x: torch.Tensor) -> list[Op]:
    if dim not in (1, 1 - x.dim()):
        raise UnknownOperation(
            f"softmax over axis {dim} is unknown: `softmax` works over the channels"
        )
    return [OPERATORS["softmax"]()]


def hardtanh(low: float, high: float) -> list[Op]:
    if (low, high) == (0, 6):
        return [OPERATORS["relu6"]()]
    raise UnknownOperation(f"clamping to {low:g} … {high:g} is unknown")


def _flatten_module(module: nn.Flatten, x: torch.Tensor) -> list[Op]:
    if module.start_dim != 1 or module.end_dim not in (-1, x.dim() - 1):
        raise UnknownOperation("flattening some axes only is unknown")
    if x.dim() == 2:
        return []
    return [OPERATORS["flatten"]("channels_last" if x.shape[2:] == (1, 1) else "channels_first")]


def rate(number: float) -> float:
    """A number without the last digits that computing it left: 0.075, not 0.0750…01."""
    return float(f"{number:.12g}")


MODULES: dict[type[nn.Module], Callable[[Any, torch.Tensor], list[Op]]] = {
    nn.Conv2d: _conv,
    nn.ConvTranspose2d: _conv_transpose,
    nn.Linear: _linear,
    nn.BatchNorm2d: _batch_norm,
    nn.BatchNorm1d: _batch_norm,
    nn.LayerNorm: _layer_norm,
    nn.GroupNorm: _group_norm,
    nn.LocalResponseNorm: lambda m, x: lrn(m.size, m.alpha, m.beta, m.k),
    nn.MaxPool2d: lambda m, x: max_pool(
        m.kernel_size, m.stride, m.padding, m.dilation, m.ceil_mode, m.return_indices
    ),
    nn.AvgPool2d: lambda m, x: average_pool(
        m.kernel_size, m.stride, m.padding, m.ceil_mode, m.count_include_pad, m.divisor_override
    ),
    nn.AdaptiveAvgPool2d: lambda m, x: adaptive("avg", m.output_size, x),
    nn.AdaptiveMaxPool2d: lambda m, x: adaptive("max", m.output_size, x),
    nn.ReLU: _activation("relu"),
    nn.ReLU6: _activation("relu6"),
    nn.Hardtanh: lambda m, x: hardtanh(m.min_val, m.max_val),
    nn.LeakyReLU: _activation("leaky_relu", "negative_slope"),
    nn.ELU: _activation("elu", "alpha"),
    nn.GELU: lambda m, x: [OPERATORS["gelu"](m.approximate == "tanh")],
    nn.SiLU: _activation("silu"),
    nn.Hardswish: _activation("hard_swish"),
    nn.Hardsigmoid: _activation("hard_sigmoid"),
    nn.Sigmoid: _activation("sigmoid"),
    nn.Tanh: _activation("tanh"),
    nn.Softmax: lambda m, x: softmax(m.dim, x),
    nn.Dropout: lambda m, x: [OPERATORS["dropout"](rate(m.p))],
    nn.Dropout2d: lambda m, x: _whole_channels(),
    nn.Identity: lambda m, x: [],
    nn.Flatten: _flatten_module,
    nn.PixelShuffle: lambda m, x: _no_pixel_shuffle(),
    nn.Upsample: lambda m, x: upsample(x, m.size, m.scale_factor, m.mode, m.align_corners),
    nn.UpsamplingNearest2d: lambda m, x: upsample(x, m.size, m.scale_factor, "nearest", None),
    nn.ZeroPad2d: lambda m, x: padded(x, m.padding),
    nn.ReflectionPad2d: lambda m, x: padded(x, m.padding, "reflect"),
    nn.ReplicationPad2d: lambda m, x: padded(x, m.padding, "replicate"),
}
"""The operators of each module that torch.fx does not look into, from it and what enters it."""


def _whole_channels() -> list[Op]:
    raise UnknownOperation("dropout of whole channels is unknown; `dropout` drops single values")


def _no_pixel_shuffle() -> list[Op]:
    raise UnknownOperation("a pixel shuffle is unknown")
