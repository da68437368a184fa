"""What a layer's place in the network explains: what it sees, and why it stands there."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from netdsl.cost import CostReport
from netdsl.derivation import (
    Step,
    Term,
    ceiling,
    largest,
    named,
    product,
    remark,
    shown,
    term,
    total,
)
from netdsl.graph import Node, Region
from netdsl.ops.attention import BlockAttention, CosineWindowAttention, WindowAttention
from netdsl.ops.base import Op
from netdsl.ops.conv import Conv, ConvTranspose, Depthwise
from netdsl.ops.merge import Concat
from netdsl.ops.norm import BatchNorm
from netdsl.ops.pool import AdaptiveAveragePool, AdaptiveMaxPool
from netdsl.ops.shape import Flatten, Reshape, SpaceToDepth, Upsample
from netdsl.ops.windows import every_place
from netdsl.tensor import Field, Window

_PIXEL = Window(1, 1)
_WINDOWED = (BlockAttention, CosineWindowAttention, WindowAttention)
_ADAPTIVE = (AdaptiveAveragePool, AdaptiveMaxPool)


class Context:
    """Looks around each layer of a network that was costed."""

    def __init__(self, report: CostReport) -> None:
        self.report = report
        self.nodes = report.graph.nodes
        self.regions: dict[int, tuple[Region, ...]] = {}
        self.users: dict[int, list[Node]] = {}
        self._place(report.graph.root, ())
        for node in self.nodes:
            for index in node.inputs:
                self.users.setdefault(index, []).append(node)

    def steps(self, node: Node) -> tuple[Step, ...]:
        """The steps that go after the operator's own."""
        return (*self._parts(node), *self._field(node), *self._reasons(node))

    def _place(self, region: Region, above: tuple[Region, ...]) -> None:
        inside = (*above, region)
        for item in region.items:
            if isinstance(item, Region):
                self._place(item, inside)
            else:
                self.regions[item] = inside

    def _parts(self, node: Node) -> Iterator[Step]:
        """Which layer each term of a concatenation comes from."""
        if isinstance(node.op, Concat):
            ends = [".".join(self.nodes[index].path) for index in node.inputs]
            listed = ", ".join(f"C_{number} of {path}" for number, path in enumerate(ends, 1))
            yield remark(listed)

    def _field(self, node: Node) -> Iterator[Step]:
        """The receptive field R and the step J, by what the input's are."""
        assert node.op is not None
        field = node.op.field()
        before = [self.report.layers[index] for index in node.inputs]
        seen = [each.receptive_field for each in before if each.receptive_field is not None]
        steps = [each.stride for each in before if each.stride is not None]
        if len(seen) < len(before) or len(steps) < len(before):
            return
        if field is None:
            # A value that was only moved, or a bin, has seen no more than before or than its part.
            is_bin = isinstance(node.op, _ADAPTIVE) and node.op.size != _PIXEL
            if not isinstance(node.op, (Flatten, Reshape)) and not is_bin:
                yield remark("each output sees the whole image")
            return
        if field == Field() and not isinstance(node.op, (Conv, Depthwise)):
            return
        sides = [
            _seen(
                node.op,
                field,
                axis,
                max(window[axis] for window in seen),
                max(step[axis] for step in steps),
            )
            for axis in (0, 1)
        ]
        if sides[0][0].value == sides[1][0].value and sides[0][1].value == sides[1][1].value:
            sides, names = sides[:1], [""]
        else:
            names = [" in height", " in width"]
        for (window, step), name in zip(sides, names, strict=True):
            yield Step(f"sees{name}", window, "pixels of the input", "R'")
            yield Step(f"step{name}", step, "pixels of the input apart", "J'")

    def _reasons(self, node: Node) -> Iterator[Step]:
        users = self.users.get(node.number, [])
        op = node.op
        normed = bool(users) and all(isinstance(user.op, BatchNorm) for user in users)
        if isinstance(op, (Conv, Depthwise)) and not op.bias and normed:
            yield remark(
                "no bias: batch norm subtracts the mean, and a bias with it; its own shift takes "
                "the bias's place"
            )
        if isinstance(op, Conv) and op.groups == 1:
            yield from self._separable(node, op)
            yield from self._bottleneck(node, op)
        yield from self._residual(node)
        if node.number in self.report.graph.auxiliary:
            yield remark("on a side branch: it is trained, but no part of inference")

    def _before(self, node: Node) -> Node:
        """The layer before, looking through norms and activations."""
        current = self.nodes[node.inputs[0]]
        while (
            current.op is not None
            and len(current.inputs) == 1
            and not isinstance(current.op, (Conv, Depthwise))
            and self.nodes[current.inputs[0]].type == current.type
            and self.report.layers[current.number].macs == 0
            and current.op.field() == Field()
        ):
            current = self.nodes[current.inputs[0]]
        return current

    def _separable(self, node: Node, op: Conv) -> Iterator[Step]:
        """What a depthwise and a pointwise convolution save."""
        before = self._before(node)
        depthwise = before.op
        if (
            not isinstance(depthwise, Depthwise)
            or depthwise.multiplier != 1
            or (op.kernel, op.stride) != (_PIXEL, _PIXEL)
            or before.type.shape[:2] != node.type.shape[:2]
        ):
            return
        channels, filters = named("C", before.type.channels), named("F", op.filters)
        full = _direct(depthwise.kernel, channels, filters, node)
        two = [
            named("depthwise", self.report.layers[before.number].macs),
            named("pointwise", self.report.layers[node.number].macs),
        ]
        sides = depthwise.kernel
        if sides.height == sides.width:
            window: Term = named("K", sides.height) ** 2
        else:
            window = named("K_h", sides.height) * named("K_w", sides.width)
        path = ".".join(before.path)
        yield Step("depthwise separable", total(*two), f"multiplications, with those of {path}")
        yield Step(
            "a full convolution", full, f"one of {sides.height}×{sides.width} in their place"
        )
        both, whole = total(*two).value, full.value
        note = "of its multiplications"
        if isinstance(both, int) and isinstance(whole, int):
            note += f": {shown(both)} / {shown(whole)}, {whole / both:.3g} times fewer"
        yield Step("share of its work", 1 / filters + 1 / window, note)

    def _bottleneck(self, node: Node, op: Conv) -> Iterator[Step]:
        """What a 1×1 convolution that shrinks the depth before this one saves."""
        before = self._before(node)
        narrow = before.op
        if not isinstance(narrow, Conv) or narrow.kernel != _PIXEL or op.kernel == _PIXEL:
            return
        x = self.nodes[before.inputs[0]].type
        if narrow.stride != _PIXEL or narrow.groups != 1 or not isinstance(x.channels, int):
            return
        if not isinstance(narrow.filters, int) or x.channels <= narrow.filters:
            return
        channels = named("C", x.channels)
        direct = _direct(op.kernel, channels, named("F", op.filters), node)
        both = total(
            named("narrow", self.report.layers[before.number].macs),
            named("wide", self.report.layers[node.number].macs),
        )
        if not isinstance(both.value, int) or not isinstance(direct.value, int):
            return
        path = ".".join(before.path)
        times = direct.value / both.value
        if times <= 1:
            return
        yield Step(
            "without the 1×1 before",
            direct,
            f"multiplications on all {x.channels} channels; with {path} they are "
            f"{both.numbers()} = {shown(both.value)}, {times:.3g} times fewer",
        )

    def _residual(self, node: Node) -> Iterator[Step]:
        """Why a shortcut projects, and what is added."""
        around = self.regions[node.number]
        for above, region in pairwise(around):
            shortcut = region.kind == "branch" and region.definition == "shortcut"
            if shortcut and self.report.layers[node.number].macs != 0:
                yield from self._projection(node, above)
        inner = around[-1]
        if inner.kind == "residual" and node.number in inner.items:
            if inner.taken == "shortcut":
                yield remark("y = F(x) + W_s·x: the body F, and the shortcut's projection W_s of x")
            elif inner.taken == "identity":
                yield remark("y = F(x) + x: the body has only to learn what x lacks")

    def _projection(self, node: Node, residual: Region) -> Iterator[Step]:
        body = residual.items[0]
        if residual.input is None or not isinstance(body, Region) or body.output is None:
            return
        x, wanted = self.nodes[residual.input].type, self.nodes[body.output].type
        if x == wanted:
            yield remark(
                f"W_s of y = F(x) + W_s·x: x is {x} as F(x) is, so it could be added as it is; "
                "here it is projected all the same"
            )
            return
        does = []
        if x.channels != wanted.channels:
            does.append(f"makes {wanted.channels} of its {x.channels} channels")
        if x.shape[:-1] != wanted.shape[:-1] and isinstance(node.op, Conv):
            does.append(f"takes only {every_place(node.op.stride)}")
        yield remark(
            f"W_s of y = F(x) + W_s·x: the body's F(x) is {wanted}, x is {x}, and only equal "
            f"shapes can be added, so W_s " + (" and ".join(does) or "changes x's shape")
        )


