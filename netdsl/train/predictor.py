"""A network with weights, from images in files to the likeliest classes."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from netdsl.data.images import DataError, read_image
from netdsl.data.prepare import Prepare
from netdsl.source import printable
from netdsl.train.classifier import Interface
from netdsl.train.evaluation import LogitsOf, log_softmax


class Prediction(NamedTuple):
    """The likeliest classes of an image, with their probabilities, falling."""

    file: str
    classes: tuple[tuple[str, float], ...]


class Predictor(NamedTuple):
    """`prepare` makes images such as `logits_of` takes; `classes` are what the logits mean."""

    name: str
    interface: Interface
    classes: tuple[str, ...]
    prepare: Prepare
    logits_of: LogitsOf

    def predict(self, paths: list[Path], top: int) -> list[Prediction]:
        """The `top` likeliest classes of image files. Raises DataError."""
        channels = self.interface.image[2]
        if channels not in (1, 3):
            raise DataError(
                "images in files are read as grey or RGB, "
                f"but the network takes {channels} channels"
            )
        predictions = []
        for path in paths:
            image = self.prepare(read_image(path, channels))
            probabilities = np.exp(log_softmax(self.logits_of(image[None])))[0]
            order = np.argsort(-probabilities, kind="stable")[:top]
            classes = tuple((self.classes[label], float(probabilities[label])) for label in order)
            predictions.append(Prediction(printable(str(path)), classes))
        return predictions
