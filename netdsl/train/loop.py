"""Run the steps, epoch after epoch; measure, record and save at the end of each."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import closing
from typing import Any, NamedTuple

import numpy as np

from netdsl.data.batches import Batches
from netdsl.data.dataset import Part
from netdsl.train.checkpoints import METRIC, Checkpoints
from netdsl.train.classifier import Inference
from netdsl.train.errors import NotFinite
from netdsl.train.evaluation import evaluate
from netdsl.train.folder import RunFolder
from netdsl.train.progress import TrainingProgress
from netdsl.train.step import State, Stepper, empty_sums


class Equipment(NamedTuple):
    """What a loop works with. `validation` has prepared images; None where nothing is held out."""

    stepper: Stepper
    infer: Inference
    batches: Batches
    validation: Part | None
    folder: RunFolder
    checkpoints: Checkpoints
    workers: int


def fit(
    equipment: Equipment,
    state: State,
    progress: TrainingProgress,
    stop: Callable[[], bool] = lambda: False,
) -> State:
    """Train from `state` to the last epoch; the state after it.

    Where `stop()` becomes true, the step under way is finished, the state saved and returned.
    Raises NotFinite, DataError and RunDamaged.
    """
    stepper, batches = equipment.stepper, equipment.batches
    first, last = int(state.step), stepper.settings.epochs * batches.steps_per_epoch
    began, began_step = time.monotonic(), first
    with closing(batches.run(first, last, equipment.workers)) as run:
        for step, batch in run:
            state = stepper.step(state, batch.images, batch.labels)
            done = step + 1
            if done % batches.steps_per_epoch == 0:
                state = _end_epoch(equipment, state, progress, began, done - began_step)
                began, began_step = time.monotonic(), done
                if stop():
                    return state
            elif stop():
                _means(equipment, state)
                equipment.checkpoints.save(state, None)
                return state
            elif progress.due():
                progress.show(done, *_means(equipment, state))
    return state


def _means(equipment: Equipment, state: State) -> tuple[float, float]:
    """Loss and accuracy of the epoch so far. Raises NotFinite."""
    first_not_finite = int(state.sums.first_not_finite)
    steps_per_epoch = equipment.batches.steps_per_epoch
    if first_not_finite:
        epoch = (first_not_finite - 1) // steps_per_epoch + 1
        raise NotFinite(
            f"the loss of step {first_not_finite} (epoch {epoch}) is infinite or not a number; "
            "the last checkpoint is from before. "
            "Try a lower learning rate, or a warm-up in the schedule"
        )
    steps = (int(state.step) - 1) % steps_per_epoch + 1
    images = steps * equipment.batches.batch
    return float(state.sums.loss) / steps, int(state.sums.correct) / images


def _end_epoch(
    equipment: Equipment, state: State, progress: TrainingProgress, began: float, steps: int
) -> State:
    """Validate, record and save; the state for the next epoch.

    `steps` have run since the time `began`: fewer than an epoch has, where a run was resumed.
    """
    stepper, batches = equipment.stepper, equipment.batches
    step = int(state.step)
    loss, accuracy = _means(equipment, state)
    trained_s = time.monotonic() - began
    record: dict[str, Any] = {
        "epoch": step // batches.steps_per_epoch,
        "step": step,
        "rate": float(stepper.rate(step - 1)),
        "loss": loss,
        "accuracy": accuracy,
    }
    if equipment.validation is not None:
        parameters, statistics = state.parameters, state.statistics
        evaluation = evaluate(
            lambda images: np.asarray(equipment.infer(parameters, statistics, images)),
            equipment.validation,
            stepper.classifier.interface.classes,
            batches.batch,
            equipment.workers,
        )
        if not math.isfinite(evaluation.loss):
            raise NotFinite(
                f"after step {step} the network's outputs are infinite or not numbers; "
                "the last checkpoint is from before. Try a lower learning rate"
            )
        record["validation_loss"] = evaluation.loss
        record["validation_accuracy"] = evaluation.accuracy
        if evaluation.top5_accuracy is not None:
            record["validation_top5_accuracy"] = evaluation.top5_accuracy
    record["wall_s"] = round(time.monotonic() - began, 3)
    record["images_per_s"] = round(steps * batches.batch / trained_s, 1)
    # The record first: one that is ahead of the checkpoint is taken back on resuming.
    equipment.folder.append_metrics(record)
    state = state._replace(sums=empty_sums())
    metrics = None
    if "validation_accuracy" in record:
        metrics = {METRIC: record["validation_accuracy"]}
    equipment.checkpoints.save(state, metrics)
    progress.end_epoch(record)
    return state
