"""Hostile programs: each is refused with its code, within a second and 512 MiB.

Each case is a process of its own, so that what it takes can be bounded by the operating system and
measured; `pytest -s` prints the figures. Of the 21 classes of abuse, these are tested here and
elsewhere:

    1 nesting  2 repeats  3 recursion, doubling  4 numbers  5 shapes     here
    6 regular expressions                                                test_regexes.py
    7 files and lines  8 what can't be seen  9 escapes  10 imports       here
    10 what is no regular file, for each command                         test_abuse_files.py
    11 code through names and texts                                      test_emit.py
    12 texts for other programs                                          test_abuse_outputs.py
    13 places to write                                                   test_abuse_outputs.py
    14 records of a run                                                  test_abuse_files.py
    15 weights                                 test_weights_*.py, test_abuse_files.py
    16 archives and images                     test_abuse_files.py, test_data.py
    17 a playground's server, 18 an editor's server                      there is none
    19 floods of mistakes                                                here
    20 files in the way, temporary files                                 test_abuse_outputs.py
    21 signals, closed and full outputs                                  test_abuse_outputs.py
"""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from netdsl.elaborate import elaborate
from netdsl.limits import LIMITS, NAMED, lowered
from netdsl.main import COMMANDS
from netdsl.main import run as run_here
from netdsl.network import SHIPPED, complete_networks, load_file
from netdsl.source import read_source
from tests.hostile import network, run, within_bounds

LONG = 100_000
"""More than a file may have of anything."""
MANY = 6_000
"""As many as fit into a file."""


def _blocks(levels: int, body: str) -> str:
    """Blocks in which each is made of the one below as `body` says."""
    lines = ["block b0 { relu }"]
    lines += [f"block b{n} {{ {body.replace('BELOW', f'b{n - 1}')} }}" for n in range(1, levels)]
    return "\n".join(lines)


def _lets(first: str, following: str, count: int = 63) -> str:
    """`let`s in which each is made of the one before as `following` says."""
    lines = [f"let a0 = {first}"]
    lines += [f"let a{n} = {following.replace('BEFORE', f'a{n - 1}')}" for n in range(1, count)]
    return "\n".join(lines) + "\n"


def _times(count: int, text: str) -> str:
    """`text`, which has an N for its number, `count` times."""
    return "\n".join(text.replace("N", str(n)) for n in range(count)) + "\n"


NESTED = {
    "braces": ("block b {", "{", "relu", "}", "}"),
    "open braces": ("block b {", "{", "relu", "", ""),
    "parentheses": ("let x = ", "(", "1", ")", ""),
    "brackets": ("let x = ", "[", "1", "]", ""),
    "minus signs": ("let x = (", "-", "1", "", ")"),
    "nots": ("let x = (", "not", "true", "", ")"),
    "powers": ("let x = (", "2 **", "1", "", ")"),
    "attributes": ("let x = (a", "", "", ".a", ")"),
    "indices": ("let x = (a", "", "", "[0]", ")"),
    "conditionals": ("let x = (", "1 if true else", "1", "", ")"),
    "functions": ("let x = ", "max(", "1", ")", ""),
    "patterns": ("let ", "(", "a", ",)", " = 1"),
    "residuals": ("block b {", "residual {", "relu", "}", "}"),
    "shortcuts": ("block b {", "residual { relu } shortcut {", "relu", "}", "}"),
    "merges": ("block b {", "concat { | relu |", "relu", "}", "}"),
    "side branches": ("block b {", "aux(weight = 1) {", "relu", "}", "}"),
    "else ifs": ("block b { if true { relu }", "else if true { relu }", "", "", "}"),
    "templates": ("block b { l", "{a", "b", "}", ": relu }"),
}

