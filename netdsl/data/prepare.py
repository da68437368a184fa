"""Bring images to a network's input, as `preprocess` of a recipe says."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from netdsl.data.images import MAXIMUM_PIXELS, DataError, Pixels, fit, resample
from netdsl.preprocess import CenterCrop, Fit, Normalize, Resize
from netdsl.recipe_kinds import Option
from netdsl.tensor import Window

Prepare: TypeAlias = Callable[[Pixels], Pixels]
"""image[h, w, C] of any size -> image[height, width, C] of the network's."""


def preparation(preprocess: tuple[Option, ...], height: int, width: int) -> Prepare:
    """The steps as one function, for a network that takes `height` × `width` pixels.

    Normalising is none of them: it is done on the device, to whole batches. The function raises
    DataError for an image that is too small for them.
    """
    steps = [_step(option, height, width) for option in preprocess]

    def prepare(image: Pixels) -> Pixels:
        for step in steps:
            image = step(image)
        return image

    return prepare


def _step(option: Option, height: int, width: int) -> Prepare:
    match option:
        case Fit():
            return lambda image: fit(image, height, width, option.share, option.method)
        case Resize():
            return lambda image: resize(image, option.size, option.method)
        case CenterCrop():
            return lambda image: center_crop(image, option.size)
        case Normalize():
            return lambda image: image
    raise TypeError(f"{option!r} is no preprocessing")


def resize(image: Pixels, size: int | Window, method: str) -> Pixels:
    """To a height and width, or so that the shorter side has `size` pixels.

    The longer side is then rounded down, as torchvision's Resize does. Raises DataError.
    """
    height, width = image.shape[:2]
    if isinstance(size, Window):
        target = (size.height, size.width)
    else:
        shorter = min(height, width)
        target = (size * height // shorter, size * width // shorter)
    if target[0] * target[1] > MAXIMUM_PIXELS:
        raise DataError(
            f"an image of {width}×{height} pixels, resized to {target[1]:,}×{target[0]:,}, "
            f"is over the limit of {MAXIMUM_PIXELS:,} pixels"
        )
    return resample(image, (0, 0, width, height), target, method)


def center_crop(image: Pixels, size: Window) -> Pixels:
    """The middle; of two middles that at the even offset, as of torchvision's CenterCrop.

    Raises DataError for an image that is too small.
    """
    height, width = image.shape[:2]
    if height < size.height or width < size.width:
        raise DataError(
            f"an image of {width}×{height} pixels is too small to cut {size.width}×{size.height} "
            "out of; resize first"
        )
    top, left = round((height - size.height) / 2), round((width - size.width) / 2)
    return image[top : top + size.height, left : left + size.width]
