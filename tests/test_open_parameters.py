"""Formulas in a network's own parameters, against the costs of networks with numbers for them."""

from __future__ import annotations

import json

import pytest

from netdsl.cost import cost
from netdsl.elaborate import elaborate
from netdsl.formulas import QUANTITIES, NoFormula, OpenNetwork, open_network
from netdsl.main import run
from netdsl.network import complete_networks, find, load_file, setting_of, shipped_networks
from netdsl.program import ProgramFile
from netdsl.source import Source

TRIED = (1, 2, 3, 7, 16, 33, 64)


def written(text: str) -> ProgramFile:
    file, diagnostics = load_file(Source("t.net", text))
    assert file is not None, diagnostics
    return file


def opened(body: str, parameters: str, names: tuple[str, ...] | None = None) -> OpenNetwork:
    text = f"network net({parameters}) {{\n  input image[32, 32, 3]\n{body}\n}}\n"
    return open_network(written(text), "net", {}, names)


def kept(body: str, parameters: str) -> dict[str, str]:
    """The parameters that stay numbers, with the reason; another one is always open."""
    found = opened(body + "\n  conv(always, 1x1)", parameters + ", always = 8")
    assert found.parameters.keys() == {"always"}
    return {each.name: each.text() for each in found.kept}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """`target` is the first network of each shipped file, or each of them with `--exhaustive`."""
    if "target" in metafunc.fixturenames:
        every = metafunc.config.getoption("--exhaustive")
        first = {path: name for name, path in reversed(list(shipped_networks().items()))}
        chosen = [*shipped_networks()] if every else sorted(first.values())
        metafunc.parametrize("target", chosen)


def test_shipped_formulas_are_the_costs_with_other_numbers(target: str):
    """Each open parameter is varied on its own and together with the others."""
    found = find(target)
    file, _ = load_file(found.source)
    assert file is not None
    name = found.network or ""
    name = name if name in complete_networks(file) else complete_networks(file)[0]
    try:
        network = open_network(file, name, {}, None)
    except NoFormula:
        return  # It has neither sizes nor whole numbers, or does not fit every size.
    formulas = network.formulas()
    standard = network.at_default()
    assert standard is not None
    trials = [{each: value} for each in network.parameters for value in TRIED]
    trials += [dict.fromkeys(network.parameters, value) for value in TRIED]
    compared = 0
    for values in trials:
        settings = {each: setting_of(each, value) for each, value in values.items()}
        graph = elaborate(file, name, settings).graph
        if graph is None:
            continue  # Such as channels that a fixed number of groups does not divide.
        compared += 1
        total = cost(graph).total
        for quantity in QUANTITIES:
            assert formulas[quantity].at(standard | values) == getattr(total, quantity), values
    assert compared >= len(network.parameters)


def test_what_is_open_in_shipped_networks():
    """Counted by hand from the programs: what the paper varies is open where it is whole."""
    for target, names, reasons in (
        ("resnet50", {"classes"}, {}),
        ("torchvision/densenet121", {"growth", "filters", "classes"}, {}),
        ("torchvision/resnet50", {"group_width", "groups", "classes"}, {}),
        ("googlenet", {"classes"}, {}),
        ("mobilenet_v1", {"classes"}, {"width": "it is the number 1.0, and formulas are"}),
        (
            "torchvision/vit_b_16",
            {"width", "hidden", "classes"},
            {"depth": "it counts the passes of a loop (vision_transformer.net:24:12)"}
            | {"heads": "`heads` of `attention` has to be a number (vision_transformer.net:"},
        ),
    ):
        found = find(target)
        file, _ = load_file(found.source)
        assert file is not None and found.network is not None
        network = open_network(file, found.network, {}, None)
        assert network.parameters.keys() == names
        told = {each.name: each.text() for each in network.kept}
        assert told.keys() == reasons.keys()
        assert all(told[name].startswith(reason) for name, reason in reasons.items())


def test_a_formula_by_hand():
    """9 · 3 · f weights and f biases, then f · 2f and 2f; at 32 · 32 places each."""
    network = opened("conv(f, 3x3, pad = 1) -> conv(2 * f, 1x1)", "f = 8")
    formulas = network.formulas()
    assert formulas["params"].text() == "2 f^2 + 30 f"
    assert formulas["macs"].text() == "2,048 f^2 + 27,648 f"
    assert formulas["activation_bytes"].text() == "12,288 f + 12,288"


def test_products_with_the_sizes_of_the_image():
    text = (
        "network net(f = 8, g = 4) {\n  input image[H, W, 3] default [8, 8, 3]\n"
        "  conv(f, 3x3, stride = 2, pad = 1) -> conv(g, 1x1)\n}\n"
    )
    formula = open_network(written(text), "net", {}, None).formulas()["macs"]
    assert formula.text() == "f g ceil(H/2) ceil(W/2) + 27 f ceil(H/2) ceil(W/2)"
    only = open_network(written(text), "net", {}, ("g",))
    assert only.formulas()["macs"].text() == "128 g + 3,456" and not only.defaults
    mixed = open_network(written(text), "net", {}, ("g", "H"))
    assert mixed.formulas()["macs"].text() == "32 g ceil(H/2) + 864 ceil(H/2)"


