"""One error for each cause of what fails for some sizes of the input."""

from __future__ import annotations

import pytest

from netdsl.check import check_network
from netdsl.network import load_file
from netdsl.proof import prove_network
from netdsl.source import Source


def proved(*lines, given="H, W, 3", default="60, 60, 3"):
    text = "\n  ".join(
        ["network net {", f"input image[{given}] default [{default}]", "start: relu", *lines]
    )
    file, diagnostics = load_file(Source("t.net", f"{text}\n}}\n"))
    assert file is not None and not diagnostics
    return prove_network(file, "net", {})[0].diagnostics


def rounded(label, window):
    return (
        f"from start -> maxpool({window}) -> upsample({window}) -> concat(start)",
        f"{label}: conv(4, 1x1)",
    )


def conditions(diagnostics):
    return [each.message.partition(" only when ")[2].partition(":")[0] for each in diagnostics]


def test_what_differs_in_its_period_are_two_causes():
    found = proved(*rounded("a", "2x2"), *rounded("b", "3x3"))
    assert conditions(found) == ["H and W are even", "H and W are multiples of 3"]
    assert [each.notes for each in found] == [(), ()]


def test_what_needs_most_is_told_and_the_rest_noted():
    found = proved(*rounded("a", "2x2"), *rounded("b", "4x4"), *rounded("c", "4x4"))
    assert conditions(found) == ["H and W are multiples of 4"]
    assert found[0].span.line == 6
    assert found[0].notes == (
        "in line 4, the heights and widths that `concat` joins agree only when H and W are even",
        "the same happens in line 8",
    )


def test_heights_and_widths_that_need_different_sizes_are_told_apart():
    (found,) = proved(*rounded("a", "2x4"))
    assert found.message.startswith("the heights that `concat` joins agree only when H is even: ")
    assert found.notes == ("the widths that `concat` joins agree only when W is a multiple of 4",)
    (found,) = proved(*rounded("a", "1x2"))
    assert found.message.startswith("the widths that `concat` joins agree only when W is even: ")
    assert found.notes == ()


def test_one_size_for_both_axes_is_named_once():
    (found,) = proved(*rounded("a", "2x2"), given="S, S, 3")
    assert "the heights and widths that `concat` joins agree only when S is even: S = " in (
        found.message
    )


def test_a_value_is_shown_where_the_body_makes_it():
    """Not deep inside the block that it comes from."""
    (found,) = check_of(
        "block unit(f) { conv(f, 1x1) -> relu }\n"
        "network net {\n  input image[H, W, 3] default [64, 64, 3]\n  a: unit(4)\n"
        "  maxpool(2x2) -> upsample(2x) -> concat(a)\n}\n"
    )
    assert [label.span.text for label in found.labels] == ["upsample(2x)", "unit(4)"]


def check_of(text):
    file, diagnostics = load_file(Source("t.net", text))
    assert file is not None and not diagnostics
    return check_network(file, "net", {}).diagnostics


@pytest.mark.parametrize(
    ("given", "default", "right"),
    [
        ("H, H, 3", "64, 64, 3", True),
        ("H, H, 3", "64, 32, 3", False),
        ("H, 2 * H, 3", "64, 128, 3", True),
        ("H, 2 * H, 3", "64, 64, 3", False),
        ("H, W, 3", "64, 32, 3", True),
        ("H, W, H", "64, 32, 8", False),
    ],
)
def test_a_size_that_stands_twice_has_one_default(given, default, right):
    text = f"network net {{\n  input image[{given}] default [{default}]\n  relu\n}}\n"
    assert [each.code for each in check_of(text)] == ([] if right else ["input-default"])
