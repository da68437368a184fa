"""What the parser makes of each form of the language, and where it says that each record stands."""

from __future__ import annotations

import inspect

import pytest

from netdsl import syntax
from netdsl.parse import parse
from netdsl.render import render
from netdsl.source import Source
from netdsl.tensor import Window


def file_of(text):
    tree, diagnostics = parse(Source("test.net", text))
    assert tree is not None, render(diagnostics, color=False)
    return tree


def declaration(text):
    (only,) = file_of(text).declarations
    return only


def body(*lines):
    return declaration("\n".join(["network net {", *lines, "}"])).body.statements


def statement(*lines):
    (only,) = body(*lines)
    return only


def step(*lines):
    (only,) = statement(*lines).steps
    return only


def value(text):
    return declaration(f"let value = {text}").value


def text_of(node):
    return None if node is None else node.span.text


def texts(nodes):
    return [text_of(each) for each in nodes]


# ---------------------------------------------------------------- files and declarations


@pytest.mark.parametrize("text", ["", "\n\n", "# only a comment", "  # and blanks\n\n  ;\n", ";;"])
def test_a_file_may_be_empty(text):
    tree = file_of(text)
    assert (tree.documentation, tree.declarations) == ("", ())


def test_a_file_has_documentation():
    assert file_of('"""Only this."""').documentation == "Only this."
    tree = file_of('"""One.\n\n  Two,\n    three.\n"""\nlet x = 1; let y = 2')
    assert tree.documentation == "One.\n\nTwo,\n  three."
    assert texts(tree.declarations) == ["let x = 1", "let y = 2"]


@pytest.mark.parametrize(
    "text",
    [
        "One line.",
        "  blanks before",
        "First.\n\n    Second.\n      Deeper.\n    Last.\n    ",
        "\n  Begins below.\n  Goes on.\n",
        "a\n\tb\n\t\tc",
        "x\n  y\n z",
        'with "quotes" in it',
    ],
)
def test_documentation_is_dedented_as_python_does(text):
    assert file_of(f'"""{text}"""').documentation == inspect.cleandoc(text)


def test_import():
    found = declaration('import conv_relu, unit,\n  from "blocks.net"')
    assert texts(found.names) == ["conv_relu", "unit"]
    assert (found.origin, found.library) == ("blocks.net", False)
    assert found.origin_span.text == '"blocks.net"'
    found = declaration("import conv_bn from std")
    assert (found.origin, found.library, found.origin_span.text) == ("std", True, "std")


def test_parameters():
    found = declaration("block unit(width, stride = 1, act: block = relu, inner: block,) { relu }")
    assert found.name_span.text == found.name == "unit"
    assert texts(found.parameters) == ["width", "stride = 1", "act: block = relu", "inner: block"]
    assert [each.kind for each in found.parameters] == [None, None, "block", "block"]
    assert texts(each.default for each in found.parameters) == [None, "1", "relu", None]
    assert declaration("block unit { relu }").parameters == ()
    assert declaration("block unit() {}").body.statements == ()


def test_variant():
    found = declaration("network resnet50 = resnet(bottleneck, depths = [3, 4])")
    assert (found.name, found.base, found.base_span.text) == ("resnet50", "resnet", "resnet")
    assert texts(found.arguments) == ["bottleneck", "depths = [3, 4]"]
    assert found.body is None
    found = declaration('network small = big {\n"""Small."""\nassert params < 1M\n}')
    assert found.arguments == ()
    assert found.body.documentation == "Small."
    assert texts(found.body.statements) == ["assert params < 1M"]


def test_let_takes_patterns():
    found = declaration("let x = 1").pattern
    assert (found.name, found.nested, found.span.text) == ("x", None, "x")
    found = declaration("let (a, (b, c),) = pairs").pattern
    first, second = found.nested
    assert (first.name, texts(second.nested)) == ("a", ["b", "c"])


def test_recipe():
    found = declaration(
        """recipe cats for net(classes = 2) {
          \"\"\"Two steps.\"\"\"
          weights   "net.safetensors" except top, layer{3}.0
          freeze    all except top
          schedule  cosine(peak = 0.4, warmup = 5 epochs)
          augment   random_crop(224, scale = (0.08, 1.0)) -> mirror
          epochs 90; batch 256
          decay 300 steps
          then {
            unfreeze from block14
            epochs 5
          }
          then { }
        }"""
    )
    assert (found.name, found.network, found.network_span.text) == ("cats", "net", "net")
    assert (found.documentation, texts(found.arguments)) == ("Two steps.", ["classes = 2"])
    settings = {each.name: each for each in found.settings}
    assert " ".join(settings) == "weights freeze schedule augment epochs batch decay"
    assert texts(settings["weights"].exceptions) == ["top", "layer{3}.0"]
    assert texts(settings["freeze"].values) == ["all"]
    assert texts(settings["augment"].values) == [
        "random_crop(224, scale = (0.08, 1.0))",
        "mirror",
    ]
    (quantity,) = settings["decay"].values
    assert (quantity.value.value, quantity.unit) == (300, "steps")
    warmup = settings["schedule"].values[0].arguments[1]
    assert (warmup.name, warmup.value.unit) == ("warmup", "epochs")
    phase, empty = found.phases
    assert (phase.name, text_of(phase.settings[0].start)) == ("then", "block14")
    assert empty.settings == ()


