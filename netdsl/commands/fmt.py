"""`netdsl fmt`: lay programs out in one way."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from netdsl.commands import options
from netdsl.commands.console import Console, diagnostics_json
from netdsl.commands.programs import difference, program_files
from netdsl.diagnostics import Diagnostic
from netdsl.exits import FINE, PROGRAM_HAS_ERRORS
from netdsl.format import format_source
from netdsl.limits import LIMITS
from netdsl.source import Source, UnreadableSource, decoded, printable, read_source

_EXAMPLES = """\b
Examples:
  netdsl fmt lenet5.net                    format a file
  netdsl fmt .                             every .net file of a folder
  netdsl fmt --check architectures         say which would change; exit 1 if any would
  netdsl fmt --diff resnet.net             show what would change
  netdsl fmt - --stdin-filename vgg.net    from standard input to standard output
"""


@click.command(epilog=_EXAMPLES)
@click.argument("targets", metavar="FILE…", nargs=-1)
@click.option("--check", is_flag=True, help="Change nothing; exit with 1 if a file would change.")
@click.option("--diff", is_flag=True, help="Change nothing; show what would change.")
@click.option(
    "--stdin-filename",
    metavar="NAME",
    help="Format standard input, as `-` does, and call it NAME in messages.",
)
@options.limit
@options.output_format
@options.color
def command(
    targets: tuple[str, ...],
    check: bool,
    diff: bool,
    stdin_filename: str | None,
    output_format: str,
    console: Console,
) -> int:
    """Format each FILE in place, or what `-` reads; FILE may be a folder.

    Only blanks, line ends and last commas change; comments, rows of tables and what is aligned
    stay. A file with mistakes of syntax is not touched.
    """
    if stdin_filename is not None and not targets:
        targets = ("-",)
    _require_sense(targets, check, diff, stdin_filename, output_format)
    changed: list[str] = []
    unchanged: list[str] = []
    found: tuple[Diagnostic, ...] = ()
    for source in _sources(targets, stdin_filename):
        text, diagnostics = format_source(source)
        found += diagnostics
        if text is None:
            continue
        (unchanged if text == source.text else changed).append(source.name)
        if diff:
            console.text(difference(source, Source(source.name, text)))
        elif source.path is None and not check:
            console.text(text)
        elif text != source.text and not check:
            # Imported here because most files are formatted already.
            from netdsl.commands.writing import replace_program

            replace_program(source, text)
    if output_format == "json":
        console.json(
            {"changed": changed, "unchanged": unchanged, "diagnostics": diagnostics_json(found)}
        )
    else:
        console.diagnostics(found)
        if not diff and (check or targets != ("-",)):
            for name in changed:
                console.data(f"{'would change' if check else 'formatted'} {name}")
    return PROGRAM_HAS_ERRORS if found or (check and changed) else FINE


def _require_sense(
    targets: tuple[str, ...],
    check: bool,
    diff: bool,
    stdin_filename: str | None,
    output_format: str,
) -> None:
    if not targets:
        raise click.UsageError("name a file or a folder, or `-` for standard input")
    if "-" in targets and len(targets) > 1:
        raise click.UsageError("`-` is standard input, and goes with no other file")
    if stdin_filename is not None and targets != ("-",):
        raise click.UsageError("--stdin-filename names standard input; leave out the files")
    if output_format == "json" and (diff or (targets == ("-",) and not check)):
        raise click.UsageError("that is text; leave out --format, or add --check")


def _sources(targets: tuple[str, ...], stdin_filename: str | None) -> list[Source]:
    """What is to be formatted, each file once. Raises NoPrograms and UnreadableSource."""
    if targets == ("-",):
        name = printable(stdin_filename or "<stdin>")
        if sys.stdin is None:
            raise UnreadableSource("standard input is closed")
        data = sys.stdin.buffer.read(LIMITS.file_bytes + 1)
        return [Source(name, decoded(data, name))]
    files = (file for target in targets for file in program_files(target))
    return [read_source(Path(file), file) for file in dict.fromkeys(files)]
