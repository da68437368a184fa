"""`netdsl import-model`: write a PyTorch or ONNX model as a program of the language."""

from __future__ import annotations

from pathlib import Path

import click

from netdsl.commands import options
from netdsl.commands.console import Console
from netdsl.commands.writing import require_place, write_whole
from netdsl.report import count
from netdsl.source import printable

_EXAMPLES = """\b
Examples:
  netdsl import-model torchvision.models:resnet50              writes resnet50.net
  netdsl import-model model.py:build --input 3x64x64 -o -      writes to standard output
  netdsl import-model mobilenet.onnx --weights mobilenet.safetensors
"""


def _shape(ctx: click.Context, param: click.Parameter, text: str | None) -> tuple[int, ...] | None:
    """(H, W, C) of `224x224x3`, `3x224x224` or `1x3x224x224`, (features,) of `100`."""
    if text is None:
        return None
    parts = text.lower().split("x")
    if not all(part.isascii() and part.isdecimal() and int(part) for part in parts):
        raise click.BadParameter(f"`{text}` is not like `224x224x3`", ctx, param)
    sizes = [int(part) for part in parts]
    if len(sizes) == 4:
        _, channels, height, width = sizes
        return height, width, channels
    if len(sizes) == 1:
        return (sizes[0],)
    if len(sizes) != 3:
        raise click.BadParameter(f"`{text}` is not like `224x224x3`", ctx, param)
    first, last = sizes[0] in _CHANNELS, sizes[-1] in _CHANNELS
    if first and not last:
        return sizes[1], sizes[2], sizes[0]
    if last and not first:
        return sizes[0], sizes[1], sizes[2]
    raise click.BadParameter(
        f"in `{text}` the channels may be first or last; say 1xCxHxW, such as "
        f"`1x{sizes[2]}x{sizes[0]}x{sizes[1]}` if they are last",
        ctx,
        param,
    )


_CHANNELS = (1, 2, 3, 4)
"""By so few, the channels of a `--input` are told from its height and width."""


@click.command("import-model", epilog=_EXAMPLES)
@click.argument("model", metavar="MODEL")
@click.option(
    "--input",
    "shape",
    metavar="SIZES",
    callback=_shape,
    help="One image, 224x224x3 or 3x224x224. [default: what an ONNX file says, else 224x224x3]",
)
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    help="Where to write; `-` is standard output. [default: NAME.net in the current folder]",
)
@click.option(
    "--weights",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Write the model's weights too, as a state_dict in a .safetensors file.",
)
@click.option("--name", metavar="NAME", help="What to call the network.")
@click.option("--force", is_flag=True, help="Replace files that are there.")
@options.limit
@options.output_format
@options.color
def command(
    model: str,
    shape: tuple[int, ...] | None,
    output: str | None,
    weights: Path | None,
    name: str | None,
    force: bool,
    output_format: str,
    console: Console,
) -> int:
    """Write MODEL as a program, with its blocks and repeats.

    MODEL is MODULE:FUNCTION or FILE.py:FUNCTION, of a function that builds a PyTorch module, or
    FILE.onnx. The first two run that code. The program's paths are the model's keys, so that its
    state_dict fits as it is. It is proved to compute the same before it is written; what netdsl
    has no operator for is listed, and then nothing is written.
    """
    if output is not None and output != "-":
        require_place(Path(output), force=force)
    if weights is not None:
        require_place(weights, force=force)
    # Imported here because a mistake in the arguments should not wait for a front end.
    from netdsl.lift import lift

    lifted = lift(model, shape, name)
    path = Path(output if output is not None else f"{lifted.name}.net")
    if output is None:
        require_place(path, force=force)
    if weights is not None:
        # Imported here because only this needs numpy.
        from netdsl.weights import write_safetensors

        write_safetensors(weights, lifted.tensors, {"format": "pt"})
    if lifted.unused:
        console.message(f"note: inference uses no {_listed(lifted.unused)}")
    if output == "-":
        console.data(lifted.text.rstrip("\n"))
        return 0
    write_whole(path, lifted.text)
    elements = sum(array.size for array in lifted.tensors.values())
    if output_format == "json":
        console.json(
            {
                "network": lifted.name,
                "file": str(path),
                "lines": lifted.text.count("\n"),
                "weights": None if weights is None else str(weights),
                "arrays": len(lifted.tensors),
                "unused": list(lifted.unused),
            }
        )
        return 0
    lines = [
        ("network", lifted.name),
        ("wrote", f"{printable(str(path))}: {lifted.text.count(chr(10))} lines"),
    ]
    if weights is not None:
        arrays = f"{len(lifted.tensors)} arrays, {count(elements)} numbers"
        lines.append(("wrote", f"{printable(str(weights))}: {arrays}"))
    width = max(len(each) for each, _ in lines)
    console.data("\n".join(f"{each.ljust(width)}  {text}" for each, text in lines))
    return 0


def _listed(keys: tuple[str, ...]) -> str:
    shown = ", ".join(map(printable, keys[:3]))
    return shown if len(keys) <= 3 else f"{shown} and {len(keys) - 3} more"
