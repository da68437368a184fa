"""The fuzzer itself: it finds what it is to find, and its corpus and a few of its inputs hold."""

from __future__ import annotations

import random
import resource
from functools import partial
from math import inf

import pytest

from netdsl.diagnostics import Diagnostic
from netdsl.source import Source
from tests.fuzz import __main__ as fuzz
from tests.fuzz import properties
from tests.fuzz.mutations import ROOT, changed, mutated, read_seeds
from tests.fuzz.properties import Broken, Outcome, outcome


@pytest.fixture(scope="module")
def seeds() -> list[list[str]]:
    return read_seeds()


def test_tokens_are_the_whole_program(seeds):
    assert len(seeds) > 100
    texts = {path.read_text("utf-8") for path in ROOT.glob("architectures/*.net")}
    assert any("".join(tokens) in texts for tokens in seeds)


@pytest.mark.parametrize("seed", range(40))
def test_mutated_programs(seed, seeds):
    data = mutated(random.Random(seed), seeds)
    assert data == mutated(random.Random(seed), seeds)
    assert outcome(data).result in ("right", "wrong", "unreadable")


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"network net {\n  input image[8, 8, 3]\n  relu\n}\n", "right"),
        (b"network net {\n  input image[8, 8, 3]\n  rela\n}\n", "wrong"),
        (b"\xff", "unreadable"),
    ],
)
def test_outcomes(data, expected):
    assert outcome(data).result == expected


def test_a_place_outside_its_text_is_found(monkeypatch):
    source = Source("fuzz.net", "relu")
    wrong = Diagnostic("unknown-name", "no", source.span(2, 9))
    monkeypatch.setattr(properties, "load_file", lambda source: (None, (wrong,)))
    with pytest.raises(Broken, match="outside its text"):
        outcome(b"relu")


def test_what_fails_is_kept(monkeypatch, tmp_path, capsys):
    def fail(data: bytes, *, thorough: bool) -> str:
        raise RecursionError("too deep")

    monkeypatch.setattr(fuzz, "outcome", fail)
    monkeypatch.setattr(fuzz, "FOUND", tmp_path / "found")
    assert fuzz.run(3, 1, 60) >= 3
    assert len(list((tmp_path / "found").glob("*.net"))) == 3
    assert "RecursionError: too deep" in capsys.readouterr().out


def test_an_input_is_slow_where_one_command_would_be(monkeypatch, tmp_path, capsys):
    taken = Outcome("right", {"check": 0.8, "lint": 1.25})
    monkeypatch.setattr(fuzz, "outcome", lambda data, *, thorough: taken)
    monkeypatch.setattr(fuzz, "FOUND", tmp_path / "found")
    monkeypatch.setattr(fuzz, "process_peak_mib", lambda: 0.0)
    assert fuzz.run(1, 1, 60) == 1
    shown = capsys.readouterr().out
    assert "took check 0.80 s, lint 1.25 s" in shown
    assert "1 slow\nslowest command 1.25 s" in shown
    monkeypatch.setattr(fuzz, "outcome", lambda data, *, thorough: Outcome("right", {"lint": 0.9}))
    assert fuzz.run(1, 1, 60) == 0


CORPUS = sorted((ROOT / "tests/fuzz/corpus").glob("*.net"))


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_what_once_broke(path):
    assert outcome(path.read_bytes()).result in ("right", "wrong", "unreadable")


@pytest.fixture
def unhurried(monkeypatch):
    """However busy the machine is, and whatever other tests took in this process, no input counts
    as slow or large."""
    monkeypatch.setattr(fuzz, "tried", partial(fuzz.tried, slow_s=inf))
    monkeypatch.setattr(fuzz, "process_peak_mib", lambda: 0.0)


def test_a_run_goes_on_where_its_ledger_ends(unhurried, tmp_path, capsys):
    ledger = tmp_path / "ledger.jsonl"
    assert fuzz.run(5, 1, 60, ledger, batch=2) == 0
    assert fuzz.run(4, 1, 60, ledger, batch=2) == 0
    batches = fuzz.read(ledger)
    assert [(each.first, each.inputs) for each in batches] == [
        (0, 2),
        (2, 2),
        (4, 1),
        (5, 2),
        (7, 2),
    ]
    seeds = read_seeds()
    inputs = {mutated(random.Random(f"1:{number}"), seeds) for number in range(9)}
    capsys.readouterr()
    assert fuzz.total(ledger) == 0
    assert f"9 inputs, {len(inputs)} distinct," in capsys.readouterr().out


def test_inputs_of_another_engine_are_changed_too(seeds):
    data = "".join(seeds.sound[-1]).encode()
    found = {changed(data, random.Random(number), seeds) for number in range(20)}
    assert len(found) > 15
    assert all(outcome(each).result in ("right", "wrong", "unreadable") for each in found)
    assert outcome(changed(b"", random.Random(1), seeds)).result in ("right", "wrong")


def test_memory_is_bounded(unhurried, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(fuzz, "outcome", lambda data, *, thorough: len(bytearray(2 << 30)) and "")
    monkeypatch.setattr(fuzz, "FOUND", tmp_path / "found")
    before = resource.getrlimit(resource.RLIMIT_DATA)
    try:
        fuzz.bound_memory()
        assert fuzz.run(1, 1, 60) == 1
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, before)
    assert "MemoryError" in capsys.readouterr().out
