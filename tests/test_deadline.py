"""The limit in time holds in whichever step it is passed."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from pathlib import Path

import pytest

from netdsl import check, network, program
from netdsl import format as layout
from netdsl.check import check_file, check_network
from netdsl.deadline import within_time
from netdsl.diagnostics import LimitFault
from netdsl.format import format_source
from netdsl.limits import lowered
from netdsl.main import run
from netdsl.network import load_file, load_network
from netdsl.source import Source

TEXT = "network net {\n  input image[H, W, 3]\n  relu\n}\nnetwork other = net()\n"
PLACE = Source("a.net", TEXT).span(0, 7)


def endless(*arguments: object, **named: object) -> None:
    while True:
        pass


@pytest.fixture
def one_second():
    with lowered({"seconds": 1}):
        before = time.monotonic()
        yield
        assert 0.9 < time.monotonic() - before < 5
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)


def test_parsing(monkeypatch, one_second):
    monkeypatch.setattr(program, "parse", endless)
    file, (diagnostic,) = load_file(Source("a.net", TEXT))
    assert file is None and diagnostic.code == "too-much-time"


def test_formatting(monkeypatch, one_second):
    monkeypatch.setattr(layout, "read_words", endless)
    text, (diagnostic,) = format_source(Source("a.net", TEXT))
    assert text is None and diagnostic.code == "too-much-time"


@pytest.mark.parametrize("step", ["elaborate", "cost", "judge"])
def test_steps_of_a_network(step, monkeypatch, one_second):
    file, _ = load_file(Source("a.net", TEXT))
    monkeypatch.setattr(network, step, endless)
    found, diagnostics = load_network(file, "net", {})
    assert found is None and diagnostics[-1].code == "too-much-time"
    assert diagnostics[-1].span == file.networks["net"].name_span


def test_the_proof(monkeypatch, one_second):
    file, _ = load_file(Source("a.net", TEXT))
    monkeypatch.setattr(check, "prove_network", endless)
    verdict = check_network(file, "net", {})
    assert [each.code for each in verdict.diagnostics] == ["too-much-time"]


def test_a_file_ends_at_the_network_that_took_the_time(monkeypatch, one_second):
    file, _ = load_file(Source("a.net", TEXT))
    monkeypatch.setattr(network, "cost", endless)
    (verdict,) = check_file(file, {})
    (found,) = verdict.diagnostics
    assert found.code == "too-much-time"
    assert found.notes == ("no time left to check `other` and what follows",)


def test_a_command_as_a_whole(monkeypatch, one_second, tmp_path: Path, capsys):
    from netdsl.commands import cost

    (tmp_path / "a.net").write_text(TEXT.replace("H, W", "8, 8"))
    monkeypatch.setattr(cost, "load_network", endless)
    assert run(["cost", f"{tmp_path / 'a.net'}:net", "--limit", "seconds=1"]) == 1
    said = capsys.readouterr().err
    assert said == "error: netdsl cost: checking the program takes more than 1 s\n"


def test_what_swallows_the_first_interruption_is_interrupted_again(one_second):
    swallowed = []
    with pytest.raises(LimitFault), within_time(PLACE):
        try:
            endless()
        except LimitFault:
            swallowed.append(1)
        endless()
    assert swallowed


def test_what_begins_after_the_end_does_not_begin(one_second):
    with pytest.raises(LimitFault), within_time(PLACE):
        with contextlib.suppress(LimitFault):
            endless()
        with within_time(PLACE):
            pytest.fail("the time was up")


def test_what_is_in_time_leaves_no_trace():
    before = signal.getsignal(signal.SIGALRM)
    with within_time(PLACE), within_time(PLACE):
        assert signal.getitimer(signal.ITIMER_REAL)[0] > 0
    assert signal.getsignal(signal.SIGALRM) is before
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)


def test_threads_and_other_timers_go_without():
    done = []

    def work() -> None:
        with within_time(PLACE):
            done.append(1)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    before = signal.signal(signal.SIGALRM, lambda number, frame: None)
    signal.setitimer(signal.ITIMER_REAL, 50)
    try:
        with within_time(PLACE):
            assert signal.getitimer(signal.ITIMER_REAL)[0] > 40
        assert signal.getitimer(signal.ITIMER_REAL)[0] > 40
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert done
