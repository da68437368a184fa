"""Operators that move, cut or repeat values without computing with them."""

from __future__ import annotations

from netdsl.code import Emission, Fragment, Input, Method, Slice, Take, Usual, call
from netdsl.derivation import (
    AXES,
    Step,
    ceiling,
    even_share,
    named,
    product,
    remark,
    term,
    values_count,
)
from netdsl.kinds import Choice, Integer, Integers, Padding, PaddingKind, WindowKind
from netdsl.ops.base import Op, OpError, Requirement, equal_parts, whole
from netdsl.ops.windows import require_image, require_multiple, tiling
from netdsl.parameters import param
from netdsl.sizes import Expression, Size, UndecidedSize, ceil_divide
from netdsl.tensor import Cost, Field, TensorType, Weight, Window


class _Moving(Op):
    def weights(self, *inputs: TensorType) -> tuple[Weight, ...]:
        return ()

    def cost(self, output: TensorType, *inputs: TensorType) -> Cost:
        return Cost()


_SIDES = (("height", "H", "H'"), ("width", "W", "W'"))


class Flatten(_Moving):
    """Make the image a vector.

        x[N, H, W, C] -> y[N, H W C]

    `channels_last` keeps the order in which values lie: row by row, all channels of a pixel
    together, as TensorFlow does. `channels_first` takes one channel's pixels after another's, as
    PyTorch does: then the weights that it has published for the dense layer behind fit as they are.
    """

    name = "flatten"
    order: str = param(
        "what stays together: a pixel's channels, or a channel's pixels",
        Choice("channels_last", "channels_first"),
        "channels_last",
    )

    def infer(self, *inputs: TensorType) -> TensorType:
        return TensorType((inputs[0].elements,))

    def derivation(self, output: TensorType, *inputs: TensorType) -> tuple[Step, ...]:
        rows = "one channel after another" if self.order == "channels_first" else "row by row"
        note = f"all values {rows}; nothing is computed"
        return (Step("features", values_count(inputs[0].shape), note),)

    def emit(self, *inputs: TensorType) -> Emission:
        (x,) = inputs
        value: Fragment = Input()
        if self.order == "channels_first" and len(x.shape) > 1:
            value = call("jnp.moveaxis", value, -1, 1)
        return Emission(Method(value, "reshape", (-1, whole(x.elements))))

    def field(self) -> Field | None:
        return None


