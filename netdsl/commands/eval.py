"""`netdsl eval`: measure a trained network on labelled images."""

from __future__ import annotations

from pathlib import Path

import click

from netdsl.commands import options
from netdsl.commands.console import Console
from netdsl.source import printable

_EXAMPLES = """\b
Examples:
  netdsl eval runs/lenet5
  netdsl eval runs/mobilenet_v2 --data photos/test --format json
"""


@click.command(epilog=_EXAMPLES)
@click.argument("run", metavar="RUN", type=click.Path(path_type=Path))
@click.option(
    "--data",
    metavar="PATH",
    help="Folder with a folder for each class, .npz file, or digits. "
    "[default: what training held out]",
)
@options.checkpoint
@options.workers
@options.limit
@options.output_format
@options.color
def command(
    run: Path,
    data: str | None,
    checkpoint: str,
    workers: int | None,
    output_format: str,
    console: Console,
) -> int:
    """Measure the network that was trained in the folder RUN: loss, accuracy, confusions.

    The loss is the mean cross-entropy without label smoothing. Of other data than was trained on,
    its validation part is taken, or else all of it.
    """
    # Imported here because a mistake in the arguments should not wait for jax.
    from netdsl.data.batches import default_workers
    from netdsl.train.trained import Trained

    trained = Trained(run, checkpoint)
    evaluation, images = trained.evaluate(data, workers or default_workers())
    names = tuple(printable(name) for name in trained.classes)
    shares = evaluation.class_accuracy()
    if output_format == "json":
        console.json(
            {
                "network": trained.recorded.name,
                "step": trained.step,
                "on": images,
                "images": evaluation.images,
                "loss": evaluation.loss,
                "accuracy": evaluation.accuracy,
                "top5_accuracy": evaluation.top5_accuracy,
                "classes": [
                    {"class": name, "images": int(row.sum()), "accuracy": share}
                    for name, row, share in zip(
                        trained.classes, evaluation.confusion, shares, strict=True
                    )
                ],
                "confusion": evaluation.confusion.tolist(),
            }
        )
        return 0
    lines = [
        f"network   {trained.recorded.name} after step {trained.step}",
        f"on        {images}",
        f"loss      {evaluation.loss:.4f}",
        f"accuracy  {100 * evaluation.accuracy:.2f} %",
    ]
    if evaluation.top5_accuracy is not None:
        lines.append(f"top 5     {100 * evaluation.top5_accuracy:.2f} %")
    lines += ["", *_class_table(names, evaluation.confusion.sum(axis=1).tolist(), shares)]
    lines += _confusions(names, evaluation.confusion.tolist())
    console.data("\n".join(lines))
    return 0


def _class_table(
    classes: tuple[str, ...], counts: list[int], shares: list[float | None]
) -> list[str]:
    width = max(len("class"), *(len(name) for name in classes))
    lines = [f"{'class':<{width}}  {'images':>6}  accuracy"]
    for name, count, share in zip(classes, counts, shares, strict=True):
        shown = "-" if share is None else f"{100 * share:.2f} %"
        lines.append(f"{name:<{width}}  {count:>6}  {shown:>8}")
    return lines


def _confusions(classes: tuple[str, ...], confusion: list[list[int]]) -> list[str]:
    """The most frequent mistakes; JSON has the whole matrix."""
    mistakes = [
        (count, true, predicted)
        for true, row in enumerate(confusion)
        for predicted, count in enumerate(row)
        if count and true != predicted
    ]
    if not mistakes:
        return []
    mistakes.sort(key=lambda mistake: (-mistake[0], *mistake[1:]))
    return [
        "",
        "most frequent mistakes",
        *(
            f"{count:>4} × {classes[true]} taken for {classes[predicted]}"
            for count, true, predicted in mistakes[:5]
        ),
    ]
