"""A network with weights from a file, which says nothing of how its images are to be prepared."""

from __future__ import annotations

import json
from pathlib import Path

import jax.numpy as jnp
import numpy as np

import netdsl.data
from netdsl.data.prepare import preparation
from netdsl.model import Model
from netdsl.network import Network
from netdsl.settings import Settings
from netdsl.train.classifier import (
    Classifier,
    inference,
    normalisation_of,
    require_preprocessing,
)
from netdsl.train.errors import RunRefused
from netdsl.train.predictor import Predictor
from netdsl.weights import open_weights
from netdsl.weights.convert import read


def pretrained(network: Network, settings: Settings, weights: Path) -> Predictor:
    """The network with the weights of a file, for images and classes as `settings` say.

    `settings` must normalise. Raises RunRefused where they don't suit the network, WeightsError
    where the weights don't.
    """
    classifier = Classifier(Model(network))
    interface = classifier.interface
    require_preprocessing(settings, network.name, interface)
    normalisation = normalisation_of(settings)
    assert normalisation is not None, "there are no training images to take it from"
    classes = class_names(settings, network.name, interface.classes)
    with open_weights(weights) as tensors:
        arrays = read(network.graph, tensors)
    # In float32, as modules compute; the others of the file are for training alone.
    parameters, statistics = (
        {name: jnp.asarray(arrays[name].value, jnp.float32) for name in part}
        for part in classifier.abstract()
    )
    infer = inference(classifier, normalisation)
    height, width, _ = interface.image
    return Predictor(
        network.name,
        interface,
        classes,
        preparation(settings.preprocess, height, width),
        lambda images: np.asarray(infer(parameters, statistics, images)),
    )


def class_names(settings: Settings, network: str, outputs: int) -> tuple[str, ...]:
    """The declared names of a network's outputs, or else their numbers. Raises RunRefused."""
    match settings.classes:
        case None:
            return tuple(map(str, range(outputs)))
        case str(word):
            path = Path(netdsl.data.__path__[0]) / f"{word}.json"
            names = tuple(json.loads(path.read_text("utf-8"))["classes"])
        case names:
            pass
    if len(names) != outputs:
        raise RunRefused(
            f"`classes` has {len(names):,} names, but `{network}` has {outputs:,} outputs; "
            "--classes gives other names"
        )
    return names
