"""Rules about what stands between braces: nothing at all, or what each pass begins again."""

from __future__ import annotations

from collections.abc import Iterator

from netdsl import syntax
from netdsl.diagnostics import Diagnostic, Label
from netdsl.lint.names import names_of
from netdsl.lint.rule import Text, finding
from netdsl.records import Record, records

_GROWING = {"*": "{} * {} ** {}", "+": "{} + {} * {}", "-": "{} - {} * {}"}
"""What is gained by an operator in each pass, computed from the number of the pass."""


_REMOVED = "write its layers, or remove it"
_KEPT = "write its layers; a layer that changes nothing is `identity`"


def empty_bodies(text: Text) -> Iterator[Diagnostic]:
    """Braces without a statement, which let the value through; a documentation string in them says
    that it is meant."""
    for record in records(text.tree.declarations):
        for body, message, help in _bodies(record):
            if not body.statements and not body.documentation:
                yield finding("empty-body", message, body.span, help=help)


def _bodies(record: Record) -> Iterator[tuple[syntax.Body, str, str]]:
    """The bodies of a record, each with what to say of it where it is empty, and the way out."""
    if isinstance(record, syntax.Block):
        yield record.body, f"the block `{record.name}` is empty and does nothing", _KEPT
    elif isinstance(record, syntax.Group):
        yield record.body, "these braces are empty and do nothing", _KEPT
    elif isinstance(record, (syntax.Repeat, syntax.For)):
        yield record.body, "the loop's body is empty and does nothing", _REMOVED
    elif isinstance(record, syntax.Aux):
        message = "the side branch is empty, so that its output is the value itself"
        yield record.body, message, _REMOVED
    elif isinstance(record, syntax.Residual):
        other = "itself" if record.shortcut is None else "its shortcut"
        message = f"the residual's body is empty, so that it adds the value to {other}"
        yield record.body, message, _REMOVED
        if record.shortcut is not None:
            message = "the shortcut is empty, and so the identity that it is without it"
            yield record.shortcut, message, _REMOVED
    elif isinstance(record, syntax.If):
        turned = "write its layers, or turn the condition around: `if not … { … }`"
        help = _REMOVED if record.otherwise is None else turned
        yield record.then, "the body of `if` is empty and does nothing", help
        if record.otherwise is not None:
            yield record.otherwise, "the body of `else` is empty and does nothing", _REMOVED


def restarting_lets(text: Text) -> Iterator[Diagnostic]:
    """Values of a loop's body that are computed from what had their name before the loop, and from
    nothing that differs between its passes: they neither grow nor need to be in the loop."""
    for loop in records(text.tree.declarations):
        if not isinstance(loop, (syntax.Repeat, syntax.For)):
            continue
        inside = set(_variables(loop))
        for statement in loop.body.statements:
            if isinstance(statement, syntax.Flow) and statement.label is not None:
                inside.add(statement.label.span.text)
            if not isinstance(statement, syntax.Let):
                continue
            read = {each.name for each in records(statement.value) if isinstance(each, syntax.Name)}
            names = {each.name for each in names_of(statement.pattern)}
            if names & read and not inside & read:
                yield _restarting(statement, min(names & read), loop)
            inside |= names


def _variables(loop: syntax.Repeat | syntax.For) -> Iterator[str]:
    if isinstance(loop, syntax.For):
        yield from (each.name for each in names_of(loop.pattern))
    elif loop.number is not None:
        yield loop.number


def _number(loop: syntax.Repeat | syntax.For) -> str:
    """What counts the passes of a loop, or may do so where nothing does."""
    counts = isinstance(loop, syntax.Repeat) or (
        isinstance(loop.values, syntax.Apply)
        and loop.values.function == "range"
        and len(loop.values.arguments) == 1
    )
    return next(_variables(loop), "i") if counts else "i"


def _restarting(let: syntax.Let, name: str, loop: syntax.Repeat | syntax.For) -> Diagnostic:
    value = let.value
    number, example = _number(loop), ""
    if (
        isinstance(value, syntax.Binary)
        and value.operator in _GROWING
        and isinstance(value.left, syntax.Name)
        and isinstance(value.right, (syntax.Constant, syntax.Name))
    ):
        parts = value.left.name, value.right.span.text, number
        formula = _GROWING[value.operator].format(*parts)
        example = f", such as `{formula}`, where `{number}` counts the passes from 0"
    return finding(
        "restarting-let",
        f"each pass begins with the `{name}` from before the loop, so that "
        f"`{value.span.text}` is the same in all of them",
        let.span,
        labels=(Label(loop.span._replace(end=loop.body.span.start), "this loop"),),
        help=f"to change from pass to pass, compute it from the number of the pass{example}; "
        "else write it before the loop, under a name of its own",
    )
