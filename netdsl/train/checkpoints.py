"""Checkpoints of a run, written and kept by Orbax: the one place that knows its interface.

`FOLDER/STEP/weights` has the network's arrays by their paths, `FOLDER/STEP/progress` what training
needs besides. A checkpoint is written beside and renamed when it is whole, so one that is there can
be read.
"""

from __future__ import annotations

import logging
import sys
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp
from orbax.checkpoint import checkpoint_managers as managers

from netdsl.source import printable
from netdsl.train.classifier import Arrays
from netdsl.train.errors import RunDamaged
from netdsl.train.step import State

METRIC = "validation_accuracy"
"""The measure by which a checkpoint is the best."""


class Weights(NamedTuple):
    """The part of a state that inference needs."""

    parameters: Arrays
    statistics: Arrays


class Progress(NamedTuple):
    """The rest of a state."""

    step: jax.Array
    optimizer: Any
    sums: Any


class Checkpoints:
    """The checkpoints in a folder; the newest `keep` stay, and the best."""

    def __init__(self, folder: Path, keep: int = 2) -> None:
        # Orbax reports each save at INFO through absl, which a user did not ask for; and asyncio
        # repeats, with tracebacks, failures that are raised here as RunDamaged.
        logging.getLogger("absl").setLevel(logging.ERROR)
        logging.getLogger("asyncio").setLevel(logging.CRITICAL)
        _drop_stray_reports()
        self.folder = folder.absolute()
        policy = managers.AnyPreservationPolicy(
            [
                managers.LatestN(keep),
                managers.BestN(get_metric_fn=_metric, n=1, keep_checkpoints_without_metrics=False),
            ]
        )
        options = ocp.CheckpointManagerOptions(
            preservation_policy=policy,
            best_fn=_metric,
            cleanup_tmp_directories=True,
            # The next step takes the state's memory, so a save has to be over before it.
            enable_async_checkpointing=False,
        )
        self._manager = ocp.CheckpointManager(
            self.folder,
            options=options,
            item_handlers={
                "weights": ocp.StandardCheckpointHandler(),
                "progress": ocp.StandardCheckpointHandler(),
            },
        )

    def __enter__(self) -> Checkpoints:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._manager.close()

    def steps(self) -> list[int]:
        """Those that are there, rising."""
        return sorted(self._manager.all_steps())

    def best_step(self) -> int | None:
        """The step with the highest validation accuracy; the newest where none has one."""
        best = self._manager.best_step()
        return max(self.steps(), default=None) if best is None else best

    def save(self, state: State, metrics: dict[str, float] | None) -> None:
        """Write a state; `metrics` only at the end of an epoch. Raises RunDamaged."""
        step = int(state.step)
        weights = Weights(state.parameters, state.statistics)
        progress = Progress(state.step, state.optimizer, state.sums)
        items = ocp.args.Composite(
            weights=ocp.args.StandardSave(weights), progress=ocp.args.StandardSave(progress)
        )
        try:
            self._manager.save(step, args=items, metrics=metrics, force=True)
        except (OSError, ValueError) as error:
            # TensorStore reports a full disk as a ValueError.
            raise RunDamaged(
                f"the checkpoint of step {step} can't be written: {_reason(error)}"
            ) from error

    def restore(self, step: int, abstract: State) -> State:
        """The state of a step, whose arrays are those of `abstract`. Raises RunDamaged."""
        weights = Weights(abstract.parameters, abstract.statistics)
        progress = Progress(abstract.step, abstract.optimizer, abstract.sums)
        items = self._read(step, {"weights": weights, "progress": progress})
        (parameters, statistics), rest = items["weights"], items["progress"]
        return State(rest.step, parameters, statistics, rest.optimizer, rest.sums)

    def restore_weights(self, step: int, abstract: Weights) -> Weights:
        """The arrays of the network alone. Raises RunDamaged."""
        return cast(Weights, self._read(step, {"weights": abstract})["weights"])

    def _read(self, step: int, expected: dict[str, Any]) -> dict[str, Any]:
        shown = printable(str(self.folder / str(step)))
        sharding = jax.sharding.SingleDeviceSharding(jax.devices()[0])
        placed = jax.tree.map(
            lambda each: jax.ShapeDtypeStruct(each.shape, each.dtype, sharding=sharding), expected
        )
        try:
            metadata = self._manager.item_metadata(step)
            for item, tree in expected.items():
                _compare(metadata[item], tree, shown)
            items = {item: ocp.args.StandardRestore(tree) for item, tree in placed.items()}
            restored = self._manager.restore(step, args=ocp.args.Composite(**items))
            # Orbax binds what it restores to a device. A copy is free of that, as new arrays are,
            # so that going on compiles one step function instead of two.
            return {item: jax.tree.map(_copy, restored[item]) for item in expected}
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise RunDamaged(
                f"the checkpoint {shown} can't be read: {_reason(error)}; "
                "remove that folder to take the one before"
            ) from error


def _copy(array: jax.Array) -> jax.Array:
    return jnp.array(np.asarray(array), copy=True)


def _compare(metadata: Any, expected: Any, shown: str) -> None:
    """Name the first array that is not as expected: Orbax's own report is hard to read."""
    present = _shapes(metadata)
    for name, shape in _shapes(expected).items():
        if name not in present:
            raise RunDamaged(f"the checkpoint {shown} has no array `{name}`")
        if present[name] != shape:
            found, wanted = _by(present[name]), _by(shape)
            raise RunDamaged(f"the checkpoint {shown} has `{name}` of {found}, not {wanted}")


def _shapes(tree: Any) -> dict[str, tuple[int, ...]]:
    return {
        "/".join(_part(key) for key in path): tuple(leaf.shape)
        for path, leaf in jax.tree_util.tree_leaves_with_path(tree)
    }


def _part(key: Any) -> str:
    """A key of a dict, a tuple or a record, which metadata holds all as keys of dicts."""
    for attribute in ("key", "name", "idx"):
        if hasattr(key, attribute):
            return str(getattr(key, attribute))
    return str(key)


def _by(shape: tuple[int, ...]) -> str:
    return "×".join(str(side) for side in shape) or "one number"


def _reason(error: Exception) -> str:
    """What went wrong, without the details that TensorStore puts behind it."""
    text = str(error).partition(" [tensorstore_spec")[0].partition(" [os_error_code")[0]
    lines = text.splitlines()
    return lines[0] if lines else type(error).__name__


@cache
def _drop_stray_reports() -> None:
    """Keep Python from reporting what TensorStore's other transfers run into after a failure.

    They find the event loop closed that waited for all of them. Some do before the failure itself
    is known here, so this comes before any transfer.
    """
    before = sys.unraisablehook

    def report(stray: sys.UnraisableHookArgs) -> None:
        if str(stray.exc_value) != "Event loop is closed":
            before(stray)

    sys.unraisablehook = report


def _metric(metrics: Any) -> float:
    return float(metrics[METRIC])
