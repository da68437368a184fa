"""Convolutions: the operators that slide learned windows over an image."""

from __future__ import annotations

from netdsl.code import Call, Emission, Fragment, Input, Module, Rngs, Usual, call
from netdsl.derivation import Step, Term, named, product, remark
from netdsl.kinds import Boolean, Integer, Padding, PaddingKind, StepKind, WindowKind
from netdsl.ops.base import Op, OpError, Requirement, equal_parts, whole
from netdsl.ops.initializers import INITIALIZER, initializer_keyword
from netdsl.ops.windows import (
    NO_PADDING,
    emit_padding,
    emit_window,
    every_place,
    kernel_taps,
    pixel_count,
    require_image,
    size_steps,
    strided_sizes,
)
from netdsl.parameters import param
from netdsl.sizes import Size
from netdsl.tensor import Cost, Field, TensorType, Weight, Window


class _Sliding(Op):
    """What convolutions share: the cost of `K² · weights` taps, the field, the bias."""

    holds_weights = True
    kernel: Window
    dilation: Window
    stride: Window
    bias: bool

    def bias_weights(self, filters: Size) -> tuple[Weight, ...]:
        return (Weight("bias", (filters,), "bias", (0,)),) if self.bias else ()

    def work(self, outputs: Size, taps: Size) -> Cost:
        macs = outputs * taps
        return Cost(macs=macs, flops=2 * macs + (outputs if self.bias else 0))

    def counting(self, taps: Term, filters: Term, places: Term) -> tuple[Step, ...]:
        """Weights and MACs: `taps` weights for each filter, at work at each of `places`."""
        kernels = product(taps, *(filters.parts or (filters,)))
        if not self.bias:
            return Step("weights", kernels, "no bias"), Step("macs", kernels * places)
        note = f"+ {filters.symbols()}: a bias for each filter"
        return Step("weights", kernels + filters, note), Step("macs", kernels * places)

    def require_divisor(self, groups: Size, count: Size, what: str) -> None:
        if isinstance(groups, int) and isinstance(count, int) and count % groups:
            raise OpError(
                "channels-not-divisible",
                f"groups = {groups} does not divide {what}",
                argument="groups",
                help=f"{groups} groups need a multiple of {groups}, such as "
                f"{max(count // groups, 1) * groups} or {max(count // groups + 1, 2) * groups}",
            )

    def field(self) -> Field:
        return Field(
            Window(
                self.dilation.height * (self.kernel.height - 1) + 1,
                self.dilation.width * (self.kernel.width - 1) + 1,
            ),
            self.stride,
        )


