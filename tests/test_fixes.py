"""Fixes: each proposed one works when it is applied by hand, and files are only changed whole."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest
from wrong_programs import WrongProgram, wrong_programs
from wrong_programs import diagnose as check

from netdsl import exits, main
from netdsl.besides import besides
from netdsl.check import check_network
from netdsl.diagnostics import Diagnostic, Edit, Fix, NearNames, did_you_mean, one_edit
from netdsl.fixes import OverlappingEdits, apply_edits, propose, repair
from netdsl.fixes_of_names import ARGUMENT_SYNONYMS
from netdsl.network import load_file
from netdsl.ops import OPS
from netdsl.parse import parse
from netdsl.source import Source, read_source

ROOT = Path(__file__).parents[1]


def by_hand(text: str, fix: Fix) -> str:
    """The text with a fix, made from the back so that no offset moves."""
    for span, written in sorted(fix.edits, key=lambda edit: -edit.span.start):
        text = text[: span.start] + written + text[span.end :]
    return text


def of(text: str) -> tuple[Diagnostic, ...]:
    source = Source("a.net", text)
    return propose(source, check(source), check).diagnostics


def check_on(source: Source) -> tuple[Diagnostic, ...]:
    """All mistakes, with those beside mistakes of syntax."""
    found = check(source)
    return found if parse(source)[0] is not None else found + besides(source, found)


def network(*lines: str) -> str:
    body = "\n".join(f"  {line}" for line in lines)
    return f"network net {{\n{body}\n}}\n"


# ---------------------------------------------------------------- what is proposed


@pytest.mark.parametrize("case", wrong_programs(), ids=lambda case: case.name)
def test_each_fix_removes_its_diagnostic(case: WrongProgram) -> None:
    """What is proposed, and that it is safe or not, is in the text beside the program."""
    source = read_source(case.path, case.path.name)
    diagnostics = propose(source, check(source), check).diagnostics
    for diagnostic in diagnostics:
        for fix in diagnostic.fixes:
            after = check(Source(source.name, by_hand(source.text, fix), source.path))
            before, left = (
                sum(
                    (each.code, each.message) == (diagnostic.code, diagnostic.message)
                    for each in them
                )
                for them in (diagnostics, after)
            )
            assert left < before
            if not fix.safe:
                assert badness(after) <= badness(diagnostics)
                if not any(each.code in HIDING for each in diagnostics):
                    assert len(after) < len(diagnostics)


@pytest.mark.parametrize("unsafe", [False, True], ids=["safe", "unsafe"])
@pytest.mark.parametrize("case", wrong_programs(), ids=lambda case: case.name)
def test_repair_makes_nothing_worse(case: WrongProgram, unsafe: bool) -> None:
    """There are fewer mistakes after it, or other ones that a mistake hid; and it ends."""
    source = read_source(case.path, case.path.name)
    before = badness(check(source))
    repaired = repair(source, check, unsafe=unsafe)
    assert badness(repaired.diagnostics) <= before
    if repaired.applied:
        again = repair(repaired.source, check, unsafe=unsafe)
        assert again.applied == ()
        assert again.source.text == repaired.source.text
    else:
        assert repaired.source.text == source.text


def badness(diagnostics: tuple[Diagnostic, ...]) -> tuple[int, int]:
    """How many errors of syntax there are, without which alone the others are seen, and in all."""
    codes = [each.code for each in diagnostics if each.severity == "error"]
    return sum(each in SYNTAX for each in codes), len(codes)


HIDING = ("too-many-errors", "unexpected-token")
"""Behind these is what was not looked at before."""

SYNTAX = (
    *("invisible-character", "unclosed-bracket", "unopened-bracket", "unterminated-string"),
    *("unexpected-character", "unexpected-token"),
)


def test_without_time_nothing_is_tried() -> None:
    source = Source("a.net", network("input image[8, 8, 4]", "cnov(4, 3x3)"))
    proposal = propose(source, check(source), check, cpu_s=-1)
    assert not proposal.all_tried
    assert [each.fixes for each in proposal.diagnostics] == [()]
    assert propose(source, check(source), check).all_tried


def test_one_edit() -> None:
    alike = ("conv", "cov"), ("conv", "cnov"), ("conv", "convv"), ("conv", "conf"), ("a", "")
    for a, b in alike:
        assert one_edit(a, b)
        assert one_edit(b, a)
    for a, b in (("conv", "conv"), ("conv", "covn1"), ("conv", "vonc"), ("conv", "co"), ("", "")):
        assert not one_edit(a, b)
        assert not one_edit(b, a)


def test_near_names_are_certain_only_where_nothing_else_is_as_near() -> None:
    sure = did_you_mean("widht", ("width", "depth"))
    assert isinstance(sure, NearNames)
    assert (sure, sure.names[0], sure.certain) == ("did you mean `width`?", "width", True)
    doubtful = did_you_mean("relu7", ("relu", "relu6"))
    assert isinstance(doubtful, NearNames)
    assert not doubtful.certain
    assert not isinstance(did_you_mean("zzz", ("width",)), NearNames)


def test_the_same_name_otherwise_written_is_certain() -> None:
    for written, known in (("SGD", "sgd"), ("RandomCrop", "random_crop"), ("max_pool", "maxpool")):
        near = did_you_mean(written, (known, "other"))
        assert isinstance(near, NearNames)
        assert (near.names[0], near.certain) == (known, True)
    short = did_you_mean("b", ("bn",))
    assert not (isinstance(short, NearNames) and short.certain)


def test_what_a_fix_before_it_hid_is_fixed_next() -> None:
    text = network("input image[8, 8, 4]", "conv(4, 3x3, bias = False)", "Flatten()", "Linear(9)")
    repaired = repair(Source("a.net", text), check, unsafe=False)
    assert repaired.diagnostics == ()
    assert "bias = false" in repaired.source.text
    assert "flatten()" in repaired.source.text
    assert "dense(9)" in repaired.source.text


def test_an_inception_pool_gets_the_step_of_its_siblings() -> None:
    lines = ("input image[8, 8, 4]", "concat { | conv(4, 1x1) | maxpool(3x3) }")
    (diagnostic,) = of(network(*lines))
    assert diagnostic.fixes[0].edits[0].text == ", stride = 1, pad = same"


def test_numbers_are_not_misspelt() -> None:
    near = did_you_mean("stage2", ("stage1", "pool"))
    assert isinstance(near, NearNames)
    assert (near.names, near.certain) == (("stage1",), False)


def test_argument_synonyms_name_arguments() -> None:
    known = {name for op in OPS for name in op.parameters}
    assert set(ARGUMENT_SYNONYMS.values()) <= known


def test_two_names_as_near_make_a_fix_unsafe() -> None:
    (diagnostic,) = of(network("input image[8, 8, 4]", "relu7"))
    assert [fix.safe for fix in diagnostic.fixes] == [False]


@pytest.mark.parametrize(
    ("line", "safe"),
    [
        ("conv2d(16, 3x3)", True),
        ("conv2d(16, kernel = 3)", True),
        ("conv2d(4, 3, stride = 2)", False),  # It may be 4 channels in, 3 filters.
        ("flatten -> linear(10)", True),
    ],
)
def test_synonyms_are_safe_where_arguments_can_mean_one_thing(line: str, safe: bool) -> None:
    (diagnostic,) = of(network("input image[8, 8, 4]", line))
    assert [fix.safe for fix in diagnostic.fixes] == [safe]


def test_a_synonym_whose_arguments_do_not_match_is_not_proposed() -> None:
    (diagnostic,) = of(network("input image[8, 8, 4]", "max_pool(4, 16, 3, 1, 1)"))
    assert diagnostic.code == "unknown-layer"
    assert diagnostic.fixes == ()


def test_the_channels_that_enter_are_left_out() -> None:
    """PyTorch's `Conv2d(in, out, kernel, stride, padding)`."""
    (diagnostic,) = of(network("input image[8, 8, 4]", "Conv2d(4, 16, 3, 1, 1)"))
    (fix,) = diagnostic.fixes
    assert (fix.message, fix.safe) == (
        "write `conv`, without the channels that enter, 4",
        False,
    )
    assert [edit.text for edit in fix.edits] == ["conv", ""]


