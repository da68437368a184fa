"""Attention: each position mixes the others, in several heads, as its query agrees with their keys.

All of these project C channels to queries, keys and values, and the heads' results to C channels.
"""

from __future__ import annotations

from math import log2
from typing import ClassVar

from netdsl.code import Call, Emission, Fragment, Input, Module, Rngs, Usual, call
from netdsl.derivation import Step, Term, ceiling, even_share, named, remark
from netdsl.kinds import Choice, Integer, StepKind, WindowKind
from netdsl.ops.base import Op, OpError, Requirement, equal_parts, whole
from netdsl.ops.initializers import INITIALIZER, initializer_keyword
from netdsl.ops.windows import require_image, require_multiple, require_sequence, tiling
from netdsl.parameters import param
from netdsl.sizes import Size, ceil_divide
from netdsl.tensor import Cost, Derived, Field, Nested, TensorType, Weight, Window


class _Attention(Op):
    """What they share: the projections, and the cost of all pairs of positions that meet."""

    holds_weights = True
    heads: int
    init: str

    projections: ClassVar[tuple[str, str, str, str]] = (
        "qkv.weight",
        "qkv.bias",
        "proj.weight",
        "proj.bias",
    )
    """What state_dicts call kernel and bias of the first projection and of the last."""

    def requirements(self, *inputs: TensorType) -> tuple[Requirement, ...]:
        return equal_parts(self, inputs[0].channels, "heads")

    def require_heads(self, x: TensorType) -> None:
        if isinstance(x.channels, int) and x.channels % self.heads:
            raise OpError(
                "channels-not-divisible",
                f"heads = {self.heads} does not divide the {x.channels} channels of the input",
                argument="heads",
            )

    def weights(self, *inputs: TensorType) -> tuple[Weight, ...]:
        channels = inputs[0].channels
        qkv_kernel, qkv_bias, out_kernel, out_bias = self.projections
        return (
            Weight("qkv.kernel", (channels, 3 * channels), qkv_kernel, (1, 0)),
            Weight("qkv.bias", (3 * channels,), qkv_bias, (0,)),
            Weight("out.kernel", (channels, channels), out_kernel, (1, 0)),
            Weight("out.bias", (channels,), out_bias, (0,)),
        )

    def work(self, groups: Size, tokens: Size, channels: Size, operations: int) -> Cost:
        """Of `groups` of tokens that attend to each other, with `operations` on each logit."""
        positions = groups * tokens
        macs = positions * (4 * channels**2 + 2 * tokens * channels)
        logits = positions * tokens * self.heads
        return Cost(macs=macs, flops=2 * macs + 4 * positions * channels + operations * logits)

    def projecting(self, channels: Size, extra: Term | None = None) -> tuple[Step, ...]:
        """The weights: of the projections, and `extra` ones beside them."""
        width = named("C", channels)
        qkv = width * (3 * width) + 3 * width
        out = width * width + width
        both = 4 * width**2 + 4 * width
        return (
            Step("query, key and value weights", qkv, "C channels to 3·C, with a bias each"),
            Step("output projection weights", out, "the heads side by side to C channels"),
            Step("weights", both if extra is None else both + extra),
        )

    def meeting(
        self, channels: Size, tokens: Term, groups: Term | None = None, extra: Term | None = None
    ) -> tuple[Step, ...]:
        """The MACs among `tokens` that meet, in each of `groups`, and `extra` ones beside."""
        width = named("C", channels)
        projections = 4 * tokens * width**2
        pairs = 2 * tokens**2 * width
        work = projections + pairs
        if groups is not None:
            work = groups * work
        return (
            Step("projection multiplications", projections, "4 products with C×C weights a token"),
            Step("pair multiplications", pairs, "q·k of all T·T pairs, then their values' sum"),
            Step("macs", work if extra is None else work + extra),
            remark(
                f"{self.heads} heads share the C channels, so their number changes neither"
                " weights nor work"
            ),
        )

    def emission(
        self, function: str, x: TensorType, *runtime: str, **keywords: Fragment
    ) -> Emission:
        keywords |= initializer_keyword("kernel_init", self.init, default="")
        module = call(function, whole(x.channels), heads=self.heads, **keywords, rngs=Rngs())
        return Emission(Call(Module(), (Input(),)), module, runtime)


