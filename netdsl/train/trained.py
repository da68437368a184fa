"""A trained network, taken from the folder of its run."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from netdsl.data.dataset import Part, Prepared, split
from netdsl.data.images import DataError
from netdsl.data.prepare import preparation
from netdsl.data.read import read_data
from netdsl.model import Model
from netdsl.recipe import read_override, read_recipe
from netdsl.recipe_kinds import Option
from netdsl.scope import Scope
from netdsl.source import printable
from netdsl.train.checkpoints import Checkpoints, Weights
from netdsl.train.classifier import Classifier, Interface, inference
from netdsl.train.errors import RunDamaged, RunRefused
from netdsl.train.evaluation import Evaluation, evaluate
from netdsl.train.folder import RunFolder
from netdsl.train.predictor import Predictor
from netdsl.train.provenance import Recorded, read_recorded, rebuild


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
        self.network = rebuild(run, self.recorded)
        classifier = Classifier(Model(self.network))
        self.interface: Interface = classifier.interface
        with Checkpoints(run.checkpoints) as checkpoints:
            self.step = _choose(checkpoints, checkpoint, run.shown)
            self.weights = checkpoints.restore_weights(self.step, Weights(*classifier.abstract()))
        infer = inference(classifier, self.recorded.normalisation)
        height, width, _ = self.interface.image
        self.predictor = Predictor(
            self.recorded.name,
            self.interface,
            self.recorded.classes,
            preparation(_preprocess(self.recorded, run.shown), height, width),
            lambda images: np.asarray(infer(*self.weights, images)),
        )

    @property
    def classes(self) -> tuple[str, ...]:
        return self.recorded.classes

    def evaluate(self, data: str | None, workers: int) -> Measured:
        """Measure on `data`, or where that is None on the images that training held out.

        Of other data its own validation part is taken, or else all of it. Raises DataError.
        """
        part, images = self._images(data)
        if len(part.labels) == 0:
            raise DataError("training held no images out; name images to measure on with --data")
        evaluation = evaluate(
            self.predictor.logits_of,
            Part(Prepared(part.images, self.predictor.prepare), part.labels),
            self.interface.classes,
            min(self.recorded.batch, len(part.labels)),
            workers,
        )
        return Measured(evaluation, images)

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


def _preprocess(recorded: Recorded, shown: str) -> tuple[Option, ...]:
    setting, diagnostics = read_override("preprocess", recorded.preprocess)
    if setting is not None and not diagnostics:
        recipe, diagnostics = read_recipe(None, Scope(), (setting,))
        if recipe is not None:
            return recipe.settings.preprocess
    raise RunDamaged(f"`{shown}/run.json` has `preprocess {printable(recorded.preprocess)}`")


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