@pytest.mark.parametrize(
    ("line", "written", "safe"),
    [
        ("LayerNorm(width)", "layernorm", False),
        ("LayerNorm([4, 8, 8])", "layernorm", False),
        ("LayerNorm(width, 1e-6)", "layernorm(eps = 1e-6)", False),
        ("LayerNorm(normalized_shape = 4)", "layernorm", True),
        ("LayerNorm(1e-6)", "layernorm(1e-6)", True),
        ("GroupNorm(2)", "groupnorm(2)", True),
        ("GroupNorm(2, 4)", "groupnorm(2)", False),
        ("BatchNorm2d(1)", "bn", False),
        ("BatchNorm2d(4, 1e-3, 0.25)", "bn(eps = 1e-3, momentum = 0.75)", False),
        ("BatchNorm2d(momentum = 0.25)", "bn(momentum = 0.75)", True),
        ("BatchNorm2d(momentum = 1 / width)", "bn(momentum = 1 - (1 / width))", True),
        ("BatchNorm(momentum = 0.25)", "bn(momentum = 0.25)", False),  # PyTorch's, or Flax'.
        ("BatchNormalization(momentum = 0.75)", "bn(momentum = 0.75)", True),
        ("BatchNormalization(epsilon = 1e-3)", "bn(eps = 1e-3)", True),
    ],
)
def test_normalisations_keep_their_meaning(line: str, written: str, safe: bool) -> None:
    """PyTorch's begin with channels, and its momentum is the share of the new statistics:
    https://docs.pytorch.org/docs/stable/generated/torch.nn.BatchNorm2d.html."""
    text = network("let width = 4", "input image[8, 8, 4]", line)
    (diagnostic,) = of(text)
    (fix,) = diagnostic.fixes
    assert (by_hand(text, fix).splitlines()[3].strip(), fix.safe) == (written, safe)


