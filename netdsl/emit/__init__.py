"""Typed graph -> the source of a standalone Flax NNX module."""

from __future__ import annotations

import ast
from pathlib import Path

from netdsl.emit.classes import Classes
from netdsl.emit.documentation import class_name, quoted
from netdsl.emit.inlined import runtime_source
from netdsl.emit.layout import Uses
from netdsl.graph import Graph

__all__ = ["class_name", "emit"]


def emit(graph: Graph) -> str:
    """The Python source of a network.

    Raises Fault where a layer's code needs a size that the input leaves open.

    It imports jax and flax only. It has a class for each block, whose constructor takes what
    differs from call to call, and loops where the program has them; the state's paths are the
    paths of the graph's nodes.
    """
    classes = _classes(graph)
    runtime = sorted({name for each in classes.made for name in each.runtime})
    pieces = [runtime_source(name) for name in runtime]
    pieces += ["\n".join(each.text(graph)) for each in classes.made]
    body = "\n\n\n".join(pieces)
    return "\n".join([*_head(graph), *_imports(body), "", "", body]) + "\n"


def _classes(graph: Graph) -> Classes:
    """The classes, with as many loops as can be; each turn writes out those found not to be."""
    uses = Uses(graph)
    while True:
        classes = Classes(graph, uses)
        if not classes.unrollable:
            return classes
        uses.rolled -= classes.unrollable


def _head(graph: Graph) -> list[str]:
    source = Path(graph.root.site.source.name).name
    first = graph.documentation.strip().split("\n", 1)[0]
    title = f"{graph.name}: {first}" if first else graph.name
    return [*quoted(f"{title}\n\nCompiled by netdsl from {source}.", 0), ""]


def _imports(body: str) -> list[str]:
    # Asked of the syntax tree, because a program's words may stand in texts and as attributes.
    names = {node.id for node in ast.walk(ast.parse(body)) if isinstance(node, ast.Name)}
    lines = ["import jax"]
    if "jnp" in names:
        lines.append("import jax.numpy as jnp")
    lines.append("from flax import nnx")
    if "lax" in names:
        lines.append("from jax import lax")
    return lines
