"""The elaborated network: typed nodes in topological order, and the regions they were written in.

A node's inputs have smaller indices, so a cycle can't be written and an analysis is one `for`.
Regions keep the structure of the program: which nodes one call of a block made, which one pass of
a repeat. What is emitted, reported and grouped follows them.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

from netdsl.diagnostics import Frame
from netdsl.ops.base import Op
from netdsl.source import Span
from netdsl.tensor import TensorType

RegionKind: TypeAlias = Literal[
    "network",  # the whole
    "block",  # one call of a block; `name` is the block's, `arguments` what was bound
    "loop",  # a repeat or for; its items are iterations
    "iteration",  # one pass of a loop; `arguments` holds the loop's variables
    "if",  # a condition; without items where nothing was left to do
    "residual",  # items: a "branch" for the body, maybe one for the shortcut, then the `add` node
    "merge",  # branches of a concat, add, mul or max; items: one "branch" each, then the node
    "branch",  # one way through a merge or residual
    "group",  # a labelled chain or braces that give their items a common path prefix
    "aux",  # a side branch
]


class PassNumber(str):
    """A part of a path that counts the passes of a loop; `loop` is where that loop is written."""

    loop: tuple[int, int]

    @classmethod
    def of(cls, number: int, loop: Span) -> PassNumber:
        part = cls(number)
        part.loop = (loop.start, loop.end)
        return part


class Origin(NamedTuple):
    """Where a node was written: its call, each argument by name, and the calls that led there."""

    span: Span
    arguments: dict[str, Span]
    trail: tuple[Frame, ...]


class Node(NamedTuple):
    """One operator applied to earlier nodes.

    `path` is the layer's place in the network's state, one part for each attribute or index:
    ("layer1", "0", "conv1"). The input has `op` None.
    """

    number: int
    op: Op | None
    inputs: tuple[int, ...]
    type: TensorType
    path: tuple[str, ...]
    origin: Origin


class Region(NamedTuple):
    """A stretch of the network that was written together.

    `definition` is the block's or network's name, the keyword of a loop, or which branch it is.
    `site` is the place in the program that made it (for a block, its declaration), so that two
    passes of one loop, or two calls of one block, can be laid side by side. `path` is the prefix
    of what is inside, as `Node.path`; regions that add none have their parent's. `input` and
    `output` are the nodes whose values enter and leave it.

    `taken` says which way was chosen: "then" or "else" of an "if"; of a "residual", "shortcut"
    where a shortcut is projected, "identity" where the input itself is added, and "plain" where
    its condition left only the body.
    """

    kind: RegionKind
    definition: str
    site: Span
    path: tuple[str, ...]
    arguments: dict[str, object]
    items: tuple[Item, ...]
    input: int | None
    output: int | None
    taken: str = ""
    documentation: str = ""


Item: TypeAlias = "int | Region"


class Output(NamedTuple):
    """A value that leaves the network. `weight` is the loss weight of a side branch, else None."""

    name: str
    node: int
    weight: float | None = None


class Graph(NamedTuple):
    """One network, elaborated for given arguments and sizes.

    `inputs` are the input nodes; `outputs` the inference outputs, the main one last, then side
    branches. `auxiliary` are the nodes that only side branches need. `labels` give nodes by the
    names that claims may use.
    """

    name: str
    documentation: str
    arguments: dict[str, object]
    nodes: tuple[Node, ...]
    root: Region
    outputs: tuple[Output, ...]
    auxiliary: frozenset[int]
    labels: dict[str, int]
