"""`netdsl lint`: each program of tests/lint/RULE is found by the rule, as its `.txt` says, and what
is right is not; fixes change what they say and nothing else. `pytest --update-golden` rewrites the
texts."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

import pytest

from netdsl import exits, main
from netdsl.codes import CODES, RULES
from netdsl.cost import cost
from netdsl.diagnostics import Diagnostic
from netdsl.elaborate import elaborate
from netdsl.explanations import explanation
from netdsl.fixes import propose, repair
from netdsl.lint import RULES as RECORDS
from netdsl.lint import Linted, lint
from netdsl.network import complete_networks, load_file
from netdsl.render import render
from netdsl.source import Source, read_source

ROOT = Path(__file__).parents[1]
FOLDER = Path(__file__).parent / "lint"
PROGRAMS = sorted(FOLDER.glob("*/*.net"))


def linted(source: Source) -> Linted:
    file, diagnostics = load_file(source)
    assert file is not None, render(diagnostics, color=False)
    return lint(file, None, {})


def found(source: Source) -> tuple[Diagnostic, ...]:
    result = linted(source)
    assert not result.errors, render(result.errors, color=False)
    return result.findings


def rules_of(text: str) -> list[str]:
    return [each.code for each in found(Source("a.net", text))]


def network(*lines: str, head: str = "network net") -> str:
    body = "\n".join(f"  {line}" for line in lines)
    return f"{head} {{\n  input image[32, 32, 3]\n{body}\n}}\n"


# ---------------------------------------------------------------- what is found


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_program_that_a_rule_finds(path: Path, update_golden: bool) -> None:
    source = read_source(path, path.name)
    findings = found(source)
    assert path.parent.name in {each.code for each in findings}
    text = render(propose(source, findings, found).diagnostics, color=False)
    golden = path.with_suffix(".txt")
    if update_golden:
        golden.write_text(text, "utf-8")
    assert text == golden.read_text("utf-8")


def test_every_rule_has_a_program_and_a_line() -> None:
    assert {path.parent.name for path in PROGRAMS} == set(RULES)
    assert list(RECORDS) == list(RULES)
    assert not set(RULES) & set(CODES)


@pytest.mark.parametrize("rule", RULES)
def test_the_programs_of_a_rules_page(rule: str) -> None:
    page = explanation(rule)
    assert page is not None
    assert page.text.startswith(f"# {rule}\n\n")
    assert rule in rules_of(page.fails)
    assert rules_of(page.passes) == []
    assert max(map(len, page.text.splitlines())) <= 100


def test_a_place_is_found_once() -> None:
    """However many calls, passes and networks make it."""
    block = "block unit(width) {\n  conv(width, 3x3, pad = 1) -> bn -> relu\n}\n"
    calls = network("repeat 3 { unit(8) }", "unit(4)", head="network net(classes = 1)")
    text = block + calls.replace("(classes = 1)", "") + "network other = net\n"
    (finding,) = found(Source("a.net", text))
    assert finding.span.text == "conv(width, 3x3, pad = 1)"
    assert finding.notes == (
        "this is in the network `net`",
        "the same holds of 7 more layers that are made here",
    )


# What is nearly a mistake, and is none.
FINE = {
    "a batch norm in only one of the calls": (
        "block unit(act: block) { conv(8, 1x1) -> act }\n" + network("unit(relu)", "unit(bn)")
    ),
    "a bias that something else reads too": network(
        "x: conv(8, 3x3)", "left: bn -> relu", "from x -> relu -> concat(left)"
    ),
    "a bias before a norm over all channels": network("conv(8, 3x3) -> layernorm -> relu"),
    "a bias behind an activation": network("conv(8, 3x3) -> relu -> bn"),
    "a strided shortcut beside a body that reads all": network(
        "residual { conv(8, 3x3, 2, pad = 1) } shortcut { conv(8, 1x1, 2) }"
    ),
    "a value that skips are taken of and that is read whole": network(
        "x: relu", "half: conv(8, 1x1, 2)", "from x -> conv(8, 3x3, 2, pad = 1) -> concat(half)"
    ),
    "paddings that make two grids": network(
        "concat {",
        "  | conv(8, 1x1, 2)",
        "  | conv(8, 1x1, 2, pad = ((1, 0), (1, 0))) -> crop(((0, 1), (0, 1)))",
        "}",
    ),
    "padding that the last window misses": network("conv(8, 7x7, 2, pad = 3)"),
    "windows that hang over the edge": network("conv(8, 2x2) -> maxpool(2x2, ceil = true)"),
    "an input of open size": (
        "network net {\n  input image[H, W, 3]\n  conv(8, 3x3, 2, pad = same) -> maxpool(2x2)\n}\n"
    ),
    "same padding that is alike at both sides": network(
        "conv(8, 2x2) -> conv(8, 3x3, 2, pad = same)".replace(" -> ", " -> relu -> "),
    ),
    "same padding without a stride": network("conv(8, 4x4, pad = same)"),
    "same padding of windows as large as their step": network("maxpool(2x2, pad = same)"),
    "a mean without padding": network("avgpool(2x2)", "avgpool(2x2, pad = same)"),
    "a bottleneck of two linear layers": network("conv(2, 1x1) -> conv(32, 3x3)", "flatten")
    + "network other {\n  input x[100]\n  dense(10) -> dense(100)\n}\n",
    "a separable convolution": network("conv(8, 1x1) -> depthwise(3x3) -> conv(16, 1x1)"),
    "a bias before zeros around the image": network("conv(8, 1x1) -> conv(8, 3x3, pad = 1)"),
    "pools before a global one of another kind": network(
        "avgpool(2x2) -> globalmaxpool", head="network one"
    )
    + network("maxpool(3x3, 2, pad = 1) -> globalavgpool", head="network two")
    + network("avgpool(3x3, 1) -> globalavgpool", head="network three"),
    "a dropout that may have another rate": network(
        "conv(8, 3x3) -> dropout(rate)", head="network net(rate = 0)"
    ),
    "a pool before a global one, in an image of open size": (
        "network net {\n  input image[H, W, 3] default [32, 32, 3]\n"
        "  avgpool(2x2) -> globalavgpool\n}\n"
        "network other(size = 32) {\n  input image[size, size, 3]\n"
        "  avgpool(2x2) -> globalavgpool\n}\n"
    ),
    "a pool whose window is a parameter": (
        "block stage(pool = 1) { maxpool(pool) -> conv(8, 1x1) }\n"
        + network("stage", "avgpool(pool) -> globalavgpool", head="network net(pool = 1x1)")
    ),
    "activations that are parameters": (
        "block unit(act: block = relu) { conv(8, 1x1) -> act -> relu6 }\n"
        "block rectifier { relu }\n"
        "block other(act: block = rectifier) { conv(8, 1x1) -> relu6 -> act }\n"
        "block pair(part: block = unit) { part -> relu }\n" + network("unit", "other", "pair")
    ),
    "an activation behind the sum": network(
        "residual { conv(3, 3x3, pad = 1) -> relu -> conv(3, 3x3, pad = 1) }", "relu"
    ),
    "a residual of nothing but its input": network("relu", "residual { identity }"),
    "a last norm behind the pooling": network(
        "conv(8, 3x3)",
        "residual { layernorm -> conv(8, 1x1) }",
        "globalavgpool -> layernorm -> dense(10)",
    ),
    "residuals that end with their norm": network(
        "conv(8, 3x3)", "residual { conv(8, 1x1, bias = false) -> bn }", "globalavgpool -> dense(9)"
    ),
    "a network for images": network("conv(8, 3x3) -> sigmoid"),
    "features that no recipe trains": network("flatten", "dense(10) -> relu"),
    "a second output with a name": network(
        "x: conv(8, 3x3)", "features: relu", "from x -> flatten -> dense(9)"
    ),
    "a dropout behind the last norm": network(
        "conv(8, 3x3, bias = false) -> bn -> relu", "globalavgpool -> dropout(0.5) -> dense(9)"
    ),
    "names that say that they are not read": (
        "let _later = 3\nblock _b(_x) { relu }\n"
        + network("repeat 2 as _i { relu }", "conv(3, 1x1)").replace("repeat 2 as _i { relu }", "")
    ),
    "a value that only a claim reads": network(
        "let biases = 8", "conv(8, 3x3)", 'claim paper "x" { params - biases == 216 }'
    ),
    "a parameter that only a variant's assertion reads": (
        network("conv(8, 3x3)", head="network net(most = 1000)")
        + "network other = net { assert params < most }\n"
    ),
    "a parameter that only a later default reads": network(
        "conv(wide, 3x3)", head="network net(width = 4, wide = 2 * width)"
    ),
    "a size of the input": (
        "network net(size = 8) {\n  input image[size, size, 3]\n  conv(8, 3x3)\n}\n"
    ),
    "a variable that only a label reads": network(
        "for (i, width) in enumerate([4, 8]) { layer{i}: conv(width, 3x3) -> relu }"
    ),
    "blocks and values of a file for others": "let width = 3\nblock unit { relu }\n",
    "a default inside a condition": network(
        "if in.channels == 3 { default conv(pad = 1) }", "conv(8, 3x3)"
    ),
    "rules in a text": network('assert true, "# lint: allow nothing"', "conv(8, 3x3)"),
    "rules in a comment on comments": network("conv(8, 3x3)  # such as `# lint: allow nothing`"),
    "what enters braces, and the input at its first layers": network(
        "conv(in.channels, 1x1)",
        "residual { relu -> conv(in.channels, 1x1) }",
        "concat { | conv(in.channels, 1x1) | relu -> conv(in.channels, 1x1) }",
        "x: relu",
        "from image -> conv(in.channels, 1x1) -> concat(x)",
    ),
    "a comment on linting": network("# lint target", "conv(8, 3x3)"),
    "a word that begins like ours": network("conv(8, 3x3)  # linting: none"),
}


@pytest.mark.parametrize("text", FINE.values(), ids=FINE.keys())
def test_what_is_right_is_not_found(text: str) -> None:
    assert rules_of(text) == []


def test_unread_pixels_are_those_that_taps_leave_out() -> None:
    """Against taps laid one by one, in the middle of an image that they go over."""
    for kernel in range(1, 5):
        for stride in range(1, 5):
            for dilation in range(1, 5):
                for pad in ("0", "1", "same"):
                    text = (
                        "network net {\n  input image[40, 40, 3]\n  conv(8, "
                        f"{kernel}x1, {stride}x1, {pad if pad == 'same' else pad + 'x0'}, "
                        f"{dilation}x1) -> relu\n}}\n"
                    )
                    starts = range(-40, 80, stride)
                    read = {start + dilation * tap for start in starts for tap in range(kernel)}
                    missed = not set(range(40)) <= read
                    assert ("unread-pixels" in rules_of(text)) == missed, text


def test_unread_rows_are_those_that_windows_leave_out() -> None:
    """Against windows laid one by one."""
    for size in range(8, 20):
        for kernel in range(2, 6):
            for stride in range(1, kernel + 1):
                for padding in range(kernel // 2 + 1):
                    text = (
                        f"network net {{\n  input image[{size}, {kernel}, 3]\n"
                        f"  conv(8, {kernel}x{kernel}, {stride}x1, pad = {padding}x0) -> relu\n}}\n"
                    )
                    read = set()
                    start = -padding
                    while start + kernel <= size + padding:
                        read.update(range(start, start + kernel))
                        start += stride
                    missed = set(range(size)) - read
                    findings = found(Source("a.net", text))
                    assert [each.code for each in findings] == ["unread-border"] * bool(missed)
                    if missed:
                        rows = "row" if len(missed) == 1 else f"{len(missed)} rows"
                        assert f"the last {rows} of" in findings[0].message


def test_same_padding_differs_where_no_symmetric_padding_has_its_windows() -> None:
    """Against the places of all windows, for every padding that PyTorch could be given."""
    for size in range(4, 15):
        for kernel in range(1, 6):
            for stride in range(2, 5):
                out = -(-size // stride)
                before = max((out - 1) * stride + kernel - size, 0) // 2
                windows = [i * stride - before for i in range(out)]
                symmetric = [
                    [
                        i * stride - padding
                        for i in range((size + 2 * padding - kernel) // stride + 1)
                    ]
                    for padding in range(kernel)
                    if size + 2 * padding >= kernel
                ]
                text = (
                    f"network net {{\n  input image[{size}, 8, 3]\n"
                    f"  conv(8, {kernel}x1, {stride}x1, pad = same) -> relu\n}}\n"
                )
                differs = "padding-differs" in rules_of(text)
                assert differs == (windows not in symmetric), (size, kernel, stride)


def test_the_networks_that_netdsl_ships_are_clean(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["lint", str(ROOT / "architectures")]) == exits.FINE
    assert capsys.readouterr() == ("", "")


# ---------------------------------------------------------------- fixes


def comments(text: str) -> list[str]:
    return [each for each in re.findall(r"#.*", text) if "lint:" not in each]


def figures(source: Source) -> list[object]:
    """For each network, its costs and the shapes of its weights by their keys."""
    file, _ = load_file(source)
    assert file is not None
    result: list[object] = []
    for name in complete_networks(file):
        graph = elaborate(file, name, {}).graph
        assert graph is not None
        total = cost(graph, 1).total
        weights = [
            (node.path, each.name, each.shape)
            for node in graph.nodes
            if node.op is not None
            for each in node.op.weights(*(graph.nodes[i].type for i in node.inputs))
        ]
        shapes = [graph.nodes[output.node].type for output in graph.outputs]
        result.append((name, total.params, total.macs, weights, shapes))
    return result


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_fixed_programs(path: Path) -> None:
    source = read_source(path, path.name)
    safe = repair(source, found, unsafe=False)
    assert figures(safe.source) == figures(source)
    assert comments(safe.source.text) == comments(source.text)
    assert not [each for each in safe.diagnostics if any(fix.safe for fix in each.fixes)]
    every = repair(source, found, unsafe=True)
    assert comments(every.source.text) == comments(source.text)
    left = found(every.source)
    assert len(left) + len(every.applied) <= len(found(source))
    assert not [each for each in left if each.fixes]
    assert repair(every.source, found, unsafe=True).applied == ()


def test_each_rule_fixes_what_it_says() -> None:
    """A rule that has a fix has one in its programs, as safe as it is listed to be."""
    for rule in RECORDS.values():
        fixes = [
            fix
            for path in FOLDER.glob(f"{rule.slug}/*.net")
            for each in found(read_source(path, path.name))
            if each.code == rule.slug
            for fix in each.fixes
        ]
        assert bool(fixes) == bool(rule.fix), rule.slug
        assert all(fix.safe == (rule.fix == "safe") for fix in fixes), rule.slug


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("relu -> relu  # twice", "relu  # twice"),
        ("relu\n    -> relu", "relu"),
        ("relu  # a\n    -> relu -> conv(8, 1x1)", "relu  # a\n    -> conv(8, 1x1)"),
        ("relu  # a\n    -> relu  # b", "relu  # a\n    -> relu  # b"),
        ("relu ->\n    relu ->  # a\n    conv(8, 1x1)", "relu ->\n    # a\n    conv(8, 1x1)"),
        ("x: conv(8, 1x1) -> relu\n  relu\n    -> conv(8, 1x1)",) * 2,
        ("relu\n  let t = [1,  # one\n    2]",) * 2,
        ("relu -> dropout(0) -> conv(8, 1x1)", "relu -> conv(8, 1x1)"),
        ("dropout(0) -> conv(8, 1x1)", "conv(8, 1x1)"),
        ("avgpool(3x3, 1, pad = 1)", "avgpool(3x3, 1, pad = 1, count_padding = true)"),
        ("conv(8, 3x3, bias = true) -> bn", "conv(8, 3x3, bias = false) -> bn"),
        ("let a = 2; relu", "relu"),
        ("relu; let a = 2", "relu"),
        ("relu\n  let a = 2  # two", "relu\n  # two"),
        ("relu\n\n  let a = 2\n\n  relu6", "relu\n\n  relu6"),
        ("repeat 2 as i { conv(8, 3x3) -> relu }", "repeat 2 { conv(8, 3x3) -> relu }"),
        (
            "conv(8, 1x1)  # lint: allow no-effect — x\n  relu",
            "conv(8, 1x1)\n  relu",
        ),
    ],
)
def test_what_a_fix_writes(before: str, after: str) -> None:
    repaired = repair(Source("a.net", network(before)), found, unsafe=True)
    assert repaired.source.text == network(after)


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        (
            "block unit(plain = true) { conv(8, 1x1) -> relu; if not plain { tanh }; relu }\n"
            + network("unit"),
            "repeated-activation",
        ),
        (
            network("relu", "repeat count { relu6 }", "relu", head="network net(count = 0)"),
            "repeated-activation",
        ),
        ("block end { avgpool(2x2) -> globalavgpool }\n" + network("end"), "no-effect"),
        (
            network("conv(8, 3x3, pad = pad) -> avgpool(2x2)", "globalavgpool").replace(
                "net {", "net(pad = 1) {"
            ),
            "no-effect",
        ),
        (
            network("avgpool(3x3, 1, pad)", head="network net(pad = 1)"),
            "padding-in-mean",
        ),
    ],
)
def test_what_arguments_can_change_is_not_fixed(text: str, rule: str) -> None:
    assert [(each.code, each.fixes) for each in found(Source("a.net", text))] == [(rule, ())]


def test_activations_that_change_nothing() -> None:
    """The second one's removal is fixed just where it changes none."""
    names = ["relu", "relu6", "leaky_relu", "elu", "hard_sigmoid", "sigmoid", "tanh", "gelu"]
    nothing = {
        (first, second)
        for first in names
        for second in names
        if any(each.fixes for each in found(Source("a.net", network(f"{first} -> {second}"))))
    }
    rectifiers = {"relu", "leaky_relu", "elu"}
    bounded = {"relu6", "hard_sigmoid", "sigmoid"}
    assert nothing == {(first, second) for first in bounded | {"relu"} for second in rectifiers} | {
        (first, "relu6") for first in bounded
    }


