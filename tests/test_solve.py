"""What-if answers against costs of the networks at and around them."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netdsl.answers import answer_text
from netdsl.formulas import NoFormula, open_network
from netdsl.main import run
from netdsl.network import load_file, load_network, setting_of
from netdsl.question import MEASURES, NoAnswer, WrongQuestion, read_bound, read_step
from netdsl.search import Bound, Line, Refused, Search
from netdsl.size_sets import SizeSet
from netdsl.solve import solve
from netdsl.source import Source

LADDER = """
network ladder(width = 1.0, filters = 8, pixels = 32, note = "none", rate = 0.5) {
  input image[pixels, pixels, 3]
  conv(round_to(filters * width, 4), 3x3, stride = 2, pad = same) -> relu -> dropout(rate)
  globalavgpool -> dense(10)
}
network open(filters = 8) {
  input image[H, W, 3] default [32, 32, 3]
  conv(filters, 3x3, stride = 2, pad = 1) -> conv(filters, 3x3, stride = 2, pad = 1)
}
network wide {
  input image[H, W, 3] default [32, 64, 3]
  conv(8, 3x3, pad = 1)
}
network sixteens {
  input image[H, W, 3] default [32, 32, 3] where H % 16 == 0 and W % 16 == 0
  conv(8, 3x3, pad = 1)
}
network at_least_ten {
  input image[H, W, 3] default [32, 32, 3] where H > 9
  conv(8, 3x3, pad = 1)
}
network tied {
  input image[H, W, 3] where H % 4 == 0 and W == 2 * H
  conv(8, 3x3, pad = 1)
}
network square {
  input image[H, W, 3] where W == H
  conv(8, 3x3, pad = 1)
}
network asserted {
  input image[H, W, 3] default [8, 8, 3]
  conv(8, 3x3, pad = 1)
  assert activation_bytes <= 8000
}
network valid {
  input image[H, W, 3] default [32, 32, 3]
  conv(8, 7x7) -> conv(8, 7x7)
}
network strided(step = 4) {
  input image[64, 64, 3]
  conv(8, 3x3, stride = step, pad = 1)
}
network budgeted(width = 24) {
  input image[64, 64, 3]
  conv(width, 3x3, stride = 2, pad = 1) -> relu
  conv(2 * width, 5x5, pad = 2) -> relu
  globalavgpool -> dense(10)
  assert macs <= 20M
}
network budgeted_size {
  input image[H, W, 3] default [96, 96, 3]
  conv(16, 3x3, pad = 1)
  conv(16, 3x3, pad = 1)
  assert macs <= 20M
}
network grouped(filters = 32) {
  input image[32, 32, 8]
  conv(filters, 3x3, groups = 8, pad = 1)
}
network divided(groups = 3) {
  input image[8, 8, 12]
  conv(24, 3x3, pad = 1, groups = groups)
}
network wavy(k = 4) {
  input image[32, 32, 3]
  conv(40 if k == 6 else 4 * k, 1x1)
}
network template(filters) {
  input image[32, 32, 3]
  conv(filters, 1x1)
}
"""

FILE, _ = load_file(Source("ladder.net", LADDER))
assert FILE is not None


def answer(network, bound, *names, step=None, **settings):
    given = {name: setting_of(name, value) for name, value in settings.items()}
    return solve(
        FILE,
        network,
        given,
        read_bound(bound, FILE),
        names,
        step=None if step is None else read_step(step),
    )


def measured(network, measure, **values):
    """The measure of a network, costed by itself; None where it has errors."""
    given = {name: setting_of(name, value) for name, value in values.items()}
    found, _ = load_network(FILE, network, given)
    return None if found is None else MEASURES[measure](found.report)


@pytest.mark.parametrize("operator", ["<=", "<", ">=", ">"])
@pytest.mark.parametrize("measure", ["macs", "flops", "activation_bytes", "peak_inference_bytes"])
def test_the_extreme_size_by_trying_each(operator, measure):
    """The limit is met exactly at 40 pixels, so that < and <= differ."""
    limit = measured("open", measure, H=40, W=40)
    bound = Bound(measure, operator, limit, "")
    meeting = [
        size for size in range(1, 60) if bound.holds(measured("open", measure, H=size, W=size))
    ]
    expected = meeting[-1] if operator.startswith("<") else meeting[0]
    found = answer("open", f"{measure} {operator} {limit}", "H")
    assert found.best.values == {"H": expected, "W": expected}
    assert found.largest == operator.startswith("<")
    assert found.beyond.values["H"] == expected + (1 if found.largest else -1)
    assert found.by_formula == (measure != "peak_inference_bytes")
    assert found.proven == found.by_formula


def test_the_other_side_follows_unless_it_is_set():
    assert set(answer("open", "macs <= 1M", "H").best.values) == {"H", "W"}
    assert "W is kept equal to H" in answer("open", "macs <= 1M", "H").notes[0]
    alone = answer("open", "macs <= 100K", "H", W=64).best.values
    assert set(alone) == {"H"}
    assert measured("open", "macs", W=64, **alone) <= 100_000
    assert measured("open", "macs", W=64, H=alone["H"] + 1) > 100_000


def test_sides_that_differ_by_default_stay_apart_or_in_proportion():
    assert answer("wide", "macs <= 1M", "H").best.values == {"H": 72}  # 216 · 64 · 72 = 995,328
    both = answer("wide", "macs <= 1M", "H", "W").best.values
    assert both == {"H": 48, "W": 96}  # 216 · 48 · 96 = 995,328


def test_sizes_keep_to_known_multiples():
    found = answer("sixteens", "macs <= 1M", "H")
    assert found.best.values == {"H": 64, "W": 64} and found.beyond.values == {"H": 80, "W": 80}
    assert any("multiple of 16" in note for note in found.notes)


def test_a_size_that_the_input_gives_by_another_follows_it():
    found = answer("tied", "macs <= 1M", "H")
    assert found.best.values == {"H": 48, "W": 96}  # 216 · 48 · 96 = 995,328
    assert found.beyond.values == {"H": 52, "W": 104} and found.proven
    for names in (("H",), ("W",), ("W", "H")):
        assert answer("square", "macs <= 1M", *names).best.values == {"H": 68, "W": 68}
    assert "network" not in str(open_network(FILE, "tied", {}).at_default())
    assert open_network(FILE, "tied", {}).with_tied({"H": 8}) == {"H": 8, "W": 16}


def test_a_condition_that_is_no_multiple_is_kept():
    found = answer("at_least_ten", "macs >= 1000", "H", W=32)
    assert found.best.values == {"H": 10}
    assert isinstance(found.beyond.outcome, Refused) and found.by_formula


CHANNELS = "network net {\n  input image[H, W, C] default [40, 48, 4]\n  conv(4, 3x3)\n}\n"
LAYERS = "conv(8, 3x3, 2, pad = 1) -> conv(8, 3x3, pad = 1) -> globalavgpool -> dense(10)"


def sized(default, where, layers=LAYERS):
    file, diagnostics = load_file(
        Source(
            "t.net",
            f"network net {{\n  input image[H, W, 3] default [{default}, 3] where {where}\n"
            f"  {layers}\n}}\n",
        )
    )
    assert file is not None, diagnostics
    return file


def costs(file, sizes, measure="macs"):
    """What a network costs at each of some sizes, by costing it; without those it refuses."""
    found = {}
    for key, values in sizes.items():
        settings = {name: setting_of(name, value) for name, value in values.items()}
        network, _ = load_network(file, "net", settings)
        if network is not None:
            found[key] = MEASURES[measure](network.report)
    return found


@pytest.mark.parametrize("measure", ["macs", "peak_inference_bytes"])
@pytest.mark.parametrize(
    ("default", "where", "layers"),
    [
        ("65, 65", "H % 2 == 1", LAYERS),
        ("63, 63", "H % 5 == 3", LAYERS),
        ("64, 64", "H in [32, 64, 96, 128] and W >= 32", LAYERS),
        ("64, 64", "H % 8 in [0, 7] and W >= 32", LAYERS),
        ("48, 48", "H % 6 == 0 and W % 4 == 0", LAYERS),
        ("64, 64", "H >= 1", LAYERS + "\n  assert H % 16 == 0"),
        ("64, 64", "H % 3 != 0 and H > 20", LAYERS + "\n  assert W % 2 == 0"),
        ("33, 33", "H % 32 == 1 or H == 80", LAYERS),
    ],
)
def test_sizes_that_are_no_multiples_against_each_of_them(default, where, layers, measure):
    file = sized(default, where, layers)
    known = costs(file, {n: {"H": n, "W": n} for n in range(1, 140)}, measure)
    line = sorted(known)
    for at in range(len(line) - 1):
        low, high = line[at], line[at + 1]
        if at % max(len(line) // 4, 1) or known[low] == known[high]:
            continue
        for operator, best, beyond in (("<=", low, high), ("<", low, high), (">", high, low)):
            limit = known[low] + (operator == "<")
            bound = read_bound(f"{measure} {operator} {limit}", file)
            found = solve(file, "net", {}, bound, ("H",))
            assert found.best == ({"H": best, "W": best}, known[best])
            assert found.beyond == ({"H": beyond, "W": beyond}, known[beyond])
            assert "W is kept equal to H" in found.notes[0]
    assert found.by_formula == (measure == "macs")


def test_the_ends_of_a_list_of_sizes():
    file = sized("64, 64", "H in [32, 64, 96]")
    for bound, best, beyond in (("macs <= 1G", 96, 97), ("macs >= 1", 32, 31)):
        found = solve(file, "net", {}, read_bound(bound, file), ("H",))
        assert found.best.values == {"H": best, "W": best}
        assert found.beyond.values == {"H": beyond, "W": beyond}
        assert isinstance(found.beyond.outcome, Refused)
        assert "only sizes with `H in [32, 64, 96]` were tried" in found.notes
        assert not any("--step" in note for note in found.notes)


def test_a_long_condition_is_not_shown():
    file = sized("65, 64", "H % 1000 != 3 and H % 7 != 1")
    found = solve(file, "net", {}, read_bound("macs <= 1M", file), ("H",))
    assert "only sizes that the program allows were tried" in found.notes


@pytest.mark.parametrize(("step", "sizes"), [(4, range(1, 200, 4)), (3, range(3, 200, 6))])
def test_a_step_meets_the_sizes_that_are_allowed(step, sizes):
    """Odd sizes are no multiples of 4, so these are counted from the size by default."""
    file = sized("65, 64", "H % 2 == 1")
    known = costs(file, {n: {"H": n} for n in sizes})
    bound = read_bound("macs <= 1M", file)
    found = solve(file, "net", {}, bound, ("H",), step=read_step(str(step)))
    best = max(n for n, macs in known.items() if macs <= 1_000_000)
    assert found.best == ({"H": best}, known[best])
    assert found.beyond.values == {"H": min(n for n in known if n > best)}


def test_sides_that_can_not_be_equal_are_near():
    odd = "conv(8, 1x1)\n  assert H % 4 == 0\n  assert W % 2 == 1"
    file = sized("60, 60", "H >= 1", odd)
    found = solve(file, "net", {}, read_bound("macs <= 100K", file), ("H",))
    assert found.best.values == {"H": 64, "W": 63}  # 24 · 64 · 63 = 96,768
    assert found.beyond.values == {"H": 68, "W": 67}
    assert "W is kept as near as it can be to H" in found.notes[0]
    file = sized("64, 65", "H % 6 == 0 and W % 4 == 1", "conv(8, 1x1)")
    found = solve(file, "net", {"H": setting_of("H", 60)}, read_bound("macs <= 99K", file), ("W",))
    assert found.best.values == {"W": 65}  # 24 · 60 · 65 = 93,600
    both = solve(file, "net", {}, read_bound("macs <= 100K", file), ("H", "W")).best.values
    assert both == {"H": 60, "W": 57}  # 57 is the last up to 60 · 65 / 64


def test_a_present_size_that_is_not_allowed_is_told():
    file = sized("60, 60", "H >= 1", "conv(8, 1x1)\n  assert H % 16 == 0")
    found = solve(file, "net", {}, read_bound("macs <= 100K", file), ("H",))
    assert found.best.values == {"H": 64, "W": 64}
    assert any("refuses H = 60, W = 60, so the search began at H = 64" in x for x in found.notes)


@pytest.mark.parametrize("layers", ["conv(4, 3x3)", "conv(1, 1x1)"])
@pytest.mark.parametrize("limit", [60_000, 200_000, 500_000])
@pytest.mark.parametrize("condition", ["H == W", "in.height == 64 or in.height == 77"])
def test_one_size_where_the_program_takes_another_way(layers, limit, condition):
    """It is the present one, and costs more or less than its neighbours."""
    file = sized("64, 64", "H >= 1", f"if {condition} {{ {layers} }} else {{ conv(4, 1x1) }}")
    given = {"W": setting_of("W", 64)}
    found = solve(file, "net", given, read_bound(f"macs <= {limit}", file), ("H",))
    known = costs(file, {n: {"H": n, "W": 64} for n in range(1, 700)})
    best, beyond = found.best.values["H"], found.beyond.values["H"]
    assert beyond == best + 1 and known[best] <= limit < known[beyond]
    regular = [n for n, macs in known.items() if macs <= limit and n not in (64, 77)]
    assert best in (regular[-1], 64, 77)


def test_channels_are_one_more_size():
    file, _ = load_file(Source("t.net", CHANNELS))
    for name, others in (("H", {"W": 48}), ("C", {})):
        known = costs(file, {n: {name: n, **others} for n in range(1, 90)})
        best = max(n for n, macs in known.items() if macs <= 500_000)
        found = solve(file, "net", {}, read_bound("macs <= 500K", file), (name,))
        assert found.best == ({name: best}, known[best]) and found.by_formula
    text = CHANNELS.replace("40, 48, 4", "4, 8, 4")
    file, _ = load_file(Source("t.net", text))
    found = solve(file, "net", {}, read_bound("macs <= 500K", file), ("H",))
    assert set(found.best.values) == {"H"}  # Channels are no side that would be kept equal.


@given(
    st.integers(1, 40),
    st.integers(1, 12),
    st.sets(st.integers(0, 11)),
    st.sets(st.integers(1, 39)),
    st.integers(1, 5),
)
def test_a_line_has_the_numbers_of_its_set(start, period, remainders, below, stride):
    numbers = SizeSet(
        start,
        period,
        frozenset(each % period for each in remainders),
        frozenset(each for each in below if each < start),
    )
    held = [number for number in range(1, 100) if number in numbers]
    if not held:
        return
    line = Line(numbers, stride)
    assert [line.number(index) for index in range(len(held))] == held
    for index in range(-9, len(held) + 9):
        assert line.last_until(line.number(index)) == index
        assert line.number(index) < line.number(index + 1)
    for number in range(1, 80):
        index = line.last_until(number)
        assert line.number(index) <= number < line.number(index + 1)
        nearest = line.number(line.nearest(number))
        assert nearest in numbers
        assert abs(nearest - number) == min(abs(each - number) for each in held)


def test_an_assertion_that_formulas_know_nothing_of_is_kept():
    """The formula's own answer, 15, is refused, so sizes are tried one by one."""
    found = answer("asserted", "macs <= 50K", "H", W=15)
    assert found.best.values == {"H": 12} and not found.by_formula
    assert "is false" in found.beyond.outcome.reason


