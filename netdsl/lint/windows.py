"""Rules about windows that slide over an image: pixels that none reads, paddings that differ."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import NamedTuple

from netdsl.diagnostics import Fix, Label
from netdsl.graph import Node
from netdsl.kinds import Padding
from netdsl.lint.edits import with_argument
from netdsl.lint.rule import Found, Layers, at, is_literal
from netdsl.ops.conv import Conv, Depthwise
from netdsl.ops.pool import AveragePool, MaxPool
from netdsl.tensor import TensorType, Window

_AXES = (("row", "height", "above", "below"), ("column", "width", "left", "right"))


class _Sliding(NamedTuple):
    """How a layer's windows move, whatever the layer makes of them."""

    kernel: Window
    stride: Window
    dilation: Window
    pad: Padding
    ceil: bool

    def reach(self, axis: int) -> int:
        """The pixels from a window's first tap to its last."""
        return self.dilation[axis] * (self.kernel[axis] - 1) + 1


def unread_pixels(layers: Layers) -> Iterator[Found]:
    """Images of which no layer reads every pixel, for their windows are smaller than their step."""
    for node, readers in _slid_over(layers):
        reader, slide = readers[0]
        if any(each.stride != slide.stride for _, each in readers):
            continue
        of = slide.stride.height * slide.stride.width
        read = [_read(each, node.type) for _, each in readers]
        most = max(read, key=len)
        # Where each reads pixels that the others don't, no one of them is to blame.
        if len(most) == of or any(each - most for each in read):
            continue
        apart = f" taps, {_step(slide.dilation)} apart," if slide.dilation != (1, 1) else ""
        smaller = any(slide.kernel[axis] < slide.stride[axis] for axis in (0, 1))
        others = tuple(
            Label(other.origin.span, "this reads the same pixels")
            for other, _ in readers[1:]
            if other.origin.span != reader.origin.span
        )
        yield at(
            reader,
            "unread-pixels",
            f"windows of {slide.kernel}{apart} in steps of {_step(slide.stride)} read "
            f"{len(most)} of every {of} pixels, and nothing else reads the others of these "
            f"{_size(node.type)}",
            labels=others,
            help="stride where the window is as large as the step, or pool before it"
            if smaller
            else "stride in a layer without a dilation; a dilation and a step that have no common "
            "divisor read all pixels too",
        )


def unread_border(layers: Layers) -> Iterator[Found]:
    """Images of which no layer reads the last rows or columns, for their windows don't come out."""
    for node, readers in _slid_over(layers):
        lost = [min(_unread(each, node.type, axis) for _, each in readers) for axis in (0, 1)]
        if not any(lost):
            continue
        reader, slide = next(
            (other, each)
            for other, each in readers
            if any(lost[axis] and _unread(each, node.type, axis) == lost[axis] for axis in (0, 1))
        )
        axis = 0 if lost[0] else 1
        size = node.type.shape[axis]
        assert isinstance(size, int)
        (before, after), reach, step = _padding(slide)[axis], slide.reach(axis), slide.stride[axis]
        rest = (size + before + after - reach) % step
        shown = f"{size} + {before} + {after}" if before or after else f"{size}"
        edge = " and ".join(
            f"the last {_AXES[each][0]}"
            if lost[each] == 1
            else f"the last {lost[each]} {_AXES[each][0]}s"
            for each in (0, 1)
            if lost[each]
        )
        pools = isinstance(reader.op, (MaxPool, AveragePool))
        yield at(
            reader,
            "unread-border",
            f"nothing reads {edge} of these {_size(node.type)}",
            notes=(f"({shown} − {reach}) / {step} leaves {rest} over",),
            help=f"a {_AXES[axis][1]} of {size - rest} or {size + step - rest} comes out"
            + ("; `ceil = true` lets the last window hang over the edge" if pools else ""),
        )


def differing_padding(layers: Layers) -> Iterator[Found]:
    """Where `pad = same` is one pixel more at one side, which PyTorch's paddings never are."""
    for node in layers.nodes:
        slide = _slide(node)
        if slide is None or slide.pad != "same" or slide.stride == (1, 1):
            continue
        x = layers.before(node).type
        for axis, (_, name, one, other) in enumerate(_AXES):
            total = _same(slide, x, axis)
            if total is None or slide.stride[axis] == 1 or total % 2 == 0:
                continue
            before, half = total // 2, slide.reach(axis) // 2
            size, out = x.shape[axis], node.type.shape[axis]
            assert isinstance(size, int)
            same_size = (size + 2 * half - slide.reach(axis)) // slide.stride[axis] + 1 == out
            yield at(
                node,
                "padding-differs",
                f"`same` pads {before} {one} and {total - before} {other} these {_size(x)}, as "
                "TensorFlow and JAX do; PyTorch pads both sides alike",
                notes=(
                    f"`pad = {half}` gives the same {name} of {out} from windows that lie "
                    f"{_pixels(half - before)} further {'up' if axis == 0 else 'left'}",
                )
                if same_size
                else (),
                help="weights fit only the padding that they were trained with; write a number for "
                "PyTorch's",
            )
            break


