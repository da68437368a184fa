"""`netdsl lint`: what works and is better written otherwise."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import NamedTuple

import click

from netdsl.codes import MEANINGS, RULES
from netdsl.commands import findings, options
from netdsl.commands.console import Console
from netdsl.commands.programs import program_files
from netdsl.diagnostics import Diagnostic, Fix, did_you_mean
from netdsl.exits import FINE, PROGRAM_HAS_ERRORS, Failure
from netdsl.lint import lint
from netdsl.network import Target, choose_network, find, has_errors, load_file, read_settings
from netdsl.program import ProgramFile
from netdsl.source import Source, Span, printable

_EXAMPLES = """\b
Examples:
  netdsl lint resnet.net
  netdsl lint .                               every .net file of a folder
  netdsl lint unet.net:unet --set classes=2   the layers of one network
  netdsl lint . --fix                         apply what changes no network
  netdsl lint . --diff --unsafe-fixes         show what would change weights too
  netdsl lint . --ignore padding-differs
  netdsl explain bias-before-norm             why a rule is one

A line that is meant says so: `# lint: allow RULE — why`, behind it or above it.
"""


class _Broken(Failure):
    """A changed program has errors."""


class _Linted(NamedTuple):
    found: tuple[Diagnostic, ...]
    """The errors, or where there are none the findings in the files that were asked for."""
    networks: tuple[str, ...] = ()


class _Asked(NamedTuple):
    """What the command line asks for."""

    settings: dict[str, str]
    rules: frozenset[str]
    files: dict[Path, Source]
    """The files that are linted, as they now are, by their resolved path."""


def _rules(
    ctx: click.Context, param: click.Parameter, texts: tuple[str, ...]
) -> frozenset[str] | None:
    names = [name.strip() for text in texts for name in text.split(",")]
    for name in names:
        if name not in RULES:
            help = did_you_mean(name, tuple(RULES)) or "`netdsl list rules` shows them"
            message = f"there is no rule `{printable(name)}`; {help}"
            raise click.BadParameter(message, ctx, param)
    return frozenset(names) if names else None


@click.command(epilog=_EXAMPLES)
@click.argument("targets", metavar="TARGET…", nargs=-1, required=True)
@options.settings
@options.limit
@click.option(
    "--select",
    metavar="RULE,…",
    multiple=True,
    callback=_rules,
    help="Look for these rules alone; `netdsl list rules` shows all.",
)
@click.option(
    "--ignore", metavar="RULE,…", multiple=True, callback=_rules, help="Leave these rules out."
)
@click.option("--statistics", is_flag=True, help="Show how often each rule finds something.")
@options.report_format
@options.fixing
@options.color
def command(
    targets: tuple[str, ...],
    settings: dict[str, str],
    select: frozenset[str] | None,
    ignore: frozenset[str] | None,
    statistics: bool,
    output_format: str,
    fix: bool,
    diff: bool,
    unsafe_fixes: bool,
    console: Console,
) -> int:
    """Find in each TARGET what works and is better written otherwise; exit with 1 if anything is.

    Unused names, biases before batch norm, pixels that nothing reads, ends at the wrong place, and
    more: `netdsl list rules`. TARGET may be a folder. A program with errors is not linted, they are
    shown instead; `netdsl check` shows all of them.
    """
    findings.require_sense(output_format, fix=fix, diff=diff, unsafe_fixes=unsafe_fixes)
    if statistics and (diff or output_format != "text"):
        raise click.UsageError("--statistics is text; leave out --format and --diff")
    named = dict.fromkeys(each for target in targets for each in program_files(target))
    programs = [find(each) for each in named]
    rules = (frozenset(RULES) if select is None else select) - (ignore or frozenset())
    files = {
        program.source.path.resolve(): program.source
        for program in programs
        if program.source.path is not None
    }
    asked = _Asked(settings, rules, files)
    found: dict[tuple[str, str, int, int], Diagnostic] = {}
    fixed: list[tuple[Diagnostic, Fix]] = []
    networks: list[dict[str, object]] = []
    all_tried = True
    for program in programs:
        if program.note:
            console.message(f"note: {program.note}")
        if program.source.path is not None:
            # It may have been fixed for another of its networks.
            program = program._replace(source=files[program.source.path.resolve()])
        linted = _lint(program, program.source, asked)
        if not linted.networks and program.source.name in targets and not has_errors(linted.found):
            console.message(
                f"note: {program.source.name} has no network, so that only its text is looked at"
            )
        if (fix or diff) and not has_errors(linted.found):
            linted, applied = _repair(program, linted, asked, unsafe_fixes, diff, console)
            fixed += applied
        elif any(each.fixes for each in linted.found):
            linted, tried = _with_fixes(program, linted, asked)
            all_tried = all_tried and tried
        for each in linted.found:
            # A file that several programs import has its findings once.
            path = each.span.source.path
            place = each.span.source.name if path is None else str(path.resolve())
            found.setdefault((each.code, place, *each.span[1:]), each)
        networks += ({"file": program.source.name, "network": each} for each in linted.networks)
    everything = tuple(found.values())
    if statistics:
        for code, times in sorted(Counter(each.code for each in everything).items()):
            console.data(f"{times:6}  {code:22}  {MEANINGS[code]}")
    else:
        data: dict[str, object] = {"networks": networks}
        findings.show(everything, fixed, output_format, console, data, MEANINGS)
    if not all_tried:
        console.message("note: not every fix was tried; --diff takes the time for it")
    return PROGRAM_HAS_ERRORS if everything else FINE


def _lint(program: Target, source: Source, asked: _Asked) -> _Linted:
    """Lint a text in place of a program's own. Raises UnknownTarget."""
    file, diagnostics = load_file(source)
    if file is None or has_errors(diagnostics):
        return _Linted(diagnostics)
    given, mistakes = read_settings(asked.settings, file)
    if mistakes:
        return _Linted(mistakes)
    wanted = None if program.network is None else choose_network(file, program.network)
    of_rules, errors, networks = lint(file, wanted, given, asked.rules)
    if errors:
        return _Linted(errors)
    return _Linted(tuple(_of_files(of_rules, file, asked)), networks)


