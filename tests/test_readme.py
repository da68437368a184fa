"""The README claims only what is true."""

from __future__ import annotations

import re
from pathlib import Path

from netdsl.check import check_file
from netdsl.main import COMMANDS
from netdsl.network import load_file
from netdsl.render import render
from netdsl.source import Source

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")

WRONG = """\
block unit(width, stride = 1) {
  residual {
    conv(width, 3x3, stride, pad = 1) -> bn -> relu
    conv(width, 3x3, pad = 1) -> bn
  }
  relu
}

network small(classes = 10) {
  input image[32, 32, 3]
  conv(16, 3x3, pad = 1) -> bn -> relu
  for width in [16, 32, 64] {
    repeat 2 as i { unit(width, stride = 2 if i == 0 else 1) }
  }
  globalavgpool
  dense(classes)
}
"""


def blocks(language: str) -> list[str]:
    fenced = re.findall(r"^```(\w*)\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)
    return [text for word, text in fenced if word == language]


def diagnostics(source: Source) -> str:
    file, found = load_file(source)
    for verdict in check_file(file, {}) if file is not None else ():
        found += verdict.diagnostics
    return render(found, color=False)


def test_the_example_is_right() -> None:
    (example,) = blocks("net")
    assert diagnostics(Source("lenet5.net", example)) == ""


def test_the_mistake_is_shown_as_it_is() -> None:
    (shown,) = blocks("")
    assert diagnostics(Source("resnet.net", WRONG)) == shown


def test_each_command_is_in_the_table() -> None:
    assert re.findall(r"^\| `netdsl ([\w-]+)", README, re.MULTILINE) == list(COMMANDS)


def test_links_and_targets_exist() -> None:
    for link in re.findall(r"\]\(([^)]+)\)", README):
        assert (ROOT / link).exists(), link
    makefile = (ROOT / "Makefile").read_text("utf-8")
    for target in re.findall(r"^    make (\w+)", README, re.MULTILINE):
        assert f"\n{target}: " in makefile
