"""Labelled images in memory or on disk, their split, and their statistics."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

from netdsl.data.images import Pixels, read_image, to_unit
from netdsl.data.prepare import Prepare

MEMORY_BYTES = 1 << 30
"""Decoded images are kept in memory up to this size; beyond it they are decoded for each batch."""

STATISTICS_IMAGES = 10_000
"""Mean and deviation are taken over at most so many training images, evenly spaced."""

SPLIT_SEED = 0
"""The split does not follow the recipe's seed: runs with other seeds hold out the same images."""


class Images(Protocol):
    """Images by index: [h, w, C], uint8 from 0 to 255 or float32 from 0 to 1."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Pixels: ...


class FileImages:
    """Images that are decoded when they are asked for, with `channels` 1 (grey) or 3 (RGB)."""

    def __init__(self, paths: list[Path], channels: int) -> None:
        self.paths = paths
        self.channels = channels

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> Pixels:
        return read_image(self.paths[index], self.channels)


class Part(NamedTuple):
    """Images with the index of each one's class, int32[N]."""

    images: Images
    labels: np.ndarray

    def take(self, indices: np.ndarray) -> Part:
        return Part(Selection(self.images, indices), self.labels[indices])


class Selection:
    """Some of another sequence's images."""

    def __init__(self, images: Images, indices: np.ndarray) -> None:
        self.images = images
        self.indices = indices

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> Pixels:
        return self.images[int(self.indices[index])]


class Prepared:
    """Another sequence's images, each brought to the network's input when it is asked for."""

    def __init__(self, images: Images, prepare: Prepare) -> None:
        self.images = images
        self.prepare = prepare

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Pixels:
        return self.prepare(self.images[index])


class Dataset(NamedTuple):
    """What was read from `name`. `validation` is None where the data has no such part.

    `fingerprint` identifies the data, so that a run goes on, and is evaluated, with the same.
    """

    name: str
    classes: tuple[str, ...]
    train: Part
    validation: Part | None
    fingerprint: str


def split(part: Part, fraction: float, classes: int) -> tuple[Part, Part]:
    """Hold out the same share of each class: (training, validation).

    Of a class with at least two images at least one is held out and one kept; the choice depends
    on the labels and the fraction alone.
    """
    held_out = []
    for label in range(classes):
        members = np.flatnonzero(part.labels == label)
        count = round(fraction * len(members))
        if fraction > 0 and len(members) > 1:
            count = min(max(count, 1), len(members) - 1)
        elif len(members) <= 1:
            count = 0
        order = np.random.default_rng([SPLIT_SEED, label]).permutation(len(members))
        held_out.append(members[order[:count]])
    validation = np.sort(np.concatenate(held_out)) if held_out else np.empty(0, np.int64)
    training = np.setdiff1d(np.arange(len(part.labels)), validation)
    return part.take(training), part.take(validation)


def prepared(part: Part, prepare: Prepare, workers: int) -> Part:
    """The part with all images prepared: now, as one array, or where that is too big on demand."""
    images = Prepared(part.images, prepare)
    if len(part.labels) == 0:
        return part
    first = images[0]
    if first.nbytes * len(part.labels) > MEMORY_BYTES:
        return Part(images, part.labels)
    pixels = np.empty((len(part.labels), *first.shape), first.dtype)

    def place(index: int) -> None:
        pixels[index] = images[index]

    with ThreadPoolExecutor(workers) as pool:
        for _ in pool.map(place, range(len(part.labels))):
            pass
    return Part(pixels, part.labels)


class Statistics(NamedTuple):
    """Of the channels of `images` training images, in units of full intensity.

    `mean` and `deviation` have C values; `covariance` has C × C. A channel without any variation
    has the deviation 1, so that dividing by it is harmless.
    """

    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    covariance: tuple[tuple[float, ...], ...]
    images: int


def statistics(images: Images, workers: int) -> Statistics:
    """Mean, deviation and covariance of the channels of prepared images."""
    count = min(len(images), STATISTICS_IMAGES)
    indices = np.linspace(0, len(images) - 1, count).astype(np.int64)

    def means(index: np.int64) -> tuple[np.ndarray, np.ndarray]:
        pixels = to_unit(images[int(index)]).astype(np.float64)
        rows = pixels.reshape(-1, pixels.shape[-1])
        return rows.mean(axis=0), rows.T @ rows / len(rows)

    with ThreadPoolExecutor(workers) as pool:
        pairs = list(pool.map(means, indices))
    mean = np.mean([first for first, _ in pairs], axis=0)
    covariance = np.mean([second for _, second in pairs], axis=0) - np.outer(mean, mean)
    deviation = np.sqrt(np.maximum(np.diag(covariance), 0.0))
    deviation = np.where(deviation > 1e-6, deviation, 1.0)
    return Statistics(
        tuple(mean.tolist()),
        tuple(deviation.tolist()),
        tuple(tuple(row) for row in covariance.tolist()),
        count,
    )
