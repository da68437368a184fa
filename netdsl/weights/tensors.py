"""A file of named arrays: what it holds is known before any of it is read."""

from __future__ import annotations

import os
import stat
import zlib
from collections.abc import Iterable, Iterator, Mapping
from math import prod
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import NamedTuple

import numpy as np

from netdsl.exits import Failure
from netdsl.source import printable

STORED: Mapping[str, np.dtype] = MappingProxyType(
    {
        "BOOL": np.dtype("u1"),
        "U8": np.dtype("u1"),
        "I8": np.dtype("i1"),
        "I16": np.dtype("<i2"),
        "U16": np.dtype("<u2"),
        "F16": np.dtype("<f2"),
        "BF16": np.dtype("<u2"),
        "I32": np.dtype("<i4"),
        "U32": np.dtype("<u4"),
        "F32": np.dtype("<f4"),
        "F64": np.dtype("<f8"),
        "I64": np.dtype("<i8"),
        "U64": np.dtype("<u8"),
    }
)
"""How the elements of a dtype lie in a file, by the names and in the order of safetensors."""

MAXIMUM_RANK = 32
"""Of one array; NumPy 1 has no more."""

MAXIMUM_ELEMENTS = 1 << 60
"""Of one array, so that no count of bytes is beyond 64 bits."""

SHOWN_CHARACTERS = 200

CHUNK_BYTES = 1 << 20


class WeightsError(Failure):
    """Weights that can't be used; the message names the file and the array, and a way out."""


def brief(name: str) -> str:
    """A name out of a file, as an error shows it: it may have any characters, and any length."""
    return printable(name if len(name) <= SHOWN_CHARACTERS else f"{name[:SHOWN_CHARACTERS]}…")


def is_text(name: str) -> bool:
    """Whether a name can be written in UTF-8: a file may hold halves of characters."""
    return not any("\ud800" <= character <= "\udfff" for character in name)


class Entry(NamedTuple):
    """What is known of an array before it is read."""

    name: str
    dtype: str
    """As safetensors writes it, such as "F32"; a key of `STORED`."""
    shape: tuple[int, ...]


class Region(NamedTuple):
    """A part of a file that has a checksum of its own."""

    start_byte: int
    bytes: int
    crc32: int
    """0 if none was recorded."""


class Place(NamedTuple):
    """Where in its file an array lies."""

    entry: Entry
    start_byte: int
    """Of the first element."""
    strides: tuple[int, ...]
    """Elements from one index to the next along each axis, none of them negative."""
    big_endian: bool = False
    region: Region | None = None


class WeightFile:
    """A regular file that is read in parts. Raises WeightsError where it can't be."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.shown = printable(str(path))
        try:
            # Before it is opened: opening a pipe would wait for its other end.
            if not stat.S_ISREG(os.stat(path).st_mode):
                raise self.refused("is not a regular file")
            self._file = open(path, "rb", buffering=0)  # noqa: SIM115 (closed by `close`)
            self.bytes = os.fstat(self._file.fileno()).st_size
        except FileNotFoundError:
            raise WeightsError(f"there is no file `{self.shown}`") from None
        except (OSError, ValueError) as error:
            raise self.refused(f"can't be read: {error}") from None

    def refused(self, what: str) -> WeightsError:
        """The error that says `what` is wrong with this file."""
        return WeightsError(f"`{self.shown}` {what}")

    def fill(self, buffer: memoryview, start_byte: int) -> None:
        """Read as many bytes as `buffer` has."""
        filled = 0
        try:
            self._file.seek(start_byte)
            while filled < len(buffer):
                count = self._file.readinto(buffer[filled:])
                if not count:
                    raise self.refused("ended sooner than it should; was it changed meanwhile?")
                filled += count
        except OSError as error:
            raise self.refused(f"can't be read: {error}") from None

    def read(self, start_byte: int, count: int) -> bytes:
        """`count` bytes."""
        buffer = bytearray(count)
        self.fill(memoryview(buffer), start_byte)
        return bytes(buffer)

    def elements(self, start_byte: int, count: int, dtype: np.dtype) -> np.ndarray:
        """[count] elements, read into an array of their own."""
        array = np.empty(count, dtype)
        self.fill(array.view(np.uint8).data, start_byte)
        return array

    def crc32(self, region: Region) -> int:
        """The checksum that a region's bytes have."""
        buffer = memoryview(bytearray(min(CHUNK_BYTES, region.bytes)))
        checksum = 0
        for done in range(0, region.bytes, CHUNK_BYTES):
            part = buffer[: min(CHUNK_BYTES, region.bytes - done)]
            self.fill(part, region.start_byte + done)
            checksum = zlib.crc32(part, checksum)
        return checksum

    def close(self) -> None:
        self._file.close()


