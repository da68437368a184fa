"""`netdsl predict TARGET --weights FILE`: published weights on images from files."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from netdsl.main import run
from netdsl.settings import Settings
from netdsl.train.errors import RunRefused
from netdsl.train.pretrained import class_names
from netdsl.weights import write_safetensors

PROGRAM = """
network mean(classes = 3) {
  input image[4, 6, 3]
  globalavgpool
  fc: dense(classes)
}
network means = mean(3)

recipe first for mean {
  preprocess resize(6) -> center_crop(4x6) -> normalize((0.2, 0.3, 0.4), (0.5, 0.25, 1))
  classes    ["cat", "dog", "a long name"]
}
recipe plain for mean { epochs 3 }
recipe second for means {
  preprocess fit -> normalize(0.5, 0.5)
}
recipe raw for means { preprocess fit }
"""

WEIGHT = np.arange(9, dtype=np.float32).reshape(3, 3) / 4
BIAS = np.array([0.5, 0, -0.5], np.float32)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a program, weights as PyTorch keeps them, and a photograph."""
    monkeypatch.chdir(tmp_path)
    Path("mean.net").write_text(PROGRAM)
    write_safetensors("mean.safetensors", {"fc.weight": WEIGHT, "fc.bias": BIAS}, {})
    pixels = np.random.default_rng(0).integers(0, 256, (10, 17, 3), np.uint8)
    Image.fromarray(pixels).save("photo.png")
    return tmp_path


def predict(*arguments: str) -> int:
    return run(["predict", "mean.net:mean", "--weights", "mean.safetensors", *arguments])


def fails(capsys: pytest.CaptureFixture[str], code: int, *arguments: str) -> str:
    capsys.readouterr()
    assert run(["predict", *arguments]) == code
    out, error = capsys.readouterr()
    assert not out
    return error


def softmax(pixels: np.ndarray, mean: object, deviation: object) -> np.ndarray:
    normalised = (pixels / 255 - np.array(mean)) / np.array(deviation)
    logits = WEIGHT @ normalised.reshape(-1, 3).mean(axis=0) + BIAS
    return np.exp(logits) / np.exp(logits).sum()


def test_against_numpy(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Resized to 6 rows, cut, normalised, averaged, and multiplied with the file's weights."""
    resized = np.asarray(Image.open("photo.png").resize((10, 6), Image.Resampling.BILINEAR))
    expected = softmax(resized[1:5, 2:8], (0.2, 0.3, 0.4), (0.5, 0.25, 1))
    assert predict("photo.png", "photo.png", "--format", "json") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["network"], found["weights"]) == ("mean", "mean.safetensors")
    one, other = found["predictions"]
    assert one == other and one["image"] == "photo.png"
    classes = {each["class"]: each["probability"] for each in one["classes"]}
    assert classes == pytest.approx(
        dict(zip(("cat", "dog", "a long name"), expected, strict=True)), rel=1e-5
    )
    assert list(classes.values()) == sorted(classes.values(), reverse=True)


