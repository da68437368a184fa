"""Arithmetic of windows that slide over an image, shared by convolutions and pools."""

from __future__ import annotations

from netdsl.code import Constant
from netdsl.derivation import Step, Term, Value, ceiling, largest, named
from netdsl.kinds import Padding
from netdsl.ops.base import Op, OpError, Requirement
from netdsl.sizes import Size, ceil_divide, floor_divide
from netdsl.tensor import TensorType, Window

NO_PADDING: Padding = ((0, 0), (0, 0))
_DENSE = Window(1, 1)


def require_image(op: Op, x: TensorType) -> None:
    """Raise OpError unless the input is an image."""
    if not x.is_image:
        raise OpError(
            "needs-image",
            f"`{op.name}` works on an image (height × width × channels), not on {x.noun} of {x}",
            operand=0,
            help="`reshape([H, W, -1])` makes an image of a sequence"
            if x.is_sequence
            else "put it in front of `flatten` or the global pooling",
        )


def require_sequence(op: Op, x: TensorType) -> None:
    """Raise OpError unless the input is a sequence."""
    if not x.is_sequence:
        raise OpError(
            "needs-sequence",
            f"`{op.name}` works on a sequence (tokens × channels), not on {x.noun} of {x}",
            operand=0,
            help="`tokens` makes a sequence of an image" if x.is_image else "",
        )


def require_multiple(op: Op, x: TensorType, window: Window, argument: str) -> None:
    """Raise OpError where windows don't tile the image, whatever the size of its input."""
    for name, size, side in zip(("height", "width"), x.shape, window, strict=False):
        rest = size % side
        if isinstance(rest, int) and rest:
            raise OpError(
                "size-not-divisible",
                f"`{op.name}` tiles the image with {window}, but {side} does not divide the "
                f"{name} of {size}",
                argument=argument,
                help="`pad` makes it larger",
            )


def tiling(op: Op, x: TensorType, window: Window, argument: str) -> tuple[Requirement, ...]:
    """That windows tile the image, where it depends on the input's size."""
    return tuple(
        Requirement(
            "size-not-divisible",
            f"`{op.name}` tiles the {name} with windows of {side}",
            "divisible",
            size,
            side,
            argument,
        )
        for name, size, side in zip(("height", "width"), x.shape, window, strict=False)
        if not isinstance(size % side, int)
    )


def strided_sizes(
    x: TensorType,
    kernel: Window,
    stride: Window,
    pad: Padding,
    dilation: Window = _DENSE,
    *,
    ceil: bool = False,
) -> tuple[Size, Size]:
    """Height and width after windows of `kernel` taps, `dilation` apart, moved by `stride`.

    With `ceil`, sizes round up, but a window must begin inside the image or the padding above and
    left of it (as PyTorch's pools have it). Raises OpError where no window fits.
    """
    return (
        _strided_size("height", x.shape[0], 0, kernel, stride, pad, dilation, ceil),
        _strided_size("width", x.shape[1], 1, kernel, stride, pad, dilation, ceil),
    )


def _strided_size(
    axis_name: str,
    size: Size,
    axis: int,
    kernel: Window,
    stride: Window,
    pad: Padding,
    dilation: Window,
    ceil: bool,
) -> Size:
    step = stride[axis]
    if pad == "same":
        return ceil_divide(size, step)
    assert not isinstance(pad, str)
    before, after = pad[axis]
    reach = dilation[axis] * (kernel[axis] - 1) + 1
    if ceil:
        # Of the windows that reach the last row, and those that begin before the padding below or
        # to the right of it, the fewer.
        count = ceil_divide(size + before + min(after - reach + step, 0), step)
    else:
        count = floor_divide(size + before + after - reach, step) + 1
    if isinstance(count, int) and count < 1:
        padded = f"{size} + {before} + {after}" if before or after else f"{size}"
        taps = f" ({kernel[axis]} taps, {dilation[axis]} apart)"
        spread = taps if dilation[axis] > 1 else ""
        equation = f"{axis_name[0].upper()}' = {'ceil' if ceil else 'floor'}"
        raise OpError(
            "window-too-large",
            f"a window of {reach}{spread} does not fit into a {axis_name} of {padded}",
            argument="kernel",
            note=f"{equation}(({padded} − {reach}) / {step}) + 1 = {count}",
            help="`pad = same` keeps the size; or use a smaller window or fewer strides before",
        )
    return count


