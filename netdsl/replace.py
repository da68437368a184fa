"""Write a file so that its place holds all of it or what was there before."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)


@contextmanager
def replacing(path: Path, *, mode: int | None = None, synced: bool = False) -> Iterator[BinaryIO]:
    """A stream to a new file beside `path`, moved there when all is written, else removed.

    Nobody can have put a file or link of its name there before. What `path` links to stays as it
    is. The file's mode is what the process's umask leaves, unless `mode` says it; `synced` waits
    until it is on the disk. Raises OSError.
    """
    beside = path.with_name(f".netdsl-{os.urandom(8).hex()}")
    descriptor = os.open(beside, _NEW, 0o666 if mode is None else 0o600)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            yield stream
            if synced:
                stream.flush()
                os.fsync(stream.fileno())
        if mode is not None:
            os.chmod(beside, mode)
        os.replace(beside, path)
    except BaseException:
        os.unlink(beside)
        raise