def test_sizes_where_the_program_takes_another_way_are_costed():
    """Even heights have a pool, and so far less to do than odd ones, which the formula is for."""
    text = (
        "network net {\n  input image[H, W, 3] default [72, 72, 3]\n"
        "  if in.height % 2 == 0 { maxpool(2x2) -> conv(8, 3x3) } else { conv(9, 9x9) }\n}\n"
    )
    file, _ = load_file(Source("t.net", text))
    answer = solve(file, "net", {}, read_bound("macs <= 1M", file), ("H",))
    assert answer.best.outcome <= 1_000_000 < answer.beyond.outcome
    assert not answer.proven


def test_a_size_is_never_too_small_for_the_layers():
    """(H - 6) (W - 6) would be positive again for the smallest images."""
    found = answer("valid", "macs >= 1", "H")
    assert found.best.values == {"H": 13, "W": 13}
    assert isinstance(found.beyond.outcome, Refused)


def test_a_fraction_to_three_decimals():
    found = answer("ladder", "params <= 500", "width")
    width = found.best.values["width"]
    assert width == round(width, 3)
    assert found.beyond.values["width"] == round(width + 0.001, 3)
    assert measured("ladder", "params", width=width) <= 500
    assert measured("ladder", "params", width=round(width + 0.001, 3)) > 500


