"""Give every layer of a body its name, from the text alone.

Names decide the paths under which weights are kept, so they must not depend on what a call's
arguments turn out to be. The rules (docs/language.md, "Paths"):

- A label names its step. Where a labelled chain has several layers that hold weights, the label is
  a prefix, and they are named inside it.
- A layer without a label is named after its operator or block, numbered where the body has several
  of that name: `conv1`, `conv2`.
- A labelled loop is a prefix with the number of the pass: `layer1.0.conv1`. A pass that is a single
  layer takes that path itself: `layer1.0`. Inside an unlabelled loop, names get the number of the
  pass at their end, unless they are templates: `conv.0`, but `layer{i + 1}` is `layer1`.
- A shortcut that is one chain without labels is called `shortcut`, numbered like the others.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

from netdsl import syntax
from netdsl.ops import OPERATORS


class Here(NamedTuple):
    """The step takes the path of what encloses it."""


class _Auto(NamedTuple):
    """A name of ours, to be numbered where a body has several."""

    base: str


Label: TypeAlias = "str | syntax.Path | Here"

Names: TypeAlias = dict[int, Label]
"""The label of each named step, flow and side branch, by the identity of its syntax record."""


def name_body(body: syntax.Body) -> Names:
    """The labels of everything in a block's or network's body."""
    names: Names = {}
    scope = _Scope(names)
    _body(body, scope)
    scope.close()
    return names


class _Scope:
    """Collects the unlabelled sites that share a prefix, to number them at the end."""

    def __init__(self, names: Names) -> None:
        self.names = names
        self.sites: list[tuple[int, str]] = []
        self.taken: set[str] = set()

    def label(self, site: object, label: Label | _Auto) -> None:
        if isinstance(label, _Auto):
            self.auto(site, label.base)
            return
        self.names[id(site)] = label
        if isinstance(label, syntax.Path) and all(
            isinstance(piece, str) for pieces in label.parts for piece in pieces
        ):
            self.taken.add("".join(str(piece) for piece in label.parts[0]))

    def auto(self, site: object, base: str) -> None:
        self.sites.append((id(site), base))

    def close(self) -> None:
        counts: dict[str, int] = {}
        for _, base in self.sites:
            counts[base] = counts.get(base, 0) + 1
        numbers: dict[str, int] = {}
        for site, base in self.sites:
            name = base
            if counts[base] > 1 or base in self.taken:
                while True:
                    numbers[base] = numbers.get(base, 0) + 1
                    name = f"{base}{numbers[base]}"
                    if name not in self.taken:
                        break
            self.taken.add(name)
            self.names[site] = name


def _inside(names: Names, statements: syntax.Body | tuple[syntax.Step, ...], single: bool) -> None:
    """Name what has a prefix of its own; `single`: one layer alone takes the prefix itself."""
    scope = _Scope(names)
    if isinstance(statements, tuple) and not isinstance(statements, syntax.Body):
        for step in statements:
            _step(step, scope, None)
    else:
        assert isinstance(statements, syntax.Body)
        flow = _only_flow(statements) if single else None
        holders = [] if flow is None else [step for step in flow.steps if _holds(step)]
        if flow is not None and len(holders) == 1 and not _is_composite(holders[0]):
            for step in flow.steps:
                _step(step, scope, Here() if step is holders[0] else None)
        else:
            _body(statements, scope)
    scope.close()


def _body(body: syntax.Body, scope: _Scope) -> None:
    for statement in body.statements:
        if isinstance(statement, syntax.Flow):
            _flow(statement, scope, statement.label)
        elif isinstance(statement, syntax.Aux):
            if statement.label is None:
                scope.auto(statement, "aux")
            else:
                scope.label(statement, statement.label)
            _inside(scope.names, statement.body, single=True)


def _flow(flow: syntax.Flow, scope: _Scope, label: Label | _Auto | None) -> None:
    if label is None or not flow.steps:
        for step in flow.steps:
            _step(step, scope, None)
        return
    holders = [step for step in flow.steps if _holds(step)]
    if len(holders) > 1 or (holders and _is_composite(holders[0])):
        scope.label(flow, label)
        _inside(scope.names, flow.steps, single=False)
        return
    target = holders[0] if holders else flow.steps[-1]
    for step in flow.steps:
        _step(step, scope, label if step is target else None)


def _step(step: syntax.Step, scope: _Scope, label: Label | _Auto | None) -> None:
    match step:
        case syntax.Call(name=name, branches=branches):
            if label is None:
                scope.auto(step, name)
            else:
                scope.label(step, label)
            _branches(branches or (), scope)
        case syntax.Residual():
            if label is None:
                scope.auto(step, "add")
            else:
                scope.label(step, label)
            _body(step.body, scope)
            if step.shortcut is not None:
                _shortcut(step.shortcut, scope)
        case syntax.Repeat(body=body) | syntax.For(body=body):
            if label is None:
                _body(body, scope)
            else:
                scope.label(step, label)
                _inside(scope.names, body, single=True)
        case syntax.If(then=then, otherwise=otherwise):
            _body(then, scope)
            if otherwise is not None:
                _body(otherwise, scope)
        case syntax.Group(body=body):
            if label is None:
                _body(body, scope)
            else:
                scope.label(step, label)
                _inside(scope.names, body, single=False)


def _branches(branches: tuple[syntax.Branch | syntax.BranchLoop, ...], scope: _Scope) -> None:
    for branch in branches:
        if isinstance(branch, syntax.Branch):
            _body(branch.body, scope)
        else:
            _branches(branch.branches, scope)


def _shortcut(body: syntax.Body, scope: _Scope) -> None:
    flow = _only_flow(body)
    if flow is None:
        _body(body, scope)
    else:
        _flow(flow, scope, _Auto("shortcut"))


def _only_flow(body: syntax.Body) -> syntax.Flow | None:
    """The one chain of a body that has no other and no label."""
    flows = [
        statement
        for statement in body.statements
        if isinstance(statement, (syntax.Flow, syntax.Aux, syntax.Input))
    ]
    if len(flows) == 1 and isinstance(flows[0], syntax.Flow) and flows[0].label is None:
        return flows[0]
    return None


def _holds(step: syntax.Step) -> bool:
    """Whether a step may hold weights, judged by its name: blocks and structures may."""
    if isinstance(step, syntax.Call) and step.branches is None:
        operator = OPERATORS.get(step.name)
        return operator is None or operator.holds_weights
    return True


def _is_composite(step: syntax.Step) -> bool:
    """Whether a step has several ways inside, so that a label can only be a prefix for them."""
    return isinstance(step, (syntax.Residual, syntax.If)) or (
        isinstance(step, syntax.Call) and step.branches is not None
    )
