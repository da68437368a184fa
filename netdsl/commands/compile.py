"""`netdsl compile`: write a network as a standalone Flax NNX module."""

from __future__ import annotations

from pathlib import Path

import click

from netdsl.commands import options
from netdsl.commands.console import Console
from netdsl.commands.loading import load, show
from netdsl.commands.writing import require_place, write_whole
from netdsl.diagnostics import Fault
from netdsl.emit import class_name, emit
from netdsl.report import as_json, both, count
from netdsl.source import printable

_EXAMPLES = """\b
Examples:
  netdsl compile vgg.net:vgg16                     writes vgg16.py
  netdsl compile resnet50 --set classes=10 -o model.py
  netdsl compile lenet5.net -o -                   writes to standard output
"""


@click.command(epilog=_EXAMPLES)
@options.target
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    help="Where to write; `-` is standard output. [default: NETWORK.py in the current folder]",
)
@click.option("--force", is_flag=True, help="Replace a file that netdsl did not write.")
@options.output_format
@options.color
def command(
    target: str,
    settings: dict[str, str],
    output: str | None,
    force: bool,
    output_format: str,
    console: Console,
) -> int:
    """Compile TARGET to readable Python that imports only jax and flax.

    The file has a class for each block of the program. It is the very source that `netdsl train`
    and `netdsl.load` run.
    """
    network = load(target, settings, console, json=output_format == "json")
    try:
        source = emit(network.graph)
    except Fault as fault:
        return show((fault.diagnostic,), console, json=output_format == "json")
    if output == "-":
        console.data(source.rstrip("\n"))
        return 0
    path = Path(output if output is not None else f"{network.name}.py")
    require_place(path, force=force, mark=_MARK)
    write_whole(path, source)
    report = network.report
    if output_format == "json":
        summary = as_json(report)
        kept = ("network", "params", "buffers", "macs", "flops", "input", "output", "outputs")
        console.json(
            {key: summary[key] for key in kept}
            | {
                "aux": summary["aux"],
                "class": class_name(network.graph),
                "file": str(path),
                "lines": source.count("\n"),
            }
        )
        return 0
    nodes = network.graph.nodes
    lines = [
        ("network", network.name),
        ("parameters", count(report.total.params)),
        ("MACs", both(report.total.macs)),
        ("input", str(nodes[0].type)),
    ]
    for item in network.graph.outputs:
        side = "" if item.weight is None else f", side branch of weight {item.weight:g}"
        lines.append(("output", f"{nodes[item.node].type} ({item.name}{side})"))
    lines.append(
        (
            "wrote",
            f"{printable(str(path))}: class {class_name(network.graph)}, "
            f"{source.count(chr(10))} lines",
        )
    )
    width = max(len(name) for name, _ in lines)
    console.data("\n".join(f"{name.ljust(width)}  {text}" for name, text in lines))
    return 0


_MARK = "Compiled by netdsl"
"""What the head of every emitted file says."""
