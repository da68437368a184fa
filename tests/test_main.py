"""The command line's frame: which command runs, what it says and how it exits."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType

import click
import pytest

from netdsl import __version__, exits, main
from netdsl.commands import options
from netdsl.commands.console import Console
from netdsl.diagnostics import Diagnostic
from netdsl.source import Source

NETDSL = [sys.executable, "-m", "netdsl"]


def install(monkeypatch: pytest.MonkeyPatch, body: Callable[[Console], int | None]) -> None:
    """Make `netdsl fake` a command with the shared options, which runs `body`."""

    @click.command()
    @options.target
    @options.output_format
    @options.color
    def command(
        target: str, settings: dict[str, str], output_format: str, console: Console
    ) -> int | None:
        print(target, settings, output_format)
        return body(console)

    module = ModuleType("netdsl.commands.fake")
    module.command = command  # type: ignore[attr-defined]  # a module made by hand
    monkeypatch.setitem(sys.modules, "netdsl.commands.fake", module)
    monkeypatch.setitem(main.COMMANDS, "fake", "A command of this test.")


def raising(error: BaseException) -> Callable[[Console], int]:
    def body(console: Console) -> int:
        raise error

    return body


def test_help_lists_each_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["--help"]) == exits.FINE
    out, err = capsys.readouterr()
    assert err == ""
    for name, summary in main.COMMANDS.items():
        assert f"  {name} " in out
        assert summary.split()[0] in out
    assert "Examples:\n" in out


def test_each_command_is_a_file_with_help_and_an_example() -> None:
    folder = Path(main.__file__).parent / "commands"
    files = {
        path.stem.replace("_", "-")
        for path in folder.glob("*.py")
        if re.search(r"^@click\.(command|group)\(", path.read_text("utf-8"), re.MULTILINE)
    }
    assert set(main.COMMANDS) == files
    for name in main.COMMANDS:
        context = click.Context(main.cli)
        command = main.cli.get_command(context, name)
        assert command is not None
        text = command.get_help(click.Context(command, info_name=name))
        assert f"netdsl {name}" in text, f"`netdsl {name} --help` shows no example"


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["--version"]) == exits.FINE
    assert capsys.readouterr().out == f"netdsl {__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["chekc"], "There is no command `chekc`; did you mean `check`?"),
        (["\x07"], "There is no command `\\x07`"),
        (["--verbos"], "No such option"),
        (["fake"], "Missing argument 'TARGET'"),
        (["fake", "a.net", "--set", "classes"], "`classes` is not like `classes=10`"),
        (["fake", "a.net", "--set", "=3"], "`=3` is not like `classes=10`"),
        (["fake", "a.net", "--set", "a b=3"], "`a b=3` is not like `classes=10`"),
        (["fake", "a.net", "--set", "n="], "`n=` is not like `classes=10`"),
        (["fake", "a.net", "--set", "n=1", "--set", "n=2"], "`n` is set twice"),
        (["fake", "a.net", "--format", "yaml"], "'yaml' is not one of"),
        (["fake", "a.net", "--color", "blue"], "'blue' is not one of"),
    ],
)
def test_wrong_usage(
    arguments: Sequence[str],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    install(monkeypatch, lambda console: None)
    assert main.run(arguments) == exits.WRONG_USAGE
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err
    assert "--help" in err
    assert "\x1b" not in err


def test_shared_options(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    install(monkeypatch, lambda console: None)
    arguments = ["fake", "a.net:b", "--set", " n = 1", "--set", "d=[1,2]==x", "--format", "json"]
    assert main.run(arguments) == exits.FINE
    assert capsys.readouterr().out == "a.net:b {'n': '1', 'd': '[1,2]==x'} json\n"


def test_a_programs_errors(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    span = Source("a.net", "x\n").span(0, 1)
    error, warning = Diagnostic("c", "m", span), Diagnostic("c", "w", span, severity="warning")
    install(monkeypatch, lambda console: console.diagnostics([error, warning]))
    assert main.run(["fake", "a.net"]) == exits.PROGRAM_HAS_ERRORS
    out, err = capsys.readouterr()
    assert out == "a.net {} text\n"
    assert err.startswith("error[c]: m\n --> a.net:1:1\n")
    install(monkeypatch, lambda console: console.diagnostics([warning]))
    assert main.run(["fake", "a.net"]) == exits.FINE


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (exits.Failure("there is no data"), 3, "error: there is no data\n"),
        (exits.Failure("two\n  lines \x1b[2J"), 3, "error: two\n  lines \\x1b[2J\n"),
        (FileNotFoundError(2, "No such file", "x.npz"), 3, "error: `x.npz`: No such file\n"),
        (OSError(28, "No space left"), 3, "error: input or output failed: No space left\n"),
        (BrokenPipeError(32, "Broken pipe"), 3, "error: input or output failed: Broken pipe\n"),
        (MemoryError(), 3, "error: there is not enough memory\n"),
        (KeyboardInterrupt(), 130, "error: interrupted\n"),
        (click.ClickException("odd"), 3, "error: odd\n"),
        (SystemExit(1), 1, ""),
        (SystemExit(), 0, ""),
    ],
)
def test_failures(
    error: BaseException,
    code: int,
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    install(monkeypatch, raising(error))
    assert main.run(["fake", "a.net"]) == code
    assert capsys.readouterr().err == message


def test_our_mistake_keeps_its_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.delenv("NETDSL_TRACEBACK", raising=False)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    install(monkeypatch, raising(KeyError("conv")))
    assert main.run(["fake", "a.net"]) == exits.OUR_MISTAKE
    err = capsys.readouterr().err
    (file,) = tmp_path.iterdir()
    assert "itself failed with KeyError: 'conv'" in err
    assert str(file) in err
    assert "Traceback" not in err
    assert "Traceback" in file.read_text()

    monkeypatch.setenv("NETDSL_TRACEBACK", "1")
    assert main.run(["fake", "a.net"]) == exits.OUR_MISTAKE
    assert "Traceback" in capsys.readouterr().err
    assert len(list(tmp_path.iterdir())) == 1


def test_our_mistake_without_a_place_for_its_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.delenv("NETDSL_TRACEBACK", raising=False)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "missing"))
    install(monkeypatch, raising(RecursionError()))
    assert main.run(["fake", "a.net"]) == exits.OUR_MISTAKE
    assert "Traceback" in capsys.readouterr().err


def shell(command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a line of bash in which ME is netdsl, its output buffered as it is by default."""
    inherited = {key: value for key, value in os.environ.items() if key != "PYTHONUNBUFFERED"}
    return subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command}", *NETDSL],
        capture_output=True,
        text=True,
        timeout=60,
        env={**inherited, **environment},
    )


