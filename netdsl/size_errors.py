"""What is said of a network that does not work for every size of its input."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from netdsl import syntax
from netdsl.diagnostics import Diagnostic, Edit, Fix, Label
from netdsl.graph import Node
from netdsl.ops.base import Requirement
from netdsl.sizes import evaluate
from netdsl.source import Span
from netdsl.tensor import TensorType


def refutation(
    node: Node,
    inputs: tuple[Node, ...],
    need: Requirement,
    message: str,
    values: Mapping[str, int],
    names: tuple[str, ...],
) -> Diagnostic:
    """That a layer's need is not met, with `values` of all sizes as the counterexample.

    `inputs` are the nodes that the layer takes, `names` the sizes that the need depends on.
    """
    left, right = evaluate(need.left, values), evaluate(need.right, values)
    gives = f"{left} against {right}" if need.relation == "equal" else f"{left}"
    given = ", ".join(f"{name} = {values[name]}" for name in names)
    labels: dict[Label, None] = {}
    for each in inputs:
        type = each.type
        numbers = TensorType(tuple(evaluate(size, values) for size in type.shape))
        text = f"this is {type}" + (f", so {numbers}" if type != numbers else "")
        labels[Label(_seen_from(node, each), text)] = None
    return Diagnostic(
        need.code,
        f"{message}: {given} gives {gives}",
        node.origin.arguments.get(need.argument, node.origin.span),
        labels=tuple(labels),
        trail=node.origin.trail,
    )


def _seen_from(node: Node, made: Node) -> Span:
    """Where the value `made` comes from, as seen from the body that `node` stands in: a layer there
    or the call of the block that holds it."""
    around = node.origin.trail
    trail = made.origin.trail
    while trail and around and trail[-1] == around[-1]:
        trail, around = trail[:-1], around[:-1]
    calls = [frame.span for frame in trail if frame.definition is not None]
    return calls[-1] if calls else made.origin.span


def nothing_allowed(names: Sequence[str], conditions: tuple[syntax.Expression, ...]) -> Diagnostic:
    """That no value of some sizes meets what the input demands of them."""
    where = conditions[0].span
    which = f"no {names[0]} meets" if len(names) == 1 else "no sizes meet"
    return Diagnostic("input-condition", f"{which} the condition `{where.text}`", where)


def nothing_left(node: Node, needed: str, conditions: tuple[syntax.Expression, ...]) -> Diagnostic:
    """That a layer leaves nothing of any image that the input allows; `needed` is what it takes."""
    return Diagnostic(
        "window-too-large",
        f"nothing is left of the image here unless {needed}",
        node.origin.span,
        labels=tuple(Label(each.span, "which this does not allow") for each in conditions),
        trail=node.origin.trail,
        help="allow larger images, or use smaller windows and fewer strides",
    )


def suggesting(
    diagnostic: Diagnostic,
    clause: str,
    input: Span,
    conditions: tuple[syntax.Expression, ...],
) -> Diagnostic:
    """The diagnostic with a way out: the `where` with `clause` that keeps out what fails.

    `conditions` is what the input at the span `input` demands already, which the clause includes;
    "" where no clause is known.
    """
    out = "keep sizes that don't fit out with a `where` behind the input"
    fixes: tuple[Fix, ...] = ()
    if clause:
        edit = Edit(Span(input.source, input.end, input.end), f" where {clause}")
        for condition in conditions:
            edit = Edit(condition.span, clause)
        fixes = (Fix(f"let the input say `where {clause}`", (edit,), False),)
    if diagnostic.code == "shape-mismatch":
        out = f"pad or crop what differs, or {out}"
    return diagnostic._replace(help=out, fixes=fixes)
