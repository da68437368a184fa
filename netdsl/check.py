"""All that can be said of a program without running it: every network, every size, every recipe."""

from __future__ import annotations

from typing import NamedTuple

from netdsl.bind import Given
from netdsl.diagnostics import Diagnostic, did_you_mean
from netdsl.network import Network, complete_networks, has_errors, load_network, prove_network
from netdsl.program import ProgramFile
from netdsl.recipe import read_recipe


class Verdict(NamedTuple):
    """What checking found in one network; `network` is None where it has an error."""

    name: str
    network: Network | None
    diagnostics: tuple[Diagnostic, ...]


def check_file(file: ProgramFile, settings: dict[str, Given]) -> tuple[Verdict, ...]:
    """Check each network of a file that isn't a template; settings go to those that take them."""
    return tuple(check_network(file, name, settings) for name in complete_networks(file))


def check_network(file: ProgramFile, name: str, settings: dict[str, Given]) -> Verdict:
    """Check one network at its default sizes, then for every size that its input allows."""
    network, diagnostics = load_network(file, name, settings)
    if not has_errors(diagnostics):
        known = {(each.code, each.span) for each in diagnostics}
        proof = prove_network(file, name, settings)
        diagnostics += tuple(each for each in proof if (each.code, each.span) not in known)
    return Verdict(name, None if has_errors(diagnostics) else network, diagnostics)


def check_recipes(file: ProgramFile) -> tuple[Diagnostic, ...]:
    """What is wrong with a file's recipes."""
    found: list[Diagnostic] = []
    for recipe in file.recipes.values():
        if recipe.network not in file.networks:
            found.append(
                Diagnostic(
                    "unknown-network",
                    f"there is no network `{recipe.network}` in this file",
                    recipe.network_span,
                    help=did_you_mean(recipe.network, tuple(file.networks)),
                )
            )
        found.extend(read_recipe(recipe, file.scope)[1])
    return tuple(found)