PROGRAMS: dict[str, tuple[str, str]] = {
    # 1: nesting, and long expressions
    "closing brackets": ("let x = 1" + ")\n" * MANY, "unopened-bracket"),
    "a long sum": ("let x = (" + "1 +\n" * MANY + "1)", ""),
    "a longer sum": ("let x = (" + "1 +\n" * LONG + "1)", "program-too-long"),
    "a long comparison": ("let x = (" + "1 <=\n" * MANY + "1)", ""),
    "a long chain": (network("relu ->\n" * 6_000 + "relu"), ""),
    "a longer chain": (network("relu ->\n" * LONG + "relu"), "program-too-long"),
    "blocks in blocks": (network("b99", _blocks(100, "BELOW")), "nesting-too-deep"),
    # 2: repeats
    "a repeat": (network("repeat 1_000_000_000_000 { relu }"), "too-many-nodes"),
    "nested repeats": (network("repeat 1000 {" * 10 + "relu" + "}" * 10), "too-many-nodes"),
    "small repeats": (network("repeat 10 {" * 10 + "relu" + "}" * 10), "too-many-nodes"),
    "repeats of nothing": (
        network("repeat 1000 {" * 10 + "if false { relu }" + "}" * 10),
        "too-many-steps",
    ),
    "repeats with names": (
        network(
            "let n = 1000\n"
            + "".join(f"repeat n as i{k} {{" for k in range(10))
            + "relu"
            + "}" * 10
        ),
        "too-many-nodes",
    ),
    "repeats by a loop's variable": (
        network("repeat 100 as i { repeat i * i as j { repeat j { relu } } }"),
        "too-many-nodes|too-many-steps",
    ),
    "repeats by an argument": (
        network("b(1000)", "block b(n) { repeat n { repeat n { relu } } }"),
        "too-many-nodes",
    ),
    "repeats by channels": (
        network("repeat in.channels * 1000 { repeat in.channels * 1000 { relu } }"),
        "too-many-nodes|too-many-steps",
    ),
    "loops": (
        network("".join(f"for i{k} in range(1000) {{" for k in range(5)) + "relu" + "}" * 5),
        "too-many-nodes",
    ),
    "loops of branches": (
        network("concat { for i in range(1000) { for j in range(1000) { | relu } } }"),
        "too-many-nodes",
    ),
    # 3: recursion and doubling
    "a block in itself": (network("b", "block b { b }"), "recursive-block"),
    "blocks in a circle": (network("b", "block b { c }\nblock c { b }"), "recursive-block"),
    "doubling blocks": (network("b59", _blocks(60, "\nBELOW\nBELOW\n")), "too-many-nodes"),
    "doubling branches": (
        network("b59", _blocks(60, "concat { | BELOW | BELOW }")),
        "too-many-nodes",
    ),
    "doubling arguments": (
        network(
            "b40(0)",
            "block b0(n) { relu }\n"
            + "\n".join(f"block b{n}(n) {{ b{n - 1}(n)\nb{n - 1}(n + 1) }}" for n in range(1, 41)),
        ),
        "too-many-nodes",
    ),
    "doubling empty blocks": (
        network("relu\nb59", _blocks(60, "\nBELOW\nBELOW\n").replace("relu", "if false { relu }")),
        "too-many-steps",
    ),
    "variants in a circle": ("network a = b()\nnetwork b = a()", "network-cycle"),
    "a long line of variants": (
        network("relu")
        + "network n0 = net()\n"
        + _times(1_000, "network mN = n0()")
        + "\n".join(f"network n{k} = n{k - 1}()" for k in range(1, 1_000)),
        "nesting-too-deep",
    ),
    "doubling lists": (_lets("[1, 2]", "BEFORE + BEFORE"), "list-too-long"),
    "lists of lists": (_lets("[1, 2]", "[BEFORE, BEFORE]") + "let x = 1 + a62", "operand-type"),
    "lists compared": (_lets("[1]", "[BEFORE, BEFORE]") + "let x = a62 == a62", "list-too-long"),
    "a list repeated": ("let x = [0] * 1_000_000_000_000", "list-too-long"),
    "a range": ("let x = range(1_000_000_000_000)", "function-arguments"),
    "an endless range": ("let x = range(999_999_999_999_999_999)", "function-arguments"),
    "many sums": ("let r = range(9_999)\n" + _times(2_000, "let sN = sum(r)"), "too-many-steps"),
    "many ranges": (_times(2_000, "let rN = range(9_999)"), "too-many-steps"),
    "many lists": ("let r = range(9_998)\n" + _times(2_000, "let sN = r + [1]"), "too-many-steps"),
    "many look-ups": (
        "let r = range(9_999)\n" + _times(2_000, "let sN = -1 in r"),
        "too-many-steps",
    ),
    "many comparisons": (
        "let r = range(9_999)\n" + _times(2_000, "let sN = r == r"),
        "too-many-steps",
    ),
    "many pairs": (
        "let r = range(9_999)\n" + _times(1_000, "let sN = zip(r, r)"),
        "too-many-steps",
    ),
    # 4: numbers
    "many digits": ("let x = " + "9" * 9_000, "number-too-long"),
    "more digits": ("let x = " + "9" * 900_000, "line-too-long"),
    "many zeros": ("let x = 0." + "0" * 9_000 + "1", "number-too-long"),
    "a large exponent": ("let x = 1e999999999", "number-too-long"),
    "a long exponent": ("let x = 1e" + "9" * 9_000, "number-too-long"),
    "a large window": (network("conv(1, " + "9" * 9_000 + "x)"), "number-too-long"),
    "powers of powers": ("let x = 9 ** 9 ** 9 ** 9", "number-too-large"),
    "products": ("let x = (" + "1_000_000 *\n" * 1_000 + "1)", "number-too-large"),
    "a power of a fraction": ("let x = 1e300 ** 64", "number-too-large"),
    "infinity rounded": ("let y = round(1e300 * 1e300)", "function-arguments"),
    "a multiple of infinity": ("let y = round_to(1e300 * 1e300, 8)", "function-arguments"),
    # 5: shapes
    "a large input": ("network net {\n input image[99_999_999_999, 8, 3]\n relu\n}", "input-size"),
    "a large layer": (network("flatten -> dense(3_000_000_000)"), "number-too-large"),
    "growing shapes": (network("repeat 64 { upsample(1024) }"), "number-too-large"),
    "growing channels": (
        network("repeat 64 { concat { | identity | identity } }"),
        "number-too-large",
    ),
    "many values": (
        "network net {\n input image[2_000_000_000, 2_000_000_000, 3]\n relu\n}",
        "number-too-large",
    ),
    "no channels": (network("conv(0, 3x3)"), "argument-value"),
    "negative channels": (network("conv(-1, 3x3)"), "argument-value"),
    "no stride": (network("conv(8, 3x3, stride = 0)"), "argument-value"),
    "division by zero": ("let x = 1 // 0", "division-by-zero"),
    "powers of sizes": (
        "network net {\n input image[H, W, 3]\n let a = (H + W + 1) ** 64\n relu\n}",
        "number-too-large",
    ),
    "products of sizes": (
        "network net {\n input image[H, W, 3]\n"
        + _lets("H + W + 1", "BEFORE * BEFORE", 20)
        + "relu\n}",
        "number-too-large",
    ),
    "divisions of sizes": (
        "network net {\n input image[H, W, 3]\n"
        + _lets("H", "(BEFORE * BEFORE + W) // 5 + BEFORE // 7", 40)
        + "relu\n}",
        "number-too-large",
    ),
    "many sizes": (
        "network net {\n input image[H, W, 3]\n let a = (H + W + 1) ** 20\n"
        + _times(1_000, "let aN = a * a")
        + "relu\n}",
        "number-too-large",
    ),
    "layers with long sizes": (
        "network net {\n input image[H, W, 3]\n" + "  conv(8, 3x3, stride = 2)\n" * 1_500 + "}",
        "number-too-large",
    ),
    # 7: text
    "a long comment": ("#" + "x" * 1_000_000, "line-too-long"),
    "a long name": ("let " + "x" * 9_000 + " = 1", ""),
    "a long unknown name": ("let x = " + "x" * 9_000, "unknown-name"),
    "a long text": ('let x = "' + "x" * 9_000 + '"', ""),
    "a long text misused": ('let x = 1 + "' + "x" * 9_000 + '"', "operand-type"),
    "escapes": ('let x = "' + "\\q" * 4_500 + '"', "unknown-escape"),
    "long documentation": ('"""' + "x\n" * 500_000 + '"""', ""),
    "documentation without an end": ('"""' + "x\n" * 500_000, "unterminated-string"),
    "one long line": (network("; ".join(["relu"] * 50_000)), "line-too-long"),
    "many lines": ("\n" * 1_000_000, ""),
    "many short comments": ("#\n" * 500_000, "program-too-long"),
    "many names": (_times(3_500, "let xN = N"), ""),
    "semicolons": (";\n" * 500_000, "program-too-long"),
    "many arguments": (network("relu(" + "1,\n" * 5_000 + ")"), "too-many-arguments"),
    "a long list": ("let x = [" + "1,\n" * 5_000 + "]", ""),
    "a longer list": ("let x = [" + "1,\n" * 60_000 + "]", "program-too-long"),
    "a long label": (network("l" * 9_000 + ": relu"), ""),
    "texts that grow": (_lets('"xxxxxxxxxx"', "BEFORE + BEFORE"), "operand-type"),
    "a text repeated": ('let a = "x" * 1_000_000_000', "operand-type"),
    # 8, 9: what a reader can't see
    "a letter of another script": ("let \u0430 = 1", "unexpected-character"),
    **{
        f"U+{ord(character):04X}": (f"let x = 1 # {character}", "invisible-character")
        for character in "\u202e\u2066\u200b\u200d\ufeff\u00ad\u2028\u0085\u3164"
        "\x00\x1b\x7f\U000e0041"
    },
    # 19: floods
    "mistakes in the text": ("let x = 1 2\n" * 3_000, "unexpected-token"),
    "bad characters": ("§ \n" * 200_000, "unexpected-character"),
    "brackets that close": (")\n" * 9_000, "unopened-bracket"),
    "mistakes in a network": (
        network(_times(1_200, "conv(N, 3x3, strides = 2)\nfrom image")),
        "unknown-argument",
    ),
    "unknown names": (_times(3_000, "let xN = yyN"), "unknown-name"),
    "unknown layers": (network(_times(3_000, "reluN\nfrom image")), "unknown-layer"),
    "many bad networks": (
        _times(900, "network nN {\n input i[8, 8, 3]\n rela\n}"),
        "unknown-layer",
    ),
    "mistakes in passes": (
        network("repeat 3_000 as i { conv(i, 3x3, strides = 2)\n from image }"),
        "unknown-argument",
    ),
    "bad recipes": (
        network("relu") + _times(1_200, "recipe rN for net { epoch N }"),
        "unknown-setting",
    ),
    "bad claims": (
        network("relu\n" + _times(1_500, 'claim paper "N" { params == N + 1 }')),
        "claim-differs",
    ),
    "bad assertions": (network("relu\n" + _times(3_000, "assert params > N")), "assertion-failed"),
}


