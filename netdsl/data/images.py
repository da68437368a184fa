"""Decode images, and bring them to a network's size and channels."""

from __future__ import annotations

from pathlib import Path
from typing import TypeAlias

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from netdsl.exits import Failure
from netdsl.source import open_regular, printable

Pixels: TypeAlias = np.ndarray
"""[h, w, C], uint8 from 0 to 255 or float32 from 0 to 1."""

LUMA = np.array([0.299, 0.587, 0.114], np.float32)
"""Weights of red, green and blue in grey. Source: ITU-R BT.601."""

MAXIMUM_PIXELS = 1 << 26
"""Of one image file, before it is decoded: a small file can ask for any amount of memory."""

EXTENSIONS = (".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")


class DataError(Failure):
    """Data that can't be used; the message names the file or array, and says what would do."""


def read_image(path: Path, channels: int) -> Pixels:
    """Decode a file to uint8[h, w, channels], `channels` being 1 (grey) or 3 (RGB).

    Turned as its EXIF orientation says; transparency is dropped; of an animation the first picture.
    Raises DataError.
    """
    shown = printable(str(path))
    try:
        with open_regular(path) as stream, Image.open(stream) as image:
            check_size(image, shown)
            if image.mode in ("F", "I") or image.mode.startswith("I;"):
                raise DataError(
                    f"`{shown}` has more than 8 bits in a channel ({image.mode}); "
                    "convert it to 8 bits"
                )
            upright = ImageOps.exif_transpose(image)
            pixels = np.asarray(upright.convert("L" if channels == 1 else "RGB"))
    except FileNotFoundError:
        raise DataError(f"there is no file `{shown}`") from None
    except UnidentifiedImageError:
        raise DataError(f"`{shown}` is not an image that can be decoded") from None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        # Pillow reports broken PNG chunks as SyntaxError, truncated files as OSError.
        raise DataError(f"`{shown}` can't be decoded: {error}") from None
    return pixels.reshape(*pixels.shape[:2], channels)


def check_size(image: Image.Image, shown: str) -> None:
    """Raise DataError for an image of more than `MAXIMUM_PIXELS`."""
    if image.width * image.height > MAXIMUM_PIXELS:
        raise DataError(
            f"`{shown}` has {image.width:,} × {image.height:,} pixels, "
            f"over the limit of {MAXIMUM_PIXELS:,}"
        )


def with_channels(images: np.ndarray, channels: int, shown: str) -> np.ndarray:
    """[..., C] with `channels` in place of C: grey repeated, or RGB weighted to grey.

    Raises DataError for any other pair.
    """
    present = images.shape[-1]
    if present == channels:
        return images
    if present == 1 and channels == 3:
        return np.repeat(images, 3, axis=-1)
    if present == 3 and channels == 1:
        grey = images.astype(np.float32) @ LUMA[:, None]
        return np.rint(grey).astype(np.uint8) if images.dtype == np.uint8 else grey
    raise DataError(f"{shown} has images of {present} channels; the network takes {channels}")


def resample(
    image: Pixels,
    box: tuple[int, int, int, int],
    size: tuple[int, int],
    method: str = "bilinear",
) -> Pixels:
    """The part `box` (left, top, right, bottom) of an image as [height, width, C].

    `size` is (height, width), `method` one of Pillow's filters. Where bilinear or bicubic shrink,
    each output pixel averages all input pixels under its filter.
    """
    height, width = size
    if box == (0, 0, width, height) and image.shape[:2] == size:
        return image
    channels = image.shape[-1]

    def resized(plane: np.ndarray) -> np.ndarray:
        picture = Image.fromarray(np.ascontiguousarray(plane))
        return np.asarray(
            picture.resize(
                (width, height), Image.Resampling[method.upper()], box=box, reducing_gap=None
            )
        )

    if image.dtype == np.uint8 and channels == 3:
        return resized(image)
    planes = [resized(image[..., channel]) for channel in range(channels)]
    return np.stack(planes, axis=-1)


def fit(
    image: Pixels, height: int, width: int, share: float = 1.0, method: str = "bilinear"
) -> Pixels:
    """The largest centred part of the network's proportions, resized to [height, width, C].

    Of that part's sides `share` is taken, rounded down. The part has whole pixels: its proportions
    may be off by half a one.
    """
    h, w = image.shape[:2]
    part_h = max(1, int(share * min(h, max(1, round(w * height / width)))))
    part_w = max(1, int(share * min(w, max(1, round(h * width / height)))))
    top, left = (h - part_h) // 2, (w - part_w) // 2
    # Cut first: Pillow's filters reach beyond a box.
    part = image[top : top + part_h, left : left + part_w]
    return resample(part, (0, 0, part_w, part_h), (height, width), method)


def to_unit(image: Pixels) -> np.ndarray:
    """float32 from 0 to 1."""
    if image.dtype == np.uint8:
        return image.astype(np.float32) / np.float32(255)
    return image


def from_unit(image: np.ndarray, dtype: np.dtype) -> Pixels:
    """float32 from 0 to 1, clipped, as the type that it came from."""
    clipped = np.clip(image, 0, 1)
    if dtype == np.uint8:
        return np.rint(clipped * 255).astype(np.uint8)
    return clipped.astype(np.float32)
