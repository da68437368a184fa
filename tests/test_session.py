"""`netdsl train`, `eval` and `predict`, from a program's text to a run's folder and back."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from netdsl.main import run
from netdsl.train.folder import RunFolder
from netdsl.train.trained import Trained

BLOCKS = """block head(classes) {
  flatten
  dense(classes)
}
"""

PROGRAM = """import head from "blocks.net"

network tiny(classes = 3) {
  input image[8, 8, 1]
  conv(4, 3x3) -> bn -> relu
  aux(weight = 0.3) { globalavgpool -> dense(classes) }
  dropout(0.1)
  head(classes)
}

recipe quick for tiny {
  optimizer adam(1e-2)
  epochs 2
  batch 8
  augment random_shift(1)
}

recipe transfer for tiny {
  weights "other.safetensors" except top
  optimizer adam(1e-3)
}
"""


def squares(path: Path, count: int = 30, classes: int = 3) -> str:
    """Noise with a bright square at the place of its class, as `.npz`."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 60, (count, 8, 8), np.uint8)
    labels = np.arange(count) % classes
    for image, label in zip(images, labels, strict=True):
        image[2 * label : 2 * label + 3, 2 * label : 2 * label + 3] = 220
    np.savez(path, images=images, labels=labels)
    return str(path)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a program and data, as the current one, and one run in it."""
    folder = tmp_path_factory.mktemp("place")
    (folder / "tiny.net").write_text(PROGRAM)
    (folder / "blocks.net").write_text(BLOCKS)
    squares(folder / "squares.npz")
    before = Path.cwd()
    os.chdir(folder)
    code = run(["train", "tiny.net", "--recipe", "quick", "--data", "squares.npz", "--out", "run"])
    assert code == 0
    yield folder
    os.chdir(before)


def trained(place: Path, name: str) -> Path:
    """A copy of the run, to do something to."""
    copy = place / name
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(place / "run", copy)
    return copy


def fails(capsys: pytest.CaptureFixture[str], code: int, *arguments: str) -> str:
    """Run a command that must fail with a code; what it says."""
    capsys.readouterr()
    assert run(list(arguments)) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    return captured.err


# ---------------------------------------------------------------- a run


def test_what_a_run_leaves(place: Path) -> None:
    names = sorted(path.name for path in (place / "run").iterdir())
    assert names == ["checkpoints", "curves.png", "lock", "metrics.jsonl", "run.json", "source"]
    assert (place / "run/source/tiny.net").read_text() == PROGRAM
    assert (place / "run/source/blocks.net").read_text() == BLOCKS
    description = json.loads((place / "run/run.json").read_text())
    assert description["recipe"]["values"]["optimizer"]["adam"]["rate"] == 0.01
    assert description["recipe"]["settings"]["augment"] == "random_shift(pixels = 1)"
    assert description["data"]["classes"] == ["0", "1", "2"]
    assert description["data"]["validation_images"] == 6
    assert len(RunFolder(place / "run").read_metrics()) == 2


def test_defaults_are_said(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "plain.net").write_text(
        "network plain {\n input image[8, 8, 1]\n flatten\n dense(3)\n}"
    )
    assert (
        run(["train", "plain.net", "--data", "squares.npz", "--epochs", "1", "--batch", "8"]) == 0
    )
    captured = capsys.readouterr()
    assert "optimizer  adam(rate = 0.001)  (default)" in captured.err
    assert "epochs     1\n" in captured.err
    assert "plain, 195 parameters" in captured.err
    assert captured.out.startswith("held-out accuracy ")
    assert (place / "runs/plain/run.json").exists()


def test_going_on_longer(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["train", "tiny.net", "--recipe", "quick", "--data", "squares.npz"]
    assert run([*arguments, "--epochs", "3", "--out", "straight"]) == 0
    longer = trained(place, "longer")
    assert run([*arguments, "--epochs", "3", "--out", "longer", "--resume"]) == 0
    assert "going on after step 6" in capsys.readouterr().err
    timed = ("wall_s", "images_per_s")
    one, other = (
        [{k: v for k, v in r.items() if k not in timed} for r in RunFolder(path).read_metrics()]
        for path in (place / "straight", longer)
    )
    assert one == other
    assert json.loads((longer / "run.json").read_text())["recipe"]["values"]["epochs"] == 3


def test_ctrl_c_saves_the_run(place: Path) -> None:
    command = [sys.executable, "-m", "netdsl", "train", "tiny.net", "--recipe", "quick"]
    command += ["--data", "squares.npz", "--epochs", "100000", "--out", "stopped"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        metrics = place / "stopped/metrics.jsonl"
        for _ in range(600):
            if metrics.exists() and metrics.stat().st_size:
                break
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert b"is saved; go on with --resume" in err
    assert b"Traceback" not in err
    steps = [int(path.name) for path in (place / "stopped/checkpoints").iterdir()]
    assert f"after step {max(steps)} of" in err.decode()


# ---------------------------------------------------------------- refusals

QUICK = ("--recipe", "quick", "--data", "squares.npz", "--out")


def test_a_folder_in_use(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = fails(capsys, 2, "train", "tiny.net", *QUICK, "run")
    assert "`run` is not empty: go on with --resume" in said


def test_resuming_nothing(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = fails(capsys, 2, "train", "tiny.net", *QUICK, "fresh", "--resume")
    assert "no run to go on with" in said


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        (("--batch", "4"), "it was begun with batch 8, not 4"),
        (("--epochs", "1"), "it was begun with epochs 2, not 1"),
        (("--optimizer", "adam(0.0100000001)"), "it was begun with optimizer adam(rate = 0.01)"),
        (("--augment", "none"), "augment random_shift(pixels = 1), not none"),
        (("--data", "others.npz"), "the images of squares.npz were others"),
    ],
)
def test_resuming_another_run(
    place: Path, capsys: pytest.CaptureFixture[str], changes: tuple[str, ...], says: str
) -> None:
    squares(place / "others.npz", count=33)
    said = fails(capsys, 2, "train", "tiny.net", *QUICK, "run", "--resume", *changes)
    assert says in said


def test_resuming_another_network(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "wider.net").write_text(PROGRAM.replace("conv(4", "conv(5"))
    said = fails(capsys, 2, "train", "wider.net", *QUICK, "run", "--resume")
    assert "its network was another" in said


def test_a_comment_is_not_another_network(place: Path) -> None:
    trained(place, "commented")
    (place / "commented.net").write_text("# A remark.\n" + PROGRAM)
    assert run(["train", "commented.net", *QUICK, "commented", "--resume"]) == 0


def test_no_data(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = fails(capsys, 2, "train", "tiny.net", "--recipe", "quick")
    assert "what to train on is not said: use --data" in said


def test_class_counts(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    squares(place / "two.npz", classes=2)
    said = fails(capsys, 2, "train", "tiny.net", "--recipe", "quick", "--data", "two.npz")
    assert "`two.npz` has 2 classes, but `tiny` has 3 outputs; add --set classes=2" in said


def test_a_crop_of_another_size(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = fails(capsys, 2, "train", "tiny.net", *QUICK, "cropped", "--augment", "random_crop(9)")
    assert "`random_crop` makes images of 9x9, but the network takes 8x8" in said
    assert not (place / "cropped").exists()


def test_what_is_not_supported_is_shown_in_the_program(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = fails(capsys, 1, "train", "tiny.net", "--recipe", "transfer", "--data", "squares.npz")
    assert "error[setting-unsupported]" in said
    assert 'weights "other.safetensors" except top' in said


def test_several_recipes(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = fails(capsys, 2, "train", "tiny.net", "--data", "squares.npz")
    assert "--recipe quick or --recipe transfer" in said


def test_a_mistake_on_the_command_line(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = fails(capsys, 1, "train", "tiny.net", *QUICK, "x", "--optimizer", "adm(1)")
    assert "error[unknown-optimizer]" in said and "did you mean `adam`?" in said


def test_a_target_that_is_missed(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trained(place, "target")
    assert run(["train", "tiny.net", *QUICK, "target", "--resume", "--at-least", "1"]) in (0, 1)
    accuracy = RunFolder(place / "target").read_metrics()[-1]["validation_accuracy"]
    said = capsys.readouterr().err
    assert ("held-out accuracy is below 100.00 %" in said) == (accuracy < 1)


# ---------------------------------------------------------------- using a run


def test_eval(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["eval", "run", "--checkpoint", "latest", "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    last = RunFolder(place / "run").read_metrics()[-1]
    assert found["accuracy"] == last["validation_accuracy"]
    assert found["loss"] == pytest.approx(last["validation_loss"], rel=1e-5)
    assert found["on"] == "6 held-out images of squares.npz"
    assert np.sum(found["confusion"]) == 6
    assert [each["images"] for each in found["classes"]] == [2, 2, 2]
    assert run(["eval", "run"]) == 0
    assert "6 held-out images of squares.npz" in capsys.readouterr().out


def test_eval_on_other_data(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Classes go by their names, whatever their order."""
    with np.load(place / "squares.npz") as arrays:
        images, labels = arrays["images"], arrays["labels"]
    backwards = np.array(["2", "1", "0"])
    np.savez(place / "named.npz", images=images, labels=2 - labels, classes=backwards)
    assert run(["eval", "run", "--data", "named.npz", "--format", "json"]) == 0
    named = json.loads(capsys.readouterr().out)
    assert named["on"] == "30 images of named.npz"
    np.savez(place / "plain.npz", x=images[::-1], y=labels[::-1])
    assert run(["eval", "run", "--data", "plain.npz", "--format", "json"]) == 0
    plain = json.loads(capsys.readouterr().out)
    assert named["confusion"] == plain["confusion"]


