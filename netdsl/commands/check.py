"""`netdsl check`: everything that can be known to be wrong with a program before it runs."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import click

from netdsl.check import check_file, check_network, check_recipes, check_templates
from netdsl.commands import options
from netdsl.commands.console import Console, diagnostics_json, exit_code
from netdsl.commands.programs import difference, program_files
from netdsl.diagnostics import Diagnostic, Fix
from netdsl.exits import WRONG_USAGE, Failure
from netdsl.network import (
    SHIPPED,
    Target,
    choose_network,
    find,
    has_errors,
    load_file,
    read_settings,
)
from netdsl.report import count
from netdsl.source import Source

if TYPE_CHECKING:
    from netdsl.fixes import Check

_EXAMPLES = """\b
Examples:
  netdsl check lenet5.net
  netdsl check resnet.net:resnet50 --set classes=10
  netdsl check architectures              every .net file of a folder
  netdsl check resnet.net --diff          what the safe fixes would change
  netdsl check resnet.net --fix           change it
  netdsl check . --format github          annotations of a change, in a workflow
"""


# Whoever waits for a report would rather have it soon; --fix and --diff take their time.
_TRYING_S = 0.3


class NotToBeFixed(Failure):
    """A program that fixes can't be written to."""

    exit_code = WRONG_USAGE


class _Checked(NamedTuple):
    """A program's diagnostics, and for each of its networks whether it passed."""

    diagnostics: tuple[Diagnostic, ...] = ()
    networks: tuple[dict[str, object], ...] = ()
    note: str = ""
    all_tried: bool = True
    """Whether there was time to try every fix."""


@click.command(epilog=_EXAMPLES)
@click.argument("targets", metavar="TARGET…", nargs=-1, required=True)
@options.settings
@options.limit
@click.option(
    "--format",
    "output_format",
    type=click.Choice(["text", "concise", "json", "sarif", "github"]),
    default="text",
    show_default=True,
    help="How to write the result: for readers, a line each, or for programs and code hosts.",
)
@click.option("--fix", is_flag=True, help="Apply the fixes that are safe, and check again.")
@click.option("--diff", is_flag=True, help="Show what --fix would change, and change nothing.")
@click.option(
    "--unsafe-fixes",
    is_flag=True,
    help="With --fix or --diff: also fixes that may not be what is meant.",
)
@options.color
def command(
    targets: tuple[str, ...],
    settings: dict[str, str],
    output_format: str,
    fix: bool,
    diff: bool,
    unsafe_fixes: bool,
    console: Console,
) -> int:
    """Check every network of each TARGET: syntax, names, shapes, budgets, claims, recipes.

    A network with named sizes is checked for every size that its `where` allows. TARGET may be a
    folder. A fix is proposed only after a check of the fixed program that went well.
    """
    if unsafe_fixes and not (fix or diff):
        raise click.UsageError("--unsafe-fixes goes with --fix or --diff")
    if diff and output_format != "text":
        raise click.UsageError("--diff is text; leave out --format")
    found: tuple[Diagnostic, ...] = ()
    networks: tuple[dict[str, object], ...] = ()
    fixed: list[tuple[Diagnostic, Fix]] = []
    all_tried = True
    for target in targets:
        for each in program_files(target):
            program = find(each)
            if program.note:
                console.message(f"note: {program.note}")
            checked = _check(program.source, program.network, settings)
            if checked.note:
                console.message(checked.note)
            if (fix or diff) and checked.diagnostics:
                repaired, applied = _repair(program, checked, settings, unsafe_fixes, diff, console)
                fixed += applied
                if not diff:
                    checked = repaired
            elif checked.diagnostics:
                checked = _with_fixes(program, checked, settings)
            found += checked.diagnostics
            networks += checked.networks
            all_tried = all_tried and checked.all_tried
    code = _report(found, networks, fixed, output_format, console)
    if not all_tried:
        console.message("note: not every fix was tried; --diff takes the time for it")
    return code