# ---------------------------------------------------------------- statements


def test_flow():
    found = statement("conv1: from a.0 -> conv(64, 3x3, stride = 2) -> relu")
    assert (text_of(found.label), text_of(found.source)) == ("conv1", "a.0")
    assert texts(found.steps) == ["conv(64, 3x3, stride = 2)", "relu"]
    call = found.steps[0]
    assert (call.name, call.name_span.text, call.branches) == ("conv", "conv", None)
    assert [(each.name, text_of(each.value)) for each in call.arguments] == [
        (None, "64"),
        (None, "3x3"),
        ("stride", "2"),
    ]
    assert statement("from in").steps == ()
    assert statement("relu").label is None


@pytest.mark.parametrize(
    ("label", "parts"),
    [
        ("conv1", ["conv1"]),
        ("0", ["0"]),
        ("features.0", ["features", "0"]),
        ("features.0.1", ["features", "0", "1"]),
        ("0.1", ["0", "1"]),
        ("layer{i + 1}", [("layer", "i + 1")]),
        ("a.layer{i}.b", ["a", ("layer", "i"), "b"]),
        ("features.{k}", ["features", "k"]),
        ("in", ["in"]),
        ("block1-0", [("block1", "-", "0")]),
        ("a.b{i}-{j}.c", ["a", ("b", "i", "-", "j"), "c"]),
        ("a-0.1", [("a", "-", "0"), "1"]),
        ("block.0", ["block", "0"]),
        ("a.block.0", ["a", "block", "0"]),
        ("a.block", ["a", "block"]),
    ],
)
def test_labels_and_paths(label, parts):
    def shown(part):
        first, *rest = (each if isinstance(each, str) else text_of(each) for each in part)
        return (first, *rest) if rest else first

    for found in (statement(f"from {label} -> relu").source, statement(f"{label}: relu").label):
        assert [shown(each) for each in found.parts] == parts
        assert found.span.text == label


def test_a_template_is_a_value_and_a_plain_name_is_none():
    found = step("concat(e{depth - i}, e1, e1.shape, e.x[0])").arguments
    kinds = [type(each.value) for each in found]
    assert kinds == [syntax.Path, syntax.Name, syntax.Attribute, syntax.Index]
    assert found[0].value.parts[0][0] == "e"


def test_branches():
    found = step(
        "concat {",
        "  | conv(1, 1x1) -> relu",
        "  | identity",
        "    relu",
        "  | a; b",
        "}",
    )
    assert [texts(each.body.statements) for each in found.branches] == [
        ["conv(1, 1x1) -> relu"],
        ["identity", "relu"],
        ["a", "b"],
    ]
    assert step("mul { | identity | sigmoid }").branches[1].span.text == "| sigmoid"
    assert step("add{ | a | b }").name == "add"


def test_branch_loops():
    found = step(
        "concat {",
        "  for maps in table { | select(maps) -> conv(1, 5x5) }",
        "  for (a, b) in pairs { for c in a { | conv(c, 1x1) } }",
        "  | identity",
        "}",
    )
    first, second, last = found.branches
    assert (first.pattern.name, text_of(first.values)) == ("maps", "table")
    assert texts(first.branches) == ["| select(maps) -> conv(1, 5x5)"]
    assert texts(second.pattern.nested) == ["a", "b"]
    assert isinstance(second.branches[0], syntax.BranchLoop)
    assert isinstance(last, syntax.Branch)


def test_residual():
    found = step("residual { relu }")
    assert (found.condition, found.shortcut, found.shortcut_condition) == (None, None, None)
    assert found.shortcut_span is None
    found = step(
        "residual if stride == 1 {",
        "  relu",
        "}",
        "",
        "shortcut if in.shape != out.shape { conv(1, 1x1) }",
    )
    assert text_of(found.condition) == "stride == 1"
    assert text_of(found.shortcut_condition) == "in.shape != out.shape"
    assert texts(found.shortcut.statements) == ["conv(1, 1x1)"]
    assert found.shortcut_span.text.startswith("shortcut if")


def test_loops():
    found = step("repeat depth as j { relu }")
    assert (text_of(found.passes), found.number) == ("depth", "j")
    assert step("repeat 2 { relu }").number is None
    found = step("for (i, depth) in enumerate(depths) { relu }")
    assert (texts(found.pattern.nested), text_of(found.values)) == (
        ["i", "depth"],
        "enumerate(depths)",
    )
    assert isinstance(statement("layer{i}: repeat 2 { relu } -> relu").steps[0], syntax.Repeat)


