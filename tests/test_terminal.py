"""Whether to colour, how wide the terminal is, and how wide a text is on it."""

from __future__ import annotations

import io

import pytest

from netdsl.terminal import display_width, styled, terminal_width, wants_color


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")


def test_auto_colors_a_terminal_only() -> None:
    assert wants_color(Terminal())
    assert not wants_color(io.StringIO())


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_auto_asks_the_environment(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    assert not wants_color(Terminal())
    assert wants_color(Terminal(), "always")


def test_no_color_counts_when_not_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "")
    assert wants_color(Terminal())


def test_a_choice_is_final() -> None:
    assert wants_color(io.StringIO(), "always")
    assert not wants_color(Terminal(), "never")


def test_width(monkeypatch: pytest.MonkeyPatch) -> None:
    assert terminal_width(io.StringIO(), default=77) == 77
    for columns, expected in (("120", 120), ("0", 77), ("wide", 77), ("-3", 77)):
        monkeypatch.setenv("COLUMNS", columns)
        assert terminal_width(io.StringIO(), default=77) == expected


@pytest.mark.parametrize(
    ("text", "columns"), [("conv", 4), ("幅", 2), ("e\u0301", 1), ("ｱ", 1), ("Ａ", 2), ("", 0)]
)
def test_display_width(text: str, columns: int) -> None:
    assert display_width(text) == columns


def test_styled() -> None:
    assert styled("x", "error", color=True) == "\x1b[1;31mx\x1b[0m"
    assert styled("x", "error", color=False) == "x"
    assert styled("", "error", color=True) == ""
    assert styled("x", "", color=True) == "x"
