"""Diagnostics as workflow commands, which GitHub Actions shows beside the lines of a change.

    ::error file=a.net,line=3,col=3,endLine=3,endColumn=9,title=unknown-layer::there is no …

Source: GitHub's "Workflow commands for GitHub Actions", and `packages/core/src/command.ts` of its
actions/toolkit for the escapes.
"""

from __future__ import annotations

from collections.abc import Iterable

from netdsl.diagnostics import Diagnostic
from netdsl.render import distinct
from netdsl.source import printable

_DATA = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A"})
_PROPERTY = _DATA | str.maketrans({":": "%3A", ",": "%2C"})


def workflow_commands(diagnostics: Iterable[Diagnostic]) -> str:
    """A command for each diagnostic, with its labels, its help and how it was reached; "" for none.

    Lines and columns count from 1, `endColumn` is behind the last character. GitHub takes columns
    only for what lies on one line.
    """
    return "".join(f"{_annotation(each)}\n" for each in distinct(diagnostics))


def _annotation(diagnostic: Diagnostic) -> str:
    source = diagnostic.span.source
    line, column = source.line_column(diagnostic.span.start)
    end_line, end_column = source.line_column(diagnostic.span.end)
    properties = {"file": source.name, "line": str(line)}
    if line == end_line:
        properties["col"] = str(column)
    properties["endLine"] = str(end_line)
    if line == end_line:
        properties["endColumn"] = str(end_column)
    properties["title"] = diagnostic.code
    message = [diagnostic.message, *([diagnostic.label] if diagnostic.label else [])]
    message += [f"{each.text}, at {each.span}" for each in diagnostic.labels]
    message += [f"in: {frame.text}, at {frame.span}" for frame in diagnostic.trail]
    message += [f"note: {note}" for note in diagnostic.notes]
    if diagnostic.help:
        message.append(f"help: {diagnostic.help}")
    # Other controls would act on a terminal that shows the log.
    lines = [printable(line) for part in message for line in part.split("\n")]
    shown = ",".join(f"{name}={text.translate(_PROPERTY)}" for name, text in properties.items())
    return f"::{diagnostic.severity} {shown}::" + "\n".join(lines).translate(_DATA)