@pytest.mark.parametrize("length", (MANY, LONG))
@pytest.mark.parametrize("name", NESTED)
def test_nesting(name: str, length: int, tmp_path: Path) -> None:
    before, opening, core, closing, after = NESTED[name]
    text = before + (opening + "\n") * length + core + ("\n" + closing) * length + after
    (tmp_path / "hostile.net").write_text(text, "utf-8")
    result = run("check", "hostile.net", cwd=tmp_path)
    within_bounds(f"{name}, {length:,} deep", result)
    if result.code == 1:
        assert "error[nesting-too-deep]" in result.err or "error[program-too-long]" in result.err
    else:
        assert result.code == 3 and "is larger than the limit" in result.err


@pytest.mark.parametrize("name", PROGRAMS)
def test_hostile_program(name: str, tmp_path: Path) -> None:
    text, code = PROGRAMS[name]
    path = tmp_path / "hostile.net"
    path.write_text(text, "utf-8")
    result = run("check", "hostile.net", cwd=tmp_path)
    within_bounds(name, result)
    found = [each for each in code.split("|") if f"error[{each}]" in result.err]
    assert found if code else "error[" not in result.err
    assert result.code == (1 if code else 0)
    assert len(result.err) < 100_000


# ---------------------------------------------------------------- 7, 10: files and imports


