"""Each page of `netdsl explain CODE` has a program that fails with it, and one that passes."""

from __future__ import annotations

import json

import pytest

from netdsl import exits, main
from netdsl.check import check_file, check_recipes, check_templates
from netdsl.codes import CODES
from netdsl.diagnostics import Diagnostic
from netdsl.explanations import FOLDER, explanation
from netdsl.network import has_errors, load_file
from netdsl.source import Source

PAGES = sorted(path.stem for path in FOLDER.glob("*.md"))

_LIMIT = "a limit, which only a huge or nested program passes; the message states it"
_FILES = "it takes several files, or a folder"
WITHOUT_A_PAGE = {
    "import-cycle": _FILES,
    "import-outside-project": _FILES,
    "imports-too-deep": _FILES,
    "invisible-character": "the character could not be seen on the page",
    "line-too-long": _LIMIT,
    "nesting-too-deep": _LIMIT,
    "program-too-long": _LIMIT,
    "setting-unsupported": "checking accepts it; only training can't follow yet",
    "size-open": "checking accepts it; only compiling needs the size",
    "too-many-errors": _LIMIT,
    "too-many-imports": _FILES,
    "too-many-nodes": _LIMIT,
    "too-many-steps": _LIMIT,
    "too-much-time": _LIMIT,
}


def check(text: str) -> tuple[Diagnostic, ...]:
    file, diagnostics = load_file(Source("page.net", text))
    if file is None or has_errors(diagnostics):
        return diagnostics
    for verdict in check_file(file, {}):
        diagnostics += verdict.diagnostics
    return diagnostics + check_templates(file) + check_recipes(file)


@pytest.mark.parametrize("code", PAGES)
def test_the_programs_of_a_page(code: str) -> None:
    page = explanation(code)
    assert page is not None
    assert page.text.startswith(f"# {code}\n\n")
    assert code in [each.code for each in check(page.fails)]
    assert "network " in page.passes
    assert check(page.passes) == ()
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
    assert main.run(["explain", "too-many-nodes"]) == exits.FINE
    assert capsys.readouterr().out == f"too-many-nodes: {CODES['too-many-nodes']}\n"
    assert explanation("no-such-code") is None
    assert explanation("../explain/shape-mismatch") is None
