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
from netdsl.ops.dense import Dense
from netdsl.ops.merge import Concat
from netdsl.ops.norm import BatchNorm
from netdsl.ops.pool import AdaptiveAveragePool, AdaptiveMaxPool, AveragePool, MaxPool
from netdsl.ops.shape import Flatten, Identity, Reshape, SpaceToDepth, Upsample
from netdsl.ops.windows import every_place
from netdsl.report import node_indices
from netdsl.tensor import Field, TensorType, Window

_PIXEL = Window(1, 1)
_WINDOWED = (BlockAttention, CosineWindowAttention, WindowAttention)
_ADAPTIVE = (AdaptiveAveragePool, AdaptiveMaxPool)
_PROJECTIONS = (Conv, ConvTranspose, Dense, Depthwise)
"""What is linear in x and has weights to learn."""


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
        """Why a shortcut has layers, and what is added."""
        around = self.regions[node.number]
        for residual, branch in pairwise(around):
            if branch.kind == "branch" and branch.definition == "shortcut":
                yield from self._on_shortcut(node, residual, branch)
        added = self.added(node)
        if added:
            yield remark(added)

    def added(self, node: Node) -> str:
        """What the sum of a residual adds; nothing of other layers."""
        inner = self.regions[node.number][-1]
        if inner.kind != "residual" or node.number not in inner.items:
            return ""
        if inner.taken == "shortcut":
            return self._added(inner)
        identity = "y = F(x) + x: the body has only to learn what x lacks"
        return identity if inner.taken == "identity" else ""

    def _added(self, residual: Region) -> str:
        """What the sum of a residual with a shortcut adds."""
        branches = [item for item in residual.items if isinstance(item, Region)]
        shortcut = next(each for each in branches if each.definition == "shortcut")
        chain = self._chain(shortcut)
        function = _function(chain)
        names = {
            "W_s·x": "the shortcut's projection W_s of x",
            "P(x)": "the shortcut's pooling P of x, which has no weights",
            "W_s·P(x)": "the shortcut, which pools x (P) and then projects it (W_s)",
            "P(W_s·x)": "the shortcut, which projects x (W_s) and then pools it (P)",
        }
        return f"y = F(x) + {function}: the body F, and " + names.get(
            function, "what the shortcut's own layers G make of x"
        )

    def _chain(self, branch: Region) -> tuple[Node, ...]:
        """The layers of a shortcut in a row; none where its ways part or meet."""
        nodes = tuple(self.nodes[index] for index in node_indices(branch))
        before = (branch.input, *(node.number for node in nodes))
        in_a_row = all(node.inputs == (index,) for node, index in zip(nodes, before, strict=False))
        return nodes if in_a_row else ()

    def _on_shortcut(self, node: Node, residual: Region, branch: Region) -> Iterator[Step]:
        """What a shortcut's layers do to x, told at each that does something to its shape.

        W_s is He et al., Deep Residual Learning, 2015, section 3.3; the mean before it is
        ResNet-D of He et al., Bag of Tricks for Image Classification, 2018, section 4.2.
        """
        body = residual.items[0]
        chain = self._chain(branch)
        moving = [each for each in chain if self._changes(each)]
        told = moving or [each for each in chain if isinstance(each.op, _PROJECTIONS)]
        if (
            node not in told
            or branch.input is None
            or not isinstance(body, Region)
            or body.output is None
        ):
            return
        x, wanted = self.nodes[branch.input].type, self.nodes[body.output].type
        function = _function(chain)
        alone = function == "W_s·x"
        opening = f"W_s of y = F(x) + {function}" if alone else f"shortcut of y = F(x) + {function}"
        if x == wanted:
            does = "it is projected all the same"
            if not alone:
                does = self._work(moving) or f"it goes through {_listed(told)} all the same"
            yield remark(
                f"{opening}: x is {x} as F(x) is, so it could be added as it is; here {does}"
            )
            return
        does = f"W_s {' and '.join(self._deeds(node))}" if alone else self._work(moving)
        yield remark(
            f"{opening}: the body's F(x) is {wanted}, x is {x}, and only equal shapes can be "
            f"added, so {does}"
        )
        after = next((each for each in chain if each.number > node.number), None)
        if (
            isinstance(node.op, AveragePool)
            and after is not None
            and isinstance(after.op, Conv)
            and (after.op.kernel, after.op.stride) == (_PIXEL, _PIXEL)
            and all(
                size >= step > 1 for size, step in zip(node.op.kernel, node.op.step, strict=True)
            )
        ):
            step = node.op.step
            yield remark(
                f"a 1×1 convolution of stride {_stride(step)} in place of both would use one pixel "
                f"of {step.height * step.width} and ignore the others; the mean uses them all, as "
                "in ResNet-D"
            )

    def _changes(self, node: Node) -> bool:
        return node.type != self.nodes[node.inputs[0]].type

    def _work(self, nodes: list[Node]) -> str:
        """What layers do in turn: avgpool shrinks … and conv makes …."""
        return ", then ".join(f"{_path(node)} {' and '.join(self._deeds(node))}" for node in nodes)

    def _deeds(self, node: Node) -> list[str]:
        """What a layer does to the shape of its input."""
        old, new = self.nodes[node.inputs[0]].type, node.type
        if len(old.shape) != len(new.shape):
            return [f"turns {old} into {new}"]
        deeds = []
        if old.channels != new.channels:
            deeds.append(f"makes {new.channels} of its {old.channels} channels")
        if old.shape[:-1] != new.shape[:-1]:
            deeds.append(_moved(node.op, old, new))
        return deeds or ["keeps the shape"]


