"""Pooling: windows that keep the largest value or the mean of each channel."""

from __future__ import annotations

from netdsl.code import Constant, Emission, Fragment, Input, Usual, call
from netdsl.derivation import Step, Term, named, term, values_count
from netdsl.kinds import Boolean, Padding, PaddingKind, StepKind, WindowKind
from netdsl.ops.base import Op, OpError, whole
from netdsl.ops.windows import (
    NO_PADDING,
    emit_pool_padding,
    kernel_taps,
    pixel_count,
    require_image,
    size_steps,
    strided_sizes,
)
from netdsl.parameters import param
from netdsl.sizes import Size
from netdsl.tensor import Cost, Field, TensorType, Weight, Window


class _StrideKind(StepKind):
    def show(self, value: object) -> str:
        return "kernel" if value is None else super().show(value)


class _Unweighted(Op):
    def weights(self, *inputs: TensorType) -> tuple[Weight, ...]:
        return ()


class _Pool(_Unweighted):
    """What max and average pooling share."""

    kernel: Window = param("window K, pixels", WindowKind())
    stride: Window | None = param("step S of the window, pixels", _StrideKind(), None)
    pad: Padding = param("pixels P around the image", PaddingKind(), NO_PADDING)
    ceil: bool = param("round sizes up, as Caffe does, instead of down", Boolean(), False)

    @property
    def step(self) -> Window:
        return self.kernel if self.stride is None else self.stride

    def infer(self, *inputs: TensorType) -> TensorType:
        (x,) = inputs
        require_image(self, x)
        self.require_windows_inside()
        height, width = strided_sizes(x, self.kernel, self.step, self.pad, ceil=self.ceil)
        return TensorType((height, width, x.channels))

    def pooling(self, output: TensorType, x: TensorType, each: Term, note: str) -> tuple[Step, ...]:
        """The steps of a pool that takes `each` operations for one output."""
        channels = named("C", x.channels)
        return (
            *size_steps(x, self.kernel, self.step, self.pad, ceil=self.ceil),
            Step("channels", channels, "each is pooled by itself; nothing is learned"),
            Step("flops", each * (pixel_count(output, "'") * channels), note),
        )

    def require_windows_inside(self) -> None:
        """Raise OpError where a window may have only padding, and so no largest value."""
        if isinstance(self.pad, str):
            return
        for window, sides in zip(self.kernel, self.pad, strict=True):
            if max(sides) >= window:
                raise OpError(
                    "padding-too-large",
                    f"with a padding of {max(sides)}, a window of {window} may have only padding",
                    argument="pad",
                    help=f"a pool's padding is below its window: at most {window - 1} here",
                )

    def overhang(self, x: TensorType) -> tuple[int, int]:
        """The rows and columns by which rounding up lets windows hang over the padding."""
        if isinstance(self.pad, str) or not self.ceil:
            return 0, 0
        sizes = strided_sizes(x, self.kernel, self.step, self.pad, ceil=True)
        beyond = []
        for axis in (0, 1):
            size, count = whole(x.shape[axis]), whole(sizes[axis])
            end = (count - 1) * self.step[axis] + self.kernel[axis]
            beyond.append(max(end - size - sum(self.pad[axis]), 0))
        return beyond[0], beyond[1]

    def field(self) -> Field:
        return Field(self.kernel, self.step)


class MaxPool(_Pool):
    """Keep the largest value of each K×K window, channel by channel.

        x[N, H, W, C] -> y[N, H', W', C]
        H' = floor((H + 2P - K) / S) + 1     rounded up with `ceil`; ceil(H / S) for pad = same
        flops = K² - 1 comparisons per output

    Padding never is the largest. With `ceil`, a last window that begins in the padding below or to
    the right is left out, as PyTorch does.
    """

    name = "maxpool"

    def cost(self, output: TensorType, *inputs: TensorType) -> Cost:
        return Cost(flops=output.elements * (self.kernel.height * self.kernel.width - 1))

    def derivation(self, output: TensorType, *inputs: TensorType) -> tuple[Step, ...]:
        comparisons = kernel_taps(self.kernel) - 1
        note = f"{comparisons.symbols()} comparisons for each output"
        return self.pooling(output, inputs[0], comparisons, note)

    def emit(self, *inputs: TensorType) -> Emission:
        padding = emit_pool_padding(self.pad)
        if any(self.overhang(inputs[0])):
            padding = _widened(self.pad, self.overhang(inputs[0]))
        return Emission(call("nnx.max_pool", Input(), **dict(_keywords(self, padding))))


class AveragePool(_Pool):
    """Take the mean of each K×K window, channel by channel.

        x[N, H, W, C] -> y[N, H', W', C]     H' as of maxpool
        flops = K² per output: K² - 1 additions and a division

    A window over the edge divides by K², padding counted as zeros, unless `count_padding` is
    false; with pad = same, padding is never counted, as in TensorFlow. What hangs over because of
    `ceil` is never counted, as in PyTorch.
    """

    name = "avgpool"
    count_padding: bool = param("whether padded pixels count in the mean", Boolean(), True)

    def cost(self, output: TensorType, *inputs: TensorType) -> Cost:
        return Cost(flops=output.elements * (self.kernel.height * self.kernel.width))

    def derivation(self, output: TensorType, *inputs: TensorType) -> tuple[Step, ...]:
        taps = kernel_taps(self.kernel)
        note = f"{(taps - 1).symbols()} additions and a division for each output"
        return self.pooling(output, inputs[0], taps, note)

    def emit(self, *inputs: TensorType) -> Emission:
        (x,) = inputs
        counts = self.count_padding and self.pad != "same"
        if any(self.overhang(x)):
            apply = call(
                "average_pool",
                Input(),
                window_shape=tuple(self.kernel),
                strides=tuple(self.step),
                padding=self.pad,
                overhang=self.overhang(x),
                count_padding=counts,
            )
            return Emission(apply, runtime=("average_pool",))
        keywords = _keywords(self, emit_pool_padding(self.pad))
        # Without padding there is nothing to count.
        keywords.append(("count_include_pad", Usual(counts or self.pad == NO_PADDING, True)))
        return Emission(call("nnx.avg_pool", Input(), **dict(keywords)))