@pytest.mark.parametrize(
    ("word", "name", "safe"),
    [
        ("enc_b", "enc_a", False),
        ("enc_B", "enc_a", False),
        ("encb", "enca", False),
        ("encb", "enc", False),
        ("encs", "enc", True),
        ("encc", "enc", True),
        ("enc_paht", "enc_path", True),
        ("emc_a", "enc_a", True),
    ],
)
def test_a_name_of_a_series_is_not_safely_another(word: str, name: str, safe: bool) -> None:
    (diagnostic,) = of(network("input image[8, 8, 4]", f"{name}: relu", f"add({word})"))
    assert any(fix.safe for fix in diagnostic.fixes) == safe


_BESIDE = "relu |> relu"


@pytest.mark.parametrize(
    ("lines", "safe"),
    [
        (("conv(8, 3 x 3)",), True),
        (("conv(8, 3x3) → relu",), True),
        (("repeat 2 ( relu )",), True),
        (("conv(np.floor(2.5), 1x1)",), True),
        (("conv(math.sqrt(9), 1x1)",), False),
        (("a: relu", "residual(a)"), False),
        (("a: relu", "concat [ a, relu ]"), False),
        (("a: relu", "a * 2"), False),
        (("a: relu", "b: relu", "a + b"), True),
        (("a: relu", "b: relu", "relu", "a + b"), False),
        (("a: relu", "b: relu", "c: relu", "a + b"), False),
        (("a: relu", "b: relu", "c: relu", "a + b", "concat(c)"), True),
        (("conv(8, 3x3 pad = same)", "conv(8, 3x3, $)"), True),
    ],
)
def test_what_is_safe_alone_is_safe_beside_another_mistake_and_nothing_else(
    lines: tuple[str, ...], safe: bool
) -> None:
    for others in ((), (_BESIDE,)):
        found = of(network("input image[8, 8, 4]", *lines, *others))
        fixes = [fix for each in found for fix in each.fixes]
        assert any(fix.safe for fix in fixes) == safe


def test_a_sign_is_safe_where_nothing_can_be_tried() -> None:
    found = of("network 2net {\n  input image[8, 8, 4]\n  relu → conv(8, 3X3)\n  dense 10\n}\n")
    safe = [fix.message for each in found for fix in each.fixes if fix.safe]
    assert safe == ["write `->`", "write `3x3`"]


def test_errors_that_a_name_hid_do_not_speak_against_it() -> None:
    diagnostics = of(network("input image[8, 8, 4]", "cnov(4, 3x3)", "dense(10)"))
    assert [each.code for each in diagnostics] == ["unknown-layer"]
    assert [fix.message for fix in diagnostics[0].fixes] == ["write `conv`"]


