"""All that can be said of a program without running it: every network, every size, every recipe."""

from __future__ import annotations

import time
from typing import NamedTuple

from netdsl import syntax
from netdsl.bind import Given
from netdsl.diagnostics import Diagnostic, did_you_mean, too_many_errors
from netdsl.fuel import too_slow
from netdsl.limits import LIMITS
from netdsl.network import Network, complete_networks, has_errors, load_network, prove_network
from netdsl.preprocess import output_size
from netdsl.program import ProgramFile
from netdsl.recipe import read_recipe


class Verdict(NamedTuple):
    """What checking found in one network; `network` is None where it has an error."""

    name: str
    network: Network | None
    diagnostics: tuple[Diagnostic, ...]


def check_file(file: ProgramFile, settings: dict[str, Given]) -> tuple[Verdict, ...]:
    """Check each network of a file that isn't a template; settings go to those that take them."""
    started_s = time.monotonic()
    verdicts: list[Verdict] = []
    found = 0
    for name in complete_networks(file):
        place = file.networks[name].name_span
        stop = None
        if found >= LIMITS.mistakes:
            stop = too_many_errors(place)
        elif time.monotonic() - started_s > LIMITS.seconds:
            stop = too_slow(place)
        if stop is not None:
            return (*verdicts, Verdict(name, None, (stop,)))
        verdicts.append(check_network(file, name, settings))
        found += len(verdicts[-1].diagnostics)
    return tuple(verdicts)


def check_templates(file: ProgramFile) -> tuple[Diagnostic, ...]:
    """Claims that nobody checks, because their network is only a template for variants."""
    complete = complete_networks(file)
    return tuple(
        Diagnostic(
            "claim-unchecked",
            f"this claim is never checked: `{name}` needs arguments, so it is no network by itself",
            statement.span,
            help=f"put it into the braces of a variant: `network NAME = {name}(…) {{ claim … }}`",
            severity="warning",
        )
        for name, declaration in file.networks.items()
        if name not in complete and declaration.body is not None
        for statement in declaration.body.statements
        if isinstance(statement, syntax.Claim)
    )


def check_network(file: ProgramFile, name: str, settings: dict[str, Given]) -> Verdict:
    """Check one network at its default sizes, then for every size that its input allows."""
    network, diagnostics = load_network(file, name, settings)
    if not has_errors(diagnostics):
        known = {(each.code, each.span) for each in diagnostics}
        proof = prove_network(file, name, settings)
        diagnostics += tuple(each for each in proof if (each.code, each.span) not in known)
    if network is not None and not settings:
        diagnostics += check_preprocessing(network)
    return Verdict(name, None if has_errors(diagnostics) else network, diagnostics)


def check_preprocessing(network: Network) -> tuple[Diagnostic, ...]:
    """Recipes whose images come out in another size than the network takes.

    Of a recipe that gives the network arguments nothing is said.
    """
    found: list[Diagnostic] = []
    taken = network.graph.nodes[0].type
    if not taken.is_image:
        return ()
    height, width, _ = taken.shape
    for tree in network.recipes:
        recipe, _ = read_recipe(tree, network.file.scope)
        if recipe is None or recipe.arguments or "preprocess" not in recipe.given:
            continue
        size = output_size(recipe.settings.preprocess)
        if size is not None and size != (height, width):
            (setting,) = (each for each in tree.settings if each.name == "preprocess")
            found.append(
                Diagnostic(
                    "preprocess-size",
                    f"this makes images of {size}, but `{network.name}` takes {height}x{width}",
                    setting.span,
                    help=f"end with {height}x{width}"
                    if tree.network == network.name
                    else f"write `recipe {tree.name} for {network.name} {{ … }}` beside it",
                )
            )
    return tuple(found)


def check_recipes(file: ProgramFile) -> tuple[Diagnostic, ...]:
    """What is wrong with a file's recipes."""
    found: list[Diagnostic] = []
    for recipe in file.recipes:
        if len(found) >= LIMITS.mistakes:
            return (*found, too_many_errors(recipe.span))
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
