"""`netdsl explain`: an operator's equations and arguments, or what a diagnostic code means."""

from __future__ import annotations

from inspect import cleandoc

import click

from netdsl.codes import CODES
from netdsl.commands import options
from netdsl.commands.console import Console
from netdsl.diagnostics import did_you_mean
from netdsl.network import UnknownTarget
from netdsl.ops import OPERATORS, SYNONYMS
from netdsl.ops.base import Op
from netdsl.reference import arguments

_EXAMPLES = """\b
Examples:
  netdsl explain conv
  netdsl explain channels-not-divisible
"""


@click.command(epilog=_EXAMPLES)
@click.argument("what", metavar="OPERATOR|CODE")
@options.output_format
@options.color
def command(what: str, output_format: str, console: Console) -> int:
    """Explain an operator with its equations and every argument's default, or a diagnostic code."""
    if what in CODES:
        if output_format == "json":
            console.json({"code": what, "meaning": CODES[what]})
        else:
            console.data(f"{what}: {CODES[what]}")
        return 0
    name = SYNONYMS.get(what, what)
    if name not in OPERATORS:
        help = did_you_mean(what, (*OPERATORS, *CODES))
        raise UnknownTarget(
            f"there is no operator or code `{what}`; "
            + (help or "`netdsl list operators` and `netdsl list codes` show them")
        )
    op = OPERATORS[name]
    if output_format == "json":
        console.json(
            {
                "operator": name,
                "documentation": cleandoc(op.__doc__ or ""),
                "arguments": arguments(op),
            }
        )
        return 0
    console.data(describe(op))
    return 0


def describe(op: type[Op]) -> str:
    """An operator's documentation with its table of arguments, as text."""
    lines = [op.name, "", cleandoc(op.__doc__ or "")]
    rows = arguments(op)
    if rows:
        lines.append("")
        widths = [max(len(row[key]) for row in rows) for key in ("name", "default")]
        for row in rows:
            name, default = row["name"].ljust(widths[0]), row["default"].ljust(widths[1])
            lines.append(f"  {name}  {default}  {row['about']}; {row['takes']}")
    return "\n".join(line.rstrip() for line in lines)
