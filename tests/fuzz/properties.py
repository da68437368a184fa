"""What must hold of any program, however broken."""

from __future__ import annotations

import json
import time
from typing import NamedTuple

from netdsl.check import Verdict, check_file, check_names, check_recipes, check_templates
from netdsl.codes import CODES, RULES
from netdsl.diagnostics import Diagnostic, Fault
from netdsl.emit import emit
from netdsl.fixes import apply_edits, propose
from netdsl.format import format_source
from netdsl.github import workflow_commands
from netdsl.lint import lint
from netdsl.network import Network, has_errors, load_file
from netdsl.program import ProgramFile
from netdsl.render import render, to_json
from netdsl.report import as_json, table
from netdsl.sarif import to_sarif
from netdsl.source import Source, Span, UnreadableSource, decoded

EMITTED_NODES = 200
"""The most layers of a network whose source is written too."""

_TRYING_S = 0.05
"""CPU time for trying fixes, of which a command takes more."""
_QUICK_S = 0.2
"""CPU time of checking a program whose fixes are tried, as each is checked anew."""


class Broken(Exception):
    """A property does not hold; the message says which."""


class Outcome(NamedTuple):
    """What became of a program, "unreadable", "wrong" or "right", and the CPU time that each
    command takes for it at most, in seconds, without starting up."""

    result: str
    commands_s: dict[str, float]


def outcome(data: bytes, *, thorough: bool = True) -> Outcome:
    """What becomes of a program. Raises Broken, or what fails.

    All are parsed, checked for every size, and what is wrong is shown. `thorough` costs, compiles,
    lints, formats and fixes them too.
    """
    try:
        source = Source("fuzz.net", decoded(data, "fuzz.net"))
    except UnreadableSource:
        return Outcome("unreadable", {})
    clock = _Clock()
    file, diagnostics = load_file(source)
    parsing_s = clock.lap_s()
    verdicts: tuple[Verdict, ...] = ()
    if file is not None and not diagnostics:
        verdicts = check_file(file, {})
        for verdict in verdicts:
            diagnostics += verdict.diagnostics
        diagnostics += _of_declarations(file, diagnostics)
    _show(diagnostics)
    checking_s = parsing_s + clock.lap_s()
    commands_s = {"check": checking_s}
    networks = [verdict.network for verdict in verdicts if verdict.network is not None]
    if thorough:
        _show_to_programs(diagnostics)
        commands_s["check --format"] = checking_s + clock.lap_s()
        _format(source)
        commands_s["fmt"] = clock.lap_s()
        if any(each.severity == "error" for each in diagnostics) and checking_s < _QUICK_S:
            _fix(source, diagnostics)
            commands_s["check --fix"] = checking_s + clock.lap_s()
        if networks and file is not None:
            for network in networks:
                _compile(network)
                longest_s = commands_s.get("compile", checking_s)
                commands_s["compile"] = max(longest_s, checking_s + clock.lap_s())
            _show(lint(file, None, {}).findings)
            commands_s["lint"] = parsing_s + clock.lap_s()
    return Outcome("right" if networks else "wrong", commands_s)


class _Clock:
    """The CPU time since it was last looked at."""

    def __init__(self) -> None:
        self.last_s = time.process_time()

    def lap_s(self) -> float:
        before_s, self.last_s = self.last_s, time.process_time()
        return self.last_s - before_s


def _show(diagnostics: tuple[Diagnostic, ...]) -> None:
    for diagnostic in diagnostics:
        _see(diagnostic)
    _shown(render(diagnostics, color=False))


def _show_to_programs(diagnostics: tuple[Diagnostic, ...]) -> None:
    json.dumps([to_json(each) for each in diagnostics])
    json.dumps(to_sarif(diagnostics, CODES | RULES))
    _shown(workflow_commands(diagnostics))


def _of_declarations(file: ProgramFile, told: tuple[Diagnostic, ...]) -> tuple[Diagnostic, ...]:
    return check_templates(file) + check_recipes(file) + check_names(file, told)


def _compile(network: Network) -> None:
    """Cost a network, and write its source unless it is long."""
    json.dumps(as_json(network.report))
    _shown(table(network.report, all_layers=False, width=80))
    if len(network.graph.nodes) <= EMITTED_NODES:
        try:
            compile(emit(network.graph), "emitted.py", "exec")
        except Fault as fault:
            _show((fault.diagnostic,))


def _format(source: Source) -> None:
    text, _ = format_source(source)
    if text is None:
        return
    again, _ = format_source(Source(source.name, text))
    if again != text:
        raise Broken("formatting a formatted program changes it")


def _fix(source: Source, diagnostics: tuple[Diagnostic, ...]) -> None:
    def check(source: Source) -> tuple[Diagnostic, ...]:
        file, found = load_file(source)
        if file is None or has_errors(found):
            return found
        for verdict in check_file(file, {}):
            found += verdict.diagnostics
        return found + _of_declarations(file, found)

    proposed = propose(source, diagnostics, check, cpu_s=_TRYING_S)
    for diagnostic in proposed.diagnostics:
        for fix in diagnostic.fixes:
            if all(edit.span.source is source for edit in fix.edits):
                apply_edits(source, fix.edits)
    _shown(render(proposed.diagnostics, color=False))


def _shown(text: str) -> None:
    if any(not (each.isprintable() or each == "\n") for each in text):
        raise Broken("what is shown has characters that act on a terminal")


def _see(diagnostic: Diagnostic) -> None:
    spans: list[Span] = [diagnostic.span, *(each.span for each in diagnostic.labels)]
    spans += [each.span for each in diagnostic.trail]
    for span in spans:
        if not 0 <= span.start <= span.end <= len(span.source.text) + 1:
            raise Broken(f"{diagnostic.code} is at {span.start}-{span.end}, outside its text")