class Attention(_Attention):
    """Let each token of a sequence attend to all, in several heads.

        q, k, v = x w + b
        y = Σ softmax(q k / sqrt(C / heads)) v, the heads side by side, projected once more
        params = 4 C² + 4 C
        macs   = 4 T C² + 2 T² C        the products of queries, keys and values included

    `heads` must divide C.
    Source: Vaswani et al. 2017, arXiv:1706.03762, §3.2.2; Dosovitskiy et al. 2020,
    arXiv:2010.11929, appendix A.
    """

    name = "attention"
    projections = ("in_proj_weight", "in_proj_bias", "out_proj.weight", "out_proj.bias")
    heads: int = param("heads, each with its share of the channels", Integer(1))
    init: str = param("how the projections start", INITIALIZER, "glorot_uniform")

    def infer(self, *inputs: TensorType) -> TensorType:
        (x,) = inputs
        require_sequence(self, x)
        self.require_heads(x)
        return x

    def cost(self, output: TensorType, *inputs: TensorType) -> Cost:
        tokens, channels = output.shape
        # On each logit: the root's division, and 5 of the softmax.
        return self.work(1, tokens, channels, 6)

    def derivation(self, output: TensorType, *inputs: TensorType) -> tuple[Step, ...]:
        tokens, channels = output.shape
        return *self.projecting(channels), *self.meeting(channels, named("T", tokens))

    def emit(self, *inputs: TensorType) -> Emission:
        return self.emission("SelfAttention", inputs[0], "self_attention")

    def field(self) -> Field | None:
        return None


class _WindowAttention(_Attention):
    """Attention among the pixels of each of the image's windows."""

    window: Window

    @property
    def pixels(self) -> int:
        return self.window.height * self.window.width

    @property
    def ways(self) -> int:
        """How many ways there are from one pixel of a window to another."""
        return (2 * self.window.height - 1) * (2 * self.window.width - 1)

    def windows(self, x: TensorType) -> Size:
        height, width, _ = x.shape
        return ceil_divide(height, self.window.height) * ceil_divide(width, self.window.width)

    def in_windows(
        self, x: TensorType, weights: Term, macs: Term | None = None
    ) -> tuple[Step, ...]:
        """The steps of a window's attention, with `weights` and `macs` beside the projections'."""
        rows, columns = (
            self.divided(named(letter, x.shape[axis]), named("M", self.window[axis]))
            for axis, letter in enumerate("HW")
        )
        tokens = named("M", self.window.height) * named("M", self.window.width)
        return (
            Step("tokens of a window", tokens, "its pixels attend to each other", "T"),
            Step("windows", rows * columns, symbol="n"),
            *self.projecting(x.channels, weights),
            *self.meeting(x.channels, named("T", self.pixels), named("n", self.windows(x)), macs),
        )

    def divided(self, size: Term, window: Term) -> Term:
        """How many windows there are along a side."""
        return ceiling(size, window)

    def ways_count(self) -> Term:
        """The ways between a window's pixels: (2M − 1)·(2M − 1)."""
        height, width = (2 * named("M", side) - 1 for side in self.window)
        return height * width

    def positions(self) -> tuple[tuple[int, ...], ...]:
        """For each pixel of a window, and each other, the number of the way between them."""
        places = [divmod(pixel, self.window.width) for pixel in range(self.pixels)]
        across = 2 * self.window.width - 1
        return tuple(
            tuple(
                (row - other_row + self.window.height - 1) * across
                + (column - other_column + self.window.width - 1)
                for other_row, other_column in places
            )
            for row, column in places
        )

    def field(self) -> Field | None:
        # What one layer sees. Those of several add up to a bound, since their windows may coincide.
        return Field(self.window)


class _Shifted(_WindowAttention):
    """Windows that may be shifted, and hang over the image's edge."""

    shift: Window

    def infer(self, *inputs: TensorType) -> TensorType:
        (x,) = inputs
        require_image(self, x)
        self.require_heads(x)
        if self.shift.height >= self.window.height or self.shift.width >= self.window.width:
            raise OpError(
                "argument-value",
                f"`shift` of `{self.name}` must be less than the window of {self.window}",
                argument="shift",
                help="Swin shifts by half a window: `window // 2`",
            )
        return x

    def derived(self, *inputs: TensorType) -> tuple[Derived, ...]:
        index = Derived("relative_position_index", (self.pixels**2,), "I64", self._index)
        return (index,)

    def _index(self) -> Nested:
        return tuple(number for row in self.positions() for number in row)

    def placed(self) -> dict[str, Fragment]:
        return {"window": tuple(self.window), "shift": Usual(tuple(self.shift), (0, 0))}


