"""Rules about what follows what: layers that undo or repeat the one before them, or do nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator

from netdsl.diagnostics import Edit, Fix, Label
from netdsl.graph import Node
from netdsl.lint.edits import with_argument, without_step
from netdsl.lint.rule import Found, Layers, at, is_chosen, is_literal, op_of
from netdsl.ops.activation import (
    Elu,
    Gelu,
    HardSigmoid,
    HardSwish,
    LeakyRelu,
    Relu,
    Relu6,
    Sigmoid,
    Silu,
    Softmax,
    Tanh,
)
from netdsl.ops.base import Op
from netdsl.ops.conv import Conv, ConvTranspose, Depthwise
from netdsl.ops.dense import Dense
from netdsl.ops.noise import Dropout, StochasticDepth
from netdsl.ops.norm import BatchNorm, GroupNorm, LayerNorm
from netdsl.ops.pool import AveragePool, GlobalAveragePool, GlobalMaxPool, MaxPool
from netdsl.ops.windows import NO_PADDING
from netdsl.tensor import TensorType, Window

ACTIVATIONS: tuple[type[Op], ...] = (
    Relu,
    Relu6,
    LeakyRelu,
    Elu,
    Gelu,
    Silu,
    HardSwish,
    HardSigmoid,
    Sigmoid,
    Tanh,
    Softmax,
)
NORMS: tuple[type[Op], ...] = (BatchNorm, LayerNorm, GroupNorm)
_UP_TO_SIX = (Relu6, HardSigmoid, Sigmoid, Softmax)
_NOT_NEGATIVE = (Relu, *_UP_TO_SIX)
_RECTIFIERS = (Relu, LeakyRelu, Elu)
"""Activations that leave what is not negative as it is."""
_WITH_BIAS = (Conv, Depthwise, ConvTranspose, Dense)
# What passes a value on to a later batch norm with its mean and variance in training still other
# than at inference.
_ON_THE_WAY = (*_WITH_BIAS, *ACTIVATIONS, MaxPool, AveragePool)
_JOINS = re.compile(r"(?:\s|;|->|#[^\n]*\n)*\Z")
_NO_RATE = re.compile(r"(rate\s*=\s*)?(0+|0*\.0+|0+\.0*)\Z")


def bias_before_norm(layers: Layers) -> Iterator[Found]:
    """Biases whose only reader is a batch norm, which subtracts them again."""
    for node in layers.nodes:
        if not isinstance(node.op, _WITH_BIAS) or not node.op.bias:
            continue
        readers = layers.readers[node.number]
        if not readers or node.number in layers.outputs:
            continue
        if not all(isinstance(reader.op, BatchNorm) for reader in readers):
            continue
        edit = _without_bias(node)
        yield at(
            node,
            "bias-before-norm",
            f"the bias of this `{node.op.name}` is subtracted again by the batch norm behind it",
            labels=(Label(readers[0].origin.span, "its mean has the bias in it"),),
            help="`bias = false` saves the weights and changes nothing else",
            fix=edit and Fix("write `bias = false`", (edit,), False),
        )


def dropout_before_norm(layers: Layers) -> Iterator[Found]:
    """Dropout whose value reaches a batch norm through nothing but layers in a row."""
    for node in layers.nodes:
        if not isinstance(node.op, Dropout) or node.op.rate == 0:
            continue
        reader = layers.reader(node)
        while reader is not None and isinstance(reader.op, _ON_THE_WAY):
            reader = layers.reader(reader)
        if reader is not None and isinstance(reader.op, BatchNorm):
            yield at(
                node,
                "dropout-before-norm",
                "a batch norm follows, whose running variance is that of training, with values "
                "dropped",
                labels=(Label(reader.origin.span, "this batch norm"),),
                help="put the dropout behind the last batch norm",
            )


def repeated_activations(layers: Layers) -> Iterator[Found]:
    """Activations of activations."""
    for node, before in _pairs(layers, ACTIVATIONS, ACTIVATIONS):
        nothing = isinstance(before.op, _NOT_NEGATIVE) and isinstance(node.op, _RECTIFIERS)
        nothing |= isinstance(before.op, _UP_TO_SIX) and isinstance(node.op, Relu6)
        always = layers.is_one_of_a_kind(node) or _are_side_by_side(before, node)
        edit = without_step(node.origin.span) if nothing and always else None
        assert node.op is not None and before.op is not None
        yield at(
            node,
            "repeated-activation",
            f"`{node.op.name}` changes nothing behind `{before.op.name}`"
            if nothing
            else f"`{node.op.name}` comes right behind `{before.op.name}`",
            labels=(Label(before.origin.span, "the activation before it"),),
            help="" if nothing else "keep one, or put a layer with weights between them",
            fix=edit and Fix("remove it", (edit,), True),
        )


def repeated_norms(layers: Layers) -> Iterator[Found]:
    """Norms of norms."""
    for node, before in _pairs(layers, NORMS, NORMS):
        assert node.op is not None and before.op is not None
        yield at(
            node,
            "repeated-norm",
            f"`{node.op.name}` comes right behind `{before.op.name}`, which has normalised already",
            labels=(Label(before.origin.span, "the norm before it"),),
            help="keep one",
        )


def repeated_linear(layers: Layers) -> Iterator[Found]:
    """Two linear layers in a row that one could be, for the values between them are no fewer."""
    for node in layers.nodes:
        if op_of(node) not in (Dense, Conv):
            continue
        before = layers.before(node)
        if op_of(before) is not op_of(node) or layers.reader(before) is not node:
            continue
        between, entering = before.type.channels, layers.before(before).type.channels
        leaving = node.type.channels
        if isinstance(node.op, Conv) and isinstance(before.op, Conv):
            dot = Window(1, 1)
            if node.op.groups != 1 or before.op.groups != 1:
                continue
            if before.op.kernel == dot:
                # Zeros around an image that a bias was added to are no part of the image.
                if before.op.bias and node.op.pad != NO_PADDING:
                    continue
                least = entering if node.op.kernel != dot else _least(entering, leaving)
            elif node.op.kernel == dot:
                least = leaving
            else:
                continue
        else:
            least = _least(entering, leaving)
        if not isinstance(between, int) or not isinstance(least, int) or between < least:
            continue
        assert node.op is not None
        name = node.op.name
        yield at(
            node,
            "repeated-linear",
            f"nothing but sums lies between this `{name}` and the one before it, so that one could "
            "do the work of both",
            labels=(Label(before.origin.span, f"the `{name}` before it"),),
            help="put an activation between them, or leave one out",
        )


def no_effect(layers: Layers) -> Iterator[Found]:
    """Layers that never change what the network computes, as they are written."""
    for node in layers.nodes:
        op, always = node.op, True
        if isinstance(op, (Dropout, StochasticDepth)):
            rate = node.origin.arguments.get("rate")
            if op.rate or rate is None or not _NO_RATE.match(rate.text.strip()):
                continue
            message = f"`{op.name}` with a rate of 0 drops nothing"
        elif isinstance(op, (MaxPool, AveragePool)):
            reader = layers.reader(node)
            if not is_literal(node, "kernel", "stride", "pad"):
                continue
            if op.kernel == op.step == (1, 1) and node.type == layers.before(node).type:
                message = f"`{op.name}` over single pixels changes nothing"
            elif reader is not None and _is_pooled_again(op, reader, layers.before(node).type):
                # Of another size, the windows may leave out a border.
                if not layers.has_fixed_sizes:
                    continue
                always = layers.is_one_of_a_kind(node)
                assert reader.op is not None
                what = "mean" if isinstance(op, AveragePool) else "maximum"
                message = f"`{reader.op.name}` takes the {what} of all pixels as well without it"
            else:
                continue
        else:
            continue
        edit = without_step(node.origin.span) if always else None
        yield at(
            node,
            "no-effect",
            message,
            help="remove it",
            fix=edit and Fix("remove it", (edit,), True),
        )


def _is_pooled_again(pool: MaxPool | AveragePool, reader: Node, x: TensorType) -> bool:
    """Whether a pool's windows tile the image, and all of its pixels are then pooled alike."""
    again = GlobalAveragePool if isinstance(pool, AveragePool) else GlobalMaxPool
    if not isinstance(reader.op, again) or pool.kernel != pool.step:
        return False
    if not isinstance(pool.pad, str) and pool.pad != NO_PADDING:
        return False
    sizes = zip(x.shape, pool.kernel, strict=False)
    return all(isinstance(size, int) and size % side == 0 for size, side in sizes)


