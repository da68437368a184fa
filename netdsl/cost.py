"""Count what a typed graph costs: parameters, work, memory, receptive field; by layer and in all.

Everything is linear in the number of nodes, and symbolic where sizes are.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

from netdsl.graph import Graph, Node
from netdsl.ops.base import Op
from netdsl.sizes import Size, add_all, evaluate, symbols
from netdsl.tensor import Field, TensorType, Window

BYTES_PER_ELEMENT = 4
"""float32."""

DEFINITIONS = {
    "params": "numbers that training changes; batch norm's running statistics are not among them",
    "buffers": "numbers that are kept but not trained: batch norm's running mean and variance",
    "macs": "multiply-accumulates of convolutions and matrix products for one image, taps on "
    "padding included; tables often print them as FLOPs",
    "flops": "all floating-point operations of the forward pass for one image: 2 for each MAC, and "
    "1 for each other addition, multiplication, comparison, division, exponential or root",
    "activation_bytes": "the output of every layer for one image, float32",
    "peak_inference_bytes": "weights, and the largest set of values that are alive at one time, "
    "for the batch",
    "peak_training_bytes": "weights, their gradients and two optimizer moments, and every layer's "
    "output kept for the backward pass, for the batch; an upper bound, since compilers fuse",
    "receptive_field": "pixels of the input, height × width, that one output pixel can see",
    "stride": "pixels of the input from one output pixel to the next, height × width",
    "depth": "layers with a kernel (convolutions, dense, attention) on the longest way through",
}
"""What each measure counts, in words."""


class LayerCost(NamedTuple):
    """One node's share. Bytes and work are for one image."""

    node: Node
    input: TensorType
    params: Size
    buffers: Size
    macs: Size
    flops: Size
    output_bytes: Size
    receptive_field: Window | None
    """None where the layer sees the whole image."""
    stride: Window | None
    depth: int
    auxiliary: bool


class Totals(NamedTuple):
    params: Size = 0
    buffers: Size = 0
    macs: Size = 0
    flops: Size = 0
    activation_bytes: Size = 0
    depth: int = 0


class CostReport(NamedTuple):
    """The costs of a graph. `total` is the inference graph; `auxiliary` has each side branch
    under its output's name; `trained` is both, what training runs."""

    graph: Graph
    batch: int
    layers: tuple[LayerCost, ...]
    total: Totals
    auxiliary: dict[str, Totals]
    trained: Totals
    peak_inference_bytes: Size
    peak_training_bytes: Size
    receptive_field: Window | None
    stride: Window | None


def cost(graph: Graph, batch: int = 1) -> CostReport:
    """The costs of a graph for `batch` images."""
    layers: list[LayerCost] = []
    seen: list[tuple[Window | None, Window | None]] = []
    for node in graph.nodes:
        if node.op is None:
            seen.append((Window(1, 1), Window(1, 1)))
            zero = LayerCost(node, node.type, 0, 0, 0, 0, 0, *seen[-1], 0, False)
            layers.append(zero._replace(output_bytes=node.type.elements * BYTES_PER_ELEMENT))
            continue
        inputs = tuple(graph.nodes[index].type for index in node.inputs)
        own = own_cost(node.op, node.type, inputs)
        seen.append(_see(node.op.field(), [seen[index] for index in node.inputs]))
        depth = max(layers[index].depth for index in node.inputs)
        layers.append(
            LayerCost(
                node,
                inputs[0],
                own.params,
                own.buffers,
                own.macs,
                own.flops,
                own.output_bytes,
                *seen[-1],
                depth + own.has_kernel,
                node.number in graph.auxiliary,
            )
        )
    total = sum_layers(layer for layer in layers if not layer.auxiliary)
    trained = sum_layers(layers)
    auxiliary = {
        output.name: sum_layers(_branch(layers, output.node))
        for output in graph.outputs
        if output.weight is not None
    }
    last = graph.root.output
    assert last is not None
    weights_bytes = (total.params + total.buffers) * BYTES_PER_ELEMENT
    kept_bytes = trained.activation_bytes * batch
    return CostReport(
        graph,
        batch,
        tuple(layers),
        total,
        auxiliary,
        trained,
        weights_bytes + _peak_alive(graph, layers)[0] * batch,
        (4 * trained.params + trained.buffers) * BYTES_PER_ELEMENT + kept_bytes,
        *seen[last],
    )


class OwnCost(NamedTuple):
    """What a layer costs wherever it stands; as in `LayerCost`."""

    params: Size
    buffers: Size
    macs: Size
    flops: Size
    output_bytes: Size
    has_kernel: bool


# Most layers are like others, and arithmetic with open sizes takes long.
@lru_cache(maxsize=10_000)
def own_cost(op: Op, output: TensorType, inputs: tuple[TensorType, ...]) -> OwnCost:
    """The share of an operator that makes `output` of `inputs`."""
    weights = op.weights(*inputs)
    work = op.cost(output, *inputs)
    return OwnCost(
        add_all(weight.elements for weight in weights if weight.trainable),
        add_all(weight.elements for weight in weights if not weight.trainable),
        work.macs,
        work.flops,
        output.elements * BYTES_PER_ELEMENT,
        any(weight.name.endswith("kernel") for weight in weights),
    )


