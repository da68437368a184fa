"""Each of torchvision's classifiers computes the same in netdsl, from weights that went over."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from netdsl.main import run
from tests.parity import ours, synthetic, torchvision_logits

pytestmark = pytest.mark.parity

NETWORKS = json.loads(
    (Path(__file__).parent.parent / "fixtures/torchvision_networks.json").read_text("utf-8")
)["networks"]

SMALL = (
    *("alexnet", "vgg11", "resnet18", "googlenet", "inception_v3", "densenet121", "squeezenet1_1"),
    *("mobilenet_v2", "mobilenet_v3_small", "mnasnet0_5", "shufflenet_v2_x0_5"),
    *("efficientnet_b0", "efficientnet_v2_s", "regnet_x_400mf", "regnet_y_400mf"),
    *("convnext_tiny", "vit_b_32", "swin_t", "swin_v2_t", "maxvit_t"),
)
"""One or two of each family, compared at their own resolution; the others on fewer pixels."""

REDUCED = {"vit_h_14": 56, "alexnet": 64}


def size_of(name: str) -> int:
    return NETWORKS[name]["size"] if name in SMALL else REDUCED.get(name, 64)


@pytest.mark.parametrize("name", NETWORKS)
def test_same_logits(name: str, tmp_path: Path) -> None:
    size = size_of(name)
    image = synthetic.image(size, size)
    network = torchvision_logits.network(name, size)
    expected = torchvision_logits.logits(network, image)
    assert np.isfinite(expected).all() and np.ptp(expected) > 0.01
    file = tmp_path / "state_dict.safetensors"
    save_file(network.state_dict(), file)
    del network  # The largest take gigabytes.
    module = ours.network(f"torchvision/{name}", size).load_weights(file)
    file.unlink()
    error = ours.relative_error(ours.logits(module, image), expected)
    print(f"{name} at {size}: {error:.1e}")
    assert error < 1e-4


@pytest.mark.parametrize("name", SMALL)
def test_there_and_back(name: str, tmp_path: Path) -> None:
    """From a .pth file through netdsl's own, every bit comes back, and PyTorch takes it."""
    network = torchvision_logits.network(name, NETWORKS[name]["size"])
    state = network.state_dict()
    saved, inside, back = (tmp_path / each for each in ("a.pth", "b.safetensors", "c.safetensors"))
    torch.save(state, saved)
    target = f"torchvision/{name}"
    assert run(["weights", "import", target, str(saved), "-o", str(inside)]) == 0
    assert run(["weights", "export", target, str(inside), "-o", str(back)]) == 0
    returned = load_file(back)
    assert returned.keys() == state.keys()
    for key, value in state.items():
        assert returned[key].dtype == value.dtype
        assert torch.equal(returned[key], value), key
    state.update(returned)
    network.load_state_dict(state, strict=True)
