"""`netdsl check`: everything that can be known to be wrong with a program before it runs."""

from __future__ import annotations

from pathlib import Path

import click

from netdsl.check import check_file, check_network, check_recipes, check_templates
from netdsl.commands import options
from netdsl.commands.console import Console, diagnostics_json, exit_code
from netdsl.commands.loading import open_program
from netdsl.diagnostics import Diagnostic
from netdsl.exits import WRONG_USAGE, Failure
from netdsl.network import choose_network, read_settings
from netdsl.report import count

_EXAMPLES = """\b
Examples:
  netdsl check lenet5.net
  netdsl check resnet.net:resnet50 --set classes=10
  netdsl check architectures              every .net file of a folder
  netdsl check resnet.net --format json
"""


class NothingToCheck(Failure):
    exit_code = WRONG_USAGE


@click.command(epilog=_EXAMPLES)
@click.argument("targets", metavar="TARGET…", nargs=-1, required=True)
@options.settings
@options.output_format
@options.color
def command(
    targets: tuple[str, ...], settings: dict[str, str], output_format: str, console: Console
) -> int:
    """Check every network of each TARGET: syntax, names, shapes, budgets, claims, recipes.

    A network with named sizes is checked for every size that its `where` allows. TARGET may be a
    folder.
    """
    found: tuple[Diagnostic, ...] = ()
    networks: list[dict[str, object]] = []
    for target in targets:
        for each in _files(target):
            found += _check(each, settings, console, networks)
    if output_format == "json":
        console.json({"networks": networks, "diagnostics": diagnostics_json(found)})
        return exit_code(found)
    code = console.diagnostics(found)
    for network in networks:
        if network["ok"]:
            console.data(f"{network['file']}:{network['network']} ok, {network['summary']}")
    return code


def _files(target: str) -> list[str]:
    """The targets that a folder stands for; any other stands for itself."""
    if not Path(target).is_dir():
        return [target]
    files = sorted(str(path) for path in Path(target).glob("**/*.net"))
    if not files:
        raise NothingToCheck(f"there is no .net file in `{target}`")
    return files


def _check(
    target: str, settings: dict[str, str], console: Console, networks: list[dict[str, object]]
) -> tuple[Diagnostic, ...]:
    file, wanted, diagnostics = open_program(target, console)
    if file is None:
        return diagnostics
    given, found = read_settings(settings, file)
    if found:
        return diagnostics + found
    verdicts = (
        check_file(file, given)
        if wanted is None
        else (check_network(file, choose_network(file, wanted), given),)
    )
    if not verdicts:
        console.message(f"note: {file.source.name} has no network to check")
    for verdict in verdicts:
        diagnostics += verdict.diagnostics
        summary = ""
        if verdict.network is not None:
            summary = f"{count(verdict.network.report.total.params)} parameters"
        networks.append(
            {
                "file": file.source.name,
                "network": verdict.name,
                "ok": verdict.network is not None,
                "summary": summary,
            }
        )
    return diagnostics + check_templates(file) + check_recipes(file)
