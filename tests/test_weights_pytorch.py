"""PyTorch's files of weights: those that it wrote, and hand-made ones that are wrong or hostile."""

from __future__ import annotations

import json
import os
import pickle
import struct
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest

from netdsl.weights import open_weights
from netdsl.weights.tensors import WeightsError

FIXTURES = Path(__file__).parent / "fixtures" / "weights"
EXPECTED = json.loads((FIXTURES / "expected.json").read_text("utf-8"))

CHECKPOINT_NOTES = (
    "the state_dict under `state_dict` was taken; left out: `epoch`, `arch`, `best_accuracy`, "
    "`optimizer`",
    "`module.`, which DataParallel put before every name, was taken off",
)


def read_all(path: Path) -> dict[str, np.ndarray]:
    with open_weights(path) as tensors:
        return {name: tensors.read(name) for name in tensors}


def refusal(path: Path) -> str:
    """Why a file is refused, on opening it or on reading its arrays."""
    with pytest.raises(WeightsError) as caught:
        read_all(path)
    message = str(caught.value)
    assert message.isprintable()
    return message


# What PyTorch itself wrote and read.


@pytest.mark.parametrize("file", EXPECTED)
def test_pytorch_reads_the_same(file: str) -> None:
    with open_weights(FIXTURES / file) as tensors:
        assert set(tensors) == set(EXPECTED[file])
        assert len(tensors) == len(EXPECTED[file])
        if file.endswith(".pth"):
            assert list(tensors) == list(EXPECTED[file])
        for name, (dtype, shape, data) in EXPECTED[file].items():
            entry, array = tensors.entry(name), tensors.read(name)
            assert entry == (name, dtype, tuple(shape))
            assert array.shape == entry.shape
            assert array.flags.c_contiguous and array.flags.writeable
            assert array.tobytes().hex() == data, name


@pytest.mark.parametrize("file", EXPECTED)
def test_notes(file: str) -> None:
    with open_weights(FIXTURES / file) as tensors:
        assert tensors.notes == (CHECKPOINT_NOTES if file.startswith("checkpoint") else ())
        assert tensors.metadata == ({"format": "pt"} if file.endswith(".safetensors") else {})
        assert tensors.path == str(FIXTURES / file)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("module", "it asks for `torch.nn.modules.linear.Linear`"),
        ("complex", "it asks for `torch.ComplexFloatStorage`"),
        ("sparse", "it asks for `torch._utils._rebuild_sparse_tensor`"),
        ("uint16", "it asks for `torch._utils._rebuild_tensor_v3`"),
        ("negated", "`a` stored conjugated or negated"),
        ("repeated", "`a`, whose 3 elements repeat the 1 of its storage"),
    ],
)
def test_what_is_no_plain_tensor_is_refused(name: str, words: str) -> None:
    assert words in refusal(FIXTURES / f"{name}.refused.pth")


def test_entries_are_known_before_data_are_read(tmp_path: Path) -> None:
    """A storage's damage shows once it is read, and only in what it holds."""
    data = (FIXTURES / "dtypes.zip.pth").read_bytes()
    changed = tmp_path / "changed.pth"
    place = data.index(np.array([1.5, -2.5], "<f4").tobytes())
    changed.write_bytes(data[:place] + b"\1" + data[place + 1 :])
    with open_weights(changed) as tensors:
        assert tensors.entry("parameter").shape == (2,)
        assert tensors.read("F64").dtype == np.float64
        with pytest.raises(WeightsError, match=r"`parameter` don't have the checksum"):
            tensors.read("parameter")


# Pickles made by hand, so that they can say what PyTorch never would.


def text(value: str) -> bytes:
    data = value.encode("utf-8", "surrogatepass")
    return b"X" + struct.pack("<I", len(data)) + data


def number(value: int) -> bytes:
    data = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8a" + bytes([len(data)]) + data


def group(*values: bytes) -> bytes:
    return b"(" + b"".join(values) + b"t"


def name(dotted: str) -> bytes:
    module, _, attribute = dotted.rpartition(".")
    return f"c{module}\n{attribute}\n".encode()


def table(values: Mapping[str, bytes]) -> bytes:
    return b"}(" + b"".join(text(key) + value for key, value in values.items()) + b"u"


def storage(
    elements: int = 6, kind: str = "torch.FloatStorage", key: str = "0", view: bytes = b"N"
) -> bytes:
    parts = text("storage"), name(kind), text(key), text("cpu"), number(elements), view
    return group(*parts) + b"Q"


def view(first: int, count: int) -> bytes:
    return group(text("view"), number(first), number(count))


