"""Each page of `netdsl explain CODE` has a program that fails with it, and one that passes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from wrong_programs import diagnose

from netdsl import exits, main
from netdsl.codes import CODES, RULES
from netdsl.diagnostics import Diagnostic
from netdsl.explanations import FOLDER, explanation
from netdsl.source import read_source

PAGES = sorted(path.stem for path in FOLDER.glob("*.md") if path.stem not in RULES)

WITHOUT_A_PAGE = {
    "invisible-character": "the character could not be seen on the page",
    "too-much-time": "no program takes as long on every machine",
}


def check(text: str, files: dict[str, str], folder: Path) -> tuple[Diagnostic, ...]:
    """What is wrong with a program in a folder of its own, with the files that it imports."""
    project = folder / "project"
    for name, written in {"page.net": text, **files}.items():
        path = project / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(written, "utf-8")
    found = diagnose(read_source(project / "page.net", "page.net"))
    for path in (project / name for name in ("page.net", *files)):
        path.unlink()
    return found


@pytest.mark.parametrize("code", PAGES)
def test_the_programs_of_a_page(code: str, tmp_path: Path) -> None:
    page = explanation(code)
    assert page is not None
    assert page.text.startswith(f"# {code}\n\n")
    assert code in {each.code for each in check(page.fails, page.fails_files, tmp_path)}
    assert "network " in page.passes
    assert check(page.passes, page.passes_files, tmp_path) == ()
    assert max(map(len, page.text.splitlines())) <= 100


def test_each_code_has_a_page_or_a_reason() -> None:
    assert {*PAGES, *WITHOUT_A_PAGE} == set(CODES)
    assert not set(PAGES) & set(WITHOUT_A_PAGE)


def test_explain_shows_the_page(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["explain", "shape-mismatch"]) == exits.FINE
    out = capsys.readouterr().out
    assert out.startswith(f"shape-mismatch: {CODES['shape-mismatch']}\n\n")
    assert "## Fails" in out
    assert main.run(["explain", "shape-mismatch", "--format", "json"]) == exits.FINE
    value = json.loads(capsys.readouterr().out)
    assert value["meaning"] == CODES["shape-mismatch"]
    assert "residual" in value["fails"]
    assert "shortcut" in value["passes"]


def test_a_code_without_a_page_has_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["explain", "too-much-time"]) == exits.FINE
    assert capsys.readouterr().out == f"too-much-time: {CODES['too-much-time']}\n"
    assert explanation("no-such-code") is None
    assert explanation("../explain/shape-mismatch") is None