def sum_layers(layers: Iterable[LayerCost]) -> Totals:
    """The totals of some layers; depth is that of the deepest."""
    layers = list(layers)
    return Totals(
        add_all(layer.params for layer in layers),
        add_all(layer.buffers for layer in layers),
        add_all(layer.macs for layer in layers),
        add_all(layer.flops for layer in layers),
        add_all(layer.output_bytes for layer in layers),
        max((layer.depth for layer in layers), default=0),
    )


def _branch(layers: list[LayerCost], output: int) -> list[LayerCost]:
    """The side branch's own layers that lead to an output."""
    wanted = {output}
    found = []
    for layer in reversed(layers[: output + 1]):
        if layer.node.number in wanted and layer.auxiliary:
            wanted.update(layer.node.inputs)
            found.append(layer)
    return found


_ONE_PIXEL = Field()


def _see(
    field: Field | None, inputs: list[tuple[Window | None, Window | None]]
) -> tuple[Window | None, Window | None]:
    """Receptive field and stride after a layer: the largest of its inputs', widened by its window.

    Source: Araujo, Norris & Sim, Computing Receptive Fields of Convolutional Neural Networks,
    Distill 2019, eq. 2.
    """
    if field is None or any(window is None or step is None for window, step in inputs):
        return None, None
    if field == _ONE_PIXEL and inputs.count(inputs[0]) == len(inputs):
        return inputs[0]
    seen, steps = [], []
    for axis in (0, 1):
        step = max(step[axis] for _, step in inputs if step is not None)
        window = max(window[axis] for window, _ in inputs if window is not None)
        seen.append(window + (field.kernel[axis] - 1) * step)
        # Enlarged beyond the input, neighbours share a pixel; a step is never below one.
        steps.append(max(step * field.stride[axis] // field.zoom[axis], 1))
    return Window(*seen), Window(*steps)


def seen_within(layers: Sequence[LayerCost], nodes: tuple[int, int]) -> list[Window | None]:
    """The receptive field of each of some layers, nodes as of `Check`, in pixels of what enters
    them."""
    first, end = nodes
    one = Window(1, 1)
    seen: list[tuple[Window | None, Window | None]] = []
    for layer in layers[first:end]:
        op = layer.node.op
        before = [seen[each - first] if each >= first else (one, one) for each in layer.node.inputs]
        seen.append((one, one) if op is None else _see(op.field(), before))
    return [window for window, _ in seen]


class Peak(NamedTuple):
    """Memory for one image. `node` is the first at which most values are alive."""

    inference_bytes: Size
    training_bytes: Size
    weights_bytes: Size
    alive_bytes: Size
    node: Node


def peak_of_one(report: CostReport) -> Peak:
    """The peaks of memory as in the report, but for a batch of one image."""
    total, trained = report.total, report.trained
    weights_bytes = (total.params + total.buffers) * BYTES_PER_ELEMENT
    alive_bytes, node = _peak_alive(report.graph, report.layers)
    kept_bytes = (4 * trained.params + trained.buffers) * BYTES_PER_ELEMENT
    return Peak(
        weights_bytes + alive_bytes,
        kept_bytes + trained.activation_bytes,
        weights_bytes,
        alive_bytes,
        report.graph.nodes[node],
    )


def _peak_alive(graph: Graph, layers: Sequence[LayerCost]) -> tuple[Size, int]:
    """The largest number of bytes alive while inference runs node by node, for one image; and the
    first node that it is reached at."""
    last_use: dict[int, int] = {}
    for layer in layers:
        if not layer.auxiliary:
            for index in layer.node.inputs:
                last_use[index] = layer.node.number
    for output in graph.outputs:
        if output.weight is None:
            last_use[output.node] = len(layers)
    ending: dict[int, list[int]] = {}
    for index, last in last_use.items():
        ending.setdefault(last, []).append(index)
    alive = peak = place = 0
    for layer in layers:
        if layer.auxiliary:
            continue
        alive += _usual(layer.output_bytes)
        if alive > peak:
            peak, place = alive, layer.node.number
        for index in ending.get(layer.node.number, ()):
            alive -= _usual(layers[index].output_bytes)
    held = (
        layer.output_bytes
        for layer in layers[: place + 1]
        if not layer.auxiliary and last_use.get(layer.node.number, place) >= place
    )
    return add_all(held), place


def larger(left: Size, right: Size) -> Size:
    """The larger size; of symbolic ones, which is larger where every symbol is 256."""
    return left if _usual(left) >= _usual(right) else right


# Most layers are like others.
@lru_cache(maxsize=10_000)
def _usual(size: Size) -> int:
    """The size where every symbol is 256."""
    return evaluate(size, {symbol.name: 256 for symbol in symbols(size)})
