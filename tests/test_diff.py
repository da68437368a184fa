"""`netdsl diff`: what it says of small pairs, what holds for all pairs, and git driving it."""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
import sys
from functools import cache
from itertools import permutations
from pathlib import Path

import pytest

from netdsl import main
from netdsl.compare import align
from netdsl.compare.difference import Difference, difference
from netdsl.compare.entries import ranges
from netdsl.compare.places import Place
from netdsl.compare.text import as_text, signed
from netdsl.cost import CostReport
from netdsl.network import load_file, load_network, shipped_networks
from netdsl.program import ProgramFile
from netdsl.render import render
from netdsl.source import Source, read_source
from netdsl.zoo import entries

DOCUMENTED = (Path(__file__).parents[1] / "docs/diff.md").read_text("utf-8")

BASE = """\
block unit(width) {
  residual { conv(width, 3x3, pad = 1) -> bn -> relu -> conv(width, 3x3, pad = 1) -> bn }
  relu
}
network small(classes = 10) {
  input image[32, 32, 3]
  conv(16, 3x3, pad = 1) -> bn -> relu
  layer1: repeat 3 { unit(16) }
  conv(32, 3x3, pad = 1) -> bn -> relu
  maxpool(2x2)
  conv(64, 3x3, pad = 1) -> bn -> relu
  globalavgpool
  fc: dense(classes)
}
"""


def report(text: str) -> CostReport:
    source = Source("small.net", text)
    file, diagnostics = load_file(source)
    assert file is not None, render(diagnostics, color=False)
    (name,) = file.networks
    network, diagnostics = load_network(file, name, {})
    assert network is not None, render(diagnostics, color=False)
    return network.report


def edited(*edits: tuple[str, str]) -> str:
    text = BASE
    for before, after in edits:
        assert before in text
        text = text.replace(before, after)
    return text


def said(before: str, after: str) -> str:
    """The difference in words, without its title and totals."""
    found = difference(report(before), report(after))
    text = as_text(found, title="small", width=96, color=False)
    return text.partition("\n")[2].partition("\n\n")[0]


WRAPPED = BASE.replace("  conv(16", "  features: {\n  conv(16").replace(
    "  globalavgpool", "  }\n  globalavgpool"
)


def before_pool(text: str) -> str:
    return BASE.replace("  globalavgpool", f"  {text}\n  globalavgpool")


STAGES = """\
block ir(f, stride, t) {
  let adds = stride == 1 and in.channels == f
  residual if adds {
    if t != 1 { ex: conv(in.channels * t, 1x1, bias = false) -> bn -> relu6 }
    dw: depthwise(3x3, stride, pad = same, bias = false) -> bn -> relu6
    pw: conv(f, 1x1, bias = false) -> bn
  }
}
network small {
  input image[24, 24, 8]
  for (i, (t, f, n, s)) in enumerate([(1, 8, 1, 1), (6, 16, 2, 2), (4, 24, 3, 2)]) {
    s{i}: repeat n as j { ir(f, s if j == 0 else 1, t) }
  }
}
"""

