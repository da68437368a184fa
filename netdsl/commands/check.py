"""`netdsl check`: everything that can be known to be wrong with a program before it runs."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import click

from netdsl import size_report
from netdsl.besides import besides
from netdsl.budgets import Work
from netdsl.check import (
    check_file,
    check_names,
    check_network,
    check_recipes,
    check_templates,
    unchecked_variants,
)
from netdsl.codes import CODES
from netdsl.commands import findings, options
from netdsl.commands.console import Console, exit_code
from netdsl.commands.programs import program_files
from netdsl.deadline import within_time
from netdsl.diagnostics import Diagnostic, Fix
from netdsl.network import (
    Target,
    choose_network,
    find,
    load_file,
    read_settings,
)
from netdsl.proof import sizes_of
from netdsl.report import count
from netdsl.source import Source

if TYPE_CHECKING:
    from netdsl.bind import Given
    from netdsl.every_size import EverySize
    from netdsl.fixes import Check
    from netdsl.program import ProgramFile

_EXAMPLES = """\b
Examples:
  netdsl check lenet5.net
  netdsl check resnet.net:resnet50 --set classes=10
  netdsl check architectures              every .net file of a folder
  netdsl check vgg16 --sizes              for which images it works
  netdsl check resnet.net --diff          what the safe fixes would change
  netdsl check resnet.net --fix           change it
  netdsl check . --format github          annotations of a change, in a workflow
"""


class _Checked(NamedTuple):
    """A program's diagnostics, and for each of its networks whether it passed."""

    diagnostics: tuple[Diagnostic, ...] = ()
    networks: tuple[dict[str, object], ...] = ()
    tables: tuple[str, ...] = ()
    """For each network, what is known of its sizes, where that is asked for."""
    notes: tuple[str, ...] = ()
    all_tried: bool = True
    """Whether there was time to try every fix."""


@click.command(epilog=_EXAMPLES)
@click.argument("targets", metavar="TARGET…", nargs=-1, required=True)
@options.settings
@options.limit
@options.report_format
@options.fixing
@click.option(
    "--sizes",
    is_flag=True,
    help="Show for which sizes of its input each network works, and which fit its weights.",
)
@options.color
def command(
    targets: tuple[str, ...],
    settings: dict[str, str],
    output_format: str,
    fix: bool,
    diff: bool,
    unsafe_fixes: bool,
    sizes: bool,
    console: Console,
) -> int:
    """Check every network of each TARGET: syntax, names, shapes, budgets, claims, recipes.

    A network with named sizes is checked for every size that its `where` allows. TARGET may be a
    folder. A fix is proposed only after a check of the fixed program that went well.
    """
    findings.require_sense(output_format, fix=fix, diff=diff, unsafe_fixes=unsafe_fixes)
    found: tuple[Diagnostic, ...] = ()
    networks: tuple[dict[str, object], ...] = ()
    fixed: list[tuple[Diagnostic, Fix]] = []
    all_tried = True
    tables: tuple[str, ...] = ()
    for target in targets:
        for each in program_files(target):
            program = find(each)
            if program.note:
                console.message(f"note: {program.note}")
            with within_time(program.source.span(0, 0)):
                checked = _check(program.source, program.network, settings, Work(), sizes=sizes)
                for note in checked.notes:
                    console.message(f"note: {note}")
                if (fix or diff) and checked.diagnostics:
                    repaired, applied = _repair(
                        program, checked, settings, unsafe_fixes, diff, console
                    )
                    fixed += applied
                    if not diff:
                        checked = repaired
                elif checked.diagnostics:
                    checked = _with_fixes(program, checked, settings)
            found += checked.diagnostics
            networks += checked.networks
            tables += checked.tables
            all_tried = all_tried and checked.all_tried
    code = _report(found, networks, fixed, output_format, console)
    if output_format == "text":
        console.text("\n".join(tables))
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
    findings.show(found, fixed, output_format, console, {"networks": networks}, CODES)
    for network in networks if output_format == "text" else ():
        if network["ok"]:
            console.data(f"{network['file']}:{network['network']} ok, {network['summary']}")
    return exit_code(found)


