"""netdsl: architectures as text, checked, costed, compiled to Flax and trained.

import netdsl
network = netdsl.load("resnet50", classes=10)
print(network.report.total.params)
model = network.module(nnx.Rngs(0))
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from netdsl.model import Model, ProgramError, load

__version__ = "0.1.0"

__all__ = ["Model", "ProgramError", "__version__", "load"]


def __getattr__(name: str) -> object:
    # The command line imports this package on every start, most times without a need for these.
    if name in __all__:
        from netdsl import model

        return getattr(model, name)
    raise AttributeError(f"module 'netdsl' has no attribute {name!r}")