def test_the_step_is_chosen():
    found = answer("ladder", "params <= 500", "width", step="0.25")
    assert found.best.values["width"] % 0.25 == 0
    assert found.beyond.values["width"] - found.best.values["width"] == 0.25
    sized = answer("open", "macs <= 1M", "H", step="32")
    assert sized.best.values["H"] % 32 == 0


def test_whole_numbers_by_trying_each():
    expected = max(n for n in range(1, 100) if measured("ladder", "params", filters=n) <= 1000)
    assert answer("ladder", "params <= 1000", "filters").best.values == {"filters": expected}


def test_a_parameter_that_is_the_input_has_a_formula():
    found = answer("ladder", "macs <= 100K", "pixels")
    assert found.by_formula and found.proven
    size = found.best.values["pixels"]
    assert measured("ladder", "macs", pixels=size) <= 100_000
    assert measured("ladder", "macs", pixels=size + 1) > 100_000


def test_a_measure_that_falls_has_a_smallest_answer():
    found = answer("strided", "macs <= 20K", "step")
    costs = {step: measured("strided", "macs", step=step) for step in range(1, 40)}
    expected = min(step for step, macs in costs.items() if macs <= 20_000)
    assert found.best.values == {"step": expected} and not found.largest
    assert found.beyond.values == {"step": expected - 1}