def test_eval_of_unknown_classes(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    squares(place / "four.npz", count=32, classes=2)
    with np.load(place / "four.npz") as arrays:
        np.savez(place / "four.npz", classes=np.array(["1", "emu"]), **arrays)
    said = fails(capsys, 3, "eval", "run", "--data", "four.npz")
    assert "has the class `emu`, which the network was not trained on" in said


def test_eval_when_the_data_has_changed(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    copy = trained(place, "moved")
    text = (copy / "run.json").read_text()
    (copy / "run.json").write_text(text.replace("squares.npz", "others.npz"))
    squares(place / "others.npz", count=33)
    assert "is not what it was when" in fails(capsys, 3, "eval", "moved")


@pytest.mark.parametrize("which", ["7", "newest", "-1"])
def test_no_such_checkpoint(place: Path, capsys: pytest.CaptureFixture[str], which: str) -> None:
    said = fails(capsys, 2, "eval", "run", "--checkpoint", which)
    assert f"has no checkpoint `{which}`; it has best, latest, " in said


def test_not_a_run(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "it has no run.json" in fails(capsys, 2, "eval", "nowhere")


def test_a_changed_source(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    copy = trained(place, "changed")
    (copy / "source/blocks.net").write_text(BLOCKS + "\n")
    said = fails(capsys, 3, "eval", "changed")
    assert "`changed/source/blocks.net` is not what the run was trained with" in said
    (copy / "source/blocks.net").unlink()
    assert "there is no file" in fails(capsys, 3, "eval", "changed")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda run: run["network"].pop("name"), "is not whole: KeyError('name')"),
        (lambda run: run.update(normalisation=[]), "is not whole"),
        (lambda run: run["network"].update(sources={"../tiny.net": ""}), "a source outside it"),
        (lambda run: run["network"].update(file="other.net"), "has no source other.net"),
    ],
)
def test_a_broken_description(
    place: Path, capsys: pytest.CaptureFixture[str], change: object, says: str
) -> None:
    copy = trained(place, "broken")
    description = json.loads((copy / "run.json").read_text())
    assert callable(change)
    change(description)
    (copy / "run.json").write_text(json.dumps(description))
    assert says in fails(capsys, 3, "eval", "broken")


def test_predict(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with np.load(place / "squares.npz") as arrays:
        image = arrays["images"][1]
    Image.fromarray(image).save(place / "one.png")
    assert run(["predict", "run", "one.png", "one.png", "--top", "9", "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)["predictions"]
    assert found[0] == found[1]
    probabilities = [each["probability"] for each in found[0]["classes"]]
    assert probabilities == sorted(probabilities, reverse=True)
    assert sum(probabilities) == pytest.approx(1)
    assert {each["class"] for each in found[0]["classes"]} == {"0", "1", "2"}
    assert run(["predict", "run", "one.png", "--top", "1"]) == 0
    best = found[0]["classes"][0]
    assert capsys.readouterr().out == (
        f"one.png\n  {best['class']}  {100 * best['probability']:5.1f} %\n"
    )


def test_predict_what_is_no_image(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = fails(capsys, 3, "predict", "run", "tiny.net")
    assert "`tiny.net` is not an image that can be decoded" in said
    assert "there is no file `none.png`" in fails(capsys, 3, "predict", "run", "none.png")


def test_declared_preprocessing(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Training, measuring and predicting prepare images alike, each of them once."""
    way = "resize(12) -> center_crop(8) -> normalize(0.25, 0.5)"
    arguments = ["train", "tiny.net", "--recipe", "quick", "--data", "squares.npz"]
    assert run([*arguments, "--out", "prepared", "--preprocess", way]) == 0
    description = json.loads((place / "prepared/run.json").read_text())
    assert description["normalisation"] == {"mean": [0.25], "deviation": [0.5]}
    trained = Trained(place / "prepared")
    with np.load(place / "squares.npz") as arrays:
        image = arrays["images"][1]
    enlarged = Image.fromarray(image).resize((12, 12), Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(
        trained.predictor.prepare(image[..., None])[..., 0], np.asarray(enlarged)[2:10, 2:10]
    )
    capsys.readouterr()
    last = RunFolder(place / "prepared").read_metrics()[-1]
    assert run(["eval", "prepared", "--checkpoint", "latest", "--format", "json"]) == 0
    measured = json.loads(capsys.readouterr().out)
    assert measured["accuracy"] == last["validation_accuracy"]
    assert measured["loss"] == pytest.approx(last["validation_loss"], rel=1e-5)


def test_preprocessing_for_another_network(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["train", "tiny.net", "--recipe", "quick", "--data", "squares.npz"]
    way = "resize(12) -> center_crop(10)"
    said = fails(capsys, 2, *arguments, "--out", "never", "--preprocess", way)
    assert "`preprocess` makes images of 10x10, but `tiny` takes 8x8" in said
    way = "fit -> normalize((0.5, 0.5, 0.5), 0.5)"
    said = fails(capsys, 2, *arguments, "--out", "never", "--preprocess", way)
    assert "is for 3 channels, but `tiny` takes 1" in said
