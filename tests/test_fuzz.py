"""The fuzzer itself: it finds what it is to find, and a few of its inputs hold."""

from __future__ import annotations

import random

import pytest

from netdsl.diagnostics import Diagnostic
from netdsl.source import Source
from tests.fuzz import __main__ as fuzz


@pytest.fixture(scope="module")
def seeds() -> list[list[str]]:
    return fuzz.read_seeds()


def test_tokens_are_the_whole_program(seeds):
    assert len(seeds) > 100
    texts = {path.read_text("utf-8") for path in fuzz.ROOT.glob("architectures/*.net")}
    assert any("".join(tokens) in texts for tokens in seeds)


@pytest.mark.parametrize("seed", range(40))
def test_mutated_programs(seed, seeds):
    data = fuzz.mutated(random.Random(seed), seeds)
    assert data == fuzz.mutated(random.Random(seed), seeds)
    assert fuzz.outcome(data) in ("right", "wrong", "unreadable")


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"network net {\n  input image[8, 8, 3]\n  relu\n}\n", "right"),
        (b"network net {\n  input image[8, 8, 3]\n  rela\n}\n", "wrong"),
        (b"\xff", "unreadable"),
    ],
)
def test_outcomes(data, expected):
    assert fuzz.outcome(data) == expected


def test_a_place_outside_its_text_is_found(monkeypatch):
    source = Source("fuzz.net", "relu")
    wrong = Diagnostic("unknown-name", "no", source.span(2, 9))
    monkeypatch.setattr(fuzz, "load_file", lambda source: (None, (wrong,)))
    with pytest.raises(fuzz.Broken, match="outside its text"):
        fuzz.outcome(b"relu")


def test_what_fails_is_kept(monkeypatch, tmp_path, capsys):
    def fail(data: bytes) -> str:
        raise RecursionError("too deep")

    monkeypatch.setattr(fuzz, "outcome", fail)
    monkeypatch.setattr(fuzz, "FOUND", tmp_path / "found")
    assert fuzz.run(3, 1, 60) >= 3
    assert len(list((tmp_path / "found").glob("*.net"))) == 3
    assert "RecursionError: too deep" in capsys.readouterr().out
