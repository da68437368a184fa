"""The reference pages are what the definitions say, and the programs in the documentation work."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from netdsl.check import check_file
from netdsl.claims import MEASURES
from netdsl.functions import FUNCTIONS
from netdsl.lint.page import lint_page
from netdsl.network import load_file
from netdsl.reference import diagnostics_page, limits_page, operators_page
from netdsl.render import render
from netdsl.source import Source

ROOT = Path(__file__).parent.parent
PAGES = {
    "operators.md": operators_page,
    "diagnostics.md": diagnostics_page,
    "limits.md": limits_page,
    "lint.md": lint_page,
}
PROGRAMS = [
    (f"{path.name}:{number}", program)
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    for number, program in enumerate(
        re.findall(r"^```net\n(.*?)^```", path.read_text("utf-8"), re.M | re.S)
    )
    if "network " in program
]


@pytest.mark.parametrize("name", PAGES)
def test_reference_page_is_fresh(name, update_golden):
    page = ROOT / "docs" / name
    if update_golden:
        page.write_text(PAGES[name](), "utf-8")
    assert page.read_text("utf-8") == PAGES[name](), "`make golden` writes it"


@pytest.mark.parametrize(("name", "program"), PROGRAMS, ids=[name for name, _ in PROGRAMS])
def test_program_in_the_documentation_works(name, program):
    file, diagnostics = load_file(Source(name, program))
    assert file is not None, render(diagnostics, color=False)
    verdicts = check_file(file, {})
    assert verdicts
    for verdict in verdicts:
        assert verdict.network is not None, render(verdict.diagnostics, color=False)


def test_the_language_page_names_all_functions_and_measures():

    text = (ROOT / "docs" / "language.md").read_text("utf-8")
    missing = [name for name in (*FUNCTIONS, *MEASURES) if name not in text]
    assert not missing
