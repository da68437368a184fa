"""Wrong programs: each of tests/errors raises the code of its folder, rendered as its `.txt` says.

`pytest --update-golden` rewrites the texts, and the diff is the review.
"""

from __future__ import annotations

import pytest
from wrong_programs import FOLDER, WrongProgram, diagnose_file, wrong_programs

from netdsl.codes import CODES
from netdsl.render import render

CASES = wrong_programs()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_wrong_program(case: WrongProgram, update_golden: bool):
    diagnostics = diagnose_file(case.path)
    assert diagnostics, "this program is thought to be wrong"
    assert case.code in {each.code for each in diagnostics}
    text = render(diagnostics, color=False)
    if update_golden:
        case.golden.write_text(text, "utf-8")
    assert text == case.golden.read_text("utf-8")


def test_every_code_has_a_wrong_program():
    """But for what takes a second and stops wherever it is by then: test_abuse.py has that."""
    assert set(CODES) - {case.code for case in CASES} == {"too-much-time"}
    assert {case.code for case in CASES} <= set(CODES)
    assert len(CASES) >= 200


def test_each_text_belongs_to_a_program():
    goldens = {case.golden for case in CASES}
    assert {*FOLDER.glob("**/*.txt")} == goldens
    assert not [*FOLDER.glob("*.net")]