ME = '"$0" "$1" "$2"'


def test_a_reader_that_leaves_is_no_mistake() -> None:
    result = shell(f"{ME} --help | true")
    assert result.returncode in (0, exits.OUTPUT_CLOSED)  # `true` may outlive a short help.
    assert result.stderr == ""
    for command in ("--help", "explain conv"):
        result = shell(f"{{ sleep 0.5; {ME} {command}; }} | true")
        assert (result.returncode, result.stderr) == (exits.OUTPUT_CLOSED, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux's /dev/full")
def test_a_full_disk_is_said() -> None:
    for command in ("--help", "explain conv"):
        result = shell(f"{ME} {command} > /dev/full")
        assert result.returncode == exits.INPUT_OUTPUT_FAILED
        assert result.stderr == "error: input or output failed: No space left on device\n"


def test_closed_streams() -> None:
    result = shell(f"{ME} --help >&-")
    assert result.returncode == exits.INPUT_OUTPUT_FAILED
    assert result.stderr.startswith("error: standard output is closed")
    result = shell(f"{ME} chekc 2>&-")
    assert (result.returncode, result.stdout) == (exits.WRONG_USAGE, "")


def test_names_that_an_encoding_lacks() -> None:
    result = shell(f"{ME} 'ﬁle→' ", PYTHONIOENCODING="latin-1")
    assert result.returncode == exits.WRONG_USAGE
    assert "`\\ufb01le\\u2192`" in result.stderr
    result = shell(f"{ME} explain conv", PYTHONIOENCODING="ascii")
    assert (result.returncode, result.stderr) == (exits.FINE, "")
    assert "K\\xd7K" in result.stdout


def test_interrupt(tmp_path: Path) -> None:
    program = tmp_path / "wait.py"
    program.write_text(
        "import signal, sys, time, types, click\n"
        # A shell's job in the background ignores this signal, and so would this process.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from netdsl import main\n"
        "@click.command()\n"
        "def command():\n"
        "    print('ready', flush=True)\n"
        "    time.sleep(60)\n"
        "module = types.ModuleType('netdsl.commands.wait')\n"
        "module.command = command\n"
        "sys.modules['netdsl.commands.wait'] = module\n"
        "main.COMMANDS['wait'] = ''\n"
        "sys.exit(main.run(['wait']))\n"
    )
    with subprocess.Popen(
        [sys.executable, str(program)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
    assert process.returncode == exits.INTERRUPTED
    assert err == "error: interrupted\n"


def test_interrupt_while_starting() -> None:
    program = (
        "import sys\n"
        "class Interrupted:\n"
        "    def find_spec(self, name, *rest):\n"
        "        if name == 'click':\n"
        "            raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Interrupted())\n"
        "from netdsl.__main__ import main\n"
        "main()\n"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (result.returncode, result.stderr) == (exits.INTERRUPTED, "error: interrupted\n")


def test_shell_completion() -> None:
    result = shell(ME, _NETDSL_COMPLETE="bash_complete", COMP_WORDS="netdsl ch", COMP_CWORD="1")
    assert result.stdout == "plain,check\n"


def test_a_part_of_a_shipped_name_is_told_the_whole_names(capsys):
    assert main.run(["cost", "densenet12"]) == exits.WRONG_USAGE
    assert "there are `torchvision/densenet121`" in capsys.readouterr().err
