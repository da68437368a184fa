"""The learning curves of a run as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from netdsl.train.folder import best_record

_TRAINING, _VALIDATION, _QUIET = "#8a94a6", "#1f5fbf", "#5b6472"


def draw_curves(records: list[dict[str, Any]], title: str, path: Path) -> None:
    """Loss and accuracy over the epochs, training against validation, as PNG.

    Training's are means over an epoch while weights change, on changed images, so that they may be
    worse than validation's. Raises OSError.
    """
    figure = Figure(figsize=(9, 3.8), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title, x=0.012, ha="left", fontsize=12, fontweight="bold")
    loss, accuracy = figure.subplots(1, 2)
    epochs = [record["epoch"] for record in records]
    for axes, key, label in ((loss, "loss", "loss"), (accuracy, "accuracy", "accuracy")):
        axes.plot(
            epochs, [record[key] for record in records], color=_TRAINING, lw=1.6, **_dots(epochs)
        )
        validated = [record for record in records if f"validation_{key}" in record]
        axes.plot(
            [record["epoch"] for record in validated],
            [record[f"validation_{key}"] for record in validated],
            color=_VALIDATION,
            lw=2,
            **_dots(epochs),
        )
        _dress(axes, label)
    loss.set_ylim(bottom=0)
    accuracy.yaxis.set_major_formatter(PercentFormatter(1, decimals=None, symbol=" %"))
    _legend(loss, any("validation_loss" in record for record in records))
    _mark_best(accuracy, records)
    beside = path.with_name(f".{path.name}.new")
    figure.savefig(beside, format="png")
    beside.replace(path)


def _dots(epochs: list[int]) -> dict[str, Any]:
    """Points where there are few, since a line needs two."""
    return {"marker": "o", "markersize": 3.5} if len(epochs) <= 12 else {}


def _dress(axes: Axes, label: str) -> None:
    axes.set_title(label, loc="left", fontsize=10, color=_QUIET)
    axes.set_xlabel("epoch", fontsize=9, color=_QUIET)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.tick_params(colors=_QUIET, labelsize=8, length=0)
    axes.grid(axis="y", color="#e6e9ee", lw=0.8)
    axes.set_axisbelow(True)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color("#c5cbd5")


def _legend(axes: Axes, validated: bool) -> None:
    names = ["training", "validation"] if validated else ["training"]
    axes.legend(axes.get_lines()[: len(names)], names, frameon=False, fontsize=9, labelcolor=_QUIET)


def _mark_best(axes: Axes, records: list[dict[str, Any]]) -> None:
    """Name the epoch whose checkpoint is the best."""
    best = best_record(records)
    if best is None:
        return
    share = best["validation_accuracy"]
    axes.plot([best["epoch"]], [share], "o", color=_VALIDATION, markersize=6, zorder=5)
    text = f"best {100 * share:.2f} %, epoch {best['epoch']}"
    axes.set_title(text, loc="right", fontsize=10, color=_VALIDATION)