def test_numbers_that_the_network_refuses_are_passed_over():
    found = answer("grouped", "macs <= 1M", "filters")
    assert found.best.values == {"filters": 104}  # 9 · 104 · 1024 = 958,464
    assert found.beyond.values == {"filters": 112}
    assert "steps of 8" in found.notes[0]


def test_values_with_gaps_between_them_are_all_tried():
    """The divisors of 12, counted down to and up from the present one."""
    expected = {n: measured("divided", "params", groups=n) for n in range(1, 14)}
    assert [n for n, params in expected.items() if params is not None] == [1, 2, 3, 4, 6, 12]
    for groups in (1, 3, 12):
        for n, next_one in ((4, 3), (6, 4), (12, 6)):
            found = answer("divided", f"params <= {expected[n]}", "groups", groups=groups)
            assert found.best.values == {"groups": n}
            assert found.beyond.values == {"groups": next_one}
    shown = answer_text("divided", answer("divided", f"params <= {expected[6]}", "groups"))
    assert "the network works with some values of groups only, such as 1, 2, 3, 4, 6, 12" in shown
    with pytest.raises(NoAnswer, match="no `groups` that was tried"):
        answer("divided", f"params < {expected[12]}", "groups")


def test_a_present_value_that_is_refused_among_gaps_is_no_place_to_begin():
    with pytest.raises(NoAnswer, match="no `groups`"):
        answer("divided", "params <= 100", "groups", groups=5)
    found = answer("divided", "params <= 1000", "groups", groups=8)
    assert found.best.outcome <= 1000