def test_a_shape_is_not_fixed_at_the_price_of_a_claim() -> None:
    lines = ["input image[8, 8, 4]", "conv(4, 3x3)", "dense(10)"]
    (free,) = of(network(*lines))
    assert [fix.message for fix in free.fixes] == [
        "put `flatten` before it",
        "put `globalavgpool` before it",
    ]
    # Pooled, there are 4 x 10 weights, 10 biases, and 4 x 4 x 9 + 4 of the convolution.
    (claimed,) = of(network(*lines, 'claim paper "X" { params == 198 }'))
    assert [fix.message for fix in claimed.fixes] == ["put `globalavgpool` before it"]


def test_a_projection_has_the_stride_that_fits() -> None:
    (diagnostic,) = of(
        network("input image[8, 8, 4]", "residual { conv(8, 3x3, stride = 2, pad = 1) }")
    )
    (fix,) = diagnostic.fixes
    (edit,) = fix.edits
    assert edit.text == " shortcut if in.shape != out.shape { conv(out.channels, 1x1, 2) }"


def test_a_projection_is_like_its_body() -> None:
    """The shortcut is removed from a published network, whose claims then tell right from wrong."""
    text = (ROOT / "architectures" / "torchvision" / "resnet.net").read_text("utf-8")
    for name, start, written in (
        ("resnet18", "block basic", "conv(out.channels, 1x1, stride, pad = 0) -> bn"),
        ("resnet50", "block bottleneck", "conv(out.channels, 1x1, stride) -> bn"),
    ):

        def one(source: Source, name: str = name) -> tuple[Diagnostic, ...]:
            file, _ = load_file(source)
            assert file is not None
            return check_network(file, name, {}).diagnostics

        begin = text.index("} shortcut", text.index(start)) + 1
        end = text.index("\n  }", begin) + len("\n  }")
        source = Source("resnet.net", text[:begin] + text[end:])
        (edit,) = propose(source, one(source), one).diagnostics[0].fixes[0].edits
        assert edit.text == f" shortcut if in.shape != out.shape {{ {written} }}"


def test_arguments_are_renamed_with_their_operator() -> None:
    """The batch norm on the same line is a mistake of its own."""
    diagnostic, other = of(
        network("input image[8, 8, 4]", "conv2d(4, 3x3, padding = same) -> batchnorm")
    )
    assert other.fixes[0].message == "write `bn`"
    (fix,) = diagnostic.fixes
    assert (fix.message, fix.safe) == ("write `conv`, `pad`", True)
    (diagnostic,) = of(network("input image[4]", "linear(units = 10)"))
    assert diagnostic.fixes[0].message == "write `dense`, `features`"


def test_another_mistake_of_rank_does_not_speak_against_a_size() -> None:
    lines = ["input image[8, 8, 4]", "residual { conv(4, 3x3) }", "dense(10)"]
    (diagnostic,) = of(network(*lines))
    assert diagnostic.code == "shape-mismatch"
    assert diagnostic.fixes[0].edits[0].text == ", pad = same"
    repaired = repair(Source("a.net", network(*lines)), check, unsafe=True)
    assert [each.code for each, _ in repaired.applied] == ["shape-mismatch", "needs-vector"]
    assert repaired.diagnostics == ()


def test_a_misspelt_word_before_a_brace() -> None:
    (diagnostic,) = of(network("input image[8, 8, 4]", "residul { conv(4, 1x1) -> bn }"))
    assert diagnostic.code == "unexpected-token"
    assert [(fix.message, fix.safe) for fix in diagnostic.fixes] == [("write `residual`", True)]


def test_several_paddings_together() -> None:
    diagnostics = of(network("input image[8, 8, 4]", "residual { conv(4, 3x3) -> conv(4, 3x3) }"))
    fix = diagnostics[0].fixes[0]
    assert fix.message == "pad these so that the size stays"
    assert [edit.text for edit in fix.edits] == [", pad = same"] * 2


