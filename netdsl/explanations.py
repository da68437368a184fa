"""What `netdsl explain CODE` shows: a page for each diagnostic code, with programs that prove it.

A page, `netdsl/explain/CODE.md`, says what is wrong and why it is refused, and has two programs:
one that is refused with the code, under "Fails", and one that passes, under "Passes". The tests
check both.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from netdsl.codes import CODES

FOLDER = Path(__file__).parent / "explain"
"""Where the pages are."""


class Explanation(NamedTuple):
    """A page: its text in Markdown, and its two programs."""

    text: str
    fails: str
    passes: str


def explanation(code: str) -> Explanation | None:
    """The page of a code; None for one without, whose line in `CODES` says all."""
    path = FOLDER / f"{code}.md"
    if code not in CODES or not path.is_file():
        return None
    text = path.read_text("utf-8")
    fails, passes = (_program(text, heading) for heading in ("Fails", "Passes"))
    return Explanation(text, fails, passes)


def to_text(code: str) -> str:
    """What a code means in one line, and its page."""
    page = explanation(code)
    line = f"{code}: {CODES[code]}"
    if page is None:
        return line
    _, _, rest = page.text.partition("\n")
    return f"{line}\n{rest.rstrip()}"


def to_json(code: str) -> dict[str, object]:
    """The same as plain data, with the programs; `page` is None for a code without one."""
    page = explanation(code)
    return {
        "code": code,
        "meaning": CODES[code],
        "page": page and page.text,
        "fails": page and page.fails,
        "passes": page and page.passes,
    }


def prose(code: str) -> str:
    """What is wrong and why it is refused, without the programs."""
    page = explanation(code)
    if page is None:
        return CODES[code]
    _, _, rest = page.text.partition("\n")
    return rest.partition("\n## ")[0].strip()


def _program(text: str, heading: str) -> str:
    _, _, section = text.partition(f"\n## {heading}\n")
    found = re.search(r"^```net\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    return "" if found is None else found[1]
