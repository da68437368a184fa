"""safetensors, compared with the format's own library, and held to each of its rules."""

from __future__ import annotations

import json
import os
import struct
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
import safetensors
import safetensors.numpy
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from netdsl.weights import open_weights, write_safetensors
from netdsl.weights.safetensors_file import narrowed
from netdsl.weights.tensors import WeightsError, widened

DTYPES = ["f8", "f4", "f2", "i8", "i4", "i2", "i1", "u8", "u4", "u2", "u1", "?"]

ARRAYS = {
    "b.weight": np.arange(12, dtype="f4").reshape(3, 4),
    "a.count": np.array(7, "i8"),
    "a.mask": np.array([True, False, True]),
    "empty": np.zeros((0, 3), "f2"),
    'π "quoted" \\ \t\x7f\x01': np.array([-1.5], "f8"),
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "w.safetensors"


def equal(left: dict[str, np.ndarray], right: dict[str, np.ndarray]) -> bool:
    return left.keys() == right.keys() and all(
        left[name].dtype == right[name].dtype
        and left[name].shape == right[name].shape
        and left[name].tobytes() == right[name].tobytes()
        for name in left
    )


def read_all(path: Path) -> dict[str, np.ndarray]:
    with open_weights(path) as tensors:
        return {name: tensors.read(name) for name in tensors}


def refusal(path: Path) -> str:
    with pytest.raises(WeightsError) as caught:
        read_all(path)
    message = str(caught.value)
    assert message.isprintable() and str(path) in message
    return message


# The format's own library.


@pytest.mark.parametrize("metadata", [{}, {"format": "pt"}])
def test_the_library_writes_the_same_bytes(path: Path, metadata: dict[str, str]) -> None:
    write_safetensors(path, ARRAYS, metadata)
    assert path.read_bytes() == safetensors.numpy.save(ARRAYS, metadata or None)
    with open_weights(path) as tensors:
        assert tensors.metadata == metadata
        assert tensors.notes == ()


TABLES = st.dictionaries(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
    st.sampled_from(DTYPES).flatmap(
        lambda dtype: arrays_of.arrays(dtype, arrays_of.array_shapes(min_dims=0, max_side=3))
    ),
    max_size=5,
)


@given(table=TABLES)
def test_the_library_agrees(
    table: dict[str, np.ndarray], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "w.safetensors"
    write_safetensors(path, table, {})
    assert equal(safetensors.numpy.load_file(path), table)
    path.write_bytes(safetensors.numpy.save(table))
    assert equal(read_all(path), table)


def test_views_are_written_in_order(path: Path) -> None:
    base = np.arange(24, dtype="f4").reshape(2, 3, 4)
    views = {"turned": base.T, "part": base[:, 1, ::2], "big_endian": base.astype(">f4")}
    write_safetensors(path, views, {})
    assert equal(safetensors.numpy.load_file(path), {n: v.astype("f4") for n, v in views.items()})


def test_equal_arrays_give_equal_bytes(path: Path) -> None:
    metadata = {"b": "1", "a": "2", "c": "3"}
    write_safetensors(path, ARRAYS, metadata)
    first = path.read_bytes()
    write_safetensors(
        path, dict(reversed(ARRAYS.items())), dict(sorted(metadata.items(), reverse=True))
    )
    assert path.read_bytes() == first


# bfloat16 and float16, compared with what JAX counts with.


def bits() -> np.ndarray:
    """float32s: all signs and exponents, with the mantissas at which rounding turns, and any."""
    mantissas = [0, 1, 0x7FFF, 0x8000, 0x8001, 0xFFFF, 0x17FFF, 0x18000, 0x18001, 0x7FFFFF]
    corners = np.add.outer(np.arange(512, dtype=np.uint32) << 23, np.array(mantissas, np.uint32))
    random = np.random.default_rng(0).integers(0, 1 << 32, 100_000, np.uint32)
    return np.concatenate([corners.ravel(), random]).view(np.float32)


def test_bfloat16_is_rounded_as_everywhere() -> None:
    values = bits()
    with np.errstate(all="ignore"):
        expected = values.astype(ml_dtypes.bfloat16)
    ours = narrowed(values).view(ml_dtypes.bfloat16)
    nan = np.isnan(values)
    assert np.array_equal(ours[~nan].view(np.uint16), expected[~nan].view(np.uint16))
    assert np.isnan(ours[nan].astype(np.float32)).all()


def test_bfloat16_is_widened_exactly() -> None:
    every = np.arange(1 << 16, dtype=np.uint16)
    expected = every.view(ml_dtypes.bfloat16).astype(np.float32)
    nan = np.isnan(expected)
    assert np.array_equal(widened(every)[~nan], expected[~nan])
    assert np.isnan(widened(every)[nan]).all()
    assert np.array_equal(narrowed(widened(every)[~nan]), every[~nan])


def test_half_sized_floats(path: Path) -> None:
    values = np.array([0.1, -2.0, np.inf, np.nan, 1e-9], "f4")
    write_safetensors(
        path, {"a": values, "b": values, "c": values}, {}, {"a": "BF16", "b": "F16", "c": "F32"}
    )
    with open_weights(path) as tensors:
        assert [tensors.entry(name).dtype for name in "abc"] == ["BF16", "F16", "F32"]
        assert tensors.read("a").dtype == np.float32
        assert np.array_equal(
            tensors.read("a"),
            values.astype(ml_dtypes.bfloat16).astype("f4"),
            equal_nan=True,
        )
        assert np.array_equal(tensors.read("b"), values.astype("f2"), equal_nan=True)
        again = {name: tensors.read(name) for name in tensors}
    copy = path.with_name("copy")
    write_safetensors(copy, again, {}, {"a": "BF16"})
    assert copy.read_bytes() == path.read_bytes()


@pytest.mark.parametrize(("dtype", "value"), [("F16", 65520.0), ("BF16", -3.4e38)])
def test_what_would_become_infinite_is_refused(path: Path, dtype: str, value: float) -> None:
    with pytest.raises(WeightsError, match=f"`a` has numbers too large for {dtype}"):
        write_safetensors(path, {"a": np.array([1, value], "f4")}, {}, {"a": dtype})
    assert list(path.parent.iterdir()) == []


@pytest.mark.parametrize(
    ("array", "dtypes", "words"),
    [
        (np.array([1j]), {}, "complex128"),
        (np.array(["a"]), {}, "<U1"),
        (np.array([None]), {}, "object"),
        (np.array([1]), {"a": "BF16"}, "int64, which can't be written as BF16"),
        (np.array([1.0]), {"a": "F32"}, "float64, which can't be written as F32"),
        (np.array([1.0], "f4"), {"a": "F8"}, "F8"),
    ],
)
def test_other_dtypes_are_not_written(
    path: Path, array: np.ndarray, dtypes: dict[str, str], words: str
) -> None:
    with pytest.raises(WeightsError, match=words):
        write_safetensors(path, {"a": array}, {}, dtypes)
    assert not path.exists()


@pytest.mark.parametrize("name", ["__metadata__", "\ud800"])
def test_names_that_the_format_lacks_are_not_written(path: Path, name: str) -> None:
    with pytest.raises(WeightsError, match="no array can be written under"):
        write_safetensors(path, {name: np.zeros(1)}, {})


# Places.


def test_a_file_is_replaced_whole_or_not(path: Path) -> None:
    write_safetensors(path, ARRAYS, {})
    before = path.read_bytes()
    with pytest.raises(WeightsError):
        write_safetensors(path, {"a": np.array([1e9], "f4")}, {}, {"a": "F16"})
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [path.name]
    with open_weights(path) as tensors:
        write_safetensors(path, {"new": np.zeros(3)}, {})
        assert np.array_equal(tensors.read("b.weight"), ARRAYS["b.weight"])
    assert list(read_all(path)) == ["new"]


def test_places_that_can_not_be_written(tmp_path: Path) -> None:
    for place in (tmp_path / "missing" / "w", tmp_path):
        with pytest.raises(WeightsError, match="can't be written"):
            write_safetensors(place, ARRAYS, {})
    assert list(tmp_path.iterdir()) == []


# Rules.


def written(path: Path, header: bytes, data: bytes = bytes(8)) -> Path:
    path.write_bytes(struct.pack("<Q", len(header)) + header + data)
    return path


def entry(dtype: object = "F32", shape: object = (2,), offsets: object = (0, 8)) -> str:
    return json.dumps({"dtype": dtype, "shape": shape, "data_offsets": offsets})


def test_a_sound_header(path: Path) -> None:
    assert list(read_all(written(path, f'{{"a":{entry()}}}  '.encode()))) == ["a"]


@pytest.mark.parametrize(
    ("header", "words"),
    [
        (f'{{"a":{entry()},"a":{entry()}}}', "the key `a` twice"),
        (f'{{"a":{entry()},"\\u0061":{entry()}}}', "the key `a` twice"),
        ('{"a":{"dtype":"F32","dtype":"F32","shape":[2],"data_offsets":[0,8]}}', "`dtype` twice"),
        ('{"__metadata__":{"a":"1","a":"2"}}', "the key `a` twice"),
        (f'{{"a":{entry()},"__metadata__":{{"a":1}}}}', "`__metadata__` is not a table of texts"),
        (f'{{"a":{entry()},"__metadata__":[]}}', "`__metadata__` is not a table of texts"),
        (f'{{"a":{entry()}', "no JSON"),
        (f'{{"a":{entry()}}} x', "no JSON"),
        ('{"a":' * 100_000, "no JSON"),
        ('{"a":' + "[" * 100_000, "no JSON"),
        ('{"a":' + "9" * 5000 + "}", "no JSON"),
        ('{"a":1}', "`a` has other fields"),
        ('{"a":{"dtype":"F32","shape":[2]}}', "`a` has other fields"),
        (f'{{"a":{entry()[:-1]},"x":1}}}}', "`a` has other fields"),
        (f'{{"\\ud800":{entry()}}}', r"the name `\\ud800` is no text"),
        (f'{{"\\u001b[2J":{entry("F8_E4M3")}}}', r"`\\x1b\[2J` is of dtype `F8_E4M3`"),
        (f'{{"a":{entry(7)}}}', "the dtype of `a` is no text"),
        (f'{{"a":{entry("f32")}}}', "`a` is of dtype `f32`"),
        (f'{{"a":{entry(shape=2)}}}', "the shape of `a`"),
        (f'{{"a":{entry(shape=[2.0])}}}', "the shape of `a`"),
        (f'{{"a":{entry(shape=[True, 2])}}}', "the shape of `a`"),
        (f'{{"a":{entry(shape=[-1, -2])}}}', "the shape of `a`"),
        (f'{{"a":{entry(shape=[1] * 33)}}}', "the shape of `a`"),
        (f'{{"a":{entry(shape=[1 << 64, 0])}}}', "the shape of `a`"),
        (f'{{"a":{entry(offsets=[0, 4, 8])}}}', "the data_offsets of `a`"),
        (f'{{"a":{entry(offsets=[-8, 0])}}}', "the data_offsets of `a`"),
        (f'{{"a":{entry(offsets=[8, 0])}}}', "`a` has -8 bytes, not the 8"),
        (f'{{"a":{entry(shape=[3])}}}', "`a` has 8 bytes, not the 12"),
        # 2^62 times 4 bytes is 0 in 64 bits.
        (f'{{"a":{entry(shape=[1 << 31, 1 << 31], offsets=[0, 0])}}}', "`a` has 0 bytes, not the"),
        (f'{{"a":{entry(shape=[3], offsets=[0, 12])}}}', "cut off before the end of `a`"),
        (f'{{"a":{entry(shape=[1], offsets=[0, 4])}}}', "4 bytes after the last array"),
        (f'{{"a":{entry(shape=[1], offsets=[4, 8])}}}', "4 bytes before `a` belong to no array"),
        (f'{{"a":{entry()},"b":{entry()}}}', "`b` overlaps"),
        (
            f'{{"a":{entry()},"b":{entry(shape=[1], offsets=[2, 6])}}}',
            "`b` overlaps",
        ),
        ("{}", "8 bytes after the last array"),
    ],
)
def test_headers_against_the_rules_are_refused(path: Path, header: str, words: str) -> None:
    written(path, header.encode())
    with pytest.raises(WeightsError, match=words):
        open_weights(path)


def test_lengths_against_the_rules_are_refused(path: Path) -> None:
    path.write_bytes(struct.pack("<Q", 1000) + b"{}")
    assert "cut off within its header" in refusal(path)
    path.write_bytes(struct.pack("<Q", 100_000_001) + b"{}")
    assert "over the limit of 100,000,000" in refusal(path)
    path.write_bytes(struct.pack("<Q", (1 << 64) - 1) + b"{}")
    assert "over the limit" in refusal(path)
    written(path, b"{\xff}")
    assert "no JSON" in refusal(path)


def test_bools_are_zero_or_one(path: Path) -> None:
    written(path, f'{{"a":{entry("BOOL", [2], [0, 2])}}}'.encode(), b"\1\2")
    assert "bytes other than 0 and 1" in refusal(path)


def test_no_arrays(path: Path) -> None:
    write_safetensors(path, {}, {})
    assert read_all(path) == {}
    assert path.read_bytes() == safetensors.numpy.save({})