def _of_files(
    diagnostics: tuple[Diagnostic, ...], file: ProgramFile, asked: _Asked
) -> list[Diagnostic]:
    """What lies in the program's own files or in those that are linted, named as they were."""
    kept = []
    for diagnostic in diagnostics:
        source = diagnostic.span.source
        other = None if source.path is None else asked.files.get(source.path.resolve())
        if source is not file.source and other is not None:
            kept.append(_moved(diagnostic, source, other))
        elif source in file.sources:
            kept.append(diagnostic)
    return kept


def _moved(diagnostic: Diagnostic, before: Source, after: Source) -> Diagnostic:
    """A diagnostic of a file that was read twice, as of the second reading."""

    def move(span: Span) -> Span:
        return span._replace(source=after) if span.source is before else span

    return diagnostic._replace(
        span=move(diagnostic.span),
        labels=tuple(each._replace(span=move(each.span)) for each in diagnostic.labels),
        trail=tuple(each._replace(span=move(each.span)) for each in diagnostic.trail),
        fixes=tuple(
            each._replace(edits=tuple(edit._replace(span=move(edit.span)) for edit in each.edits))
            for each in diagnostic.fixes
        ),
    )


def _again(program: Target, asked: _Asked, source: Source) -> tuple[Diagnostic, ...]:
    """What is found in a changed program. Raises _Broken where it has errors."""
    linted = _lint(program, source, asked)
    if has_errors(linted.found):
        raise _Broken("the changed program has errors")
    return linted.found


def _with_fixes(program: Target, linted: _Linted, asked: _Asked) -> tuple[_Linted, bool]:
    # Imported here because most runs have nothing to fix.
    from netdsl.fixes import propose

    proposal = propose(
        program.source,
        linted.found,
        lambda source: _again(program, asked, source),
        cpu_s=findings.TRYING_S,
    )
    return linted._replace(found=proposal.diagnostics), proposal.all_tried


def _repair(
    program: Target,
    linted: _Linted,
    asked: _Asked,
    unsafe: bool,
    diff: bool,
    console: Console,
) -> tuple[_Linted, tuple[tuple[Diagnostic, Fix], ...]]:
    """Fix a program and write it, or with `diff` show the difference; what is then found in it, and
    what was applied."""
    from netdsl.fixes import repair

    if not any(each.fixes for each in linted.found):
        return (linted._replace(found=()) if diff else linted), ()
    if not diff:
        findings.require_own_file(program)
    repaired = repair(program.source, lambda source: _again(program, asked, source), unsafe=unsafe)
    findings.apply(program, repaired, console, diff=diff)
    if program.source.path is not None and not diff:
        asked.files[program.source.path.resolve()] = repaired.source
    if diff:
        return linted._replace(found=()), ()
    return linted._replace(found=repaired.diagnostics), repaired.applied