class Reshape(_Moving):
    """Give the values of each image another shape, in the same order.

        x[N, …] -> y[N, *shape]

    One size is a vector, two are tokens and channels of a sequence, three an image's. One may be
    -1: what is left. The product of sizes must stay.
    """

    name = "reshape"
    shape: tuple[Size, ...] = param("sizes after the batch axis", Integers(-1, symbolic=True))

    def infer(self, *inputs: TensorType) -> TensorType:
        (x,) = inputs
        if 0 in self.shape or self.shape.count(-1) > 1 or len(self.shape) not in (1, 2, 3):
            raise OpError(
                "reshape-sizes",
                f"{list(self.shape)} is not a shape of 1 to 3 sizes with at most one -1",
                argument="shape",
            )
        elements, known = x.elements, self._known()
        rest: Size = _share(elements, known) if -1 in self.shape else 1
        missing = elements - rest * known
        if -1 in self.shape and not isinstance(known, int) and missing != 0:
            raise OpError(
                "reshape-sizes",
                f"it is not clear that {x}, of {elements} values, leaves whole numbers for the -1 "
                f"of {list(self.shape)}",
                argument="shape",
                help="write a size in place of -1",
            )
        if isinstance(missing, int) and missing:
            raise OpError(
                "reshape-sizes",
                f"{x} has {elements} values, which can't be shaped to {list(self.shape)}",
                argument="shape",
            )
        return TensorType(tuple(rest if size == -1 else size for size in self.shape))

    def requirements(self, *inputs: TensorType) -> tuple[Requirement, ...]:
        elements, shaped = inputs[0].elements, self.infer(*inputs).elements
        code, asked = "reshape-sizes", list(self.shape)
        positive = tuple(
            Requirement(code, f"{size} in {asked} is a size", "at least", size, 1, "shape")
            for size in dict.fromkeys(self.shape)
            if not isinstance(size, int) and not _is_positive(size)
        )
        if elements == shaped:
            return positive
        subject = f"`reshape` makes {asked} of all values"
        return (*positive, Requirement(code, subject, "equal", elements, shaped, "shape"))

    def _known(self) -> Size:
        """The product of all sizes that are given."""
        known: Size = 1
        for size in self.shape:
            if size != -1:
                known = known * size
        return known

    def derivation(self, output: TensorType, *inputs: TensorType) -> tuple[Step, ...]:
        values = values_count(inputs[0].shape)
        known = [size for size in self.shape if size != -1]
        steps = []
        for axis, size in zip(AXES[len(self.shape)], self.shape, strict=True):
            if size != -1:
                steps.append(Step(axis, term(size), "as asked for"))
            elif known:
                rest = values // product(*map(term, known))
                steps.append(Step(axis, rest, "what is left of all values"))
            else:
                steps.append(Step(axis, values, "all values"))
        return tuple(steps)

    def emit(self, *inputs: TensorType) -> Emission:
        shape = self.infer(*inputs).shape
        sizes: tuple[Fragment, ...] = tuple(whole(size) for size in shape)
        return Emission(Method(Input(), "reshape", (-1, *sizes)))

    def field(self) -> Field | None:
        return None


def _share(elements: Size, known: Size) -> Size:
    """elements / known, rounded down; a number too where a sum of open sizes goes into another."""
    if isinstance(elements, Expression) and isinstance(known, Expression):
        (monomial, coefficient), *_ = known.terms
        times = dict(elements.terms).get(monomial, 0) // coefficient
        if times and known * times == elements:
            return times
    return elements // known


def _is_positive(size: Size) -> bool:
    """Whether it is plain that a size is above 0."""
    try:
        return size > 0
    except UndecidedSize:
        return False


class Upsample(_Moving):
    """Enlarge the image by a whole factor.

        x[N, H, W, C] -> y[N, H S, W S, C]
        flops = 0 for nearest; for bilinear 7 per output, 4 products and their sum

    `bilinear` puts pixels at their centres (PyTorch's align_corners = False).
    """

    name = "upsample"
    scale: Window = param("factor S for height and width", WindowKind())
    method: str = param("how pixels in between are made", Choice("nearest", "bilinear"), "nearest")

    def infer(self, *inputs: TensorType) -> TensorType:
        (x,) = inputs
        require_image(self, x)
        height, width, channels = x.shape
        return TensorType((height * self.scale.height, width * self.scale.width, channels))

    def cost(self, output: TensorType, *inputs: TensorType) -> Cost:
        return Cost(flops=7 * output.elements if self.method == "bilinear" else 0)

    def derivation(self, output: TensorType, *inputs: TensorType) -> tuple[Step, ...]:
        (x,) = inputs
        sizes = tuple(
            Step(name, named(letter, x.shape[axis]) * named("S", self.scale[axis]), symbol=out)
            for axis, (name, letter, out) in enumerate(_SIDES)
        )
        if self.method == "nearest":
            return *sizes, remark("each pixel is repeated; nothing is computed or learned")
        outputs = product(*map(named, ("H'", "W'", "C"), output.shape))
        note = "each output mixes 4 pixels: 4 products and 3 sums"
        return *sizes, Step("flops", 7 * outputs, note)

    def emit(self, *inputs: TensorType) -> Emission:
        apply = call("upsample", Input(), scale=tuple(self.scale), method=self.method)
        return Emission(apply, runtime=("upsample",))

    def field(self) -> Field:
        kernel = Window(2, 2) if self.method == "bilinear" else Window(1, 1)
        return Field(kernel, zoom=self.scale)


