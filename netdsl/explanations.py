"""What `netdsl explain CODE` shows: a page for each code and rule, with programs that prove it.

A page, `netdsl/explain/CODE.md`, says what is wrong and why it is refused, and has two programs:
one that is refused with the code, under "Fails", and one that passes, under "Passes". The page of a
rule of `netdsl lint` has one in which it finds something, under "Found", and one that is better,
under "Better". Where it takes another command than `netdsl check`, the program's first line says
it; where it takes several files, the others follow, each with its name behind the word `net` of its
fence. The tests check both.
"""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from netdsl.codes import MEANINGS, RULES

FOLDER = Path(__file__).parent / "explain"
"""Where the pages are."""


class Explanation(NamedTuple):
    """A page: its text in Markdown, and its two programs, each with the files that it imports."""

    text: str
    fails: str
    passes: str
    fails_files: dict[str, str]
    passes_files: dict[str, str]


@lru_cache(maxsize=len(MEANINGS))
def explanation(code: str) -> Explanation | None:
    """The page of a code; None for one without, whose line in `CODES` says all."""
    path = FOLDER / f"{code}.md"
    if code not in MEANINGS or not path.is_file():
        return None
    text = path.read_text("utf-8")
    (fails, fails_files), (passes, passes_files) = (
        _program(text, heading) for heading in _headings(code)
    )
    return Explanation(text, fails, passes, fails_files, passes_files)


def to_text(code: str) -> str:
    """What a code means in one line, and its page."""
    page = explanation(code)
    line = f"{code}: {MEANINGS[code]}"
    if page is None:
        return line
    _, _, rest = page.text.partition("\n")
    return f"{line}\n{rest.rstrip()}"


def to_json(code: str) -> dict[str, object]:
    """The same as plain data, with the programs; `page` is None for a code without one."""
    page = explanation(code)
    return {
        "code": code,
        "meaning": MEANINGS[code],
        "page": page and page.text,
        "fails": page and page.fails,
        "passes": page and page.passes,
        "fails_files": page and page.fails_files,
        "passes_files": page and page.passes_files,
    }


def prose(code: str) -> str:
    """What is wrong and why it is refused, without the programs."""
    page = explanation(code)
    if page is None:
        return MEANINGS[code]
    _, _, rest = page.text.partition("\n")
    return rest.partition("\n## ")[0].strip()


def _headings(code: str) -> tuple[str, str]:
    return ("Found", "Better") if code in RULES else ("Fails", "Passes")


def _program(text: str, heading: str) -> tuple[str, dict[str, str]]:
    """The program under a heading, and the files that it imports, by name."""
    _, _, rest = text.partition(f"\n## {heading}\n")
    section = rest.partition("\n## ")[0]
    found = re.findall(r"^```net(?: (\S+))?\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    files = dict(found)
    return files.pop("", ""), files