def test_shown_in_columns(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert predict("photo.png", "--preprocess", "fit -> normalize(0.9, 0.3)") == 0
    first, *rows = capsys.readouterr().out.splitlines()
    assert first == "photo.png" and len(rows) == 3
    assert {row[:13].strip() for row in rows} == {"cat", "dog", "a long name"}
    assert {len(row) for row in rows} == {len("  a long name   12.3 %")}
    assert sum(float(row[13:].rstrip(" %")) for row in rows) == pytest.approx(100, abs=0.2)


def test_classes_without_names_are_numbers(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = ["mean.net:means", "--weights", "mean.safetensors", "photo.png", "--recipe", "second"]
    assert run(["predict", *given, "--format", "json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)["predictions"]
    assert {each["class"] for each in found["classes"]} == {"0", "1", "2"}
    pixels = np.asarray(Image.open("photo.png").crop((1, 0, 16, 10)).resize((6, 4), 2))
    expected = softmax(pixels, 0.5, 0.5)
    assert found["classes"][0]["probability"] == pytest.approx(expected.max(), rel=1e-5)


def test_which_recipe(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Recipes without `preprocess` are not chosen from; what else is ambiguous is asked."""
    given = ("--weights", "mean.safetensors", "photo.png")
    said = fails(capsys, 2, "mean.net:means", *given)
    assert "--recipe first or --recipe second or --recipe raw" in said
    said = fails(capsys, 2, "mean.net:mean", *given, "--recipe", "plain")
    assert "for `mean`: its recipe `plain` lacks `preprocess`" in said
    assert "--preprocess 'resize(256)" in said
    said = fails(capsys, 2, "mean.net:means", *given, "--recipe", "raw")
    assert "`preprocess` must end with `normalize(mean, deviation)`" in said
    assert "did you mean `first`" in fails(capsys, 2, "mean.net:mean", *given, "--recipe", "frist")


def test_no_recipe(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("bare.net").write_text("network bare {\n  input x[12]\n  dense(2)\n}\n")
    said = fails(capsys, 2, "bare.net", "--weights", "mean.safetensors", "photo.png")
    assert "nothing says how images are prepared for `bare`: no recipe for it has" in said


def test_what_does_not_suit_the_network(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = ("mean.net:mean", "--weights", "mean.safetensors", "photo.png")
    said = fails(capsys, 2, *target, "--classes", '["a", "b"]')
    assert "`classes` has 2 names, but `mean` has 3 outputs" in said
    assert "`classes` has 1,000 names" in fails(capsys, 2, *target, "--classes", "imagenet")
    way = "resize(6x6) -> normalize(0.5, 0.5)"
    said = fails(capsys, 2, *target, "--preprocess", way)
    assert "`preprocess` makes images of 6x6, but `mean` takes 4x6" in said
    said = fails(capsys, 2, *target, "--preprocess", "fit -> normalize((0.5, 0.5), 1)")
    assert "is for 2 channels, but `mean` takes 3" in said
    said = fails(capsys, 1, *target, "--preprocess", "fit -> normalise(0.5, 0.5)")
    assert "--preprocess" in said and "did you mean `normalize`?" in said
    said = fails(capsys, 3, *target, "--set", "classes=4", "--classes", '["a", "b", "c", "d"]')
    assert "fc.weight" in said
    said = fails(capsys, 3, *target[:3], "mean.net")
    assert "`mean.net` is not an image that can be decoded" in said


def test_a_run_or_a_network(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each with what is its own."""
    said = fails(capsys, 2, "resnet50", "photo.png")
    assert "`resnet50` is a network; give its weights with --weights FILE" in said
    said = fails(capsys, 2, "runs/mean", "photo.png", "--preprocess", "fit")
    assert "--preprocess goes with --weights; a run has its own" in said
    given = ("mean.net:mean", "--weights", "mean.safetensors", "photo.png")
    assert "goes with a run" in fails(capsys, 2, *given, "--checkpoint", "latest")
    assert "none.pth" in fails(capsys, 3, "mean.net:mean", "--weights", "none.pth", "photo.png")


def test_names_of_imagenet() -> None:
    """In torchvision's order: some numbers that are widely known."""
    names = class_names(Settings(classes="imagenet"), "n", 1000)
    assert len(set(names)) == 1000
    known = {0: "tench", 207: "golden retriever", 281: "tabby", 388: "giant panda", 985: "daisy"}
    assert {number: names[number] for number in known} == known
    with pytest.raises(RunRefused, match="1,000 names, but `n` has 10 outputs"):
        class_names(Settings(classes="imagenet"), "n", 10)


def test_names_are_read_when_they_are_needed() -> None:
    program = (
        "import builtins, io, sys\n"
        "kept = io.open\n"
        "def watched(file, *rest, **named):\n"
        "    assert 'imagenet' not in str(file), file\n"
        "    return kept(file, *rest, **named)\n"
        "io.open = builtins.open = watched\n"
        "import netdsl.train.pretrained\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