def tensor(
    shape: tuple[int, ...] = (2, 3),
    strides: tuple[int, ...] = (3, 1),
    offset: int = 0,
    stored: bytes | None = None,
) -> bytes:
    sizes = (group(*map(number, values)) for values in (shape, strides))
    arguments = group(stored or storage(), number(offset), *sizes, b"\x89", b"N")
    return name("torch._utils._rebuild_tensor_v2") + arguments + b"R"


SIX = np.arange(6, dtype="<f4").tobytes()


def archive(path: Path, value: bytes, **records: bytes) -> Path:
    """A file in PyTorch's zip format."""
    with zipfile.ZipFile(path, "w") as stream:
        stream.writestr("any/data.pkl", b"\x80\2" + value + b".")
        for key, data in ({"data/0": SIX} | records).items():
            stream.writestr(f"any/{key}", data)
    return path


def pickles(path: Path, value: bytes, keys: object = ("0",), data: bytes = SIX) -> Path:
    """A file in PyTorch's format of consecutive pickles."""
    parts = [pickle.dumps(each, 2) for each in (0x1950A86A20F9469CFC6C, 1001, {})]
    parts.append(b"\x80\2" + value + b".")
    parts.append(pickle.dumps(list(keys) if isinstance(keys, tuple) else keys, 2))
    parts.append(struct.pack("<q", len(data) // 4) + data if keys else b"")
    path.write_bytes(b"".join(parts))
    return path


FORMATS = pytest.mark.parametrize("write", [archive, pickles])
Write = Callable[[Path, bytes], Path]


@FORMATS
def test_hand_made_files_are_read(write: Write, tmp_path: Path) -> None:
    arrays = read_all(write(tmp_path / "w", table({"a": tensor(), "b": tensor((3,), (2,), 1)})))
    assert arrays["a"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert arrays["b"].tolist() == [1, 3, 5]


@FORMATS
@pytest.mark.parametrize(
    ("value", "words"),
    [
        (table({"a": tensor((2, 3), (4, 1))}), "`a` reaches beyond the 6 elements"),
        (table({"a": tensor((2, 3), (3, 1), 1)}), "`a` reaches beyond the 6 elements"),
        (table({"a": tensor((7,), (1,))}), "`a` reaches beyond the 6 elements"),
        (table({"a": tensor((1 << 59, 1 << 59), (1, 1))}), "`a` reaches beyond the 6 elements"),
        (table({"a": tensor((1 << 59, 1 << 59), (0, 0))}), "elements repeat the 6"),
        (table({"a": tensor((2, 3), (3, -1), 2)}), "stride of `a` is no count"),
        (table({"a": tensor((-2, 3))}), "stride of `a` is no count"),
        (table({"a": tensor((2, 3), (3, 1), -1)}), "not made of"),
        (table({"a": tensor((6,), (1, 1))}), "`a` has 1 sizes and 2 strides"),
        (table({"a": tensor((1,) * 33, (1,) * 33)}), "`a` of 33 axes"),
        (
            table({"a": tensor(stored=storage(7))}),
            "7 elements of F32|7 elements in one|ends before",
        ),
        (table({"a": tensor(stored=storage(-1))}), "no storage"),
        (table({"a": tensor(stored=storage(1 << 70))}), "no storage"),
        (table({"a": tensor(stored=storage(key="1"))}), "no `data/1`|storages it lists"),
        (table({"a": tensor(stored=storage(kind="torch.QInt8Storage"))}), "torch.QInt8Storage"),
        (
            table({"a": tensor(), "b": tensor(stored=storage(kind="torch.IntStorage"))}),
            "in two ways",
        ),
        (table({"a": tensor(stored=storage(view=view(1, 6)))}), "a view beyond"),
        (table({"a": tensor(stored=storage(view=view(-1, 6)))}), "a view beyond"),
        (table({"a": tensor(stored=storage(view=view(1, 5)))}), "beyond the 5 elements"),
        (table({"a": tensor()}) + text("a") + tensor() + b"s", "two tensors of the name `a`"),
        (table({}), "has no tensors|storages it lists"),
        (table({"epoch": number(3)}), "has no tensors|storages it lists"),
        (tensor(), "holds a Tensor, not a state_dict"),
        (b"](" + tensor() + b"e", "holds a list, not a state_dict"),
        (b"}(" + number(1) + tensor() + b"u", "a tensor under a key of type int"),
        (b"}(" + text("\ud800") + tensor() + b"u", r"a tensor under `\ud800`"),
        (
            table({"model": table({"a": tensor()}), "ema": table({"a": tensor()})}),
            "more than one place: under `model`, under `ema`",
        ),
        (
            table({"a": tensor(), "extra": table({"b": tensor()})}),
            "more than one place: under `extra`, at the top",
        ),
    ],
)
def test_tables_that_fit_nothing_are_refused(
    write: Write, value: bytes, words: str, tmp_path: Path
) -> None:
    message = refusal(write(tmp_path / "w", value))
    assert any(each in message for each in words.split("|")), message


@FORMATS
@pytest.mark.parametrize(
    ("value", "names", "notes"),
    [
        (table({"model": table({"a": tensor()})}), ["a"], ["under `model` was taken"]),
        (
            table({"model_state": table({"a": tensor()}), "best": tensor()}),
            ["a"],
            ["under `model_state` was taken; left out: `best`"],
        ),
        (table({"a": tensor(), "version": number(2)}), ["a"], ["no tensors: `version` (int)"]),
        (table({"module.a": tensor(), "b": tensor()}), ["module.a", "b"], []),
        (table({"module.a": tensor(), "module.b": tensor()}), ["a", "b"], ["DataParallel"]),
    ],
)
def test_what_is_taken_is_said(
    write: Write, value: bytes, names: list[str], notes: list[str], tmp_path: Path
) -> None:
    with open_weights(write(tmp_path / "w", value)) as tensors:
        assert list(tensors) == names
        assert len(tensors.notes) == len(notes)
        for note, words in zip(tensors.notes, notes, strict=True):
            assert words in note


def test_storages_are_listed_once_with_their_elements(tmp_path: Path) -> None:
    value = table({"a": tensor()})
    assert "the storage `0` twice" in refusal(pickles(tmp_path / "w", value, ("0", "0")))
    assert "storages it lists" in refusal(pickles(tmp_path / "w", value, ("0", 1)))
    assert "storages it lists" in refusal(pickles(tmp_path / "w", value, "0"))
    path = pickles(tmp_path / "w", value)
    count = struct.pack("<q", 6)
    path.write_bytes(path.read_bytes().replace(count + SIX, struct.pack("<q", -5) + SIX))
    assert "-5 elements in one place and 6 in another" in refusal(path)


def test_archives_are_checked_before_their_pickle_is_read(tmp_path: Path) -> None:
    value = table({"a": tensor()})
    assert "is neither `little` nor `big`" in refusal(
        archive(tmp_path / "w", value, byteorder=b"middle")
    )
    assert "16,777,220 bytes of `data.pkl`; at most 16,777,216" in refusal(
        archive(tmp_path / "w", value=b"N" * ((1 << 24) + 1))
    )
    path = archive(tmp_path / "w", value)
    path.write_bytes(path.read_bytes().replace(text("a"), text("b"), 1))
    assert "the bytes of `data.pkl` don't have the checksum" in refusal(path)


# Pickles that would run something, if anything did.

COMMAND = text("touch executed")
HOSTILE = {
    "os.system": name("os.system") + group(COMMAND) + b"R",
    "posix.system": name("posix.system") + group(COMMAND) + b"R",
    "builtins.eval": name("builtins.eval") + group(text("open('executed', 'w')")) + b"R",
    "builtins.exec": b"\x8c\x08builtins\x8c\x04exec\x93" + group(text("1")) + b"R",
    "builtins.getattr": name("builtins.getattr") + group(b"N", text("a")) + b"R",
    "torch.load": name("torch.load") + group(text("executed")) + b"R",
    "torch.storage._load_from_bytes": name("torch.storage._load_from_bytes"),
    "torch._utils._rebuild_tensor_v3": name("torch._utils._rebuild_tensor_v3"),
    "numpy.core.multiarray.scalar": name("numpy.core.multiarray.scalar"),
    "collections.OrderedDict.fromkeys": b"\x8c\x0bcollections\x8c\x14OrderedDict.fromkeys\x93",
    "os.popen": b"(" + COMMAND + b"ios\npopen\n",
    r"os.\x1b[2J": name("os.\x1b[2J"),
    "instruction OBJ": b"(" + name("torch.Size") + COMMAND + b"o",
    "instruction NEWOBJ": name("torch.Size") + group(COMMAND) + b"\x81",
    "instruction NEWOBJ_EX": name("torch.Size") + group(COMMAND) + b"}\x92",
    "instruction EXT1": b"\x82\1",
    "instruction EXT2": b"\x83\1\0",
    "instruction EXT4": b"\x84\1\0\0\0",
    "instruction PERSID": b"Pexecuted\n",
    "instruction DUP": b"N2",
    "instruction LONG4": b"\x8b\1\0\0\0\1",
    "instruction BINBYTES8": b"\x8e" + b"\xff" * 8,
    "instruction BYTEARRAY8": b"\x96" + b"\xff" * 8,
    "calls `torch.FloatStorage`": name("torch.FloatStorage") + b")R",
    "calls a str": COMMAND + b")R",
    "arguments of `torch.Size` are a str": name("torch.Size") + COMMAND + b"R",
    "sets attributes of a str": COMMAND + table({"__setstate__": COMMAND}) + b"b",
    "sets attributes of a class": name("torch.Size") + table({"__call__": COMMAND}) + b"b",
    "data that are no storage": group(
        text("module"), name("torch.Size"), text("f"), text("s"), b"K\1"
    )
    + b"Q",
    "a persistent id are a str": COMMAND + b"Q",
    "uses a value that it doesn't have": COMMAND + b"(\x85",
    "uses a mark that it doesn't have": b"t" * 9,
    "no value 7 to use again": b"h\7",
}


@FORMATS
@pytest.mark.parametrize("words", HOSTILE)
def test_hostile_pickles_are_refused_by_name(write: Write, words: str, tmp_path: Path) -> None:
    """Even where a sound state_dict comes first."""
    value = table({"a": tensor()}) + text("b") + HOSTILE[words] + b"s"
    assert words in refusal(write(tmp_path / "w", value))


WATCH = """
import sys
from pathlib import Path
from netdsl.weights import open_weights
from netdsl.weights.tensors import WeightsError

import encodings.cp437, encodings.unicode_escape  # which zipfile and messages need

seen = []
armed = False
HARMLESS = ("open", "os.listdir", "object.__getattr__")

def watch(event, arguments):
    if armed and event not in HARMLESS:
        seen.append((event, str(arguments)[:99]))

sys.addaudithook(watch)
for path in sorted(Path().iterdir()):
    armed = True
    try:
        open_weights(path).close()
    except WeightsError:
        pass
    armed = False
print(seen)
"""


def test_nothing_is_executed(tmp_path: Path) -> None:
    """No import, no lookup of a class, no call of the system: asked of Python's own audit."""
    for index, value in enumerate(HOSTILE.values()):
        archive(tmp_path / f"{index}.zip", value)
        pickles(tmp_path / f"{index}.pickles", value)
    process = subprocess.run(
        [sys.executable, "-c", WATCH],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert process.stdout.strip() == "[]", process.stdout + process.stderr
    assert not (tmp_path / "executed").exists()


def test_the_watch_sees_an_execution(tmp_path: Path) -> None:
    hostile = WATCH.replace("open_weights(path).close()", "pickle.load(path.open('rb'))")
    (tmp_path / "w").write_bytes(b"\x80\2" + HOSTILE["os.system"] + b".")
    process = subprocess.run(
        [sys.executable, "-c", f"import pickle\n{hostile}"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "pickle.find_class" in process.stdout
    assert (tmp_path / "executed").exists()


LONG = b"(" + b"K\1" * 50_000
BOMBS = {
    "a million instructions": b"N" * 1_000_001,
    "deep tuples": b")" + b"\x85" * 200_000,
    "deep lists": b"]" * 100_000 + b"a" * 99_999,
    "deep dicts": (b"}" + text("a")) * 100_000 + b"N" + b"s" * 100_000,
    "a list in itself": b"]q\0h\0a",
    "a dict in itself": b"}q\0" + text("a") + b"h\0s",
    "a far place in the memo": b"Nr\xff\xff\xff\xff",
    "a long text": b"X\xff\xff\xff\xff",
    "a long frame": b"\x95" + b"\xff" * 8 + b"N",
    "a long tuple as sizes, often": name("torch._utils._rebuild_tensor")
    + (b"q\1" + storage() + b"q\2" + LONG + b"tq\0(" + b"h\1(h\2K\0h\0h\0tR" * 30_000 + b"t"),
    "a long tuple as arguments, often": name("torch._utils._rebuild_tensor")
    + (b"q\1(" + storage() + b"K\0))" + LONG[1:] + b"tq\0(" + b"h\1h\0R" * 30_000 + b"t"),
    "a long tuple as an id, often": LONG + b"tq\0(" + b"h\0Q" * 30_000 + b"t",
    "a long dict, often": b"}" + LONG + b"uq\0}(" + b"K\1h\0" * 30_000 + b"u",
    "a long list as a dict, often": name("collections.OrderedDict")
    + (b"q\1](" + b"K\1K\2\x86" * 50_000 + b"eq\0}(" + b"K\1h\1h\0\x85R" * 30_000 + b"u"),
}


@pytest.mark.parametrize("name", BOMBS)
def test_small_pickles_ask_for_little(name: str, tmp_path: Path) -> None:
    path = pickles(tmp_path / "w", BOMBS[name], ())
    start = time.process_time()
    message = refusal(path)
    assert time.process_time() - start < 5
    assert len(message) < 1000
    assert ("over 1,000,000 instructions" in message) == (name == "a million instructions")