def _pairs(
    layers: Layers, second: tuple[type[Op], ...], first: tuple[type[Op], ...]
) -> Iterator[tuple[Node, Node]]:
    """Layers of the `second` operators that read one of the `first` alone, both of them named where
    they are written."""
    for node in layers.nodes:
        if op_of(node) not in second:
            continue
        before = layers.before(node)
        if op_of(before) in first and not is_chosen(node, before) and not is_chosen(before, node):
            yield node, before


def _are_side_by_side(before: Node, node: Node) -> bool:
    """Whether two layers are written one right behind the other, under the same conditions."""
    first, second = before.origin.span, node.origin.span
    if first.source is not second.source or before.origin.trail != node.origin.trail:
        return False
    return first.end <= second.start and bool(
        _JOINS.match(first.source.text[first.end : second.start])
    )


def _least(a: object, b: object) -> object:
    return min(a, b) if isinstance(a, int) and isinstance(b, int) else None


def _without_bias(node: Node) -> Edit | None:
    call = node.origin.span
    given = node.origin.arguments.get("bias")
    if given is None or not (given.source is call.source and call.start <= given.start < call.end):
        return with_argument(call, "bias = false")
    if not given.text.endswith("true"):
        return None
    return Edit(given._replace(start=given.end - len("true")), "false")
