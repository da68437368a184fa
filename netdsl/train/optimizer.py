"""Optimizers and schedules of a recipe in Optax, and the loss."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import jax
import jax.numpy as jnp
import optax

from netdsl.recipe_kinds import Option
from netdsl.settings import (
    Adam,
    AdamW,
    Constant,
    Cosine,
    CrossEntropy,
    Exponential,
    Lamb,
    Optimizer,
    RmsProp,
    Schedule,
    Settings,
    Sgd,
    Step,
)

RateOf: TypeAlias = Callable[[jax.Array | int], jax.Array]
"""The learning rate of a step, counted from 0."""


def rate_of(settings: Settings, steps_per_epoch: int) -> RateOf:
    """The learning rate over the whole run, as the schedule's documentation states it."""
    peak = settings.peak
    warmup = settings.schedule.warmup.steps(steps_per_epoch)
    total = settings.epochs * steps_per_epoch
    after = _after_warmup(settings.schedule, peak, warmup, total, steps_per_epoch)
    if warmup == 0:
        return after
    # peak (t + 1) / W: the first step moves already, and step W - 1 has the whole peak.
    rise = optax.linear_schedule(peak / warmup, peak, max(warmup - 1, 1))
    return optax.join_schedules([rise, after], [warmup])


def _after_warmup(
    schedule: Schedule, peak: float, warmup: int, total: int, steps_per_epoch: int
) -> RateOf:
    """The rate as a function of the steps since the warm-up."""
    match schedule:
        case Constant():
            return optax.constant_schedule(peak)
        case Cosine():
            remaining = max(total - warmup, 1)
            return optax.cosine_decay_schedule(peak, remaining, alpha=schedule.end / peak)
        case Exponential():
            every = max(schedule.every.steps(steps_per_epoch), 1)
            return optax.exponential_decay(
                peak, every, schedule.factor, staircase=schedule.staircase
            )
        case Step():
            if schedule.at is not None:
                drops = [moment.steps(steps_per_epoch) for moment in schedule.at]
            else:
                assert schedule.every is not None, "settings refuse a step without every and at"
                every = max(schedule.every.steps(steps_per_epoch), 1)
                drops = list(range(every, total + 1, every))
            return _drops(peak, schedule.factor, [drop - warmup for drop in drops])
    raise TypeError(f"{schedule!r} is not a schedule")


def _drops(peak: float, factor: float, drops: list[int]) -> RateOf:
    """peak factor^n after n of the drops; a drop during the warm-up counts from its end."""

    def rate(step: jax.Array | int) -> jax.Array:
        passed = jnp.sum(jnp.asarray(step) >= jnp.asarray(drops))
        return jnp.asarray(peak * factor**passed, jnp.float32)

    return rate


def transformation(optimizer: Optimizer, rate: RateOf) -> optax.GradientTransformation:
    """Gradients to updates, as the optimizer's documentation states it."""
    return optax.chain(*_direction(optimizer), optax.scale_by_learning_rate(rate))


def _direction(optimizer: Optimizer) -> list[optax.GradientTransformation]:
    """The steps from a gradient to a direction, before the rate."""
    match optimizer:
        case Sgd():
            steps = [optax.add_decayed_weights(optimizer.weight_decay)]
            if optimizer.momentum:
                steps.append(optax.trace(optimizer.momentum, nesterov=optimizer.nesterov))
            return steps
        case Adam():
            return [optax.scale_by_adam(optimizer.beta1, optimizer.beta2, optimizer.epsilon)]
        case AdamW():
            return [
                optax.scale_by_adam(optimizer.beta1, optimizer.beta2, optimizer.epsilon),
                optax.add_decayed_weights(optimizer.weight_decay),
            ]
        case RmsProp():
            steps = [
                optax.add_decayed_weights(optimizer.weight_decay),
                optax.scale_by_rms(optimizer.decay, optimizer.epsilon, eps_in_sqrt=True),
            ]
            if optimizer.momentum:
                steps.append(optax.trace(optimizer.momentum))
            return steps
        case Lamb():
            return [
                optax.scale_by_adam(optimizer.beta1, optimizer.beta2, optimizer.epsilon),
                optax.add_decayed_weights(optimizer.weight_decay),
                optax.scale_by_trust_ratio(),
            ]
    raise TypeError(f"{optimizer!r} is not an optimizer")


def loss_of(loss: Option, logits: jax.Array, labels: jax.Array) -> jax.Array:
    """The mean loss of logits[B, K] against labels[B]."""
    match loss:
        case CrossEntropy():
            targets = jax.nn.one_hot(labels, logits.shape[-1])
            smoothed = optax.smooth_labels(targets, loss.label_smoothing)
            return optax.softmax_cross_entropy(logits, smoothed).mean()
    raise TypeError(f"{loss!r} is not a loss")
