"""Other ways of counting, and of building, under which a published figure may hold.

A paper's "FLOPs" may be multiply-adds or twice as many, its parameters those with running
statistics, its network one of 1,001 classes. Each such convention is tried on the costed graph,
what is built otherwise by `netdsl.variations`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from netdsl.cost import CostReport, LayerCost, Totals, own_cost, sum_layers
from netdsl.fuel import Fuel
from netdsl.ops.base import OpError
from netdsl.sizes import Size, add_all
from netdsl.variations import Variation, variations

_CLASSES = (10, 100, 200, 365, 1000, 1001, 1008, 21_841, 21_843)
"""CIFAR, Tiny ImageNet, Places, ImageNet (with a background class; Inception's), ImageNet-21k."""

_SIDE_BRANCHES = "if the side branches are counted"
_NO_CLASSIFIER = "if the classifier, the last layer with weights, is left out"
_NO_DENSE = "if the dense layers are left out"

_AVERAGES = ("globalavgpool", "adaptiveavgpool")
_NORMS = ("bn", "layernorm", "groupnorm")
_WEIGHTED = ("conv", "depthwise", "conv_transpose", "dense")


class Way(NamedTuple):
    """A way of counting: `words` complete "it would hold if …"; the measures that it changes.

    `about` is what parameters it adds or leaves out, where they are in no layer as a whole;
    `of_part` is whether it counts more or fewer layers, or another last one.
    """

    words: str
    values: dict[str, Size]
    about: str = ""
    of_part: bool = False


class Conventions:
    """The conventions of one network, each computed when it is first asked for."""

    def __init__(self, report: CostReport, fuel: Fuel) -> None:
        self.report = report
        self.fuel = fuel
        self._ways: list[Way] | None = None
        self._variations: list[Variation] | None = None
        self._parts: list[Variation] | None = None
        self._of_variations: dict[str, list[Way]] = {}

    def ways(self) -> list[Way]:
        """Other ways of counting the same network."""
        if self._ways is None:
            self._ways = list(self._ways_of(self.report.layers, self.report.total))
        return self._ways

    def variations(self) -> list[Variation]:
        """The network as it may have been meant."""
        if self._variations is None:
            self._variations = list(variations(self.report, self.fuel))
        return self._variations

    def explain(
        self,
        holds: Callable[[dict[str, Size]], bool],
        measures: Callable[[Totals], dict[str, Size]],
        *,
        exact: bool,
    ) -> tuple[str, ...]:
        """The conventions under which `holds` is true of the measures.

        `measures` are those of totals. Where a figure is `exact`, so that hardly any other number
        equals it by chance, two together are tried too: what is built otherwise, or more or less of
        it counted, in another way; and two ways that count nothing alike.
        """
        found = [way.words for way in self.ways() if holds(way.values)]
        found += [each.words for each in self.variations() if holds(measures(each.total))]
        if found or not exact:
            return tuple(found)
        found = [
            f"{each.words}, and {way.words}"
            for each in self.variations()
            for way in self._ways_of_variation(each)
            if holds(measures(each.total) | way.values)
        ]
        found += [
            f"{each.words}, and {way.words}"
            for each in self.parts()
            for way in self._ways_of_variation(each)
            if not way.of_part and holds(measures(each.total) | way.values)
        ]
        found += [way.words for way in self.pairs() if holds(way.values)]
        return tuple(found)

    def parts(self) -> list[Variation]:
        """The network with more or less of it counted, or another number of classes."""
        if self._parts is None:
            self._parts = list(_parts(self.report, self.fuel))
        return self._parts

    def pairs(self) -> Iterator[Way]:
        """Two ways of counting together, of those that count nothing alike."""
        total = self.report.total.params
        ways = [way for way in self.ways() if way.about]
        for number, one in enumerate(ways):
            for other in ways[number + 1 :]:
                if one.about != other.about:
                    both = one.values["params"] + other.values["params"] - total
                    yield Way(f"{one.words}, and {other.words}", {"params": both})

    def of_output(self, node: int, expected: list[object]) -> tuple[str, ...]:
        """The conventions under which the output of a node has the expected shape."""
        shape = list(self.report.graph.nodes[node].type.shape)
        if len(shape) == 3 and expected == [shape[2], *shape[:2]]:
            return ("if shapes are written channels first",)
        return tuple(
            each.words
            for each in self.variations()
            if list(each.layers[node].node.type.shape) == expected
        )

    def _ways_of(self, layers: Sequence[LayerCost], total: Totals) -> Iterator[Way]:
        return _ways(_Counts(layers), total, self.report.graph.root.output or 0)

    def _ways_of_variation(self, variation: Variation) -> list[Way]:
        """Computed once for all claims, while there is fuel."""
        if variation.words not in self._of_variations:
            if not self.fuel.try_layers(len(variation.layers)):
                return []
            ways = list(self._ways_of(variation.layers, variation.total))
            self._of_variations[variation.words] = ways
        return self._of_variations[variation.words]


class _Counts:
    """What the layers of a network have, all that ways of counting differ in, by operator.

    Of side branches there is nothing in it.
    """

    def __init__(self, layers: Sequence[LayerCost]) -> None:
        self.all = layers
        self.layers = [layer for layer in layers if not layer.auxiliary]
        self.numbers = Counter(each.node.op.name for each in self.layers if each.node.op)
        inputs: defaultdict[str, list[Size]] = defaultdict(list)
        outputs: defaultdict[str, list[Size]] = defaultdict(list)
        additions: defaultdict[str, list[Size]] = defaultdict(list)
        weights: defaultdict[tuple[str, str], list[Size]] = defaultdict(list)
        alike = Counter(
            (
                layer.node.op,
                layer.node.type,
                tuple(layers[each].node.type for each in layer.node.inputs),
            )
            for layer in self.layers
        )
        for (op, output, taken), times in alike.items():
            if op is None:
                continue
            own = own_cost(op, output, taken)
            inputs[op.name].append(times * taken[0].elements)
            outputs[op.name].append(times * output.elements)
            additions[op.name].append(times * (own.flops - 2 * own.macs))
            if op.holds_weights:
                for weight in op.weights(*taken):
                    weights[op.name, weight.name].append(times * weight.elements)
        self.input_values = {name: add_all(sizes) for name, sizes in inputs.items()}
        self.output_values = {name: add_all(sizes) for name, sizes in outputs.items()}
        self.additions = {name: add_all(sizes) for name, sizes in additions.items()}
        """Operations beyond two for each MAC: those of biases, in a layer with a kernel."""
        self.weights = {key: add_all(sizes) for key, sizes in weights.items()}
        """By operator and weight."""

    def of(self, ops: tuple[str, ...], names: tuple[str, ...]) -> Size:
        """The elements of some weights of some operators."""
        return add_all(self.weights.get((op, name), 0) for op in ops for name in names)


def _ways(counts: _Counts, total: Totals, output: int) -> Iterator[Way]:
    yield Way("if a multiply-add counts as two operations", {"macs": 2 * total.macs})
    yield Way("if all floating-point operations are counted, not only MACs", {"macs": total.flops})
    yield Way("if FLOPs are read as multiply-adds", {"flops": total.macs})
    yield Way("if FLOPs are twice the multiply-adds and nothing else", {"flops": 2 * total.macs})
    additions = add_all(counts.additions.get(name, 0) for name in _WEIGHTED)
    yield Way(
        "if additions of biases are counted beside the multiply-adds",
        {"macs": total.macs + additions},
    )
    outputs, inputs = counts.output_values, counts.input_values
    # As fvcore 0.1.5 counts, which many tables are made with.
    normalisation = add_all(
        factor * outputs.get(name, 0) for name, factor in _NORMALISATION.items()
    )
    pooling = add_all(inputs.get(name, 0) for name in _AVERAGES)
    of_norms = "if normalisation (2 for each value, 5 in layer norm)"
    yield Way(
        f"{of_norms} is counted beside the multiply-adds", {"macs": total.macs + normalisation}
    )
    yield Way(
        f"{of_norms} and global pooling (1) are counted beside the multiply-adds, as fvcore does",
        {"macs": total.macs + normalisation + pooling},
    )
    elementwise = add_all(outputs.get(name, 0) for name in _ELEMENTWISE)
    pooled = add_all(inputs.get(name, 0) for name in _POOLS)
    yield Way(
        "if each value of a normalisation, activation or pooling counts as one beside the "
        "multiply-adds",
        {"macs": total.macs + elementwise + pooled},
    )
    if total.buffers != 0:
        yield Way(
            "if batch norm's running statistics are counted",
            {"params": total.params + total.buffers},
            "buffers",
        )
        yield Way(
            "if all of a PyTorch state_dict is counted, running statistics and step counters too",
            {"params": total.params + total.buffers + counts.numbers["bn"]},
            "buffers",
        )
    yield Way(
        "if the scales and shifts of normalisation are left out",
        {"params": total.params - counts.of(_NORMS, ("scale", "bias"))},
        "norms",
    )
    yield Way(
        "if batch norm's scales are folded into the weights before them",
        {"params": total.params - counts.of(("bn",), ("scale",))},
        "norms",
    )
    yield Way(
        "if biases are left out",
        {"params": total.params - counts.of(_WEIGHTED, ("bias",))},
        "biases",
    )
    if len(counts.layers) < len(counts.all):
        yield Way(_SIDE_BRANCHES, _measures(sum_layers(counts.all)), of_part=True)
    last = next((each for each in reversed(counts.layers) if _is(each, _WEIGHTED)), None)
    if last is not None:
        yield Way(_NO_CLASSIFIER, _less(total, last), of_part=True)
        yield from _other_classes(counts, total, last, output)
    dense = [layer for layer in counts.layers if _is(layer, ("dense",))]
    if dense:
        yield Way(
            _NO_DENSE,
            {
                "params": total.params - add_all(layer.params for layer in dense),
                "macs": total.macs - add_all(layer.macs for layer in dense),
                "flops": total.flops - add_all(layer.flops for layer in dense),
            },
            of_part=True,
        )
    kernels = sum(counts.numbers[name] for name in _WEIGHTED)
    yield Way("if all layers with a kernel are counted, side by side or not", {"depth": kernels})


def _other_classes(counts: _Counts, total: Totals, last: LayerCost, output: int) -> Iterator[Way]:
    """Another number of classes, which changes the last layer alone."""
    for words, layer in _classifiers(counts.all, last, output):
        values = {
            "params": total.params - last.params + layer.params,
            "macs": total.macs - last.macs + layer.macs,
            "flops": total.flops - last.flops + layer.flops,
        }
        yield Way(words, values, of_part=True)


def _classifiers(
    layers: Sequence[LayerCost], last: LayerCost, output: int
) -> Iterator[tuple[str, LayerCost]]:
    """The last layer with weights as it is with other numbers of classes."""
    op = last.node.op
    if op is None or layers[output].node.type.channels != last.node.type.channels:
        return
    inputs = tuple(layers[index].node.type for index in last.node.inputs)
    for classes in _CLASSES:
        names = ("features", "filters")
        values: dict[str, object] = {name: classes for name in names if name in op.__dict__}
        other = type(op).bound({**op.__dict__, **values})
        try:
            output_type = other.infer(*inputs)
            own = own_cost(other, output_type, inputs)
        except OpError:
            continue
        yield (
            f"with {classes:,} classes",
            last._replace(
                node=last.node._replace(op=other, type=output_type),
                params=own.params,
                buffers=own.buffers,
                macs=own.macs,
                flops=own.flops,
                output_bytes=own.output_bytes,
            ),
        )


def _parts(report: CostReport, fuel: Fuel) -> Iterator[Variation]:
    """The network with its side branches, without its last layers, or with other classes, while
    there is fuel. What is left out is marked as a side branch is."""
    layers = report.layers
    main = [layer for layer in layers if not layer.auxiliary]
    last = next((each for each in reversed(main) if _is(each, _WEIGHTED)), None)
    changed: list[tuple[str, dict[int, LayerCost]]] = []

    def mark(words: str, taken: Sequence[LayerCost], auxiliary: bool) -> None:
        marked = {each.node.number: each._replace(auxiliary=auxiliary) for each in taken}
        changed.append((words, marked))

    mark(_SIDE_BRANCHES, [layer for layer in layers if layer.auxiliary], False)
    mark(_NO_DENSE, [layer for layer in main if _is(layer, ("dense",))], True)
    if last is not None:
        mark(_NO_CLASSIFIER, [last], True)
        output = report.graph.root.output or 0
        for words, layer in _classifiers(layers, last, output):
            changed.append((words, {last.node.number: layer}))
    for words, others in changed:
        if not others or not fuel.try_layers(len(layers)):
            continue
        rebuilt = tuple(others.get(layer.node.number, layer) for layer in layers)
        total = sum_layers(layer for layer in rebuilt if not layer.auxiliary)
        yield Variation(words, rebuilt, total)


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


def _is(layer: LayerCost, names: tuple[str, ...]) -> bool:
    return layer.node.op is not None and layer.node.op.name in names


_NORMALISATION = {"bn": 2, "groupnorm": 2, "layernorm": 5}
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
