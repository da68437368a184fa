"""Read what `torch.save` wrote of a state_dict, without PyTorch and without running any of it.

Both formats are read: the zip archive (PyTorch 1.6 and later: `NAME/data.pkl` beside one stored
record per storage), and the consecutive pickles before it (a magic number, a version, the machine,
the value, the storages' keys; then each storage as a count of elements and the elements). Both
pickle a tensor as a strided view of a storage.
Source: torch/serialization.py (`_save`, `_legacy_save`).
"""

from __future__ import annotations

import io
import struct
from collections.abc import Mapping

from netdsl.weights.pickled import (
    MAXIMUM_BYTES,
    WAY_OUT,
    Pairs,
    PickleError,
    damaged,
    kind,
    read_pickle,
)
from netdsl.weights.tensors import STORED, Entry, Place, Region, Tensors, WeightFile, brief, is_text
from netdsl.weights.torch_tensors import Storage, Storages, Tensor, view
from netdsl.weights.zip_records import stored_region, zip_records

MAGIC = 0x1950A86A20F9469CFC6C
PROTOCOL = 1001

WRAPPERS = ("model", "model_state", "model_state_dict", "net", "network", "state_dict")
"""Keys under which a checkpoint may keep its state_dict beside other tensors."""

DATA_PARALLEL = "module."

LISTED = 8
"""How many names a note lists."""


def read_zip(file: WeightFile) -> Tensors:
    """The tensors of an archive. Raises WeightsError."""
    records = zip_records(file)
    roots = [name.removesuffix("data.pkl") for name in records if name.endswith("/data.pkl")]
    if len(roots) != 1 or roots[0].count("/") != 1:
        raise file.refused(
            "is a zip archive, but none that `torch.save` wrote: it has no `data.pkl` in a folder"
        )
    (root,) = roots
    if f"{root}constants.pkl" in records:
        raise file.refused(
            "is a TorchScript program, not a state_dict. In PyTorch, save its weights: "
            "`torch.save(torch.jit.load(...).state_dict(), ...)`"
        )
    storages = Storages()

    def content(name: str, limit_bytes: int) -> bytes:
        return _content(file, stored_region(file, records[f"{root}{name}"]), name, limit_bytes)

    try:
        pickle = io.BytesIO(content("data.pkl", MAXIMUM_BYTES))
        value = read_pickle(pickle, storages.makers, storages.refer)
        order = content("byteorder", 8) if f"{root}byteorder" in records else b"little"
        if order not in (b"little", b"big"):
            raise damaged("its `byteorder` is neither `little` nor `big`")
        regions = {}
        for key, storage in storages.roots.items():
            record = records.get(f"{root}data/{key}")
            if record is None:
                raise damaged(f"it has no `data/{brief(key)}`")
            regions[key] = stored_region(file, record)
            if regions[key].bytes != storage.elements * STORED[storage.dtype].itemsize:
                raise damaged(
                    f"`data/{brief(key)}` has {record.file_size:,} bytes, not "
                    f"{storage.elements:,} elements of {storage.dtype}"
                )
        return _tensors(file, value, regions, big_endian=order == b"big")
    except PickleError as error:
        raise file.refused(str(error)) from None


def read_pickles(file: WeightFile) -> Tensors:
    """The tensors of consecutive pickles. Raises WeightsError."""
    stream = io.BytesIO(file.read(0, min(file.bytes, MAXIMUM_BYTES)))
    storages = Storages()
    try:
        if read_pickle(stream, {}) != MAGIC:
            raise PickleError(f"is a pickle, but none that `torch.save` wrote. {WAY_OUT}")
        version = read_pickle(stream, {})
        if version != PROTOCOL:
            raise PickleError(f"has version {_number(version)} of PyTorch's format, not {PROTOCOL}")
        # The machine's sizes and byte order; the data are little-endian whatever it was.
        read_pickle(stream, {})
        value = read_pickle(stream, storages.makers, storages.refer)
        keys = read_pickle(stream, {})
        regions = _regions(file, keys, storages.roots, stream.tell())
        return _tensors(file, value, regions, big_endian=False)
    except PickleError as error:
        raise file.refused(str(error)) from None


def _tensors(
    file: WeightFile, value: object, regions: Mapping[str, Region], *, big_endian: bool
) -> Tensors:
    """The state_dict in what a file holds, as places in it. Raises PickleError."""
    tensors, notes = _state_dict(value)
    places = []
    for name, tensor in tensors.items():
        shape, strides = view(tensor, brief(name))
        storage = tensor.storage
        region, item_bytes = regions[storage.key], STORED[storage.dtype].itemsize
        start_byte = region.start_byte + (storage.first + tensor.offset) * item_bytes
        entry = Entry(name, storage.dtype, shape)
        places.append(Place(entry, start_byte, strides, big_endian, region))
    return Tensors(file, places, notes=notes)


