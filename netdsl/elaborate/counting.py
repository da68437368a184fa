"""Count a network's layers before any is made, so that one that is too large is refused at once.

The count is a lower bound: what depends on a value that only elaborating finds, such as a layer's
channels, counts as nothing, and of two ways the shorter one counts. A block is counted once for
each set of arguments, so blocks that call two of the one below take no longer than they are many.
"""

from __future__ import annotations

import math

from netdsl import syntax
from netdsl.diagnostics import Diagnostic, Fault, LimitFault
from netdsl.evaluate import evaluate, match_pattern
from netdsl.fuel import STATEMENT
from netdsl.limits import LIMITS
from netdsl.ops import OPERATORS
from netdsl.ops.base import Op
from netdsl.program import Block
from netdsl.scope import UNKNOWN, Scope, Tensor, UnknownValue
from netdsl.source import Span
from netdsl.tensor import Window

_CALLS = 2_000
"""How many calls of blocks are looked into; what lies beyond counts as nothing."""


def refuse_too_large(body: syntax.Body, scope: Scope) -> None:
    """Raise LimitFault where a network's body would make more layers than the limit."""
    counting = _Counting()
    total = counting.body(body, Scope(scope))
    if total > LIMITS.nodes:
        raise LimitFault(
            Diagnostic(
                "too-many-nodes",
                f"the network would have at least {_shown(total)} layers; "
                f"the limit is {LIMITS.nodes:,}",
                counting.place or body.span,
                label="" if counting.place is None else f"{_shown(counting.alone)} of them here",
            )
        )


class _Counting:
    def __init__(self) -> None:
        # With the arguments, since lists stand in the key by their identity.
        self.blocks: dict[tuple[object, ...], tuple[int, Scope]] = {}
        self.calls = 0
        self.depth = 0
        self.place: Span | None = None
        """The innermost step that alone makes too many layers."""
        self.alone = 0

    def body(self, body: syntax.Body, scope: Scope) -> int:
        if self.depth >= LIMITS.nesting:
            return 0
        self.depth += 1
        total = 0
        for statement in body.statements:
            scope.fuel.spend(STATEMENT, statement.span)
            match statement:
                case syntax.Flow(_, _, steps):
                    for step in steps:
                        layers = self.step(step, scope)
                        if layers > LIMITS.nodes and self.place is None:
                            self.place, self.alone = _head(step), layers
                        total += layers
                case syntax.Let(pattern, value):
                    _bind(pattern, _known(value, scope), scope)
                case syntax.Aux(_, _, inner):
                    total += self.body(inner, _inside(scope))
                case syntax.Input(name, _, sizes):
                    names = (size.name for size in sizes if isinstance(size, syntax.Name))
                    for each in (name, *names):
                        scope.names.setdefault(each, UNKNOWN)
        self.depth -= 1
        return total

    def step(self, step: syntax.Step, scope: Scope) -> int:
        match step:
            case syntax.Call():
                return self.call(step, scope)
            case syntax.Residual(condition, body, shortcut_condition, shortcut):
                adds = True if condition is None else _known(condition, _inside(scope))
                layers = self.body(body, _inside(scope))
                if adds is True:
                    layers += 1
                    if shortcut is not None and shortcut_condition is None:
                        layers += self.body(shortcut, _inside(scope))
                return layers
            case syntax.Repeat(passes, number, body):
                count = _known(passes, scope)
                if type(count) is not int or count <= 0:
                    return 0
                inner = _inside(scope)
                if number is not None:
                    inner.names[number] = 0 if count == 1 else UNKNOWN
                return count * self.body(body, inner)
            case syntax.For(pattern, values, body):
                count = _length(_known(values, scope))
                inner = _inside(scope)
                _bind(pattern, UNKNOWN, inner)
                return count * self.body(body, inner) if count else 0
            case syntax.If(condition, then, otherwise):
                taken = _known(condition, scope)
                ways: list[syntax.Body | None] = [] if taken is False else [then]
                ways += [] if taken is True else [otherwise]
                return min(0 if way is None else self.body(way, _inside(scope)) for way in ways)
            case syntax.Group(body):
                return self.body(body, _inside(scope))

    def call(self, call: syntax.Call, scope: Scope) -> int:
        target = scope.find(call.name) or OPERATORS.get(call.name)
        if isinstance(target, Block):
            return self.block(target, call, scope)
        if not isinstance(target, type) or not issubclass(target, Op):
            return 0
        return 1 + sum(self.branch(branch, scope) for branch in call.branches or ())

    def branch(self, branch: syntax.Branch | syntax.BranchLoop, scope: Scope) -> int:
        inner = _inside(scope)
        if isinstance(branch, syntax.Branch):
            return self.body(branch.body, inner)
        count = _length(_known(branch.values, scope))
        _bind(branch.pattern, UNKNOWN, inner)
        return count * sum(self.branch(each, inner) for each in branch.branches) if count else 0

    def block(self, block: Block, call: syntax.Call, scope: Scope) -> int:
        parameters = block.declaration.parameters
        given: dict[str, object] = {}
        positions = iter(parameters)
        for argument in call.arguments:
            position = next(positions, None) if argument.name is None else None
            name = argument.name or (position.name if position is not None else "")
            given[name] = _known(argument.value, scope)
        for default in scope.default_arguments(call.name):
            given.setdefault(default.name or "", _known(default.value, scope))
        inner = _inside(Scope(block.file.scope))
        for parameter in parameters:
            value = given.get(parameter.name, UNKNOWN)
            if parameter.name not in given and parameter.default is not None:
                value = _known(parameter.default, inner)
            inner.names[parameter.name] = value
        # Lists don't hash; blocks and operators are themselves.
        key = id(block), self.depth, *(_key(inner.names[each.name]) for each in parameters)
        if key not in self.blocks:
            if self.calls >= _CALLS:
                return 0
            self.calls += 1
            self.blocks[key] = 0, inner  # For a block that calls itself.
            self.blocks[key] = self.body(block.declaration.body, inner), inner
        return self.blocks[key][0]


def _inside(scope: Scope) -> Scope:
    """A scope in which what enters and leaves the braces is not known yet."""
    inner = Scope(scope, "pass")
    inner.names["in"] = inner.names["out"] = UNKNOWN
    return inner


def _known(expression: syntax.Expression, scope: Scope) -> object:
    """The value of an expression, UNKNOWN where only elaborating finds it or it has a mistake."""
    try:
        return evaluate(expression, scope)
    except LimitFault:
        raise
    except (Fault, UnknownValue):
        return UNKNOWN


def _bind(pattern: syntax.Pattern, value: object, scope: Scope) -> None:
    try:
        scope.names.update(match_pattern(pattern, value, pattern.span))
    except Fault:
        pending = [pattern]
        while pending:
            each = pending.pop()
            scope.names[each.name] = UNKNOWN
            pending += each.nested or ()


def _length(values: object) -> int:
    if isinstance(values, (Window, Tensor)) or values is UNKNOWN:
        return 0
    return len(values) if isinstance(values, (list, tuple)) else 0


def _key(value: object) -> object:
    if isinstance(value, (list, tuple)):
        return type(value), id(value)
    return type(value), value


def _head(step: syntax.Step) -> Span:
    """Where a step begins, for one with braces without what they hold."""
    match step:
        case syntax.Call(_, name_span):
            return name_span
        case syntax.Repeat(passes):
            return passes.span
        case syntax.For(_, values):
            return values.span
    return step.span


def _shown(number: int) -> str:
    return f"{number:,}" if number < 10**15 else f"10^{math.floor(math.log10(number))}"
