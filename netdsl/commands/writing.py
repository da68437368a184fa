"""Where a command's file goes: checked before work begins, and never half there."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from netdsl.exits import Failure
from netdsl.source import printable


class NoPlaceToWrite(Failure):
    """What netdsl may not replace stands where it would write, or there is no such place."""


def require_place(path: Path, *, force: bool, mark: str = "") -> None:
    """Refuse to write to a place that is taken, with NoPlaceToWrite.

    A file whose first lines hold `mark` is one of our own, and is replaced without `force`.
    """
    shown, folder = printable(str(path)), printable(str(path.parent))
    if not path.parent.is_dir():
        raise NoPlaceToWrite(f"there is no folder `{folder}` to write into")
    if path.is_dir():
        raise NoPlaceToWrite(f"`{shown}` is a folder; name a file with -o")
    if force or not path.exists():
        return
    if not mark:
        raise NoPlaceToWrite(f"`{shown}` exists; -o names another, --force replaces it")
    if mark not in path.read_bytes()[:2000].decode("utf-8", "replace"):
        raise NoPlaceToWrite(
            f"`{shown}` exists and was not made by netdsl; -o names another, --force replaces it"
        )


def write_whole(path: Path, text: str) -> None:
    """Write a text file beside its place and move it there."""
    handle, beside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
        os.chmod(beside, 0o644)
        os.replace(beside, path)
    except BaseException:
        os.unlink(beside)
        raise
