"""Cost formulas against the costs of networks whose input has a fixed size."""

from __future__ import annotations

import math
import re
from fractions import Fraction
from functools import cache

import pytest

from netdsl.answers import formulas_json, formulas_text
from netdsl.cost import cost
from netdsl.elaborate import elaborate
from netdsl.formulas import QUANTITIES, NoFormula, open_network
from netdsl.network import complete_networks, find, load_file, setting_of, shipped_networks
from netdsl.sizes import evaluate
from netdsl.source import Source
from netdsl.terms import multiplied

SIZES = (1, 2, 7, 31, 33, 97, 224, 299)
LARGEST = 600


def program(text):
    file, diagnostics = load_file(text)
    assert file is not None, diagnostics
    return file


def written(body, size="H, W, 3"):
    text = f"network net {{\n  input image[{size}] default [64, 64, 3]\n{body}\n}}\n"
    return program(Source("t.net", text))


@cache
def shipped(target):
    """(file, name, open network) of a shipped network; None for a template or fixed sizes."""
    name = target.rpartition("/")[2]
    file = program(find(target).source)
    if name not in complete_networks(file):
        return None
    try:
        return file, name, open_network(file, name, {})
    except NoFormula as failure:
        # The first has fixed sizes; the second, by design, only fits every sixteenth.
        assert "is always" in str(failure) or name == "unet"
        return None


def pytest_generate_tests(metafunc):
    """`targets` are the shipped networks of one file, or one of all with `--exhaustive`."""
    if "targets" in metafunc.fixturenames:
        files = {}
        for target, path in shipped_networks().items():
            key = target if metafunc.config.getoption("--exhaustive") else path.stem
            files.setdefault((path.parent.name, key), []).append(target)
        metafunc.parametrize("targets", files.values(), ids=["/".join(key) for key in files])


def first_open(targets):
    return next((found for found in map(shipped, targets) if found is not None), None)


