"""From a command's target to a network and the recipe to use it with.

Apart from `netdsl.commands.loading`, as most commands need no recipe and should not import one.
"""

from __future__ import annotations

import sys

from netdsl.budgets import Work
from netdsl.commands.console import Console
from netdsl.commands.loading import open_program, show
from netdsl.network import (
    Network,
    choose_network,
    has_errors,
    load_network,
    read_settings,
    recipes_for,
)
from netdsl.recipe import Recipe, choose_recipe, read_override, read_recipe
from netdsl.syntax import Setting


def load_with_recipe(
    target: str,
    settings: dict[str, str],
    recipe: str | None,
    overrides: dict[str, str | None],
    console: Console,
    *,
    json: bool,
    needed: str | None = None,
) -> tuple[Network, Recipe]:
    """The network of a target, and a recipe for it, with `overrides` in place of its settings.

    Where `needed` names a setting, recipes without it are not chosen from. Where something has
    errors, shows them and ends the command. Raises UnknownTarget and UnknownRecipe.
    """
    file, wanted, problems = open_program(target, console)
    if file is None:
        sys.exit(show(problems, console, json=json))
    if wanted is None and recipe is not None:
        networks = [each.network for each in file.recipes if each.name == recipe]
        wanted = networks[0] if len(networks) == 1 else None
    name = choose_network(file, wanted)
    replaced: list[Setting] = []
    for key, text in overrides.items():
        if text is not None:
            override, found = read_override(key, text)
            problems += found
            if override is not None:
                replaced.append(override)
    recipes = tuple(
        each
        for each in recipes_for(file, name)
        if recipe is not None
        or needed is None
        or any(setting.name == needed for setting in each.settings)
    )
    chosen, found = read_recipe(choose_recipe(recipes, recipe), file.scope, tuple(replaced))
    problems += found
    given, found = read_settings(settings, file)
    problems += found
    network = None
    if chosen is not None and not has_errors(problems):
        network, found = load_network(file, name, {**chosen.arguments, **given}, work=Work())
        problems += found
    if network is None or chosen is None:
        sys.exit(show(problems, console, json=json))
    console.diagnostics(problems)
    return network, chosen
