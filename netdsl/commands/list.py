"""`netdsl list`: the networks that netdsl ships or a file holds, the operators, the codes."""

from __future__ import annotations

import click

from netdsl import syntax
from netdsl.codes import CODES
from netdsl.commands import options
from netdsl.commands.console import Console
from netdsl.commands.loading import open_program, show
from netdsl.network import SHIPPED, complete_networks, load_file, shipped_networks
from netdsl.ops import OPERATORS
from netdsl.ops.base import Op
from netdsl.program import ProgramFile
from netdsl.source import read_source

_EXAMPLES = """\b
Examples:
  netdsl list                     the networks that come with netdsl
  netdsl list operators
  netdsl list blocks              what `import … from std` offers
  netdsl list codes               the diagnostics
  netdsl list resnet.net          what a file declares
"""


@click.command(epilog=_EXAMPLES)
@click.argument("what", metavar="[networks|operators|blocks|codes|FILE]", default="networks")
@options.output_format
@options.color
def command(what: str, output_format: str, console: Console) -> int:
    """List networks, operators, blocks or diagnostic codes; or what a FILE declares."""
    if what == "networks":
        rows = _shipped()
    elif what == "operators":
        rows = [
            {"name": name, "arguments": _signature(op), "about": _first_line(op.__doc__ or "")}
            for name, op in OPERATORS.items()
        ]
    elif what == "codes":
        rows = [{"name": code, "about": meaning} for code, meaning in CODES.items()]
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
            {"name": name, "kind": "network", "about": _about(file, name)}
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


def _shipped() -> list[dict[str, str]]:
    rows = []
    files: dict[str, ProgramFile | None] = {}
    for name, path in shipped_networks().items():
        shown = path.relative_to(SHIPPED).as_posix()
        if shown not in files:
            files[shown] = load_file(read_source(path, shown))[0]
        file = files[shown]
        short = name.rpartition("/")[2]
        if file is not None and short in complete_networks(file):
            rows.append({"name": name, "file": shown, "about": _about(file, short)})
    return rows


def _about(file: ProgramFile, name: str) -> str:
    """The first line of a network's documentation; else what it is a variant of, or its file's."""
    declaration = file.networks[name]
    body = declaration.body
    own = "" if body is None else body.documentation
    if not own and isinstance(declaration, syntax.Variant):
        arguments = ", ".join(argument.span.text for argument in declaration.arguments)
        return f"{declaration.base}({arguments})"
    return _first_line(own or file.tree.documentation)


def _blocks(file: ProgramFile, kind: str) -> list[dict[str, str]]:
    rows = []
    for name, block in file.blocks.items():
        if block.file is not file:
            continue  # It was imported; it is listed where it is declared.
        declaration = block.declaration
        parameters = ", ".join(parameter.span.text for parameter in declaration.parameters)
        about = _first_line(declaration.body.documentation)
        rows.append({"name": f"{name}({parameters})", "kind": kind, "about": about})
    return rows


def _signature(op: type[Op]) -> str:
    return ", ".join(
        name if parameter.required else f"{name} = {parameter.default_text}"
        for name, parameter in op.parameters.items()
    )


def _first_line(text: str) -> str:
    return text.strip().split("\n", 1)[0]