def test_if():
    found = step("if a { relu }", "else if b { tanh }", "else { identity }")
    assert texts(found.then.statements) == ["relu"]
    (inner,) = found.otherwise.statements[0].steps
    assert (text_of(inner.condition), texts(inner.otherwise.statements)) == ("b", ["identity"])
    assert step("if a { relu }").otherwise is None


def test_groups():
    labelled, bare = body("features: { relu; tanh }", "{ relu }")
    assert texts(labelled.steps[0].body.statements) == ["relu", "tanh"]
    assert isinstance(bare.steps[0], syntax.Group)


def test_aux():
    found = statement("aux1: aux(weight = 0.3) { relu }")
    assert (text_of(found.label), texts(found.arguments)) == ("aux1", ["weight = 0.3"])
    assert statement("aux { relu }").arguments == ()


def test_default():
    found = statement("default conv(bias = false, pad = same), depthwise(pad = same)")
    assert texts(found.calls) == ["conv(bias = false, pad = same)", "depthwise(pad = same)"]


def test_assert():
    found = statement('assert params <= 5.4M,\n  "too large"')
    assert (text_of(found.condition), found.message.value) == ("params <= 5.4M", "too large")
    assert statement("assert true").message is None


def test_claim():
    found = statement(
        'claim paper "arXiv:1512.03385" {',
        "  params == 25.6M within 1%",
        "  macs == 3.8G within 0.5%; depth <= 7 % 4",
        "  output layer{3}.0 == [14, 14, 1024]",
        "}",
    )
    assert (found.kind, found.source) == ("paper", "arXiv:1512.03385")
    shown = [(text_of(e.output), text_of(e.condition), text_of(e.within)) for e in found.entries]
    assert shown == [
        (None, "params == 25.6M", "1"),
        (None, "macs == 3.8G", "0.5"),
        (None, "depth <= 7 % 4", None),
        ("layer{3}.0", "[14, 14, 1024]", None),
    ]


@pytest.mark.parametrize(
    ("text", "default", "where"),
    [
        ("input image[H, W, 3]", None, None),
        ("input image[H, W, 3] default [8, 8, 3]", ["8", "8", "3"], None),
        ("input image[H, W, 3] where H % 2 == 0", None, "H % 2 == 0"),
        ("input image[H, W, 3] default [8, 8, 3] where H > 1", ["8", "8", "3"], "H > 1"),
        ("input image[H, W, 3,]\n  where H > 1 default [8, 8, 3]", ["8", "8", "3"], "H > 1"),
    ],
)
def test_input(text, default, where):
    found = statement(text)
    assert (found.name, found.name_span.text) == ("image", "image")
    assert texts(found.sizes) == ["H", "W", "3"]
    assert (found.default and texts(found.default), text_of(found.where)) == (default, where)


def test_documentation_of_a_body():
    found = declaration('block unit {\n  """What it is."""\n  relu\n}')
    assert (found.body.documentation, len(found.body.statements)) == ("What it is.", 1)
    assert declaration('block unit { """Only this.""" }').body.documentation == "Only this."


# ---------------------------------------------------------------- ends of statements


@pytest.mark.parametrize(
    "lines",
    [
        "conv(8, 3x3) -> relu",
        "conv(8, 3x3)\n\n  -> relu",
        "conv(8, 3x3) ->  # a comment\n  # and another\n\n  relu",
        "conv(\n  8,\n  3x3\n)\n-> relu;",
    ],
)
def test_a_chain_goes_on(lines):
    assert len(statement(lines).steps) == 2


@pytest.mark.parametrize("lines", ["relu; tanh", "relu\ntanh", "relu;\ntanh;\n", "relu;;\n;tanh"])
def test_statements_end(lines):
    assert texts(body(lines)) == ["relu", "tanh"]


def test_an_operator_at_the_end_of_a_line_goes_on():
    lines = ["let a = 1 +\n  2", "let b = p and\n q\n or r", "let c = not\n p", "relu"]
    assert texts(body(*lines)) == lines


WORDS = "same valid all within output epochs steps std concat add mul max out weights"


@pytest.mark.parametrize("name", WORDS.split())
def test_words_that_are_no_keywords(name):
    assert isinstance(value(name), syntax.Name)
    assert text_of(statement(f"{name}: relu").label) == name
    assert step(name).name == name


# ---------------------------------------------------------------- values


def test_sequences_and_calls():
    assert texts(value("[1, 2,]").items) == ["1", "2"]
    assert texts(value("(1,)").items) == ["1"]
    assert value("()").items == value("[]").items == ()
    assert isinstance(value("(1)"), syntax.Constant)
    found = value("round_to(32 * width, 8, up = true)")
    assert (found.function, found.function_span.text) == ("round_to", "round_to")
    assert texts(found.arguments) == ["32 * width", "8", "up = true"]


def test_sizes():
    assert value("7x1").value == Window(7, 1)
    assert value("2x").value == Window(2, 2)
    assert texts(value("[3x3, x3, 3]").items) == ["3x3", "x3", "3"]