class SpaceToDepth(_Moving):
    """Make the pixels of each small block the channels of one pixel.

        x[N, H, W, C] -> y[N, H / S, W / S, S² C]        pixel by pixel, each with its channels

    `pad = same` puts zeros below and to the right where S does not divide H or W; else it must.
    Source: Liu et al. 2021, arXiv:2103.14030, §3.1: patch merging, with a norm and a dense after.
    """

    name = "space_to_depth"
    scale: Window = param("side S of the blocks, pixels", WindowKind())
    order: str = param(
        "in which order a block's pixels follow: by rows as in TensorFlow, by columns as in Swin",
        Choice("rows", "columns"),
        "rows",
    )
    pad: str = param("whether an image is padded to whole blocks", Choice("same", "valid"), "valid")

    def infer(self, *inputs: TensorType) -> TensorType:
        (x,) = inputs
        require_image(self, x)
        if self.pad == "valid":
            require_multiple(self, x, self.scale, "scale")
        height, width, channels = x.shape
        return TensorType(
            (
                ceil_divide(height, self.scale.height),
                ceil_divide(width, self.scale.width),
                channels * (self.scale.height * self.scale.width),
            )
        )

    def requirements(self, *inputs: TensorType) -> tuple[Requirement, ...]:
        return tiling(self, inputs[0], self.scale, "scale") if self.pad == "valid" else ()

    def derivation(self, output: TensorType, *inputs: TensorType) -> tuple[Step, ...]:
        (x,) = inputs
        sides = tuple(named("S", side) for side in self.scale)
        note, divide = "rounded up, with zeros below and to the right", ceiling
        if self.pad == "valid":
            note, divide = "", even_share
        sizes = tuple(
            Step(name, divide(named(letter, x.shape[axis]), sides[axis]), note, out)
            for axis, (name, letter, out) in enumerate(_SIDES)
        )
        channels = product(*sides, named("C", x.channels))
        return *sizes, Step("channels", channels, "a block's pixels, each with its channels")

    def emit(self, *inputs: TensorType) -> Emission:
        by_columns = Usual(self.order == "columns", False)
        apply = call("space_to_depth", Input(), scale=tuple(self.scale), by_columns=by_columns)
        return Emission(apply, runtime=("space_to_depth",))

    def field(self) -> Field:
        return Field(self.scale, self.scale)


class Pad(_Moving):
    """Put pixels around the image.

        x[N, H, W, C] -> y[N, H + 2P, W + 2P, C]

    Convolutions pad with zeros by themselves; `mode` gives other values.
    """

    name = "pad"
    amount: Padding = param("pixels P on each side", PaddingKind(words=()))
    mode: str = param(
        "zeros, the edge repeated, or the image mirrored",
        Choice("zeros", "edge", "reflect"),
        "zeros",
    )

    def infer(self, *inputs: TensorType) -> TensorType:
        (x,) = inputs
        require_image(self, x)
        (above, below), (left, right) = self.sides
        height, width, channels = x.shape
        for name, size, most in self._mirrored(x):
            if isinstance(size, int) and most >= size:
                raise OpError(
                    "window-too-large",
                    f"{most} pixels can't be mirrored from a {name} of {size}",
                    argument="amount",
                )
        return TensorType((height + above + below, width + left + right, channels))

    def requirements(self, *inputs: TensorType) -> tuple[Requirement, ...]:
        return tuple(
            Requirement(
                "window-too-large",
                f"`pad` mirrors {most} pixels of the {name}",
                "at least",
                size,
                most + 1,
                "amount",
            )
            for name, size, most in self._mirrored(inputs[0])
            if not isinstance(size, int)
        )

    def _mirrored(self, x: TensorType) -> tuple[tuple[str, Size, int], ...]:
        """By axis, its size and how many of its pixels lie mirrored beyond the border."""
        if self.mode != "reflect":
            return ()
        (above, below), (left, right) = self.sides
        return (
            ("height", x.shape[0], max(above, below)),
            ("width", x.shape[1], max(left, right)),
        )

    @property
    def sides(self) -> tuple[tuple[int, int], tuple[int, int]]:
        assert not isinstance(self.amount, str)
        return self.amount

    def derivation(self, output: TensorType, *inputs: TensorType) -> tuple[Step, ...]:
        return _bordered(inputs[0], self.sides, 1)

    def emit(self, *inputs: TensorType) -> Emission:
        widths = ((0, 0), *self.sides, (0, 0))
        mode = "constant" if self.mode == "zeros" else self.mode
        return Emission(call("jnp.pad", Input(), widths, mode=Usual(mode, "constant")))


