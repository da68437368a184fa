"""Where a command's file goes: checked before work begins, and never half there."""

from __future__ import annotations

import os
from pathlib import Path

from netdsl.exits import Failure
from netdsl.replace import replacing
from netdsl.source import Source, printable


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
    if path.exists() and not path.is_file():
        raise NoPlaceToWrite(f"`{shown}` is no regular file; `-o -` writes to standard output")
    if force or not os.path.lexists(path):
        return
    if path.is_symlink() and not path.exists():
        raise NoPlaceToWrite(f"`{shown}` is a link that leads nowhere; --force replaces it")
    if not mark:
        raise NoPlaceToWrite(f"`{shown}` exists; -o names another, --force replaces it")
    if mark not in path.read_bytes()[:2000].decode("utf-8", "replace"):
        raise NoPlaceToWrite(
            f"`{shown}` exists and was not made by netdsl; -o names another, --force replaces it"
        )


class CannotReplace(Failure):
    """A program's file can't be rewritten so that only what is meant changes."""


def write_whole(path: Path, text: str, *, mode: int | None = None) -> None:
    """Write a text file beside its place and move it there, line ends as they are."""
    with replacing(path, mode=mode) as stream:
        stream.write(text.encode())


def replace_program(source: Source, text: str) -> None:
    """Put `text` in place of a program's file, whose line ends, byte order mark and mode stay.

    A link keeps pointing to the file. Raises CannotReplace where the file has changed since it was
    read, or has line ends of two kinds.
    """
    assert source.path is not None
    path = source.path.resolve()
    kept = path.read_bytes().decode("utf-8")
    mark = "\ufeff" if kept.startswith("\ufeff") else ""
    end = next((end for end in ("\r\n", "\r") if end in kept), "\n")
    if kept != mark + source.text.replace("\n", end):
        reads_alike = kept.removeprefix(mark).replace("\r\n", "\n").replace("\r", "\n")
        raise CannotReplace(
            f"`{source.name}` has line ends of several kinds; make them one kind first"
            if reads_alike == source.text
            else f"`{source.name}` was changed while it was checked; nothing was written"
        )
    write_whole(path, mark + text.replace("\n", end), mode=path.stat().st_mode & 0o7777)
