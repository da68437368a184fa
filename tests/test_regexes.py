"""No regular expression takes longer than in proportion to its text (class 6 of what is hostile).

Each that netdsl compiles at import, and each terminal of the grammar, is timed on texts that make
naive ones backtrack. What counts is how the time grows, as machines differ.
"""

from __future__ import annotations

import json
import pkgutil
import re
import time
from importlib import import_module

import pytest

import netdsl
from netdsl.lint.rule import _IMPORT
from netdsl.parse import make_tables

LENGTHS = (16, 250, 4_000, 8_000)
SHORT_S = 0.02
"""What takes less at the largest length can't grow badly: backtracking would take far longer."""

_PARTS = (
    *(" ", "\t", "\n", "a", "A", "0", "9", "_", ",", "(", ")", ".", '"', "\\", "#", "-", "e", "x"),
    *(
        "a,",
        "a, ",
        "A ",
        "A, ",
        "0_",
        "1.",
        "1e",
        "0x",
        "->",
        " ->",
        "\n->",
        "import ",
        "#\n",
        "()",
    ),
    *(
        "2018 ",
        "(A 20",
        '""',
        "\\n",
        "lint:",
        "network ",
        "arXiv:",
        "e-1",
        "= ",
        "1,",
        "×",
        "{",
        "}",
    ),
)
_HEADS = ("", '"', '"""', "# lint: ", "import ", "(A", "1", "a")

TEXTS = tuple((head, part) for part in _PARTS for head in _HEADS)

OPTIONAL = ("netdsl.lift", "netdsl.train", "netdsl.runtime", "netdsl.data", "netdsl.weights")
"""What needs more than a program does; these read no text of strangers by regular expressions."""


def patterns() -> dict[str, re.Pattern[str]]:
    found = {}
    for module in pkgutil.walk_packages(netdsl.__path__, "netdsl."):
        if module.name.startswith(OPTIONAL) or module.name.endswith("__main__"):
            continue
        for name, value in vars(import_module(module.name)).items():
            if isinstance(value, re.Pattern) and isinstance(value.pattern, str):
                found[f"{module.name}.{name}"] = value
    return found


def terminals() -> dict[str, re.Pattern[str]]:
    found = {}
    for name, kind, text, *_ in json.loads(make_tables())["terminals"]:
        found[name] = re.compile(text if kind == "re" else re.escape(text))
    return found


BOUNDED = ("netdsl.lint.edits._ARROW_BEFORE", "netdsl.lint.edits._COMMA_BEFORE")
"""Those that see the last 200 characters before a place, and no more."""

PATTERNS = {name: each for name, each in (patterns() | terminals()).items() if name not in BOUNDED}


def grows_badly(find, head: str, part: str) -> bool:
    taken_s = []
    for length in LENGTHS:
        text = (head + part * (length // len(part) + 1))[:length] + "!"
        best_s = float("inf")
        for _ in range(3):
            begun = time.process_time()
            find(text)
            best_s = min(best_s, time.process_time() - begun)
            if best_s < SHORT_S:
                break
        taken_s.append(best_s)
        if length < LENGTHS[-1] and best_s > 0.5:
            return True
    return taken_s[-1] > SHORT_S and taken_s[-1] > 3 * taken_s[-2]


@pytest.mark.parametrize("name", PATTERNS)
def test_matching_takes_time_in_proportion(name: str) -> None:
    assert not [text for text in TEXTS if grows_badly(PATTERNS[name].match, *text)]


@pytest.mark.parametrize("part", ["import ", "import a, ", " ", "a "])
def test_searching_a_folder_for_imports_takes_time_in_proportion(part: str) -> None:
    assert not grows_badly(_IMPORT.findall, "import ", part)


@pytest.mark.parametrize(("pattern", "part"), [(r"a*a*b", "a"), (r"\s*\s*x", " ")])
def test_what_grows_badly_is_seen(pattern: str, part: str) -> None:
    # A busy machine may hide it once.
    assert any(grows_badly(re.compile(pattern).match, "", part) for _ in range(3))


def test_the_terminals_and_patterns_are_there() -> None:
    assert len(terminals()) > 20 and len(patterns()) > 8
