"""Read and write files of weights; nothing in them is ever executed."""

from netdsl.weights.open import open_weights
from netdsl.weights.safetensors_file import write_safetensors

__all__ = ["open_weights", "write_safetensors"]
