"""What flows through a network: tensor types, weights, costs; and the glossary of symbols.

    N  images in a batch            K  side of a kernel, pixels
    H  height, pixels               S  stride, pixels
    W  width, pixels                P  padding, pixels on each side
    C  channels that enter          G  groups of channels
    F  filters: channels that leave D  dilation, pixels between taps
    T  tokens of a sequence         M  side of a window of attention, pixels

Shapes are channels-last and leave the batch axis out: an image is (H, W, C), a sequence of tokens
(T, C), a flat vector (C,).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

from netdsl.sizes import Size


class Window(NamedTuple):
    """A size over the image's two axes, as `3x3` and `1x7` write it (height, then width)."""

    height: int
    width: int

    def __str__(self) -> str:
        return f"{self.height}x{self.width}"


MOST_CHANNELS = 4
_LEAST_PIXELS = 8
# An image with no more rows than channels it could have is hardly meant.

CHANNELS_LAST = "an image's sizes are height, width and channels, in this order"


class TensorType(NamedTuple):
    """The shape of a float32 value for one image."""

    shape: tuple[Size, ...]

    @property
    def channels(self) -> Size:
        return self.shape[-1]

    @property
    def is_image(self) -> bool:
        return len(self.shape) == 3

    @property
    def is_sequence(self) -> bool:
        return len(self.shape) == 2

    @property
    def noun(self) -> str:
        """What errors call it."""
        return ("a vector", "a sequence", "an image")[len(self.shape) - 1]

    @property
    def elements(self) -> Size:
        count: Size = 1
        for size in self.shape:
            count = count * size
        return count

    @property
    def seems_channels_first(self) -> bool:
        """Whether it is an image of a few rows, and as many channels as columns: the order of
        PyTorch."""
        if not self.is_image or not all(isinstance(size, int) for size in self.shape):
            return False
        first, second, last = self.shape
        return first <= MOST_CHANNELS and second == last and last >= _LEAST_PIXELS

    def __str__(self) -> str:
        return "×".join(
            str(size) if isinstance(size, int) else size.as_factor() for size in self.shape
        )


class Weight(NamedTuple):
    """One array that a layer holds.

    `name` is its key in the layer's Flax state: `kernel`, or `qkv.kernel` of a layer inside it. The
    others say how published PyTorch checkpoints hold it. There its key is the layer's path and
    `state_dict_name`, the path alone where that is empty. `layout` lists, for each of their axes,
    ours, so that (3, 2, 0, 1) reads an OIHW kernel for an HWIO one; -1 is an axis of 1 that ours
    has not. `mirrored` says that theirs is ours turned upside down and left to right. What is not
    `trainable` is a running statistic.
    """

    name: str
    shape: tuple[Size, ...]
    state_dict_name: str = ""
    layout: tuple[int, ...] = ()
    trainable: bool = True
    mirrored: bool = False

    @property
    def elements(self) -> Size:
        return TensorType(self.shape).elements


Nested: TypeAlias = "int | float | tuple[Nested, ...]"
"""An array's numbers, as tuples of tuples."""


class Derived(NamedTuple):
    """One array that PyTorch's layer keeps and ours does not, for it follows from something else.

    `state_dict_name` is as of `Weight`, `dtype` as a safetensors file writes it (`I64`). Where the
    layer's sizes determine the values, `values` gives them, of shape `shape`; where they don't, as
    of a count of training steps, it is None and inference has no use for them.
    """

    state_dict_name: str
    shape: tuple[Size, ...]
    dtype: str
    values: Callable[[], Nested] | None = None


class Cost(NamedTuple):
    """Work of one layer for one image.

    `macs` are the multiply-accumulates of convolutions and matrix products, taps on padding
    included, biases not: what papers tabulate (often under the name FLOPs). `flops` counts every
    floating-point operation of the forward pass: two for each MAC, one for each other addition,
    multiplication, comparison, division, exponential or root.
    """

    macs: Size = 0
    flops: Size = 0


class Field(NamedTuple):
    """The window of its input that one output of a layer sees, and its step, in pixels (H, W).

    `zoom` is by how much the layer enlarges the image, which shortens the step. A layer that sees
    the whole image at once has no Field.
    """

    kernel: Window = Window(1, 1)
    stride: Window = Window(1, 1)
    zoom: Window = Window(1, 1)
