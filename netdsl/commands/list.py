"""`netdsl list`: the operators, codes, rules and shared blocks, and what a file declares."""

from __future__ import annotations

import click

from netdsl.codes import CODES, RULES
from netdsl.commands import options
from netdsl.commands.console import Console
from netdsl.commands.loading import open_program, show
from netdsl.network import SHIPPED, complete_networks, load_file
from netdsl.ops import OPERATORS
from netdsl.ops.base import Op
from netdsl.program import ProgramFile
from netdsl.source import read_source
from netdsl.zoo import about

_EXAMPLES = """\b
Examples:
  netdsl list operators
  netdsl list blocks              what `import … from std` offers
  netdsl list codes               the diagnostics
  netdsl list rules               what `netdsl lint` finds
  netdsl list resnet.net          what a file declares
"""


@click.command(epilog=_EXAMPLES)
@click.argument("what", metavar="operators|blocks|codes|rules|FILE")
@options.limit
@options.output_format
@options.color
def command(what: str, output_format: str, console: Console) -> int:
    """List operators, shared blocks, diagnostic codes or rules; or what a FILE declares.

    `netdsl zoo` has the networks that come with netdsl.
    """
    if what == "operators":
        rows = [
            {"name": name, "arguments": _signature(op), "about": _first_line(op.__doc__ or "")}
            for name, op in OPERATORS.items()
        ]
    elif what in ("codes", "rules"):
        meanings = CODES if what == "codes" else RULES
        rows = [{"name": code, "about": meaning} for code, meaning in meanings.items()]
    elif what == "blocks":
        rows = []
        for path in sorted(SHIPPED.glob("*.net")):
            file, _ = load_file(read_source(path, path.name))
            rows += [] if file is None else _blocks(file, f"from {path.stem}")
    else:
        file, _, diagnostics = open_program(what, console)
        if file is None:
            return show(diagnostics, console, json=output_format == "json")
        rows = [
            {"name": name, "kind": "network", "about": about(file, name)}
            for name in complete_networks(file)
        ] + _blocks(file, "block")
    if output_format == "json":
        console.json(rows)
        return 0
    for line in _lines(rows, console.width):
        console.data(line)
    return 0


def _lines(rows: list[dict[str, str]], width: int) -> list[str]:
    """Rows in columns; where the last would have no room, it gets lines of its own."""
    columns = list(rows[0]) if rows else []
    widths = [max(len(row[key]) for row in rows) for key in columns[:-1]]
    found = []
    for row in rows:
        *cells, last = (row[key] for key in columns)
        if sum(widths) > width // 2:
            found.append("  ".join(cells).rstrip())
            found += [f"    {last}"] if last else []
        else:
            padded = [cell.ljust(size) for cell, size in zip(cells, widths, strict=True)]
            found.append("  ".join([*padded, last]).rstrip())
    return found


def _blocks(file: ProgramFile, kind: str) -> list[dict[str, str]]:
    rows = []
    for name, block in file.blocks.items():
        if block.file is not file:
            continue  # It was imported; it is listed where it is declared.
        declaration = block.declaration
        parameters = ", ".join(parameter.span.text for parameter in declaration.parameters)
        first = _first_line(declaration.body.documentation)
        rows.append({"name": f"{name}({parameters})", "kind": kind, "about": first})
    return rows


def _signature(op: type[Op]) -> str:
    return ", ".join(
        name if parameter.required else f"{name} = {parameter.default_text}"
        for name, parameter in op.parameters.items()
    )


def _first_line(text: str) -> str:
    return text.strip().split("\n", 1)[0]
