"""Elaborate a network with open sizes, and decide for which of them it works."""

from __future__ import annotations

from itertools import product
from math import prod

from netdsl import syntax
from netdsl.bind import Given
from netdsl.diagnostics import Diagnostic
from netdsl.elaborate import elaborate, resolve_network
from netdsl.every_size import EverySize, Exempt, decide
from netdsl.graph import Graph
from netdsl.input_sizes import tied_sizes
from netdsl.network import has_errors, load_network
from netdsl.program import ProgramFile
from netdsl.sizes import symbol

_FEW = 9
"""How many images of single sizes a network is elaborated for."""


def prove_network(
    file: ProgramFile,
    name: str,
    settings: dict[str, Given],
    default: Graph | None = None,
    *,
    parameters: bool = False,
) -> tuple[EverySize | None, tuple[Diagnostic, ...]]:
    """For which sizes of its input a network works, and what is wrong with it for some.

    `default` is its graph at its default sizes. None for an input of fixed sizes. A size that is a
    parameter of the network is fixed, unless `parameters`.
    """
    sizes = named_sizes(file, name, settings, parameters=parameters)
    if not sizes:
        return None, ()
    opened = dict(settings)
    if parameters:
        network, _ = resolve_network(file, name)
        for parameter in network.parameters:
            if parameter.name in sizes:
                opened[parameter.name] = Given(
                    parameter.name, symbol(parameter.name), parameter.span
                )
    elaboration = elaborate(file, name, opened, symbolic=True)
    defaults = {}
    if default is not None:
        for size, axis in sizes.items():
            value = default.nodes[0].type.shape[axis]
            if isinstance(value, int):
                defaults[size] = value
    verdict = decide(elaboration, defaults)
    if verdict is None or elaboration.graph is None:
        return None, elaboration.diagnostics
    verdict = verdict._replace(tied=tied_sizes(sizes, elaboration.graph.nodes[0].type.shape))
    exempt = tuple(
        each for each in verdict.exempt if not _is_as_said(each, verdict, file, name, settings)
    )
    return verdict._replace(exempt=exempt), elaboration.diagnostics + verdict.diagnostics


def _is_as_said(
    exempt: Exempt, verdict: EverySize, file: ProgramFile, name: str, settings: dict[str, Given]
) -> bool:
    """Whether the sizes that a proof leaves out are few, and it is right of them all the same."""
    region = exempt.region
    if region.keys() < verdict.valid.keys() or any(held.remainders for held in region.values()):
        return False
    numbers = [sorted(held.below) for held in region.values()]
    if prod(map(len, numbers)) > _FEW:
        return False
    for values in product(*numbers):
        sizes = verdict.with_tied(dict(zip(region, values, strict=True)))
        given = {key: Given(key, value, exempt.span) for key, value in sizes.items()}
        works = not has_errors(elaborate(file, name, settings | given).diagnostics)
        if works != all(sizes[key] in held for key, held in verdict.valid.items()):
            return False
    return True


def named_sizes(
    file: ProgramFile, name: str, settings: dict[str, Given], *, parameters: bool = False
) -> dict[str, int]:
    """The sizes of a network's input that have a name of their own and are not set, with their
    axis; with `parameters`, also an image's height and width that are parameters."""
    network, _ = resolve_network(file, name)
    of_network = {parameter.name for parameter in network.parameters}
    return {
        size.name: axis
        for statement in network.body.statements
        if isinstance(statement, syntax.Input)
        for axis, size in enumerate(statement.sizes)
        if isinstance(size, syntax.Name)
        and size.name not in settings
        and (size.name not in of_network or (parameters and axis < len(statement.sizes) - 1))
    }


def sizes_of(
    file: ProgramFile, name: str, settings: dict[str, Given]
) -> tuple[EverySize | None, tuple[Diagnostic, ...]]:
    """For which sizes of its input a network works, those that are its parameters included.

    The diagnostics say what keeps this from being decided.
    """
    network, _ = load_network(file, name, settings)
    graph = network and network.graph
    sizes, found = prove_network(file, name, settings, graph, parameters=True)
    return sizes, () if sizes is not None else found