def _seen(op: Op, field: Field, axis: int, window: int, step: int) -> tuple[Term, Term]:
    """The field R' and the step J' after a layer, along one axis."""
    seen, stride = named("R", window), named("J", step)
    if isinstance(op, (Conv, Depthwise)):
        more = named("K", op.kernel[axis]) - 1
        if op.dilation[axis] > 1:
            more = named("D", op.dilation[axis]) * more
    elif isinstance(op, ConvTranspose):
        # As many pixels of the input as one of the output meets.
        more = ceiling(_reach(op, axis), named("S", op.stride[axis])) - 1
    elif isinstance(op, Upsample):
        more = term(field.kernel[axis]) - 1
    else:
        letter = "S" if isinstance(op, SpaceToDepth) else "M" if isinstance(op, _WINDOWED) else "K"
        more = named(letter, field.kernel[axis]) - 1
    if field.zoom[axis] > 1:
        moved = largest(stride // named("S", field.zoom[axis]), 1)
    elif isinstance(op, _WINDOWED):
        moved = stride
    else:
        moved = stride * named("S", field.stride[axis])
    return seen + more * stride, moved


def _reach(op: ConvTranspose, axis: int) -> Term:
    kernel = named("K", op.kernel[axis])
    return kernel if op.dilation[axis] == 1 else named("D", op.dilation[axis]) * (kernel - 1) + 1


def _direct(kernel: Window, channels: Term, filters: Term, node: Node) -> Term:
    """The MACs of a plain convolution with the output of `node`."""
    sides = (named("K", kernel.height), named("K", kernel.width))
    if kernel.height != kernel.width:
        sides = (named("K_h", kernel.height), named("K_w", kernel.width))
    places = named("H'", node.type.shape[0]) * named("W'", node.type.shape[1])
    return product(*sides, channels, filters) * places
