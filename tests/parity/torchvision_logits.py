"""What torchvision's networks compute from `synthetic` weights."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn
from torchvision.models import get_model

from tests.parity import synthetic


def network(name: str, size: int) -> nn.Module:
    """One of torchvision's classifiers for inference on images of `size`² pixels.

    Every floating-point array of its state_dict is synthetic, but for tables that follow from
    shapes, which the network keeps.
    """
    options: dict[str, object] = {}
    if name.startswith("vit_"):
        options["image_size"] = size
    if name.startswith("maxvit"):
        options["input_size"] = (size, size)
    if name in ("googlenet", "inception_v3"):
        options["init_weights"] = False
    model = get_model(name, weights=None, **options).eval()
    state = model.state_dict()
    made = {
        key: torch.from_numpy(synthetic.array(key, tuple(value.shape)).copy())
        for key, value in state.items()
        if value.is_floating_point() and not key.endswith("relative_coords_table")
    }
    state.update(made)  # It keeps the versions of its modules, which MNASNet asks for.
    model.load_state_dict(state)
    return model


@torch.no_grad()
def logits(model: nn.Module, image: np.ndarray) -> np.ndarray:
    """float32[classes] of float32[height, width, channels]."""
    batch = torch.from_numpy(image.transpose(2, 0, 1)[None].copy())
    return model(batch)[0].numpy()
