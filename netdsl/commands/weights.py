"""`netdsl weights`: bring published weights in, hand weights out, look into a file of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from netdsl import __version__
from netdsl.commands import options
from netdsl.commands.console import Console
from netdsl.commands.loading import load
from netdsl.commands.writing import require_place
from netdsl.network import Network, load_file, load_network, shipped_networks
from netdsl.report import count
from netdsl.source import printable, read_source

if TYPE_CHECKING:
    from netdsl.weights.convert import Array
    from netdsl.weights.tensors import Tensors

_EXAMPLES = """\b
Examples:
  netdsl weights import torchvision/resnet50 resnet50.pth -o resnet50.safetensors
  netdsl weights export torchvision/resnet50 resnet50.safetensors -o for_pytorch.safetensors
  netdsl weights export runs/lenet5 -o lenet5.safetensors
  netdsl weights show resnet50.pth
"""

_OUTPUT = click.option(
    "-o",
    "--output",
    metavar="FILE",
    type=click.Path(path_type=Path),
    required=True,
    help="Where to write; a .safetensors file.",
)
_FORCE = click.option("--force", is_flag=True, help="Replace the file if it is there.")
_FILE = click.argument("file", metavar="FILE", type=click.Path(path_type=Path))


@click.group(epilog=_EXAMPLES)
def command() -> None:
    """Weights from and for PyTorch, without PyTorch.

    A file is a state_dict, as .safetensors or .pth, or one that `import` wrote. Nothing in a .pth
    file is executed: what is no tensor or plain container is refused by name.
    """


@command.command("import", short_help="Write a state_dict as a network's module holds it.")
@options.target
@_FILE
@_OUTPUT
@_FORCE
@options.output_format
@options.color
def import_command(
    target: str,
    settings: dict[str, str],
    file: Path,
    output: Path,
    force: bool,
    output_format: str,
    console: Console,
) -> int:
    """Write the state_dict in FILE as TARGET's module holds it.

    The keys must be TARGET's layers, as the networks under torchvision/ have them, and every array
    must be there and fit; else all that does not is listed, and nothing is written.
    """
    network = load(target, settings, console, json=output_format == "json")
    require_place(output, force=force)
    # Imported here because a mistake in the arguments should not wait for numpy.
    from netdsl.weights.convert import FORMAT, Misfit, older_names, read
    from netdsl.weights.open import open_weights
    from netdsl.weights.safetensors_file import write_safetensors

    with open_weights(file) as tensors:
        for note in tensors.notes:
            console.message(f"note: {note}")
        other = _namesake(target, network, tensors)
        try:
            arrays = read(network.graph, tensors)
        except Misfit as misfit:
            help = f"its arrays are those of `{other}`" if other else misfit.help
            raise Misfit(misfit.what, help) from None
        older = older_names(network.graph, tensors)
    if older:
        old, new = next(iter(older.items()))
        console.message(
            f"note: {len(older)} names are those of an early PyTorch, such as {old} for {new}"
        )
    if other:
        console.message(
            f"note: `{other}` has arrays of the same names and shapes, and computes otherwise; "
            "the weights are right where they were trained"
        )
    write_safetensors(
        output,
        {name: array.value for name, array in arrays.items()},
        {"format": FORMAT, "network": network.name, "netdsl": __version__},
        {name: array.dtype for name, array in arrays.items()},
    )
    _report(network, file, output, arrays, output_format, console)
    return 0


@command.command("export", short_help="Write weights as a state_dict.")
@click.argument("target", metavar="TARGET|RUN")
@click.argument("file", metavar="[FILE]", type=click.Path(path_type=Path), required=False)
@options.settings
@_OUTPUT
@_FORCE
@options.checkpoint
@options.output_format
@options.color
def export_command(
    target: str,
    file: Path | None,
    settings: dict[str, str],
    output: Path,
    force: bool,
    checkpoint: str,
    output_format: str,
    console: Console,
) -> int:
    """Write weights as a state_dict, which PyTorch loads with `load_state_dict`.

    They are those of FILE for the network TARGET, or of a checkpoint in the folder RUN that
    `netdsl train` made.
    """
    require_place(output, force=force)
    if file is None:
        network, arrays = _trained(Path(target), settings, checkpoint)
    else:
        network = load(target, settings, console, json=output_format == "json")
        # As above.
        from netdsl.weights.convert import read
        from netdsl.weights.open import open_weights

        with open_weights(file) as tensors:
            arrays = read(network.graph, tensors)
    from netdsl.weights.convert import to_state_dict
    from netdsl.weights.safetensors_file import write_safetensors

    exported = to_state_dict(network.graph, arrays)
    write_safetensors(
        output,
        {name: array.value for name, array in exported.items()},
        {"format": "pt"},  # What safetensors' own library for PyTorch writes and looks for.
        {name: array.dtype for name, array in exported.items()},
    )
    _report(network, file or Path(target), output, exported, output_format, console)
    return 0


@command.command("show", short_help="List the arrays of a file.")
@_FILE
@options.output_format
@options.color
def show_command(file: Path, output_format: str, console: Console) -> int:
    """List the arrays of FILE, with their types and shapes."""
    from netdsl.weights.open import open_weights

    with open_weights(file) as tensors:
        entries = [tensors.entry(name) for name in tensors]
        notes, metadata = tensors.notes, dict(tensors.metadata)
    if output_format == "json":
        console.json(
            {
                "file": str(file),
                "metadata": metadata,
                "notes": list(notes),
                "arrays": [
                    {"key": each.name, "dtype": each.dtype, "shape": list(each.shape)}
                    for each in entries
                ],
            }
        )
        return 0
    for note in notes:
        console.message(f"note: {note}")
    width = max((len(printable(each.name)) for each in entries), default=0)
    for each in entries:
        shape = "×".join(map(str, each.shape)) or "one number"
        console.data(f"{printable(each.name).ljust(width)}  {each.dtype:4}  {shape}")
    return 0


def _trained(
    folder: Path, settings: dict[str, str], checkpoint: str
) -> tuple[Network, dict[str, Array]]:
    """The network and the arrays of a run."""
    # Imported here because only this needs jax.
    import numpy as np

    from netdsl.train.trained import Trained
    from netdsl.weights.convert import Array

    if settings:
        raise click.UsageError("a run has its own settings: --set is for a network's weights")
    if not folder.is_dir():
        raise click.UsageError(
            f"`{printable(str(folder))}` is no folder of a run; name a FILE of weights"
        )
    trained = Trained(folder, checkpoint)
    weights = trained.weights.parameters | trained.weights.statistics
    arrays = {name: Array(np.asarray(value), "F32") for name, value in weights.items()}
    return trained.network, arrays


def _namesake(target: str, network: Network, tensors: Tensors) -> str:
    """The network of the same name in a folder, such as torchvision's, if the file fits it and it
    is another one; asked of networks in files and of those without a folder."""
    # As above.
    from netdsl.weights.convert import fits

    shipped = shipped_networks()
    if target in shipped and "/" in target:
        return ""
    for name, path in shipped.items():
        folder, _, plain = name.rpartition("/")
        if not folder or plain != network.name:
            continue
        file, _ = load_file(read_source(path, path.name))
        other = None if file is None else load_network(file, plain, {})[0]
        if other is not None and not _same(other, network) and fits(other.graph, tensors):
            return name
    return ""


def _same(one: Network, other: Network) -> bool:
    """Whether two networks compute the same from the same arrays."""
    return [each[1:5] for each in one.graph.nodes] == [each[1:5] for each in other.graph.nodes]


def _report(
    network: Network,
    file: Path,
    output: Path,
    arrays: dict[str, Array],
    output_format: str,
    console: Console,
) -> None:
    output_bytes = output.stat().st_size
    if output_format == "json":
        console.json(
            {
                "network": network.name,
                "params": network.report.total.params,
                "read": str(file),
                "arrays": len(arrays),
                "wrote": str(output),
                "bytes": output_bytes,
            }
        )
        return
    lines = [
        ("network", network.name),
        ("parameters", count(network.report.total.params)),
        ("read", printable(str(file))),
        ("wrote", f"{printable(str(output))}: {len(arrays)} arrays, {output_bytes / 1e6:.1f} MB"),
    ]
    width = max(len(name) for name, _ in lines)
    console.data("\n".join(f"{name.ljust(width)}  {text}" for name, text in lines))