# Each was read against the programs: counts are weights + biases, K² C F + F.
PAIRS = {
    "an argument": (
        BASE,
        edited(("classes = 10", "classes = 5")),
        """\
                              params  MACs
~ fc  dense, features 10 → 5    -325  -320""",
    ),
    "an operator in all blocks": (
        BASE,
        edited(("bn -> relu -> conv", "bn -> gelu -> conv")),
        """\
in 3 unit blocks: layer1.0…2
  ~ gelu  relu → gelu""",
    ),
    "layers put in between": (
        BASE,
        edited(("  maxpool", "  conv(48, 3x3, pad = 1) -> bn -> relu\n  maxpool")),
        """\
                                                                               params     MACs
+ conv3, bn3, relu3  conv(filters = 48, kernel = 3x3, pad = 1) -> bn -> relu    +14 K  +14.2 M
→ renamed: conv3 → conv4, bn3 → bn4
= 2 more layers follow in shape or cost, in parameters conv4                  +9.22 K  +2.36 M""",
    ),
    "a scope's and a layer's name": (
        BASE,
        edited(("layer1:", "stage1:"), ("fc:", "head:")),
        "→ renamed: layer1 → stage1, fc → head",
    ),
    "a name in each block": (
        BASE,
        edited(
            (
                "residual { conv(width, 3x3, pad = 1) -> bn",
                "residual { a: conv(width, 3x3, pad = 1); bn",
            )
        ),
        "→ renamed: conv1 → a (3 times), conv2 → conv (3 times)",
    ),
    "a scope put around": (BASE, WRAPPED, "→ renamed: 18 layers into features"),
    "a scope taken away, and a change in it": (
        WRAPPED,
        edited(("bn -> relu -> conv", "bn -> gelu -> conv")),
        """\
in 3 unit blocks: layer1.0…2
  ~ gelu  relu → gelu
→ renamed: 18 layers out of features""",
    ),
    "passes of a loop": (
        BASE,
        edited(("repeat 3", "repeat 6")),
        """\
                                    params     MACs
+ layer1.3…5  3 × unit (7 layers)  +14.1 K  +14.2 M""",
    ),
    "no more sums": (
        BASE,
        edited(("residual {", "{")),
        """\
in 3 unit blocks: layer1.0…2
  - add""",
    ),
    "another input": (
        BASE,
        edited(("image[32, 32, 3]", "photo[16, 16, 3]")),
        """\
                                          params   MACs
~ photo  name image → photo, shape 32×32×3 → 16×16×3
= 31 more layers follow in shape or cost          -18 M""",
    ),
    "branches in another order": (
        BASE.replace(
            "  globalavgpool",
            "  concat { | a: conv(8, 1x1) | b: conv(8, 3x3, pad = 1) }\n  globalavgpool",
        ),
        BASE.replace(
            "  globalavgpool",
            "  concat { | b: conv(8, 3x3, pad = 1) | a: conv(8, 1x1) }\n  globalavgpool",
        ),
        "~ concat  inputs a, b → b, a",
    ),
    "branches of several layers in another order": (
        before_pool("concat { | a: conv(8, 1x1) -> relu | b: conv(8, 3x3, pad = 1) -> relu }"),
        before_pool("concat { | b: conv(8, 3x3, pad = 1) -> relu | a: conv(8, 1x1) -> relu }"),
        "~ concat  inputs a, b → b, a",
    ),
    "branches in another order and with other arguments": (
        before_pool("concat { | a: conv(8, 1x1) -> relu | b: conv(8, 3x3, pad = 1) -> relu }"),
        before_pool(
            "concat { | b: conv(8, 5x5, pad = 2) -> relu | a: conv(8, 1x1, bias = false) -> relu }"
        ),
        """\
                                              params    MACs
~ b       conv, kernel 3x3 → 5x5, pad 1 → 2  +8.19 K  +2.1 M
~ a       conv, bias true → false                 -8
~ concat  inputs a, b → b, a""",
    ),
    "norms after named layers, in another order": (
        before_pool("concat { | a: conv(8, 1x1) -> relu | b: conv(8, 3x3, pad = 1) -> relu }"),
        before_pool(
            "concat { | b: conv(8, 3x3, pad = 1) -> bn -> relu | a: conv(8, 1x1) -> bn -> relu }"
        ),
        """\
                            params  MACs
+ b.bn                         +16
- relu4
+ a.bn, a.relu  bn -> relu     +16
~ concat        inputs relu4, relu5 → b.relu, a.relu
→ renamed: a → a.conv, b → b.conv""",
    ),
    "names that were exchanged": (
        before_pool("concat { | a: conv(8, 1x1) -> relu | b: conv(8, 3x3, pad = 1) -> relu }"),
        before_pool("concat { | b: conv(8, 1x1) -> relu | a: conv(8, 3x3, pad = 1) -> relu }"),
        "→ renamed: a → b, b → a",
    ),
    "layers and their norms in another order": (
        before_pool("p: conv(64, 3x3, pad = 1); bn -> relu\n  q: conv(64, 1x1); bn -> relu"),
        before_pool("q: conv(64, 1x1); bn -> relu\n  p: conv(64, 3x3, pad = 1); bn -> relu"),
        """\
~ q              conv, input relu4 → relu3
~ p              conv, input relu3 → relu4
~ globalavgpool  input q → p
→ renamed: bn4 → bn5, bn5 → bn4""",
    ),
    "layers and the norms before them in another order": (
        before_pool("bn -> relu; p: conv(64, 3x3, pad = 1)\n  bn -> relu; q: conv(64, 1x1)"),
        before_pool("bn -> relu; q: conv(64, 1x1)\n  bn -> relu; p: conv(64, 3x3, pad = 1)"),
        """\
~ bn4            input p → relu3
~ bn5            input relu3 → q
~ globalavgpool  input q → p
→ renamed: bn4 → bn5, bn5 → bn4""",
    ),
    "many branches in another order": (
        before_pool(
            "concat { | a: conv(8, 1x1) -> relu | b: conv(9, 1x1) -> relu "
            "| c: conv(7, 1x1) -> relu }"
        ),
        before_pool(
            "concat { | c: conv(7, 1x1) -> relu | b: conv(9, 1x1) -> relu "
            "| a: conv(8, 1x1) -> relu }"
        ),
        "~ concat  inputs a, b, c → c, b, a",
    ),
    "a numbered scope put before others": (
        STAGES,
        STAGES.replace("(6, 16, 2, 2)", "(3, 12, 1, 1), (6, 16, 2, 2)"),
        """\
                                                                                 params     MACs
+ s1            (8 layers)                                                         +816   +401 K
~ s2.0.ex.conv  filters 48 → 72                                                    +480   +276 K
→ renamed: s1 → s2, s2 → s3
= 6 more layers follow in shape or cost, in parameters s2.0.pw.conv, s2.0.dw.d…    +696  +86.4 K""",
    ),
    "numbered scopes, one of which is gone": (
        STAGES,
        STAGES.replace(" (6, 16, 2, 2),", ""),
        """\
                                                                                 params     MACs
- s1            (17 layers)                                                     -6.16 K   -961 K
~ s1.0.ex.conv  filters 64 → 32                                                    -768
→ renamed: s2 → s1
= 25 more layers follow in shape or cost, in parameters s1.0.pw.conv, s1.0.dw…  -1.18 K  +1.26 M""",
    ),
    "another numbered scope": (
        STAGES,
        STAGES.replace("(6, 16, 2, 2)", "(6, 18, 1, 1)"),
        """\
                                                                                 params     MACs
~ s1.0.dw.depthwise  stride 2 → 1                                                         +187 K
~ s1.0.pw.conv       filters 16 → 18                                                +96   +387 K
- s1.1               ir (9 layers)                                              -4.35 K   -567 K
~ s2.0.ex.conv       filters 64 → 72                                               +272   +599 K
= 28 more layers follow in shape or cost, in parameters s2.0.pw.conv, s2.0.dw…     +300  +1.45 M""",
    ),
    "some layers put into a scope": (
        BASE,
        edited(("  globalavgpool", "  body: { globalavgpool"), ("(classes)\n", "(classes) }\n")),
        "→ renamed: fc → body.fc",
    ),
    "a layer at another place": (
        BASE.replace("  globalavgpool", "  p: bn\n  q: conv(64, 1x1)\n  r: relu\n  globalavgpool"),
        BASE.replace("  globalavgpool", "  q: conv(64, 1x1)\n  p: bn\n  r: relu\n  globalavgpool"),
        """\
~ q  conv, input p → relu3
~ p  bn, input relu3 → q
~ r  relu, input q → p""",
    ),
}


