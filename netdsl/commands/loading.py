"""From a command's target to a network that passed all checks."""

from __future__ import annotations

import sys

from netdsl.bind import Given
from netdsl.budgets import Work
from netdsl.commands.console import Console, diagnostics_json, exit_code
from netdsl.diagnostics import Diagnostic
from netdsl.network import (
    Network,
    choose_network,
    find,
    has_errors,
    load_file,
    load_network,
    read_settings,
)
from netdsl.program import ProgramFile


def open_program(
    target: str, console: Console
) -> tuple[ProgramFile | None, str | None, tuple[Diagnostic, ...]]:
    """The program that a target stands for, and the network of it that the target names.

    The program is None where it has errors. Raises UnknownTarget and UnreadableSource.
    """
    found = find(target)
    if found.note:
        console.message(f"note: {found.note}")
    file, diagnostics = load_file(found.source)
    return (None if has_errors(diagnostics) else file), found.network, diagnostics


def load(
    target: str, settings: dict[str, str], console: Console, *, json: bool, batch: int = 1
) -> Network:
    """The network of a target. Where it has errors, shows them and ends the command."""
    file, wanted, diagnostics = open_program(target, console)
    network = None
    if file is not None:
        name = choose_network(file, wanted)
        given, diagnostics = read_settings(settings, file)
        if not diagnostics:
            network, diagnostics = load_network(file, name, given, batch=batch, work=Work())
    if network is None:
        sys.exit(show(diagnostics, console, json=json))
    console.diagnostics(diagnostics)
    return network


def choose(
    target: str, settings: dict[str, str], console: Console, *, json: bool
) -> tuple[ProgramFile, str, dict[str, Given]]:
    """The program of a target, the network that is meant, and its settings, not elaborated yet.

    Where the program or the settings have errors, shows them and ends the command.
    """
    file, wanted, diagnostics = open_program(target, console)
    if file is not None:
        name = choose_network(file, wanted)
        given, diagnostics = read_settings(settings, file)
        if not diagnostics:
            return file, name, given
    sys.exit(show(diagnostics, console, json=json))


def show(diagnostics: tuple[Diagnostic, ...], console: Console, *, json: bool) -> int:
    """Show what is wrong, as JSON where the command's result would be; the exit code.

    Fixes are left to `netdsl check`, which tries them on the whole file.
    """
    diagnostics = tuple(each._replace(fixes=()) for each in diagnostics)
    if json:
        console.json({"diagnostics": diagnostics_json(diagnostics)})
        return exit_code(diagnostics)
    return console.diagnostics(diagnostics)
