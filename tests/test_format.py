"""`netdsl fmt`: it changes layout alone, and once.

What it makes of small programs is in tests/format: `NAME.before.net` becomes `NAME.after.net`
(`pytest --update-golden` writes them, and the diff is the review). That it changes nothing else is
a property of all programs, however they are laid out.
"""

from __future__ import annotations

import json
import random
import re
import subprocess
import sys
from io import BytesIO, TextIOWrapper
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import programs

import netdsl.format
from netdsl import main, syntax
from netdsl.format import columns, format_source, layout, same_program
from netdsl.parse import parse, tokenize
from netdsl.source import Source, read_source
from netdsl.tokens import OPEN_ENDED

ROOT = Path(__file__).parent.parent
SHIPPED = sorted((ROOT / "architectures").glob("**/*.net"))
EXAMPLES = sorted((ROOT / "tests" / "examples").glob("*.net"))
ERRORS = sorted((ROOT / "tests" / "errors").glob("**/*.net"))
CASES = sorted((ROOT / "tests" / "format").glob("*.before.net"))


def tree_of(text: str) -> syntax.File:
    tree, diagnostics = parse(Source("test.net", text))
    assert tree is not None, [each.message for each in diagnostics]
    return tree


def fmt(text: str) -> str:
    formatted, diagnostics = format_source(Source("test.net", text))
    assert formatted is not None, [each.message for each in diagnostics]
    return formatted


def comments(text: str) -> list[str]:
    found = re.findall(r'"""(?:\\.|[^\\])*?"""|"(?:\\.|[^"\\\n])*"|#[^\n]*', text, re.DOTALL)
    return [each.rstrip() for each in found if each.startswith("#")]


def holds(text: str) -> str:
    """What formatting makes of a text, of which it keeps all that it has to."""
    once = fmt(text)
    assert same_program(tree_of(text), tree_of(once))
    assert comments(once) == comments(text)
    assert fmt(once) == once
    assert not re.search(r"[ \t]+$|\n\n\n|\A\n|\n\n\Z", re.sub(r'(?s)""".*?"""', "doc", once), re.M)
    assert once == "" or once.endswith("\n")
    return once


# ---------------------------------------------------------------- small programs


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.name.split(".")[0])
def test_small_program(path: Path, update_golden: bool) -> None:
    formatted = holds(path.read_text("utf-8"))
    after = path.with_name(path.name.replace(".before.", ".after."))
    if update_golden:
        after.write_text(formatted, "utf-8")
        return
    assert formatted == after.read_text("utf-8")


def test_there_are_small_programs() -> None:
    assert len(CASES) >= 8


# ---------------------------------------------------------------- all programs


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_shipped_programs_are_formatted(path: Path) -> None:
    text = read_source(path).text
    assert holds(text) == text


@pytest.mark.parametrize("path", EXAMPLES + ERRORS, ids=lambda path: path.stem)
def test_other_programs(path: Path) -> None:
    text = path.read_text("utf-8", errors="replace")
    if parse(Source(path.name, text))[0] is not None:
        holds(text)


def test_programs_with_mistakes_are_refused() -> None:
    refused = 0
    for path in ERRORS:
        source = Source(path.name, path.read_text("utf-8", errors="replace"))
        tree, mistakes = parse(source)
        if tree is None:
            assert format_source(source) == (None, mistakes)
            assert mistakes
            refused += 1
    assert refused > 10


CONTINUING = ("->", "}", "else", "shortcut", "where", "and", "or")