@pytest.mark.parametrize(
    ("line", "safe"),
    [
        ("conv(8, 64, 3, padding = 1)", False),  # PyTorch's 8 channels in, 64 out.
        ("conv(8, 64, 3x3, padding = 1)", False),
        ("conv(8, 64, kernel_size = 3)", False),
        ("conv(w, w, 3, padding = 1)", False),
        ("conv_transpose(8, 64, 2, padding = 0)", False),
        ("conv(64, 3, padding = 1)", True),
        ("conv(64, 3x3, 2, padding = 1)", True),
        ("conv(64, 3, stride = 1, padding = 1)", True),
        ("maxpool(3, 2, padding = 1)", True),  # PyTorch's order is ours.
    ],
)
def test_an_argument_is_only_safely_renamed_where_others_keep_their_meaning(
    line: str, safe: bool
) -> None:
    text = network("input image[8, 8, 8]", line).replace("net {", "net(w = 8) {")
    (diagnostic,) = of(text)
    assert diagnostic.fixes[0].safe == safe
    assert ("channels that enter" in diagnostic.fixes[0].message) != safe
    repaired = repair(Source("a.net", text), check, unsafe=False)
    assert (repaired.source.text == text) != safe


@pytest.mark.parametrize(
    ("line", "written", "safe"),
    [
        ("conv(8, 3×3)", "3x3", True),
        ("conv(8, 3 × 3)", "3x3", True),
        ("conv(8, 1×7)", "1x7", True),
        ("conv(8, 1 × 7)", "1x7", False),
        ("conv(8, 3, stride = 2 × 2)", "2x2", False),
        ("conv(8, 3, pad = 1×2)", "1x2", True),
        ("conv(8×2, 3)", "8*2", False),
        ("conv(filters = 8 × 2, 3)", "8 * 2", False),
        ("conv(8, 3 x 3)", "3x3", True),
        ("conv(8, 1 x 7)", "1x7", True),
    ],
)
@pytest.mark.parametrize("other", ["relu", "relu)"], ids=["alone", "with another"])
def test_a_product_is_not_safely_made_a_size(
    line: str, written: str, safe: bool, other: str
) -> None:
    """With another mistake of syntax, no fix of this one can be tried to the end."""
    source = Source("a.net", network("input image[8, 8, 8]", line, other))
    fixes = propose(source, check(source), check).diagnostics[0].fixes
    assert fixes[0].safe == safe
    assert written in by_hand(source.text, fixes[0])


def test_names_are_as_certain_beside_a_mistake_of_syntax() -> None:
    lines = (
        *("input image[64, 64, 3]", "conv(64, 7x7, padding = 3) -> batchnorm -> relu"),
        *("LAYER", "conv(64, 3x3) -> batch_norm -> relu", "global_avg_pool -> fc(10)"),
    )
    found = {}
    for layer in ("maxpool(3x3)", "maxpool(3x3"):
        source = Source("a.net", network(*lines).replace("LAYER", layer))
        diagnostics = propose(source, check_on(source), check_on).diagnostics
        found[layer] = {
            each.span.text: [(fix.message, fix.safe) for fix in each.fixes] for each in diagnostics
        }
    missing = found["maxpool(3x3"].pop("(")
    assert missing and not any(safe for _, safe in missing)
    assert found["maxpool(3x3"] == found["maxpool(3x3)"]
    assert all(fixes[0][1] for fixes in found["maxpool(3x3)"].values())
    assert len(found["maxpool(3x3)"]) == 5


def test_brackets_of_values_are_no_bodies() -> None:
    lines = (
        *("input image[8, 8, 8]", "let widths = [8, 16]", "let deep = true"),
        *("let size = 3 if deep else (1)", "let last = 3 if deep", "else (1)"),
        *("if (deep) { relu } else { bn }", "repeat (2) { relu }", "repeat max(1, 2) { relu }"),
        *("repeat len (widths) { relu }", "for w in [8] { conv(w, size) }", "repeat last { relu }"),
        *("for w in (widths) { conv(w, 1) }", "if widths [0] == 8 { relu }"),
    )
    assert check(Source("a.net", network(*lines))) == ()


def test_what_lies_in_an_imported_file_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "blocks.net").write_text("block unit {\n  cnov(4, 3x3)\n}\n")
    path = tmp_path / "a.net"
    path.write_text('import unit from "blocks.net"\n\n' + network("input image[8, 8, 4]", "unit"))
    source = read_source(path, path.name)
    diagnostics = propose(source, check(source), check).diagnostics
    assert [(each.code, each.fixes) for each in diagnostics] == [("unknown-layer", ())]


