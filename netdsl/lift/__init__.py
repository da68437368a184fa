"""Lift a foreign model to a program: its blocks and repeats found, its keys kept as paths.

    lifted = lift("torchvision.models:resnet50")
    lifted.text          the program
    lifted.tensors       its weights, keyed and laid out as a PyTorch state_dict

A front end for each source says every operation in netdsl's terms (`traced`); regions, steps and
blocks are found in those alone. What is written is elaborated again and compared with what was
traced before anyone sees it.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from netdsl.lift.blocks import make_blocks
from netdsl.lift.builders import built
from netdsl.lift.compare import (
    LiftMistake,
    counters_of,
    graph_of,
    keys_of,
    require_equal,
    reserved_parts,
)
from netdsl.lift.packages import require
from netdsl.lift.parameters import RESERVED
from netdsl.lift.regions import find_regions, nested_concats
from netdsl.lift.traced import Traced, Unsupported
from netdsl.lift.write import Writer
from netdsl.ops import OPERATORS

if TYPE_CHECKING:
    import numpy as np

__all__ = ["LiftMistake", "Lifted", "Unsupported", "lift", "write"]

DEFAULT_INPUT = (224, 224, 3)
"""Height, width and channels of the image that a model is traced with, unless another is given."""


class Lifted(NamedTuple):
    """A model as a program, with its weights.

    `tensors` are its arrays, keyed and laid out as a PyTorch state_dict; `unused` the keys of
    those that its inference does not need, which are left out.
    """

    name: str
    text: str
    tensors: dict[str, np.ndarray]
    unused: tuple[str, ...]


def lift(model: object, input: tuple[int, ...] | None = None, name: str | None = None) -> Lifted:
    """A model as a program of the language.

    `model` is a `torch.nn.Module`, the text `MODULE:FUNCTION` or `FILE.py:FUNCTION` of what builds
    one, the path of an ONNX file, or an `onnx.ModelProto`. `input` is the shape of one image,
    (height, width, channels), or (features,); an ONNX file may say it itself.

    Raises Unsupported with every operation that netdsl lacks, another `netdsl.exits.Failure` where
    there is no model that can be read, and LiftMistake, which is a mistake of netdsl's own.
    """
    # Imported below because each front end needs a package that netdsl does without.
    if isinstance(model, (str, Path)) and str(model).endswith(".onnx"):
        require("onnx", "an ONNX model")
        from netdsl.lift.onnx_file import read_model, trace_onnx

        path = Path(model)
        return write(trace_onnx(read_model(path), input, path.name), name or path.stem)
    if type(model).__module__.startswith("onnx"):
        from netdsl.lift.onnx_file import trace_onnx

        return write(trace_onnx(model, input, "the ONNX model"), name or "net")
    require("torch", "a PyTorch model")
    from netdsl.lift.torch_fx import trace

    if isinstance(model, str):
        source, found = model, built(model)
        name = name or model.rpartition(":")[2]
    else:
        source, found = type(model).__name__, model
        name = name or source
    return write(trace(found, input or DEFAULT_INPUT, source), name)


def write(traced: Traced, name: str) -> Lifted:
    """The program of a traced model, proved equal to it."""
    name = _identifier(name)
    traced = traced._replace(operations=nested_concats(traced.operations))
    words = _require_labels(traced)
    keys = keys_of(traced.operations)
    tensors = {key: traced.tensors[key] for key in keys}
    misfits = [
        (key, f"an array of {_show(array.shape)} stands where one of {_show(keys[key])} should")
        for key, array in tensors.items()
        if array.shape != keys[key]
    ]
    if misfits:
        raise Unsupported(traced.source, tuple(misfits))
    params = sum(array.size for key, array in tensors.items() if not key.endswith(_STATISTICS))
    lifted = make_blocks(find_regions(traced, words), traced.operations)
    if name in {block.name for block in lifted.blocks}:
        name = f"{name}_net"
    text = Writer(lifted).program(name, traced, params)
    require_equal(graph_of(text, name), traced)
    for key in counters_of(traced.operations) & traced.tensors.keys():
        tensors[key] = traced.tensors[key]
    unused = tuple(key for key in traced.tensors if key not in tensors)
    return Lifted(name, text, tensors, unused)


_STATISTICS = (".running_mean", ".running_var")


def _require_labels(traced: Traced) -> frozenset[str]:
    """Raise Unsupported where a key has what no path can have.

    Returns those parts of the modules' names that can be a part of a longer label, but no label.
    """
    layers = [each for each in traced.operations if each.key]
    reserved = reserved_parts((each.key for each in layers), "a.{}.a")
    alone = reserved_parts((each.key for each in layers), "{}")
    faults = [
        (".".join(each.key), f"`{part}` in its key can't be a label")
        for each in layers
        for part in each.key
        if part in reserved or (part in alone and part == each.key[-1])
    ]
    if faults:
        raise Unsupported(traced.source, tuple(faults))
    return alone


def _show(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "one number"


def _identifier(name: str) -> str:
    """A name that the language allows, as near to the given one as can be."""
    name = re.sub(r"\W", "_", name, flags=re.ASCII).strip("_") or "net"
    if name[0].isdigit():
        name = f"net_{name}"
    return f"{name}_net" if name in OPERATORS or name in RESERVED else name
