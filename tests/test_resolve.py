"""Names in code that no network runs: those that mean nothing are told, no others."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fuzz.mutations import ROOT, read_seeds
from hypothesis import HealthCheck, Phase, given, settings

from netdsl import exits, main
from netdsl.check import check_names
from netdsl.codes import RULES
from netdsl.diagnostics import Diagnostic
from netdsl.explanations import explanation
from netdsl.limits import LIMITS
from netdsl.network import SHIPPED, load_file
from netdsl.resolve import unresolved
from netdsl.source import Source, read_source
from tests.typed_programs import programs
from tests.typed_tree import Program, render


def found(text: str) -> list[str]:
    return [f"{each.code} {each.span.text}" for each in diagnosed(Source("names.net", text))]


def diagnosed(source: Source) -> tuple[Diagnostic, ...]:
    file, _ = load_file(source)
    assert file is not None
    return unresolved(file)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("conv(f, 3x3) -> reluu", ["unknown-layer reluu"]),
        ("residual if in.shape != ins.shape { relu } shortcut if out.shape == f { bnn }",
         ["unknown-name ins", "unknown-layer bnn"]),
        ("concat { for x in xs { | conv(x, 1x1) -> conv(y, 1x1) } }",
         ["unknown-name xs", "unknown-name y"]),
        ("repeat f as i { conv(i, 1x1) }; conv(i, 1x1)", ["unknown-name i"]),
        ("if f > 0 { let g = 2 } else { let h = 3 }; conv(g + h, 1x1) -> conv(k, 1x1)",
         ["unknown-name k"]),
        ("residual { let g = 2; conv(g, 1x1) }; conv(g, 1x1)", ["unknown-name g"]),
        ("assert g > params; let g = 1; assert paras > g", ["unknown-name paras"]),
        ("let g = maxx(f, gg(h)) + round(k)", ["unknown-function maxx", "unknown-name k"]),
        ("default conv(pad = p, stide = 2); for p in [1, 2] { conv(f, 3x3) }",
         ["unknown-argument stide = 2"]),
        ("default conv(p); relu(1, 2)",
         ["unknown-name p", "too-many-arguments 1", "too-many-arguments 2"]),
        ("other(1, 2, b = 3) -> other(zz, yy)",
         ["too-many-arguments 2", "unknown-argument b = 3", "unknown-name zz", "unknown-name yy"]),
        ("relu(zz)", ["unknown-name zz"]),
        ("u(1, 2, any = 3) -> u(zz)", ["unknown-name zz"]),
        ("a: relu; add(whatever = a, axes = 1) -> add(axis = -1)",
         ["unknown-argument axes = 1", "unknown-argument axis = -1"]),
        ("aux(weigth = ff) { relu }", ["unknown-name ff", "unknown-argument weigth = ff"]),
        ("n -> relu", ["not-a-layer n"]),
    ],
)  # fmt: skip
def test_a_block_that_nobody_calls(body: str, expected: list[str]) -> None:
    text = f"block b(f, u: block) {{ {body} }}\nblock other(a) {{ relu }}\nnetwork n(f) {{ relu }}"
    assert sorted(found(text)) == sorted(expected)


def test_labels_are_known_in_all_of_a_declaration() -> None:
    assert not found("""
        network n(depths, H0) {
          input image[H, W, 3] default [H0, 8, 3] where H == W and image.height > 0
          for (i, d) in enumerate(depths) { stage{i + 1}: conv(8, 3x3) }
          concat(stage1, stage2.x, features.early, early) -> conv(features.channels, 3x3)
          features: { 0: relu; early: relu }
          block1-{H}: relu
          add(block1) -> max(late.inner)
          if depths == [] { late.inner: relu }
          side: aux(weight = 0.3) { relu }
          mul(side)
        }
        block b { name{1}.tail: relu; add(name1) -> add(tail) }
    """)


def test_parameters_and_variants() -> None:
    assert found("block b(f = g, g = f, h = in.channels) { conv(f, 3x3) }") == [
        "unknown-name g",
        "no-value in",
    ]
    text = """
        network early = n(widths, classez = 3) { assert inner > inside and params < top; relu }
        let top = 3 if true else bottom
        network n(width, classes) { let inner = 3; repeat 2 { let inside = 2 } }
        network twice = n(1, width = 2, 3, 4)
        network lost = m(depth = x)
        network round = round(3)
    """
    assert found(text) == [
        "unknown-name widths",
        "unknown-argument classez = 3",
        "unknown-name inside",
        "unknown-name bottom",
        "argument-twice width = 2",
        "too-many-arguments 4",
        "unknown-name x",
    ]


def test_what_a_mistake_hides_is_not_told() -> None:
    imports = 'import a, b from "nowhere.net"\nblock c(f) { a(f, x = 1) -> conv(b, 3x3) }'
    assert not found(imports)
    assert found("let a = b[0]\nblock c { conv(a, 3x3) -> a(3) }") == ["unknown-name b"]


def test_nothing_is_told_twice_or_behind_a_limit() -> None:
    source = Source("names.net", "block b { foo -> bar }")
    file, _ = load_file(source)
    assert file is not None
    first, second = unresolved(file)
    assert check_names(file, (first,)) == (second,)
    assert not check_names(file, (Diagnostic("too-many-steps", "", source.span(0, 0)),))
    many = found("block b { " + " -> ".join(f"x{i}" for i in range(3 * LIMITS.mistakes)) + " }")
    assert len(many) == LIMITS.mistakes + 1
    assert many[-1].startswith("too-many-errors")


def test_other_networks_than_the_wanted_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "two.net"
    path.write_text("network a { input x[8]; relu }\nnetwork b { input x[8]; if false { foo } }\n")
    assert main.run(["check", f"{path}:a"]) == exits.FINE
    assert main.run(["check", f"{path}:b"]) == exits.PROGRAM_HAS_ERRORS
    assert main.run(["check", str(path)]) == exits.PROGRAM_HAS_ERRORS
    assert capsys.readouterr().err.count("`foo`") == 2


def test_a_variant_that_is_only_a_template(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "templates.net"
    path.write_text(
        "network n(a, b, c = 1) { input x[8]; relu }\n"
        "network ready = n(1, 2)\nnetwork half = n(1)\nnetwork whole = half(b = 2)\n"
        "network r1 = n(a = 1)\nnetwork r0 = n\n"
    )
    assert main.run(["check", str(path)]) == exits.FINE
    told = capsys.readouterr().err
    assert told == (
        "note: `r1` is only a template: `b` has no value\n"
        "note: `r0` is only a template: `a`, `b` have no value\n"
    )
    assert main.run(["check", str(path), "--format", "json"]) == exits.FINE
    value = json.loads(capsys.readouterr().out)
    assert [each["network"] for each in value["networks"]] == ["ready", "whole"]
    assert value["diagnostics"] == []


# ---------------------------------------------------------------- what works has no finding

SHOWN = [*SHIPPED.glob("**/*.net"), *ROOT.glob("tests/examples/**/*.net")]
RULE_PAGES = [page for slug in RULES if (page := explanation(slug)) is not None]


@pytest.mark.parametrize("path", SHOWN, ids=lambda path: path.name)
def test_the_programs_that_are_shipped(path: Path) -> None:
    assert not diagnosed(read_source(path))


def test_the_sound_programs_of_the_fuzzer() -> None:
    sound = read_seeds().sound
    assert len(sound) > 100
    for tokens in sound:
        file, diagnostics = load_file(Source("sound.net", "".join(tokens)))
        assert file is None or diagnostics or not unresolved(file)


def test_the_better_programs_of_rules() -> None:
    assert len(RULE_PAGES) > 10
    for page in RULE_PAGES:
        assert not found(page.passes)


@settings(
    max_examples=50,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.generate],
)
@given(programs())
def test_random_programs(program: Program) -> None:
    assert not found(render(program))
