"""Failing budgets: what dominates, and the smallest change, against every value tried by hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from netdsl.advice import advise
from netdsl.budgets import Gap, Work
from netdsl.cost import CostReport
from netdsl.diagnostics import Diagnostic
from netdsl.elaborate import elaborate
from netdsl.main import run
from netdsl.network import load_file, load_network, read_settings, setting_of
from netdsl.source import Source

WORK = 10**6, 1e9


def failures(text: str, network: str = "net", **settings: str) -> tuple[Diagnostic, ...]:
    """What is wrong with a network, with advice that has all the time it needs."""
    file, diagnostics = load_file(Source("t.net", text))
    assert file is not None, diagnostics
    given, found = read_settings(settings, file)
    assert not found
    return load_network(file, network, given, work=Work(*WORK))[1]


def net(body: str, parameters: str = "", size: str = "16, 16, 3") -> str:
    return f"network net({parameters}) {{\n  input image[{size}]\n{body}\n}}\n"


def network_report(text: str) -> CostReport:
    file, _ = load_file(Source("t.net", text))
    assert file is not None
    network, diagnostics = load_network(file, "net", {})
    assert network is not None, diagnostics
    return network.report


def failure(text: str, network: str = "net", **settings: str) -> Diagnostic:
    (found,) = failures(text, network, **settings)
    assert found.code == "assertion-failed"
    return found


def dominating(text: str) -> tuple[str, str]:
    (label,) = failure(text).labels
    return label.span.text, label.text


# ---------------------------------------------------------------- what dominates


def test_a_layer_that_is_written_once_and_made_often():
    """12 convolutions of 8·8·9 weights and a bias each; 3·8·9 + 8 in the first."""
    body = "conv(8, 3x3, pad = 1)\nrepeat 12 { conv(8, 3x3, pad = 1) }\nassert params < 1"
    total, repeated = 12 * (8 * 8 * 9 + 8) + 3 * 8 * 9 + 8, 12 * (8 * 8 * 9 + 8)
    share = f"{100 * repeated / total:.0f} % of the {total:,}: this layer, 12 times"
    assert dominating(net(body)) == ("conv(8, 3x3, pad = 1)", share)


def test_a_block_none_of_whose_layers_has_half():
    """Each 1×1 convolution has a third of it, so that the call of the block is the answer."""
    block = "block unit { a: conv(9, 1x1) -> conv(9, 1x1) -> conv(9, 1x1) }\n"
    body = "conv(9, 1x1)\nrepeat 5 { unit }\nassert macs < 1"
    text, said = dominating(block + net(body, size="16, 16, 9"))
    assert text == "a: conv(9, 1x1) -> conv(9, 1x1) -> conv(9, 1x1)"
    assert said == "94 % of the 332 K: this group, 5 times"
    plain = block.replace("a: ", "").replace("conv(9, 1x1) ->", "conv(9, 1x1) -> relu ->")
    assert dominating(plain + net(body, size="16, 16, 9")) == (
        "unit",
        "94 % of the 332 K: this block, 5 times",
    )


def test_what_is_underlined_is_counted_wherever_it_was_made():
    """Two calls beside three in a loop, of one layer; and one of a block that is called in both."""
    block = "block unit(f) { conv(f, 3x3, pad = 1, bias = false) }\n"
    body = "unit(8) -> unit(8)\nrepeat 3 { unit(8) }\nassert params < 1"
    layer, said = dominating(block + net(body, size="16, 16, 8"))
    assert (layer, said) == (
        "conv(f, 3x3, pad = 1, bias = false)",
        "all of the 2,880: this layer, 5 times",
    )
    block = "block pair { conv(8, 1x1) -> conv(8, 1x1) }\nblock unit { relu\n pair }\n"
    body = "conv(8, 1x1)\nunit -> unit\nrepeat 3 { unit }\nassert macs < 1"
    assert dominating(block + net(body, size="1, 1, 8")) == (
        "pair",
        "91 % of the 704: this block, 5 times",
    )


def test_where_no_part_has_half_the_largest_layer_is_shown():
    body = "conv(4, 1x1) -> conv(4, 1x1, bias = false) -> conv(3, 1x1)\nassert params < 1"
    assert dominating(net(body)) == ("conv(4, 1x1)", "34 % of the 47: this layer")


def test_side_branches_are_no_part_of_a_budget_nor_dominate_it():
    body = "conv(2, 1x1)\naux(weight = 1) { conv(1000, 1x1) }\nrelu\nassert params < 1"
    assert dominating(net(body))[0] == "conv(2, 1x1)"


def test_depth_counts_along_the_longest_way():
    body = "concat { | repeat 6 { conv(2, 1x1) } | conv(2, 1x1) }\nconv(2, 1x1)\nassert depth < 7"
    assert dominating(net(body)) == ("conv(2, 1x1)", "86 % of the 7: this layer, 6 times")


def test_receptive_field_is_widened_by_what_follows_a_stride():
    """2 pixels more by the first, 7 · 6 after a stride of 7 by the second: 1 + 2 + 42 = 45."""
    body = "conv(2, 3x3, stride = 7)\nconv(2, 7x7, pad = 3)\nassert receptive_field <= 9"
    text, said = dominating(net(body, size="64, 64, 3"))
    assert text == "conv(2, 7x7, pad = 3)" and said.startswith("95 % of the 44 pixels")
    assert dominating(net("globalavgpool\nassert receptive_field < 2")) == (
        "globalavgpool",
        "from here on, all of the image is seen",
    )


def test_bytes_are_shown_as_bytes():
    assert dominating(net("conv(500, 1x1)\nassert activation_bytes < 1"))[1] == (
        "99 % of the 515.1 kB: this layer"
    )


def test_peaks_are_those_of_one_image_and_shown_where_they_are():
    """50 · 16 · 16 values and 50 · 8 · 8 are alive when the pool ends, of 4 bytes each; and there
    are 200 + 102 weights."""
    body = "conv(50, 1x1)\nmaxpool(2, 2)\nglobalavgpool -> dense({})\nassert {} <= 1"
    text = net(body.format(2, "peak_inference_bytes"))
    assert dominating(text) == ("maxpool(2, 2)", "the peak is here: 64.0 kB of values are alive")
    assert failure(text).notes == ("peak_inference_bytes is 65,208",)
    file, _ = load_file(Source("t.net", text))
    assert file is not None
    assert load_network(file, "net", {}, batch=32)[1][0].notes == failure(text).notes
    heavy = net(body.format(5000, "peak_inference_bytes"))
    assert dominating(heavy) == (
        "dense(5000)",
        "most of it is 1.0 MB of weights; 100 % of the 255 K weights: this layer",
    )
    trained = failure(net(body.format(5000, "peak_training_bytes")))
    assert [label.span.text for label in trained.labels] == ["dense(5000)"]
    report = network_report(net(body.format(2, "peak_training_bytes").replace("<= 1", "> 1")))
    assert trained.notes != () and report.peak_training_bytes == 16 * 302 + 4 * 256 * 53 + (
        4 * (64 * 50 + 50 + 2)
    )


def test_a_block_has_no_peak_of_its_own():
    block = "block unit { conv(2, 1x1)\n assert peak_inference_bytes < 9 }\n"
    assert [each.code for each in failures(block + net("unit"))] == ["unknown-name"]


def test_an_assertion_in_a_block_is_about_that_call():
    block = "block unit(f) {\n  conv(f, 1x1)\n  relu\n  assert params < 50\n}\n"
    text = block + net("unit(4)\nunit(100)\nconv(9, 3x3)")
    found = failure(text)
    assert found.label == "500 is 10 times 50"
    assert [label.text for label in found.labels] == ["all of the 500: this layer"]
    assert found.trail[0].text == "`unit(f = 100)`"


def test_in_an_imported_file_the_place_is_there(tmp_path: Path):
    (tmp_path / "units.net").write_text("block unit {\n  conv(50, 1x1)\n}\n")
    main = tmp_path / "main.net"
    main.write_text('import unit from "units.net"\n' + net("unit\nassert params < 1"))
    file, _ = load_file(Source("main.net", main.read_text(), main))
    assert file is not None
    (label,) = load_network(file, "net", {})[1][0].labels
    assert label.span.source.name.endswith("units.net") and label.span.text == "conv(50, 1x1)"


def test_a_budget_from_below_has_no_dominating_part():
    found = failure(net("conv(2, 1x1)\nassert params >= 1M"))
    assert found.label == "8 is 100 % below 1 M" and not found.labels


@pytest.mark.parametrize(
    ("gap", "text"),
    [
        (Gap(3_857_973_248, "<=", 2 * 10**9), "3.86 G is 93 % above 2 G"),
        (Gap(2_000_000_001, "<=", 2 * 10**9), "2,000,000,001 is 1 above 2,000,000,000"),
        (Gap(296, "==", 300), "296 is 4 below 300"),
        (Gap(300, "<", 300), "it is exactly 300"),
        (Gap(1.5, "<", 0.5), "1.5 is 200 % above 0.5"),
        (Gap(5, "<", 0), "5 is 5 above 0"),
        (Gap(5, "!=", 5), ""),
    ],
)
def test_both_sides_are_told(gap: Gap, text: str):
    assert gap.text() == text


@pytest.mark.parametrize(
    ("condition", "label"),
    [
        ("params < 1K and macs < 1", "1,536 is 1,536 times 1"),
        ("params > 1K or macs < 1", "8 is 99 % below 1,000"),
        ("1 < params < 4", "8 is 100 % above 4"),
        ("macs / params < 2", "192 is 96 times 2"),
        ("not params < 9", ""),
        ("params in [1, 2]", ""),
        ("[params] == [9]", ""),
    ],
)
def test_the_comparison_that_fails_is_told(condition: str, label: str):
    """A 1×1 convolution of 2 filters over 16×16×3: 6 weights, 2 biases, 6 · 256 MACs."""
    assert failure(net(f"conv(2, 1x1)\nassert {condition}")).label == label


# ---------------------------------------------------------------- the smallest change

RULES = [
    # parameter, its default, body, condition, values to try by hand, nearest first
    ("f", "64", "conv(f, 3x3)", "params <= 1K", range(63, 0, -1)),
    ("f", "64", "conv(f, 3x3) -> conv(f, 3x3)", "params < 9K", range(63, 0, -1)),
    ("f", "8", "conv(f, 3x3) -> conv(f, 3x3)", "params >= 9K", range(9, 600)),
    ("f", "8", "conv(f, 3x3)", "params == 1120", range(9, 600)),
    ("f", "8", "conv(f, 3x3)", "params == 1121", ()),
    ("f", "100", "conv(f, 3x3)", "params == 1120", range(99, 0, -1)),
    ("n", "20", "repeat n { conv(4, 1x1) }", "depth < 7", range(19, 0, -1)),
    ("n", "2", "repeat n { conv(4, 1x1) }", "depth >= 17", range(3, 99)),
    ("s", "1", "conv(64, 3x3, stride = s, pad = 1)", "macs <= 30K", range(2, 16)),
    (
        "f",
        "64",
        "conv(f, 3x3, groups = 1) -> conv(f, 3x3, groups = 16)",
        "params <= 1K",
        (48, 32, 16),
    ),
    ("f", "96", "conv(f, 3x3) -> conv(f, 3x3, groups = 8)", "params <= 12K", (88, 80)),
    ("f", "32", "conv(f, 3x3) -> conv(f, 3x3, groups = 8)", "params <= 2K", (24, 16, 8)),
    (
        "width",
        "1.0",
        "conv(round_to(64 * width, 8), 3x3) -> conv(round_to(64 * width, 8), 3x3)",
        "params <= 10K",
        [round(1 - 0.05 * i, 2) for i in range(1, 20)],
    ),
    (
        "width",
        "0.333",
        "conv(round_to(64 * width, 8), 3x3)",
        "params >= 900",
        [round(0.333 + 0.001 * i, 3) for i in range(1, 900)],
    ),
    ("size", "64", "conv(8, 3x3)", "macs <= 300K", range(32, 0, -32)),
    ("f", "64", "conv(f, 3x3)", "params / f < 20", ()),
    ("f", "64", "conv(8, 3x3)", "params < 20", ()),
    ("rate", "0.5", "dropout(rate) -> conv(8, 3x3)", "params < 20", ()),
]


@pytest.mark.parametrize(("name", "default", "body", "condition", "values"), RULES)
def test_the_change_is_the_smallest_that_passes(name, default, body, condition, values):
    size = "size, size, 3" if name == "size" else "16, 16, 3"
    text = net(f"  {body}\n  assert {condition}", f"{name} = {default}", size)
    file, _ = load_file(Source("t.net", text))
    assert file is not None
    expected = next(
        (each for each in values if load_network(file, "net", {name: setting_of(name, each)})[0]),
        None,
    )
    help = failure(text).help
    if expected is None:
        assert help == ""
    else:
        assert help.startswith(f"with `{name} = {expected}` (now {default}) it is ")


OPEN = """
network net(width = 1.0) {
  input image[H, W, 3] default [224, 224, 3]
  conv(round_to(64 * width, 8), 3x3, pad = 1) -> conv(64, 3x3, pad = 1)
  assert macs <= 1500M
}
"""


def test_a_change_that_was_not_narrowed_down_is_not_called_the_smallest():
    """Whichever number up to 59,999 would do, and one step tells nothing of where that is."""
    found = failure(net("conv(1 + f // 60000, 1x1)\nassert params <= 4", "f = 100000"))
    assert found.help in ("", "with `f = 59999` (now 100000) it is 4")


def test_sizes_that_are_alike_change_together():
    found = failure(OPEN)
    assert found.help == (
        "with `H = W = 192` (now 224) it is 1.42 G; or with `width = 0.8` (now 1.0) it is 1.45 G"
    )
    assert [fix.message for fix in found.fixes] == ["write `H = W = 192`", "write `width = 0.8`"]
    assert [edit.text for edit in found.fixes[0].edits] == ["192", "192"]


def test_what_was_set_is_what_is_changed_and_stands_in_no_file():
    found = failure(OPEN, width="2.0")
    assert "`width = 0.8` (now 2.0)" in found.help
    assert all("width" not in fix.message for fix in found.fixes)
    apart = failure(OPEN, H="672", W="224")
    assert "`H = 160` (now 672) it is 1.38 G; or with `W = 32` (now 224)" in apart.help
    assert not any("H" in fix.message for fix in apart.fixes)


def test_a_variant_changes_its_own_argument():
    text = net("  conv(f, 3x3)\n  assert params <= 1K", "f = 4") + "network big = net(f = 90)\n"
    found = failure(text, "big")
    assert found.help == "with `f = 35` (now 90) it is 980"
    (edit,) = found.fixes[0].edits
    assert (edit.span.text, edit.span.line, edit.text) == ("90", 6, "35")
    by_place = failure(text.replace("f = 90", "90"), "big")
    assert by_place.fixes[0].edits[0].span.text == "90"
    computed = failure(text.replace("f = 90", "45 * 2"), "big")
    assert computed.help == found.help and not computed.fixes


def test_a_fraction_may_be_given_as_a_whole_number():
    text = net("  conv(round_to(8 * w, 8), 3x3)\n  assert params <= 300", "w = 1.0")
    found = failure(text + "network wide = net(w = 2)\n", "wide")
    assert found.help == "with `w = 1.1` (now 2.0) it is 224"


def test_no_change_is_offered_that_breaks_another_budget():
    body = "  conv(f, 3x3)\n  assert params <= 1K\n  assert params >= {}"
    assert failure(net(body.format(900), "f = 90")).help
    assert not failure(net(body.format(990), "f = 90")).help


def test_the_search_is_bounded_by_layers_and_by_time():
    text = net("repeat n { conv(4, 1x1) }\n  assert depth < 7", "n = 300")
    file, _ = load_file(Source("t.net", text))
    assert file is not None
    elaboration = elaborate(file, "net", {})
    found = load_network(file, "net", {})[1]
    for work in (Work(600, 1e9), Work(10**6, 0)):
        (advised,) = advise(file, "net", {}, elaboration, found, work)
        assert advised.help == "" and "the time for finding a change" in advised.notes[-1]
    work = Work(10**6, 1e9)
    (advised,) = advise(file, "net", {}, elaboration, found, work)
    assert advised.help == "with `n = 6` (now 300) it is 6" and 0 < work.layers < 10**6


# ---------------------------------------------------------------- in every command

BROKEN = """
network net(width = 64) {
  input image[H, W, 3] default [8, 8, 3]
  conv(width, 3x3) -> relu -> globalavgpool -> dense(10)
  assert params <= 1K, "must fit"
}
"""


@pytest.mark.parametrize(
    "arguments",
    [
        "check FILE",
        "check FILE --format json",
        "check FILE --format sarif",
        "check FILE --format github",
        "check FILE --format concise",
        "cost FILE",
        "cost FILE --format json",
        "cost FILE --symbolic",
        "cost FILE --set H=16",
        "compile FILE",
        "explain FILE",
        "train FILE --data digits --out run",
        "predict FILE --weights none.npz none.png",
        "weights import FILE none.pth -o out.npz",
        "weights export FILE none.pth -o out.safetensors",
    ],
)
def test_every_command_that_takes_a_network_fails_by_its_budgets(
    arguments: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
):
    monkeypatch.chdir(tmp_path)
    Path("t.net").write_text(BROKEN)
    assert run(arguments.replace("FILE", "t.net").split()) == 1
    shown = "".join(capsys.readouterr())
    assert "assertion-failed" in shown and "must fit" in shown
    assert list(tmp_path.iterdir()) == [tmp_path / "t.net"]
    # Only `check` has tried the change on the whole file.
    assert ("unsafe fix" in shown) == (arguments == "check FILE")


def test_cost_shows_its_table_where_a_budget_fails(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    body = 'conv(8, 3x3)\nassert params < 1\nclaim paper "x" { macs == 1 }'
    Path("a.net").write_text(net(body))
    assert run(["cost", "a.net"]) == 1
    shown = capsys.readouterr()
    assert "parameters   224" in shown.out
    assert "assertion-failed" in shown.err and "claim-differs" in shown.err
    assert run(["cost", "a.net", "--format", "json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert report["params"] == 224
    assert [each["code"] for each in report["diagnostics"]] == ["assertion-failed", "claim-differs"]
    Path("a.net").write_text(net("conv(8, 99x99)\nassert params < 1"))
    assert run(["cost", "a.net"]) == 1
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("command", ["check", "cost"])
def test_that_the_time_for_changes_is_over_is_said(command, tmp_path, monkeypatch, capsys):
    """Of 4,000 layers, a second network is more than is tried."""
    monkeypatch.chdir(tmp_path)
    body = "repeat 2000 { conv(width, 1x1) -> relu }\nassert params < 500"
    Path("a.net").write_text(net(body, "width = 8"))
    assert run([command, "a.net"]) == 1
    assert "the time for finding a change that mends it is over" in capsys.readouterr().err
    Path("a.net").write_text(net(body.replace("2000", "4").replace("500", "1"), "width = 8"))
    assert run([command, "a.net"]) == 1
    assert "the time for" not in capsys.readouterr().err


def test_formats_carry_the_place_the_sides_and_the_change(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("t.net").write_text(BROKEN)
    change, place = "with `width = 26` (now 64)", "73 % of the 2,442: this layer"
    run(["check", "t.net", "--format", "json"])
    (found,) = json.loads(capsys.readouterr().out)["diagnostics"]
    assert found["label"] == "2,442 is 144 % above 1,000"
    assert found["labels"][0]["text"] == place
    assert found["help"].startswith(change)
    assert found["fixes"][0] == {
        "message": "write `width = 26`",
        "safe": False,
        "edits": [
            {"file": "t.net", "line": 2, "column": 21, "end_line": 2, "end_column": 23}
            | {"text": "26"}
        ],
    }
    run(["check", "t.net", "--format", "sarif"])
    (result,) = json.loads(capsys.readouterr().out)["runs"][0]["results"]
    assert change in result["message"]["text"] and "144 %" in result["message"]["text"]
    assert result["relatedLocations"][0]["message"]["text"] == place
    assert result["fixes"][0]["artifactChanges"][0]["replacements"][0]["insertedContent"] == {
        "text": "26"
    }
    run(["check", "t.net", "--format", "github"])
    shown = capsys.readouterr().out
    assert change in shown and f"{place.replace('%', '%25')}, at t.net:4:3" in shown


def test_unsafe_fixes_write_the_change_and_safe_ones_do_not(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("t.net").write_text(BROKEN)
    assert run(["check", "t.net", "--fix"]) == 1
    assert Path("t.net").read_text() == BROKEN
    assert run(["check", "t.net", "--fix", "--unsafe-fixes"]) == 0
    assert Path("t.net").read_text() == BROKEN.replace("width = 64", "width = 26")
    assert "fixed t.net:5:10: assertion-failed: write `width = 26`" in capsys.readouterr().err


def test_a_fix_that_breaks_a_claim_elsewhere_is_not_proposed(tmp_path, monkeypatch, capsys):
    """The claim is of a variant that the default holds for."""
    monkeypatch.chdir(tmp_path)
    claim = 'network small = net() {\n  claim paper "X" { params == 2442 }\n}\n'
    Path("t.net").write_text(BROKEN.replace("assert params", "assert width < 0 or params") + claim)
    assert run(["check", "t.net", "--format", "json"]) == 1
    found = json.loads(capsys.readouterr().out)["diagnostics"]
    assert {each["code"] for each in found} == {"assertion-failed"}
    assert not any(each["fixes"] for each in found)


@pytest.mark.parametrize(
    ("body", "label"),
    [
        ("conv(f, 1x1)\nassert params > 10.0 ** 40", "8 is 100 % below 1e+40"),
        ("conv(f, 1x1)\nassert params < 0", "8 is 8 above 0"),
        ("conv(f, 1x1)\nassert params < -5", "8 is 260 % above -5"),
        ("conv(f, 1x1)\nassert 0 > params", "8 is 8 above 0"),
        ("relu\nassert params > 0", "it is exactly 0"),
    ],
)
def test_strange_budgets_are_told_plainly(body: str, label: str):
    found = failure(net(body, "f = 2"))
    assert found.label == label and not found.help


def test_an_input_in_the_braces_of_a_condition_has_parameters_to_change():
    text = "network net(f = 90) {\n  if true { input image[H, W, 3] default [8, 8, 3] }\n"
    found = failure(text + "  conv(f, 3x3)\n  assert params <= 1K\n}\n")
    assert found.help == "with `f = 35` (now 90) it is 980"


# ---------------------------------------------------------------- blocks, turned, gaps


def test_the_receptive_field_of_a_block_is_that_of_the_call():
    """5 pixels for two 3×3 in a row, 3 for each call; strides before the call don't matter."""
    unit = "block u(k, most) { conv(8, k, pad = same)\nassert receptive_field <= most }\n"
    assert not failures(unit + net("maxpool(2) -> u(3, 3) -> u(3, 3)"))
    found = failure(unit + net("u(3, 3) -> u(5, 3)"))
    assert found.label == "5 is 67 % above 3"
    assert [each.text for each in found.labels] == ["all of the 4 pixels: this layer"]
    twice = unit.replace("conv(8, k, pad = same)", "conv(8, k, pad = same) -> conv(8, k, 2)")
    assert not failures(twice + net("u(3, 5)"))
    assert failure(twice + net("conv(8, 3x3, 2) -> u(3, 4)")).label == "5 is 25 % above 4"


