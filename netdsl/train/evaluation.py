"""How well a network does on labelled images it was not trained on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, TypeAlias

import numpy as np

from netdsl.data.dataset import Part

LogitsOf: TypeAlias = Callable[[np.ndarray], np.ndarray]
"""images[N, H, W, C] as they were read -> logits[N, classes]."""


class Evaluation(NamedTuple):
    """Over `images` labelled images.

    `loss` is the mean cross-entropy, without label smoothing, in nats. `confusion`[true, predicted]
    counts images; `top5_accuracy` is None where there are at most five classes.
    """

    images: int
    loss: float
    accuracy: float
    top5_accuracy: float | None
    confusion: np.ndarray

    def class_accuracy(self) -> list[float | None]:
        """Of each class; None for one without images."""
        totals = self.confusion.sum(axis=1)
        return [
            float(right / total) if total else None
            for right, total in zip(self.confusion.diagonal(), totals, strict=True)
        ]


def evaluate(logits_of: LogitsOf, part: Part, classes: int, batch: int, workers: int) -> Evaluation:
    """Measure all images of a part, which are prepared for the network."""
    logits = np.concatenate(list(all_logits(logits_of, part, batch, workers)))
    return measure(logits, part.labels, classes)


def all_logits(logits_of: LogitsOf, part: Part, batch: int, workers: int) -> Iterator[np.ndarray]:
    """logits[n, classes] of a batch after the other, in order.

    The last batch is filled up to the size of the others, so that one compiled function serves all.
    """
    count = len(part.labels)
    with ThreadPoolExecutor(workers) as pool:
        for start in range(0, count, batch):
            taken = range(start, min(start + batch, count))
            images = np.stack(list(pool.map(part.images.__getitem__, taken)))
            present = len(images)
            if present < batch:
                filling = np.zeros((batch - present, *images.shape[1:]), images.dtype)
                images = np.concatenate([images, filling])
            yield np.asarray(logits_of(images))[:present]


def measure(logits: np.ndarray, labels: np.ndarray, classes: int) -> Evaluation:
    """Compare logits[N, classes] with labels[N], N > 0."""
    confusion = np.zeros((classes, classes), np.int64)
    np.add.at(confusion, (labels, logits.argmax(axis=1)), 1)
    true_logits = np.take_along_axis(logits, labels[:, None], axis=1)
    top5 = None
    if classes > 5:
        # At most four others are above the true class.
        top5 = float(np.mean((logits > true_logits).sum(axis=1) < 5))
    log_likelihood = np.take_along_axis(log_softmax(logits), labels[:, None], axis=1)
    return Evaluation(
        len(labels),
        float(-log_likelihood.mean()),
        float(confusion.trace() / len(labels)),
        top5,
        confusion,
    )


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """[N, K] in float64: logits minus the logarithm of the sum of their exponentials."""
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
