"""The folder of a run.

    run.json        what is trained, how and on what: enough to go on, and to use the result
    source/         the program's files
    metrics.jsonl   a line for each epoch
    curves.png      the same as a picture
    checkpoints/    see `netdsl.train.checkpoints`

Each file is written beside and renamed, so that it is whole or not there.
"""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path
from typing import Any

from netdsl.replace import replacing
from netdsl.source import printable, read_regular
from netdsl.train.errors import RunDamaged, RunRefused

FORMAT = 1
"""Of run.json; another number is another layout."""

LARGEST_BYTES = 64 << 20
"""Of run.json, and of metrics.jsonl, which has a line for each epoch."""


def best_record(records: list[dict[str, Any]]) -> dict[str, Any] | None:
    """The epoch with the highest validation accuracy, the last of equals; None without any.

    It is the one whose checkpoint stays as the best.
    """
    validated = [record for record in records if "validation_accuracy" in record]
    return max(
        validated,
        key=lambda record: (record["validation_accuracy"], record["epoch"]),
        default=None,
    )


class RunFolder:
    """One run's folder, held by one process at a time while it trains."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.shown = printable(str(path))
        self._lock: int | None = None

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @property
    def metrics(self) -> Path:
        return self.path / "metrics.jsonl"

    @property
    def curves(self) -> Path:
        return self.path / "curves.png"

    def hold(self, *, resume: bool) -> None:
        """Make the folder this process's own. Raises RunRefused and RunDamaged.

        A new run takes a folder that is empty or not there; resuming takes one with a run.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            present = any(entry.name != "lock" for entry in self.path.iterdir())
        except OSError as error:
            raise RunDamaged(f"`{self.shown}` can't be used: {error.strerror}") from None
        has_run = (self.path / "run.json").exists()
        if resume and not has_run:
            raise RunRefused(
                f"`{self.shown}` has no run to go on with (no run.json); leave out --resume"
            )
        if present and not resume:
            way_out = "name another folder with --out"
            if has_run:
                way_out = f"go on with --resume, or {way_out}"
            raise RunRefused(f"`{self.shown}` is not empty: {way_out}")
        try:
            lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
        except OSError as error:
            raise RunDamaged(f"`{self.shown}/lock` can't be used: {error.strerror}") from None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(lock)
            if isinstance(error, BlockingIOError):
                raise RunRefused(f"another process is training in `{self.shown}`") from None
            raise RunDamaged(f"`{self.shown}` can't be locked: {error.strerror}") from None
        self._lock = lock

    def release(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def write_description(self, description: dict[str, Any]) -> None:
        text = json.dumps({"format": FORMAT, **description}, indent=2)
        self._write("run.json", text + "\n")

    def description(self) -> dict[str, Any]:
        """What run.json says. Raises RunRefused where there is none, RunDamaged for others."""
        path = self.path / "run.json"
        try:
            description = json.loads(read_regular(path, LARGEST_BYTES))
        except FileNotFoundError:
            raise RunRefused(
                f"`{self.shown}` is not the folder of a run: it has no run.json"
            ) from None
        except (OSError, ValueError, RecursionError) as error:
            raise RunDamaged(f"`{self.shown}/run.json` can't be read: {error}") from None
        if not isinstance(description, dict) or description.get("format") != FORMAT:
            raise RunDamaged(f"`{self.shown}/run.json` is not of format {FORMAT}")
        return description

    def write_source(self, name: str, text: str) -> None:
        """Keep a file of the program; `name` is relative to `source/`, with `/` in it."""
        self._write(f"source/{name}", text)

    def append_metrics(self, record: dict[str, Any]) -> None:
        """Add the line of an epoch."""
        try:
            with self.metrics.open("a", encoding="utf-8") as file:
                file.write(json.dumps(record) + "\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise RunDamaged(f"`{self.shown}/metrics.jsonl`: {error.strerror}") from None

    def read_metrics(self) -> list[dict[str, Any]]:
        """The records of all epochs. A last line without its end is dropped: it was cut off."""
        try:
            text = read_regular(self.metrics, LARGEST_BYTES)
        except FileNotFoundError:
            return []
        except (OSError, ValueError) as error:
            raise RunDamaged(f"`{self.shown}/metrics.jsonl` can't be read: {error}") from None
        records = []
        for number, line in enumerate(text.split("\n")[:-1], 1):
            try:
                record = json.loads(line)
            except (ValueError, RecursionError):
                raise RunDamaged(
                    f"`{self.shown}/metrics.jsonl`: line {number} is not JSON"
                ) from None
            if not isinstance(record, dict) or not isinstance(record.get("step"), int):
                raise RunDamaged(f"`{self.shown}/metrics.jsonl`: line {number} has no step")
            records.append(record)
        return records

    def rewind_metrics(self, step: int) -> list[dict[str, Any]]:
        """Forget the epochs that ended after `step`, which will be trained again; the others."""
        kept = [record for record in self.read_metrics() if record["step"] <= step]
        self._write("metrics.jsonl", "".join(json.dumps(record) + "\n" for record in kept))
        return kept

    def _write(self, name: str, text: str) -> None:
        path = self.path / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with replacing(path, synced=True) as stream:
                stream.write(text.encode())
        except OSError as error:
            raise RunDamaged(f"`{self.shown}/{name}` can't be written: {error.strerror}") from None
