"""Which layers a path or a line of a program means."""

from __future__ import annotations

from netdsl.diagnostics import did_you_mean
from netdsl.graph import Graph, Node
from netdsl.network import UnknownTarget
from netdsl.source import Source, printable

_FEW = 40
"""As many paths are listed in full."""


def by_path(graph: Graph, path: str) -> frozenset[int]:
    """The layer of a path, or all layers below it; raises UnknownTarget."""
    wanted = tuple(path.split("."))
    found = {node.number for node in _layers(graph) if tuple(node.path[: len(wanted)]) == wanted}
    if not found:
        raise UnknownTarget(_no_such(graph, path))
    return frozenset(found)


def by_line(graph: Graph, source: Source, line: int) -> list[list[int]] | frozenset[int]:
    """The layers that a line of the program makes, for each call on it those of all passes.

    A line that calls a block stands for all of the block's layers. Raises UnknownTarget.
    """
    calls: dict[tuple[int, int], list[int]] = {}
    for node in _layers(graph):
        span = node.origin.span
        if span.source is source and span.line == line:
            calls.setdefault((span.start, span.end), []).append(node.number)
    if calls:
        return list(calls.values())
    inside = {
        node.number
        for node in _layers(graph)
        for frame in node.origin.trail
        if frame.span.source is source and frame.span.line == line
    }
    if inside:
        return frozenset(inside)
    lines = sorted(
        {
            place.line
            for node in _layers(graph)
            for place in (node.origin.span, *(frame.span for frame in node.origin.trail))
            if place.source is source
        }
    )
    near = sorted(lines, key=lambda each: abs(each - line))[:1]
    help = f"; the nearest line with one is {near[0]}" if near else ""
    raise UnknownTarget(
        f"line {line} of `{source.name}` makes no layer of the network `{graph.name}`{help}"
    )


def _layers(graph: Graph) -> list[Node]:
    return [node for node in graph.nodes if node.op is not None]


def _no_such(graph: Graph, path: str) -> str:
    paths = [".".join(node.path) for node in _layers(graph)]
    known: dict[str, None] = {}
    for each in paths:
        parts = each.split(".")
        for depth in range(1, len(parts) + 1):
            known.setdefault(".".join(parts[:depth]))
    message = f"`{graph.name}` has no layer `{printable(path)}`"
    help = did_you_mean(path, tuple(known))
    if help.startswith("did"):
        message += f"; {help}"
    if len(paths) <= _FEW:
        return f"{message}\nits layers: {', '.join(paths)}"
    tops = list(dict.fromkeys(each.split(".")[0] for each in paths))
    return f"{message}\nit has {', '.join(tops)}; `netdsl cost … --layers` lists all layers"