# ---------------------------------------------------------------- what is meant

SKIPS = "conv(4, 1x1, 2)"


@pytest.mark.parametrize(
    "lines",
    [
        [f"{SKIPS}  # lint: allow unread-pixels — meant"],
        [f"{SKIPS} # lint:allow unread-pixels: meant"],
        [f"{SKIPS} #Lint: allow unread-pixels - meant"],
        ["# lint: allow unread-pixels — meant", SKIPS],
        ["# lint: allow unread-pixels — meant", "# and a further comment", "", SKIPS],
        ["relu", "  # lint: allow unread-pixels — meant", f"  -> {SKIPS}"],
    ],
)
def test_an_allowance(lines: list[str]) -> None:
    assert rules_of(network(*lines)) == []


@pytest.mark.parametrize(
    "text",
    [
        "# lint: allow unread-pixels — meant\n" + network(SKIPS, "relu", SKIPS),
        '"""A file."""\n# lint: allow-file unread-pixels — meant\n\n' + network(SKIPS, SKIPS),
        network(SKIPS, "relu", SKIPS) + "# lint: allow-file unread-pixels — meant\n",
    ],
)
def test_an_allowance_of_more_than_a_line(text: str) -> None:
    assert [each for each in rules_of(text) if each != "repeated-linear"] == []


