"""`netdsl predict`: classify images with a trained network."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from netdsl.commands import options
from netdsl.commands.console import Console
from netdsl.commands.recipes import load_with_recipe
from netdsl.exits import WRONG_USAGE, Failure
from netdsl.network import shipped_networks
from netdsl.source import printable
from netdsl.terminal import display_width, styled

if TYPE_CHECKING:
    from netdsl.train.predictor import Prediction, Predictor

_EXAMPLES = """\b
Examples:
  netdsl predict runs/lenet5 seven.png
  netdsl predict efficientnet_lite0 --weights efficientnet-lite0.pth photos/*.jpg
  netdsl predict mine.net --weights mine.safetensors cat.jpg --classes '["cat", "dog"]' \\
      --preprocess 'resize(256) -> center_crop(224) -> normalize(0.5, 0.5)'
"""


class _WrongUsage(Failure):
    exit_code = WRONG_USAGE


@click.command(epilog=_EXAMPLES)
@click.argument("target", metavar="RUN|TARGET")
@click.argument(
    "images", metavar="IMAGE...", nargs=-1, required=True, type=click.Path(path_type=Path)
)
@click.option(
    "--weights",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Weights for the network TARGET: a state_dict of its keys, .safetensors or .pth.",
)
@options.settings
@click.option("--recipe", metavar="NAME", help="Which recipe of TARGET, where it has several.")
@click.option("--preprocess", metavar="STEPS", help="In place of the recipe's `preprocess`.")
@click.option("--classes", metavar="NAMES", help="In place of the recipe's `classes`.")
@click.option(
    "--top",
    type=click.IntRange(1),
    default=5,
    show_default=True,
    help="How many classes to name for each image.",
)
@options.checkpoint
@options.limit
@options.output_format
@options.color
def command(
    target: str,
    images: tuple[Path, ...],
    weights: Path | None,
    settings: dict[str, str],
    recipe: str | None,
    preprocess: str | None,
    classes: str | None,
    top: int,
    checkpoint: str,
    output_format: str,
    console: Console,
) -> int:
    """Name the likeliest classes of each IMAGE.

    The network is what was trained in the folder RUN; or, with --weights, TARGET: FILE.net,
    FILE.net:NETWORK or one that comes with netdsl. Images are prepared as in its training: TARGET's
    recipe says in `preprocess` how that is done.
    """
    overrides = {"preprocess": preprocess, "classes": classes}
    if weights is not None:
        if checkpoint != "best":
            raise _WrongUsage("--checkpoint goes with a run; a file of weights has no others")
        predictor = _pretrained(
            target, weights, settings, recipe, overrides, console, json=output_format == "json"
        )
        origin: dict[str, object] = {"weights": str(weights)}
    else:
        chosen = {"set": settings, "recipe": recipe, **overrides}
        stray = [name for name, value in chosen.items() if value]
        if stray:
            raise _WrongUsage(f"--{stray[0]} goes with --weights; a run has its own")
        if not Path(target).exists() and (target.endswith(".net") or target in shipped_networks()):
            raise _WrongUsage(f"`{target}` is a network; give its weights with --weights FILE")
        # Imported here because a mistake in the arguments should not wait for jax.
        from netdsl.train.trained import Trained

        trained = Trained(Path(target), checkpoint)
        predictor, origin = trained.predictor, {"step": trained.step}
    predictions = predictor.predict(list(images), top)
    if output_format == "json":
        console.json(
            {
                "network": predictor.name,
                **origin,
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
    for line in _lines(predictions, color=console.data_color):
        console.data(line)
    return 0


def _pretrained(
    target: str,
    weights: Path,
    settings: dict[str, str],
    recipe: str | None,
    overrides: dict[str, str | None],
    console: Console,
    *,
    json: bool,
) -> Predictor:
    network, chosen = load_with_recipe(
        target, settings, recipe, overrides, console, json=json, needed="preprocess"
    )
    if "preprocess" not in chosen.given:
        what = "no recipe for it has" if recipe is None else f"its recipe `{recipe}` lacks"
        raise _WrongUsage(
            f"nothing says how images are prepared for `{network.name}`: {what} `preprocess`; "
            f"write it there, or give for instance\n  --preprocess '{_EXAMPLE}'"
        )
    if chosen.settings.normalize is None:
        raise _WrongUsage(
            "`preprocess` must end with `normalize(mean, deviation)`: "
            "without the training images nothing else says what they are"
        )
    # Imported here because a mistake in the program or the recipe should not wait for jax.
    from netdsl.train.pretrained import pretrained

    return pretrained(network, chosen.settings, weights)


_EXAMPLE = (
    "resize(256) -> center_crop(224) -> normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))"
)


def _lines(predictions: Sequence[Prediction], *, color: bool) -> list[str]:
    """Each image's name, and below it its classes with their probabilities, in columns."""
    shown = [
        (prediction.file, [(printable(name), share) for name, share in prediction.classes])
        for prediction in predictions
    ]
    width = max(display_width(name) for _, classes in shown for name, _ in classes)
    lines = []
    for file, classes in shown:
        lines.append(styled(file, "bold", color=color))
        for name, share in classes:
            padding = " " * (width - display_width(name))
            lines.append(f"  {name}{padding}  {100 * share:5.1f} %")
    return lines
