"""`netdsl zoo`: the record of the shipped networks is what counting them gives; how it is shown."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import click
import pytest

from netdsl import zoo
from netdsl.commands.zoo import _number
from netdsl.main import run
from netdsl.network import complete_networks, load_file
from netdsl.source import Source

# ---------------------------------------------------------------- the record


def test_the_record_is_what_counting_gives(update_golden: bool) -> None:
    """So that no figure, name or paper can be out of date: `make golden` writes it."""
    text = zoo.record(zoo.counted())
    if update_golden:
        zoo.RECORD.write_text(text, "utf-8")
    assert text == zoo.RECORD.read_text("utf-8"), "`make golden` writes it"


def test_it_has_each_network() -> None:
    found, recounted = zoo.entries()
    assert not recounted
    names = {each.name for each in found}
    assert len(names) == len(found)
    for path in zoo.SHIPPED.glob("**/*.net"):
        folder = path.parent.relative_to(zoo.SHIPPED).as_posix()
        file, _ = load_file(Source(path.name, path.read_text("utf-8"), path))
        assert file is not None
        for name in complete_networks(file):
            assert (name if folder == "." else f"{folder}/{name}") in names


def test_each_network_has_a_paper() -> None:
    """Its authors or its number, and a year that fits to the number; but for sums from a course."""
    for each in zoo.entries()[0]:
        assert each.file == "lessons.net" or ((each.paper or each.arxiv) and each.year), each
        if each.arxiv:
            assert abs(each.year - 2000 - int(each.arxiv[:2])) <= 1, each


@pytest.mark.parametrize(
    ("name", "paper", "year", "arxiv"),
    [
        ("resnet50", "He, Zhang, Ren & Sun 2015", 2015, "1512.03385"),
        ("lenet5", "LeCun et al. 1998", 1998, ""),
        ("alexnet_merged", "Krizhevsky et al. 2012", 2012, ""),
        ("alexnet_2014", "Krizhevsky 2014", 2014, "1404.5997"),
        ("nin", "Lin, Chen & Yan 2013", 2013, "1312.4400"),
        ("xception", "Chollet 2017", 2017, "1610.02357"),
        ("efficientnet_lite3", "Liu 2020", 2020, "1905.11946"),
        ("unet_same", "Ronneberger, Fischer & Brox 2015", 2015, "1505.04597"),
    ],
)
def test_papers(name: str, paper: str, year: int, arxiv: str) -> None:
    (entry,) = (each for each in zoo.entries()[0] if each.name == name)
    assert (entry.paper, entry.year, entry.arxiv) == (paper, year, arxiv)


# ---------------------------------------------------------------- a record that does not fit


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of shipped programs with two networks, in place of netdsl's."""
    program = tmp_path / "tiny.net"
    program.write_text(
        '"""Tiny (Doe 2001): a network, arXiv:0102.03040."""\n'
        "network tiny(filters = 2) {\n  input image[4, 6, 3]\n  conv(filters, 1x1)\n}\n"
        "network wider = tiny(5)\n",
        "utf-8",
    )
    for module in ("netdsl.zoo", "netdsl.network"):
        monkeypatch.setattr(f"{module}.SHIPPED", tmp_path)
    monkeypatch.setattr(zoo, "RECORD", tmp_path / "zoo.json")
    return program


def test_counts(small: Path) -> None:
    """Weights and biases of 1x1 convolutions, and products at 24 pixels."""
    tiny, wider = zoo.counted()
    assert tiny == zoo.Entry(
        name="tiny",
        file="tiny.net",
        params=3 * 2 + 2,
        macs=24 * 3 * 2,
        input=(4, 6, 3),
        paper="Doe 2001",
        year=2001,
        arxiv="0102.03040",
        about="Tiny (Doe 2001): a network, arXiv:0102.03040.",
    )
    assert (wider.params, wider.macs, wider.about) == (3 * 5 + 5, 24 * 3 * 5, "tiny(5)")


