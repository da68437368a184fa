"""Show how training goes: a bar on a terminal, a line for each epoch everywhere."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Any, TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

REFRESH_S = 0.2
"""Between looks at the loss, each of which waits for the device."""


class TrainingProgress:
    """The bar counts the steps of the whole run; on what is no terminal there is none."""

    def __init__(
        self, stream: TextIO, epochs: int, steps_per_epoch: int, step: int, *, color: bool
    ) -> None:
        self.epochs = epochs
        self.steps_per_epoch = steps_per_epoch
        self.console = Console(
            file=stream, no_color=not color, markup=False, highlight=False, emoji=False
        )
        self._shown_at = 0.0
        self._bar: Progress | None = None
        if self.console.is_terminal and not self.console.is_dumb_terminal:
            self._bar = Progress(
                TextColumn("epoch {task.fields[epoch]}"),
                BarColumn(bar_width=None),
                MofNCompleteColumn(),
                TextColumn("loss {task.fields[loss]}  accuracy {task.fields[accuracy]}"),
                TimeRemainingColumn(),
                console=self.console,
                transient=True,
                expand=True,
            )
            self._task = self._bar.add_task(
                "train",
                total=epochs * steps_per_epoch,
                completed=step,
                epoch=self._epoch(step),
                loss="-",
                accuracy="-",
            )

    def __enter__(self) -> TrainingProgress:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def due(self) -> bool:
        """Whether it is time to look at the loss again."""
        return time.monotonic() - self._shown_at >= REFRESH_S

    def show(self, step: int, loss: float, accuracy: float) -> None:
        """The means of the epoch so far, after `step` steps."""
        self._shown_at = time.monotonic()
        if self._bar is not None:
            self._bar.update(
                self._task,
                completed=step,
                epoch=self._epoch(step),
                loss=f"{loss:.4f}",
                accuracy=percent(accuracy),
            )

    def end_epoch(self, record: dict[str, Any]) -> None:
        """One line of what an epoch came to."""
        width = len(str(self.epochs))
        parts = [
            f"epoch {record['epoch']:>{width}}/{self.epochs}",
            f"loss {record['loss']:.4f}",
            f"accuracy {percent(record['accuracy']):>7}",
        ]
        if "validation_loss" in record:
            parts += [
                f"validation loss {record['validation_loss']:.4f}",
                f"accuracy {percent(record['validation_accuracy']):>7}",
            ]
        parts += [f"rate {record['rate']:.3g}", f"{record['wall_s']:.1f} s"]
        self.console.print("  ".join(parts), soft_wrap=True)

    def _epoch(self, step: int) -> str:
        return f"{min(step // self.steps_per_epoch + 1, self.epochs)}/{self.epochs}"


def percent(share: float) -> str:
    return f"{100 * share:.2f} %"
