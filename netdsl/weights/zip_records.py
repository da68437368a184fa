"""Where the records of a zip archive lie, so that they can be read in place.

`zipfile` reads the directory. Only records that are stored as they are count: nothing is unpacked,
so a small archive can't become a large one.
"""

from __future__ import annotations

import io
import struct
import zipfile

from netdsl.weights.tensors import Region, WeightFile, brief

MAXIMUM_DIRECTORY_BYTES = 1 << 24
"""A record takes about 100."""

LOCAL_HEADER = struct.Struct("<4s22x2H")
"""Signature, length of the name, length of the extra field. Source: APPNOTE.TXT, 4.3.7."""

UNREADABLE = (
    zipfile.BadZipFile,
    NotImplementedError,
    OverflowError,
    ValueError,
    struct.error,
)
"""What zipfile raises for a directory that is wrong."""


def zip_records(file: WeightFile) -> dict[str, zipfile.ZipInfo]:
    """The records of a zip archive by name. Raises WeightsError."""
    try:
        with zipfile.ZipFile(_Archive(file)) as archive:
            entries = archive.infolist()
    except UNREADABLE as error:
        raise file.refused(
            f"is damaged: its zip directory can't be read ({error}); get the file anew"
        ) from None
    records = {entry.filename: entry for entry in entries}
    if len(records) != len(entries):
        raise file.refused("is damaged: its zip directory has a name twice; get the file anew")
    return records


def stored_region(file: WeightFile, record: zipfile.ZipInfo) -> Region:
    """Where the bytes of a record lie, which its own header alone tells. Raises WeightsError."""
    shown = brief(record.filename)
    if record.compress_type != zipfile.ZIP_STORED or record.flag_bits & 1:
        raise file.refused(
            f"has `{shown}` compressed or encrypted, as `torch.save` never does; "
            "unpack the archive, and pack its folder with `zip -0 -r`"
        )
    start_byte = record.header_offset + LOCAL_HEADER.size
    if record.header_offset >= 0 and start_byte <= file.bytes:
        header = file.read(record.header_offset, LOCAL_HEADER.size)
        signature, name_bytes, extra_bytes = LOCAL_HEADER.unpack(header)
        start_byte += name_bytes + extra_bytes
        if (
            signature == b"PK\3\4"
            and record.file_size == record.compress_size
            and start_byte + record.file_size <= file.bytes
        ):
            return Region(start_byte, record.file_size, record.CRC)
    raise file.refused(
        f"is damaged: `{shown}` isn't where its zip directory says; get the file anew"
    )


class _Archive(io.RawIOBase):
    """The file as zipfile reads it, whose directory can't be larger than our limit."""

    def __init__(self, file: WeightFile) -> None:
        self.file = file
        self.position = 0

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self.position, io.SEEK_END: self.file.bytes}[whence]
        if start + offset < 0:
            raise ValueError("a place before its beginning")
        self.position = start + offset
        return self.position

    def read(self, count: int = -1) -> bytes:
        left = max(0, self.file.bytes - self.position)
        count = left if count < 0 else min(count, left)
        if count > MAXIMUM_DIRECTORY_BYTES:
            raise ValueError(f"over {MAXIMUM_DIRECTORY_BYTES:,} bytes")
        data = self.file.read(self.position, count)
        self.position += count
        return data