def test_a_next_value_that_is_refused_has_its_reason_last():
    body = "  input image[9, 9, 3]\n  depthwise(3x3, multiplier = times)\n"
    text = f"network net(times = 2) {{\n{body}}}\n"
    file, _ = load_file(Source("t.net", text))
    shown = answer_text("net", solve(file, "net", {}, read_bound("params > 1", file), ("times",)))
    first, second = shown.splitlines()[2:4]
    assert first == "  times = 1  params 30   meets it"
    assert second.startswith("  times = 0  no network  `multiplier` of `depthwise` must be")


def test_a_measure_that_turns_back_is_told():
    found = answer("wavy", "macs <= 62K", "k")
    assert found.best.values == {"k": 5}  # 4 · 5 · 3 · 1024 = 61,440
    assert not found.steady
    assert "does not go one way" in found.notes[-1]


def test_a_template_is_tried_from_one():
    found = answer("template", "macs <= 100K", "filters")
    assert found.best.values == {"filters": 32}  # 32 · 3 · 1024 = 98,304


def test_a_value_that_an_assertion_refuses_is_no_place_to_begin():
    """24 and all above fail the assertion, which is why one asks for less."""
    found = answer("budgeted", "params <= 4000", "width")
    assert (found.best.values, found.beyond.values) == ({"width": 8}, {"width": 9})
    assert found.notes == (
        "the network refuses width = 24, so the search began at width = 19: `macs <= 20M` is false",
    )
    assert answer("budgeted", "params <= 4000", "width", width=10).notes == ()
    found = answer("budgeted_size", "macs <= 1M", "H")
    expected = max(
        size
        for size in range(1, 90)
        if (measured("budgeted_size", "macs", H=size, W=size) or 2**40) <= 1e6
    )
    assert found.best.values == {"H": expected, "W": expected}
    assert any("refuses H = 96, W = 96" in note for note in found.notes)
    found = answer("grouped", "params <= 1000", "filters", filters=97)
    assert found.best.values == {"filters": 96} and "began at filters = 96" in found.notes[0]