class Conv(_Sliding):
    """Slide F learned K×K windows over an image.

        x[N, H, W, C] -> y[N, H', W', F]
        H' = ceil(H / S)                             pad = same
        H' = floor((H + 2P - D(K-1) - 1) / S) + 1    pad = P
        params = K² (C/G) F + F·bias
        macs   = K² (C/G) F · H' W'                  per image

    G must divide both C and F. Taps on padding are counted, as papers do; XLA skips them.
    Source: Dumoulin & Visin, arXiv:1603.07285, §2.
    """

    name = "conv"
    filters: Size = param("channels F of the output", Integer(1, symbolic=True))
    kernel: Window = param("window K, pixels", WindowKind())
    stride: Window = param("step S of the window, pixels", StepKind(), Window(1, 1))
    pad: Padding = param("pixels P around the image", PaddingKind(), NO_PADDING)
    dilation: Window = param("pixels D from tap to tap", StepKind(), Window(1, 1))
    groups: Size = param("groups G of channels, convolved apart", Integer(1, symbolic=True), 1)
    bias: bool = param("whether each filter adds a learned constant", Boolean(), True)
    init: str = param("how the weights start", INITIALIZER, "lecun_normal")

    def infer(self, *inputs: TensorType) -> TensorType:
        (x,) = inputs
        require_image(self, x)
        self.require_divisor(self.groups, x.channels, f"the {x.channels} channels of the input")
        self.require_divisor(self.groups, self.filters, f"filters = {self.filters}")
        height, width = strided_sizes(x, self.kernel, self.stride, self.pad, self.dilation)
        return TensorType((height, width, self.filters))

    def requirements(self, *inputs: TensorType) -> tuple[Requirement, ...]:
        entering = equal_parts(self, inputs[0].channels, "groups")
        return (*entering, *equal_parts(self, self.filters, "groups"))

    def weights(self, *inputs: TensorType) -> tuple[Weight, ...]:
        (x,) = inputs
        shape = (*self.kernel, x.channels // self.groups, self.filters)
        kernel = Weight("kernel", shape, "weight", (3, 2, 0, 1))
        return (kernel, *self.bias_weights(self.filters))

    def cost(self, output: TensorType, *inputs: TensorType) -> Cost:
        (x,) = inputs
        taps = self.kernel.height * self.kernel.width * (x.channels // self.groups)
        return self.work(output.elements, taps)

    def derivation(self, output: TensorType, *inputs: TensorType) -> tuple[Step, ...]:
        (x,) = inputs
        channels, filters = named("C", x.channels), named("F", self.filters)
        taps, seen = kernel_taps(self.kernel), channels
        notes = []
        if self.groups != 1:
            seen = channels / named("G", self.groups)
            notes.append(
                remark(
                    f"each of the {self.groups} groups sees its own channels alone, so weights "
                    f"and work are 1/{self.groups} of a full convolution's"
                )
            )
        if self.kernel == Window(1, 1):
            notes += self.mixing(x.channels)
        return (
            *size_steps(x, self.kernel, self.stride, self.pad, self.dilation),
            Step("channels", filters, "one for each filter"),
            *self.counting(taps * seen, filters, pixel_count(output, "'")),
            *notes,
        )

    def mixing(self, channels: Size) -> list[Step]:
        """What a window of one pixel is for."""
        known = isinstance(channels, int) and isinstance(self.filters, int)
        if not known or channels == self.filters:
            change = "mixes its channels and leaves their number"
        elif channels > self.filters:
            change = f"shrinks the depth from {channels} to {self.filters} channels"
        else:
            change = f"grows the depth from {channels} to {self.filters} channels"
        place = "alone" if self.stride == Window(1, 1) else f"in {every_place(self.stride)}"
        whose = (
            "that pixel's channels" if self.groups == 1 else "its group's channels of that pixel"
        )
        return [
            remark(
                f"a 1×1 window sees one pixel {place}: each filter is a weighted sum of {whose}, "
                f"so it {change}"
            )
        ]

    def emit(self, *inputs: TensorType) -> Emission:
        (x,) = inputs
        keywords = _keywords(self.kernel, self.stride, self.pad, self.dilation)
        keywords.append(("feature_group_count", Usual(whole(self.groups), 1)))
        filters = whole(self.filters)
        return _convolution("nnx.Conv", x.channels, filters, keywords, self.bias, self.init)


class Depthwise(_Sliding):
    """Slide M windows of its own over each channel.

        x[N, H, W, C] -> y[N, H', W', C M]
        H' as of conv
        params = K² C M + C M·bias
        macs   = K² C M · H' W'      per image

    Source: Howard et al. 2017, arXiv:1704.04861, §3.1.
    """

    name = "depthwise"
    kernel: Window = param("window K, pixels", WindowKind())
    stride: Window = param("step S of the window, pixels", StepKind(), Window(1, 1))
    pad: Padding = param("pixels P around the image", PaddingKind(), NO_PADDING)
    multiplier: int = param("windows M for each channel", Integer(1), 1)
    dilation: Window = param("pixels D from tap to tap", StepKind(), Window(1, 1))
    bias: bool = param("whether each output channel adds a learned constant", Boolean(), True)
    init: str = param("how the weights start", INITIALIZER, "lecun_normal")

    def infer(self, *inputs: TensorType) -> TensorType:
        (x,) = inputs
        require_image(self, x)
        height, width = strided_sizes(x, self.kernel, self.stride, self.pad, self.dilation)
        return TensorType((height, width, x.channels * self.multiplier))

    def weights(self, *inputs: TensorType) -> tuple[Weight, ...]:
        (x,) = inputs
        filters = x.channels * self.multiplier
        kernel = Weight("kernel", (*self.kernel, 1, filters), "weight", (3, 2, 0, 1))
        return (kernel, *self.bias_weights(filters))

    def cost(self, output: TensorType, *inputs: TensorType) -> Cost:
        return self.work(output.elements, self.kernel.height * self.kernel.width)

    def derivation(self, output: TensorType, *inputs: TensorType) -> tuple[Step, ...]:
        (x,) = inputs
        filters = named("C", x.channels)
        if self.multiplier > 1:
            filters = filters * named("M", self.multiplier)
        return (
            *size_steps(x, self.kernel, self.stride, self.pad, self.dilation),
            Step("channels", filters, "each channel has windows of its own"),
            *self.counting(kernel_taps(self.kernel), filters, pixel_count(output, "'")),
        )

    def emit(self, *inputs: TensorType) -> Emission:
        (x,) = inputs
        keywords = _keywords(self.kernel, self.stride, self.pad, self.dilation)
        keywords.append(("feature_group_count", whole(x.channels)))
        filters = x.channels * self.multiplier
        return _convolution("nnx.Conv", x.channels, filters, keywords, self.bias, self.init)


class ConvTranspose(_Sliding):
    """Spread each pixel over a learned K×K window, S pixels apart: the gradient of a convolution.

        x[N, H, W, C] -> y[N, H', W', F]
        H' = H S + E                               pad = same, E = extra
        H' = (H - 1) S - 2P + D(K-1) + 1 + E       pad = P
        params = K² C F + F·bias
        macs   = K² C F · H W                      per image: each input pixel meets each tap

    `same` crops the full result to H S pixels, the odd one below and to the right.
    Source: Dumoulin & Visin, arXiv:1603.07285, §4.
    """

    name = "conv_transpose"
    filters: Size = param("channels F of the output", Integer(1, symbolic=True))
    kernel: Window = param("window K, pixels", WindowKind())
    stride: Window = param("pixels S between the windows", StepKind(), Window(1, 1))
    pad: Padding = param("pixels P cut off the full result", PaddingKind(), NO_PADDING)
    extra: Window = param("rows and columns E added below and right", WindowKind(0), Window(0, 0))
    dilation: Window = param("pixels D from tap to tap", StepKind(), Window(1, 1))
    bias: bool = param("whether each filter adds a learned constant", Boolean(), True)
    init: str = param("how the weights start", INITIALIZER, "lecun_normal")

    def infer(self, *inputs: TensorType) -> TensorType:
        (x,) = inputs
        require_image(self, x)
        sizes: list[Size] = []
        for axis, name in enumerate(("height", "width")):
            before, after = self.cut(axis)
            reach = self.dilation[axis] * (self.kernel[axis] - 1) + 1
            size = (x.shape[axis] - 1) * self.stride[axis] + reach - before - after
            if isinstance(size, int) and size < 1:
                raise OpError(
                    "window-too-large",
                    f"a padding of {before} + {after} cuts off the whole {name}",
                    argument="pad",
                    note=f"({x.shape[axis]} − 1)·{self.stride[axis]} + {reach} − {before} − {after}"
                    f" = {size}",
                )
            sizes.append(size)
        return TensorType((*sizes, self.filters))

    def cut(self, axis: int) -> tuple[int, int]:
        """The rows or columns cut off the full result, before and after; negative adds some."""
        reach = self.dilation[axis] * (self.kernel[axis] - 1) + 1
        if isinstance(self.pad, str):
            # (H - 1) S + reach - cut = H S
            total = reach - self.stride[axis]
            before = max(total, 0) // 2
            after = total - before
        else:
            before, after = self.pad[axis]
        return before, after - self.extra[axis]

    def weights(self, *inputs: TensorType) -> tuple[Weight, ...]:
        (x,) = inputs
        # Flax slides the window over the spread-out image; PyTorch adds it up, which mirrors it.
        shape = (*self.kernel, x.channels, self.filters)
        kernel = Weight("kernel", shape, "weight", (2, 3, 0, 1), mirrored=True)
        return (kernel, *self.bias_weights(self.filters))

    def cost(self, output: TensorType, *inputs: TensorType) -> Cost:
        (x,) = inputs
        macs = x.elements * (self.kernel.height * self.kernel.width * self.filters)
        return Cost(macs=macs, flops=2 * macs + (output.elements if self.bias else 0))

    def derivation(self, output: TensorType, *inputs: TensorType) -> tuple[Step, ...]:
        (x,) = inputs
        steps: list[Step] = []
        for axis, (name, letter) in enumerate((("height", "H"), ("width", "W"))):
            size, stride = named(letter, x.shape[axis]), named("S", self.stride[axis])
            kernel, dilation = named("K", self.kernel[axis]), named("D", self.dilation[axis])
            if isinstance(self.pad, str):
                formula, note = size * stride, "`same` crops what is more than S times the size"
            else:
                before, after = self.pad[axis]
                reach = kernel if self.dilation[axis] == 1 else dilation * (kernel - 1)
                cut = 2 * named("P", before)
                formula = (size - 1) * stride - cut
                if before != after:
                    one, other = ("above", "below") if axis == 0 else ("left", "right")
                    formula = (size - 1) * stride - named(f"P_{one}", before)
                    formula = formula - named(f"P_{other}", after)
                formula = formula + reach if self.dilation[axis] == 1 else formula + reach + 1
                note = "each pixel spreads over a window, S pixels from the next one's"
            if self.extra[axis]:
                formula = formula + named("E", self.extra[axis])
            steps.append(Step(name, formula, note, symbol=f"{letter}'"))
        filters = named("F", self.filters)
        taps = kernel_taps(self.kernel) * named("C", x.channels)
        return (
            *steps,
            Step("channels", filters, "one for each filter"),
            *self.counting(taps, filters, pixel_count(x)),
            remark("each pixel of the input meets each weight once, so the input's size counts"),
        )

    def emit(self, *inputs: TensorType) -> Emission:
        (x,) = inputs
        # Flax's padding is what is put around the spread-out image: reach - 1 less than the cut.
        padding = tuple(
            (
                self.dilation[axis] * (self.kernel[axis] - 1) - self.cut(axis)[0],
                self.dilation[axis] * (self.kernel[axis] - 1) - self.cut(axis)[1],
            )
            for axis in (0, 1)
        )
        keywords: list[tuple[str, Fragment]] = [
            ("kernel_size", tuple(self.kernel)),
            ("strides", Usual(emit_window(self.stride), 1)),
            ("padding", "SAME" if self.pad == "same" and not any(self.extra) else padding),
            ("kernel_dilation", Usual(emit_window(self.dilation), 1)),
        ]
        return _convolution(
            "nnx.ConvTranspose", x.channels, whole(self.filters), keywords, self.bias, self.init
        )

    def field(self) -> Field:
        # One output pixel meets ceil((D(K-1) + 1) / S) input pixels.
        reach = super().field().kernel
        seen = Window(-(-reach.height // self.stride.height), -(-reach.width // self.stride.width))
        return Field(seen, zoom=self.stride)


def _keywords(
    kernel: Window, stride: Window, pad: Padding, dilation: Window
) -> list[tuple[str, Fragment]]:
    return [
        ("kernel_size", tuple(kernel)),
        ("strides", Usual(emit_window(stride), 1)),
        ("padding", emit_padding(pad)),
        ("kernel_dilation", Usual(emit_window(dilation), 1)),
    ]


def _convolution(
    function: str,
    channels: Size,
    filters: Size,
    keywords: list[tuple[str, Fragment]],
    bias: bool,
    init: str,
) -> Emission:
    keywords.append(("use_bias", Usual(bias, True)))
    keywords += initializer_keyword("kernel_init", init, "lecun_normal")
    keywords.append(("rngs", Rngs()))
    module = call(function, whole(channels), whole(filters), **dict(keywords))
    return Emission(Call(Module(), (Input(),)), module)