def test_stale_figures_are_not_shown(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a record, or with that of other programs, all is counted anew, and that is said."""
    assert run(["zoo"]) == 0
    assert "counted anew" in capsys.readouterr().err
    zoo.RECORD.write_text(zoo.record(zoo.counted()), "utf-8")
    fresh, recounted = zoo.entries()
    assert not recounted and fresh == tuple(zoo.counted())
    small.write_text(small.read_text("utf-8").replace("filters = 2", "filters = 7"), "utf-8")
    assert zoo.entries()[1]
    assert run(["zoo", "tiny", "--format", "json"]) == 0
    out, said = capsys.readouterr()
    (found,) = json.loads(out)
    assert found["params"] == 3 * 7 + 7 and "counted anew" in said
    zoo.RECORD.write_text("{", "utf-8")
    assert zoo.entries()[1]


# ---------------------------------------------------------------- the command


def names(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    capsys.readouterr()
    assert run(["zoo", *arguments, "--format", "json"]) == 0
    return [each["name"] for each in json.loads(capsys.readouterr().out)]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("params", lambda each: each["params"]),
        ("macs", lambda each: each["macs"]),
        ("size", lambda each: each["input"][0] * each["input"][1]),
        ("year", lambda each: each["year"] or 9999),
        ("name", lambda each: each["name"]),
    ],
)
def test_sorted(key: str, value: Callable, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["zoo", "--sort", key, "--format", "json"]) == 0
    found = [value(each) for each in json.loads(capsys.readouterr().out)]
    assert found == sorted(found) and len(set(found)) > 3


def test_filtered(capsys: pytest.CaptureFixture[str]) -> None:
    assert names(capsys, "lenet5*") == ["lenet5", "lenet5_1998", "lenet5_relu"]
    assert "torchvision/resnet50" in names(capsys, "resnet50")
    assert names(capsys, "resnet5?") == ["resnet50", "resnet56"]
    lites = [f"efficientnet_lite{number}" for number in range(5)]
    assert names(capsys, "lite") == lites
    assert names(capsys, "lite", "--max-params", "5.5M") == lites[:2]
    assert names(capsys, "lite", "--max-macs", "385_187_552") == lites[:1]
    assert names(capsys, "lite", "--max-macs", "1G", "--max-params", "1K") == []


def test_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["zoo", "efficientnet_lite0"]) == 0
    out, said = capsys.readouterr()
    assert out.splitlines() == [
        "network             params   MACs  input      paper",
        "efficientnet_lite0  4.65 M  385 M  224×224×3  Liu 2020, arXiv:1905.11946",
    ]
    assert said == f"1 of {len(zoo.entries()[0])} networks\n"


def test_no_such_network(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["zoo", "resnit"]) == 2
    assert "no shipped network has `resnit` in its name" in capsys.readouterr().err
    assert run(["zoo", "--max-params", "5MB"]) == 2
    assert "`5MB` is not like 5M, 600_000 or 4.1G" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "value"),
    [("5", 5), ("1_000", 1000), ("2K", 2000), ("4.1G", 4_100_000_000), ("600M", 600_000_000)],
)
def test_numbers_are_the_language_s(text: str, value: int) -> None:
    assert _number(None, None, text) == value


@pytest.mark.parametrize("text", ["5MB", "", "true", "5\nlet x = 6", "2x2", '"5"', "-5"])
def test_no_numbers(text: str) -> None:
    with pytest.raises(click.BadParameter, match="is not like 5M"):
        _number(None, None, text)


def test_quick() -> None:
    """From the record; counting takes seconds."""
    began = time.perf_counter()
    _, recounted = zoo.entries()
    assert not recounted and time.perf_counter() - began < 1


# ---------------------------------------------------------------- netdsl list


def test_list(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What a file declares, and no longer the shipped networks."""
    file = tmp_path / "tiny.net"
    file.write_text(
        "block double(filters) {\n  conv(filters, 1x1)\n}\n"
        'network tiny {\n  """A tiny one."""\n  input image[4, 4, 3]\n  double(2)\n}\n',
        "utf-8",
    )
    assert run(["list", str(file), "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out) == [
        {"name": "tiny", "kind": "network", "about": "A tiny one."},
        {"name": "double(filters)", "kind": "block", "about": ""},
    ]
    assert run(["list"]) == 2
    assert "operators|blocks|codes|rules|FILE" in capsys.readouterr().err