# ---------------------------------------------------------------- applying them


def test_edits_may_not_overlap() -> None:
    source = Source("a.net", "abcdef")
    assert (
        apply_edits(
            source,
            [
                Edit(source.span(4, 5), ""),
                Edit(source.span(0, 2), "x"),
                Edit(source.span(2, 2), "y"),
            ],
        ).text
        == "xycdf"
    )
    for one, other in (((0, 3), (2, 4)), ((1, 1), (1, 1)), ((1, 3), (1, 1))):
        with pytest.raises(OverlappingEdits):
            apply_edits(source, [Edit(source.span(*one), ""), Edit(source.span(*other), "")])


def test_repair_goes_on_with_what_a_fix_uncovers() -> None:
    source = Source("a.net", network("input image[8, 8, 4]", "cnov(4, 3x3)", "dense(10)"))
    safe = repair(source, check, unsafe=False)
    assert [each.code for each, _ in safe.applied] == ["unknown-layer"]
    assert [each.code for each in safe.diagnostics] == ["needs-vector"]
    every = repair(source, check, unsafe=True)
    assert [each.code for each, _ in every.applied] == ["unknown-layer", "needs-vector"]
    assert every.diagnostics == ()
    assert "conv(4, 3x3)\n  flatten -> dense(10)" in every.source.text


def test_many_mistakes_in_one_round() -> None:
    lines = [f"cnov({width}, 1x1)" for width in range(1, 6)]
    source = Source("a.net", network("input image[8, 8, 4]", *lines))
    repaired = repair(source, check, unsafe=False)
    assert repaired.source.text == source.text.replace("cnov", "conv")
    assert repaired.diagnostics == ()


def test_fixes_that_do_not_go_together_are_not_applied_together() -> None:
    """Each makes the other's claim false, so that only the first is kept."""
    text = network("input image[8, 8, 4]", "conv(4, 1x1)")
    source = Source("a.net", text)
    one, two = (source.span(start, start + 1) for start in (text.index("4]"), text.index("4, 1x1")))

    def wrong(changed: Source) -> tuple[Diagnostic, ...]:
        first = "5]" in changed.text
        second = "5, 1x1" in changed.text
        found = []
        if not first:
            found.append(Diagnostic("channels-not-divisible", "first", changed.span(*one[1:])))
        if not second:
            found.append(Diagnostic("channels-not-divisible", "second", changed.span(*two[1:])))
        if first and second:
            found.append(Diagnostic("shape-mismatch", "both", changed.span(0, 1)))
        return tuple(found)

    repaired = repair(source, wrong, unsafe=True)
    assert [each.message for each, _ in repaired.applied] == ["first"]
    assert "5]" in repaired.source.text
    assert "4, 1x1" in repaired.source.text


# ---------------------------------------------------------------- the command


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "a.net"
    path.write_text(network("input image[8, 8, 4]", "cnov(4, 3x3)", "flatten", "linear(10)"))
    return path


def test_fix_writes_and_says_what_it_did(program: Path, capsys) -> None:
    assert main.run(["check", "a.net", "--fix"]) == exits.FINE
    assert "conv(4, 3x3)" in program.read_text()
    assert "dense(10)" in program.read_text()
    out, err = capsys.readouterr()
    assert err == (
        "fixed a.net:3:3: unknown-layer: write `conv`\n"
        "fixed a.net:5:3: unknown-layer: write `dense`\n"
    )
    assert out == "a.net:net ok, 1,598 parameters\n"
    assert [path.name for path in program.parent.iterdir()] == ["a.net"]


def test_fixing_again_changes_nothing(program: Path) -> None:
    main.run(["check", "a.net", "--fix", "--unsafe-fixes"])
    kept, written = program.read_bytes(), program.stat().st_mtime_ns
    assert main.run(["check", "a.net", "--fix", "--unsafe-fixes"]) == exits.FINE
    assert (program.read_bytes(), program.stat().st_mtime_ns) == (kept, written)


def test_unsafe_fixes_are_left_without_being_asked_for(program: Path, capsys) -> None:
    text = network("input image[8, 8, 4]", "dense(10)")
    program.write_text(text)
    assert main.run(["check", "a.net", "--fix"]) == exits.PROGRAM_HAS_ERRORS
    assert program.read_text() == text
    assert "unsafe fix: put `flatten` before it" in capsys.readouterr().err
    assert main.run(["check", "a.net", "--fix", "--unsafe-fixes"]) == exits.FINE
    assert "flatten -> dense(10)" in program.read_text()


