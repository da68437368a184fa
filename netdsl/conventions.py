"""Other ways of counting, and of building, under which a published figure may hold.

A paper's "FLOPs" may be multiply-adds or twice as many, its parameters those with running
statistics, its network one of 1,001 classes. Each such convention is tried on the costed graph.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from netdsl.cost import CostReport, LayerCost, Totals, cost
from netdsl.fuel import Fuel
from netdsl.graph import Graph, Node
from netdsl.ops.base import Op, OpError
from netdsl.sizes import Size, UnwieldySize
from netdsl.tensor import TensorType, Window

_SIZES = (32, 64, 128, 160, 192, 224, 227, 240, 256, 288, 299, 320, 384, 448, 480, 512)
"""The sides of the images that published networks are measured with, pixels."""
_CLASSES = (10, 100, 200, 365, 1000, 1001, 1008, 21_841, 21_843)
"""CIFAR, Tiny ImageNet, Places, ImageNet (with a background class; Inception's), ImageNet-21k."""

_AVERAGES = ("globalavgpool", "adaptiveavgpool")
_NORMS = ("bn", "layernorm", "groupnorm")
_CONVOLUTIONS = ("conv", "depthwise", "conv_transpose")
_WEIGHTED = (*_CONVOLUTIONS, "dense")


class Way(NamedTuple):
    """A way of counting: `words` complete "it would hold if …"; the measures that it changes."""

    words: str
    values: dict[str, Size]


class Conventions:
    """The conventions of one network, each computed when it is first asked for."""

    def __init__(self, report: CostReport, fuel: Fuel) -> None:
        self.report = report
        self.fuel = fuel
        self._ways: list[Way] | None = None
        self._variations: list[tuple[str, CostReport]] | None = None

    def ways(self) -> list[Way]:
        """Other ways of counting the same network."""
        if self._ways is None:
            self._ways = list(_ways(self.report))
        return self._ways

    def variations(self) -> list[tuple[str, CostReport]]:
        """The network as it may have been meant, with its costs."""
        if self._variations is None:
            self._variations = list(_variations(self.report, self.fuel))
        return self._variations

    def explain(
        self,
        holds: Callable[[dict[str, Size]], bool],
        measures: Callable[[CostReport], dict[str, Size]],
        *,
        exact: bool,
    ) -> tuple[str, ...]:
        """The conventions under which `holds` is true of the measures.

        `measures` are those of a report. Where a figure is `exact`, so that hardly any other
        number equals it by chance, a variation counted in another way is tried too.
        """
        found = [way.words for way in self.ways() if holds(way.values)]
        found += [words for words, report in self.variations() if holds(measures(report))]
        if found or not exact:
            return tuple(found)
        return tuple(
            f"{words}, and {way.words}"
            for words, report in self.variations()
            for way in _ways(report)
            if holds(measures(report) | way.values)
        )

    def of_output(self, node: int, expected: list[object]) -> tuple[str, ...]:
        """The conventions under which the output of a node has the expected shape."""
        shape = list(self.report.graph.nodes[node].type.shape)
        if len(shape) == 3 and expected == [shape[2], *shape[:2]]:
            return ("if shapes are written channels first",)
        return tuple(
            words
            for words, report in self.variations()
            if list(report.graph.nodes[node].type.shape) == expected
        )


def _ways(report: CostReport) -> Iterator[Way]:
    total, trained = report.total, report.trained
    layers = [layer for layer in report.layers if not layer.auxiliary]
    yield Way("if a multiply-add counts as two operations", {"macs": 2 * total.macs})
    yield Way("if all floating-point operations are counted, not only MACs", {"macs": total.flops})
    yield Way("if FLOPs are read as multiply-adds", {"flops": total.macs})
    yield Way("if FLOPs are twice the multiply-adds and nothing else", {"flops": 2 * total.macs})
    yield Way(
        "if additions of biases are counted beside the multiply-adds",
        {"macs": total.macs + _sum(layer.flops - 2 * layer.macs for layer in _weighted(layers))},
    )
    normalisation = _sum(map(_normalisation, layers))
    pooling = _sum(layer.input.elements for layer in layers if _is(layer, _AVERAGES))
    of_norms = "if normalisation (2 for each value, 5 in layer norm)"
    yield Way(
        f"{of_norms} is counted beside the multiply-adds", {"macs": total.macs + normalisation}
    )
    yield Way(
        f"{of_norms} and global pooling (1) are counted beside the multiply-adds, as fvcore does",
        {"macs": total.macs + normalisation + pooling},
    )
    yield Way(
        "if each value of a normalisation, activation or pooling counts as one beside the "
        "multiply-adds",
        {"macs": total.macs + _sum(map(_elementwise, layers))},
    )
    if total.buffers != 0:
        yield Way(
            "if batch norm's running statistics are counted",
            {"params": total.params + total.buffers},
        )
        counters = sum(layer.node.op is not None and layer.node.op.name == "bn" for layer in layers)
        yield Way(
            "if all of a PyTorch state_dict is counted, running statistics and step counters too",
            {"params": total.params + total.buffers + counters},
        )
    yield Way(
        "if the scales and shifts of normalisation are left out",
        {"params": total.params - _weights(report, layers, _NORMS, ("scale", "bias"))},
    )
    yield Way(
        "if batch norm's scales are folded into the weights before them",
        {"params": total.params - _weights(report, layers, ("bn",), ("scale",))},
    )
    yield Way(
        "if biases are left out",
        {"params": total.params - _weights(report, layers, _WEIGHTED, ("bias",))},
    )
    if len(layers) < len(report.layers):
        yield Way("if the side branches are counted", _measures(trained))
    last = _classifier(layers)
    if last is not None:
        yield Way("if the classifier, the last layer with weights, is left out", _less(total, last))
        yield from _other_classes(report, total, last)
    dense = [layer for layer in layers if _is(layer, ("dense",))]
    if dense:
        yield Way(
            "if the dense layers are left out",
            {
                "params": total.params - _sum(layer.params for layer in dense),
                "macs": total.macs - _sum(layer.macs for layer in dense),
                "flops": total.flops - _sum(layer.flops for layer in dense),
            },
        )
    kernels = sum(1 for _ in _weighted(layers))
    yield Way("if all layers with a kernel are counted, side by side or not", {"depth": kernels})


def _other_classes(report: CostReport, total: Totals, last: LayerCost) -> Iterator[Way]:
    """Another number of classes, which changes the last layer alone."""
    graph, op = report.graph, last.node.op
    if op is None or graph.nodes[graph.root.output or 0].type.channels != last.node.type.channels:
        return
    inputs = [graph.nodes[index].type for index in last.node.inputs]
    for classes in _CLASSES:
        names = ("features", "filters")
        values: dict[str, object] = {name: classes for name in names if name in op.__dict__}
        other = type(op).bound({**op.__dict__, **values})
        try:
            work = other.cost(other.infer(*inputs), *inputs)
        except OpError:
            continue
        params = _sum(weight.elements for weight in other.weights(*inputs))
        yield Way(
            f"with {classes:,} classes",
            {
                "params": total.params - last.params + params,
                "macs": total.macs - last.macs + work.macs,
                "flops": total.flops - last.flops + work.flops,
            },
        )


def _measures(totals: Totals) -> dict[str, Size]:
    return {
        "params": totals.params,
        "buffers": totals.buffers,
        "macs": totals.macs,
        "flops": totals.flops,
        "activation_bytes": totals.activation_bytes,
    }


def _less(total: Totals, layer: LayerCost) -> dict[str, Size]:
    return {
        "params": total.params - layer.params,
        "macs": total.macs - layer.macs,
        "flops": total.flops - layer.flops,
        "depth": total.depth - 1,
    }


def _sum(sizes: Iterator[Size] | map[Size]) -> Size:
    total: Size = 0
    for size in sizes:
        total = total + size
    return total


def _is(layer: LayerCost, names: tuple[str, ...]) -> bool:
    return layer.node.op is not None and layer.node.op.name in names


def _weighted(layers: list[LayerCost]) -> Iterator[LayerCost]:
    """The convolutions and dense layers."""
    return (layer for layer in layers if _is(layer, _WEIGHTED))


def _classifier(layers: list[LayerCost]) -> LayerCost | None:
    return next(_weighted(layers[::-1]), None)


def _weights(
    report: CostReport, layers: list[LayerCost], ops: tuple[str, ...], names: tuple[str, ...]
) -> Size:
    """The elements of some weights of some operators."""
    return _sum(
        weight.elements
        for layer in layers
        if layer.node.op is not None and _is(layer, ops)
        for weight in layer.node.op.weights(
            *(report.graph.nodes[index].type for index in layer.node.inputs)
        )
        if weight.name in names
    )


def _normalisation(layer: LayerCost) -> Size:
    """What fvcore 0.1.5 counts of it, which many tables are made with."""
    if _is(layer, ("bn", "groupnorm")):
        return 2 * layer.node.type.elements
    return 5 * layer.node.type.elements if _is(layer, ("layernorm",)) else 0


_ELEMENTWISE = frozenset(
    [
        "bn",
        "layernorm",
        "groupnorm",
        "lrn",
        "relu",
        "relu6",
        "leaky_relu",
        "elu",
        "gelu",
        "silu",
        "hard_swish",
        "hard_sigmoid",
        "sigmoid",
        "tanh",
        "softmax",
    ]
)
_POOLS = frozenset(
    ["maxpool", "avgpool", "globalavgpool", "globalmaxpool", "adaptiveavgpool", "adaptivemaxpool"]
)


def _elementwise(layer: LayerCost) -> Size:
    name = "" if layer.node.op is None else layer.node.op.name
    if name in _ELEMENTWISE:
        return layer.node.type.elements
    return layer.input.elements if name in _POOLS else 0


def _variations(report: CostReport, fuel: Fuel) -> Iterator[tuple[str, CostReport]]:
    graph = report.graph
    for words, changed in _changed(graph):
        fuel.tried_layers -= len(graph.nodes)
        if fuel.tried_layers < 0:
            return
        if changed is None or changed == graph:
            continue
        try:
            yield words, cost(changed)
        except UnwieldySize:
            continue


def _changed(graph: Graph) -> Iterator[tuple[str, Graph | None]]:
    yield "with a bias in every convolution", _rebuilt(graph, _with(_CONVOLUTIONS, bias=True))
    yield "with no bias in any convolution", _rebuilt(graph, _with(_CONVOLUTIONS, bias=False))
    pools = ("maxpool", "avgpool")
    yield "if pools round sizes up", _rebuilt(graph, _with(pools, ceil=True))
    yield "if pools round sizes down", _rebuilt(graph, _with(pools, ceil=False))
    sliding = (*_CONVOLUTIONS, *pools)
    yield "with `pad = same` everywhere", _rebuilt(graph, _with(sliding, pad="same"))
    none = ((0, 0), (0, 0))
    yield "with no padding anywhere", _rebuilt(graph, _with(sliding, pad=none))
    yield "with K/2 pixels of padding everywhere", _rebuilt(graph, _padded)
    taken = graph.nodes[0].type
    if taken.is_image:
        for side in _SIZES:
            type = TensorType((side, side, taken.channels))
            if type != taken:
                words = f"with an image of {side}×{side}"
                yield words, _rebuilt(graph, lambda node: node.op, type)


def _with(names: tuple[str, ...], **values: object) -> Callable[[Node], Op | None]:
    """Those of the operators with other arguments, where they have them."""

    def change(node: Node) -> Op | None:
        op = node.op
        if op is None or op.name not in names or not values.keys() <= op.__dict__.keys():
            return op
        return type(op).bound({**op.__dict__, **values})

    return change


def _padded(node: Node) -> Op | None:
    """A convolution or pool that keeps the size at stride 1 by symmetric padding."""
    kernel = None if node.op is None else node.op.__dict__.get("kernel")
    if not isinstance(kernel, Window):
        return node.op
    height, width = (side // 2 for side in kernel)
    names = (*_CONVOLUTIONS, "maxpool", "avgpool")
    return _with(names, pad=((height, height), (width, width)))(node)


def _rebuilt(
    graph: Graph, change: Callable[[Node], Op | None], input: TensorType | None = None
) -> Graph | None:
    """The graph with other operators or another input; None where they don't fit together."""
    nodes: list[Node] = []
    for node in graph.nodes:
        op = change(node)
        taken = node.type if input is None else input
        try:
            type = taken if op is None else op.infer(*(nodes[each].type for each in node.inputs))
        except (OpError, UnwieldySize):
            if node.number not in graph.auxiliary:
                return None
            type = node.type  # A side branch may be too small; it is no part of the totals.
        nodes.append(node._replace(op=op, type=type))
    return graph._replace(nodes=tuple(nodes))
