"""One training: from a network, a recipe and the name of data to a folder with the result."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, TextIO

import jax

from netdsl.data.augment import change_of
from netdsl.data.batches import Batches
from netdsl.data.dataset import Dataset, Part, Prepared, Statistics, prepared, split, statistics
from netdsl.data.images import DataError
from netdsl.data.prepare import preparation
from netdsl.data.read import read_data
from netdsl.model import Model
from netdsl.network import Network
from netdsl.recipe import Recipe
from netdsl.settings import RandomCrop, Settings
from netdsl.source import printable
from netdsl.train.checkpoints import Checkpoints
from netdsl.train.classifier import (
    Classifier,
    Interface,
    Normalisation,
    inference,
    normalisation_of,
    require_preprocessing,
)
from netdsl.train.errors import Interrupted, RunDamaged, RunRefused
from netdsl.train.folder import RunFolder
from netdsl.train.loop import Equipment, fit
from netdsl.train.progress import TrainingProgress
from netdsl.train.provenance import compare, describe, program_files
from netdsl.train.step import State, Stepper
from netdsl.train.stopping import Stopping

Say = Callable[[str], None]
"""Tells the user something, a line at a time."""


class Options(NamedTuple):
    """How a training runs, apart from what comes out of it."""

    out: Path
    resume: bool = False
    keep: int = 2
    """Checkpoints that stay, the newest, beside the best."""
    workers: int = 1
    """Threads that prepare images; their number changes nothing but the speed."""
    stream: TextIO = sys.stderr
    color: bool = False


class _Images(NamedTuple):
    """Data for the network. Images are prepared, but those of `train` not where one crops them."""

    dataset: Dataset
    train: Part
    validation: Part | None
    statistics: Statistics
    normalisation: Normalisation


def train(network: Network, recipe: Recipe, options: Options, say: Say) -> list[dict[str, Any]]:
    """Train a network; the records of all its epochs.

    Raises RunRefused, RunDamaged, DataError, NotFinite, and Interrupted after a signal.
    """
    settings = recipe.settings
    classifier = Classifier(Model(network))
    interface = classifier.interface
    images = _prepare(network, settings, interface, options.workers)
    batches = Batches(
        images.train,
        settings.batch,
        settings.seed,
        tuple(change_of(option, images.statistics) for option in settings.augment),
    )
    normalisation = images.normalisation
    stepper = Stepper(classifier, settings, normalisation, batches.steps_per_epoch)
    counts = (
        len(images.train.labels),
        0 if images.validation is None else len(images.validation.labels),
    )
    description = describe(network, recipe, images.dataset, interface, normalisation, counts)
    folder = RunFolder(options.out)
    folder.hold(resume=options.resume)
    try:
        if options.resume:
            for note in compare(folder, folder.description(), description, settings):
                say(f"note: {note}")
        else:
            _announce(say, network, recipe, images, batches, classifier)
        for name, text in program_files(network.file).items():
            folder.write_source(name, text)
        folder.write_description(description)
        return _run(
            Equipment(
                stepper,
                inference(classifier, normalisation),
                batches,
                images.validation,
                folder,
                Checkpoints(folder.checkpoints, options.keep),
                options.workers,
            ),
            options,
            network.name,
            say,
        )
    finally:
        folder.release()


def _run(equipment: Equipment, options: Options, name: str, say: Say) -> list[dict[str, Any]]:
    stepper, batches, folder = equipment.stepper, equipment.batches, equipment.folder
    epochs = stepper.settings.epochs
    total = epochs * batches.steps_per_epoch
    with equipment.checkpoints as checkpoints, Stopping() as stopping:
        state = None
        if options.resume:
            state = _resumed(equipment, checkpoints, say)
        if state is None:
            state = stepper.initial()
            folder.rewind_metrics(0)
        with TrainingProgress(
            options.stream, epochs, batches.steps_per_epoch, int(state.step), color=options.color
        ) as progress:
            try:
                state = fit(equipment, state, progress, stopping)
            finally:
                _draw(folder, name, say)
        step = int(state.step)
        if step < total:
            assert stopping.signal_number is not None, "only a signal stops before the end"
            raise Interrupted(
                f"stopped after step {step} of {total}, which is saved; go on with --resume",
                stopping.signal_number,
            )
    return folder.read_metrics()


def _resumed(equipment: Equipment, checkpoints: Checkpoints, say: Say) -> State | None:
    steps = checkpoints.steps()
    if not steps:
        say("there is no checkpoint yet: starting from the beginning")
        return None
    state = checkpoints.restore(steps[-1], equipment.stepper.abstract())
    equipment.folder.rewind_metrics(steps[-1])
    say(f"going on after step {steps[-1]}")
    return state


def _prepare(network: Network, settings: Settings, interface: Interface, workers: int) -> _Images:
    """Read, check, split and fit the images, and take their statistics."""
    if settings.data is None:
        raise RunRefused("what to train on is not said: use --data, or `data` in the recipe")
    height, width, channels = interface.image
    dataset = read_data(settings.data, channels)
    _check_classes(network, dataset, interface.classes)
    crops = [option for option in settings.augment if isinstance(option, RandomCrop)]
    for crop in crops:
        if tuple(crop.size) != (height, width):
            raise RunRefused(
                f"`random_crop` makes images of {crop.size}, but the network takes {height}x{width}"
            )
    require_preprocessing(settings, network.name, interface)
    part, held_out = dataset.train, dataset.validation
    if held_out is None:
        part, held_out = split(part, settings.validation, len(dataset.classes))
    if len(part.labels) == 0:
        raise DataError(f"`{printable(dataset.name)}` leaves no images to train on")
    prepare = preparation(settings.preprocess, height, width)
    if not crops:
        # Decoded once, where memory allows; then each epoch only changes them.
        part = prepared(part, prepare, workers)
    held_out = prepared(held_out, prepare, workers)
    found = statistics(Prepared(part.images, prepare) if crops else part.images, workers)
    return _Images(
        dataset,
        part,
        held_out if len(held_out.labels) else None,
        found,
        normalisation_of(settings) or Normalisation(found.mean, found.deviation),
    )


def _check_classes(network: Network, dataset: Dataset, outputs: int) -> None:
    count = len(dataset.classes)
    if count == outputs:
        return
    way_out = "give the network as many outputs as there are classes"
    if "classes" in network.graph.arguments:
        way_out = f"add --set classes={count}"
    raise RunRefused(
        f"`{printable(dataset.name)}` has {count} classes, "
        f"but `{network.name}` has {outputs} outputs; {way_out}"
    )


def _announce(
    say: Say,
    network: Network,
    recipe: Recipe,
    images: _Images,
    batches: Batches,
    classifier: Classifier,
) -> None:
    """Everything that was chosen, so that no default is silent."""
    parameters, _ = classifier.abstract()
    count = sum(array.size for array in parameters.values())
    device = jax.devices()[0]
    say(f"network    {network.name}, {count:,} parameters, on {device.platform}")
    held_out = 0 if images.validation is None else len(images.validation.labels)
    say(
        f"images     {len(images.train.labels):,} to train, {held_out:,} held out, "
        f"{len(images.dataset.classes)} classes, {batches.steps_per_epoch} steps an epoch"
    )
    for name, text in recipe.settings.texts().items():
        say(f"{name:<10} {text}" + ("" if name in recipe.given else "  (default)"))


def _draw(folder: RunFolder, name: str, say: Say) -> None:
    """Draw the curves so far. They can be drawn again, so a failure must not hide another."""
    # Imported here because matplotlib takes as long to load as a small network to train an epoch.
    from netdsl.train.curves import draw_curves

    try:
        records = folder.read_metrics()
        if records:
            draw_curves(records, name, folder.curves)
    except (OSError, RunDamaged) as error:
        say(f"note: there is no picture of the curves: {error}")
