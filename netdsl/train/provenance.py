"""What a run was made from, as run.json has it: program, recipe, data, versions."""

from __future__ import annotations

import hashlib
import os
import platform
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from netdsl import __version__
from netdsl.data.dataset import Dataset
from netdsl.graph import Graph
from netdsl.network import SHIPPED, Network, has_errors, load_network, read_settings
from netdsl.program import Library, ProgramFile, load_program
from netdsl.recipe import Recipe
from netdsl.settings import Cosine, Settings
from netdsl.source import Source, UnreadableSource, printable, read_source
from netdsl.train.classifier import Interface, Normalisation
from netdsl.train.errors import RunDamaged, RunRefused
from netdsl.train.folder import RunFolder

_LIBRARIES = ("jax", "flax", "optax", "orbax-checkpoint", "numpy", "pillow")


def program_files(file: ProgramFile) -> dict[str, str]:
    """The texts of a program by their places below the folder they share, its own file first."""
    paths = [source.path.resolve() for source in file.sources if source.path is not None]
    if not paths:
        return {"program.net": file.source.text}
    root = Path(os.path.commonpath([path.parent for path in paths]))
    texts = [source.text for source in file.sources]
    return {
        path.relative_to(root).as_posix(): text for path, text in zip(paths, texts, strict=True)
    }


def describe(
    network: Network,
    recipe: Recipe,
    dataset: Dataset,
    interface: Interface,
    normalisation: Normalisation,
    images: tuple[int, int],
) -> dict[str, Any]:
    """The content of run.json; `images` are those of training and validation."""
    files = program_files(network.file)
    return {
        "network": {
            "name": network.name,
            "file": next(iter(files)),
            "settings": network.settings,
            "graph": graph_digest(network.graph),
            "sources": {name: _sha256(text) for name, text in files.items()},
            "input": list(interface.image),
        },
        "recipe": {
            "name": recipe.name,
            "settings": recipe.settings.texts(),
            "values": recipe.settings.record(),
        },
        "data": {
            "name": dataset.name,
            "fingerprint": dataset.fingerprint,
            "classes": list(dataset.classes),
            "training_images": images[0],
            "validation_images": images[1],
        },
        "normalisation": {
            "mean": list(normalisation.mean),
            "deviation": list(normalisation.deviation),
        },
        "versions": versions(),
    }


def versions() -> dict[str, str]:
    return {
        "netdsl": __version__,
        "python": platform.python_version(),
        **{name: version(name) for name in _LIBRARIES},
    }


def graph_digest(graph: Graph) -> str:
    """Identifies what a network computes and where its weights lie, not how it is written."""
    lines = [
        repr((node.op and node.op.name, node.op and sorted(vars(node.op).items()),
              node.inputs, str(node.type), node.path))
        for node in graph.nodes
    ]  # fmt: skip
    lines += [repr(output) for output in graph.outputs]
    return _sha256("\n".join(lines))


_IRRELEVANT = (
    "format",
    "network.file",
    "data.name",
    "recipe.name",
    "recipe.values.data",
    "recipe.values.classes",
)


def compare(
    folder: RunFolder, before: dict[str, Any], now: dict[str, Any], settings: Settings
) -> list[str]:
    """Refuse to go on with another network, recipe or data; notes on what may differ.

    A run may be made longer, but not one whose schedule depends on its length. Raises RunRefused.
    """
    old, new = _flat(before), _flat(now)
    notes = []
    for key in sorted(old.keys() | new.keys()):
        was, is_now = old.get(key, "nothing"), new.get(key, "nothing")
        if was == is_now or key in _IRRELEVANT:
            continue
        if key.startswith(("recipe.settings.", "network.sources.")):
            continue  # What of them matters is in the values and in the graph.
        if key.startswith("versions."):
            library = key.partition(".")[2]
            notes.append(f"begun with {library} {was}, now {is_now}: results may differ slightly")
            continue
        if key == "recipe.values.epochs" and _may_grow(settings, was):
            continue
        if key.startswith("network."):
            reason = "its network was another"
        elif key.startswith("data."):
            reason = f"the images of {printable(str(before['data']['name']))} were others"
        elif key.startswith("recipe.values."):
            name = key.split(".")[2]
            texts = [each["recipe"]["settings"].get(name, "nothing") for each in (before, now)]
            reason = f"it was begun with {name} {texts[0]}, not {texts[1]}"
        else:
            reason = f"{key} was {was} and is {is_now}"
        raise RunRefused(
            f"`{folder.shown}` can't go on: {reason}; begin another run with another --out"
        )
    return notes


