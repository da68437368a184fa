"""How the parser goes on after a mistake: each is found, and none follows from another.

The wording is pinned by tests/errors; here stand the codes and lines of what is found.
"""

from __future__ import annotations

import pytest

from netdsl.limits import LIMITS
from netdsl.parse import parse
from netdsl.source import Source

TOKEN = "unexpected-token"
UNCLOSED = "unclosed-bracket"
UNOPENED = "unopened-bracket"
CHARACTER = "unexpected-character"
TEXT = "unterminated-string"


def mistakes(*lines):
    """(line, code) of each mistake."""
    tree, diagnostics = parse(Source("test.net", "\n".join(lines)))
    assert tree is None
    return [(each.span.line, each.code) for each in diagnostics]


def marked(text):
    """The texts that are marked as wrong."""
    _, diagnostics = parse(Source("test.net", text))
    return [each.span.text for each in diagnostics]


def test_each_declaration_is_looked_at():
    assert mistakes(
        "network net {",
        "  relu relu",
        "  repeat 2 { tanh tanh }",
        "}",
        "let = 3",
        "network input { relu }",
        "recipe long for net {",
        "  epochs = 3",
        "  then { batch }",
        "}",
    ) == [(2, TOKEN), (3, TOKEN), (5, TOKEN), (6, TOKEN), (8, TOKEN), (9, TOKEN)]


def test_each_branch_is_looked_at():
    assert mistakes(
        "network net {",
        "  concat {",
        "    | relu relu",
        "    | relu",
        "    | tanh -> -> tanh",
        "  }",
        "  relu -> )",
        "}",
    ) == [(3, TOKEN), (5, TOKEN), (7, TOKEN), (7, UNOPENED)]


def test_a_bad_label_leaves_the_rest():
    assert mistakes(
        "network a {",
        "  layer{1} 2.5: relu",
        "  tanh tanh",
        "}",
        "network b {",
        "  relu relu",
        "}",
    ) == [(2, TOKEN), (3, TOKEN), (6, TOKEN)]


def test_empty_braces_leave_the_rest():
    assert mistakes(
        "network a {",
        "  concat { }",
        "  tanh tanh",
        "  concat { relu",
        "    tanh }",
        "  tanh tanh",
        "}",
    ) == [(2, TOKEN), (3, TOKEN), (4, TOKEN), (6, TOKEN)]


def test_words_that_only_some_places_know():
    assert mistakes(
        "network a {",
        '  claim paper "x" {',
        "    params == 3M about 1%",
        "    outputs layer1 == [3]",
        "  }",
        "}",
        "recipe long for a {",
        "  epochs 3 seconds",
        "}",
    ) == [(3, TOKEN), (4, TOKEN), (8, TOKEN)]


def test_a_body_that_ends_too_early_is_reported_once():
    assert mistakes(
        "block a {",
        "  relu }",
        "  conv(8, 3x3)",
        "  tanh",
        "  let x = 3",
        "}",
        "block b { relu relu }",
    ) == [(6, UNOPENED), (7, TOKEN)]


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        (["let x = [1, (2, 3]", "let y = 1 +"], [(1, UNCLOSED), (2, TOKEN)]),
        (["let x = (1, 2", "let y = [3", "let z = 4"], [(1, UNCLOSED), (2, UNCLOSED)]),
        (["block a {", "  conv(8,", "    3x3", "  relu", "}"], [(2, UNCLOSED)]),
        (["block a {", "  conv(8, [3, 3", "  relu", "  tanh", "}"], [(2, UNCLOSED)]),
        (["block a {", "  repeat 2 {", "  relu", "}"], [(1, UNCLOSED)]),
        (["block a {", "  relu", "block b { relu }"], [(1, UNCLOSED)]),
        (["block a {", '  claim paper "x" {'], [(2, UNCLOSED)]),
        (["block a {", "  concat {"], [(2, UNCLOSED)]),
        (["let x = 1)", "let y = 2]"], [(1, UNOPENED), (2, UNOPENED)]),
        (["block a { conv(8, 3x3)) }", "let y = 2 3"], [(1, UNOPENED), (2, TOKEN)]),
        (["network net(unit:", "    block, width)", "{ relu }"], [(2, TOKEN)]),
    ],
    ids=lambda each: each[-1] if isinstance(each[0], str) else "",
)
def test_brackets(lines, found):
    assert mistakes(*lines) == found


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        (['let x = max("a)', "let y = 2 3"], [(1, TEXT), (2, TOKEN)]),
        (["let x = max(3 § 4)", "let y = 2 3"], [(1, CHARACTER), (2, TOKEN)]),
        (["let x = §", ""], [(1, CHARACTER)]),
        (["§", "let y = 2 3"], [(1, CHARACTER), (2, TOKEN)]),
        # Where a documentation is not closed, texts and code change places.
        (['block a {', '  """One.', "  relu", "}", 'block b { """It\'s: two.""" }'],
         [(5, TOKEN), (5, TEXT)]),
    ],
    ids=lambda each: each[0] if isinstance(each[0], str) else "",
)  # fmt: skip
def test_characters(lines, found):
    assert mistakes(*lines) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("let x = (1)é", ["é"]),
        ("let café = 1", ["café"]),
        ("let x = a && b", ["&&"]),
        ("let x = 'text'", ["'text'"]),
        ("let x = 3x3x3 + 1", ["3x3x3"]),
        ("let x = 1 2 3", ["2"]),
        ("let x =", ["="]),
        ("let x = # nothing", [" "]),
        ("let x =\nlet y = 1 \\ 2", ["\n", "\\"]),
        ("network net{ relu }", ["net{"]),
        ("let x = 1_000_000_000_000_000_000_000", ["1_000_000_000_000_000_000_000"]),
        ('let x = "a\\qb"', ["\\q"]),
        ("block a { relu", ["{"]),
        ('let x = 1 """late"""', ['"""']),
    ],
)
def test_what_is_marked(text, found):
    assert marked(text) == found


def test_mistakes_are_sorted_and_few():
    lines = ["let x = 1 2", "let y = §", "let z = (3"] * LIMITS.errors
    found = mistakes(*lines)
    assert found == sorted(found)
    assert len(found) == LIMITS.errors


def test_parsing_twice_gives_the_same():
    good, bad = Source("a.net", "let x = 1"), Source("b.net", "let x = (1\nlet y = 'a'")
    assert parse(good) == parse(good)
    assert parse(bad) == parse(bad)
    assert parse(good)[1] == ()
