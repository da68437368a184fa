"""`netdsl zoo`: the networks that netdsl ships, by what they cost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase

import click

from netdsl import syntax
from netdsl.amounts import short
from netdsl.commands import options
from netdsl.commands.console import Console
from netdsl.exits import WRONG_USAGE, Failure
from netdsl.parse import parse
from netdsl.source import Source
from netdsl.terminal import styled
from netdsl.zoo import Entry, entries

_EXAMPLES = """\b
Examples:
  netdsl zoo
  netdsl zoo resnet --sort params           all whose names have it
  netdsl zoo 'torchvision/*' --max-params 5M --max-macs 600M
  netdsl zoo --sort year --format json
"""

_KEYS: dict[str, Callable[[Entry], int]] = {
    "name": lambda each: 0,
    "params": lambda each: each.params,
    "macs": lambda each: each.macs,
    "size": lambda each: each.input[0] * each.input[1] if len(each.input) == 3 else each.input[0],
    "year": lambda each: each.year or 9999,  # What has none comes last.
}


class _NoSuchNetwork(Failure):
    exit_code = WRONG_USAGE


def _number(
    ctx: click.Context | None, param: click.Parameter | None, text: str | None
) -> float | None:
    """A number as programs have it: `600M`, `4.1G`, `61_706`."""
    if text is None:
        return None
    tree, _ = parse(Source("a limit", f"let limit = {text}"))
    match tree:
        case syntax.File(declarations=(syntax.Let(value=syntax.Constant(value=number)),)):
            if isinstance(number, (int, float)) and not isinstance(number, bool):
                return number
    raise click.BadParameter(f"`{text}` is not like 5M, 600_000 or 4.1G", ctx, param)


@click.command(epilog=_EXAMPLES)
@click.argument("pattern", metavar="[NAME]", default="*")
@click.option(
    "--sort",
    type=click.Choice(list(_KEYS)),
    default="name",
    show_default=True,
    help="The order; size is the number of input pixels.",
)
@click.option("--max-params", metavar="N", callback=_number, help="At most N parameters: 5M.")
@click.option("--max-macs", metavar="N", callback=_number, help="At most N multiply-adds: 600M.")
@options.limit
@options.output_format
@options.color
def command(
    pattern: str,
    sort: str,
    max_params: float | None,
    max_macs: float | None,
    output_format: str,
    console: Console,
) -> int:
    """Show the networks that come with netdsl: parameters, multiply-adds, input and paper.

    NAME is a part of a name, or a pattern with `*` and `?`. Each network is named as other commands
    take it.
    """
    known, recounted = entries()
    if recounted:
        console.message(
            "note: a shipped program has changed, so that all are counted anew; "
            "`make golden` keeps the figures"
        )
    named = [each for each in known if _is_meant(each.name, pattern)]
    if not named:
        raise _NoSuchNetwork(f"no shipped network has `{pattern}` in its name")
    found = [
        each
        for each in named
        if (max_params is None or each.params <= max_params)
        and (max_macs is None or each.macs <= max_macs)
    ]
    found.sort(key=lambda each: (_KEYS[sort](each), each.name))
    if output_format == "json":
        console.json([each._asdict() for each in found])
        return 0
    for line in _table(found, color=console.data_color):
        console.data(line)
    if len(found) < len(known):
        console.message(f"{len(found)} of {len(known)} networks")
    return 0


def _is_meant(name: str, pattern: str) -> bool:
    if any(character in pattern for character in "*?["):
        return fnmatchcase(name, pattern)
    return pattern in name


def _table(found: Sequence[Entry], *, color: bool) -> list[str]:
    if not found:
        return []
    header = ("network", "params", "MACs", "input", "paper")
    cells = [
        (
            each.name,
            short(each.params),
            short(each.macs),
            "×".join(map(str, each.input)),
            _paper(each),
        )
        for each in found
    ]
    widths = [max(map(len, column)) for column in zip(header, *cells, strict=True)]
    lines = []
    for row in (header, *cells):
        name, params, macs, size, paper = row
        line = (
            f"{name:<{widths[0]}}  {params:>{widths[1]}}  {macs:>{widths[2]}}  "
            f"{size:<{widths[3]}}  {paper}"
        ).rstrip()
        lines.append(styled(line, "bold", color=color) if row is header else line)
    return lines


def _paper(entry: Entry) -> str:
    number = f"arXiv:{entry.arxiv}" if entry.arxiv else ""
    if entry.paper:
        return f"{entry.paper}, {number}" if number else entry.paper
    return number