def refused(name: str, tmp_path: Path, *arguments: str, stdin: bytes = b"") -> str:
    """What is said of a target that can't be read or is wrong."""
    result = run("check", *(arguments or ("main.net",)), cwd=tmp_path, stdin=stdin)
    within_bounds(name, result)
    assert result.code in (1, 2, 3)
    assert "\x1b" not in result.err and "\x1b" not in result.out
    return result.err


def test_a_sparse_file_of_2_gb_is_refused_by_its_size(tmp_path: Path) -> None:
    with (tmp_path / "main.net").open("wb") as file:
        file.truncate(2 << 30)
    assert "larger than the limit of 1,048,576 bytes" in refused("2 GB", tmp_path)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"let x = 1 # \xff", "is not UTF-8 text: byte 12 is 0xff"),
        (b"\xff\xfel\x00e\x00t\x00", "is not UTF-8 text: byte 0 is 0xff"),
        (b"let x = 1 # \xed\xa0\x80", "is not UTF-8 text: byte 12"),
        (b"let x = 1\nlet y = 2\x00", "main.net:2:10"),
        ("# \u00e9\u202e".encode(), "main.net:1:4"),
    ],
)
def test_bytes_that_are_no_text(content: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / "main.net").write_bytes(content)
    assert said in refused(said, tmp_path)
    assert said.replace("main.net", "<stdin>") in refused(said, tmp_path, "-", stdin=content)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends_and_a_byte_order_mark_are_fine(end: str, tmp_path: Path) -> None:
    text = network("  relu\n  rela").replace("\n", end)
    (tmp_path / "main.net").write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert "main.net:5:3" in refused("line ends", tmp_path)