def _function(chain: tuple[Node, ...]) -> str:
    """What a shortcut adds: W_s·x, W_s·P(x) and so on; G(x) for all that has no such name.

    A batch norm counts to the projection before it: at inference both are one linear map.
    """
    text, projected, pooled = "x", False, False
    for node in chain:
        if isinstance(node.op, _PROJECTIONS) and not projected:
            text, projected = f"W_s·{text}", True
        elif isinstance(node.op, (AveragePool, MaxPool)) and not pooled:
            text, pooled = f"P({text})", True
        elif not (isinstance(node.op, Identity) or (isinstance(node.op, BatchNorm) and projected)):
            return "G(x)"
    return text if projected or pooled else "G(x)"


def _moved(op: Op | None, old: TensorType, new: TensorType) -> str:
    """What a layer does to rows and columns, or to tokens."""
    if isinstance(op, Conv) and op.kernel == _PIXEL and op.stride != _PIXEL:
        return f"takes only {every_place(op.stride)}"
    sizes = tuple(zip(old.shape[:-1], new.shape[:-1], strict=True))
    numbers = [(a, b) for a, b in sizes if isinstance(a, int) and isinstance(b, int)]
    verb = "changes"
    if len(numbers) == len(sizes):
        verb = "shrinks" if all(a >= b for a, b in numbers) else verb
        verb = "grows" if all(a <= b for a, b in numbers) else verb
    before, after = ("×".join(map(str, each.shape[:-1])) for each in (old, new))
    return f"{verb} {before} to {after}"


def _path(node: Node) -> str:
    return ".".join(node.path)


def _listed(nodes: list[Node]) -> str:
    return " and ".join(map(_path, nodes))


def _stride(step: Window) -> str:
    return str(step.height) if step.height == step.width else str(step)


def _seen(op: Op, field: Field, axis: int, window: int, step: int) -> tuple[Term, Term]:
    """The field R' and the step J' after a layer, along one axis."""
    seen, stride = named("R", window), named("J", step)
    # Named as in the weights of the same layer.
    side = "K" if field.kernel.height == field.kernel.width else ("K_h", "K_w")[axis]
    if isinstance(op, (Conv, Depthwise)):
        side = "K" if op.kernel.height == op.kernel.width else ("K_h", "K_w")[axis]
        more = named(side, op.kernel[axis]) - 1
        if op.dilation[axis] > 1:
            more = named("D", op.dilation[axis]) * more
    elif isinstance(op, ConvTranspose):
        # As many pixels of the input as one of the output meets.
        more = ceiling(_reach(op, axis), named("S", op.stride[axis])) - 1
    elif isinstance(op, Upsample):
        more = term(field.kernel[axis]) - 1
    else:
        letter = "S" if isinstance(op, SpaceToDepth) else "M" if isinstance(op, _WINDOWED) else side
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
