"""Read and write safetensors: the length of a header, the header in JSON, the arrays' bytes.

Each rule of the format is demanded before any array is read, so that a file means one thing only:
no key twice, no bytes that belong to two arrays or to none, nothing after the last.
Source: https://github.com/huggingface/safetensors, README, "Format".
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from math import prod
from pathlib import Path

import numpy as np

from netdsl.replace import replacing
from netdsl.source import printable
from netdsl.weights.tensors import (
    MAXIMUM_ELEMENTS,
    MAXIMUM_RANK,
    STORED,
    Entry,
    Place,
    Tensors,
    WeightFile,
    WeightsError,
    brief,
    dense_strides,
    is_text,
)

MAXIMUM_HEADER_BYTES = 100_000_000
"""As the format's own library has it."""

METADATA = "__metadata__"

FIELDS = {"data_offsets", "dtype", "shape"}

ALIGNMENT_BYTES = 8

LENGTH = struct.Struct("<Q")

OWN = {dtype: name for name, dtype in STORED.items() if name not in ("BF16", "BOOL")} | {
    np.dtype(np.bool_): "BOOL"
}
"""What NumPy's dtypes are called."""


def read_safetensors(file: WeightFile) -> Tensors:
    """The arrays of a file. Raises WeightsError."""
    try:
        header, data_start = _header(file)
        metadata = header.pop(METADATA, {})
        if not isinstance(metadata, dict) or not all(
            isinstance(text, str) for text in metadata.values()
        ):
            raise _HeaderError(f"`{METADATA}` is not a table of texts")
        spans = {name: _span(name, fields) for name, fields in header.items()}
        _demand_filled(spans, file.bytes - data_start)
    except _HeaderError as error:
        raise file.refused(f"is no sound safetensors file: {error}; get it anew") from None
    places = [
        Place(entry, data_start + begin, dense_strides(entry.shape))
        for entry, begin, _ in spans.values()
    ]
    return Tensors(file, places, metadata)


class _HeaderError(ValueError):
    """What is wrong with a header."""


def _header(file: WeightFile) -> tuple[dict[str, object], int]:
    """The header's table, and the byte at which the data begin."""
    if file.bytes < LENGTH.size:
        raise _HeaderError("it is cut off within its first 8 bytes")
    (header_bytes,) = LENGTH.unpack(file.read(0, LENGTH.size))
    if header_bytes > MAXIMUM_HEADER_BYTES:
        raise _HeaderError(
            f"its header would have {header_bytes:,} bytes, over the limit of "
            f"{MAXIMUM_HEADER_BYTES:,}"
        )
    data_start = LENGTH.size + header_bytes
    if data_start > file.bytes:
        raise _HeaderError("it is cut off within its header")
    try:
        header = json.loads(
            file.read(LENGTH.size, header_bytes).decode(), object_pairs_hook=_without_repeats
        )
    except _HeaderError:
        raise
    except (ValueError, RecursionError) as error:
        raise _HeaderError(f"its header is no JSON ({error})") from None
    if not isinstance(header, dict):
        raise _HeaderError("its header is no table")
    return header, data_start