def size_steps(
    x: TensorType,
    kernel: Window,
    stride: Window,
    pad: Padding,
    dilation: Window = _DENSE,
    *,
    ceil: bool = False,
) -> tuple[Step, ...]:
    """How `strided_sizes` come about, and for `same` the padding that leads to them."""
    steps: list[Step] = []
    for axis, (name, letter) in enumerate((("height", "H"), ("width", "W"))):
        size, step = named(letter, x.shape[axis]), named("S", stride[axis])
        reach = _reach(named("K", kernel[axis]), named("D", dilation[axis]))
        out = f"{letter}'"
        if isinstance(pad, str):
            count = ceiling(size, step)
            needed = largest((named(out, _known(count)) - 1) * step + reach - size, 0)
            steps.append(Step(name, count, symbol=out))
            note = _same_note(needed.value)
            steps.append(Step(f"{name} padding", needed, note, symbol="P"))
            continue
        before, after = pad[axis]
        one, other = ("above", "below") if axis == 0 else ("left", "right")
        if ceil and after - dilation[axis] * (kernel[axis] - 1) - 1 + stride[axis] > 0:
            # The windows that begin before the padding after the image are fewer than those that
            # would reach the last pixel.
            count = ceiling(size + named(f"P_{one}", before) if before else size, step)
            note = "rounded up; but a window that would begin beyond the image is left out"
            steps.append(Step(name, count, note, symbol=out))
            continue
        if before == after:
            padded = size + 2 * named("P", before)
        else:
            padded = size + named(f"P_{one}", before) + named(f"P_{other}", after)
        # The reach taken away term by term: H + 2P − K, or H + 2P − D·(K − 1) − 1.
        top = padded - reach if reach.kind == "number" else padded - reach.parts[0] - 1
        windows = ceiling(top, step) if ceil else top // step
        note = "rounded up, so that the last window may hang over the edge" if ceil else ""
        steps.append(Step(name, windows + 1, note, symbol=out))
    return tuple(steps)


def kernel_taps(kernel: Window) -> Term:
    """K·K, or K_h·K_w for a window whose sides differ."""
    if kernel.height == kernel.width:
        return named("K", kernel.height) * named("K", kernel.width)
    return named("K_h", kernel.height) * named("K_w", kernel.width)


def pixel_count(x: TensorType, mark: str = "") -> Term:
    """H·W of an image; with `mark`, such as H'·W'."""
    return named(f"H{mark}", x.shape[0]) * named(f"W{mark}", x.shape[1])


def every_place(stride: Window) -> str:
    """Where windows stand: "every second row and column", "every third row and second column"."""
    sides = [
        (f"{_ordinal(step)} " if step > 1 else "", name)
        for step, name in zip(stride, ("row", "column"), strict=True)
    ]
    if stride.height == stride.width:
        return f"every {sides[0][0]}row and column"
    return "every " + " and ".join(f"{which}{name}" for which, name in sides if which)


def _ordinal(number: int) -> str:
    if number in (2, 3):
        return {2: "second", 3: "third"}[number]
    last = 0 if number % 100 in (11, 12, 13) else number % 10
    return f"{number}{ {1: 'st', 2: 'nd', 3: 'rd'}.get(last, 'th') }"


def _reach(kernel: Term, dilation: Term) -> Term:
    """The pixels from a window's first tap to its last."""
    return kernel if dilation.value == 1 else dilation * (kernel - 1) + 1


def _known(count: Term) -> Size:
    assert count.value is not None and not isinstance(count.value, float)
    return count.value


def _same_note(padding: Value) -> str:
    if not isinstance(padding, int):
        return "as many before as after, and an odd one after"
    before, after = padding // 2, padding - padding // 2
    if padding == 0:
        return "nothing need be padded"
    if before == after:
        return f"{before} before (above, left) and {after} after (below, right)"
    return (
        f"{before} before (above, left) and {after} after (below, right): the odd pixel goes "
        "after, as TensorFlow has it"
    )


def emit_window(window: Window) -> Constant:
    """One number where both sides are alike, as people write it."""
    return window.height if window.height == window.width else tuple(window)


def emit_padding(pad: Padding) -> Constant:
    """As Flax's convolutions take it: "SAME", one number, or a pair for each axis."""
    if isinstance(pad, str):
        return "SAME"
    (above, below), (left, right) = pad
    if above == below == left == right:
        return above
    return ((above, below), (left, right))


def emit_pool_padding(pad: Padding) -> Constant:
    """As Flax's pools take it: "SAME", "VALID" or pairs, never one number."""
    if isinstance(pad, str):
        return "SAME"
    return "VALID" if pad == NO_PADDING else pad
