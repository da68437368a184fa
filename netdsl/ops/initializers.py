"""How weights start, by the names that Flax and the papers give."""

from __future__ import annotations

from netdsl.code import Fragment, call
from netdsl.kinds import Choice

INITIALIZER = Choice(
    "lecun_normal",
    "lecun_uniform",
    "he_normal",
    "he_uniform",
    "glorot_normal",
    "glorot_uniform",
    "orthogonal",
    "zeros",
    kaiming_normal="he_normal",
    kaiming_uniform="he_uniform",
    xavier_normal="glorot_normal",
    xavier_uniform="glorot_uniform",
)
"""Variances: LeCun 1/n, He 2/n, Glorot 2/(n + m), for n inputs and m outputs of a weight."""


def initializer_keyword(keyword: str, init: str, default: str) -> list[tuple[str, Fragment]]:
    """The keyword argument that asks Flax for an initialiser; nothing where it is Flax's own."""
    if init == default:
        return []
    return [(keyword, call(f"nnx.initializers.{init}" + ("_init" if init == "zeros" else "")))]
