"""A trained network, taken from the folder of its run."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from netdsl.data.dataset import Part, split
from netdsl.data.images import DataError, fit, read_image
from netdsl.data.read import read_data
from netdsl.model import Model
from netdsl.source import printable
from netdsl.train.checkpoints import Checkpoints, Weights
from netdsl.train.classifier import Classifier, Interface, Normalisation, inference
from netdsl.train.errors import RunRefused
from netdsl.train.evaluation import Evaluation, evaluate, log_softmax
from netdsl.train.folder import RunFolder
from netdsl.train.provenance import Recorded, read_recorded, rebuild


class Prediction(NamedTuple):
    """The likeliest classes of an image, with their probabilities, falling."""

    file: str
    classes: tuple[tuple[str, float], ...]


class Measured(NamedTuple):
    """An evaluation and what it was made on, in words."""

    evaluation: Evaluation
    images: str


class Trained:
    """The network of a run with the weights of one checkpoint."""

    def __init__(self, folder: Path, checkpoint: str = "best") -> None:
        """`checkpoint` is `best` (by validation accuracy), `latest` or a step.

        Raises RunRefused and RunDamaged.
        """
        run = RunFolder(folder)
        self.recorded: Recorded = read_recorded(run)
        classifier = Classifier(Model(rebuild(run, self.recorded)))
        self.interface: Interface = classifier.interface
        with Checkpoints(run.checkpoints) as checkpoints:
            self.step = _choose(checkpoints, checkpoint, run.shown)
            weights = checkpoints.restore_weights(self.step, Weights(*classifier.abstract()))
        normalisation = Normalisation(self.recorded.mean, self.recorded.deviation)
        infer = inference(classifier, normalisation)
        self.logits_of = lambda images: np.asarray(infer(*weights, images))

    @property
    def classes(self) -> tuple[str, ...]:
        return self.recorded.classes

    @property
    def size(self) -> tuple[int, int]:
        height, width, _ = self.interface.image
        return height, width

    def evaluate(self, data: str | None, workers: int) -> Measured:
        """Measure on `data`, or where that is None on the images that training held out.

        Of other data its own validation part is taken, or else all of it. Raises DataError.
        """
        part, images = self._images(data)
        if len(part.labels) == 0:
            raise DataError("training held no images out; name images to measure on with --data")
        evaluation = evaluate(
            self.logits_of,
            part,
            self.size,
            self.interface.classes,
            min(self.recorded.batch, len(part.labels)),
            workers,
        )
        return Measured(evaluation, images)

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
            image = fit(read_image(path, channels), *self.size)
            probabilities = np.exp(log_softmax(self.logits_of(image[None])))[0]
            order = np.argsort(-probabilities, kind="stable")[:top]
            classes = tuple((self.classes[label], float(probabilities[label])) for label in order)
            predictions.append(Prediction(printable(str(path)), classes))
        return predictions

    def _images(self, data: str | None) -> tuple[Part, str]:
        recorded = self.recorded
        name = recorded.data if data is None else data
        dataset = read_data(name, self.interface.image[2])
        same = dataset.fingerprint == recorded.fingerprint
        if data is None and not same:
            raise DataError(
                f"`{printable(name)}` is not what it was when the network was trained; "
                "name the images to measure on with --data"
            )
        if dataset.validation is not None:
            part, which = dataset.validation, "validation images"
        elif same:
            _, part = split(dataset.train, recorded.validation, len(dataset.classes))
            which = "held-out images"
        else:
            part, which = dataset.train, "images"
        labels = _renumbered(part.labels, dataset.classes, recorded.classes, name)
        return Part(part.images, labels), f"{len(labels)} {which} of {printable(dataset.name)}"


def _choose(checkpoints: Checkpoints, wanted: str, shown: str) -> int:
    steps = checkpoints.steps()
    if not steps:
        raise RunRefused(f"`{shown}` has no checkpoint: its training has not finished an epoch")
    if wanted == "latest":
        return steps[-1]
    if wanted == "best":
        best = checkpoints.best_step()
        assert best is not None, "there are steps"
        return best
    if wanted.isdecimal() and int(wanted) in steps:
        return int(wanted)
    listed = ", ".join(str(step) for step in steps)
    raise RunRefused(f"`{shown}` has no checkpoint `{wanted}`; it has best, latest, {listed}")


def _renumbered(
    labels: np.ndarray, present: tuple[str, ...], trained: tuple[str, ...], name: str
) -> np.ndarray:
    """Labels by the classes of the network instead of those of the data."""
    unknown = [each for each in present if each not in trained]
    if unknown:
        raise DataError(
            f"`{printable(name)}` has the class `{printable(unknown[0])}`, "
            "which the network was not trained on"
        )
    numbers = np.array([trained.index(each) for each in present], np.int32)
    return numbers[labels]
