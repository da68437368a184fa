"""The state of a run, and the compiled step from one to the next."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from netdsl.settings import Settings
from netdsl.train.classifier import Arrays, Classifier, Normalisation
from netdsl.train.optimizer import loss_of, rate_of, transformation

_INITIAL, _DROPOUT = 0, 1
"""What a random stream is for: folded into the seed's key."""


class Sums(NamedTuple):
    """What an epoch has added up so far, on the device.

    `loss` is over steps, `correct` over images; `first_not_finite` is the first step, counted from
    1, whose loss was infinite or not a number, or 0.
    """

    loss: jax.Array
    correct: jax.Array
    first_not_finite: jax.Array


class State(NamedTuple):
    """All that a run carries from step to step; `step` counts those done."""

    step: jax.Array
    parameters: Arrays
    statistics: Arrays
    optimizer: optax.OptState
    sums: Sums


class Stepper:
    """Makes the first state, and each from the one before: a function of the seed and the step."""

    def __init__(
        self,
        classifier: Classifier,
        settings: Settings,
        normalisation: Normalisation,
        steps_per_epoch: int,
    ) -> None:
        self.classifier = classifier
        self.settings = settings
        self.rate = rate_of(settings, steps_per_epoch)
        self._normalisation = normalisation
        self._transformation = transformation(settings.optimizer, self.rate)
        # The old state's memory is taken for the new one.
        self._step = jax.jit(self._next, donate_argnums=0)

    def initial(self) -> State:
        key = jax.random.fold_in(jax.random.key(self.settings.seed), _INITIAL)
        parameters, statistics = self.classifier.initial(key)
        return State(
            jnp.zeros((), jnp.int32),
            parameters,
            statistics,
            jax.jit(self._transformation.init)(parameters),
            empty_sums(),
        )

    def abstract(self) -> State:
        """The shapes and types of a state, without computing one."""
        return jax.eval_shape(self.initial)

    def step(self, state: State, images: np.ndarray, labels: np.ndarray) -> State:
        """The state after images[B, H, W, C] with labels[B]; `state` can't be used afterwards."""
        return self._step(state, images, labels)

    def _next(self, state: State, images: jax.Array, labels: jax.Array) -> State:
        seeded = jax.random.fold_in(jax.random.key(self.settings.seed), _DROPOUT)
        key = jax.random.fold_in(seeded, state.step)
        pixels = self._normalisation.apply(images)

        def loss(parameters: Arrays) -> tuple[jax.Array, tuple[jax.Array, Arrays]]:
            logits, sides, statistics = self.classifier.train(
                parameters, state.statistics, pixels, key
            )
            total = loss_of(self.settings.loss, logits, labels)
            weights = self.classifier.interface.side_weights
            for weight, side in zip(weights, sides, strict=True):
                total += weight * loss_of(self.settings.loss, side, labels)
            return total, (logits, statistics)

        (value, (logits, statistics)), gradients = jax.value_and_grad(loss, has_aux=True)(
            state.parameters
        )
        updates, optimizer = self._transformation.update(
            gradients, state.optimizer, state.parameters
        )
        done = state.step + 1
        first = state.sums.first_not_finite
        broken = (first == 0) & ~jnp.isfinite(value)
        sums = Sums(
            state.sums.loss + value,
            state.sums.correct + jnp.sum(logits.argmax(axis=-1) == labels),
            jnp.where(broken, done, first),
        )
        parameters = optax.apply_updates(state.parameters, updates)
        return State(done, parameters, statistics, optimizer, sums)


def empty_sums() -> Sums:
    return Sums(jnp.zeros((), jnp.float32), jnp.zeros((), jnp.int32), jnp.zeros((), jnp.int32))
