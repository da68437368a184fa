"""Networks compute what torchvision's do, from weights that follow from their keys.

tests/parity/record.py made the record, and says how; `make test-parity` compares all networks with
torchvision itself.
"""

from __future__ import annotations

import json
from pathlib import Path

import jax
import numpy as np
import pytest

from tests.parity import ours, synthetic

jax.config.update("jax_platforms", "cpu")

RECORD = json.loads(
    (Path(__file__).parent / "fixtures/torchvision_logits.json").read_text("utf-8")
)["networks"]


@pytest.mark.parametrize("name", RECORD)
def test_computes_what_torchvisions_does(name: str, tmp_path: Path) -> None:
    size, expected = RECORD[name]["size"], np.array(RECORD[name]["logits"])
    model = ours.network(f"torchvision/{name}", size)
    file = tmp_path / "weights.safetensors"
    ours.write_synthetic(model, file)
    logits = ours.logits(model.load_weights(file), synthetic.image(size, size))
    assert ours.relative_error(logits[: len(expected)], expected) < 1e-4