def test_all_of_the_image_in_a_block_is_what_the_block_is_given():
    unit = "block u { globalavgpool\nassert receptive_field <= 7 }\n"
    assert failure(unit + net("maxpool(2) -> u")).label == "8 is 14 % above 7"
    assert not failures(unit.replace("7", "8") + net("maxpool(2) -> u"))
    nothing = "block u { relu\nassert receptive_field == 1 }\n"
    assert not failures(nothing + net("conv(4, 3x3) -> u\naux(weight = 1) { u }"))


def test_a_comparison_is_about_its_measure_wherever_that_stands():
    body = "conv(w, 3x3) -> conv(w, 3x3) -> globalavgpool -> dense(10)\nassert "
    for straight, turned in (
        ("params >= 5K", "5K <= params"),
        ("params <= 2K", "2K >= params"),
        ("params > 5K", "5K < params"),
        ("params == 4954", "4954 == params"),
        ("params >= 5K", "5K <= params <= 6K"),
        ("w >= 20", "20 <= w"),
    ):
        one, other = (failure(net(body + each, "w = 16")) for each in (straight, turned))
        assert (one.label, one.help) == (other.label, other.help)
        assert [each.text for each in one.labels] == [each.text for each in other.labels]
    assert failure(net(body + "5K <= params", "w = 16")).labels == ()
    assert failure(net(body + "2K >= params", "w = 16")).labels


