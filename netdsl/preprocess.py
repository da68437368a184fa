"""How a recipe says that images become a network's input: steps of `preprocess`.

Records only; `netdsl.data.prepare` turns them into computations.
"""

from __future__ import annotations

from itertools import pairwise

from netdsl.kinds import Choice, WindowKind
from netdsl.parameters import param
from netdsl.recipe_kinds import Chain, Channels, Option, Share, Side
from netdsl.tensor import Window

_FILTER = Choice("bilinear", "bicubic", "nearest")


class Fit(Option):
    """Cut out the middle in the proportions of the network's input, and resize it to that.

    What is cut is as large as the image holds, times `share`.
    """

    name = "fit"
    share: float = param("of the largest part's sides, above 0", Share(), default=1.0)
    method: str = param("as of `resize`", _FILTER, default="bilinear")


class Resize(Option):
    """Resize; where that shrinks, a pixel is the mean of all under the filter, as Pillow has it.

    A number is the shorter side: the longer follows in proportion, rounded down. A size is both.
    """

    name = "resize"
    size: int | Window = param("pixels of the shorter side, or height and width", Side())
    method: str = param("how pixels in between are made", _FILTER, default="bilinear")


class CenterCrop(Option):
    """Cut out the middle."""

    name = "center_crop"
    size: Window = param("pixels of the result", WindowKind())

    def misses(self, resize: Resize) -> bool:
        """Whether a resized image may be smaller than what is cut out of it."""
        if isinstance(resize.size, Window):
            return resize.size.height < self.size.height or resize.size.width < self.size.width
        return resize.size < max(self.size)


class Normalize(Option):
    """(x - mean) / deviation, for x from 0 to 1.

    Without it, mean and deviation are those of the training images.
    """

    name = "normalize"
    mean: tuple[float, ...] = param("taken off each channel", Channels(zero=True))
    deviation: tuple[float, ...] = param("what each channel is divided by", Channels(zero=False))


PREPROCESSING: tuple[type[Option], ...] = (Fit, Resize, CenterCrop, Normalize)


class Preparation(Chain):
    """Steps that bring any image to one size, and perhaps normalise it at the end."""

    description = "one or several, joined by `->`"

    def contradiction(self, options: tuple[Option, ...]) -> str:
        if any(isinstance(each, Normalize) for each in options[:-1]):
            return "`normalize` is the last step"
        steps = [each for each in options if not isinstance(each, Normalize)]
        for pair in pairwise(steps):
            match pair:
                case (Resize() as resize, CenterCrop() as crop) if crop.misses(resize):
                    return f"`{resize}` may leave less than `{crop}` takes"
        if not steps or not (output_size(options) or isinstance(steps[-1], Fit)):
            return "images would come out in different sizes: end with `fit` or a `center_crop`"
        return ""


def output_size(preprocess: tuple[Option, ...]) -> Window | None:
    """The height and width that all images come out in; None where that is the network's input."""
    size = None
    for step in preprocess:
        match step:
            case CenterCrop() | Resize(size=Window()):
                assert isinstance(step.size, Window)
                size = step.size
            case Resize() | Fit():
                size = None
    return size