def test_a_setting_is_where_the_search_begins():
    assert answer("ladder", "params <= 1000", "filters", filters=90).best.values == (
        answer("ladder", "params <= 1000", "filters").best.values
    )


@pytest.mark.parametrize(
    ("network", "bound", "name", "message"),
    [
        ("ladder", "macs <= 1M", "rate", "`rate` has no influence on macs"),
        ("open", "params <= 1M", "H", "`H` has no influence on params"),
        ("open", "macs <= 1", "H", "no `H` that was tried, from 1 to"),
        ("open", "macs >= 1", "H", "every `H` that was tried, from 1 to"),
    ],
)
def test_no_answer(network, bound, name, message):
    with pytest.raises(NoAnswer, match=message):
        answer(network, bound, name)


@pytest.mark.parametrize(
    ("network", "bound", "names", "message"),
    [
        ("ladder", "mac <= 1M", ("width",), "`mac` is no measure; did you mean `macs`"),
        ("ladder", "macs == 1M", ("width",), "is no bound"),
        ("ladder", "macs", ("width",), "is no bound"),
        ("ladder", "1M >= macs", ("width",), "is no bound"),
        ("ladder", "macs <= ", ("width",), "is no bound: .*; write it like `macs <= 2G`"),
        ("ladder", "macs <= 1M\nlet x = 1", ("width",), "is no bound"),
        ("ladder", 'macs <= "2G"', ("width",), "does not compare with a number"),
        ("ladder", "macs <= true", ("width",), "does not compare with a number"),
        ("ladder", "macs <= nothing", ("width",), "nothing"),
        ("ladder", "macs <= 1M", ("widht",), "no parameter or input size `widht`; did you mean"),
        ("ladder", "macs <= 1M", ("note",), "`note` of `ladder` is no number"),
        ("ladder", "macs <= 1M", ("width", "filters"), "`width` is no size of the input"),
        ("tied", "macs <= 1M", ("W",), "`W` is 2 H, as the input demands; ask for `H`"),
    ],
)
def test_questions_that_make_no_sense(network, bound, names, message):
    with pytest.raises(WrongQuestion, match=message):
        answer(network, bound, *names)


def test_a_size_that_is_set_can_not_be_solved_for():
    with pytest.raises(WrongQuestion, match="`H` is set"):
        answer("open", "macs <= 1M", "H", H=3)


@pytest.mark.parametrize("text", ["0", "-1", "a", "1e3", "", ".", "0.000", "²", "1.2.3"])
def test_bad_steps(text):
    with pytest.raises(WrongQuestion, match="a step is a decimal number above 0"):
        read_step(text)


def test_the_step_of_a_size_is_whole():
    with pytest.raises(WrongQuestion, match="whole number"):
        answer("open", "macs <= 1M", "H", step="0.5")


def test_a_bound_may_use_the_file_s_arithmetic():
    assert read_bound("macs <= 2 * 3M", FILE).limit == 6_000_000


