"""The files of programs that a command was given, and what it would change in them."""

from __future__ import annotations

from pathlib import Path

from netdsl.exits import WRONG_USAGE, Failure
from netdsl.source import Source, printable


class NoPrograms(Failure):
    """A folder without programs."""

    exit_code = WRONG_USAGE


def program_files(target: str) -> list[str]:
    """The `.net` files that a folder stands for; any other target stands for itself.

    Raises NoPrograms.
    """
    if not Path(target).is_dir():
        return [target]
    files = sorted(str(path) for path in Path(target).glob("**/*.net"))
    if not files:
        raise NoPrograms(f"there is no .net file in `{printable(target)}`")
    return files


def difference(before: Source, after: Source) -> str:
    """What is to change in a program, as a unified diff; empty where nothing is."""
    # Imported here because most runs change nothing.
    from difflib import unified_diff

    lines = unified_diff(
        before.text.splitlines(keepends=True),
        after.text.splitlines(keepends=True),
        before.name,
        after.name,
    )
    return "".join(line if line.endswith("\n") else f"{line}\n" for line in lines)