@pytest.mark.parametrize(
    ("body", "parameters", "reasons"),
    [
        ("repeat n { relu }", "n = 2", {"n": "it counts the passes of a loop (t.net:3:10)"}),
        ("if n > 3 { relu }", "n = 2", {"n": "a condition depends on it (t.net:3:6)"}),
        ("if n == 2 { relu }", "n = 2", {"n": "a condition goes another way for some values"}),
        ("conv(n, 1x1) -> maxpool(n, 1)", "n = 2", {"n": "`kernel` of `maxpool` has to be a num"}),
        ("conv(round_to(n, 8), 1x1)", "n = 2", {"n": "a function needs its value (t.net:3:8)"}),
        ("conv(floor(n / 2), 1x1)", "n = 2", {"n": "it is reckoned with in fractions (t.net:3"}),
        ("conv(3 + n, 1x1)", "n = 0", {"n": "formulas are for values from 1 on"}),
        ("if n > 0 { relu } else { conv(3, 1x1) }", "n = -1", {"n": "formulas are for values"}),
        ("dropout(rate)", "rate = 0.5", {}),
        (
            "conv(floor(9 * width), 1x1)",
            "width = 0.5",
            {"width": "it is the number 0.5, and formulas are of whole numbers"},
        ),
        ("relu", "unused = 3", {}),
        ("relu", 'flag = true, xs = [1], word = "a"', {}),
    ],
)
def test_what_stays_a_number_and_why(body: str, parameters: str, reasons: dict[str, str]):
    told = kept(f"  {body}", parameters)
    assert told.keys() == reasons.keys()
    for name, reason in reasons.items():
        assert told[name].startswith(reason), told


def test_a_shortcut_that_one_width_does_without_keeps_its_parameter():
    """At f = 3 the shortcut needs no projection, so that no one formula holds."""
    body = "  residual { conv(f, 1x1) } shortcut if in.shape != out.shape { conv(f, 1x1) }"
    assert kept(body, "f = 8")["f"].startswith("a condition goes another way for some values (t.")


def test_more_summands_than_a_reader_takes_in_are_shown_only_when_asked_for():
    names = [f"f{i}" for i in range(12)]
    layers = "concat {\n" + "".join(f"| conv({each}, 1x1)\n" for each in names) + "}\n"
    body = layers * 2
    parameters = ", ".join(f"{each} = 8" for each in names)
    found = opened(body, parameters)
    assert found.parameters and found.kept
    assert len(found.parameters) >= 5
    assert all("summands; `--for" in each.reason for each in found.kept)
    asked = opened(body, parameters, tuple(names))
    assert not asked.kept and len(asked.parameters) == 12


def test_settings_are_numbers():
    file, _ = load_file(find("torchvision/densenet121").source)
    assert file is not None
    settings = {"growth": setting_of("growth", 12)}
    network = open_network(file, "densenet121", settings, None)
    assert network.parameters.keys() == {"filters", "classes"} and not network.kept


def test_solving_has_numbers_for_parameters():
    file, _ = load_file(find("resnet50").source)
    assert file is not None
    assert not open_network(file, "resnet50", {}).parameters


def test_the_command(capsys: pytest.CaptureFixture[str]):
    assert run(["cost", "resnet50", "--symbolic"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("resnet50 for any H, W, classes\n")
    assert "2,049 classes" in text and "at H = 224, W = 224, classes = 1000" in text
    assert run(["cost", "torchvision/vit_b_16", "--symbolic"]) == 0
    assert "depth stays as it is: it counts the passes" in capsys.readouterr().out
    assert run(["cost", "mobilenet_v1", "--symbolic", "--for", "classes", "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["parameters"] == {"classes": 1000} and found["defaults"] == {}
    assert found["params"]["formula"] == "1,025 classes + 3,206,976"
    assert found["params"]["at_default"] == 4_231_976


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--symbolic --for clases", "did you mean `classes`?"),
        ("--symbolic --for classes --set classes=10", "`classes` is set, so it can't be left open"),
        ("--symbolic --for unit", "no parameter or input size `unit`"),
        ("--for classes", "need each other"),
    ],
)
def test_wrong_questions(arguments: str, message: str, capsys: pytest.CaptureFixture[str]):
    assert run(["cost", "googlenet", *arguments.split()]) == 2
    assert message in capsys.readouterr().err


def test_where_nothing_can_be_open_each_reason_is_told():
    with pytest.raises(NoFormula, match=r"none can be: `n`: it counts the passes of a loop"):
        opened("  repeat n { conv(4, 1x1) }", "n = 2")
