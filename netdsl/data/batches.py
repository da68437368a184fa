"""Batches of training images, each a pure function of the seed and the step.

So a run that stops at step n and goes on there sees what it would have seen, whatever the number
of workers: the step is all that has to be remembered.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Generator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from netdsl.data.augment import Change
from netdsl.data.dataset import Part
from netdsl.data.images import DataError

_ORDER, _CHANGES = 0, 1
"""What a random stream is for, as part of its seed."""


class Batch(NamedTuple):
    """images[B, H, W, C], uint8 or float32 from 0 to 1; labels int32[B]."""

    images: np.ndarray
    labels: np.ndarray


class Batches:
    """The training images of every step, in a new order each epoch.

    An epoch has floor(images / batch) steps; the images left over change with the order. The images
    of `part` are prepared for the network, unless a change crops that out of any size. Raises
    DataError where there are fewer images than a batch takes.
    """

    def __init__(
        self,
        part: Part,
        batch: int,
        seed: int,
        changes: tuple[Change, ...] = (),
    ) -> None:
        if len(part.labels) < batch:
            raise DataError(
                f"a batch of {batch} needs more than the {len(part.labels)} training images "
                f"there are; try --batch {max(1, len(part.labels) // 8)}"
            )
        self.part = part
        self.batch = batch
        self.seed = seed
        self.changes = changes
        self.steps_per_epoch = len(part.labels) // batch
        # Of the last epoch asked for; the pair is replaced whole, so threads may race for it.
        self._order = (-1, np.empty(0, np.int64))

    def order(self, epoch: int) -> np.ndarray:
        """The order of the images in an epoch, counted from 0."""
        known, order = self._order
        if known != epoch:
            rng = np.random.default_rng([self.seed, _ORDER, epoch])
            order = rng.permutation(len(self.part.labels))
            self._order = (epoch, order)
        return order

    def at(self, step: int) -> Batch:
        """The batch of a step, counted from 0 over the whole run."""
        epoch, place = divmod(step, self.steps_per_epoch)
        chosen = self.order(epoch)[place * self.batch : (place + 1) * self.batch]
        images = np.stack([self.image(int(index), epoch) for index in chosen])
        return Batch(images, self.part.labels[chosen])

    def image(self, index: int, epoch: int) -> np.ndarray:
        """One training image [H, W, C] as it is seen in an epoch."""
        image = self.part.images[index]
        if self.changes:
            rng = np.random.default_rng([self.seed, _CHANGES, epoch, index])
            for change in self.changes:
                image = change(image, rng)
        return image

    def run(self, start: int, stop: int, workers: int) -> Generator[tuple[int, Batch], None, None]:
        """The batches of steps `start` up to, not including, `stop`, prepared ahead by threads."""
        pending: deque[tuple[int, Future[Batch]]] = deque()
        pool = ThreadPoolExecutor(workers, thread_name_prefix="netdsl-batch")
        try:
            following = iter(range(start, stop))
            for step in following:
                pending.append((step, pool.submit(self.at, step)))
                if len(pending) > 2 * workers:
                    break
            while pending:
                step, future = pending.popleft()
                batch = future.result()
                after = next(following, None)
                if after is not None:
                    pending.append((after, pool.submit(self.at, after)))
                yield step, batch
        finally:
            pool.shutdown(cancel_futures=True)


def default_workers() -> int:
    """Threads that prepare images: one for each processor, at most eight."""
    return min(8, os.cpu_count() or 1)
