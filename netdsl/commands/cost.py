"""`netdsl cost`: what a network costs, layer by layer, without running it."""

from __future__ import annotations

import click

from netdsl.commands import options
from netdsl.commands.console import Console
from netdsl.commands.loading import load
from netdsl.report import as_json, table

_EXAMPLES = """\b
Examples:
  netdsl cost lenet5.net
  netdsl cost resnet.net:resnet50 --set classes=10 --batch 32
  netdsl cost resnet152 --layers
  netdsl cost unet.net --set H=512 --set W=512 --format json
"""


@click.command(epilog=_EXAMPLES)
@options.target
@click.option(
    "--batch",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Images in a batch, for the memory figures.",
)
@click.option("--layers", is_flag=True, help="List every layer of a long network, not its blocks.")
@options.output_format
@options.color
def command(
    target: str,
    settings: dict[str, str],
    batch: int,
    layers: bool,
    output_format: str,
    console: Console,
) -> int:
    """Count TARGET's parameters, multiply-accumulates, operations, memory and receptive field.

    Counts are for the inference graph and one image; side branches stand apart. Sizes that the
    program leaves open come out as formulas.
    """
    network = load(target, settings, console, json=output_format == "json", batch=batch)
    if output_format == "json":
        console.json(as_json(network.report))
    else:
        console.data(table(network.report, all_layers=layers, width=console.width).rstrip("\n"))
    return 0