def _report(
    found: tuple[Diagnostic, ...],
    networks: tuple[dict[str, object], ...],
    fixed: list[tuple[Diagnostic, Fix]],
    output_format: str,
    console: Console,
) -> int:
    # What words diagnostics is imported where it is needed, for most runs have none.
    if output_format == "json":
        applied = [
            {**diagnostics_json([diagnostic._replace(fixes=())])[0], "fix": fix.message}
            for diagnostic, fix in fixed
        ]
        console.json(
            {"networks": networks, "diagnostics": diagnostics_json(found), "fixed": applied}
        )
        return exit_code(found)
    for diagnostic, fix in fixed:
        console.message(f"fixed {diagnostic.span}: {diagnostic.code}: {fix.message}", "good")
    if output_format == "sarif":
        from netdsl.sarif import to_sarif

        console.json(to_sarif(found))
        return exit_code(found)
    if output_format == "github":
        from netdsl.github import workflow_commands

        console.text(workflow_commands(found))
        return exit_code(found)
    if output_format == "concise":
        from netdsl.render import concise

        console.text(concise(found))
        return exit_code(found)
    code = console.diagnostics(found)
    safe = {each.span for each in found if any(fix.safe for fix in each.fixes)}
    if safe:
        what = "the safe fix" if len(safe) == 1 else f"the {len(safe)} safe fixes"
        console.message(f"note: --fix applies {what}, --diff shows the change first")
    for network in networks:
        if network["ok"]:
            console.data(f"{network['file']}:{network['network']} ok, {network['summary']}")
    return code


def _check(source: Source, wanted: str | None, settings: dict[str, str]) -> _Checked:
    """Check one program, or the one network of it that is wanted. Raises UnknownTarget."""
    file, diagnostics = load_file(source)
    if file is None or has_errors(diagnostics):
        return _Checked(diagnostics)
    given, found = read_settings(settings, file)
    if found:
        return _Checked(diagnostics + found)
    verdicts = (
        check_file(file, given)
        if wanted is None
        else (check_network(file, choose_network(file, wanted), given),)
    )
    networks: list[dict[str, object]] = []
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
    diagnostics += check_templates(file) + check_recipes(file)
    note = "" if verdicts else f"note: {file.source.name} has no network to check"
    return _Checked(diagnostics, tuple(networks), note)


def _with_fixes(program: Target, checked: _Checked, settings: dict[str, str]) -> _Checked:
    # Imported here because most runs have nothing to fix.
    from netdsl.fixes import propose

    if any(each.code == "too-many-errors" for each in checked.diagnostics):
        return checked._replace(all_tried=False)
    proposal = propose(
        program.source, checked.diagnostics, *_checks(program, checked, settings), cpu_s=_TRYING_S
    )
    return checked._replace(diagnostics=proposal.diagnostics, all_tried=proposal.all_tried)


def _checks(
    program: Target, checked: _Checked, settings: dict[str, str]
) -> tuple[Check, Check | None]:
    """What finds the mistakes of a changed program; and of its first network that has some."""

    def check(network: str | None, source: Source) -> tuple[Diagnostic, ...]:
        return _check(source, network, settings).diagnostics

    failing = next((str(each["network"]) for each in checked.networks if not each["ok"]), None)
    quick = None if failing is None or len(checked.networks) == 1 else partial(check, failing)
    return partial(check, program.network), quick


def _repair(
    program: Target,
    checked: _Checked,
    settings: dict[str, str],
    unsafe: bool,
    diff: bool,
    console: Console,
) -> tuple[_Checked, tuple[tuple[Diagnostic, Fix], ...]]:
    """Fix a program and write it, or with `diff` show the difference; what then is wrong with it,
    and what was applied."""
    from netdsl.fixes import repair

    source = program.source
    if not diff and (source.path is None or not _is_ones_own(source, program)):
        raise NotToBeFixed(
            f"`{source.name}` is no file of yours to fix; --diff shows what would change"
        )
    whole, quick = _checks(program._replace(network=None), checked, settings)

    def check(changed: Source) -> tuple[Diagnostic, ...]:
        found = whole(changed)
        if program.network is not None:
            # It may need the settings to be a network at all.
            found += _check(changed, program.network, settings).diagnostics
        return found

    repaired = repair(source, check, quick, unsafe=unsafe)
    if diff:
        if repaired.applied:
            console.text(difference(source, repaired.source))
        return _Checked(), ()
    if repaired.applied:
        from netdsl.commands.writing import replace_program

        replace_program(source, repaired.source.text)
    fixes = {(each.code, each.span): each.fixes for each in repaired.diagnostics}
    left = _check(repaired.source, program.network, settings)
    diagnostics = tuple(
        each._replace(fixes=fixes.get((each.code, each.span), ())) for each in left.diagnostics
    )
    return left._replace(diagnostics=diagnostics), repaired.applied


def _is_ones_own(source: Source, program: Target) -> bool:
    """Whether a program was named by its path, and not taken from those that netdsl ships."""
    assert source.path is not None
    return not (source.path.is_relative_to(SHIPPED) and source.name == source.path.name)