def padding_in_mean(layers: Layers) -> Iterator[Found]:
    """Means over windows with padding in them that don't say whether it counts."""
    for node in layers.nodes:
        if not isinstance(node.op, AveragePool) or "count_padding" in node.origin.arguments:
            continue
        slide = _slide(node)
        assert slide is not None
        x = layers.before(node).type
        if slide.pad == "same":
            padded = any(_same(slide, x, axis) for axis in (0, 1))
            counted, what = "false", "`same` leaves padding out of the mean, as TensorFlow does"
            other = "PyTorch counts it"
        else:
            padded = any(map(any, slide.pad))
            counted, what = "true", "the zeros around the image count in the mean, as in PyTorch"
            other = "TensorFlow leaves them out"
        if not padded:
            continue
        edit = (
            with_argument(node.origin.span, f"count_padding = {counted}")
            if is_literal(node, "pad")
            else None
        )
        yield at(
            node,
            "padding-in-mean",
            f"{what}; {other}",
            help=f"`count_padding = {counted}` says that this is meant",
            fix=edit and Fix(f"write `count_padding = {counted}`", (edit,), True),
        )


def _slid_over(layers: Layers) -> Iterator[tuple[Node, list[tuple[Node, _Sliding]]]]:
    """The images of known size that only sliding windows read, each with their layers."""
    for node in layers.nodes:
        if not node.type.is_image or node.number in layers.outputs:
            continue
        if not all(isinstance(size, int) for size in node.type.shape):
            continue
        slides = [(reader, _slide(reader)) for reader in layers.readers[node.number]]
        readers = [(reader, slide) for reader, slide in slides if slide is not None]
        if readers and len(readers) == len(slides):
            yield node, readers


def _slide(node: Node) -> _Sliding | None:
    op = node.op
    if isinstance(op, (Conv, Depthwise)):
        return _Sliding(op.kernel, op.stride, op.dilation, op.pad, False)
    if isinstance(op, (MaxPool, AveragePool)):
        return _Sliding(op.kernel, op.step, Window(1, 1), op.pad, op.ceil)
    return None


def _padding(slide: _Sliding) -> tuple[tuple[int, int], tuple[int, int]]:
    assert not isinstance(slide.pad, str)
    return slide.pad


def _read(slide: _Sliding, x: TensorType) -> set[tuple[int, int]]:
    """Which rows and columns of each step the taps of the windows are on."""
    rows, columns = (_read_along(slide, x, axis) for axis in (0, 1))
    return set(product(rows, columns))


def _read_along(slide: _Sliding, x: TensorType, axis: int) -> set[int]:
    step = slide.stride[axis]
    padding = _same(slide, x, axis) or 0
    before = padding // 2 if isinstance(slide.pad, str) else slide.pad[axis][0]
    taps = range(min(slide.kernel[axis], step))  # Those after them are on the same rows.
    return {(slide.dilation[axis] * tap - before) % step for tap in taps}


def _unread(slide: _Sliding, x: TensorType, axis: int) -> int:
    """How many of the last rows or columns no window reaches."""
    if isinstance(slide.pad, str) or slide.ceil or slide.stride[axis] > slide.reach(axis):
        return 0
    size = x.shape[axis]
    assert isinstance(size, int)
    before, after = slide.pad[axis]
    return max((size + before + after - slide.reach(axis)) % slide.stride[axis] - after, 0)


def _same(slide: _Sliding, x: TensorType, axis: int) -> int | None:
    """The rows or columns that `same` pads in all; None for an open size."""
    size, step = x.shape[axis], slide.stride[axis]
    if not isinstance(size, int):
        return None
    return max((-(-size // step) - 1) * step + slide.reach(axis) - size, 0)


def _step(stride: Window) -> str:
    return str(stride.height) if stride.height == stride.width else str(stride)


def _pixels(count: int) -> str:
    return "a pixel" if count == 1 else f"{count} pixels"


def _size(x: TensorType) -> str:
    return f"{x.shape[0]}×{x.shape[1]} pixels"