class Tensors:
    """The arrays of one file by name, in the file's order; each is read when it is asked for.

    A name that the file doesn't have raises KeyError, as in a mapping.
    """

    def __init__(
        self,
        file: WeightFile,
        places: Iterable[Place],
        metadata: Mapping[str, str] = MappingProxyType({}),
        notes: Iterable[str] = (),
    ) -> None:
        self.path = str(file.path)
        self.metadata = dict(metadata)
        self.notes = tuple(notes)
        """What was left out of the file or renamed, in words for the user."""
        self._file = file
        self._places = {place.entry.name: place for place in places}
        self._intact: set[Region] = set()

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, name: object) -> bool:
        return name in self._places

    def entry(self, name: str) -> Entry:
        """What is known without reading the array."""
        return self._places[name].entry

    def read(self, name: str) -> np.ndarray:
        """The array in its own dtype and C order, owned by the caller; BF16 as the equal float32.

        Raises WeightsError if the file is damaged or has changed.
        """
        place = self._places[name]
        shown = brief(name)
        if place.region is not None:
            self._demand_intact(place.region, shown)
        try:
            stored = self._stored(place)
            match place.entry.dtype:
                case "BF16":
                    return widened(stored)
                case "BOOL":
                    if stored.max(initial=0) > 1:
                        raise self._file.refused(
                            f"is damaged: `{shown}` is BOOL and has bytes other than 0 and 1"
                        )
                    return stored.view(np.bool_)
            return stored
        except MemoryError:
            size_bytes = prod(place.entry.shape) * STORED[place.entry.dtype].itemsize
            raise self._file.refused(
                f"is too large: there is no memory for the {size_bytes:,} bytes of `{shown}`"
            ) from None

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def __enter__(self) -> Tensors:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _demand_intact(self, region: Region, shown: str) -> None:
        """Compare a region with its checksum, once."""
        if not region.crc32 or region in self._intact:
            return
        if self._file.crc32(region) != region.crc32:
            raise self._file.refused(
                f"is damaged: the bytes of `{shown}` don't have the checksum that was recorded "
                "for them; get the file anew"
            )
        self._intact.add(region)

    def _stored(self, place: Place) -> np.ndarray:
        """The array as stored, in this machine's byte order."""
        _, dtype_name, shape = place.entry
        dtype = STORED[dtype_name]
        if place.big_endian:
            dtype = dtype.newbyteorder(">")
        if not prod(shape):
            return np.empty(shape, dtype.newbyteorder("="))
        dense = dense_strides(shape)
        if all(
            size == 1 or step == c
            for size, step, c in zip(shape, place.strides, dense, strict=True)
        ):
            array = self._file.elements(place.start_byte, prod(shape), dtype).reshape(shape)
        else:
            span = self._file.elements(place.start_byte, span_elements(shape, place.strides), dtype)
            strides_bytes = [step * dtype.itemsize for step in place.strides]
            array = np.lib.stride_tricks.as_strided(span, shape, strides_bytes).copy(order="C")
        return array.astype(dtype.newbyteorder("="), copy=False)


def dense_strides(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Strides, in elements, of an array in C order without gaps."""
    return tuple(prod(shape[axis + 1 :]) for axis in range(len(shape)))


def span_elements(shape: tuple[int, ...], strides: tuple[int, ...]) -> int:
    """Elements from the first that an array has to its last, both included."""
    return 1 + sum((size - 1) * step for size, step in zip(shape, strides, strict=True))


def widened(bits: np.ndarray) -> np.ndarray:
    """float32 of bfloat16s that are given as uint16: its upper half has just those bits."""
    return (bits.astype(np.uint32) << 16).view(np.float32)
