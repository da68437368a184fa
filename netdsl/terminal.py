"""What a terminal shows: styles, the columns that a text takes, and whether it wants colour."""

from __future__ import annotations

import os
from typing import Literal, TextIO
from unicodedata import combining, east_asian_width

ColorChoice = Literal["auto", "always", "never"]

# Select Graphic Rendition codes, ECMA-48 §8.3.117.
STYLES = {
    "bold": "1",
    "dim": "2",
    "error": "1;31",
    "warning": "1;33",
    "good": "32",
    "note": "1;36",
    "frame": "1;34",
}


def styled(text: str, style: str, *, color: bool) -> str:
    """`text` in one of `STYLES`; as it is without colour, for the style "", and where empty."""
    if not color or not style or not text:
        return text
    return f"\x1b[{STYLES[style]}m{text}\x1b[0m"


def wants_color(stream: TextIO, choice: ColorChoice = "auto") -> bool:
    """Whether to colour what goes to `stream`.

    `auto` does on a terminal, unless `NO_COLOR` is set (no-color.org) or `TERM` is `dumb`.
    """
    if choice != "auto":
        return choice == "always"
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return stream.isatty()


def terminal_width(stream: TextIO, default: int = 100) -> int:
    """The columns of `stream`, as `COLUMNS` or its terminal says; `default` where there is none."""
    columns = os.environ.get("COLUMNS", "")
    if columns.isdecimal() and int(columns) > 0:
        return int(columns)
    try:
        return os.get_terminal_size(stream.fileno()).columns or default
    except (OSError, ValueError):  # Not a terminal, or not even a file.
        return default


def display_width(text: str) -> int:
    """The columns that printable `text` takes: two for wide characters, none for combining ones."""
    if text.isascii():
        return len(text)
    return sum(map(character_width, text))


def character_width(character: str) -> int:
    if character.isascii():
        return 1
    if combining(character):
        return 0
    return 2 if east_asian_width(character) in "WF" else 1
