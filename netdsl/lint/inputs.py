"""The rule about `in`, which in a network's own body stays the input."""

from __future__ import annotations

from collections.abc import Iterator

from netdsl import syntax
from netdsl.diagnostics import Diagnostic
from netdsl.lint.rule import Text, finding
from netdsl.records import records


def in_means_input(text: Text) -> Iterator[Diagnostic]:
    """Arguments with `in` of layers that other layers of a network's own body stand before."""
    for declaration in text.tree.declarations:
        if not isinstance(declaration, syntax.Network):
            continue
        inputs = [each for each in declaration.body.statements if isinstance(each, syntax.Input)]
        if len(inputs) != 1:
            continue
        name = inputs[0].name
        for call in _behind_others(declaration.body, name, begins=True):
            for each in records(call.arguments):
                if isinstance(each, syntax.Name) and each.name == "in":
                    yield finding(
                        "in-means-input",
                        f"`in` is the input of the network here, not what enters `{call.name}`",
                        each.span,
                        help="label the layer before and write its label, such as "
                        f"`stem.channels`; or `{name}` where the input is meant",
                    )


def _behind_others(body: syntax.Body, name: str, *, begins: bool) -> Iterator[syntax.Call]:
    """The calls in a body but for those that read the network's input, and those in braces with an
    `in` of their own. `begins` says whether the input enters the body."""
    for statement in body.statements:
        if not isinstance(statement, syntax.Flow):
            continue
        if statement.source is not None:
            begins = statement.source.span.text == name
        for step in statement.steps:
            if isinstance(step, syntax.Call) and not begins:
                yield step
            for inner in _bodies(step):
                yield from _behind_others(inner, name, begins=begins)
            begins = False


def _bodies(step: syntax.Step) -> tuple[syntax.Body, ...]:
    """The bodies in which `in` is what it is around them."""
    if isinstance(step, (syntax.Repeat, syntax.For, syntax.Group)):
        return (step.body,)
    if isinstance(step, syntax.If):
        return (step.then,) if step.otherwise is None else (step.then, step.otherwise)
    return ()
