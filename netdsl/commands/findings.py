"""What commands that find something in programs share: how it is written, and how it is fixed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from netdsl.commands.console import Console, diagnostics_json
from netdsl.commands.programs import difference
from netdsl.diagnostics import Diagnostic, Fix
from netdsl.exits import WRONG_USAGE, Failure
from netdsl.network import SHIPPED, Target

if TYPE_CHECKING:
    from netdsl.fixes import Repair

TRYING_S = 0.3
"""How long fixes are tried for a report, in seconds of processor time. Whoever waits for one would
rather have it soon; --fix and --diff take their time."""


class NotToBeFixed(Failure):
    """A program that fixes can't be written to."""

    exit_code = WRONG_USAGE


def require_sense(output_format: str, *, fix: bool, diff: bool, unsafe_fixes: bool) -> None:
    """Refuse options that don't go together, with click's UsageError."""
    if unsafe_fixes and not (fix or diff):
        raise click.UsageError("--unsafe-fixes goes with --fix or --diff")
    if diff and output_format != "text":
        raise click.UsageError("--diff is text; leave out --format")


def show(
    found: Sequence[Diagnostic],
    fixed: Sequence[tuple[Diagnostic, Fix]],
    output_format: str,
    console: Console,
    data: dict[str, object],
    meanings: dict[str, str],
) -> None:
    """Write what was found, and what was fixed, in one of the formats of `options.report_format`.

    `data` stands before both in JSON; SARIF lists the `meanings` as its rules.
    """
    # What words diagnostics is imported where it is needed, for most runs have none.
    if output_format == "json":
        applied = [
            {**diagnostics_json([diagnostic._replace(fixes=())])[0], "fix": fix.message}
            for diagnostic, fix in fixed
        ]
        console.json({**data, "diagnostics": diagnostics_json(found), "fixed": applied})
        return
    for diagnostic, fix in fixed:
        console.message(f"fixed {diagnostic.span}: {diagnostic.code}: {fix.message}", "good")
    if output_format == "sarif":
        from netdsl.sarif import to_sarif

        console.json(to_sarif(found, meanings))
    elif output_format == "github":
        from netdsl.github import workflow_commands

        console.text(workflow_commands(found))
    elif output_format == "concise":
        from netdsl.render import concise

        console.text(concise(found))
    else:
        console.diagnostics(found)
        safe = {each.span for each in found if any(fix.safe for fix in each.fixes)}
        if safe:
            what = "the safe fix" if len(safe) == 1 else f"the {len(safe)} safe fixes"
            console.message(f"note: --fix applies {what}, --diff shows the change first")


def require_own_file(program: Target) -> None:
    """Refuse to fix what was not named by its path, or is one that netdsl ships, with
    NotToBeFixed."""
    path = program.source.path
    own = path is not None and not (
        path.is_relative_to(SHIPPED) and program.source.name == path.name
    )
    if not own:
        raise NotToBeFixed(
            f"`{program.source.name}` is no file of yours to fix; --diff shows what would change"
        )


def apply(program: Target, repaired: Repair, console: Console, *, diff: bool) -> None:
    """Write a repaired program in place of what it was, or with `diff` show the difference."""
    if not repaired.applied:
        return
    if diff:
        console.text(difference(program.source, repaired.source))
        return
    from netdsl.commands.writing import replace_program

    replace_program(program.source, repaired.source.text)
