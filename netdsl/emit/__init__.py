"""Typed graph -> the source of a standalone Flax NNX module."""

from __future__ import annotations

import ast
from pathlib import Path

from netdsl.emit.classes import Classes
from netdsl.emit.documentation import class_name, quoted
from netdsl.emit.layout import Uses
from netdsl.emit.template import Unrollable
from netdsl.graph import Graph

RUNTIME = Path(__file__).parent.parent / "runtime"

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
    pieces = [_function(name) for name in runtime]
    pieces += ["\n".join(each.lines(graph)) for each in classes.made]
    body = "\n\n\n".join(pieces)
    return "\n".join([*_head(graph), *_imports(body), "", "", body]) + "\n"


def _classes(graph: Graph) -> Classes:
    """The classes, with as many loops as can be; each turn writes out at least one more."""
    uses = Uses(graph)
    while True:
        try:
            classes = Classes(graph, uses)
        except Unrollable as error:
            uses.rolled.remove(error.loop)
            continue
        mixed = {loop for each in classes.made for loop in each.mixed()}
        if not mixed:
            return classes
        uses.rolled -= mixed


def _head(graph: Graph) -> list[str]:
    source = Path(graph.root.site.source.name).name
    first = graph.documentation.strip().split("\n", 1)[0]
    title = f"{graph.name}: {first}" if first else graph.name
    return [*quoted(f"{title}\n\nCompiled by netdsl from {source}.", 0), ""]


def _imports(body: str) -> list[str]:
    lines = ["import jax"]
    if "jnp." in body:
        lines.append("import jax.numpy as jnp")
    lines.append("from flax import nnx")
    if "lax." in body.replace("jax.lax.", ""):
        lines.append("from jax import lax")
    return lines


def _function(name: str) -> str:
    """The source of a runtime function or class."""
    text = (RUNTIME / f"{name}.py").read_text("utf-8")
    for node in ast.parse(text).body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            return ast.get_source_segment(text, node) or ""
    raise AssertionError(f"netdsl.runtime.{name} defines nothing")