@pytest.mark.parametrize("name", PAIRS)
def test_what_is_said(name: str) -> None:
    before, after, expected = PAIRS[name]
    assert said(before, after) == expected


def test_the_documented_example_is_right(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["diff", "resnet50", "torchvision/resnet50"]) == 1
    shown = capsys.readouterr().out
    assert f"$ netdsl diff resnet50 torchvision/resnet50\n{shown}```\n" in DOCUMENTED
    # torchvision's own count against that of table 1: only the strides differ.
    assert 4_089_184_256 - 3_857_973_248 == 231_211_008


@cache
def program(path: Path) -> ProgramFile:
    file, diagnostics = load_file(read_source(path, path.name))
    assert file is not None, render(diagnostics, color=False)
    return file


@cache
def shipped(name: str) -> CostReport:
    short = name.rpartition("/")[2]
    network, diagnostics = load_network(program(shipped_networks()[name]), short, {})
    assert network is not None, render(diagnostics, color=False)
    return network.report


NAMES = [entry.name for entry in entries()[0]]
SMALL = [entry.name for entry in entries()[0] if entry.params < 12_000_000]


def test_each_shipped_network_is_the_same_as_itself() -> None:
    assert len(NAMES) > 100
    for name in NAMES:
        assert difference(shipped(name), shipped(name)).same, name