def test_diff_shows_and_writes_nothing(program: Path, capsys) -> None:
    kept = program.read_bytes()
    assert main.run(["check", "a.net", "--diff"]) == exits.PROGRAM_HAS_ERRORS
    out = capsys.readouterr().out
    assert out.startswith("--- a.net\n+++ a.net\n")
    assert "-  cnov(4, 3x3)\n+  conv(4, 3x3)\n" in out
    assert program.read_bytes() == kept


def test_line_ends_mark_and_mode_stay(program: Path) -> None:
    text = network("input image[8, 8, 4]", "cnov(4, 3x3)")
    program.write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    program.chmod(0o640)
    assert main.run(["check", "a.net", "--fix"]) == exits.FINE
    fixed = text.replace("cnov", "conv").replace("\n", "\r\n").encode()
    assert program.read_bytes() == b"\xef\xbb\xbf" + fixed
    assert program.stat().st_mode & 0o777 == 0o640


def test_mixed_line_ends_are_refused(program: Path, capsys) -> None:
    text = network("input image[8, 8, 4]", "cnov(4, 3x3)").replace("\n", "\r\n", 1).encode()
    program.write_bytes(text)
    assert main.run(["check", "a.net", "--fix"]) == exits.INPUT_OUTPUT_FAILED
    assert "line ends of several kinds" in capsys.readouterr().err
    assert program.read_bytes() == text


def test_a_link_stays_a_link(program: Path) -> None:
    link = program.parent / "link.net"
    link.symlink_to(program)
    assert main.run(["check", "link.net", "--fix"]) == exits.FINE
    assert link.is_symlink()
    assert "conv(4, 3x3)" in program.read_text()


def test_nothing_is_half_written(program: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    kept = program.read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    assert main.run(["check", "a.net", "--fix"]) == exits.INPUT_OUTPUT_FAILED
    assert "No space left on device" in capsys.readouterr().err
    assert program.read_bytes() == kept
    assert [path.name for path in program.parent.iterdir()] == ["a.net"]


def test_a_file_that_changed_meanwhile_is_not_overwritten(program: Path, monkeypatch) -> None:
    def meddling(source: Source, *rest: object, **named: object) -> object:
        program.write_text("network other { input i[4] -> relu }\n")
        return repair(source, *rest, **named)

    monkeypatch.setattr("netdsl.fixes.repair", meddling)
    assert main.run(["check", "a.net", "--fix"]) == exits.INPUT_OUTPUT_FAILED
    assert program.read_text().startswith("network other")


def test_what_is_not_ones_own_is_not_fixed(monkeypatch, capsys) -> None:
    text = network("input image[8, 8, 4]", "cnov(4, 3x3)")
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    assert main.run(["check", "-", "--fix"]) == exits.WRONG_USAGE
    assert "is no file of yours to fix" in capsys.readouterr().err
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    assert main.run(["check", "-", "--diff"]) == exits.PROGRAM_HAS_ERRORS
    assert "+  conv(4, 3x3)" in capsys.readouterr().out


def test_options_that_mean_nothing_alone(program: Path, capsys) -> None:
    assert main.run(["check", "a.net", "--unsafe-fixes"]) == exits.WRONG_USAGE
    assert "--unsafe-fixes goes with" in capsys.readouterr().err
    assert main.run(["check", "a.net", "--diff", "--format", "json"]) == exits.WRONG_USAGE


def test_a_fix_for_one_network_may_not_break_another(program: Path) -> None:
    """Three groups would do for the first network, and two do for both."""
    text = """block unit(filters) {
  conv(filters, 3x3, groups = 4)
}

network one {
  input image[8, 8, 6]
  unit(6)
}

network two {
  input image[8, 8, 8]
  unit(8)
}
"""
    program.write_text(text)
    assert main.run(["check", "a.net:one", "--fix", "--unsafe-fixes"]) == exits.FINE
    assert program.read_text() == text.replace("groups = 4", "groups = 2")
    assert main.run(["check", "a.net"]) == exits.FINE
