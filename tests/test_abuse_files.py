"""Files that are not what a command was promised: of all kinds (class 10), records of a run (14),
and archives and images (16). Weights (15) are in tests/test_weights_*.py too."""

from __future__ import annotations

import io
import json
import os
import resource
import signal
import socket
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from netdsl.data.images import DataError, read_image
from netdsl.data.read import read_data
from netdsl.main import run
from netdsl.train.errors import RunDamaged
from netdsl.train.folder import RunFolder
from netdsl.train.provenance import read_recorded, rebuild
from netdsl.weights.open import open_weights
from netdsl.weights.tensors import WeightsError
from tests.hostile import network


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder to work in, and an end to what waits for a pipe or fills the memory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NETDSL_TRACEBACK", "1")

    def end(number: int, frame: object) -> None:
        raise AssertionError("this waits for something")

    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (8 << 30, hard))
    before = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, 20, 1)
    yield tmp_path
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)
    resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


# ---------------------------------------------------------------- 10: what is no regular file

COMMANDS = {
    "check": ("check", "ODD.net"),
    "fmt": ("fmt", "ODD.net"),
    "lint": ("lint", "ODD.net"),
    "list": ("list", "ODD.net"),
    "cost": ("cost", "ODD.net"),
    "cost of one": ("cost", "ODD.net:net"),
    "diff before": ("diff", "ODD.net", "lenet5"),
    "diff after": ("diff", "lenet5", "ODD.net"),
    "compile": ("compile", "ODD.net"),
    "explain": ("explain", "ODD.net"),
    "train": ("train", "ODD.net", "--data", "digits", "--out", "run"),
    "data in a file": ("train", "lenet5", "--data", "ODD.npz", "--out", "run"),
    "data": ("train", "lenet5", "--data", "ODD", "--out", "run"),
    "eval": ("eval", "ODD"),
    "eval on": ("eval", "run", "--data", "ODD.npz"),
    "predict by": ("predict", "ODD", "image.png"),
    "predict": ("predict", "lenet5", "ODD.png", "--weights", "ODD.pth"),
    "import-model": ("import-model", "ODD.onnx"),
    "weights": ("weights", "import", "lenet5", "ODD.pth", "-o", "out.safetensors"),
}
"""Every command that reads a file or folder that it is given, with ODD for that."""

KINDS = (
    "pipe",
    "folder",
    "device",
    "circle",
    "socket",
    "missing",
    "bytes",
    "escape",
    "long",
    "lines",
)


def _make(kind: str, name: str) -> str:
    """Make such a file of a name; the name that it then has."""
    path = Path(name)
    match kind:
        case "pipe":
            os.mkfifo(path)
        case "folder":
            path.mkdir()
        case "device":
            path.symlink_to("/dev/zero")
        case "circle":
            path.symlink_to(path.name)
        case "socket":
            with socket.socket(socket.AF_UNIX) as listener:
                listener.bind(name)
        case "bytes":
            name = os.fsdecode(b"\xff\xfe") + name
            Path(name).write_bytes(b"\xff\xfe")
        case "escape":
            name = "\x1b]0;owned\x07\x1b[31m" + name
            Path(name).write_bytes(b"\x1b[31m\x00")
        case "lines":
            name = "a\n::error::\r" + name
            Path(name).write_text("\n::error::x\n")
        case "long":
            name = "a" * 3_000 + name
    return name


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("command", COMMANDS)
def test_what_is_no_file_of_the_kind(
    command: str, kind: str, capfd: pytest.CaptureFixture[str]
) -> None:
    arguments = []
    made: dict[str, str] = {}
    for each in COMMANDS[command]:
        name, colon, rest = each.partition(":")
        if name.startswith("ODD"):
            name = made.setdefault(name, "") or _make(kind, name)
            made[each.partition(":")[0]] = name
        arguments.append(name + colon + rest)
    code = run(arguments)
    out, err = capfd.readouterr()
    # A folder without programs is no mistake of the programs.
    assert code in (1, 2, 3), (code, err)
    assert err.strip() or out.strip()
    assert "Traceback" not in err and "\x1b" not in out + err and "\r" not in out + err
    assert len(out + err) < 20_000
    assert "::error::" not in [line[:9] for line in (out + err).splitlines()]


# ---------------------------------------------------------------- 14: records of a run

