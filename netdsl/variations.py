"""A network built otherwise, as a publication may have meant it: other biases, paddings, images.

Each variation keeps the layers' order and connections; only what it changes is counted anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple, TypeAlias

from netdsl.cost import BYTES_PER_ELEMENT, CostReport, LayerCost, Totals, own_cost, sum_layers
from netdsl.fuel import Fuel
from netdsl.graph import Node
from netdsl.ops.base import Op, OpError
from netdsl.sizes import UnwieldySize
from netdsl.tensor import TensorType, Window

_SIZES = (32, 64, 128, 160, 192, 224, 227, 240, 256, 288, 299, 320, 384, 448, 480, 512)
"""The sides of the images that published networks are measured with, pixels."""

_CONVOLUTIONS = ("conv", "depthwise", "conv_transpose")
_POOLS = ("maxpool", "avgpool")
_SLIDING = (*_CONVOLUTIONS, *_POOLS)

_Change: TypeAlias = "Callable[[Node], Op | None]"


class Variation(NamedTuple):
    """A network built otherwise: `words` complete "it would hold …".

    `layers` are one for each node, in order, with types, parameters and work; their depth,
    receptive field and stride are not counted anew.
    """

    words: str
    layers: tuple[LayerCost, ...]
    total: Totals


def variations(report: CostReport, fuel: Fuel) -> Iterator[Variation]:
    """The ways in which a network may have been meant that fit together, while there is fuel."""
    for words, change, input in _changes(report):
        if not fuel.try_layers(len(report.layers)):
            return
        try:
            layers = _rebuilt(report.layers, change, input)
            if layers is not None and layers != report.layers:
                total = sum_layers(each for each in layers if not each.auxiliary)
                yield Variation(words, layers, total)
        except UnwieldySize:
            continue


def _changes(report: CostReport) -> Iterator[tuple[str, _Change, TensorType | None]]:
    """Words, what each operator becomes, and the type of the input where it is another."""
    yield "with a bias in every convolution", _with(_CONVOLUTIONS, bias=True), None
    yield "with no bias in any convolution", _with(_CONVOLUTIONS, bias=False), None
    yield "if pools round sizes up", _with(_POOLS, ceil=True), None
    yield "if pools round sizes down", _with(_POOLS, ceil=False), None
    yield "with `pad = same` everywhere", _with(_SLIDING, pad="same"), None
    yield "with no padding anywhere", _with(_SLIDING, pad=((0, 0), (0, 0))), None
    yield "with K/2 pixels of padding everywhere", _padded, None
    taken = report.graph.nodes[0].type
    if taken.is_image:
        for side in _SIZES:
            type = TensorType((side, side, taken.channels))
            if type != taken:
                yield f"with an image of {side}×{side}", lambda node: node.op, type


def _with(names: tuple[str, ...], **values: object) -> _Change:
    """Those of the operators with other arguments, where they have them."""

    def change(node: Node) -> Op | None:
        op = node.op
        if op is None or op.name not in names:
            return op
        arguments = op.__dict__
        if all(name in arguments and arguments[name] == each for name, each in values.items()):
            return op
        if not values.keys() <= arguments.keys():
            return op
        return type(op).bound({**arguments, **values})

    return change


def _padded(node: Node) -> Op | None:
    """A convolution or pool that keeps the size at stride 1 by symmetric padding."""
    kernel = None if node.op is None else node.op.__dict__.get("kernel")
    if not isinstance(kernel, Window):
        return node.op
    height, width = (side // 2 for side in kernel)
    return _with(_SLIDING, pad=((height, height), (width, width)))(node)


def _rebuilt(
    layers: tuple[LayerCost, ...], change: _Change, input: TensorType | None
) -> tuple[LayerCost, ...] | None:
    """The layers with other operators or another input; None where they don't fit together."""
    rebuilt: list[LayerCost] = []
    for layer in layers:
        node = layer.node
        op = change(node)
        inputs = tuple(rebuilt[each].node.type for each in node.inputs)
        if op is None:
            taken = node.type if input is None else input
            rebuilt.append(_counted(layer, None, taken, inputs))
        elif op is node.op and all(
            type == layers[each].node.type for each, type in zip(node.inputs, inputs, strict=True)
        ):
            rebuilt.append(layer)
        else:
            try:
                rebuilt.append(_counted(layer, op, op.infer(*inputs), inputs))
            except (OpError, UnwieldySize):
                if not layer.auxiliary:
                    return None
                rebuilt.append(layer)  # A side branch may be too small: it is not in the totals.
    return tuple(rebuilt)


def _counted(
    layer: LayerCost, op: Op | None, output: TensorType, inputs: tuple[TensorType, ...]
) -> LayerCost:
    node = layer.node._replace(op=op, type=output)
    if op is None:
        output_bytes = output.elements * BYTES_PER_ELEMENT
        return layer._replace(node=node, input=output, output_bytes=output_bytes)
    own = own_cost(op, output, inputs)
    return layer._replace(
        node=node,
        input=inputs[0],
        params=own.params,
        buffers=own.buffers,
        macs=own.macs,
        flops=own.flops,
        output_bytes=own.output_bytes,
    )