def test_a_program_without_an_end_on_standard_input(tmp_path: Path) -> None:
    assert "larger than the limit" in refused("stdin", tmp_path, "-", stdin=b"#\n" * (1 << 20))


def _special(kind: str, path: Path) -> None:
    match kind:
        case "pipe":
            os.mkfifo(path)
        case "folder":
            path.mkdir()
        case "device":
            path.symlink_to("/dev/zero")
        case "circle of links":
            path.symlink_to(path.name)
        case "unreadable":
            path.symlink_to("/proc/self/mem")
        case "socket":
            listener = socket.socket(socket.AF_UNIX)
            listener.bind(os.path.relpath(path))
            listener.close()


@pytest.mark.parametrize(
    "kind", ["pipe", "folder", "device", "circle of links", "unreadable", "socket", "missing"]
)
def test_what_is_no_regular_file(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    _special(kind, tmp_path / "odd.net")
    assert "odd.net" in refused(kind, tmp_path, "odd.net")
    (tmp_path / "main.net").write_text('import a from "odd.net"\n')
    said = refused(f"import of a {kind}", tmp_path)
    assert "error[import-" in said and "main.net:1:15" in said


@pytest.mark.parametrize(
    "origin",
    ["../outside.net", "/etc/passwd", "inside/../../outside.net", "link.net", "folder/outside.net"],
)
def test_an_import_stays_inside_the_project(origin: str, tmp_path: Path) -> None:
    (tmp_path / "outside.net").write_text("block a { relu }\n")
    project = tmp_path / "project"
    (project / "inside").mkdir(parents=True)
    (project / "link.net").symlink_to(tmp_path / "outside.net")
    (project / "folder").symlink_to(tmp_path)
    (project / "main.net").write_text(f'import a from "{origin}"\n')
    assert "error[import-outside-project]" in refused(origin, project)


@pytest.mark.parametrize(
    "origin",
    ["http://127.0.0.1/a.net", "x" * 5_000 + ".net", "a/" * 3_000, "~/a.net", "$HOME/a.net", ""],
)
def test_an_import_of_what_is_no_file(origin: str, tmp_path: Path) -> None:
    (tmp_path / "main.net").write_text(f'import a from "{origin}"\n')
    assert "error[import-not-found]" in refused("no file", tmp_path)


def test_imports_in_a_circle_and_in_a_row(tmp_path: Path) -> None:
    (tmp_path / "main.net").write_text('import a from "main.net"\n')
    assert "error[import-cycle]" in refused("import of itself", tmp_path)
    for number in range(100):
        text = f'import a from "f{number + 1}.net"\nblock b{number} {{ relu }}\n'
        (tmp_path / f"f{number}.net").write_text(text)
    assert "error[imports-too-deep]" in refused("imports in a row", tmp_path, "f0.net")
    (tmp_path / "f100.net").write_text('import b90 from "f90.net"\n')
    assert "error[import-cycle]" in refused("imports in a circle", tmp_path, "f90.net")


def test_many_imports(tmp_path: Path) -> None:
    for number in range(LIMITS.import_files + 1):
        (tmp_path / f"f{number}.net").write_text(f"block b{number} {{ relu }}\n")
    lines = _times(LIMITS.import_files + 1, 'import bN from "fN.net"')
    (tmp_path / "main.net").write_text(lines)
    assert "error[too-many-imports]" in refused("many imports", tmp_path)


# ---------------------------------------------------------------- 9: escapes

ESCAPE = "\x1b]0;owned\x07\x1b[31m"


def test_a_file_name_can_not_act_on_a_terminal(tmp_path: Path) -> None:
    name = f"{ESCAPE}.net"
    (tmp_path / name).write_text("let x = y\n")
    assert "\\x1b" in refused("file name", tmp_path, name)
    (tmp_path / name).write_text(network("relu"))
    for arguments in (
        ("check", name),
        ("cost", name),
        ("list", name),
        ("compile", name, "-o", f"{ESCAPE}.py"),
        ("compile", name, "-o", f"{ESCAPE}.py", "--format", "json"),
        ("check", f"{name}:{ESCAPE}"),
        ("check", f"missing{ESCAPE}.net"),
        ("check", name, f"--{ESCAPE}"),
        ("check", name, "--format", ESCAPE),
        ("check", name, "--set", ESCAPE),
        ("check", name, "--set", f"x={ESCAPE}"),
        ("check", name, "--limit", f"{ESCAPE}=1"),
        ("check", name, "--limit", ESCAPE),
        ("cost", name, "--batch", ESCAPE),
        ("explain", ESCAPE),
        (ESCAPE,),
        (f"--{ESCAPE}",),
    ):
        result = run(*arguments, cwd=tmp_path)
        within_bounds("escapes", result)
        assert "\x1b" not in result.out + result.err, arguments


# ---------------------------------------------------------------- limits


LOWERED: dict[str, tuple[int, str, str]] = {
    "file_bytes": (100, network("relu\n" * 50), "larger than the limit of 100 bytes"),
    "tokens": (10, network("relu"), "error[program-too-long]"),
    "line_characters": (20, network("relu  # a long comment here"), "error[line-too-long]"),
    "import_files": (1, 'import a from "a.net"\nimport b from "b.net"', "error[too-many-imports]"),
    "import_depth": (1, 'import a from "deep.net"', "error[imports-too-deep]"),
    "nesting": (1, network("repeat 1 { relu }"), "error[nesting-too-deep]"),
    "brackets": (1, "let x = [[1]]", "error[nesting-too-deep]"),
    "expression_depth": (2, "let x = - - -1", "error[nesting-too-deep]"),
    "digits": (3, "let x = 1000", "error[number-too-long]"),
    "integer": (100, "let x = 99 + 1", "error[number-too-large]"),
    "dimension": (63, network("flatten -> dense(64)"), "error[number-too-large]"),
    "list_values": (2, "let x = [1, 2, 3]", "error[list-too-long]"),
    "nodes": (3, network("relu\nrelu\nrelu"), "error[too-many-nodes]"),
    "steps": (50, network("relu\nrelu\nrelu"), "error[too-many-steps]"),
    "mistakes": (2, "let x = a\nlet y = b\nlet z = c", "error[too-many-errors]"),
    "errors": (2, "let x = a\nlet y = b\nlet z = c", "1 more"),
}
"""Each limit but that of time, lowered so that a small program passes it, and what is then said."""


@pytest.mark.parametrize("limit", sorted(NAMED.keys() - {"seconds"}))
def test_a_limit_can_be_lowered(limit: str, tmp_path: Path) -> None:
    value, text, said = LOWERED[limit]
    (tmp_path / "a.net").write_text("block a { relu }\n")
    (tmp_path / "b.net").write_text("block b { relu }\n")
    (tmp_path / "deep.net").write_text('import a from "a.net"\n')
    (tmp_path / "main.net").write_text(text)
    assert said in refused(limit, tmp_path, "main.net", "--limit", f"{limit}={value}")
    code = NAMED[limit].code
    assert not code or code in said or limit == "mistakes"


READING = {
    "check": ("check", "main.net"),
    "fmt": ("fmt", "--check", "main.net"),
    "lint": ("lint", "main.net"),
    "list": ("list", "main.net"),
    "cost": ("cost", "main.net"),
    "diff": ("diff", "main.net", "main.net"),
    "compile": ("compile", "main.net", "-o", "-"),
    "explain": ("explain", "main.net"),
    "train": ("train", "main.net", "--data", "digits", "--out", "run"),
    "weights": ("weights", "import", "main.net", "missing.pth", "-o", "out.safetensors"),
    "predict": ("predict", "main.net", "missing.png", "--weights", "missing.pth"),
}
"""The commands that read a program which is the user's."""


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_lowers_limits(
    command: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "main.net").write_text(network("relu\nrelu\nrelu"))
    if command in READING:
        assert run_here([*READING[command], "--limit", "tokens=10"]) in (1, 2)
        assert "at most 10 words" in "".join(capfd.readouterr())
    else:
        # What they read is a run's, a shipped program's, or no program.
        assert run_here([command, "--help"]) == 0
        assert "--limit" in capfd.readouterr().out
    assert LIMITS.tokens == NAMED["tokens"].ceiling


@pytest.mark.parametrize(
    "limit", ["nodes=50001", "nodes=0", "nodes=-1", "layers=3", "nodes", "nodes=1e3"]
)
def test_a_limit_can_not_be_raised(limit: str, tmp_path: Path) -> None:
    (tmp_path / "main.net").write_text(network("relu"))
    result = run("cost", "main.net", "--limit", limit, cwd=tmp_path)
    assert result.code == 2, result.err


def test_a_limit_for_all_networks_of_a_file(tmp_path: Path) -> None:
    text = network("repeat 5_000 { relu }") + _times(1_000, "network nN = net()")
    (tmp_path / "main.net").write_text(text)
    result = run("check", "main.net", cwd=tmp_path)
    within_bounds("many networks near a limit", result)
    assert "error[too-many-steps]: the program takes more than" in result.err
    assert "no steps left to check `n" in result.err
    assert result.err.count("too-many-steps") == 1
    assert run("check", "main.net:n999", cwd=tmp_path).code == 0


def test_networks_of_a_real_size_share_nothing(tmp_path: Path) -> None:
    text = network("repeat 40 { conv(8, 3x3, pad = same) -> bn -> relu }")
    (tmp_path / "main.net").write_text(text + _times(120, "network nN = net()"))
    assert run("check", "main.net", cwd=tmp_path).code == 0


def test_lowered_limits_end_with_the_command() -> None:
    with lowered({"nodes": 5}):
        assert LIMITS.nodes == 5
        with lowered({"nodes": 3, "steps": 7}):
            assert (LIMITS.nodes, LIMITS.steps) == (3, 7)
        with pytest.raises(ValueError, match="from 1 to 5"), lowered({"nodes": 6}):
            pass
        assert LIMITS.nodes == 5
    assert LIMITS.nodes == NAMED["nodes"].ceiling


@pytest.mark.parametrize("path", sorted(SHIPPED.glob("*.net")), ids=lambda path: path.stem)
def test_no_more_layers_are_counted_than_are_made(path: Path) -> None:
    file, _ = load_file(read_source(path, path.name))
    assert file is not None
    for name in complete_networks(file):
        graph = elaborate(file, name, {}).graph
        assert graph is not None
        layers = sum(node.op is not None for node in graph.nodes)
        # The input is a node too, so that the limit itself may be passed by one while elaborating.
        with lowered({"nodes": max(1, layers)}):
            diagnostics = elaborate(file, name, {}).diagnostics
        assert not any("at least" in each.message for each in diagnostics)