BOMBS = {
    "nested": b"[" * 100_000 + b"]" * 100_000,
    "nested objects": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "a long number": b"9" * 100_000,
    "a long number in its place": b'{"format": ' + b"9" * 100_000 + b"}",
    "not finite": b'{"format": NaN}',
    "a list": b"[]",
    "text": b'"x"',
    "bytes": b"\xff\xfe",
    "zeros": b"\0" * 1000,
    "empty": b"",
    "no values": b'{"format": 1}',
    "of other types": json.dumps(
        {"format": 1, "network": [], "recipe": 3, "data": None, "normalisation": {}, "versions": []}
    ).encode(),
}


@pytest.mark.parametrize("name", BOMBS)
def test_descriptions_of_runs(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    Path("run").mkdir()
    Path("run/run.json").write_bytes(BOMBS[name])
    with pytest.raises(RunDamaged):
        read_recorded(RunFolder(Path("run")))
    assert run(["eval", "run"]) in (2, 3)
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize("name", sorted(BOMBS.keys() - {"empty"}))
def test_metrics_of_runs(name: str) -> None:
    Path("run").mkdir()
    Path("run/metrics.jsonl").write_bytes(BOMBS[name] + b"\n")
    with pytest.raises(RunDamaged, match=r"metrics\.jsonl"):
        RunFolder(Path("run")).read_metrics()


@pytest.mark.parametrize("name", ["run.json", "metrics.jsonl"])
def test_records_that_are_no_files_or_without_an_end(name: str) -> None:
    Path("run").mkdir()
    folder = RunFolder(Path("run"))
    read = folder.description if name == "run.json" else folder.read_metrics
    path = Path("run") / name
    for kind in ("pipe", "device", "circle", "folder"):
        _make(kind, str(path))
        with pytest.raises(RunDamaged, match="can't be read"):
            read()
        path.rmdir() if kind == "folder" else path.unlink()
    with path.open("wb") as file:
        file.truncate(4 << 30)
    with pytest.raises(RunDamaged, match="more than"):
        read()


@pytest.mark.parametrize(
    "name", ["../outside.net", "/etc/passwd", "a/../../outside.net", "link.net"]
)
def test_a_run_reads_its_own_sources_only(name: str) -> None:
    Path("outside.net").write_text(network("relu"))
    Path("run/source").mkdir(parents=True)
    Path("run/source/link.net").symlink_to(Path("outside.net").resolve())
    recorded = _recorded(name)
    with pytest.raises(RunDamaged, match="outside it"):
        rebuild(RunFolder(Path("run")), recorded)


def _recorded(name: str):
    description = {
        "format": 1,
        "network": {"name": "net", "file": name, "settings": {}, "sources": {name: "0"}},
        "versions": {"netdsl": "0"},
        "data": {"name": "digits", "fingerprint": "", "classes": ["a", "b"]},
        "recipe": {
            "values": {"validation": 0.1, "batch": 2},
            "settings": {"preprocess": "fit"},
        },
        "normalisation": {"mean": [0.0], "deviation": [1.0]},
    }
    Path("run/run.json").write_text(json.dumps(description))
    return read_recorded(RunFolder(Path("run")))


def test_a_lock_that_leads_elsewhere() -> None:
    Path("other").write_text("x")
    Path("run").mkdir()
    Path("run/lock").symlink_to(Path("other").resolve())
    folder = RunFolder(Path("run"))
    with pytest.raises(RunDamaged, match="lock"):
        folder.hold(resume=False)
    assert Path("other").read_text() == "x"


# ---------------------------------------------------------------- 15: headers of weights


@pytest.mark.parametrize(
    "header",
    [
        b"[" * 50_000,
        b'{"a":' * 50_000,
        b'{"a":{"dtype":"F32","shape":[' + b"9" * 10_000 + b'],"data_offsets":[0,4]}}',
        b'{"a":{"dtype":"F32","shape":[1000000,1000000,1000000],"data_offsets":[0,4]}}',
        b'{"a":{"dtype":"F32","shape":[0,99999999999999999999],"data_offsets":[0,0]}}',
        b'{"a":{"dtype":"F32","shape":' + b"[" * 9_000 + b"]" * 9_000 + b',"data_offsets":[0,4]}}',
        b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},'
        b'"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}',
    ],
)
def test_headers_of_safetensors(header: bytes) -> None:
    Path("a.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + b"\0" * 4)
    with pytest.raises(WeightsError):
        open_weights("a.safetensors")


# ---------------------------------------------------------------- 16: archives and images


def _npy(shape: str, descr: str = "|u1", data: bytes = b"") -> bytes:
    header = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header) + 1) + header + b"\n" + data


