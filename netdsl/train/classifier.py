"""A network as pure functions of its arrays, each under its path: `layer1.0.conv1.kernel`."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from netdsl.graph import Graph
from netdsl.preprocess import output_size
from netdsl.settings import Settings
from netdsl.train.errors import RunRefused

Arrays: TypeAlias = dict[str, jax.Array]


class Trainable(Protocol):
    """What `netdsl.load` returns."""

    @property
    def name(self) -> str: ...

    @property
    def graph(self) -> Graph: ...

    def module(self, rngs: nnx.Rngs) -> nnx.Module: ...


class Interface(NamedTuple):
    """What goes in, as (height, width, channels), the classes that come out, and the loss weights
    of the side branches."""

    image: tuple[int, int, int]
    classes: int
    side_weights: tuple[float, ...]


def interface_of(graph: Graph) -> Interface:
    """The sizes of a network that classifies images. Raises RunRefused for any other."""
    inputs = [node.type for node in graph.nodes if node.op is None]
    if len(inputs) != 1 or not inputs[0].is_image:
        shown = ", ".join(str(each) for each in inputs)
        raise RunRefused(f"training takes a network of one image; `{graph.name}` takes {shown}")
    outputs = [output for output in graph.outputs if output.weight is None]
    results = [graph.nodes[output.node].type for output in outputs]
    if len(results) != 1 or len(results[0].shape) != 1:
        shown = ", ".join(str(each) for each in results)
        raise RunRefused(
            f"training takes a network that ends in one number for each class; "
            f"`{graph.name}` ends in {shown}"
        )
    height, width, channels = (int(str(size)) for size in inputs[0].shape)
    sides = tuple(output.weight for output in graph.outputs if output.weight is not None)
    return Interface((height, width, channels), int(str(results[0].shape[0])), sides)


class Classifier:
    """The network split once into its definition and its arrays.

    `parameters` are trained; `statistics` are what layers keep besides, such as the running mean
    of batch normalisation.
    """

    def __init__(self, network: Trainable) -> None:
        self.name = network.name
        self.interface = interface_of(network.graph)
        abstract = nnx.eval_shape(lambda: network.module(nnx.Rngs(0)))
        self._definition, state = nnx.split(abstract)
        self._variables = {
            ".".join(str(part) for part in path): (path, variable)
            for path, variable in nnx.to_flat_state(state)
        }
        self._initial = jax.jit(lambda key: self._divide(network.module(nnx.Rngs(key))))

    def abstract(self) -> tuple[Arrays, Arrays]:
        """The shapes and types of (parameters, statistics)."""
        return jax.eval_shape(self._initial, jax.random.key(0))

    def initial(self, key: jax.Array) -> tuple[Arrays, Arrays]:
        """(parameters, statistics), in one compiled call: op by op it takes ten times as long."""
        return self._initial(key)

    def infer(self, parameters: Arrays, statistics: Arrays, images: jax.Array) -> jax.Array:
        """logits[N, classes] of images[N, H, W, C], normalised."""
        module = self._join(parameters, statistics)
        return module(images, train=False)

    def train(
        self, parameters: Arrays, statistics: Arrays, images: jax.Array, key: jax.Array
    ) -> tuple[jax.Array, tuple[jax.Array, ...], Arrays]:
        """(logits, those of the side branches, new statistics); `key` seeds dropout."""
        module = self._join(parameters, statistics)
        result = module(images, train=True, rngs=nnx.Rngs(key))
        logits, sides = result if self.interface.side_weights else (result, ())
        _, changed = self._divide(module)
        return logits, tuple(sides), changed

    def _join(self, parameters: Arrays, statistics: Arrays) -> nnx.Module:
        arrays = parameters | statistics
        state = nnx.from_flat_state(
            [
                (path, variable.replace(arrays[name]))
                for name, (path, variable) in self._variables.items()
            ]
        )
        return nnx.merge(self._definition, state)

    def _divide(self, module: nnx.Module) -> tuple[Arrays, Arrays]:
        parameters: Arrays = {}
        statistics: Arrays = {}
        for path, variable in nnx.to_flat_state(nnx.state(module)):
            name = ".".join(str(part) for part in path)
            chosen = parameters if isinstance(variable, nnx.Param) else statistics
            chosen[name] = variable.get_value()
        return parameters, statistics


class Normalisation(NamedTuple):
    """What is taken off each channel, and what it is divided by, in units of full intensity."""

    mean: tuple[float, ...]
    deviation: tuple[float, ...]

    def apply(self, images: jax.Array) -> jax.Array:
        """images[..., C] in uint8, or float32 from 0 to 1, normalised, in float32.

        On the device, so that a quarter of the bytes has to get there.
        """
        unit = images.astype(jnp.float32) / 255 if images.dtype == jnp.uint8 else images
        mean = jnp.asarray(self.mean, jnp.float32)
        return (unit - mean) / jnp.asarray(self.deviation, jnp.float32)


def normalisation_of(settings: Settings) -> Normalisation | None:
    """What a recipe declares; None where it leaves that to the training images."""
    declared = settings.normalize
    return None if declared is None else Normalisation(declared.mean, declared.deviation)


def require_preprocessing(settings: Settings, name: str, interface: Interface) -> None:
    """Raise RunRefused where a recipe makes no images that the network takes."""
    height, width, channels = interface.image
    size = output_size(settings.preprocess)
    if size is not None and size != (height, width):
        raise RunRefused(
            f"`preprocess` makes images of {size}, but `{name}` takes {height}x{width}; "
            f"say it for that size with --preprocess"
        )
    declared = settings.normalize
    for values in () if declared is None else (declared.mean, declared.deviation):
        if len(values) not in (1, channels):
            raise RunRefused(
                f"`{declared}` is for {len(values)} channels, but `{name}` takes {channels}"
            )


Inference: TypeAlias = Callable[[Arrays, Arrays, np.ndarray], jax.Array]
"""(parameters, statistics, images[N, H, W, C] as they were read) -> logits[N, classes]."""


def inference(classifier: Classifier, normalisation: Normalisation) -> Inference:
    """The compiled network, from images as they are read."""

    @jax.jit
    def logits(parameters: Arrays, statistics: Arrays, images: jax.Array) -> jax.Array:
        return classifier.infer(parameters, statistics, normalisation.apply(images))

    return logits
