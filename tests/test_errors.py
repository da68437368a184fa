"""Wrong programs: each file of tests/errors raises the code it is named after, rendered as its
`.txt` says. `name--variant.net` is a further case of a code; a first line `# set: name=value …`
gives settings. `pytest --update-golden` rewrites the texts, and the diff is the review."""

from __future__ import annotations

from pathlib import Path

import pytest

from netdsl.check import check_file, check_recipes, check_templates
from netdsl.codes import CODES
from netdsl.network import has_errors, load_file, read_settings
from netdsl.render import render
from netdsl.source import read_source

FOLDER = Path(__file__).parent / "errors"
CASES = sorted(FOLDER.glob("*.net"))


def diagnose(path: Path):
    """All that `netdsl check` finds in a file."""
    source = read_source(path, path.name)
    file, diagnostics = load_file(source)
    if file is None or has_errors(diagnostics):
        return diagnostics
    first = source.line(1)
    texts = {}
    if first.startswith("# set:"):
        texts = dict(pair.split("=", 1) for pair in first.removeprefix("# set:").split())
    settings, diagnostics = read_settings(texts, file)
    for verdict in check_file(file, settings) if not diagnostics else ():
        diagnostics += verdict.diagnostics
    return diagnostics + check_templates(file) + check_recipes(file)


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_wrong_program(path: Path, update_golden: bool):
    diagnostics = diagnose(path)
    assert diagnostics, "this program is thought to be wrong"
    assert path.stem.split("--")[0] in {each.code for each in diagnostics}
    text = render(diagnostics, color=False)
    golden = path.with_suffix(".txt")
    if update_golden:
        golden.write_text(text, "utf-8")
    assert text == golden.read_text("utf-8")


def test_every_code_has_a_wrong_program():
    """But for those that no file can raise, which are listed with the test that does."""
    elsewhere = {
        "imports-too-deep": "test_abuse.py: it takes many files",
        "program-too-long": "test_abuse.py: it takes a long one",
        "setting-unsupported": "test_recipe.py: checking accepts what training can't follow yet",
        "size-open": "test_emit.py: only code has a need for the size",
        "too-many-errors": "test_abuse.py: it takes many",
        "too-many-imports": "test_program.py: it takes hundreds of files",
        "too-much-time": "test_abuse.py: it takes a while",
    }
    assert set(CODES) - {path.stem.split("--")[0] for path in CASES} == set(elsewhere)