def _without_repeats(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """A table of JSON, which by its standard may have a key twice."""
    table: dict[str, object] = {}
    for name, value in pairs:
        if name in table:
            raise _HeaderError(f"its header has the key `{brief(name)}` twice")
        table[name] = value
    return table


def _span(name: str, fields: object) -> tuple[Entry, int, int]:
    """An array, and the bytes of the data at which it begins and ends."""
    shown = brief(name)
    if not is_text(name):
        raise _HeaderError(f"the name `{shown}` is no text")
    if not isinstance(fields, dict) or fields.keys() != FIELDS:
        raise _HeaderError(f"`{shown}` has other fields than {', '.join(sorted(FIELDS))}")
    dtype, shape, offsets = fields["dtype"], fields["shape"], fields["data_offsets"]
    if not isinstance(dtype, str):
        raise _HeaderError(f"the dtype of `{shown}` is no text")
    if dtype not in STORED:
        raise _HeaderError(
            f"`{shown}` is of dtype `{brief(dtype)}`; those that can be read are "
            f"{', '.join(STORED)}"
        )
    if not _are_counts(shape) or len(shape) > MAXIMUM_RANK:
        raise _HeaderError(f"the shape of `{shown}` is not up to {MAXIMUM_RANK} counts")
    if not _are_counts(offsets) or len(offsets) != 2:
        raise _HeaderError(f"the data_offsets of `{shown}` are not two counts")
    begin, end = offsets
    size_bytes = prod(shape) * STORED[dtype].itemsize
    if end - begin != size_bytes:
        raise _HeaderError(
            f"`{shown}` has {end - begin:,} bytes, not the {size_bytes:,} of its shape and dtype"
        )
    return Entry(name, dtype, tuple(shape)), begin, end


def _are_counts(values: object) -> bool:
    return isinstance(values, list) and all(
        type(value) is int and 0 <= value <= MAXIMUM_ELEMENTS for value in values
    )


def _demand_filled(spans: Mapping[str, tuple[Entry, int, int]], data_bytes: int) -> None:
    """The arrays must stand one after another, up to the file's end."""
    reached = 0
    for name, (_, begin, end) in sorted(spans.items(), key=lambda item: item[1][1:]):
        shown = brief(name)
        if begin < reached:
            raise _HeaderError(f"`{shown}` overlaps with the array before it")
        if begin > reached:
            raise _HeaderError(f"{begin - reached:,} bytes before `{shown}` belong to no array")
        if end > data_bytes:
            raise _HeaderError(f"it is cut off before the end of `{shown}`")
        reached = end
    if reached != data_bytes:
        raise _HeaderError(f"{data_bytes - reached:,} bytes after the last array belong to none")


def write_safetensors(
    path: str | Path,
    arrays: Mapping[str, np.ndarray],
    metadata: Mapping[str, str],
    dtypes: Mapping[str, str] | None = None,
) -> None:
    """Write arrays so that equal ones always give equal bytes.

    Each is written in its own dtype; a float32 one also as `dtypes` says by name, "F16" or "BF16",
    each value as the nearest one, of two as near the even one. The file is made beside `path` and
    moved there.

    Raises WeightsError for a dtype that the format lacks, a number too large for its new dtype,
    and if the file can't be written.
    """
    path = Path(path)
    shown = printable(str(path))
    chosen = {name: _dtype(name, array, dtypes or {}) for name, array in arrays.items()}
    # As the format's own library orders them: widest first, so that all are aligned.
    order = tuple(STORED)
    names = sorted(arrays, key=lambda name: (-order.index(chosen[name]), name))
    header: dict[str, object] = {METADATA: dict(sorted(metadata.items()))} if metadata else {}
    end = 0
    for name in names:
        begin, end = end, end + arrays[name].size * STORED[chosen[name]].itemsize
        header[name] = {
            "dtype": chosen[name],
            "shape": arrays[name].shape,
            "data_offsets": (begin, end),
        }
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % ALIGNMENT_BYTES)
    try:
        with replacing(path) as stream:
            stream.write(LENGTH.pack(len(text)) + text)
            for name in names:
                stream.write(_stored(name, arrays[name], chosen[name]).data)
    except OSError as error:
        raise WeightsError(f"`{shown}` can't be written: {error}") from None


def _dtype(name: str, array: np.ndarray, dtypes: Mapping[str, str]) -> str:
    """The dtype to write an array in, as the format calls it."""
    shown = brief(name)
    if name == METADATA or not is_text(name):
        raise WeightsError(f"no array can be written under the name `{shown}`")
    own = OWN.get(array.dtype.newbyteorder("="))
    chosen = dtypes.get(name, own)
    if chosen is None or (chosen != own and not (own == "F32" and chosen in ("F16", "BF16"))):
        raise WeightsError(
            f"`{shown}` is an array of {array.dtype}, which can't be written as "
            f"{chosen or 'any dtype of safetensors'}"
        )
    return chosen


def _stored(name: str, array: np.ndarray, dtype: str) -> np.ndarray:
    """[bytes] of an array in its place in the file."""
    if dtype == "BF16":
        stored = narrowed(array)
        finite = stored & 0x7FFF < 0x7F80
    elif dtype == "F16" and array.dtype != np.float16:
        with np.errstate(over="ignore"):
            stored = array.astype(np.float16)
        finite = np.isfinite(stored)
    else:
        return np.ascontiguousarray(array, STORED[dtype]).reshape(-1).view(np.uint8)
    if not np.array_equal(finite, np.isfinite(array)):
        raise WeightsError(f"`{brief(name)}` has numbers too large for {dtype}; keep it as F32")
    return np.ascontiguousarray(stored, STORED[dtype]).reshape(-1).view(np.uint8)


def narrowed(array: np.ndarray) -> np.ndarray:
    """bfloat16s, as uint16, nearest to float32s."""
    bits = np.ascontiguousarray(array, np.float32).view(np.uint32)
    # Half of the dropped part is added, less one where the kept part is even: ties go to even.
    nearest = (bits + (0x7FFF + ((bits >> 16) & 1))) >> 16
    # A NaN stays one, whichever of its bits are dropped.
    return np.where(np.isnan(array), (bits >> 16) | 0x40, nearest).astype(np.uint16)
