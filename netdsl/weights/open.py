"""Tell what kind of file weights are in by what it begins with, never by its name."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from netdsl.source import printable
from netdsl.weights.safetensors_file import read_safetensors
from netdsl.weights.tensors import Tensors, WeightFile, WeightsError
from netdsl.weights.torch_file import read_pickles, read_zip

HEAD_BYTES = 512

ZIP_MAGIC = b"PK\3\4"

PICKLE_PROTOCOLS = (b"\2", b"\3", b"\4", b"\5")

READABLE = "What can be read are safetensors and the state_dicts that `torch.save` writes"

TABLE_MAGIC = bytes.fromhex("57fb808b247547db")
"""Of LevelDB's tables, at their end; TensorFlow's checkpoints are such. Source: table/format.h."""

FROM_KERAS = "Build the network in Keras with these weights, and save its arrays as safetensors"
FROM_ONNX = "Take the weights from the framework that the file was exported from"
FROM_TENSORFLOW = "Read it in TensorFlow, and save its arrays as safetensors"
UNPACK = "Unpack it first"


class Foreign(NamedTuple):
    """A kind of file that can't be read."""

    place: int
    magic: bytes
    what: str
    way_out: str


FOREIGN = (
    Foreign(0, b"version https://git-lfs", "a pointer of Git LFS to a file", "Run `git lfs pull`"),
    Foreign(0, b"\x89HDF\r\n\x1a\n", "HDF5, as Keras writes it", FROM_KERAS),
    Foreign(0, b"\x1f\x8b", "gzip", UNPACK),
    Foreign(0, b"BZh", "bzip2", UNPACK),
    Foreign(0, b"\xfd7zXZ\0", "xz", UNPACK),
    Foreign(0, b"\x28\xb5\x2f\xfd", "zstd", UNPACK),
    Foreign(0, b"7z\xbc\xaf\x27\x1c", "7z", UNPACK),
    Foreign(0, b"\x93NUMPY", "one array of NumPy's", "Save the arrays by name, as safetensors"),
    Foreign(0, b"GGUF", "GGUF", "Take the weights in safetensors"),
    Foreign(4, b"TFL3", "TensorFlow Lite", FROM_TENSORFLOW),
    Foreign(0, b"\x08\x01\x12", "TensorFlow's SavedModel", FROM_TENSORFLOW),
    Foreign(
        257,
        b"ustar",
        "a tar archive, as the first versions of PyTorch wrote",
        "Load it in PyTorch and save it anew: `torch.save(torch.load(...), ...)`",
    ),
)


def open_weights(path: str | Path) -> Tensors:
    """The arrays of a file of safetensors or of `torch.save`, known by its content.

    Nothing of the file is executed, whatever it holds. Raises WeightsError.
    """
    path = Path(path)
    if path.is_dir():
        raise WeightsError(f"`{printable(str(path))}` is a folder; {_inside(path)}")
    file = WeightFile(path)
    try:
        return _opened(file)
    except BaseException:
        file.close()
        raise


def _opened(file: WeightFile) -> Tensors:
    if not file.bytes:
        raise file.refused("is empty; get the file anew")
    head = file.read(0, min(file.bytes, HEAD_BYTES))
    if head.startswith(ZIP_MAGIC):
        return read_zip(file)
    if head[8:9] == b"{":
        return read_safetensors(file)
    if head[:1] == b"\x80" and head[1:2] in PICKLE_PROTOCOLS:
        return read_pickles(file)
    raise file.refused(f"{_kind(file, head)}. {READABLE}")


def _kind(file: WeightFile, head: bytes) -> str:
    """What a file is that can't be read, and what to do about it."""
    for place, magic, what, way_out in FOREIGN:
        if head[place:].startswith(magic):
            return f"is {what}. {way_out}"
    start = head.lstrip().lower()
    if start.startswith((b"<!doctype", b"<html", b"<?xml")):
        return "is a page of the web, not what it links to. Download the file itself"
    if start.startswith(b"{"):
        return "is JSON; an index of several files has no weights. Name one of the files"
    # An ONNX model begins with its version of the format, then its producer. Source: onnx.proto.
    if head[:1] == b"\x08" and head[2:3] == b"\x12":
        return f"is ONNX. {FROM_ONNX}"
    if file.bytes >= 8 and file.read(file.bytes - 8, 8) == TABLE_MAGIC:
        return f"is the index of a TensorFlow checkpoint. {FROM_TENSORFLOW}"
    return f"is no file of weights that is known: it begins with the bytes {head[:8].hex(' ')}"


def _inside(folder: Path) -> str:
    """What to name instead of a folder."""
    try:
        names = sorted(os.listdir(folder))
    except OSError:
        names = []
    if "saved_model.pb" in names:
        return f"it is TensorFlow's SavedModel. {FROM_TENSORFLOW}"
    files = [name for name in names if name.endswith((".safetensors", ".pth", ".pt", ".bin"))]
    shown = " or ".join(f"`{printable(name)}`" for name in files[:3])
    return f"name a file in it{f', such as {shown}' if shown else ''}"
