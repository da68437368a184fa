"""Diagnostics in SARIF 2.1.0, which code hosts and editors read.

Source: OASIS Standard, Static Analysis Results Interchange Format (SARIF) Version 2.1.0.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TypeAlias
from urllib.parse import quote

from netdsl import __version__
from netdsl.codes import CODES
from netdsl.diagnostics import Diagnostic, Fix
from netdsl.explanations import prose
from netdsl.render import distinct
from netdsl.source import Source, Span

Object: TypeAlias = "dict[str, object]"


def to_sarif(diagnostics: Iterable[Diagnostic], meanings: dict[str, str] = CODES) -> Object:
    """A log of one run: every code of `meanings` a rule (§3.49), each diagnostic a result (§3.27).

    Columns count UTF-16 code units (§3.14.17) from 1, ends are behind the last one (§3.30).
    """
    number = {code: index for index, code in enumerate(meanings)}
    return {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "netdsl",
                        "version": __version__,
                        "rules": [_rule(code, meaning) for code, meaning in meanings.items()],
                    }
                },
                "columnKind": "utf16CodeUnits",
                "results": [_result(each, number[each.code]) for each in distinct(diagnostics)],
            }
        ],
    }


def _rule(code: str, meaning: str) -> Object:
    text = prose(code)
    return {
        "id": code,
        "shortDescription": _message(meaning),
        # GitHub's code scanning demands it.
        "fullDescription": _message(text.partition("\n\n")[0]),
        "help": _message(text),
    }


def _result(diagnostic: Diagnostic, index: int) -> Object:
    message = [diagnostic.message, *([diagnostic.label] if diagnostic.label else [])]
    message += [f"note: {note}" for note in diagnostic.notes]
    if diagnostic.help:
        message.append(f"help: {diagnostic.help}")
    result: Object = {
        "ruleId": diagnostic.code,
        "ruleIndex": index,
        "level": diagnostic.severity,
        "message": _message("\n".join(message)),
        "locations": [_location(diagnostic.span)],
    }
    related = [(label.span, label.text) for label in diagnostic.labels]
    related += [(frame.span, f"in: {frame.text}") for frame in diagnostic.trail]
    if related:
        result["relatedLocations"] = [
            {"id": number, **_location(span), "message": _message(text)}
            for number, (span, text) in enumerate(related)
        ]
    if diagnostic.fixes:
        result["fixes"] = [_fix(fix) for fix in diagnostic.fixes]
    return result


def _message(text: str) -> Object:
    """A message without placeholders, for which single braces are kept (§3.11.5)."""
    return {"text": text.replace("{", "{{").replace("}", "}}")}


def _fix(fix: Fix) -> Object:
    source = fix.edits[0].span.source
    replacements = [
        {"deletedRegion": _region(edit.span), "insertedContent": {"text": edit.text}}
        for edit in fix.edits
    ]
    return {
        "description": _message(fix.message),
        "artifactChanges": [
            {"artifactLocation": _artifact(source), "replacements": replacements},
        ],
        "properties": {"safe": fix.safe},
    }


def _location(span: Span) -> Object:
    return {
        "physicalLocation": {
            "artifactLocation": _artifact(span.source),
            "region": _region(span),
        }
    }


def _artifact(source: Source) -> Object:
    path = Path(source.name)
    return {"uri": path.as_uri() if path.is_absolute() else quote(path.as_posix())}


def _region(span: Span) -> Object:
    line, column = _line_column(span.source, span.start)
    end_line, end_column = _line_column(span.source, span.end)
    return {
        "startLine": line,
        "startColumn": column,
        "endLine": end_line,
        "endColumn": end_column,
    }


def _line_column(source: Source, offset: int) -> tuple[int, int]:
    """The 1-based line and column, in UTF-16 code units: two for what lies beyond U+FFFF."""
    line, column = source.line_column(offset)
    before = source.line(line)[: column - 1]
    return line, column + sum(character > "\uffff" for character in before)
