"""Files of weights are known by their content, and damaged in any way an error of ours."""

from __future__ import annotations

import io
import json
import os
import struct
import tarfile
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from netdsl.weights import open_weights, write_safetensors
from netdsl.weights.tensors import WeightsError

FIXTURES = Path(__file__).parent / "fixtures" / "weights"
WHOLE = [FIXTURES / name for name in json.loads((FIXTURES / "expected.json").read_text("utf-8"))]


def read_all(path: Path) -> dict[str, np.ndarray]:
    with open_weights(path) as tensors:
        return {name: tensors.read(name) for name in tensors}


def refusal(path: Path) -> str:
    with pytest.raises(WeightsError) as caught:
        read_all(path)
    assert str(caught.value).isprintable()
    return str(caught.value)


# Content.


def tar() -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("storages"))
    return stream.getvalue()


def archive(*names: str, compression: int = zipfile.ZIP_STORED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as file:
        for name in names:
            file.writestr(name, b"\x80\2}." * 9)
    return stream.getvalue()


FOREIGN = {
    "is empty": b"",
    "Git LFS": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
    "page of the web": b"\n <!DOCTYPE html><html>not found</html>",
    "HDF5": b"\x89HDF\r\n\x1a\n" + bytes(99),
    "ONNX": b"\x08\x08\x12\x07pytorch\x1a\x05",
    "SavedModel": b"\x08\x01\x12\xd6",
    "TensorFlow Lite": b"\x1c\0\0\0TFL3",
    "TensorFlow checkpoint": bytes(40) + bytes.fromhex("57fb808b247547db"),
    "gzip": b"\x1f\x8b\x08\0",
    "zstd": b"\x28\xb5\x2f\xfd\0",
    "NumPy": b"\x93NUMPY\1\0",
    "tar archive, as the first versions of PyTorch wrote": tar(),
    "JSON": b'{"weight_map": {}}',
    "begins with the bytes 63 6f 73": b"cos\nsystem\n(S'touch executed'\ntR.",
    "no `data.pkl`": archive("model.weights.h5"),
    "TorchScript": archive("a/data.pkl", "a/constants.pkl", "a/code/x.py", compression=8),
    "compressed": archive("a/data.pkl", compression=8),
    "zip directory has a name twice": archive("a/data.pkl", "b/data.pkl").replace(b"b/", b"a/"),
    "none that `torch.save` wrote": b"\x80\2K\1.",
    "its pickle refers to data outside it": b"\x80\2)Q.",
    "version 7 of": (FIXTURES / "old.pickles.pth").read_bytes().replace(b"M\xe9\3.", b"K\7.N"),
}


@pytest.mark.parametrize("words", FOREIGN)
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_other_content_is_refused(words: str, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"weights{suffix}"
    path.write_bytes(FOREIGN[words])
    message = refusal(path)
    assert words in message
    assert str(path) in message


def test_names_say_nothing(tmp_path: Path) -> None:
    """Each format is known under the name of another."""
    for source in WHOLE:
        path = tmp_path / f"{source.name}.h5"
        path.write_bytes(source.read_bytes())
        assert read_all(path).keys() == read_all(source).keys()


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    assert "there is no file" in refusal(tmp_path / "missing")
    assert "name a file in it" in refusal(tmp_path)
    (tmp_path / "model.safetensors").touch()
    assert "such as `model.safetensors`" in refusal(tmp_path)
    (tmp_path / "saved_model.pb").touch()
    assert "SavedModel" in refusal(tmp_path)
    # Opening one would wait for a writer.
    os.mkfifo(tmp_path / "pipe")
    assert "not a regular file" in refusal(tmp_path / "pipe")


def test_files_are_closed() -> None:
    """And pytest makes an unclosed one an error."""
    with open_weights(WHOLE[0]) as tensors:
        name = next(iter(tensors))
    with pytest.raises(ValueError, match="closed file"):
        tensors.read(name)
    with pytest.raises(KeyError):
        tensors.entry("no such name")
    assert "no such name" not in tensors


def test_a_file_cut_while_open(tmp_path: Path) -> None:
    path = tmp_path / "weights"
    write_safetensors(path, {"a": np.arange(9.0)}, {})
    with open_weights(path) as tensors:
        os.truncate(path, 100)
        with pytest.raises(WeightsError, match="ended sooner"):
            tensors.read("a")


# Damage.


@pytest.mark.parametrize("source", WHOLE, ids=lambda path: path.name)
def test_cut_files_are_refused(source: Path, tmp_path: Path) -> None:
    """At every byte."""
    path = tmp_path / "weights"
    path.write_bytes(source.read_bytes())
    for length in reversed(range(path.stat().st_size)):
        os.truncate(path, length)
        refusal(path)


@pytest.mark.parametrize(
    "source", [path for path in WHOLE if ".zip" not in path.name], ids=lambda path: path.name
)
def test_longer_files_are_refused(source: Path, tmp_path: Path) -> None:
    path = tmp_path / "weights"
    path.write_bytes(source.read_bytes() + b"\0")
    refusal(path)


CHANGES = st.lists(
    st.tuples(
        st.integers(0, 4000),
        st.integers(0, 3),
        st.one_of(
            st.binary(max_size=3),
            st.sampled_from(b"cq(tRbQeu.h\x81\x85\x93\x94\x95").map(lambda code: bytes([code])),
            st.sampled_from([b"\xff" * 4, b"\xff" * 8, b"cos\nsystem\n", b"-1", b'"', b"{", b"["]),
        ),
    ),
    min_size=1,
    max_size=4,
)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(source=st.sampled_from(WHOLE), changes=CHANGES, inside=st.booleans())
@example(source=WHOLE[0], changes=[(0, 0, b"")], inside=True)
def test_damage_is_an_error_of_ours(
    source: Path, changes: list[tuple[int, int, bytes]], inside: bool, tmp_path: Path
) -> None:
    """Or leaves arrays that are as large as it says; and it takes no time."""
    data = changed(source.read_bytes(), changes, inside)
    path = tmp_path / "weights"
    path.write_bytes(data)
    start = time.process_time()
    try:
        with open_weights(path) as tensors:
            for name in tensors:
                assert tensors.read(name).shape == tensors.entry(name).shape
    except WeightsError as error:
        assert str(error).isprintable()
    assert time.process_time() - start < 2


def changed(data: bytes, changes: list[tuple[int, int, bytes]], inside: bool) -> bytes:
    """The bytes with parts replaced; `inside` an archive's pickle or a header of right length."""

    def replaced(data: bytes) -> bytes:
        for place, count, new in changes:
            place %= len(data) + 1
            data = data[:place] + new + data[place + count :]
        return data

    if inside and data.startswith(b"PK"):
        stream = io.BytesIO()
        with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(stream, "w") as new:
            for entry in old.infolist():
                entry.CRC, content = 0, data[entry.header_offset :]
                start = 30 + sum(struct.unpack("<2H", content[26:30]))
                content = content[start : start + entry.file_size]
                if entry.filename.endswith(".pkl"):
                    content = replaced(content)
                new.writestr(zipfile.ZipInfo(entry.filename), content)
        return stream.getvalue()
    if inside and data[8:9] == b"{":
        (length,) = struct.unpack("<Q", data[:8])
        header = replaced(data[8 : 8 + length])
        return struct.pack("<Q", len(header)) + header + data[8 + length :]
    return replaced(data)


# Directories of archives.


@pytest.mark.parametrize(
    ("place", "new", "words"),
    [
        (8, b"\1", "compressed or encrypted"),
        (10, b"\x08", "compressed or encrypted"),
        (20, b"\1\0\0\x10\1\0\0\x10", "isn't where its zip directory says"),
        (24, b"\1", "isn't where its zip directory says"),
        (42, b"\1\0\0\0", "isn't where its zip directory says"),
        (42, b"\xff\xff\xff\x7f", "isn't where its zip directory says"),
    ],
)
def test_wrong_directories_are_refused(place: int, new: bytes, words: str, tmp_path: Path) -> None:
    """Each is wrong of the first record, the pickle. Source: APPNOTE.TXT, 4.3.12."""
    data = (FIXTURES / "unchecked.zip.pth").read_bytes()
    place += data.index(b"PK\1\2")
    path = tmp_path / "weights"
    path.write_bytes(data[:place] + new + data[place + len(new) :])
    assert words in refusal(path)


def test_a_record_has_a_header_of_its_own(tmp_path: Path) -> None:
    data = (FIXTURES / "unchecked.zip.pth").read_bytes()
    start = data.index(b"unchecked.zip/data/0") - 30
    assert data[start:].startswith(b"PK\3\4")
    path = tmp_path / "weights"
    path.write_bytes(data[:start] + b"PK\3\5" + data[start + 4 :])
    assert "`unchecked.zip/data/0` isn't where" in refusal(path)


def test_long_directories_are_not_read(tmp_path: Path) -> None:
    length = 1 << 25
    path = tmp_path / "weights"
    with open(path, "wb") as stream:
        stream.write(b"PK\3\4")
        stream.truncate(length)
        stream.seek(length)
        stream.write(struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 1, 1, length, 0, 0))
    assert "over 16,777,216 bytes" in refusal(path)


# Archives of 4 GB and more have their sizes in other places.


def test_zip64(tmp_path: Path) -> None:
    source = FIXTURES / "views.zip.pth"
    path = tmp_path / "weights"
    path.write_bytes(as_zip64(source.read_bytes()))
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
    arrays = read_all(path)
    for name, array in read_all(source).items():
        assert np.array_equal(arrays[name], array)


def as_zip64(data: bytes) -> bytes:
    """An archive with a directory as a large one has it. Source: APPNOTE.TXT, 4.3.12-16, 4.5.3."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        entries, start = archive.infolist(), archive.start_dir
    directory = b""
    for entry in entries:
        name = entry.filename.encode()
        extra = struct.pack(
            "<2H3Q", 1, 24, entry.file_size, entry.compress_size, entry.header_offset
        )
        directory += struct.pack(
            "<4s6H3L5H2L", b"PK\1\2", 45, 45, 0, 0, 0, 33, entry.CRC, 0xFFFFFFFF, 0xFFFFFFFF,
            len(name), len(extra), 0, 0, 0, 0, 0xFFFFFFFF,
        )  # fmt: skip
        directory += name + extra
    count, size = len(entries), len(directory)
    end = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, count, count, size, start)
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, start + size, 1)
    old_end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    return data[:start] + directory + end + locator + old_end