@given(
    st.lists(st.integers(0, 3), min_size=2, max_size=60),
    st.booleans(),
    st.sampled_from(["<=", "<", ">=", ">"]),
    st.data(),
)
def test_search_finds_the_crossing_of_any_steady_line(steps, rising, operator, data):
    line = [sum(steps[: i + 1]) for i in range(len(steps))]
    if not rising:
        line.reverse()
    start = data.draw(st.integers(0, len(line) - 1))
    bound = Bound("macs", operator, data.draw(st.integers(0, max(line) + 1)), "")
    search = Search(line.__getitem__, bound, start, 0, len(line) - 1, 0)
    held = [bound.holds(value) for value in line]
    if all(held) or not any(held):
        assert search.inside == search.outside
    else:
        assert abs(search.inside - search.outside) == 1
        assert held[search.inside] and not held[search.outside]


def test_search_goes_on_where_the_bound_is_met_again():
    """Met up to 20, not from 21 to 29, and again from 30 to 40: the answer is 40."""
    line = [10 if index <= 20 or 30 <= index <= 40 else 99 for index in range(100)]
    search = Search(line.__getitem__, Bound("macs", "<=", 10, ""), 5, 0, 99, 50)
    assert (search.inside, search.outside) == (40, 41)
    assert search.backward_pair() is not None


def test_search_looks_at_all_values_before_a_refusal():
    """Down from 20 in doubling steps, 4 is refused, and 5 to 8 meet the bound."""
    line = [Refused("too small")] * 5 + list(range(5, 30))
    search = Search(line.__getitem__, Bound("macs", "<=", 8, ""), 20, 0, 29, 0)
    assert (search.inside, search.outside) == (8, 9)


def test_shipped_networks(capsys):
    assert run(["cost", "resnet50", "--solve", "macs <= 2G", "--for", "H"]) == 0
    text = capsys.readouterr().out
    assert "H = 160, W = 160 is the largest with macs <= 2G" in text
    assert "1,969,356,800" in text and "2,350,832,832" in text
    command = ["cost", "efficientnet", "--solve", "macs <= 1G", "--for", "phi"]
    assert run([*command, "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["answer"] == {"values": {"phi": 1}, "measure": 992_629_472, "refused": None}
    assert found["beyond"]["values"] == {"phi": 2} and found["method"] == "elaboration"


def test_the_command_shows_formulas(capsys):
    assert run(["cost", "resnet50", "--symbolic"]) == 0
    text = capsys.readouterr().out
    assert "9,408 ceil(H/2) ceil(W/2)\n" in text
    assert "= 3,857,973,248 (3.86 G) at H = 224, W = 224" in text
    assert run(["cost", "resnet50", "--symbolic", "--compact", "--layers"]) == 0
    assert "layer4.0: bottleneck, ceil(H/32)×ceil(W/32)×2048" in capsys.readouterr().out
    assert run(["cost", "resnet50", "--symbolic", "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["defaults"] == {"H": 224, "W": 224}


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (["--solve", "macs <= 1G"], 2),
        (["--for", "H"], 2),
        (["--step", "2"], 2),
        (["--compact"], 2),
        (["--symbolic", "--solve", "macs <= 1G", "--for", "H"], 2),
        (["--solve", "macs <= 1G", "--for", ""], 2),
        (["--solve", "macs <= 1G", "--for", "depths"], 2),
        (["--solve", "params <= 1", "--for", "H"], 1),
        (["--symbolic", "--set", "nothing=1"], 1),
    ],
)
def test_exit_codes(options, code, capsys):
    assert run(["cost", "resnet50", *options]) == code
    assert "error" in capsys.readouterr().err.lower()


def test_a_network_of_a_fixed_size_has_no_formula():
    with pytest.raises(NoFormula, match="always 64×64×3"):
        open_network(FILE, "strided", {})


DOCUMENTED = re.findall(
    r"^\$ netdsl (cost .*)\n((?:(?!\$ |```).*\n)*)",
    (Path(__file__).parent.parent / "docs" / "cost.md").read_text("utf-8"),
    re.MULTILINE,
)


@pytest.mark.parametrize(("command", "shown"), DOCUMENTED, ids=[each[0] for each in DOCUMENTED])
def test_the_documentation_shows_what_comes_out(command, shown, capsys):
    assert run(shlex.split(command)) == 0
    text = capsys.readouterr().out
    expected, left_out, _ = shown.partition("…\n")
    assert text.startswith(expected) if left_out else text == expected