class Crop(_Moving):
    """Cut pixels off the image.

        x[N, H, W, C] -> y[N, H - 2P, W - 2P, C]

    The U-Net of the paper crops so what it joins.
    Source: Ronneberger, Fischer & Brox 2015, arXiv:1505.04597, §2.
    """

    name = "crop"
    amount: Padding = param("pixels P off each side", PaddingKind(words=()))

    def infer(self, *inputs: TensorType) -> TensorType:
        (x,) = inputs
        require_image(self, x)
        (above, below), (left, right) = self.sides
        height, width = x.shape[0] - above - below, x.shape[1] - left - right
        if (isinstance(height, int) and height < 1) or (isinstance(width, int) and width < 1):
            raise OpError(
                "window-too-large",
                f"this crops an image of {x} to {height}×{width}",
                argument="amount",
            )
        return TensorType((height, width, x.channels))

    @property
    def sides(self) -> tuple[tuple[int, int], tuple[int, int]]:
        assert not isinstance(self.amount, str)
        return self.amount

    def derivation(self, output: TensorType, *inputs: TensorType) -> tuple[Step, ...]:
        return _bordered(inputs[0], self.sides, -1)

    def emit(self, *inputs: TensorType) -> Emission:
        ranges = [(before or None, -after if after else None) for before, after in self.sides]
        uncut = (None, None)
        return Emission(Slice(Input(), (uncut, *ranges, uncut)))


def _bordered(
    x: TensorType, sides: tuple[tuple[int, int], tuple[int, int]], sign: int
) -> tuple[Step, ...]:
    """The sizes with pixels put around the image (`sign` 1) or cut off it (-1)."""
    steps = []
    for axis, (name, letter, out) in enumerate(_SIDES):
        size, (before, after) = named(letter, x.shape[axis]), sides[axis]
        one, other = ("above", "below") if axis == 0 else ("left", "right")
        pixels = (
            [2 * named("P", before)]
            if before == after
            else [named(f"P_{one}", before), named(f"P_{other}", after)]
        )
        for each in pixels:
            size = size + each if sign > 0 else size - each
        steps.append(Step(name, size, symbol=out))
    return tuple(steps)


class Select(_Moving):
    """Take some channels, in the order given.

        x[N, H, W, C] -> y[N, H, W, n]

    A channel may be taken more than once.
    """

    name = "select"
    channels: tuple[int, ...] = param("numbers of the channels, from 0", Integers(0))

    def infer(self, *inputs: TensorType) -> TensorType:
        (x,) = inputs
        if not self.channels:
            raise OpError("channels-out-of-range", "no channel is selected", argument="channels")
        highest = max(self.channels)
        if isinstance(x.channels, int) and highest >= x.channels:
            raise OpError(
                "channels-out-of-range",
                f"there is no channel {highest} among the {x.channels} of the input",
                argument="channels",
                help="channels count from 0",
            )
        return TensorType((*x.shape[:-1], len(self.channels)))

    def requirements(self, *inputs: TensorType) -> tuple[Requirement, ...]:
        channels, highest = inputs[0].channels, max(self.channels)
        if isinstance(channels, int):
            return ()
        return (
            Requirement(
                "channels-out-of-range",
                f"`select` finds channel {highest}",
                "at least",
                channels,
                highest + 1,
                "channels",
            ),
        )

    def derivation(self, output: TensorType, *inputs: TensorType) -> tuple[Step, ...]:
        count = named("n", len(self.channels))
        return (Step(AXES[len(output.shape)][-1], count, "as many as are listed"),)

    def emit(self, *inputs: TensorType) -> Emission:
        return Emission(Take(Input(), tuple(self.channels)))


