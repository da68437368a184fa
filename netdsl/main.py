"""The command `netdsl`: find the subcommand, run it, and make an exit code of what comes of it.

A subcommand is `command` of the file of its name in `netdsl.commands`, which is imported when it
runs. It returns its exit code; None is 0. Data goes to standard output, messages to standard error.
"""

from __future__ import annotations

import errno
import io
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from types import FrameType

import click

from netdsl import __version__, exits
from netdsl.source import printable
from netdsl.terminal import styled, wants_color

COMMANDS = {
    "zoo": "Show the networks that come with netdsl, by what they cost.",
    "list": "Show operators, diagnostic codes, or what a file declares.",
    "check": "Check programs: syntax, shapes, budgets and claims.",
    "fmt": "Lay programs out in one way.",
    "lint": "Find what works and is better written otherwise.",
    "cost": "Count parameters, multiplications and memory, layer by layer.",
    "diff": "Say what changed between two networks or versions of a file.",
    "compile": "Write a network as a Flax module.",
    "train": "Train a network by its recipe.",
    "eval": "Measure a trained network on labelled images.",
    "predict": "Classify images with a trained network or published weights.",
    "import-model": "Write a PyTorch or ONNX model as a program.",
    "weights": "Bring PyTorch's weights in, or hand weights out to it.",
    "explain": "Work a network's numbers out, or say what an operator or a code means.",
}
"""Each subcommand with its summary, so that `netdsl --help` need not import them."""

_EXAMPLES = """\b
Examples:
  netdsl check lenet5.net                  prove that all shapes fit
  netdsl cost resnet50 --set classes=10    a network that comes with netdsl
  netdsl compile vgg.net:vgg16 -o vgg16.py
  netdsl train lenet5.net --data digits --out runs/lenet5
"""


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command = import_module(f"netdsl.commands.{cmd_name.replace('-', '_')}").command
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in COMMANDS and not args[0].startswith("-"):
            # Imported here because only a mistyped command needs it.
            from netdsl.diagnostics import did_you_mean

            help = did_you_mean(args[0], tuple(COMMANDS))
            ctx.fail(f"There is no command `{printable(args[0])}`; {help}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(
    cls=_Commands,
    epilog=_EXAMPLES,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, message="netdsl %(version)s")
def cli() -> None:
    """Convolutional networks as text: checked, costed, compiled to Flax and trained."""


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command line, by default with the process's arguments; the exit code."""
    if sys.stderr is None:  # It was closed; messages are lost, as was asked for.
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115, lives as long as the process
    if sys.stdout is None:
        return _fail(
            "standard output is closed; `> /dev/null` discards it", exits.INPUT_OUTPUT_FAILED
        )
    for stream in (sys.stdout, sys.stderr):
        # A file's name or a terminal may know fewer characters than our messages use.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        with _ended_by_signal():
            code = _invoke(list(sys.argv[1:] if arguments is None else arguments))
            sys.stdout.flush()
        return code
    except _Terminated:
        return exits.TERMINATED
    except click.UsageError as error:
        _show_usage(error)
        return exits.WRONG_USAGE
    except click.ClickException as error:
        return _fail(error.format_message(), exits.INPUT_OUTPUT_FAILED)
    except exits.Failure as failure:
        return _fail(str(failure), failure.exit_code)
    except (KeyboardInterrupt, click.Abort):
        return _fail("interrupted", exits.INTERRUPTED)
    except MemoryError:
        return _fail("there is not enough memory", exits.INPUT_OUTPUT_FAILED)
    except OSError as error:
        closed = error.errno == errno.EPIPE and _output_closed()
        _drop_unwritable_output()
        if closed:
            return exits.OUTPUT_CLOSED
        place = f"`{error.filename}`" if error.filename is not None else "input or output failed"
        return _fail(f"{place}: {error.strerror or error}", exits.INPUT_OUTPUT_FAILED)
    except Exception as error:
        # Imported here because most commands end before this.
        from netdsl.diagnostics import LimitFault

        if isinstance(error, LimitFault):
            message = error.diagnostic.message
            return _fail(
                f"{error.diagnostic.span.source.name}: {message}", exits.PROGRAM_HAS_ERRORS
            )
        return _our_mistake(error)


class _Terminated(BaseException):
    """SIGTERM came. What is written beside its place is removed on the way out."""


@contextmanager
def _ended_by_signal() -> Iterator[None]:
    def end(number: int, frame: FrameType | None) -> None:
        raise _Terminated

    try:
        before = signal.signal(signal.SIGTERM, end)
    except ValueError:  # This is not the main thread.
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL if before is None else before)


def _invoke(arguments: list[str]) -> int:
    completion = os.environ.get("_NETDSL_COMPLETE")
    if completion:
        # Imported here because only a shell that completes a word needs it.
        from click.shell_completion import shell_complete

        return shell_complete(cli, {}, "netdsl", "_NETDSL_COMPLETE", completion)
    try:
        with cli.make_context("netdsl", arguments) as context:
            code = cli.invoke(context)
    except click.exceptions.Exit as stop:
        code = stop.exit_code
    except SystemExit as stop:
        code = stop.code
    assert code is None or isinstance(code, int), f"a command ended with {code!r}"
    return code or exits.FINE


def _show_usage(error: click.UsageError) -> None:
    """Show how the command is meant, without what a terminal would act on."""
    shown = io.StringIO()
    error.show(shown)
    print("\n".join(map(printable, shown.getvalue().rstrip("\n").split("\n"))), file=sys.stderr)


def _fail(message: str, code: int) -> int:
    head = styled("error", "error", color=wants_color(sys.stderr))
    print(f"{head}: " + "\n".join(map(printable, message.split("\n"))), file=sys.stderr)
    return code


def _output_closed() -> bool:
    """Whether a reader of our output has gone away."""
    # Imported here because only a failing command needs it.
    from select import POLLERR, poll

    streams = poll()
    for descriptor in (1, 2):
        streams.register(descriptor, 0)
    return any(event & POLLERR for _, event in streams.poll(0))


def _drop_unwritable_output() -> None:
    """Keep the interpreter from failing again, on its way out, with what can't be written."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _our_mistake(error: Exception) -> int:
    # Imported here because only our own mistakes pay for them.
    import tempfile
    import traceback

    trace = "".join(traceback.format_exception(error))
    where = "above"
    if os.environ.get("NETDSL_TRACEBACK"):
        sys.stderr.write(trace)
    else:
        # A long training can't be repeated for its traceback, so that is kept.
        try:
            with tempfile.NamedTemporaryFile(
                "w", encoding="utf-8", prefix="netdsl-", suffix=".txt", delete=False
            ) as file:
                file.write(trace)
            where = f"in {file.name}; NETDSL_TRACEBACK=1 shows it here"
        except OSError:
            sys.stderr.write(trace)
    _fail(
        f"netdsl {__version__} itself failed with {type(error).__name__}: {error}\n"
        f"  The traceback is {where}.\n"
        "  Please report it with the command and the program that led to it.",
        exits.OUR_MISTAKE,
    )
    return exits.OUR_MISTAKE
