"""All that can be said of a program without running it: every network, every size, every recipe."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from math import inf
from typing import NamedTuple

from netdsl import syntax
from netdsl.bind import Given
from netdsl.budgets import Work
from netdsl.deadline import within_time
from netdsl.diagnostics import Diagnostic, LimitFault, did_you_mean, too_many_errors
from netdsl.elaborate import missing_parameters
from netdsl.every_size import EverySize
from netdsl.garbage import uncollected
from netdsl.limits import LIMITS
from netdsl.network import Network, bases, complete_networks, has_errors, load_network
from netdsl.preprocess import output_size
from netdsl.program import ProgramFile
from netdsl.proof import prove_network
from netdsl.recipe import read_recipe
from netdsl.recipe_layers import unknown_layers
from netdsl.resolve import unresolved
from netdsl.source import Span


class Verdict(NamedTuple):
    """What checking found in one network; `network` is None where it has an error.

    `sizes` says for which sizes it works, None for an input of fixed sizes or after a mistake.
    """

    name: str
    network: Network | None
    diagnostics: tuple[Diagnostic, ...]
    sizes: EverySize | None = None


def check_file(
    file: ProgramFile,
    settings: dict[str, Given],
    work: Work | None = None,
    *,
    until_s: float = inf,
) -> tuple[Verdict, ...]:
    """Check each network of a file that isn't a template; settings go to those that take them.

    A mistake that several networks share is told with the first of them. `work` is as of
    `load_network`, for all of them together. From `until_s` of processor time on, no further
    network is begun.
    """
    verdicts: list[Verdict] = []
    found = 0
    with within_time(file.source.span(0, 0)), file.scope.fuel.sharing():
        for name in complete_networks(file):
            if time.process_time() > until_s:
                break
            if found >= LIMITS.mistakes:
                stop = too_many_errors(file.networks[name].name_span)
                return (*_once(verdicts), Verdict(name, None, (stop,)))
            if verdicts and any(each.code in _SHARED for each in verdicts[-1].diagnostics):
                verdicts[-1] = _last(verdicts[-1], name)
                break
            verdicts.append(check_network(file, name, settings, work))
            found += len(verdicts[-1].diagnostics)
    return tuple(_once(verdicts))


def _once(verdicts: list[Verdict]) -> Iterator[Verdict]:
    """The verdicts without what another network before has at the same place."""
    sharing: dict[tuple[str, Span], dict[str, str]] = {}
    for verdict in verdicts:
        for each in verdict.diagnostics:
            messages = sharing.setdefault((each.code, each.span), {})
            messages.setdefault(verdict.name, each.message)
    for verdict in verdicts:
        kept = []
        for each in verdict.diagnostics:
            messages = sharing[each.code, each.span]
            if verdict.name == next(iter(messages)):
                kept.append(each._replace(notes=(*each.notes, *_of_others(messages))))
        yield verdict._replace(diagnostics=tuple(kept))


def _of_others(messages: dict[str, str]) -> Iterator[str]:
    """Notes on the networks behind the first that have a mistake at the same place, by what is said
    of each; it may be another mistake unless only sizes differ."""
    alike: dict[str, list[str]] = {}
    for name, message in messages.items():
        alike.setdefault(_NUMBER.sub("", message), []).append(name)
    (first, *same), *others = alike.values()
    if same:
        other_numbers = any(messages[each] != messages[first] for each in same)
        what = "the same, with other numbers," if other_numbers else "the same"
        yield f"{what} is wrong with {_listed(same)}"
    for names in others[:_NETWORKS]:
        yield f"with {_listed(names)}: {messages[names[0]]}"


def _listed(names: list[str]) -> str:
    shown = ", ".join(f"`{name}`" for name in names[:_NETWORKS])
    return shown + (f" and {len(names) - _NETWORKS} more" if len(names) > _NETWORKS else "")


_NUMBER = re.compile(r"\d[\d_,.]*")
_NETWORKS = 4
"""How many networks are named that share a mistake."""


_SHARED = {"too-many-steps": "steps", "too-much-time": "time"}
"""What all networks of a file have together, by the mistake of taking more."""


def _last(verdict: Verdict, following: str) -> Verdict:
    """The verdict of a network that took all steps or all time, which says so of those behind it.

    It is one mistake, so that they get none of their own.
    """
    return verdict._replace(
        diagnostics=tuple(
            each._replace(
                notes=(
                    *each.notes,
                    f"no {_SHARED[each.code]} left to check `{following}` and what follows",
                ),
                help=f"check them one by one, such as `netdsl check FILE.net:{following}`",
            )
            if each.code in _SHARED
            else each
            for each in verdict.diagnostics
        )
    )


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


def unchecked_variants(file: ProgramFile) -> tuple[str, ...]:
    """What to say of each variant that isn't checked, for it still needs arguments, and that no
    other variant gives them to."""
    variants = [each for each in file.networks.values() if isinstance(each, syntax.Variant)]
    settled = {each.base for each in variants}.union(complete_networks(file))
    notes = []
    for variant in variants:
        if variant.name not in settled:
            missing = missing_parameters(file, variant.name)
            shown = ", ".join(f"`{each}`" for each in missing)
            have = "has" if len(missing) == 1 else "have"
            notes.append(f"`{variant.name}` is only a template: {shown} {have} no value")
    return tuple(notes)


def check_names(
    file: ProgramFile, told: tuple[Diagnostic, ...], wanted: str | None = None
) -> tuple[Diagnostic, ...]:
    """Names that mean nothing, with those in code that no network reaches.

    Nothing is said of places that something is `told` of, nor of networks that were not checked,
    the `wanted` one having been the only one.
    """
    if any(each.code in _ENDS for each in told):
        return ()
    places = {each.span for each in told}
    checked = [*file.networks.values()] if wanted is None else [*bases(file, wanted)]
    others = [each.span for each in file.networks.values() if each not in checked]
    return tuple(
        each
        for each in unresolved(file)
        if each.span not in places
        and not any(other.start <= each.span.start < other.end for other in others)
    )


_ENDS = frozenset(("too-many-errors", "too-many-nodes", "too-many-steps", "too-much-time"))
"""What ends a check early, so that what it did not come to is not told."""


def check_network(
    file: ProgramFile, name: str, settings: dict[str, Given], work: Work | None = None
) -> Verdict:
    """Check one network at its default sizes, then for every size that its input allows."""
    try:
        with within_time(file.networks[name].name_span), uncollected():
            return _check_network(file, name, settings, work)
    except LimitFault as fault:
        return Verdict(name, None, (fault.diagnostic,))


def _check_network(
    file: ProgramFile, name: str, settings: dict[str, Given], work: Work | None
) -> Verdict:
    network, diagnostics = load_network(file, name, settings, work=work)
    sizes = None
    if not has_errors(diagnostics):
        known = {(each.code, each.span) for each in diagnostics}
        sizes, found = prove_network(file, name, settings, network and network.graph)
        diagnostics += tuple(each for each in found if (each.code, each.span) not in known)
    if network is not None and not settings:
        diagnostics += check_preprocessing(network)
        for recipe in network.recipes:
            if recipe.network == name and not recipe.arguments:
                diagnostics += tuple(unknown_layers(recipe, network.graph))
    return Verdict(name, None if has_errors(diagnostics) else network, diagnostics, sizes)


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
