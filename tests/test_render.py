"""What users see of a diagnostic. Each golden file was read by a person before it was kept."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netdsl.diagnostics import Diagnostic, Frame, Label
from netdsl.limits import LIMITS
from netdsl.render import render, summarize, to_json
from netdsl.source import Source, Span
from netdsl.terminal import display_width

TEXT = '''\
"""ResNet (He et al. 2015)."""

block basic(width, stride = 1) {
  residual {
    conv_bn(width, 3x3, stride) -> relu
    conv_bn(width, 3x3)
  } shortcut if in.shape != out.shape {
    conv_bn(width, 1x1, stride)
  }
  relu
}

network small(classes = 10) {
\tinput image[32, 32, 3]
  left: conv(64, 3x3) -> concat { | conv(16, 1x1) -> bn
    | conv(幅, 3x3) -> relu
  }
  from image -> conv(128, 3x3) -> add(left)
  repeat 3 { basic(64) }
  dense(classes)
}
'''
NET = Source("resnet.net", TEXT)
BLOCKS = Source("lib/blocks.net", "block conv_bn(filters) {\n  conv(filters, kernel) -> bn\n}\n")


def at(text: str, source: Source = NET, *, nth: int = 0) -> Span:
    """The span of the nth occurrence of `text`."""
    start = -1
    for _ in range(nth + 1):
        start = source.text.index(text, start + 1)
    return source.span(start, start + len(text))


def between(first: str, last: str) -> Span:
    return NET.span(at(first).start, at(last).end)


CASES: dict[str, list[Diagnostic]] = {
    "one-line": [
        Diagnostic(
            "unknown-layer",
            "there is no operator or block `conv_bn`",
            at("conv_bn"),
            help="did you mean `conv`?",
        )
    ],
    "label-beside": [Diagnostic("c", "message", at("stride"), "declared here")],
    "shapes-differ": [
        Diagnostic(
            "shapes-differ",
            "`add` needs equal shapes; channels differ: 128 and 64",
            at("add"),
            labels=(
                Label(at("conv(128, 3x3)"), "this is [32, 32, 128]"),
                Label(at("left", nth=1), "this is [32, 32, 64]"),
                Label(at("conv(64, 3x3)"), "which comes from here"),
            ),
            notes=("H' = floor((32 + 2·1 - 3) / 1) + 1 = 32", "a note\nof two lines"),
            help="project one of them: `conv(64, 1x1)`",
            trail=(
                Frame(at("basic(64)"), "`basic(width = 64, stride = 1)`"),
                Frame(at("repeat 3"), "pass 2 of 3 of `repeat`"),
            ),
        )
    ],
    "labels-on-one-line": [
        Diagnostic(
            "c",
            "message",
            at("residual {"),
            labels=(
                Label(at("conv_bn", nth=0), "first"),
                Label(at("3x3", nth=0), "second"),
                Label(at("3x3, stride", nth=0), "around the second"),
                Label(at("relu", nth=0), "last"),
            ),
        )
    ],
    "same-place-twice": [
        Diagnostic("c", "message", at("relu"), "primary", labels=(Label(at("relu"), "other"),))
    ],
    "around-and-within": [
        Diagnostic("c", "message", at("conv(64, 3x3)"), labels=(Label(at("conv", nth=3), "name"),)),
        Diagnostic("c", "message", at("64, 3x3"), labels=(Label(at("conv(64, 3x3)"), "call"),)),
    ],
    "a-line-between": [
        Diagnostic("c", "message", at("residual"), labels=(Label(at("conv_bn", nth=1), "here"),))
    ],
    "ends-together": [
        Diagnostic(
            "c",
            "message",
            NET.span(at("block basic").start, at("relu\n}").end),
            "outer",
            labels=(Label(NET.span(at("residual").start, at("relu\n}").end), "inner"),),
        )
    ],
    "several-lines": [
        Diagnostic("c", "message", between("  residual {", "} shortcut"), "this body")
    ],
    "several-lines-within": [
        Diagnostic(
            "c",
            "message",
            NET.span(at("concat {").start, at("  }\n  from").start + 3),
            "these branches",
            labels=(Label(at("conv(幅, 3x3)"), "this one"),),
        )
    ],
    "many-lines": [
        Diagnostic(
            "c",
            "message",
            NET.span(at("block basic").start, at("relu\n}").end),
            "the whole block",
            labels=(Label(between("residual {", "} shortcut"), "its body"),),
        )
    ],
    "other-file": [
        Diagnostic(
            "unknown-name",
            "there is no value `kernel`",
            at("kernel", BLOCKS),
            labels=(
                Label(at("conv_bn(width, 3x3)"), "called from here"),
                Label(at("filters", BLOCKS), "declared here"),
            ),
        )
    ],
    "tab-and-wide": [
        Diagnostic("c", "after a tab", at("image")),
        Diagnostic("c", "wide characters", at("幅"), "幅 takes two columns"),
        Diagnostic("c", "after wide characters", at("3x3) -> relu\n  }")),
    ],
    "end-of-text": [Diagnostic("c", "message", NET.span(len(TEXT), len(TEXT)), "`}` missing")],
    "end-of-line": [Diagnostic("c", "message", at("dense(classes)\n"))],
    "warning": [
        Diagnostic("c", "first", at("relu"), severity="warning"),
        Diagnostic("d", "second", at("dense")),
    ],
    "repeated": [Diagnostic("c", "in some pass", at("basic(64)"))] * 20,
    "deep-trail": [
        Diagnostic(
            "c",
            "message",
            at("relu"),
            trail=tuple(Frame(at("basic"), f"call {number}") for number in range(20)),
        )
    ],
}


@pytest.mark.parametrize("name", CASES)
def test_golden(name: str, golden: Callable[[str, str], None]) -> None:
    golden(f"render/{name}.txt", render(CASES[name], color=False))


def test_color_changes_nothing_but_the_colors() -> None:
    for diagnostics in CASES.values():
        colored = render(diagnostics, color=True)
        assert "\x1b[1;31m" in colored or "\x1b[1;33m" in colored
        plain = colored
        for code in ("0", "1", "1;31", "1;33", "1;34", "1;36"):
            plain = plain.replace(f"\x1b[{code}m", "")
        assert plain == render(diagnostics, color=False)


def test_nothing_to_say_is_nothing() -> None:
    assert render([], color=True) == ""
    assert summarize([]) == "no errors"


def test_controls_cannot_reach_the_terminal() -> None:
    evil = Source("a\x1b[2J.net", "conv(\x1b[31m)\x07\n")
    diagnostic = Diagnostic(
        "c",
        "bad `\x1b[2J`",
        evil.span(5, 10),
        "\x1b]0;title\x07",
        labels=(Label(evil.span(0, 4), "\x9b2J"),),
        notes=("note \x1b",),
        help="help \r",
        trail=(Frame(evil.span(0, 1), "frame \x08"),),
    )
    text = render([diagnostic], color=False)
    assert all(character.isprintable() or character == "\n" for character in text)
    assert "\\x1b[31m" in text
    carets = next(line for line in text.splitlines() if "^" in line)
    assert carets.count("^") == len("\\x1b[31m")
    lines = Diagnostic("c", "m", Source("a.net", "a\nb\n").span(0, 3), "\x1b")
    assert "\x1b" not in render([lines], color=False)
    assert json.dumps(to_json(diagnostic)).isprintable()


def test_a_long_line_is_cut_around_the_span() -> None:
    text = "conv(" + "1, " * 100_000 + "oops" + ", 2" * 100_000 + ")"
    long = Source("long.net", text)
    start = text.index("oops")
    label = Label(long.span(0, 4), "the call")
    shown = render(
        [Diagnostic("c", "m", long.span(start, start + 4), labels=(label,))], color=False
    )
    lines = shown.splitlines()
    assert max(map(len, lines)) < 140
    source_line = next(line for line in lines if line.startswith("1 |"))
    carets = next(line for line in lines if "^" in line)
    assert source_line[carets.index("^") :].startswith("oops,")
    assert carets.count("^") == 4
    assert source_line.endswith("…")
    # What lies outside the cut is marked under the ellipsis on its side.
    assert source_line[carets.index("-")] == "…"


def test_more_than_the_limit_is_counted() -> None:
    source = Source("many.net", "x\n" * (LIMITS.errors + 3))
    many = [Diagnostic("c", "m", source.span(2 * i, 2 * i + 1)) for i in range(LIMITS.errors + 3)]
    text = render(many, color=False)
    assert text.count("error[c]") == LIMITS.errors
    assert text.endswith(f"\n… and 3 more that are not shown\n\n{LIMITS.errors + 3} errors\n")


def test_json_has_all_places() -> None:
    (diagnostic,) = CASES["shapes-differ"]
    value = json.loads(json.dumps(to_json(diagnostic)))
    assert value["code"] == "shapes-differ"
    assert value["severity"] == "error"
    assert value["file"] == "resnet.net"
    line, column = value["line"], value["column"]
    assert TEXT.splitlines()[line - 1][column - 1 : value["end_column"] - 1] == "add"
    assert value["end_line"] == line
    assert value["labels"][0]["text"] == "this is [32, 32, 128]"
    assert value["trail"][0]["line"] == 19
    assert value["notes"][1] == "a note\nof two lines"


@given(st.data())
def test_any_spans_of_any_text(data: st.DataObject) -> None:
    """Nothing raises; carets stand under what they mark, if it is one short line."""
    text = data.draw(st.text(st.sampled_from("ab \t\n幅e\u0301\x1b}"), max_size=60))
    source = Source("t.net", text)
    places = st.tuples(st.integers(0, len(text)), st.integers(0, len(text)))
    spans = [
        source.span(min(p), max(p)) for p in data.draw(st.lists(places, min_size=1, max_size=4))
    ]
    labels = tuple(Label(span, f"label {i}") for i, span in enumerate(spans[1:]))
    shown = render([Diagnostic("c", "m", spans[0], "here", labels=labels)], color=False)
    assert all(character.isprintable() or character == "\n" for character in shown)
    for index in range(len(labels)):
        assert f"label {index}" in shown
    if len(spans) == 1 and spans[0].text.strip("ab") == "" and spans[0].text:
        lines = shown.splitlines()
        row = next(i for i, line in enumerate(lines) if "^" in line)
        column = display_width(lines[row][: lines[row].index("^")])
        before = ""
        while display_width(before) < column:
            before = lines[row - 1][: len(before) + 1]
        assert lines[row - 1][len(before) :].lstrip("\u0301").startswith(spans[0].text)