def test_an_allowance_is_for_its_line_and_rule() -> None:
    text = network("# lint: allow unread-pixels — meant", "relu", SKIPS)
    assert rules_of(text) == ["unused-allow", "unread-pixels"]
    text = network(f"{SKIPS}  # lint: allow unread-border — meant")
    assert rules_of(text) == ["unread-pixels", "unused-allow"]


def test_an_allowance_that_could_not_be_used_is_not_called_unused(tmp_path: Path) -> None:
    """Of a block that nothing here calls, and of layers of another network."""
    text = f"block unit {{\n  {SKIPS}  # lint: allow unread-pixels — meant\n}}\n"
    assert rules_of(text) == []
    source = Source("a.net", text + network("unit") + network("relu", head="network other"))
    file, _ = load_file(source)
    assert file is not None
    assert lint(file, None, {}).findings == ()
    assert lint(file, "other", {}).findings == ()
    chosen = frozenset(RULES) - {"unread-pixels"}
    assert lint(file, None, {}, chosen).findings == ()


# ---------------------------------------------------------------- the command


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


MESSY = "let unused = 3\n" + network(
    "conv(8, 3x3) -> bn -> relu  # begin", "dropout(0) -> conv(8, 1x1)"
)
SAFE = network("conv(8, 3x3) -> bn -> relu  # begin", "conv(8, 1x1)")
CLEAN = network("conv(8, 3x3, bias = false) -> bn -> relu")


