"""Claims that differ, and the conventions under which published figures of other sources hold."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from netdsl.diagnostics import Diagnostic
from netdsl.network import find, load_file, load_network
from netdsl.source import Source

PUBLISHED = json.loads((Path(__file__).parent / "fixtures" / "conventions.json").read_text())


def claimed(text: str, network: str = "net") -> tuple[Diagnostic, ...]:
    file, diagnostics = load_file(Source("t.net", text))
    assert file is not None, diagnostics
    return load_network(file, network, {})[1]


def ways(body: str, claim: str, size: str = "16, 16, 3") -> list[str]:
    """The conventions under which a claim of a small network would hold."""
    found = claimed(
        f'network net {{\n  input image[{size}]\n{body}\n  claim paper "X" {{ {claim} }}\n}}\n'
    )
    return [
        note.removeprefix("it would hold ")
        for each in found
        for note in each.notes
        if note.startswith("it would hold ")
    ]


def shipped_ways(target: str, claim: str) -> list[str]:
    """The same for a shipped network, with the claim in place of its own."""
    found = find(target)
    own = f'\nnetwork asked = {found.network}() {{ claim x "X" {{ {claim} }} }}'
    text = found.source.text + own
    file, diagnostics = load_file(Source(found.source.name, text, found.source.path))
    assert file is not None, diagnostics
    diagnostics = load_network(file, "asked", {})[1]
    assert [each.code for each in diagnostics] == ["claim-differs"]
    return [note.removeprefix("it would hold ") for note in diagnostics[0].notes[1:]]


@pytest.mark.parametrize(
    ("target", "claim", "words"),
    [(each["network"], each["claim"], each["convention"]) for each in PUBLISHED["figures"]],
)
def test_a_published_figure_holds_under_its_own_convention(target: str, claim: str, words: str):
    """Exact figures, so that no other convention explains them; but for one that is the same."""
    assert words in shipped_ways(target, claim)


# A 1×1 convolution of 8 filters with biases (32 params, 24 · 256 MACs), batch norm (16 and 16
# statistics), relu, the mean, and a dense layer of 10 classes (90 params, 80 MACs).
BODY = "conv(8, 1x1) -> bn -> relu -> globalavgpool -> dense(10)"
PARAMS, MACS, IMAGE = 32 + 16 + 90, 24 * 256 + 80, 8 * 256


@pytest.mark.parametrize(
    ("claim", "expected"),
    [
        (f"macs == {2 * MACS}", "if a multiply-add counts as two operations"),
        (f"flops == {MACS}", "if FLOPs are read as multiply-adds"),
        (f"flops == {2 * MACS}", "if FLOPs are twice the multiply-adds and nothing else"),
        (f"params == {PARAMS + 16}", "if batch norm's running statistics are counted"),
        (f"params == {PARAMS + 17}", "if all of a PyTorch state_dict is counted"),
        (f"params == {PARAMS - 16}", "if the scales and shifts of normalisation are left out"),
        (f"params == {PARAMS - 18}", "if biases are left out"),
        (f"params == {PARAMS - 90}", "if the classifier, the last layer with weights"),
        (f"params == {PARAMS - 90}", "if the dense layers are left out"),
        (f"params == {PARAMS - 90 + 900}", "with 100 classes"),
        (f"params == {PARAMS - 8}", "with no bias in any convolution"),
        (f"trainable_params == {PARAMS - 8}", "with no bias in any convolution"),
        (f"macs == {MACS + IMAGE + 10}", "if additions of biases are counted"),
        (f"macs == {MACS + 2 * IMAGE}", "if normalisation (2 for each value, 5 in layer norm) is"),
        (f"macs == {MACS + 3 * IMAGE}", "if normalisation (2 for each value, 5 in layer norm) and"),
        (f"macs == {MACS + 3 * IMAGE}", "if each value of a normalisation, activation or pooling"),
        (f"macs == {24 * 1024 + 80}", "with an image of 32×32"),
        ("depth == 1", "if the classifier, the last layer with weights"),
        ("output bn == [8, 16, 16]", "if shapes are written channels first"),
        ("output bn == [32, 32, 8]", "with an image of 32×32"),
    ],
)
def test_each_convention_by_hand(claim: str, expected: str):
    found = ways(BODY, claim)
    assert any(each.startswith(expected) for each in found), found


@pytest.mark.parametrize(
    ("body", "claim", "expected"),
    [
        ("conv(8, 3x3)", "output conv == [16, 16, 8]", "with `pad = same` everywhere"),
        ("conv(8, 3x3, pad = 1)", "output conv == [14, 14, 8]", "with no padding anywhere"),
        ("conv(8, 3x3, bias = false)", "params == 224", "with a bias in every convolution"),
        ("maxpool(3x3, stride = 2)", "output maxpool == [8, 8, 3]", "if pools round sizes up"),
        (
            "maxpool(3x3, stride = 2, ceil = true)",
            "output maxpool == [7, 7, 3]",
            "if pools round sizes down",
        ),
        (
            "relu\naux(weight = 0.3) { conv(2, 1x1) }\nconv(2, 1x1)",
            "params == 16",
            "if the side branches are counted",
        ),
        (
            "concat { | conv(2, 1x1) | conv(2, 1x1) } -> relu",
            "depth == 2",
            "if all layers with a kernel are counted, side by side or not",
        ),
    ],
)
def test_each_other_way_of_building_by_hand(body: str, claim: str, expected: str):
    assert expected in ways(body, claim)


def test_a_figure_that_is_only_rounded_says_how_far():
    assert ways(BODY, "macs == 6.2K") == ["if rounded as stated: `within 0.4%`"]
    assert ways(BODY, "macs == 6.2K within 0.4%") == []
    assert ways(BODY, "macs == 6200 within 0.4%") == []


def test_a_rounded_figure_under_another_convention():
    twice = "if a multiply-add counts as two operations, rounded as stated"
    assert twice in ways(BODY, "macs == 12.4K")
    assert twice not in ways(BODY, "macs == 12.5K")
    # Written in full it is meant in full.
    assert "if a multiply-add counts as two operations" not in ways(BODY, "macs == 12400")


def test_a_number_that_no_convention_gives_gets_the_place_of_most_of_it():
    body = 'conv(8, 3x3)\n  claim x "X" { macs == 77777 }'
    (found,) = claimed(f"network net {{\n  input image[8, 8, 3]\n  {body}\n}}")
    assert [label.text for label in found.labels] == ["all of the 7,776: this layer"]
    assert found.label == "7,776 is 70,001 below 77,777"


def test_small_figures_are_not_explained_by_two_conventions_at_once():
    """Every small number is that of some pair."""
    assert ways("conv(8, 3x3, bias = false)", "params == 215") == []
    twice = ways("conv(8, 3x3)", f"macs == {2 * 27 * 8 * 62 * 62}", "16, 16, 3")
    assert twice == ["with an image of 64×64, and if a multiply-add counts as two operations"]


def test_explaining_a_claim_is_no_part_of_the_programs_fuel():
    body = "relu\n" + '  claim paper "X" { params == 3 }\n' * 400
    found = claimed(f"network net {{\n  input image[16, 16, 3]\n{body}}}\n")
    assert {each.code for each in found} == {"claim-differs"} and len(found) == 400


def test_a_claim_of_nothing():
    """No share of 0 is a tolerance, so that none is offered."""
    assert ways("conv(2, 1x1)", "params == 0K") == []


SIDE = """  conv(8, 3x3, 2) -> bn -> relu
  aux(weight = 0.3) { conv(400, 1x1) -> globalavgpool -> dense(100) }
  conv(64, 3x3) -> bn -> globalavgpool -> dense(100)"""
# By hand, with the biases of convolutions: 224 + 16, 4,672 + 128, 6,500.
_MAIN = 224 + 16 + 4_672 + 128 + 6_500
_BRANCH = 8 * 400 + 400 + 400 * 100 + 100
_RUNNING = 16 + 128


@pytest.mark.parametrize(
    ("params", "way"),
    [
        (
            _MAIN + _BRANCH + _RUNNING,
            "if the side branches are counted, and if batch norm's running statistics are counted",
        ),
        (
            _MAIN - 6_500 + 65 * 1000 + _RUNNING,
            "with 1,000 classes, and if batch norm's running statistics are counted",
        ),
        (
            _MAIN + _RUNNING + 2 - 8 - 64 - 100,
            "if all of a PyTorch state_dict is counted, running statistics and step counters too, "
            "and if biases are left out",
        ),
        (
            _MAIN - 6_500 + 65 * 200 - 8 - 64 - 200,
            "with 200 classes, and if biases are left out",
        ),
    ],
)
def test_two_ways_of_counting_together(params: int, way: str):
    assert way in ways(SIDE, f"params == {params}")