class Split(_Moving):
    """Cut the channels into equal parts and go on with one.

        x[N, H, W, C] -> y[N, H, W, C / parts]

    Source: Ma et al. 2018, arXiv:1807.11164, §3.2.
    """

    name = "split"
    parts: int = param("equal parts of the channels", Integer(1))
    index: int = param("which part, from 0", Integer(0))

    def infer(self, *inputs: TensorType) -> TensorType:
        (x,) = inputs
        if isinstance(x.channels, int) and x.channels % self.parts:
            raise OpError(
                "channels-not-divisible",
                f"parts = {self.parts} does not divide the {x.channels} channels of the input",
                argument="parts",
            )
        if self.index >= self.parts:
            raise OpError(
                "channels-out-of-range",
                f"there is no part {self.index} among {self.parts}, counted from 0",
                argument="index",
            )
        return TensorType((*x.shape[:-1], x.channels // self.parts))

    def requirements(self, *inputs: TensorType) -> tuple[Requirement, ...]:
        return equal_parts(self, inputs[0].channels, "parts")

    def derivation(self, output: TensorType, *inputs: TensorType) -> tuple[Step, ...]:
        part = named("C", inputs[0].channels) / named("n", self.parts)
        note = f"part {self.index} of {self.parts}, counted from 0"
        return (Step(AXES[len(output.shape)][-1], part, note),)

    def emit(self, *inputs: TensorType) -> Emission:
        (x,) = inputs
        size = whole(x.channels) // self.parts
        others = ((None, None),) * len(x.shape)
        return Emission(Slice(Input(), (*others, (self.index * size, (self.index + 1) * size))))


class ChannelShuffle(_Moving):
    """Deal the channels of G groups out, so that each next group has some of every one.

        channel g C/G + i goes to i G + g

    Source: Zhang et al. 2017, arXiv:1707.01083, §3.1.
    """

    name = "channel_shuffle"
    groups: int = param("groups G of channels", Integer(1))

    def infer(self, *inputs: TensorType) -> TensorType:
        (x,) = inputs
        if isinstance(x.channels, int) and x.channels % self.groups:
            raise OpError(
                "channels-not-divisible",
                f"groups = {self.groups} does not divide the {x.channels} channels of the input",
                argument="groups",
            )
        return x

    def requirements(self, *inputs: TensorType) -> tuple[Requirement, ...]:
        return equal_parts(self, inputs[0].channels, "groups")

    def derivation(self, output: TensorType, *inputs: TensorType) -> tuple[Step, ...]:
        return (remark("only the order of the channels changes; nothing is computed"),)

    def emit(self, *inputs: TensorType) -> Emission:
        apply = call("channel_shuffle", Input(), self.groups)
        return Emission(apply, runtime=("channel_shuffle",))


class Identity(_Moving):
    """Leave the value as it is: a branch that does nothing."""

    name = "identity"

    def infer(self, *inputs: TensorType) -> TensorType:
        return inputs[0]

    def derivation(self, output: TensorType, *inputs: TensorType) -> tuple[Step, ...]:
        return (remark("the value goes on as it is"),)

    def emit(self, *inputs: TensorType) -> Emission:
        return Emission(Input())