def sized(opened, size):
    """`size` for all open sizes, or the nearest below that is allowed."""
    return {
        name: max(size // multiple, 1) * multiple for name, multiple in opened.multiples().items()
    }


def test_formulas_are_the_costs_of_elaborated_networks(targets):
    """One network of each file, at odd and even sizes, and at those too small for it."""
    found = first_open(targets)
    if found is None:
        return
    file, name, opened = found
    formulas = opened.formulas()
    nodes = opened.report.graph.nodes
    for size in SIZES:
        if name.startswith("regnet") and size <= 2:
            continue  # A stride leaves one pixel one pixel, and so a shortcut needs no projection.
        values = sized(opened, size)
        settings = {key: setting_of(key, value) for key, value in values.items()}
        graph = elaborate(file, name, settings).graph
        fits = opened.allows(values)
        assert (graph is not None) == fits, values
        if graph is None:
            continue
        shapes = [tuple(evaluate(each, values) for each in node.type.shape) for node in nodes]
        assert [node.type.shape for node in graph.nodes] == shapes, values
        total = cost(graph).total
        for quantity in QUANTITIES:
            assert formulas[quantity].at(values) == getattr(total, quantity), (quantity, values)


def test_every_symbolic_shape_is_what_numbers_give(targets, exhaustive):
    """Each layer is typed again for numbers; with `--exhaustive` for all sizes up to 600."""
    found = first_open(targets)
    if found is None:
        return
    _, _, opened = found
    nodes = opened.report.graph.nodes
    sizes = range(1, LARGEST + 1) if exhaustive else (5, 63, 240, 321)
    for values in {size: sized(opened, size) for size in sizes}.values():
        if not opened.allows(values):
            continue
        known = {}
        types = []
        for node in nodes:
            expected = tuple(
                known[each] if each in known else known.setdefault(each, evaluate(each, values))
                for each in node.type.shape
            )
            type = node.type._replace(shape=expected)
            if node.op is not None:
                type = node.op.infer(*(types[index] for index in node.inputs))
            assert type.shape == expected, (node.path, values)
            types.append(type)


def test_terms_are_the_polynomial_that_was_multiplied_out(targets):
    """A formula's terms, multiplied out again, are the total in its normal form."""
    found = first_open(targets)
    if found is None:
        return
    _, _, opened = found
    for quantity, formula in opened.formulas().items():
        total = formula.constant
        for coefficient, factors in formula.terms:
            product = coefficient
            for size, power in factors:
                product = product * size**power
            total = total + product
        assert total == getattr(opened.report.total, quantity)


@pytest.mark.parametrize(
    "target", ["resnet50", "xception", "unet_same", "torchvision/googlenet", "torchvision/swin_t"]
)
def test_parts_add_up_to_the_total(target):
    _, _, opened = shipped(target)
    values = sized(opened, 320)
    inside = [layer for layer in opened.report.layers if not layer.auxiliary]
    for quantity in ("params", "macs", "flops"):
        parts = sum(part.formulas[quantity].at(values) for part in opened.parts(layers=False))
        beside = sum(
            evaluate(getattr(layer, quantity), values)
            for layer in opened.report.layers
            if layer.auxiliary
        )
        total = sum(evaluate(getattr(layer, quantity), values) for layer in inside)
        assert parts - beside == total


def read(text, values):
    """What a printed formula is worth."""
    text = re.sub(r"(?<=[^+-]) (?=[^+-])", "*", text.replace(",", "").replace("^", "**"))
    known = {name: Fraction(value) for name, value in values.items()}
    return eval(text, {"floor": math.floor, "ceil": math.ceil} | known)


def assert_texts_are_right(opened, values):
    for part in (opened.formulas(), *(part.formulas for part in opened.parts(layers=True))):
        for formula in part.values():
            assert read(formula.text(), values) == formula.at(values)
            products = [multiplied(term.factors)[1] for term in formula.terms]
            assert len(set(products)) == len(products), formula.text()


def test_texts_say_what_their_terms_do(targets):
    found = first_open(targets)
    if found is not None:
        assert_texts_are_right(found[2], sized(found[2], 240))


@pytest.mark.parametrize("where", ["H > 7", "H % 8 == 0", "H % 8 == 0 and W % 16 == 0"])
def test_each_product_is_one_summand(where):
    layers = "  conv(16, 8x8, 8) -> tokens -> attention(4)"
    text = f"network net {{\n  input image[H, W, 3] where {where}\n{layers}\n}}\n"
    file = program(Source("t.net", text))
    opened = open_network(file, "net", {})
    macs = opened.formulas()["macs"]
    assert len(macs.terms) == 2
    for values in ({"H": 16, "W": 48}, {"H": 64, "W": 32}):
        assert_texts_are_right(opened, values)
        graph = elaborate(file, "net", {k: setting_of(k, v) for k, v in values.items()}).graph
        assert macs.at(values) == cost(graph).total.macs
    if where == "H > 7":
        square = "32 (floor(H/8) floor(W/8))^2"
        assert macs.text() == square + " + 4,096 floor(H/8) floor(W/8)"


def test_products_written_in_several_ways_are_merged():
    for name in ("vit_b_16", "vit_b_32"):
        found, _ = load_file(find(f"torchvision/{name}").source)
        opened = open_network(found, name, {}, None)
        assert_texts_are_right(opened, opened.at_default())


def test_channels_are_one_more_open_size():
    text = "network net {\n  input image[H, W, C] default [40, 48, 4]\n  conv(4, 3x3)\n}\n"
    file = program(Source("t.net", text))
    opened = open_network(file, "net", {})
    assert opened.defaults == {"H": 40, "W": 48, "C": 4}
    assert opened.formulas()["macs"].text() == "36 C (H - 2) (W - 2)"
    for values in ({"H": 40, "W": 48, "C": 4}, {"H": 9, "W": 8, "C": 7}):
        graph = elaborate(file, "net", {k: setting_of(k, v) for k, v in values.items()}).graph
        for quantity, formula in opened.formulas().items():
            assert formula.at(values) == getattr(cost(graph).total, quantity)
    assert open_network(file, "net", {}, ("H",)).defaults == {"H": 40}
    file = program(Source("t.net", "let C = 4\n" + text))
    assert open_network(file, "net", {}).defaults == {"H": 40, "W": 48}


def opened_shipped(target):
    found = shipped(target)
    assert found is not None
    return found[2]


def test_resnet50_has_one_term_for_each_size_of_the_image():
    """By hand: the first convolution is 7·7·3·64 for each pixel of the halved image; layer4 has
    three blocks of 9·512² + 512·2048 behind 512 filters on 1024, 2048 and 2048 channels, and a
    shortcut of 1024·2048."""
    opened = opened_shipped("resnet50")
    macs = opened.formulas()["macs"]
    layer4 = 3 * (9 * 512**2 + 512 * 2048) + (1024 + 2048 + 2048) * 512 + 1024 * 2048
    assert macs.terms[0].coefficient == 7 * 7 * 3 * 64 == 9_408
    assert macs.terms[-1].coefficient == layer4
    assert macs.constant == 2048 * 1000
    assert macs.texts()[:2] == ["9,408 ceil(H/2) ceil(W/2)", "212,992 ceil(H/4) ceil(W/4)"]
    assert macs.text(compact=True).startswith("9.41 K ceil(H/2) ceil(W/2) + 213 K ceil(H/4)")
    assert macs.at({"H": 224, "W": 224}) == 3_857_973_248


def test_a_named_parameter_that_is_the_input_is_open():
    formulas = opened_shipped("efficientnet").formulas()
    assert formulas["macs"].texts()[0] == "3,200 ceil(size/2)^2"


def test_parameters_of_dense_layers_follow_the_input():
    """A dense layer of 5 on what is left of a 3×3 convolution: 2 (H - 2) (W - 2) · 5 + 5."""
    file = written("conv(2, 3x3) -> flatten -> dense(5)")
    params = open_network(file, "net", {}).formulas()["params"]
    assert params.text() == "10 (H - 2) (W - 2) + 61"


def test_attention_is_quadratic_in_the_tokens():
    macs = opened_shipped("torchvision/vit_b_16").formulas()["macs"]
    assert macs.texts()[0] == f"{2 * 12 * 768:,} (size^2/256 + 1)^2"


def test_a_size_that_is_set_is_a_number():
    file = written("conv(2, 3x3, pad = same)")
    opened = open_network(file, "net", {"W": setting_of("W", 10)})
    assert opened.defaults == {"H": 64}
    assert opened.formulas()["macs"].text() == f"{10 * 2 * 27:,} H"


def test_networks_without_open_sizes_have_no_formula():
    file = program(Source("t.net", "network net {\n  input image[8, 8, 3]\n  conv(2, 3x3)\n}\n"))
    with pytest.raises(NoFormula, match="always 8×8×3"):
        open_network(file, "net", {})


def test_networks_that_fit_some_sizes_only_have_no_formula():
    file = written("residual { conv(3, 3x3, stride = 2, pad = same) -> upsample(2) }")
    with pytest.raises(NoFormula, match="not work with every size that its input allows"):
        open_network(file, "net", {})


def test_sizes_without_a_default_have_no_value_to_show():
    text = "network net {\n  input image[H, W, 3]\n  conv(2, 3x3, pad = same)\n}\n"
    opened = open_network(program(Source("t.net", text)), "net", {})
    assert opened.defaults == {"H": None, "W": None}
    shown = formulas_text(opened, layers=True, compact=False)
    assert "54 H W" in shown and " at H" not in shown
    assert formulas_json(opened)["macs"]["at_default"] is None


def test_formulas_are_not_shown_for_sizes_where_the_program_takes_another_way():
    """Even heights, 64 among them, take the other convolution; odd ones are as the formula says."""
    file = written("if in.height % 2 == 0 { conv(8, 3x3) } else { conv(9, 3x3) }")
    opened = open_network(file, "net", {})
    shown = formulas_text(opened, layers=False, compact=False)
    assert shown.startswith(
        "net for any H, W where H and W are at least 3, but not where H is even"
    )
    assert " = " not in shown.partition("\n\n")[2].partition("\n\n")[0]
    assert "these formulas are not for H = 64, W = 64, its sizes by default" in shown
    json = formulas_json(opened)
    assert json["params"]["at_default"] is None
    assert json["not_looked_at"] == [{"H": "H % 2 == 0"}]
    for size in range(3, 20):
        graph = elaborate(file, "net", {"H": setting_of("H", size)}).graph
        value = opened.formulas()["params"].at({"H": size, "W": 64})
        assert (value == cost(graph).total.params) != opened.is_exempt({"H": size, "W": 64})
    text = file.tree.source.text.replace("64, 3]", "64, 3] where H % 2 == 0")
    opened = open_network(program(Source("t.net", text)), "net", {})
    assert opened.at_default() == {"H": 64, "W": 64}


def test_a_comparison_of_several_sizes_is_said():
    """Of two sizes at once, which by default are in the relation that they seldom are in."""
    file = written("if in.height == in.width { conv(8, 3x3) } else { conv(9, 3x3) }")
    shown = formulas_text(open_network(file, "net", {}), layers=False, compact=True)
    assert "`in.height == in.width` decides otherwise for some sizes" in shown
    assert "these formulas are not for H = 64, W = 64" in shown


def test_json_has_the_terms():
    macs = formulas_json(opened_shipped("resnet50"))["macs"]
    assert macs["terms"][0] == {
        "coefficient": 9_408,
        "factors": [{"size": "ceil(H/2)", "power": 1}, {"size": "ceil(W/2)", "power": 1}],
    }
    assert macs["at_default"] == 3_857_973_248
