"""`netdsl predict`: classify images with a trained network."""

from __future__ import annotations

from pathlib import Path

import click

from netdsl.commands import options
from netdsl.commands.console import Console
from netdsl.source import printable

_EXAMPLES = """\b
Examples:
  netdsl predict runs/lenet5 seven.png
  netdsl predict runs/mobilenet_v2 photos/*.jpg --top 5 --format json
"""


@click.command(epilog=_EXAMPLES)
@click.argument("run", metavar="RUN", type=click.Path(path_type=Path))
@click.argument(
    "images", metavar="IMAGE...", nargs=-1, required=True, type=click.Path(path_type=Path)
)
@click.option(
    "--top",
    type=click.IntRange(1),
    default=3,
    show_default=True,
    help="How many classes to name for each image.",
)
@options.checkpoint
@options.output_format
@options.color
def command(
    run: Path,
    images: tuple[Path, ...],
    top: int,
    checkpoint: str,
    output_format: str,
    console: Console,
) -> int:
    """Name the likeliest classes of each IMAGE, by the network that was trained in RUN.

    Images are cut to the network's proportions around their centre, and resized.
    """
    # Imported here because a mistake in the arguments should not wait for jax.
    from netdsl.train.trained import Trained

    trained = Trained(run, checkpoint)
    predictions = trained.predict(list(images), top)
    if output_format == "json":
        console.json(
            {
                "network": trained.recorded.name,
                "step": trained.step,
                "predictions": [
                    {
                        "image": prediction.file,
                        "classes": [
                            {"class": name, "probability": probability}
                            for name, probability in prediction.classes
                        ],
                    }
                    for prediction in predictions
                ],
            }
        )
        return 0
    for prediction in predictions:
        shown = "  ".join(
            f"{printable(name)} {100 * probability:.1f} %"
            for name, probability in prediction.classes
        )
        console.data(f"{prediction.file}: {shown}")
    return 0
