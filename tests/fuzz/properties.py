"""What must hold of any program, however broken."""

from __future__ import annotations

import json
import time

from netdsl.check import check_file, check_recipes, check_templates
from netdsl.codes import CODES, RULES
from netdsl.diagnostics import Diagnostic, Fault
from netdsl.emit import emit
from netdsl.fixes import apply_edits, propose
from netdsl.format import format_source
from netdsl.github import workflow_commands
from netdsl.graph import Graph
from netdsl.lint import lint
from netdsl.network import has_errors, load_file
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


def outcome(data: bytes, *, thorough: bool = True) -> str:
    """What becomes of a program: "unreadable", "wrong" or "right". Raises Broken, or what fails.

    All are parsed, checked for every size, and what is wrong is shown. `thorough` formats, fixes,
    lints, costs and compiles them too.
    """
    try:
        source = Source("fuzz.net", decoded(data, "fuzz.net"))
    except UnreadableSource:
        return "unreadable"
    begun_s = time.process_time()
    file, diagnostics = load_file(source)
    right = False
    if file is not None and not diagnostics:
        for verdict in check_file(file, {}):
            diagnostics += verdict.diagnostics
            if verdict.network is None:
                continue
            right = True
            if thorough:
                json.dumps(as_json(verdict.network.report))
                _shown(table(verdict.network.report, all_layers=False, width=80))
                diagnostics += _compiled(verdict.network.graph)
        diagnostics += _of_templates_and_recipes(file)
        if right and thorough:
            diagnostics += lint(file, None, {}).findings
    for diagnostic in diagnostics:
        _see(diagnostic)
    _shown(render(diagnostics, color=False))
    if thorough:
        json.dumps([to_json(each) for each in diagnostics])
        json.dumps(to_sarif(diagnostics, CODES | RULES))
        _shown(workflow_commands(diagnostics))
        _format(source)
        wrong = any(each.severity == "error" for each in diagnostics)
        if wrong and time.process_time() - begun_s < _QUICK_S:
            _fix(source, diagnostics)
    return "right" if right else "wrong"


def _of_templates_and_recipes(file: ProgramFile) -> tuple[Diagnostic, ...]:
    return check_templates(file) + check_recipes(file)


def _compiled(graph: Graph) -> tuple[Diagnostic, ...]:
    if len(graph.nodes) > EMITTED_NODES:
        return ()
    try:
        compile(emit(graph), "emitted.py", "exec")
    except Fault as fault:
        return (fault.diagnostic,)
    return ()


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
        return found + _of_templates_and_recipes(file)

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