def _keywords(pool: _Pool, padding: Constant) -> list[tuple[str, Fragment]]:
    return [
        ("window_shape", tuple(pool.kernel)),
        ("strides", tuple(pool.step)),
        ("padding", Usual(padding, "VALID")),
    ]


def _widened(pad: Padding, overhang: tuple[int, int]) -> tuple[tuple[int, int], tuple[int, int]]:
    assert not isinstance(pad, str)
    (above, below), (left, right) = pad
    return (above, below + overhang[0]), (left, right + overhang[1])


class _Global(_Unweighted):
    keep: bool = param("whether to leave an image of 1×1 instead of a vector", Boolean(), False)

    def infer(self, *inputs: TensorType) -> TensorType:
        (x,) = inputs
        require_image(self, x)
        return TensorType((1, 1, x.channels) if self.keep else (x.channels,))

    def cost(self, output: TensorType, *inputs: TensorType) -> Cost:
        return Cost(flops=inputs[0].elements)

    def derivation(self, output: TensorType, *inputs: TensorType) -> tuple[Step, ...]:
        (x,) = inputs
        sizes = (Step("height", term(1)), Step("width", term(1))) if self.keep else ()
        return (
            *sizes,
            Step(
                "channels" if self.keep else "features",
                named("C", x.channels),
                "one number for each channel, of all its pixels",
            ),
            Step("flops", values_count(x.shape), "each value of the input once"),
        )

    def field(self) -> Field | None:
        return None

    def reduction(self, function: str) -> Emission:
        keywords: list[tuple[str, Fragment]] = [
            ("axis", (1, 2)),
            ("keepdims", Usual(self.keep, False)),
        ]
        return Emission(call(function, Input(), **dict(keywords)))


class GlobalAveragePool(_Global):
    """Take the mean of each channel over the whole image.

        x[N, H, W, C] -> y[N, C]
        flops = H W per channel

    With `keep`, y[N, 1, 1, C].
    Source: Lin, Chen & Yan 2013, arXiv:1312.4400, §3.2.
    """

    name = "globalavgpool"

    def emit(self, *inputs: TensorType) -> Emission:
        return self.reduction("jnp.mean")


class GlobalMaxPool(_Global):
    """Keep the largest value of each channel over the whole image.

        x[N, H, W, C] -> y[N, C]
        flops = H W comparisons per channel

    With `keep`, y[N, 1, 1, C].
    """

    name = "globalmaxpool"

    def emit(self, *inputs: TensorType) -> Emission:
        return self.reduction("jnp.max")


class _Adaptive(_Unweighted):
    """Pooling to a given size: output i covers rows floor(i H / n) up to ceil((i + 1) H / n)."""

    size: Window = param("height and width of the output, pixels", WindowKind())

    def infer(self, *inputs: TensorType) -> TensorType:
        (x,) = inputs
        require_image(self, x)
        return TensorType((*self.size, x.channels))

    def cost(self, output: TensorType, *inputs: TensorType) -> Cost:
        return Cost(flops=inputs[0].elements)

    def derivation(self, output: TensorType, *inputs: TensorType) -> tuple[Step, ...]:
        (x,) = inputs
        return (
            Step("height", named("n", self.size.height), _bins("n", "H", x.shape[0]), symbol="H'"),
            Step("width", named("m", self.size.width), _bins("m", "W", x.shape[1]), symbol="W'"),
            Step("channels", named("C", x.channels)),
            Step("flops", values_count(x.shape), "each value of the input once"),
        )

    def field(self) -> Field | None:
        return None

    def pooled(self, function: str) -> Emission:
        apply = call(function, Input(), height=self.size.height, width=self.size.width)
        return Emission(apply, runtime=(function,))


def _bins(count: str, letter: str, size: Size) -> str:
    bounds = f"⌊i·{letter}/{count}⌋ to ⌈(i + 1)·{letter}/{count}⌉"
    return f"as asked for, of {size}: bin i goes from {bounds}"


class AdaptiveAveragePool(_Adaptive):
    """Take means over as many bins as make an image of the given size.

        x[N, H, W, C] -> y[N, n, m, C]
        bin i = rows floor(i H / n) up to ceil((i + 1) H / n)
        flops = 1 per input element (bins that overlap are counted once)

    As PyTorch's AdaptiveAvgPool2d.
    """

    name = "adaptiveavgpool"

    def emit(self, *inputs: TensorType) -> Emission:
        return self.pooled("adaptive_average_pool")


class AdaptiveMaxPool(_Adaptive):
    """Keep the largest value of each bin of an image of the given size.

        x[N, H, W, C] -> y[N, n, m, C]       bins as of adaptiveavgpool
        flops = 1 comparison per input element

    As PyTorch's AdaptiveMaxPool2d.
    """

    name = "adaptivemaxpool"

    def emit(self, *inputs: TensorType) -> Emission:
        return self.pooled("adaptive_max_pool")
