"""What netdsl writes, made from what is hostile: texts for other programs (class 12), places that
names lead to (13), files that others put in the way (20), and readers that leave (21)."""

from __future__ import annotations

import ast
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import xml.sax.saxutils as xml
from pathlib import Path

import pytest

from netdsl.check import check_file
from netdsl.emit import emit
from netdsl.github import workflow_commands
from netdsl.network import load_file, load_network
from netdsl.render import concise, render, to_json
from netdsl.replace import replacing
from netdsl.sarif import to_sarif
from netdsl.source import Source
from netdsl.teach.lesson import of_network
from netdsl.teach.show import latex, markdown
from tests.hostile import network, run, within_bounds

# ---------------------------------------------------------------- 12: texts for other programs

HOSTILE = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "]]></style><b>",
    "--><b>",
    '" onload="alert(1)',
    "\\input{/etc/passwd}",
    "\\immediate\\write18{id}",
    "$x$ #1 & ~ ^ _ % { }",
    "{0} {x!r} {{}} %s %(x)d",
    "::error file=a,line=1::owned",
    "%0A::set-output name=x::y",
    "`id` $(id) ; rm | cat > x",
    "''' \\N{BULLET} \\x41 \\",
    "| a | b |",
    "=cmd|' /C calc'!A0",
    "[a](javascript:alert(1))",
)

NAMES = (
    "__class__",
    "__init__",
    "self",
    "nnx",
    "jax",
    "print",
    "match",
    "class",
    "None",
    "_",
    "__",
)
"""Names that mean something to Python; those that it reserves are no names of a program either."""