PAIRS_OF_NETWORKS = random.Random(0).sample(list(permutations(SMALL, 2)), 60)


@pytest.mark.parametrize(("a", "b"), PAIRS_OF_NETWORKS)
def test_nothing_is_lost_between_shipped_networks(a: str, b: str) -> None:
    before, after = shipped(a), shipped(b)
    found = difference(before, after)
    pairs = found.alignment.pairs
    assert len(set(pairs.values())) == len(pairs)
    kinds = [change.kind for change in found.changes]
    assert kinds.count("added") == len(after.layers) - len(pairs)
    assert kinds.count("removed") == len(before.layers) - len(pairs)
    assert_weights_follow(found)
    for measure in ("params", "macs"):
        moved = sum(getattr(change, measure) for change in found.changes)
        assert moved == getattr(after.trained, measure) - getattr(before.trained, measure)
    text = as_text(found, title="", width=100, color=False)
    assert text.count("\n") < 100
    assert max(map(len, text.split("\n"))) <= 100
    assert "\x1b" not in text


@pytest.mark.parametrize("name", PAIRS)
def test_stored_weights_follow_the_renames(name: str) -> None:
    before, after = map(report, PAIRS[name][:2])
    assert_weights_follow(difference(before, after))
    assert_weights_follow(difference(after, before))


# The last ones have what few have: weights that would take another layer's name, names alike in two
# scopes.
@pytest.mark.parametrize("seed", [*range(150), 2084, 2350, 2407])
def test_stored_weights_follow_the_renames_after_any_edits(seed: int) -> None:
    dice = random.Random(seed)
    lines = [some_lines(dice) for _ in range(dice.randint(2, 6))]
    before = program_of(lines)
    for _ in range(dice.randint(1, 4)):
        edit(lines, dice)
    there = difference(report(before), report(program_of(lines)))
    back = difference(there.after, there.before)
    assert_weights_follow(there)
    assert_weights_follow(back)
    arguments = [each for change in there.changes for each in change.arguments]
    assert all(each.before != each.after for each in arguments)
    assert {(b, a) for a, b in there.alignment.pairs.items()} == set(back.alignment.pairs.items())


def assert_weights_follow(found: Difference) -> None:
    """The renames take stored weights to the layers that correspond, and to no others."""
    renames = {rename.before: rename for rename in found.renames}
    assert len(renames) == len(found.renames)
    new = [node.path for node in found.after.graph.nodes]
    followed = dict.fromkeys(renames, 0)
    for node in found.before.graph.nodes:
        if node.op is None or not node.op.holds_weights:
            continue
        path = node.path
        prefixes = [path[:depth] for depth in range(len(path) + 1) if path[:depth] in renames]
        stored = path
        if prefixes:
            stored = renames[prefixes[-1]].after + path[len(prefixes[-1]) :]
        if node.number in found.alignment.pairs:
            assert stored == new[found.alignment.pairs[node.number]]
            if prefixes:
                followed[prefixes[-1]] += 1
        elif prefixes:
            assert stored not in new
    assert followed == {rename.before: rename.layers for rename in found.renames}
    assert 0 not in followed.values()


LABELS = ["a", "b", "c", "d", "e1", "e2", "e3", "e4"]


def some_lines(dice: random.Random, depth: int = 0) -> str:
    """Some layers, perhaps in a scope, with names out of few."""
    name = dice.choice(["", *(f"{name}: " for name in LABELS)])
    layer = f"conv({dice.choice([4, 6])}, {dice.choice(['1x1', '3x3, pad = 1'])})"
    rest = dice.choice(["", " -> relu", " -> bn -> relu"])
    kind = dice.randrange(4 if depth < 2 else 2)
    if kind < 2:
        return f"{name}{layer}{rest}"
    inside = "; ".join(some_lines(dice, depth + 1) for _ in range(dice.randint(1, 3)))
    return f"{name}{'repeat 2 ' if kind == 3 else ''}{{ {inside} }}"


