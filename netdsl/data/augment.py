"""Random changes of training images: each a function of an image and a random generator.

    op(image[h, w, C], rng) -> image[h', w', C]

None changes its argument, and each draws the same numbers for the same generator, so that a
training image is a pure function of the seed, the epoch and the image's index.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from netdsl.data.dataset import Statistics
from netdsl.data.images import LUMA, Pixels, from_unit, resample, to_unit
from netdsl.recipe_kinds import Option
from netdsl.settings import ColorJitter, Mirror, PcaColor, RandomCrop, RandomShift

Random: TypeAlias = np.random.Generator
Change: TypeAlias = Callable[[Pixels, Random], Pixels]

CROP_ATTEMPTS = 10
"""Draws of a crop that fits into the image, before the largest centred one is taken."""


def change_of(option: Option, statistics: Statistics) -> Change:
    """The function that a recipe's augmentation stands for."""
    match option:
        case Mirror():
            return lambda image, rng: mirror(image, rng, option.probability)
        case RandomShift():
            return lambda image, rng: random_shift(image, rng, option.pixels)
        case RandomCrop():
            return lambda image, rng: random_crop(
                image, rng, tuple(option.size), option.scale, option.ratio
            )
        case ColorJitter():
            return lambda image, rng: color_jitter(image, rng, option.strength)
        case PcaColor():
            values, vectors = principal_colors(statistics)
            return lambda image, rng: pca_color(image, rng, option.deviation, values, vectors)
    raise TypeError(f"{option!r} is not an augmentation")


def mirror(image: Pixels, rng: Random, probability: float) -> Pixels:
    """Left and right swapped, with the given probability."""
    return image[:, ::-1] if rng.random() < probability else image


def random_shift(image: Pixels, rng: Random, pixels: int) -> Pixels:
    """Moved by a whole number of pixels from -`pixels` to `pixels` along each axis, even odds."""
    height, width = image.shape[:2]
    top, left = (int(start) for start in rng.integers(0, 2 * pixels + 1, size=2))
    around = np.pad(image, ((pixels, pixels), (pixels, pixels), (0, 0)))
    return around[top : top + height, left : left + width]


def random_crop(
    image: Pixels,
    rng: Random,
    size: tuple[int, ...],
    scale: tuple[float, float],
    ratio: tuple[float, float],
) -> Pixels:
    """A part of `scale` of the area and `ratio` width over height, resized to `size` (h, w).

    The area is drawn evenly, the ratio evenly in its logarithm, the place evenly among whole
    pixels. Source: Szegedy et al. 2014, arXiv:1409.4842, section 6.
    """
    height, width = image.shape[:2]
    target = (size[0], size[1])
    for _ in range(CROP_ATTEMPTS):
        area = height * width * rng.uniform(*scale)
        proportion = np.exp(rng.uniform(np.log(ratio[0]), np.log(ratio[1])))
        w, h = round(np.sqrt(area * proportion)), round(np.sqrt(area / proportion))
        if 0 < h <= height and 0 < w <= width:
            top, left = int(rng.integers(height - h + 1)), int(rng.integers(width - w + 1))
            return resample(image, (left, top, left + w, top + h), target)
    # An image too long or flat for the ratios: as much of it as they allow.
    w = min(width, round(height * ratio[1]))
    h = min(height, round(width / ratio[0]))
    top, left = (height - h) // 2, (width - w) // 2
    return resample(image, (left, top, left + w, top + h), target)


def color_jitter(image: Pixels, rng: Random, strength: float) -> Pixels:
    """Brightness, contrast and saturation scaled by 1 ± `strength`, in random order.

    Brightness blends with black, contrast with the mean grey of the image, saturation with the
    grey of each pixel.
    """
    pixels = to_unit(image)
    for change in rng.permutation(3):
        factor = np.float32(rng.uniform(1 - strength, 1 + strength))
        if change == 0:
            pixels = pixels * factor
        elif change == 1:
            mean = _grey(pixels).mean()
            pixels = mean + (pixels - mean) * factor
        else:
            grey = _grey(pixels)
            pixels = grey + (pixels - grey) * factor
        pixels = np.clip(pixels, 0, 1)
    return from_unit(pixels, image.dtype)


def principal_colors(statistics: Statistics) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues [C] and eigenvectors [C, C] (in columns) of the covariance of the channels."""
    values, vectors = np.linalg.eigh(np.array(statistics.covariance))
    # An eigenvector's sign is the library's choice: fix it, so that it is the same everywhere.
    signs = np.sign(vectors[np.abs(vectors).argmax(axis=0), np.arange(len(values))])
    return np.maximum(values, 0), vectors * signs


def pca_color(
    image: Pixels, rng: Random, deviation: float, values: np.ndarray, vectors: np.ndarray
) -> Pixels:
    """One colour, drawn along the principal axes, added to every pixel.

    Source: Krizhevsky et al. 2012, section 4.1.
    """
    amounts = rng.normal(0, deviation, size=len(values))
    color = vectors @ (amounts * values)
    return from_unit(to_unit(image) + color.astype(np.float32), image.dtype)


def _grey(pixels: np.ndarray) -> np.ndarray:
    """[h, w, 1]; colours that are not RGB count alike."""
    if pixels.shape[-1] == 3:
        return pixels @ LUMA[:, None]
    return pixels.mean(axis=-1, keepdims=True)