def _archive(**members: bytes) -> None:
    with zipfile.ZipFile("data.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(f"{name}.npy", data)


LABELS = _npy("(2,)", data=b"\0\1")

ARRAYS = {
    "more bytes than there are": _npy("(2, 1000000, 1000000, 1000)"),
    "more bytes than can be counted": _npy("(9999999999999, 9999999999999, 9999999999)"),
    "a negative size": _npy("(-1, 8, 8)"),
    "a size that is no number": _npy("('x',)"),
    "code for a size": _npy("(__import__('os').system('touch owned'),)"),
    "nesting for a size": _npy("(" * 900 + ")" * 900),
    "objects": _npy("(2,)", "|O", b"cos\nsystem\n(S'touch owned'\ntR."),
    "cut": _npy("(2, 8, 8)", data=b"\0" * 100),
    "no array": b"x",
    "nothing": b"",
    "a pickle": b"cos\nsystem\n(S'touch owned'\ntR.",
}


@pytest.mark.parametrize("name", ARRAYS)
def test_arrays(name: str) -> None:
    _archive(images=ARRAYS[name], labels=LABELS)
    with pytest.raises(DataError):
        read_data("data.npz", 3)
    assert not Path("owned").exists()


def test_an_archive_that_says_less_than_it_holds() -> None:
    _archive(images=_npy("(2, 4000, 4000)", data=b"\0" * 32_000_000), labels=LABELS)
    data = bytearray(Path("data.npz").read_bytes())
    for signature, place in ((b"PK\1\2", 24), (b"PK\3\4", 22)):
        at = data.index(signature)
        data[at + place : at + place + 4] = struct.pack("<I", 10)
    Path("data.npz").write_bytes(data)
    with pytest.raises(DataError):
        read_data("data.npz", 3)


def test_members_of_an_archive_are_never_written() -> None:
    with zipfile.ZipFile("data.npz", "w") as archive:
        for name in ("../images.npy", "/tmp/labels.npy", "images.npy", "labels.npy"):
            archive.writestr(name, LABELS)
    before = set(os.listdir(".."))
    with pytest.raises(DataError):
        read_data("data.npz", 3)
    assert set(os.listdir("..")) == before and os.listdir(".") == ["data.npz"]


def _png(width: int, height: int, data: bytes) -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        check = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check)

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    )


def _gif_bomb() -> bytes:
    with io.BytesIO() as stream:
        Image.new("L", (8, 8)).save(stream, "GIF")
        data = bytearray(stream.getvalue())
    data[6:10] = struct.pack("<HH", 65_535, 65_535)
    return bytes(data)


IMAGES = {
    "wide.png": _png(2**31 - 1, 1, b""),
    "large.png": _png(100_000, 100_000, zlib.compress(b"\0" * 100_000)),
    "text.png": _png(8, 8, b"")[:33] + struct.pack(">I", 2**31 - 1) + b"zTXt",
    "empty.png": b"",
    "screen.gif": _gif_bomb(),
    "program.png": b"\x7fELF" + b"\0" * 100,
    "script.ppm": b"P6 99999999999999999999 99999999999999999999 255\n",
    "page.webp": b"RIFF\xff\xff\xff\xffWEBPVP8 ",
    "link.jpg": b"\xff\xd8\xff\xe0\xff\xff",
}


@pytest.mark.parametrize("name", IMAGES)
def test_images(name: str) -> None:
    Path(name).write_bytes(IMAGES[name])
    with pytest.raises(DataError):
        read_image(Path(name), 3)
    for label in ("a", "b"):
        Path("data", label).mkdir(parents=True)
        Image.new("L", (8, 8)).save(f"data/{label}/x.png")
    Path("data/a", name).write_bytes(IMAGES[name])
    try:
        dataset = read_data("data", 3)
    except DataError:
        return
    with pytest.raises(DataError):
        [dataset.train.images[index] for index in range(3)]


@pytest.mark.parametrize("kind", ["pipe", "device", "circle", "socket", "folder"])
def test_a_folder_of_images_with_what_is_none(kind: str) -> None:
    for label in ("a", "b"):
        Path("data", label).mkdir(parents=True)
        Image.new("L", (8, 8)).save(f"data/{label}/x.png")
    os.chdir("data/a")
    _make(kind, "odd.png")
    os.chdir("../..")
    with pytest.raises(DataError, match=r"odd\.png"):
        read_data("data", 3)
    with pytest.raises(DataError, match=r"odd\.png"):
        read_image(Path("data/a/odd.png"), 3)


def test_a_folder_that_holds_itself() -> None:
    Path("data").mkdir()
    Path("data/a").symlink_to("../data")
    Path("data/b").symlink_to("../data")
    with pytest.raises(DataError):
        read_data("data", 3)
