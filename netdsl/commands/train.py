"""`netdsl train`: train a network by its recipe."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import click

from netdsl.commands import options
from netdsl.commands.console import Console
from netdsl.commands.recipes import load_with_recipe
from netdsl.exits import FINE, PROGRAM_HAS_ERRORS, WRONG_USAGE, Failure
from netdsl.ops.activation import Softmax
from netdsl.settings import Settings

_EXAMPLES = """\b
Examples:
  netdsl train lenet5.net --data digits
  netdsl train mobilenet_v2 --set classes=5 --recipe imagenet --data photos/ --epochs 10
  netdsl train lenet5.net --data digits --optimizer 'adam(2e-3)' --schedule 'cosine'
  netdsl train lenet5.net --data digits --out runs/lenet5 --resume
"""

_HELP = {
    "optimizer": "Such as 'sgd(0.1, momentum = 0.9)'.",
    "schedule": "Such as 'cosine(peak = 0.1, warmup = 5 epochs)'.",
    "augment": "Such as 'random_shift(2) -> mirror', or none.",
}

Decorated = TypeVar("Decorated", bound=Callable[..., object])


def _overrides(command: Decorated) -> Decorated:
    """An option for each setting of a recipe; they come as `overrides`, by name."""
    for name, parameter in reversed(Settings.parameters.items()):
        text = parameter.documentation
        shown = f"{text[0].upper()}{text[1:]}. {_HELP.get(name, '')}".rstrip()
        command = click.option(
            f"--{name}",
            metavar="PATH" if name == "data" else "VALUE",
            help=f"{shown} [default: {parameter.default_text}]"
            if parameter.default is not None
            else shown,
        )(command)
    return command


class _WrongUsage(Failure):
    exit_code = WRONG_USAGE


class _BelowTarget(Failure):
    exit_code = PROGRAM_HAS_ERRORS


@click.command(epilog=_EXAMPLES)
@options.target
@click.option("--recipe", metavar="NAME", help="Which recipe, where the file has several.")
@_overrides
@click.option(
    "--out",
    metavar="FOLDER",
    type=click.Path(path_type=Path),
    help="Where the run goes: checkpoints, metrics, curves. [default: runs/NETWORK]",
)
@click.option("--resume", is_flag=True, help="Go on with the run in that folder, exactly.")
@click.option(
    "--keep",
    type=click.IntRange(1),
    default=2,
    show_default=True,
    help="How many of the newest checkpoints to keep, beside the best.",
)
@options.workers
@click.option(
    "--at-least",
    type=click.FloatRange(0, 1),
    metavar="SHARE",
    help="Fail unless the last epoch's held-out accuracy reaches this, such as 0.98.",
)
@options.output_format
@options.color
def command(
    target: str,
    settings: dict[str, str],
    recipe: str | None,
    out: Path | None,
    resume: bool,
    keep: int,
    workers: int | None,
    at_least: float | None,
    output_format: str,
    console: Console,
    **overrides: str | None,
) -> int:
    """Train TARGET by its recipe in the program, or by the default one.

    Each setting of the recipe can be overridden by the option of its name, written as in a
    program. A share of each class is held out to measure accuracy on, unless the data has a part
    for that. Ctrl-C saves the run; --resume goes on with it.
    """
    network, chosen = load_with_recipe(
        target, settings, recipe, overrides, console, json=output_format == "json"
    )
    if chosen.unsupported:
        return console.diagnostics(chosen.unsupported)
    graph = network.graph
    if any(isinstance(graph.nodes[output.node].op, Softmax) for output in graph.outputs):
        console.message(
            "note: the network ends in `softmax`, and the loss applies one itself; leave it out"
        )
    # Imported here because a mistake in the program or the recipe should not wait for jax.
    from netdsl.data.batches import default_workers
    from netdsl.train.folder import best_record
    from netdsl.train.progress import percent
    from netdsl.train.session import Options, train

    folder = out if out is not None else Path("runs") / network.name
    records = train(
        network,
        chosen,
        Options(
            folder,
            resume,
            keep,
            workers or default_workers(),
            sys.stderr,
            console.message_color,
        ),
        console.message,
    )
    last = records[-1]
    if output_format == "json":
        console.json({"network": network.name, "folder": str(folder), "last": last})
    if "validation_accuracy" not in last:
        if at_least is not None:
            raise _WrongUsage("--at-least needs held-out images, and --validation is 0")
        if output_format == "text":
            console.data(f"trained {last['epoch']} epochs; the run is in {folder}")
        return FINE
    accuracy = last["validation_accuracy"]
    best = best_record(records)
    assert best is not None, "the last record has an accuracy"
    if output_format == "text":
        console.data(
            f"held-out accuracy {percent(accuracy)} after {last['epoch']} epochs "
            f"(best {percent(best['validation_accuracy'])}, epoch {best['epoch']}); "
            f"the run is in {folder}"
        )
    if at_least is not None and accuracy < at_least:
        raise _BelowTarget(f"held-out accuracy is below {percent(at_least)}")
    return FINE
