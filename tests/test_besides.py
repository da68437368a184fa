"""Mistakes that are told beside those of syntax, and none that only follows from these."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from netdsl.besides import besides, what_remains
from netdsl.network import SHIPPED
from netdsl.parse import parse
from netdsl.source import Source

MIXED = """\
import conv_bn_relu from std

block unit(filters) {
  conv(wdth, 1x1, pading = 1)
  conv(filters, 3x3) relu
}

network net(classes = 10) {
  input image[32, 32, 3]
  let width = 8 *
  stem: conv(width, 3x3) -> bn
  a: conv(4, 3x3 -> relu
  unit(8) -> dropot(0.1)
  from stem -> conv(6, 3x3)
  residual { conv(8, 3x3, pad = same) }
  globalavgpool -> dense(classes)
}

network other {
  input image[8, 8, 3]
  residual { conv(8, 3x3, pad = same) }
  from a -> conv(8, 3x3)
}

recipe quick for nett {
  epochs 0
  batch =
}
"""


def found(text):
    return [(each.code, each.span.text) for each in told(Source("t.net", text))]


def told(source):
    tree, mistakes = parse(source)
    assert tree is None
    return besides(source, mistakes)


def test_other_mistakes_are_told_beside_those_of_syntax():
    assert sorted(found(MIXED)) == [
        ("setting-value", "0"),
        ("shape-mismatch", "residual"),
        ("unknown-argument", "pading = 1"),
        ("unknown-layer", "dropot"),
        ("unknown-name", "wdth"),
        ("unknown-network", "nett"),
    ]


def test_one_brace_that_is_not_closed_hides_little():
    text = (
        "network n {\n  input image[8, 8, 3]\n  e: conv(8, 3x3) -> rellu\n"
        "  concat { | from e | maxpool(3x3)\n  dense(10)\n}\n"
    )
    assert found(text) == [("unknown-layer", "rellu")]


def test_places_are_those_of_the_program_itself():
    source = Source("t.net", MIXED)
    for each in told(source):
        assert each.span.source is source and each.span.text in MIXED
        assert all(label.span.source is source for label in each.labels)


@pytest.mark.parametrize(
    "text",
    [
        "network n {\n  input image[8, 8, 3\n  conv(8, 3x3)\n}\n",
        "network n {\n  input image[8, 8, 3]\n  a: conv(8 3x3)\n  from a -> relu\n}\n",
        "network n {\n  input image[8, 8, 3]\n  let w = 8 8\n  conv(w, 3x3)\n}\n",
        "network n {\n  input image[8, 8, 3]\n  let i = 0\n  i += 1\n  conv(8 * i, 3x3)\n}\n",
        "let w = = 3\nnetwork n {\n  input image[8, 8, 3]\n  conv(w, 3x3)\n}\n",
        "blok unit(c) {\n  conv(c, 3x3)\n}\nnetwork n {\n  input image[8, 8, 3]\n  unit(8)\n}\n",
        "network n(a b) {\n  input image[8, 8, 3]\n  relu\n}\nrecipe r for n {\n  epochs 3\n}\n",
        "network n {\n  input image[8, 8, 3]\n  conv(8, 3x3) conv(3, 3x3)\n  residual { relu }\n"
        "  add { | conv(8, 1x1) | conv(3, 1x1, stride = 2 }\n}\n",
        "network n {\n  input image[8, 8, 3]\n  assert params > 9 9\n  relu\n}\n",
    ],
)
def test_nothing_is_told_that_follows_from_what_is_left_out(text):
    assert found(text) == []


SMALL = [path for path in sorted(SHIPPED.rglob("*.net")) if path.stat().st_size < 4000]


def spoilt(text: str, chance: random.Random) -> str:
    """A text with one line that can't be read any more, most likely."""
    lines = text.split("\n")
    number = chance.choice([i for i, line in enumerate(lines) if line.strip(" }")])
    line = lines[number]
    place = chance.randrange(len(line) + 1)
    lines[number] = chance.choice(
        [
            line[:place] + chance.choice(["$", "= =", "..", "!", " ? "]) + line[place:],
            line[:place] + line[place + 1 :],
            line.replace("->", "=>", 1),
            line.replace("(", "", 1),
            line.replace(")", "", 1),
            line[:place],
        ]
    )
    return "\n".join(lines)


@pytest.mark.parametrize("seed", range(40))
def test_one_spoilt_line_of_a_sound_program_has_no_consequences(seed):
    chance = random.Random(seed)
    for _ in range(4):
        path: Path = chance.choice(SMALL)
        source = Source(path.name, spoilt(path.read_text("utf-8"), chance), path)
        if parse(source)[0] is None:
            assert [(each.code, each.span.text) for each in told(source)] == []


def test_what_is_hardly_a_program_is_not_looked_through():
    assert what_remains(Source("t.net", "network n {\n" + "conv(,)\n" * 30 + "}\n")) is None