def edit(lines: list[str], dice: random.Random) -> None:
    i, j = dice.randrange(len(lines)), dice.randrange(len(lines))
    kind = dice.randrange(6)
    if kind == 0:
        lines.insert(i, some_lines(dice))
    elif kind == 1 and len(lines) > 1:
        del lines[i]
    elif kind == 2:
        lines[i], lines[j] = lines[j], lines[i]
    elif kind == 3:
        old, new = dice.sample(LABELS, 2)
        lines[:] = [line.replace(f"{old}: ", f"{new}: ") for line in lines]
    elif kind == 4:
        lines[i] = lines[i].replace("conv(4", "conv(6", dice.randint(1, 2))
    else:
        lines[i : j + 1] = [f"w: {{ {'; '.join(lines[i : j + 1])} }}"]


def program_of(lines: list[str]) -> str:
    """A network of these lines, in which each name stands where it is first."""
    known = set()

    def once(match: re.Match[str]) -> str:
        new = match[0] not in known
        known.add(match[0])
        return match[0] if new else ""

    text = re.sub(r"\w+: ", once, "\n".join(f"  {line}" for line in lines))
    return f"network small {{\n  input image[8, 8, 3]\n{text}\n}}\n"


@pytest.mark.parametrize(("a", "b"), PAIRS_OF_NETWORKS[:20])
def test_the_other_way_around_it_is_mirrored(a: str, b: str) -> None:
    there = difference(shipped(a), shipped(b))
    back = difference(shipped(b), shipped(a))
    assert paths(there, "added") == paths(back, "removed")
    assert paths(there, "removed") == paths(back, "added")
    assert {(b, a) for a, b in there.alignment.pairs.items()} == set(back.alignment.pairs.items())


def paths(found: Difference, kind: str) -> list[tuple[str, ...]]:
    return sorted(change.layer.node.path for change in found.changes if change.kind == kind)


def test_real_pairs_in_few_lines(capsys: pytest.CaptureFixture[str]) -> None:
    main.run(["diff", "resnet50", "resnet101"])
    assert "\n+ layer3.6…22  17 × bottleneck (10 layers)" in capsys.readouterr().out
    main.run(["diff", "resnet34", "plain34"])
    out = capsys.readouterr().out
    assert "in 16 basic blocks: layer1.0…2, layer2.0…3, layer3.0…5, layer4.0…2\n  - add\n" in out
    assert "in 3 basic blocks: layer2.0, layer3.0, layer4.0\n  - downsample  conv -> bn" in out
    main.run(["diff", "resnet18", "resnet50"])
    assert "in 8 basic → bottleneck blocks: " in capsys.readouterr().out


def test_long_flat_networks_are_compared_in_little_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = 0

    def counting(a: Place, b: Place) -> float:
        nonlocal compared
        compared += 1
        return likeness(a, b)

    likeness = align.likeness
    monkeypatch.setattr(align, "likeness", counting)
    layers = "\n".join(f"  conv({i % 7 + 1}, 1x1) -> relu" for i in range(1500))
    head = "network flat {\n  input image[4, 4, 1]\n"
    before = report(f"{head}{layers}\n}}")
    more = layers.replace("conv(3, 1x1)", "conv(3, 1x1) -> bn", 40).replace("relu", "gelu", 9)
    found = difference(before, report(f"{head}{more}\n}}"))
    kinds = [change.kind for change in found.changes]
    assert kinds.count("added") == 40
    assert kinds.count("removed") == 0
    assert kinds.count("replaced") == 9
    assert compared < 100_000  # All pairs would be 9 million.


def test_open_sizes_are_formulas() -> None:
    text = said(edited(("image[32, 32, 3]", "image[H, W, 3]")), BASE)
    assert "~ image  shape H×W×3 → 32×32×3" in text
    assert text.endswith("formula")


def test_side_branches_have_totals_of_their_own(capsys: pytest.CaptureFixture[str]) -> None:
    main.run(["diff", "torchvision/googlenet", "googlenet"])
    out = capsys.readouterr().out
    assert "parameters                     6,624,904 → 6,998,552" in out
    assert "parameters with side branches  13,004,888 → 13,378,280" in out


def test_json_has_each_layer(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["diff", "resnet50", "torchvision/resnet50", "--format", "json"]) == 1
    data = json.loads(capsys.readouterr().out)
    (network,) = data["networks"]
    changed = [each for each in network["changes"] if each["kind"] == "changed"]
    assert [each["after"]["path"] for each in changed] == [
        f"layer{stage}.0.{conv}" for stage in (2, 3, 4) for conv in ("conv1", "conv2")
    ]
    assert changed[0]["arguments"] == {"stride": ["2", "1"]}
    assert network["total"]["macs"] == [3_857_973_248, 4_089_184_256, 231_211_008]
    assert data["same"] is False
    assert data["diagnostics"] == {"before": [], "after": []}


