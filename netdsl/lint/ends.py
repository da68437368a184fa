"""Rules about the ends of networks and of their residuals: what enters, and what leaves them."""

from __future__ import annotations

from collections.abc import Iterator

from netdsl import syntax
from netdsl.diagnostics import Edit, Fix, Label
from netdsl.graph import Node, Region
from netdsl.lint.edits import without_step
from netdsl.lint.order import ACTIVATIONS, NORMS
from netdsl.lint.rule import Found, Layers, at, op_of
from netdsl.ops.activation import Relu, Relu6, Softmax
from netdsl.ops.dense import Dense
from netdsl.ops.noise import Dropout, StochasticDepth
from netdsl.ops.norm import Scale
from netdsl.ops.pool import (
    AdaptiveAveragePool,
    AdaptiveMaxPool,
    AveragePool,
    GlobalAveragePool,
    GlobalMaxPool,
    MaxPool,
)
from netdsl.ops.shape import Flatten, Identity, Reshape
from netdsl.ops.tokens import TakeToken, Tokens
from netdsl.records import records
from netdsl.tensor import CHANNELS_LAST

_MOVING = (Flatten, Reshape, Identity)
# What may stand between the last sum and the classifier.
_TO_THE_HEAD = (
    *_MOVING,
    *ACTIVATIONS,
    Dropout,
    TakeToken,
    Tokens,
    GlobalAveragePool,
    GlobalMaxPool,
    AdaptiveAveragePool,
    AdaptiveMaxPool,
    AveragePool,
    MaxPool,
)


def wrong_ends(layers: Layers) -> Iterator[Found]:
    """Networks that do something to their logits, which the loss takes as they are."""
    for output in layers.graph.outputs:
        node = layers.nodes[output.node]
        while isinstance(node.op, _MOVING):
            node = layers.before(node)
        if node.op is None:
            continue
        name = node.op.name
        if isinstance(node.op, Softmax):
            message = (
                "the network ends in `softmax`; the loss takes logits and applies it itself"
                if layers.trained
                else "the network ends in `softmax`, which losses and `netdsl predict` apply "
                "themselves"
            )
        elif isinstance(node.op, Dropout) and node.op.rate:
            message = "the network ends in `dropout`, so that in training its outputs are zeroed"
        elif (
            layers.trained
            and op_of(node) in ACTIVATIONS
            and isinstance(layers.before(node).op, Dense)
        ):
            message = f"the loss takes logits, and `{name}` bounds them behind the last layer"
        else:
            continue
        edit = without_step(node.origin.span)
        yield at(
            node,
            "wrong-end",
            message,
            help="end with the layer before it",
            fix=edit and Fix("remove it", (edit,), False),
        )


def activation_before_sum(layers: Layers) -> Iterator[Found]:
    """Residuals whose body ends in a rectifier, so that it can only add."""
    for region in layers.residuals:
        body = region.items[0]
        assert isinstance(body, Region) and region.output is not None
        if body.output is None or body.output == region.input:
            continue
        node = layers.nodes[body.output]
        last = node
        while isinstance(last.op, (StochasticDepth, Dropout, Scale, Identity)):
            last = layers.before(last)
        inside = region.input is None or last.number > region.input
        if inside and isinstance(last.op, (Relu, Relu6)):
            yield at(
                last,
                "activation-before-sum",
                f"the residual's body ends in `{last.op.name}`, so that it can only add to its "
                "input and never take away",
                inside=body.site,
                labels=(Label(layers.nodes[region.output].origin.span, "the sum"),),
                help="end the body with its norm, and put the activation behind the residual or at "
                "the body's beginning",
            )


def missing_last_norm(layers: Layers) -> Iterator[Found]:
    """Classifiers that read the last sum of residuals which begin with their norm."""
    for region in layers.residuals:
        body = region.items[0]
        assert isinstance(body, Region) and region.output is not None
        last = layers.nodes[region.output]
        first = [
            reader
            for reader in layers.readers[region.input or 0]
            if region.input is not None and _inside(reader, body)
        ]
        if not first or not all(op_of(each) in NORMS for each in first):
            continue
        reader = layers.reader(last)
        while reader is not None and isinstance(reader.op, _TO_THE_HEAD):
            reader = layers.reader(reader)
        if reader is None or not isinstance(reader.op, Dense):
            continue
        norm = first[0].op
        assert norm is not None
        yield at(
            reader,
            "missing-last-norm",
            f"this reads the sum of residuals that begin with `{norm.name}`, and nothing "
            "normalises the last sum",
            labels=(Label(last.origin.span, "the last sum"),),
            help=f"put `{norm.name}`, with the activation of the bodies, behind the last residual",
        )


def unnamed_outputs(layers: Layers) -> Iterator[Found]:
    """Ends of chains that nothing reads, which so become outputs beside the last one."""
    named = set(layers.graph.labels.values())
    outputs = [output for output in layers.graph.outputs if output.weight is None]
    for output in outputs[:-1]:
        if output.node not in named:
            node = layers.nodes[output.node]
            yield at(
                node,
                "unnamed-output",
                "nothing reads this value, so that it is an output of the network",
                help="label it where it is meant to be one; else join it, or remove what makes it",
            )


def channels_first(layers: Layers) -> Iterator[Found]:
    """Images of a few rows and as many channels as columns: sizes in the order of PyTorch."""
    node = layers.nodes[0]
    shape = node.type.shape
    if not node.type.seems_channels_first:
        return
    fix = None
    for statement in records(layers.file.tree):
        if isinstance(statement, syntax.Input) and statement.span == node.origin.span:
            first, height, width = (size.span for size in statement.sizes)
            if statement.default is None and statement.where is None:
                edit = Edit(first.to(width), f"{height.text}, {width.text}, {first.text}")
                fix = Fix("put the channels last", (edit,), False)
    yield at(
        node,
        "channels-first",
        f"the image has a height of {shape[0]}, a width of {shape[1]} and {shape[2]} channels",
        help=CHANNELS_LAST,
        fix=fix,
    )


def _inside(node: Node, region: Region) -> bool:
    return any(
        _inside(node, item) if isinstance(item, Region) else item == node.number
        for item in region.items
    )
