"""A model that was lifted computes what it did in PyTorch, from its own state_dict."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from netdsl import load
from netdsl.lift import Unsupported, lift
from netdsl.lift.torch_fx import NotTraceable
from netdsl.main import run
from netdsl.source import Source
from tests.parity import ours, synthetic, torchvision_logits, unusual

pytestmark = pytest.mark.parity

LINES = {
    "alexnet": 19,
    "convnext_tiny": 36,
    "densenet121": 34,
    "efficientnet_b0": 65,
    "googlenet": 41,
    "inception_v3": 93,
    "mnasnet0_5": 40,
    "mobilenet_v2": 40,
    "mobilenet_v3_small": 65,
    "regnet_y_400mf": 52,
    "resnet18": 28,
    "resnet50": 29,
    "shufflenet_v2_x0_5": 52,
    "squeezenet1_1": 27,
    "vgg11": 23,
}
"""The lines that each network takes at most: blocks and repeats are found again."""


def same(module: torch.nn.Module, shape: tuple[int, ...], tmp_path: Path) -> str:
    """The lifted text, after comparing what both compute from the module's own weights."""
    lifted = lift(module, shape, "net")
    image = synthetic.uniform("image", shape)
    axes = (2, 0, 1) if len(shape) == 3 else (0,)
    with torch.no_grad():
        expected = module.eval()(torch.from_numpy(image.transpose(axes).copy())[None])[0].numpy()
    if expected.ndim == 3:
        expected = expected.transpose(1, 2, 0)
    assert np.isfinite(expected).all() and np.ptp(expected) > 1e-3
    file = tmp_path / "state_dict.safetensors"
    unused = set(lifted.unused)
    save_file({key: value for key, value in module.state_dict().items() if key not in unused}, file)
    found = load(Source("net.net", lifted.text)).load_weights(file)
    error = ours.relative_error(ours.logits(found, image), expected)
    print(f"{lifted.text.count(chr(10))} lines, {error:.1e}")
    assert error < 1e-4
    return lifted.text


@pytest.mark.parametrize("name", LINES)
def test_torchvision(name: str, tmp_path: Path) -> None:
    size = 299 if name == "inception_v3" else 224
    module = torchvision_logits.network(name, size)
    text = same(module, (size, size, 3), tmp_path)
    assert text.count("\n") <= LINES[name]


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("UNet", (16, 16, 3)),
        ("Crossed", (16, 16, 3)),
        ("Settings", (16, 16, 3)),
        ("Shuffles", (16, 16, 3)),
        ("ChannelsLast", (6, 5, 3)),
        ("Dense", (10,)),
    ],
)
def test_unusual_modules(name: str, shape: tuple[int, ...], tmp_path: Path) -> None:
    torch.manual_seed(0)
    module = getattr(unusual, name)()
    for each in module.modules():
        if isinstance(each, (torch.nn.BatchNorm1d, torch.nn.BatchNorm2d)):
            torch.nn.init.normal_(each.running_mean)
            torch.nn.init.uniform_(each.running_var, 0.5, 2)
    same(module, shape, tmp_path)


def test_views_are_the_operators_that_they_mean(tmp_path: Path) -> None:
    text = same(unusual.Shuffles(), (16, 16, 3), tmp_path)
    assert "channel_shuffle(3)" in text and "channel_shuffle(2)" in text
    assert "split(2, 0)" in text and "split(2, 1)" in text
    assert "-> flatten\n" in text  # Channels last, since they were permuted.


def test_resnet50_is_short_and_has_its_block() -> None:
    text = lift("torchvision.models:resnet50").text
    assert "block bottleneck(filters, stride = 1) {" in text
    assert "layer3: repeat 6 as i { bottleneck(256, stride = 2 if i == 0 else 1) }" in text
    assert text.count("\n") < 60


def test_all_that_is_unsupported_is_named() -> None:
    with pytest.raises(Unsupported) as found:
        lift(unusual.Unsupported(), (8, 8, 3))
    places = dict(found.value.operations)
    assert places["parts.mish"] == "the module Mish is unknown"
    assert places["parts.shuffle"] == "a pixel shuffle is unknown"
    assert places["forward, cumsum"] == "the function cumsum is unknown"
    assert places["forward, mul"] == "`mul` with the constant 2 is unknown"
    assert places["forward, add"] == "`add` with the array shift of 4x1x1 is unknown"
    assert places["forward, sub"] == "the function sub is unknown"
    assert places["c"] == "it shares its weights with c"
    assert len(places) == 7


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("TwoOutputs", Unsupported, "the module returns a tuple"),
        ("Branching", NotTraceable, "does not depend on its values"),
        ("Dense", NotTraceable, "does not take an input of 2x3x8x8"),
    ],
)
def test_modules_that_do_not_fit(name: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        lift(getattr(unusual, name)(), (8, 8, 3))


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "nets.py").write_text("from tests.parity.unusual import UNet, Unsupported\n")
    assert run(["import-model", "nets.py:UNet", "--input", "3x16x16", "--weights", "w.st"]) == 0
    assert load("UNet.net").load_weights("w.st")
    assert run(["import-model", "nets.py:Unsupported"]) == 1
    assert not (tmp_path / "Unsupported.net").exists()
    capsys.readouterr()
    for target, message in {
        "nets.py:UNett": "did you mean `UNet`?",
        "gone.py:UNet": "there is no file `gone.py`",
        "gone.module:UNet": "can't be imported: ModuleNotFoundError",
        "math:pi": "is a float, which builds no module",
        "time:time": "returned a float, not a torch.nn.Module",
        "torch.nn:Conv2d": "failed with TypeError",
    }.items():
        assert run(["import-model", target, "-o", "-"]) == 2
        assert message in capsys.readouterr().err
