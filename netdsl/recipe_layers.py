"""The layers that a recipe names: what it freezes and unfreezes, and what `except` leaves out."""

from __future__ import annotations

from collections.abc import Iterator

from netdsl import syntax
from netdsl.diagnostics import Diagnostic, did_you_mean
from netdsl.graph import Graph
from netdsl.source import Span

_NAMING = ("freeze", "unfreeze")
_ALL = "all"


def unknown_layers(recipe: syntax.Recipe, graph: Graph) -> Iterator[Diagnostic]:
    """A diagnostic for each layer or label that a recipe names and its network doesn't have."""
    known = set(graph.labels)
    for node in graph.nodes:
        known.update(".".join(node.path[:length]) for length in range(1, len(node.path) + 1))
    for span in _named(recipe):
        name = span.text
        if name not in known:
            near = did_you_mean(name, tuple(known))
            yield Diagnostic(
                "unknown-label",
                f"the network `{recipe.network}` has no layer or label `{name}`",
                span,
                help=near or f"`netdsl cost {recipe.network} --layers` lists them",
            )


def _named(recipe: syntax.Recipe) -> Iterator[Span]:
    """Where a recipe and its phases name layers; templates are left out."""
    for setting in recipe.settings:
        named: list[syntax.Expression] = [*setting.exceptions]
        if setting.start is not None:
            named.append(setting.start)
        if setting.name in _NAMING:
            named += setting.values
        for each in named:
            if each.span.text.replace(".", "_").isidentifier() and each.span.text != _ALL:
                yield each.span
    for phase in recipe.phases:
        yield from _named(phase)