def test_exit_codes(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "messy.net").write_text(MESSY)
    (here / "clean.net").write_text(CLEAN)
    (here / "broken.net").write_text(network("convv(8, 3x3)", "let a = 3"))
    assert main.run(["lint", "clean.net"]) == exits.FINE
    assert capsys.readouterr() == ("", "")
    assert main.run(["lint", "messy.net"]) == exits.PROGRAM_HAS_ERRORS
    err = capsys.readouterr().err
    assert "warning[bias-before-norm]" in err
    assert "--fix applies the 2 safe fixes" in err
    assert main.run(["lint", "broken.net"]) == exits.PROGRAM_HAS_ERRORS
    err = capsys.readouterr().err
    assert "error[unknown-layer]" in err
    assert "unused-let" not in err
    assert main.run(["lint", "."]) == exits.PROGRAM_HAS_ERRORS
    assert main.run(["lint", "none.net"]) == exits.INPUT_OUTPUT_FAILED
    assert main.run(["lint"]) == exits.WRONG_USAGE
    assert main.run(["lint", "clean.net", "--unsafe-fixes"]) == exits.WRONG_USAGE
    assert main.run(["lint", "clean.net", "--diff", "--format", "json"]) == exits.WRONG_USAGE
    assert main.run(["lint", "clean.net", "--statistics", "--diff"]) == exits.WRONG_USAGE


