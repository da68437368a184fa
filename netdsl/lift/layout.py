"""Lay out statements: which layers share a line, and where long lines break."""

from __future__ import annotations

from netdsl.lift.steps import Layer
from netdsl.ops import OPERATORS

LINE_LENGTH = 100
_MAIN = frozenset({"conv", "depthwise", "conv_transpose", "dense"})
_NORMS = frozenset({"bn", "layernorm", "groupnorm", "scale", "lrn"})
_POOLS = frozenset(
    [
        "maxpool",
        "avgpool",
        "globalavgpool",
        "globalmaxpool",
        "adaptiveavgpool",
        "adaptivemaxpool",
        "flatten",
        "upsample",
        "reshape",
        "split",
        "channel_shuffle",
        "pad",
        "crop",
        "select",
    ]
)


class Line:
    """A statement in the making: its label, where it goes on from, and its chain.

    `held` is how much of the chain there was with its last layer that holds weights; `state` what
    kinds of layers it has.
    """

    def __init__(self) -> None:
        self.label = ""
        self.source = ""
        self.chain: list[str] = []
        self.held = 0
        self.state = ""

    def text(self, name: str) -> list[str]:
        label = name or self.label
        chain = list(self.chain)
        if self.source:
            chain = [f"from {self.source}", *(chain or ["identity"])]
        text = " -> ".join(chain)
        return [f"{label}: {text}" if label else text] if chain else []


def braced(head: str, lines: list[str]) -> list[str]:
    short = len(lines) == 1 and len(head) + len(lines[0]) < LINE_LENGTH - 8
    if short and not head.startswith(("residual", "}")):
        return [f"{head} {{ {lines[0]} }}"]
    return [f"{head} {{", *(f"  {line}" for line in lines), "}"]


def wrapped(line: str) -> list[str]:
    """A line on as many as it needs: one may begin with `->`, and lists may go on anywhere."""
    if len(line) <= LINE_LENGTH:
        return [line]
    indent = line[: len(line) - len(line.lstrip())] + "  "
    separator = " -> " if " -> " in line else ", "
    made = [""]
    for part in line.split(separator):
        longer = f"{made[-1]}{separator}{part}" if made[-1] else part
        if len(longer) <= LINE_LENGTH - 1:
            made[-1] = longer
        elif separator == " -> ":
            made.append(f"{indent}-> {part}")
        else:
            made[-1] += ","
            made.append(f"{indent}{part}")
    return made


def part_of(layer: Layer) -> str:
    if layer.word in _NORMS:
        return "norm"
    if layer.word in _MAIN or (layer.holds and layer.word not in OPERATORS):
        return "main"
    if layer.word in _POOLS:
        return "pool"
    return "act"


def breaks(state: str, part: str) -> bool:
    """Whether a line that has had `state` ends before `part`."""
    if part == "main":
        return state in ("main", "main norm", "pool")
    if part == "norm":
        return state in ("main norm", "pool")
    if part == "pool":
        return state in ("main", "main norm", "norm")
    return False


def after(state: str, part: str) -> str:
    if part == "main":
        return "main"
    if part == "norm":
        return "main norm" if state == "main" else "norm"
    if part == "pool":
        return "pool"
    return state or "other"