def _check(
    source: Source,
    wanted: str | None,
    settings: dict[str, str],
    work: Work | None = None,
    *,
    sizes: bool = False,
) -> _Checked:
    """Check one program, or the one network of it that is wanted. Raises UnknownTarget.

    Without `work` no changes are sought that mend a failing assertion.
    """
    file, diagnostics = load_file(source)
    if file is None:
        found = (*diagnostics, *besides(source, diagnostics))
        return _Checked(tuple(sorted(found, key=lambda each: each.span.start)))
    given, found = read_settings(settings, file)
    if found:
        return _Checked(diagnostics + found)
    verdicts = (
        check_file(file, given, work)
        if wanted is None
        else (check_network(file, choose_network(file, wanted), given, work),)
    )
    networks: list[dict[str, object]] = []
    tables: list[str] = []
    for verdict in verdicts:
        diagnostics += verdict.diagnostics
        known = verdict.sizes
        if sizes:
            known, table = _sizes(file, verdict.name, given)
            tables.append(table)
        summary = ""
        if verdict.network is not None:
            summary = f"{count(verdict.network.report.total.params)} parameters"
            if verdict.sizes is not None:
                summary += f", {size_report.summary(verdict.sizes)}"
        networks.append(
            {
                "file": file.source.name,
                "network": verdict.name,
                "ok": verdict.network is not None,
                "summary": summary,
                "sizes": known and size_report.to_json(known),
            }
        )
    diagnostics += check_templates(file) + check_recipes(file)
    diagnostics += check_names(file, diagnostics, wanted)
    notes = unchecked_variants(file) if wanted is None else ()
    if not verdicts:
        notes = (f"{file.source.name} has no network to check", *notes)
    return _Checked(diagnostics, tuple(networks), tuple(tables), notes)


def _sizes(
    file: ProgramFile, name: str, settings: dict[str, Given]
) -> tuple[EverySize | None, str]:
    """What is known of a network's sizes, and as a table."""
    sizes, found = sizes_of(file, name, settings)
    if sizes is not None:
        lines = size_report.rows(sizes)
    elif found:
        lines = [("not known", f"{each.message} ({each.span})") for each in found]
    else:
        lines = [("works", "for the one size of its input")]
    width = max(len(heading) for heading, _ in lines)
    body = "".join(f"\n  {heading:{width}}  {text}" for heading, text in lines)
    return sizes, f"\n{file.source.name}:{name}{body}"


def _with_fixes(program: Target, checked: _Checked, settings: dict[str, str]) -> _Checked:
    # Imported here because most runs have nothing to fix.
    from netdsl.fixes import propose

    if any(each.code == "too-many-errors" for each in checked.diagnostics):
        return checked._replace(all_tried=False)
    proposal = propose(
        program.source,
        checked.diagnostics,
        *_checks(program, checked, settings),
        cpu_s=findings.TRYING_S,
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
    if not diff:
        findings.require_own_file(program)
    _, quick = _checks(program._replace(network=None), checked, settings)
    seen: dict[str, _Checked] = {}

    def check(changed: Source, work: Work | None = None) -> tuple[Diagnostic, ...]:
        seen[changed.text] = _check(changed, None, settings, work)
        found = seen[changed.text].diagnostics
        if program.network is not None:
            # It may need the settings to be a network at all.
            found += _check(changed, program.network, settings, work).diagnostics
        return found

    repaired = repair(
        source, check, quick, unsafe=unsafe, advised=lambda changed: check(changed, Work())
    )
    findings.apply(program, repaired, console, diff=diff)
    if diff:
        return _Checked(), ()
    fixes = {(each.code, each.span): each.fixes for each in repaired.diagnostics}
    left = seen.get(repaired.source.text) if program.network is None else None
    if left is None:
        left = _check(repaired.source, program.network, settings, Work())
    diagnostics = tuple(
        each._replace(fixes=fixes.get((each.code, each.span), ())) for each in left.diagnostics
    )
    return left._replace(diagnostics=diagnostics), repaired.applied