def _literal(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _program(text: str) -> str:
    documented = f"{text}."
    return (
        f'"""File {documented}"""\n\n'
        f'block part(width) {{\n  """Block {documented}"""\n  conv(width, 3x3) -> relu\n}}\n\n'
        f'network net {{\n  """Network {documented}"""\n  input image[8, 8, 3]\n  first: part(4)\n'
        f"  flatten -> dense(10)\n  assert params < 3, {_literal(text)}\n"
        f"  claim paper {_literal(text)} {{ params == 1 }}\n}}\n"
    )


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("name", ["<b>,::x.net", "a%0A.net", "{0}.net", "a b.net"])
def test_reports_keep_texts_apart(text: str, name: str) -> None:
    file, _ = load_file(Source(name, _program(text)))
    assert file is not None
    (verdict,) = check_file(file, {})
    codes = [each.code for each in verdict.diagnostics]
    assert codes == ["assertion-failed", "claim-differs"]
    assert text in verdict.diagnostics[0].message

    commands = workflow_commands(verdict.diagnostics).splitlines()
    assert len(commands) == 2
    for line in commands:
        properties, _, message = line.removeprefix("::error ").partition("::")
        assert line.startswith("::error ") and "::" not in properties
        values = dict(each.split("=", 1) for each in properties.split(","))
        assert _unescaped(values["file"]) == name
        assert text in _unescaped(message)

    results = json.loads(json.dumps(to_sarif(verdict.diagnostics)))["runs"][0]["results"]
    doubled = text.replace("{", "{{").replace("}", "}}")
    assert doubled in results[0]["message"]["text"]
    assert all(text in json.loads(json.dumps(to_json(each)))["message"]
               for each in verdict.diagnostics)  # fmt: skip
    assert len(concise(verdict.diagnostics).splitlines()) == 2
    assert text in render(verdict.diagnostics, color=False)


def _unescaped(text: str) -> str:
    for code, character in (("%0A", "\n"), ("%0D", "\r"), ("%3A", ":"), ("%2C", ","), ("%25", "%")):
        text = text.replace(code, character)
    return text


@pytest.mark.parametrize("text", HOSTILE)
def test_pages_keep_texts_apart(text: str) -> None:
    program = (
        _program(text).replace("params < 3", "params > 3").replace("params == 1", "params > 1")
    )
    file, _ = load_file(Source("hostile.net", program))
    assert file is not None
    found, diagnostics = load_network(file, "net", {})
    assert found is not None and not diagnostics
    lesson = of_network(found.report)
    page = markdown(lesson)
    assert "<" not in page and xml.unescape(page).count(text) == 1
    # All that LaTeX would run is of the lesson itself.
    known = r"\\(section|subsection|texttt|text|begin|end|item|times|cdot|to|dots|left|right"
    known += r"|lfloor|rfloor|lceil|rceil|frac|tfrac|dfrac|textbackslash|quad|max|min|sum|mathrm)\b"
    known += r"|\\[\\{}#$%&_^~,;!]"
    assert "\\" not in re.sub(known, "", latex(lesson))

    source = emit(found.graph)
    tree = ast.parse(source)
    plain = ast.parse(emit(_emitted(_program("plain")).graph))
    # Texts are in documentation only: without it, both modules are the same.
    assert _without_documentation(tree) == _without_documentation(plain)


def _emitted(program: str):
    program = program.replace("params < 3", "params > 3").replace("params == 1", "params > 1")
    file, _ = load_file(Source("hostile.net", program))
    assert file is not None
    found, _ = load_network(file, "net", {})
    assert found is not None
    return found


def _without_documentation(tree: ast.Module) -> str:
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and isinstance(body[0], ast.Expr):
            value = body[0].value
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                value.value = ""
    return ast.dump(tree)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("place", ["network", "block", "label", "parameter"])
def test_names_become_no_other_names_of_python(name: str, place: str) -> None:
    names = {"network": "net", "block": "part", "label": "first", "parameter": "width"}
    names[place] = name
    program = (
        "block {block}({parameter}) {{\n  conv({parameter}, 3x3) -> relu\n}}\n"
        "network {network} {{\n  input image[8, 8, 3]\n  {label}: {block}(4)\n  relu\n}}\n"
    ).format(**names)
    file, diagnostics = load_file(Source("hostile.net", program))
    if file is None or diagnostics:
        return
    found, diagnostics = load_network(file, names["network"], {})
    if found is None:
        assert diagnostics
        return
    tree = ast.parse(emit(found.graph))
    for node in ast.walk(tree):
        # The module's own special methods are these.
        defined = getattr(node, "name", "")
        assert not re.fullmatch(r"__\w+__", defined) or defined in ("__init__", "__call__")
        if isinstance(node, ast.Attribute):
            assert not node.attr.startswith("__") or node.attr in ("__init__",)
        assert not isinstance(node, (ast.Global, ast.Nonlocal, ast.Await, ast.Delete, ast.Try))
    classes = [node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    assert len(set(classes)) == len(classes)
    assert not {"nnx", "jax", "jnp"} & set(classes)


# ---------------------------------------------------------------- 13, 20: places to write

ELSEWHERE = "belongs to others\n"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "net.net").write_text(network("relu"))
    return tmp_path


def refused(place: Path, *arguments: str) -> str:
    result = run(*arguments, cwd=place)
    within_bounds(" ".join(arguments), result)
    assert result.code in (1, 2, 3), result.err
    assert "\x1b" not in result.err
    return result.err


@pytest.mark.parametrize(
    "output",
    [
        ".", "..", "/", "missing/net.py", "net.net/net.py", "/dev/null", "/dev/full", "pipe",
        "x" * 300, "a" * 5_000, "/proc/self/mem", "", "circle", "net.net",
    ],
)  # fmt: skip
def test_places_that_are_no_place(output: str, place: Path) -> None:
    os.mkfifo(place / "pipe")
    (place / "circle").symlink_to("circle")
    before = (place / "net.net").read_text()
    for force in ((), ("--force",)):
        if force and output in ("net.net", "circle"):
            continue  # That is asked for.
        refused(place, "compile", "net.net", "-o", output, *force)
    assert (place / "net.net").read_text() == before
    assert Path("/dev/null").is_char_device()
    assert not [each for each in os.listdir(place) if each.startswith(".netdsl")]


def test_a_file_that_is_not_ours_stays(place: Path) -> None:
    (place / "net.py").write_text(ELSEWHERE)
    assert "exists and was not made by netdsl" in refused(place, "compile", "net.net")
    assert (place / "net.py").read_text() == ELSEWHERE


def test_what_a_link_leads_to_stays(place: Path, tmp_path: Path) -> None:
    (tmp_path / "other").write_text(ELSEWHERE)
    (place / "net.py").symlink_to(tmp_path / "other")
    result = run("compile", "net.net", "--force", cwd=place)
    assert result.code == 0, result.err
    assert (tmp_path / "other").read_text() == ELSEWHERE
    assert not (place / "net.py").is_symlink()


def test_new_files_have_the_mode_that_the_process_gives(place: Path) -> None:
    for mask in (0o022, 0o077, 0o002):
        before = os.umask(mask)
        try:
            with replacing(place / "file") as stream:
                # Nobody else reads what is not whole.
                (beside,) = place.glob(".netdsl-*")
                assert beside.stat().st_mode & 0o777 == 0o666 & ~mask
                stream.write(b"x")
        finally:
            os.umask(before)
        assert (place / "file").stat().st_mode & 0o777 == 0o666 & ~mask
    with replacing(place / "file", mode=0o640) as stream:
        (beside,) = place.glob(".netdsl-*")
        assert beside.stat().st_mode & 0o777 == 0o600
    assert (place / "file").stat().st_mode & 0o777 == 0o640


def test_a_file_is_whole_or_what_it_was(place: Path) -> None:
    (place / "file").write_text(ELSEWHERE)
    with pytest.raises(RuntimeError), replacing(place / "file") as stream:
        stream.write(b"half")
        raise RuntimeError
    assert (place / "file").read_text() == ELSEWHERE
    assert not list(place.glob(".netdsl-*"))


def test_a_guessed_name_is_not_followed(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (place / "other").write_text(ELSEWHERE)
    monkeypatch.setattr("netdsl.replace.os.urandom", lambda count: b"\0" * count)
    (place / f".netdsl-{'00' * 8}").symlink_to(place / "other")
    with pytest.raises(FileExistsError), replacing(place / "file"):
        pass
    assert (place / "other").read_text() == ELSEWHERE
    assert (place / f".netdsl-{'00' * 8}").is_symlink()


def test_nothing_is_left_where_many_share_a_folder(place: Path) -> None:
    """Commands on a program leave no cache and no temporary file."""
    shared = place / "shared"
    shared.mkdir()
    before = set(os.listdir(place))
    for arguments in (("check", "net.net"), ("cost", "net.net"), ("fmt", "--check", "net.net")):
        result = subprocess.run(
            [sys.executable, "-m", "netdsl", *arguments],
            cwd=place,
            env=os.environ | {"TMPDIR": str(shared), "HOME": str(shared)},
            capture_output=True,
        )
        assert result.returncode in (0, 1), result.stderr
    assert os.listdir(shared) == [] and set(os.listdir(place)) == before


# ---------------------------------------------------------------- 21: readers and signals

COMMANDS = {
    "zoo": ("zoo",),
    "list": ("list", "operators"),
    "check": ("check", "net.net"),
    "fmt": ("fmt", "--diff", "unformatted.net"),
    "lint": ("lint", "--format", "json", "net.net"),
    "cost": ("cost", "net.net"),
    "diff": ("diff", "lenet5", "alexnet"),
    "compile": ("compile", "net.net", "-o", "-"),
    "explain": ("explain", "lenet5"),
}
"""Each command that needs no optional package, as it writes to standard output."""


def _listening() -> None:
    # A shell's job in the background ignores this signal, and so would this process.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _started(place: Path, arguments: tuple[str, ...], stdout: int) -> subprocess.Popen[bytes]:
    (place / "unformatted.net").write_text(network("      relu"))
    return subprocess.Popen(
        [sys.executable, "-m", "netdsl", *arguments],
        cwd=place,
        stdout=stdout,
        stderr=subprocess.PIPE,
        env=os.environ | {"NETDSL_TRACEBACK": "1"},
        preexec_fn=_listening,
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_a_full_device_and_a_reader_that_left(command: str, place: Path) -> None:
    with open("/dev/full", "wb") as full:
        process = _started(place, COMMANDS[command], full.fileno())
        _, err = process.communicate(timeout=60)
    assert process.returncode == 3 and b"No space left on device" in err, err
    assert b"Traceback" not in err and b"Exception ignored" not in err
    reading, writing = os.pipe()
    os.close(reading)
    process = _started(place, COMMANDS[command], writing)
    os.close(writing)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (141, b"")


@pytest.mark.parametrize("command", COMMANDS)
def test_closed_standard_output(command: str, place: Path) -> None:
    words = " ".join(f"'{each}'" for each in COMMANDS[command])
    (place / "unformatted.net").write_text(network("      relu"))
    result = subprocess.run(
        ["sh", "-c", f"'{sys.executable}' -m netdsl {words} >&- <&-"],
        cwd=place,
        capture_output=True,
        timeout=60,
    )
    assert result.returncode == 3 and b"standard output is closed" in result.stderr
    assert b"Traceback" not in result.stderr


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
@pytest.mark.parametrize("command", ["check", "cost", "explain", "compile"])
def test_signals_end_a_command(
    command: str, number: signal.Signals, code: int, place: Path
) -> None:
    """In the midst of work; the bytes that it reads from its standard input say when that is."""
    with (
        (place / "err").open("wb") as err,
        subprocess.Popen(
            [sys.executable, "-m", "netdsl", command, "-"],
            cwd=place,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=err,
            env=os.environ | {"NETDSL_TRACEBACK": "1"},
            preexec_fn=_listening,
        ) as process,
    ):
        assert process.stdin is not None
        # More than a pipe holds: once all is written, the command is reading.
        process.stdin.write(b"#\n" * 100_000)
        process.stdin.flush()
        for _ in range(60):
            # Python misses a signal that comes just before it begins to read; the next one it gets.
            process.send_signal(number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=1)
                break
        else:
            process.kill()
    assert process.returncode == code
    assert "Traceback" not in (place / "err").read_text()