def _may_grow(settings: Settings, epochs: object) -> bool:
    """Whether a run of so many epochs may go on to those of `settings`."""
    longer = isinstance(epochs, int) and settings.epochs > epochs
    return longer and not isinstance(settings.schedule, Cosine)


def _flat(tree: object, path: str = "") -> dict[str, object]:
    """Every leaf under its path: `recipe.optimizer.adam.rate`."""
    if isinstance(tree, Mapping):
        return {
            key: leaf
            for name, each in tree.items()
            for key, leaf in _flat(each, f"{path}.{name}" if path else str(name)).items()
        }
    return {path: tree}


class Recorded(NamedTuple):
    """What using a trained network takes from run.json."""

    name: str
    file: str
    settings: dict[str, str]
    sources: dict[str, str]
    netdsl: str
    data: str
    fingerprint: str
    validation: float
    batch: int
    classes: tuple[str, ...]
    normalisation: Normalisation
    preprocess: str
    """As a recipe writes it."""


def read_recorded(folder: RunFolder) -> Recorded:
    """Raises RunRefused where the folder holds no run, RunDamaged where run.json is not whole."""
    description = folder.description()
    try:
        network, data = description["network"], description["data"]
        normalisation = description["normalisation"]
        return Recorded(
            str(network["name"]),
            str(network["file"]),
            {str(name): str(text) for name, text in network["settings"].items()},
            {str(name): str(digest) for name, digest in network["sources"].items()},
            str(description["versions"]["netdsl"]),
            str(data["name"]),
            str(data["fingerprint"]),
            float(description["recipe"]["values"]["validation"]),
            int(description["recipe"]["values"]["batch"]),
            tuple(str(name) for name in data["classes"]),
            Normalisation(
                tuple(float(value) for value in normalisation["mean"]),
                tuple(float(value) for value in normalisation["deviation"]),
            ),
            str(description["recipe"]["settings"]["preprocess"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise RunDamaged(f"`{folder.shown}/run.json` is not whole: {error!r}") from None


def rebuild(folder: RunFolder, recorded: Recorded) -> Network:
    """The network of a run from the sources in its folder. Raises RunDamaged."""
    root = (folder.path / "source").resolve()
    sources: dict[str, Source] = {}
    for name, digest in recorded.sources.items():
        path = (root / name).resolve()
        if not path.is_relative_to(root):
            raise RunDamaged(f"`{folder.shown}/run.json` names a source outside it: {name}")
        try:
            sources[name] = read_source(path, f"{folder.shown}/source/{name}")
        except UnreadableSource as error:
            raise RunDamaged(f"{error}; the run needs it") from None
        if _sha256(sources[name].text) != digest:
            raise RunDamaged(f"`{sources[name].name}` is not what the run was trained with")
    if recorded.file not in sources:
        raise RunDamaged(f"`{folder.shown}/run.json` has no source {recorded.file}")
    file, diagnostics = load_program(sources[recorded.file], Library(root, SHIPPED))
    if file is not None and not has_errors(diagnostics):
        settings, diagnostics = read_settings(recorded.settings, file)
        if not has_errors(diagnostics):
            network, diagnostics = load_network(file, recorded.name, settings)
            if network is not None:
                return network
    raise RunDamaged(
        f"the network in `{folder.shown}` does not load: {diagnostics[0].message}; "
        f"it was trained with netdsl {recorded.netdsl}, this is {__version__}"
    )


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