class Noise:
    """Another layout of the same program: blanks, comments, line ends and `;` where they may be."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.count = 0

    def __call__(self, text: str) -> str:
        tokens = [each for each in tokenize(Source("test.net", text)) if each.type != "NEWLINE"]
        parts: list[str] = []
        inside = 0
        for before, token in zip([None, *tokens], [*tokens, None], strict=True):
            start = before.end_pos if before is not None else 0
            gap = text[start : token.start_pos if token is not None else len(text)]
            if before is not None:
                inside += (before in ("(", "[")) - (before in (")", "]"))
            parts.append(self.gap(before, token, gap, inside))
            parts.append(str(token) if token is not None else "")
        return "".join(parts)

    def gap(self, before, token, gap: str, inside: int) -> str:
        if self.random.random() < 0.6 or before is None or token is None:
            return gap
        if "#" in gap or "DOC" in (before.type, token.type):
            return gap
        if before.type == "TEMPLATE" or before == "." or token == ".":
            return gap
        joins = inside > 0 or before in OPEN_ENDED or token in CONTINUING
        if ";" in gap:
            return self.random.choice([";", " ;  ", "\n", "  # noise\n"])
        if "\n" in gap:
            if not joins and self.random.random() < 0.3:
                return "; "
            return self.ends()
        if joins and self.random.random() < 0.3:
            return self.ends()
        return " " * self.random.randint(1 if gap else 0, 4)

    def ends(self) -> str:
        self.count += 1
        blank = "\n" * self.random.choice([1, 1, 2, 4])
        comment = self.random.choice(["", "", f" # c{self.count}", f"#c{self.count}"])
        alone = self.random.choice(
            ["", "", f"   # own {self.count}\n", f"\n# own {self.count}\n\n"]
        )
        return comment + blank + alone + " " * self.random.randint(0, 5)


def holds_for_noise(text: str, seed: int) -> None:
    noisy = Noise(seed)(text)
    tree, _ = parse(Source("test.net", noisy))
    assert tree is not None, noisy
    assert same_program(tree, tree_of(text)), noisy
    holds(noisy)


@pytest.mark.parametrize(
    "path", SHIPPED + EXAMPLES, ids=lambda path: f"{path.parent.name}/{path.stem}"
)
def test_shipped_programs_laid_out_otherwise(path: Path) -> None:
    text = read_source(path).text
    holds_for_noise(text, seed=len(text))


@pytest.mark.parametrize("path", SHIPPED[::4] + EXAMPLES, ids=lambda path: path.stem)
def test_shipped_programs_on_narrow_pages(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (layout, columns):
        monkeypatch.setattr(module, "LINE_LENGTH", 30)
    text = read_source(path).text
    narrow = holds(text)
    assert narrow != text
    holds_for_noise(text, seed=len(text))


@settings(max_examples=40)
@given(programs(), st.integers(0, 2**32))
def test_random_programs(text: str, seed: int) -> None:
    holds(text)
    holds_for_noise(text, seed)


def test_noise_is_noise() -> None:
    text = read_source(ROOT / "architectures" / "resnet.net").text
    noisy = Noise(1)(text)
    assert noisy != text
    assert len(comments(noisy)) > len(comments(text)) + 10


@pytest.mark.parametrize(
    "text",
    ["", "\n\n", "# only this", "\n\n# a\n\n\n\n# b\n\n", '"""Doc."""', '"""a\tb\n\tc\n\t\td"""'],
)
def test_hardly_a_program(text: str) -> None:
    holds(text)


def test_same_program_sees_a_difference() -> None:
    assert same_program(tree_of("let a = 1 + 2"), tree_of("let a =\n1 +  2"))
    assert not same_program(tree_of("let a = 1 + 2"), tree_of("let a = 1 + 3"))
    assert not same_program(tree_of("let a = [1]"), tree_of("let a = [1, 1]"))
    assert not same_program(tree_of("let a = (1,)"), tree_of("let a = 1"))


def test_a_changed_program_is_our_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(netdsl.format, "_text", lambda words: "let a = 2\n")
    with pytest.raises(AssertionError, match="formatting changed a program"):
        fmt("let a = 1\n")


# ---------------------------------------------------------------- the command

UGLY = "network  net {\n input image[ 8,8,3 ]\n relu\n}\n"
NEAT = "network net {\n  input image[8, 8, 3]\n  relu\n}\n"
BROKEN = "network net {\n  relu relu\n}\n"


def run(*arguments: object) -> int:
    return main.run(["fmt", *map(str, arguments)])


def test_formats_files_in_place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ugly, neat = tmp_path / "ugly.net", tmp_path / "neat.net"
    ugly.write_text(UGLY)
    ugly.chmod(0o600)
    neat.write_text(NEAT)
    kept = neat.stat().st_mtime_ns
    assert run(tmp_path) == 0
    assert ugly.read_text() == NEAT
    assert ugly.stat().st_mode & 0o777 == 0o600
    assert neat.stat().st_mtime_ns == kept
    assert capsys.readouterr().out == f"formatted {ugly}\n"
    assert sorted(each.name for each in tmp_path.iterdir()) == ["neat.net", "ugly.net"]
    assert run(tmp_path) == 0
    assert capsys.readouterr().out == ""


def test_check_lists_and_changes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ugly, neat = tmp_path / "ugly.net", tmp_path / "neat.net"
    ugly.write_text(UGLY)
    neat.write_text(NEAT)
    assert run("--check", ugly, neat) == 1
    assert ugly.read_text() == UGLY
    assert capsys.readouterr().out == f"would change {ugly}\n"
    assert run("--check", neat) == 0
    assert run("--check", "--format", "json", tmp_path) == 1
    assert json.loads(capsys.readouterr().out) == {
        "changed": [str(ugly)],
        "unchanged": [str(neat)],
        "diagnostics": [],
    }


def test_diff_shows_and_changes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ugly = tmp_path / "ugly.net"
    ugly.write_text(UGLY)
    assert run("--diff", ugly) == 0
    out = capsys.readouterr().out
    assert out.startswith(f"--- {ugly}\n+++ {ugly}\n@@ ")
    assert "\n- input image[ 8,8,3 ]\n" in out
    assert "\n+  input image[8, 8, 3]\n" in out
    assert ugly.read_text() == UGLY
    assert run("--diff", "--check", ugly) == 1


def test_mistakes_are_shown_and_nothing_changes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken, ugly = tmp_path / "broken.net", tmp_path / "ugly.net"
    broken.write_text(BROKEN)
    ugly.write_text(UGLY)
    assert run(broken, ugly) == 1
    assert broken.read_text() == BROKEN
    assert ugly.read_text() == NEAT
    out, err = capsys.readouterr()
    assert out == f"formatted {ugly}\n"
    assert "error[unexpected-token]" in err
    assert f"{broken}:2:8" in err


def test_what_would_pass_a_limit_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "list.net"
    path.write_text("let a = [\n1\n]\n")
    assert run(path, "--limit", "tokens=9") == 1
    assert "error[program-too-long]" in capsys.readouterr().err
    assert path.read_text() == "let a = [\n1\n]\n"
    assert run(path, "--limit", "tokens=10") == 0
    assert path.read_text() == "let a = [\n  1,\n]\n"


@pytest.mark.parametrize("end", ["\r\n", "\r"], ids=["crlf", "cr"])
def test_line_ends_and_mark_stay(tmp_path: Path, end: str) -> None:
    path = tmp_path / "net.net"
    path.write_bytes(("\ufeff" + UGLY.replace("\n", end)).encode())
    assert run(path) == 0
    assert path.read_bytes() == ("\ufeff" + NEAT.replace("\n", end)).encode()


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    path, link = tmp_path / "net.net", tmp_path / "link.net"
    path.write_text(UGLY)
    link.symlink_to(path)
    assert run(link) == 0
    assert link.is_symlink()
    assert path.read_text() == NEAT


def read_from(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(sys, "stdin", TextIOWrapper(BytesIO(text.encode())))


def test_standard_input(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for arguments in (["-"], ["--stdin-filename", "a.net"], ["-", "--stdin-filename", "a.net"]):
        read_from(monkeypatch, UGLY)
        assert run(*arguments) == 0
        assert capsys.readouterr() == (NEAT, "")
    read_from(monkeypatch, UGLY)
    assert run("-", "--check") == 1
    assert capsys.readouterr().out == "would change <stdin>\n"
    read_from(monkeypatch, BROKEN)
    assert run("-", "--stdin-filename", "my.net") == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert "my.net:2:8" in err


def test_a_pipe() -> None:
    command = [sys.executable, "-m", "netdsl", "fmt", "-"]
    done = subprocess.run(command, input=UGLY, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, NEAT, "")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "name a file or a folder"),
        (["-", "a.net"], "goes with no other file"),
        (["a.net", "--stdin-filename", "b.net"], "leave out the files"),
        (["-", "--format", "json"], "leave out --format"),
        (["a.net", "--diff", "--format", "json"], "leave out --format"),
    ],
    ids=["none", "mixed", "named", "json", "json-diff"],
)
def test_wrong_usage(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*arguments) == 2
    assert message in capsys.readouterr().err


def test_files_that_cannot_be_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ugly = tmp_path / "ugly.net"
    ugly.write_text(UGLY)
    assert run(ugly, tmp_path / "missing.net") == 3
    assert "there is no file" in capsys.readouterr().err
    assert ugly.read_text() == UGLY
    assert run(tmp_path / "empty.d") == 3
    (tmp_path / "empty.d").mkdir()
    assert run(tmp_path / "empty.d") == 2
    assert "there is no .net file" in capsys.readouterr().err