class WindowAttention(_Shifted):
    """Let the pixels of each window attend to each other, with a learned bias for their places.

        softmax(q k / sqrt(C / heads) + b_ij) v        T = M² pixels of a window, projected as in
                                                       attention
        params = 4 C² + 4 C + (2M - 1)² heads
        macs   = ceil(H / M) ceil(W / M) · (4 T C² + 2 T² C)

    Windows that hang over the edge take zeros there. `shift` moves all windows right and down, and
    round the image, whose opposite edges don't see each other; an axis that one window fills stays.
    Source: Liu et al. 2021, arXiv:2103.14030, §3.2.
    """

    name = "window_attention"
    heads: int = param("heads, each with its share of the channels", Integer(1))
    window: Window = param("window M, pixels", WindowKind())
    shift: Window = param("pixels by which the windows are moved", StepKind(0), Window(0, 0))
    init: str = param("how the projections start", INITIALIZER, "glorot_uniform")

    def weights(self, *inputs: TensorType) -> tuple[Weight, ...]:
        table = "relative_position_bias_table"
        bias = Weight("position_bias", (self.ways, self.heads), table, (0, 1))
        return (bias, *super().weights(*inputs))

    def cost(self, output: TensorType, *inputs: TensorType) -> Cost:
        # On each logit: the root's division, the bias, 5 of the softmax, and what hides the edge.
        operations = 8 if any(self.shift) else 7
        return self.work(self.windows(output), self.pixels, output.channels, operations)

    def derivation(self, output: TensorType, *inputs: TensorType) -> tuple[Step, ...]:
        table = self.ways_count() * named("h", self.heads)
        note = "the last weights: a bias for each way between two pixels and each of h heads"
        return *self.in_windows(output, table), remark(note)

    def emit(self, *inputs: TensorType) -> Emission:
        return self.emission(
            "WindowAttention", inputs[0], *_SHARED, "window_attention", **self.placed()
        )


class CosineWindowAttention(_Shifted):
    """Window attention by the angle of query and key, with a bias that a small network learns.

        softmax(s cos(q, k) + b_ij) v          s a learned scale for each head, at most 100
        b_ij = 16 sigmoid(w2 relu(w1 p + b1))  p = sign(d) log2(1 + 8 |d| / (M - 1)) / 3 of the way
                                               d from j to i, by rows and by columns; 512 in between
        params = 4 C² + 4 C + heads + 1536 + 512 heads
        macs   = as window_attention + (2M - 1)² · (1024 + 512 heads)

    Of the 3 C biases of the first projection, the keys' C are not used.
    Source: Liu et al. 2021, arXiv:2111.09883, §3.2 and 3.3.
    """

    name = "cosine_window_attention"
    heads: int = param("heads, each with its share of the channels", Integer(1))
    window: Window = param("window M, pixels", WindowKind())
    shift: Window = param("pixels by which the windows are moved", StepKind(0), Window(0, 0))
    init: str = param("how the projections start", INITIALIZER, "glorot_uniform")

    def weights(self, *inputs: TensorType) -> tuple[Weight, ...]:
        qkv_kernel, qkv_bias, *out = super().weights(*inputs)
        return (
            Weight("log_scale", (self.heads,), "logit_scale", (0, -1, -1)),
            Weight("position_hidden.kernel", (2, _HIDDEN), "cpb_mlp.0.weight", (1, 0)),
            Weight("position_hidden.bias", (_HIDDEN,), "cpb_mlp.0.bias", (0,)),
            Weight("position_out.kernel", (_HIDDEN, self.heads), "cpb_mlp.2.weight", (1, 0)),
            qkv_kernel,
            qkv_bias._replace(name="qkv_bias"),  # Not the whole of it is used.
            *out,
        )

    def derived(self, *inputs: TensorType) -> tuple[Derived, ...]:
        height, width = (2 * side - 1 for side in self.window)
        table = Derived("relative_coords_table", (1, height, width, 2), "F32", self._ways)
        return (table, *super().derived(*inputs))

    def _ways(self) -> Nested:
        down, right = (
            [_logarithmic(8 * step / max(side - 1, 1)) for step in range(1 - side, side)]
            for side in self.window
        )
        return (tuple(tuple((row, column) for column in right) for row in down),)

    def cost(self, output: TensorType, *inputs: TensorType) -> Cost:
        # On each logit: the scale, the bias, 5 of the softmax, and what hides the edge.
        operations = 8 if any(self.shift) else 7
        windows, channels = self.windows(output), output.channels
        macs, flops = self.work(windows, self.pixels, channels, operations)
        # The lengths of queries and keys: their squares, those's sum, and the division.
        flops = flops + 6 * windows * self.pixels * channels
        hidden = self.ways * _HIDDEN
        position_macs = hidden * (2 + self.heads)
        # Its bias and relu; then sigmoid and 16 times that.
        flops = flops + 2 * position_macs + 2 * hidden + 5 * self.ways * self.heads
        return Cost(macs + position_macs, flops)

    def derivation(self, output: TensorType, *inputs: TensorType) -> tuple[Step, ...]:
        heads, hidden = named("h", self.heads), named("E", _HIDDEN)
        weights = heads + (2 * hidden + hidden + hidden * heads)
        macs = self.ways_count() * (2 * hidden + hidden * heads)
        note = (
            "beside the projections: a scale for each of h heads, and a network of 2 inputs, E "
            "features and h outputs, which gives the bias of each way between two pixels"
        )
        return *self.in_windows(output, weights, macs), remark(note)

    def emit(self, *inputs: TensorType) -> Emission:
        return self.emission(
            "CosineWindowAttention",
            inputs[0],
            *_SHARED,
            "cosine_window_attention",
            **self.placed(),
        )