def _state_dict(value: object) -> tuple[dict[str, Tensor], list[str]]:
    """The tensors by name, and what is to be said of how they were found. Raises PickleError."""
    if not isinstance(value, Pairs):
        raise PickleError(f"holds a {kind(value)}, not a state_dict. {WAY_OUT}")
    notes: list[str] = []
    table = _unwrapped(value, notes)
    tensors: dict[str, Tensor] = {}
    others = []
    for name, each in table.pairs():
        if not isinstance(each, Tensor):
            others.append(f"{_shown(name)} ({kind(each)})")
            continue
        if not isinstance(name, str) or not is_text(name):
            raise PickleError(f"is no state_dict: it has a tensor under {_shown(name)}")
        if name in tensors:
            raise damaged(f"it has two tensors of the name {_shown(name)}")
        tensors[name] = each
    if not tensors:
        raise PickleError(f"has no tensors in its state_dict. {WAY_OUT}")
    if others:
        notes.append(f"left out, as they are no tensors: {_listed(others)}")
    if all(name.startswith(DATA_PARALLEL) for name in tensors):
        tensors = {name.removeprefix(DATA_PARALLEL): each for name, each in tensors.items()}
        notes.append(f"`{DATA_PARALLEL}`, which DataParallel put before every name, was taken off")
    return tensors, notes


def _unwrapped(value: Pairs, notes: list[str]) -> Pairs:
    """The state_dict itself, or the only one in a checkpoint. Raises PickleError."""
    with_tensors: dict[int, bool] = {}
    nested = []
    for key, inner in value.pairs():
        if isinstance(inner, Pairs):
            # Looked through once, however often it is named.
            identity = id(inner.items)
            if identity not in with_tensors:
                with_tensors[identity] = any(isinstance(each, Tensor) for _, each in inner.pairs())
            if with_tensors[identity]:
                nested.append((key, inner))
    if not nested:
        return value
    key, inner = nested[0]
    mixed = any(isinstance(each, Tensor) for _, each in value.pairs())
    if len(nested) > 1 or (mixed and key not in WRAPPERS):
        places = [f"under {_shown(key)}" for key, _ in nested] + ["at the top"] * mixed
        raise PickleError(
            f"has tensors in more than one place: {_listed(places)}. "
            "In PyTorch, save those you want alone: `torch.save(torch.load(...)[...], ...)`"
        )
    beside = [_shown(other) for other, _ in value.pairs() if other is not key]
    unused = f"; left out: {_listed(beside)}" if beside else ""
    notes.append(f"the state_dict under {_shown(key)} was taken{unused}")
    return inner


def _content(file: WeightFile, region: Region, shown: str, limit_bytes: int) -> bytes:
    """The bytes of a small record."""
    if region.bytes > limit_bytes:
        raise PickleError(
            f"has {region.bytes:,} bytes of `{shown}`; at most {limit_bytes:,} are read"
        )
    if region.crc32 and file.crc32(region) != region.crc32:
        raise damaged(f"the bytes of `{shown}` don't have the checksum recorded for them")
    return file.read(region.start_byte, region.bytes)


def _regions(
    file: WeightFile, keys: object, storages: Mapping[str, Storage], start_byte: int
) -> dict[str, Region]:
    """Where the storages lie that stand one after another up to the end of the file."""
    names = [key for key in keys if isinstance(key, str)] if isinstance(keys, list) else []
    if set(names) != storages.keys() or names != keys:
        raise damaged("the storages it lists are not those of its tensors")
    regions: dict[str, Region] = {}
    for key in names:
        storage = storages[key]
        shown = f"the storage `{brief(key)}`"
        size_bytes = storage.elements * STORED[storage.dtype].itemsize
        if key in regions:
            raise damaged(f"it has {shown} twice")
        if start_byte + 8 + size_bytes > file.bytes:
            raise damaged(f"it ends before {shown} does")
        (count,) = struct.unpack("<q", file.read(start_byte, 8))
        if count != storage.elements:
            raise damaged(
                f"{shown} has {count:,} elements in one place and {storage.elements:,} in another"
            )
        regions[key] = Region(start_byte + 8, size_bytes, 0)
        start_byte += 8 + size_bytes
    if start_byte != file.bytes:
        raise damaged(f"it has {file.bytes - start_byte:,} bytes after its last storage")
    return regions


def _number(value: object) -> str:
    return f"{value}" if type(value) is int and abs(value) < 1 << 64 else f"a {kind(value)}"


def _shown(key: object) -> str:
    """A key of a dict, in a message."""
    return f"`{brief(key)}`" if isinstance(key, str) else f"a key of type {kind(key)}"


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return ", ".join(names[:LISTED]) + more