def test_select_and_ignore(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "a.net").write_text(MESSY)

    def codes(*options: str) -> list[str]:
        main.run(["lint", "a.net", "--format", "json", *options])
        return [each["code"] for each in json.loads(capsys.readouterr().out)["diagnostics"]]

    assert codes() == ["unused-let", "bias-before-norm", "no-effect"]
    assert codes("--select", "no-effect,unused-let") == ["unused-let", "no-effect"]
    assert codes("--ignore", "no-effect", "--ignore", "unused-let") == ["bias-before-norm"]
    assert codes("--select", "no-effect", "--ignore", "no-effect") == []
    assert main.run(["lint", "a.net", "--select", "no-efect"]) == exits.WRONG_USAGE
    assert "there is no rule `no-efect`; did you mean `no-effect`?" in capsys.readouterr().err
    assert main.run(["lint", "a.net", "--ignore", "E501"]) == exits.WRONG_USAGE
    assert "netdsl list rules" in capsys.readouterr().err


def test_fix_changes_the_file(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = here / "a.net"
    file.write_text(MESSY)
    assert main.run(["lint", "a.net", "--diff"]) == exits.FINE
    assert "-let unused = 3" in capsys.readouterr().out
    assert file.read_text() == MESSY
    assert main.run(["lint", "a.net", "--fix"]) == exits.PROGRAM_HAS_ERRORS
    err = capsys.readouterr().err
    assert "fixed a.net:1:5: unused-let: remove the line" in err
    assert "bias-before-norm" in err
    assert file.read_text() == SAFE
    assert main.run(["lint", "a.net", "--fix", "--unsafe-fixes"]) == exits.FINE
    assert file.read_text() == SAFE.replace("3x3", "3x3, bias = false")
    file.write_text(MESSY)
    file.chmod(0o444)
    assert main.run(["lint", "a.net", "--fix", "--format", "json"]) == exits.PROGRAM_HAS_ERRORS
    report = json.loads(capsys.readouterr().out)
    assert [each["code"] for each in report["fixed"]] == ["unused-let", "no-effect"]
    assert [each["code"] for each in report["diagnostics"]] == ["bias-before-norm"]


def test_a_program_with_errors_is_not_fixed(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = "let widht = 8\n" + network("conv(width, 3x3)")
    (here / "a.net").write_text(text)
    assert main.run(["lint", "a.net", "--fix"]) == exits.PROGRAM_HAS_ERRORS
    assert (here / "a.net").read_text() == text
    assert "error[unknown-name]" in capsys.readouterr().err


def test_formats(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "a.net").write_text(MESSY)
    main.run(["lint", "a.net", "--format", "concise"])
    assert capsys.readouterr().out.splitlines()[0] == (
        "a.net:1:5: warning[unused-let] nothing uses `unused`"
    )
    main.run(["lint", "a.net", "--format", "github"])
    out = capsys.readouterr().out
    assert out.startswith(
        "::warning file=a.net,line=1,col=5,endLine=1,endColumn=11,title=unused-let"
    )
    main.run(["lint", "a.net", "--format", "sarif"])
    (log,) = json.loads(capsys.readouterr().out)["runs"]
    rules = [each["id"] for each in log["tool"]["driver"]["rules"]]
    assert rules == [*CODES, *RULES]
    for result in log["results"]:
        assert result["level"] == "warning"
        assert rules[result["ruleIndex"]] == result["ruleId"]
    assert main.run(["lint", "a.net", "--statistics"]) == exits.PROGRAM_HAS_ERRORS
    assert capsys.readouterr().out.splitlines()[0].split()[:2] == ["1", "bias-before-norm"]


def test_blocks_of_other_files(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What a file's layers show of the blocks that it imports is found there, once."""
    blocks = "import conv_bn from std\n\nblock unit { conv(8, 3x3) -> bn }\n"
    (here / "blocks.net").write_text(blocks + "block other { conv_bn(8, 3x3) }\n")
    for name in ("a", "b"):
        text = 'import unit from "blocks.net"\n' + network("unit")
        (here / f"{name}.net").write_text(text)
    assert main.run(["lint", "a.net", "--format", "concise"]) == exits.PROGRAM_HAS_ERRORS
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("blocks.net:3:14: warning[bias-before-norm]")
    assert main.run(["lint", ".", "--format", "concise"]) == exits.PROGRAM_HAS_ERRORS
    assert len(capsys.readouterr().out.splitlines()) == 1
    (here / "blocks.net").write_text(
        blocks.replace("-> bn }", "-> bn }  # lint: allow bias-before-norm — meant")
        + "block other { conv_bn(8, 3x3) }\n"
    )
    assert main.run(["lint", "."]) == exits.FINE


def test_blocks_that_netdsl_ships_are_not_ones_own(here: Path) -> None:
    text = "import separable from std\n" + network("separable(8, stride = 2)")
    (here / "a.net").write_text(text)
    assert main.run(["lint", "a.net"]) == exits.FINE


def test_what_another_file_imports_is_used(here: Path) -> None:
    text = "import conv_bn from std\nlet width = 8\nblock unit { relu }\n" + network("relu")
    (here / "a.net").write_text(text)
    assert main.run(["lint", "a.net"]) == exits.PROGRAM_HAS_ERRORS
    (here / "b.net").write_text(
        'import unit, width, conv_bn from "a.net"\n' + network("unit", "conv_bn(width, 3x3)")
    )
    assert main.run(["lint", "a.net"]) == exits.FINE


def test_standard_input_and_one_network(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def lint_input(*arguments: str) -> int:
        stream = io.TextIOWrapper(io.BytesIO(MESSY.encode()))
        monkeypatch.setattr("sys.stdin", stream)
        return main.run(["lint", *arguments])

    assert lint_input("-", "--format", "concise") == exits.PROGRAM_HAS_ERRORS
    assert capsys.readouterr().out.startswith("<stdin>:1:5: warning[unused-let]")
    assert lint_input("-", "--fix") == exits.WRONG_USAGE
    assert "no file of yours" in capsys.readouterr().err
    assert lint_input("-:other") == exits.WRONG_USAGE
    text = network(f"if bad {{ {SKIPS} }}", "relu", head="network net(bad = false)")
    (here / "a.net").write_text(text + "network other = net(true)\n")
    assert main.run(["lint", "a.net:net"]) == exits.FINE
    assert main.run(["lint", "a.net:net", "--set", "bad=true"]) == exits.PROGRAM_HAS_ERRORS
    assert main.run(["lint", "a.net:other"]) == exits.PROGRAM_HAS_ERRORS


def test_targets_that_overlap(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "a.net").write_text(MESSY + "network other = net\n")
    targets = ["a.net:net", ".", "a.net", "./a.net", "a.net:other"]
    assert main.run(["lint", *targets, "--format", "concise"]) == exits.PROGRAM_HAS_ERRORS
    assert len(capsys.readouterr().out.splitlines()) == 3
    assert main.run(["lint", *targets, "--fix"]) == exits.PROGRAM_HAS_ERRORS
    assert (here / "a.net").read_text() == SAFE + "network other = net\n"


def test_line_ends_stay(here: Path) -> None:
    (here / "a.net").write_bytes(b"\xef\xbb\xbf" + MESSY.replace("\n", "\r\n").encode())
    main.run(["lint", "a.net", "--fix"])
    after = b"\xef\xbb\xbf" + SAFE.replace("\n", "\r\n").encode()
    assert (here / "a.net").read_bytes() == after


def test_a_file_of_blocks(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "blocks.net").write_text("block unit { conv(8, 3x3) -> bn }\n")
    assert main.run(["lint", "blocks.net"]) == exits.FINE
    assert capsys.readouterr().err == (
        "note: blocks.net has no network, so that only its text is looked at\n"
    )
    assert main.run(["lint", "."]) == exits.FINE
    assert capsys.readouterr().err == ""


def test_a_shipped_network(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["lint", "resnet50"]) == exits.FINE
    assert main.run(["lint", "resnet50", "--set", "H=225"]) == exits.FINE
    capsys.readouterr()


def test_explain_and_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["explain", "bias-before-norm"]) == exits.FINE
    assert "arXiv:1502.03167" in capsys.readouterr().out
    assert main.run(["explain", "bias-before-norm", "--format", "json"]) == exits.FINE
    page = json.loads(capsys.readouterr().out)
    assert page["meaning"] == RULES["bias-before-norm"]
    assert "bias = false" in page["passes"]
    assert main.run(["explain", "bias-before-norm", "--format", "latex"]) == exits.WRONG_USAGE
    assert "`bias-before-norm` is a rule" in capsys.readouterr().err
    assert main.run(["list", "rules", "--format", "json"]) == exits.FINE
    assert [each["name"] for each in json.loads(capsys.readouterr().out)] == list(RULES)