_SHARED = ("attend_in_windows", "relative_positions")
_HIDDEN = 512
"""Features of the network that learns biases."""


def _logarithmic(step: float) -> float:
    size = log2(1 + abs(step)) / 3
    return size if step >= 0 else -size


class _Partition(_WindowAttention):
    """MaxViT's two kinds, which differ in what a window is made of."""

    projections = ("to_qkv.weight", "to_qkv.bias", "merge.weight", "merge.bias")
    dilated: ClassVar[bool]
    scaled_by: str

    def infer(self, *inputs: TensorType) -> TensorType:
        (x,) = inputs
        require_image(self, x)
        self.require_heads(x)
        require_multiple(self, x, self.window, "window")
        return x

    def requirements(self, *inputs: TensorType) -> tuple[Requirement, ...]:
        (x,) = inputs
        return (*super().requirements(x), *tiling(self, x, self.window, "window"))

    def weights(self, *inputs: TensorType) -> tuple[Weight, ...]:
        table = "relative_position_bias_table"
        bias = Weight("position_bias", (self.ways, self.heads), table, (0, 1))
        return (bias, *super().weights(*inputs))

    def derived(self, *inputs: TensorType) -> tuple[Derived, ...]:
        shape = (self.pixels, self.pixels)
        return (Derived("relative_position_index", shape, "I64", self.positions),)

    def cost(self, output: TensorType, *inputs: TensorType) -> Cost:
        # On each logit: the root's division, the bias, and 5 of the softmax.
        return self.work(self.windows(output), self.pixels, output.channels, 7)

    def derivation(self, output: TensorType, *inputs: TensorType) -> tuple[Step, ...]:
        table = self.ways_count() * named("h", self.heads)
        note = "the last weights: a bias for each way between two pixels and each of h heads"
        return *self.in_windows(output, table), remark(note)

    def divided(self, size: Term, window: Term) -> Term:
        return even_share(size, window)

    def emit(self, *inputs: TensorType) -> Emission:
        return self.emission(
            "WindowAttention",
            inputs[0],
            *_SHARED,
            "window_attention",
            window=tuple(self.window),
            dilated=Usual(self.dilated, False),
            scaled_by_head=Usual(self.scaled_by == "head", True),
        )


class BlockAttention(_Partition):
    """Let the pixels of each window attend to each other: MaxViT's local attention.

        softmax(q k / sqrt(D) + b_ij) v        T = M² pixels of a window, projected as in attention
        params = 4 C² + 4 C + (2M - 1)² heads
        macs   = H W / T · (4 T C² + 2 T² C)

    M must divide H and W. It is window_attention but for the names in checkpoints.
    Source: Tu et al. 2022, arXiv:2204.01697, §3.2.
    """

    name = "block_attention"
    dilated = False
    heads: int = param("heads, each with its share of the channels", Integer(1))
    window: Window = param("window M, pixels", WindowKind())
    scaled_by: str = param(
        "whose number D is: the channels of a head, or all as torchvision has it",
        Choice("head", "channels"),
        "head",
    )
    init: str = param("how the projections start", INITIALIZER, "glorot_uniform")


class GridAttention(_Partition):
    """Let pixels at equal steps over the whole image attend to each other: MaxViT's global one.

        softmax(q k / sqrt(D) + b_ij) v        T = M² pixels, H / M and W / M apart
        params = 4 C² + 4 C + (2M - 1)² heads
        macs   = H W / T · (4 T C² + 2 T² C)

    M must divide H and W.
    Source: Tu et al. 2022, arXiv:2204.01697, §3.2.
    """

    name = "grid_attention"
    dilated = True
    heads: int = param("heads, each with its share of the channels", Integer(1))
    window: Window = param("grid M, pixels that attend to each other", WindowKind())
    scaled_by: str = param(
        "whose number D is: the channels of a head, or all as torchvision has it",
        Choice("head", "channels"),
        "head",
    )
    init: str = param("how the projections start", INITIALIZER, "glorot_uniform")

    def field(self) -> Field | None:
        return None