@pytest.mark.parametrize(
    ("bound", "help"),
    [
        ("params < 10K", "with `g = 16` (now 4) it is 8,938"),
        ("params < 14K", "with `g = 12` (now 4) it is 10.7 K"),
        ("params > 30K", "with `g = 3` (now 4) it is 31.4 K"),
        ("params < 100", ""),
    ],
)
def test_groups_go_by_what_divides_the_channels(bound: str, help: str):
    """Of 96 channels; 3, 6, 8, 12, 16 are near 4, and each was costed by hand."""
    body = "conv(96, 3x3, 2, pad = 1) -> conv(96, 3x3, groups = g) -> globalavgpool -> dense(10)"
    assert failure(net(f"{body}\nassert {bound}", "g = 4", "64, 64, 3")).help == help


def test_sizes_that_a_condition_ties_go_together():
    size = "H, W, 3] default [128, 256, 3"
    text = net("conv(8, 3x3, 2, pad = 1)\nassert macs <= 1M", size=size)
    text = text.replace("256, 3]", "256, 3] where W == 2 * H")
    found = failure(text)
    assert found.help == "with `H = 96, W = 192` (now 128, 256) it is 995 K"
    (fix,) = found.fixes
    assert [(each.span.text, each.text) for each in fix.edits] == [("128", "96"), ("256", "192")]
    assert not failure(text.replace("2 * H", "H + 128")).help
