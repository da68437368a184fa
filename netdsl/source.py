"""Read program text, and map its offsets to lines and columns."""

from __future__ import annotations

import errno
import os
import stat
from bisect import bisect_right
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import BinaryIO, NamedTuple

from netdsl.exits import Failure
from netdsl.limits import LIMITS


class Source:
    """One program text under the name that diagnostics show for it.

    `path` is the file it came from; None for text that was typed or generated.
    """

    def __init__(self, name: str, text: str, path: Path | None = None) -> None:
        self.name = name
        self.text = text
        self.path = path

    @cached_property
    def line_starts(self) -> list[int]:
        lines = self.text.split("\n")
        return list(accumulate((len(line) + 1 for line in lines[:-1]), initial=0))

    def line_column(self, offset: int) -> tuple[int, int]:
        """The 1-based line and column, in code points, of an offset."""
        line = bisect_right(self.line_starts, offset)
        return line, offset - self.line_starts[line - 1] + 1

    def line(self, number: int) -> str:
        """The text of a 1-based line, without its end."""
        start = self.line_starts[number - 1]
        end = self.line_starts[number] - 1 if number < len(self.line_starts) else len(self.text)
        return self.text[start:end]

    def span(self, start: int, end: int) -> Span:
        return Span(self, start, end)


class Span(NamedTuple):
    """A stretch of one source: code points `start` up to, not including, `end`."""

    source: Source
    start: int
    end: int

    @property
    def text(self) -> str:
        return self.source.text[self.start : self.end]

    @property
    def line(self) -> int:
        return self.source.line_column(self.start)[0]

    def __str__(self) -> str:
        line, column = self.source.line_column(self.start)
        return f"{self.source.name}:{line}:{column}"

    def to(self, other: Span) -> Span:
        """The span from the start of this one to the end of `other`."""
        return Span(self.source, self.start, max(self.end, other.end))


class UnreadableSource(Failure):
    """A file that can't be read as program text; the message says why and what would help."""


# Fillers and joiners that show as nothing though Unicode counts them as letters or marks.
_BLANK_LETTERS = "\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0"


def invisible_characters(text: str) -> frozenset[str]:
    """The characters of `text` that a reader can't see, but for a space, `\\n` and `\\t`.

    They can make a line read otherwise than it runs (CVE-2021-42574), or act on a terminal.
    """
    found = {
        character
        for character in set(text)
        if (not character.isprintable() and character not in "\n\t") or character in _BLANK_LETTERS
    }
    if any(character > "\xff" for character in found):
        # Imported here because hardly any program needs it.
        from unicodedata import category

        # What this Python's Unicode does not know yet is no reason to refuse a comment.
        found = {each for each in found if category(each) not in ("Cn", "Co")}
    return frozenset(found)


def read_source(path: Path, name: str | None = None) -> Source:
    """Read a `.net` file: a regular file, UTF-8, at most `Limits.file_bytes`.

    Line ends are normalised to `\\n` and a byte order mark is dropped.
    Raises `UnreadableSource`.
    """
    shown = printable(name if name is not None else str(path))
    try:
        # A pipe that nobody writes to would else keep us waiting.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
        with open(descriptor, "rb") as stream:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise UnreadableSource(f"`{shown}` is not a regular file")
            if status.st_size > LIMITS.file_bytes:
                raise _too_large(shown)
            data = stream.read(LIMITS.file_bytes + 1)
    except FileNotFoundError:
        raise UnreadableSource(f"there is no file `{shown}`") from None
    except IsADirectoryError:
        raise UnreadableSource(f"`{shown}` is a directory, not a .net file") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UnreadableSource(f"`{shown}` can't be read: {reason}") from None
    return Source(shown, decoded(data, shown), path)


def open_regular(path: Path) -> BinaryIO:
    """A stream of a file. Raises OSError, for what is no regular file too, which might never end
    or keep us waiting."""
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return open(descriptor, "rb")
    os.close(descriptor)
    raise OSError(errno.EINVAL, "it is not a regular file", str(path))


def read_regular(path: Path, most_bytes: int) -> str:
    """The text of a file of ours. Raises OSError, for a larger one too, and UnicodeDecodeError."""
    with open_regular(path) as stream:
        data = stream.read(most_bytes + 1)
    if len(data) > most_bytes:
        raise OSError(errno.EFBIG, f"it has more than {most_bytes:,} bytes", str(path))
    return data.decode("utf-8")


def decoded(data: bytes, shown: str) -> str:
    """The text of a program's bytes, with `\\n` between lines. Raises `UnreadableSource`."""
    if len(data) > LIMITS.file_bytes:
        raise _too_large(shown)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnreadableSource(
            f"`{shown}` is not UTF-8 text: byte {error.start} is 0x{data[error.start]:02x}"
        ) from None
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _too_large(shown: str) -> UnreadableSource:
    return UnreadableSource(f"`{shown}` is larger than the limit of {LIMITS.file_bytes:,} bytes")


def printable(text: str) -> str:
    """`text` with control characters written as escapes, so that it can't act on a terminal."""
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in text
    )
