"""Make tests/fixtures/torchvision_logits.json: what torchvision computes from synthetic weights.

    pip install torch==2.14.1 torchvision==0.29.1
    python -m tests.parity.record

One small network of each family, on few pixels, so that comparing them takes seconds.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
import torchvision

from tests.parity import synthetic, torchvision_logits

SIZES = {
    "resnet18": 64,
    "googlenet": 64,
    "densenet121": 64,
    "squeezenet1_1": 96,
    "mobilenet_v2": 64,
    "mobilenet_v3_small": 64,
    "mnasnet0_5": 64,
    "shufflenet_v2_x0_5": 64,
    "efficientnet_b0": 64,
    "regnet_y_400mf": 64,
}


def main() -> None:
    networks = {}
    for name, size in SIZES.items():
        logits = torchvision_logits.logits(
            torchvision_logits.network(name, size), synthetic.image(size, size)
        )
        networks[name] = {"size": size, "logits": [float(f"{logit:.7g}") for logit in logits[:100]]}
    record = {
        "source": f"torch {torch.__version__}, torchvision {torchvision.__version__}",
        "made_by": "tests/parity/record.py",
        "networks": networks,
    }
    path = Path(__file__).parent.parent / "fixtures/torchvision_logits.json"
    path.write_text(json.dumps(record) + "\n", "utf-8")


if __name__ == "__main__":
    main()