def test_exit_codes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    base, other, broken = (tmp_path / f"{name}.net" for name in ("base", "other", "broken"))
    base.write_text(BASE)
    other.write_text(edited(("repeat 3", "repeat 2")))
    broken.write_text(edited(("globalavgpool", "globalaverage")))
    assert main.run(["diff", str(base), str(base)]) == 0
    assert capsys.readouterr().out == f"{base}:small: no difference, 38,570 parameters\n"
    assert main.run(["diff", str(base), str(other)]) == 1
    assert capsys.readouterr().err == ""
    assert main.run(["diff", str(base), str(broken)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"{broken} has errors:\nerror[")
    assert main.run(["diff", str(broken), str(base), "--format", "json"]) == 2
    data = json.loads(capsys.readouterr().out)
    assert data["same"] is False
    assert len(data["diagnostics"]["before"]) == 1
    assert main.run(["diff", str(base), str(tmp_path / "none.net")]) >= 2
    assert main.run(["diff", str(base)]) == 2
    assert main.run(["diff", str(base), "no_such_network"]) == 2
    assert main.run(["diff", str(base), str(base), "--set-b", "nonsense=3"]) == 2


def test_a_broken_network_keeps_no_other_from_being_compared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old, new = tmp_path / "old.net", tmp_path / "new.net"
    text = "network a { input image[8, 8, 1]; conv(2, 3x3) }\n"
    old.write_text(text + text.replace("network a", "network b"))
    new.write_text(
        text.replace("3x3", "5x5") + text.replace("network a", "network b").replace("3x3", "9x9")
    )
    assert main.run(["diff", str(old), str(new)]) == 2
    out, err = capsys.readouterr()
    assert "~ conv  kernel 3x3 → 5x5" in out
    assert err.startswith(f"{new} has errors:\nerror[window-too-large]")


def test_settings_of_one_side(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["diff", "lenet5", "lenet5", "--set-b", "classes=5"]) == 1
    assert "features 10 → 5" in capsys.readouterr().out
    assert main.run(["diff", "lenet5", "lenet5", "--set", "classes=5"]) == 0


def test_files_of_several_networks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old, new = tmp_path / "old.net", tmp_path / "new.net"
    body = "{ input image[8, 8, 1]; conv(WIDTH, 1x1) }"
    template = "network rest(width) { input image[8, 8, 1]; conv(width, 1x1) }\n"
    old.write_text(
        "".join(
            f"network {n} {body.replace('WIDTH', w)}\n"
            for n, w in [("a", "2"), ("b", "3"), ("c", "4")]
        )
        + template
    )
    new.write_text(
        "".join(
            f"network {n} {body.replace('WIDTH', w)}\n"
            for n, w in [("a", "2"), ("c", "5"), ("d", "6")]
        )
        + template
    )
    assert main.run(["diff", str(old), str(new)]) == 1
    out = capsys.readouterr().out
    assert f"{old}:c → {new}:c\n" in out
    assert f"\n+ {new}:d: " in out
    assert f"\n- {old}:b: " in out
    assert "\nno difference: a\n" in out
    assert "\nnot compared, for want of arguments: rest\n" in out
    assert main.run(["diff", f"{old}:a", str(new)]) == 0


def test_claims_that_fail_keep_nothing_from_being_compared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.net").write_text(BASE)
    (tmp_path / "b.net").write_text(
        edited(("repeat 3", "repeat 2"), ("dense(classes)", "dense(classes)\n  assert params == 1"))
    )
    assert main.run(["diff", str(tmp_path / "a.net"), str(tmp_path / "b.net")]) == 1
    assert "claims and assertions that fail: 0 before, 1 after" in capsys.readouterr().out


def test_colour_is_only_for_terminals(capsys: pytest.CaptureFixture[str]) -> None:
    main.run(["diff", "lenet5", "alexnet"])
    plain = capsys.readouterr().out
    main.run(["diff", "lenet5", "alexnet", "--color", "always"])
    colored = capsys.readouterr().out
    assert "\x1b[" not in plain
    assert "\x1b[32m+ " in colored
    assert "\x1b[1;31m- " in colored


def test_words() -> None:
    assert ranges(["l.0", "l.1", "l.2", "m.0", "m.2", "x"]) == "l.0…2, m.0, 2, x"
    assert ranges(["a1", "a2"]) == "a1, a2"
    assert (signed(0), signed(-1500), signed(999_999_999)) == ("", "-1.5 K", "+1 G")


class Repository:
    """A git repository whose `git diff` runs netdsl."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.run("init", "-q")
        driver = f"PYTHONPATH={Path(__file__).parents[1]} {sys.executable} -m netdsl diff --git"
        self.run("config", "diff.netdsl.command", driver)
        (root / ".gitattributes").write_text("*.net diff=netdsl\n")

    def run(self, *arguments: str) -> str:
        environment = {
            **os.environ,
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_AUTHOR_NAME": "a",
            "GIT_AUTHOR_EMAIL": "a@example.org",
            "GIT_COMMITTER_NAME": "a",
            "GIT_COMMITTER_EMAIL": "a@example.org",
            "PYTHONWARNINGS": "ignore",
        }
        done = subprocess.run(
            ["git", "--no-pager", *arguments],
            cwd=self.root,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def write(self, **files: str) -> None:
        for name, text in files.items():
            (self.root / f"{name}.net").write_text(text)


def test_git_diff(tmp_path: Path) -> None:
    repository = Repository(tmp_path)
    blocks = "block head(width) { conv(width, 1x1) }\n"
    uses = 'import head from "blocks.net"\nnetwork uses { input image[8, 8, 1]; head(4) }\n'
    gone = "network gone { input image[8, 8, 1]; conv(9, 1x1) }\n"
    new = "network new(classes = 7) {\n  input photo[6, 6, 2]\n  globalavgpool; dense(classes)\n}\n"
    repository.write(blocks=blocks, uses=uses, gone=gone, old=BASE, same=BASE, broken=BASE)
    repository.run("add", ".")
    repository.run("commit", "-qm", "first")

    (tmp_path / "gone.net").unlink()
    repository.run("mv", "old.net", "moved.net")
    repository.write(
        uses=uses.replace("head(4)", "head(8)"),
        moved=edited(("fc:", "out:")),
        same="# A comment.\n" + BASE,
        broken=edited(("globalavgpool", "globalaverage")),
        new=new,
    )
    repository.run("add", "--all")
    out = repository.run("diff", "-M", "HEAD")
    sections = [
        "the new version of broken.net has errors, so it can't be compared:\nerror[",
        "- gone.net:gone: 18 parameters, 576 MACs\n",
        "+ new.net:new: 21 parameters, 14 MACs\n",
        "old.net:small → moved.net:small\n→ renamed: fc → out\n",
        "same.net:small: no difference, 38,570 parameters\n",
        "uses.net:uses\n",
        "~ head.conv  filters 4 → 8",
    ]
    for section in sections:
        assert section in out
    assert "\x1b" not in out


@pytest.mark.parametrize("version", ["\0", "\n\n", "network {", "block a { relu }\n"])
def test_git_gets_0_whatever_the_file(
    version: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "old.net").write_text(version)
    (tmp_path / "new.net").write_text(version)
    old, new = str(tmp_path / "old.net"), str(tmp_path / "new.net")
    assert main.run(["diff", "--git", "a.net", old, "0", "100644", new, "0", "100644"]) == 0
    out, err = capsys.readouterr()
    assert "a.net" in out
    assert err == ""


def test_git_of_unmerged_and_wrong_calls(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["diff", "--git", "a.net"]) == 0
    assert capsys.readouterr().out == "a.net is unmerged\n"
    assert main.run(["diff", "--git", "a.net", "b.net"]) == 2
    assert main.run(["diff", "--git", "a.net", "--format", "json"]) == 2


def test_git_s_pager_has_colour(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.net"
    path.write_text(BASE)
    call = ["diff", "--git", "a.net", "/dev/null", ".", ".", str(path), "0", "100644"]
    monkeypatch.setenv("GIT_PAGER_IN_USE", "true")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    main.run(call)
    assert capsys.readouterr().out.startswith("\x1b[32m+ a.net:small")
    main.run([*call, "--color", "never"])
    assert capsys.readouterr().out.startswith("+ a.net:small")
    monkeypatch.setenv("NO_COLOR", "1")
    main.run(call)
    assert capsys.readouterr().out.startswith("+ a.net:small")
