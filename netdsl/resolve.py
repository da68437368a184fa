"""Names that mean nothing, also in code that elaboration does not reach.

Elaboration runs what a network does, so that it says nothing of a block that nobody calls, of a
template, or of the other way of an `if`. Here each text is read once, with the same scopes, in
which what only running finds is UNKNOWN: a parameter, a loop's variable, a label. Labels may come
from templates, passes and groups, so that a label anywhere in a declaration is known in all of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import ParamSpec, TypeVar

from netdsl import syntax
from netdsl.bind import Given, assign, misread, with_choices
from netdsl.claims import MEASURES
from netdsl.diagnostics import Diagnostic, Fault, Label, LimitFault, too_many_errors
from netdsl.elaborate import resolve_network
from netdsl.elaborate.calls import parameter_names
from netdsl.elaborate.mistakes import find_callee, needs_no_word, refuse_operand, with_way_out
from netdsl.evaluate import require_function, value_named
from netdsl.functions import FUNCTIONS
from netdsl.limits import LIMITS
from netdsl.ops.base import Op
from netdsl.program import Block, ProgramFile
from netdsl.records import parts, records
from netdsl.scope import UNKNOWN, Scope, UnknownValue
from netdsl.source import Span

_P = ParamSpec("_P")
_T = TypeVar("_T")


def unresolved(file: ProgramFile) -> tuple[Diagnostic, ...]:
    """Layers, arguments, functions and other names of a file that no configuration of it can mean,
    in the order of the text."""
    found: list[Diagnostic] = []
    try:
        _declarations(file, found)
    except LimitFault as fault:
        found.append(fault.diagnostic)
    return tuple(sorted(found, key=lambda each: each.span.start))


def _declarations(file: ProgramFile, found: list[Diagnostic]) -> None:
    networks: dict[str, Scope] = {}
    for declaration in file.tree.declarations:
        names = _Names(file, found)
        match declaration:
            case syntax.Let(_, value):
                names.value(value, file.scope)
            case syntax.Block(name, _, parameters, body):
                names.declaration(parameters, body)
            case syntax.Network(name, _, parameters, body):
                networks[name] = names.declaration(parameters, body)
    for declaration in file.tree.declarations:
        if isinstance(declaration, syntax.Variant):
            _Names(file, found).variant(declaration, networks)


class _Names:
    """Looks for the names of one declaration."""

    def __init__(self, file: ProgramFile, found: list[Diagnostic]) -> None:
        self.file = file
        self.found = found
        self.everywhere = Scope(file.scope)
        """All that the declaration gives a name, wherever it is known."""
        self.later: list[Callable[[], object]] = []
        """What is about names that may stand behind it."""

    def declaration(self, parameters: tuple[syntax.Parameter, ...], body: syntax.Body) -> Scope:
        """Look through a block or network; the scope of its body."""
        scope = Scope(self.file.scope)
        for parameter in parameters:
            self.value(parameter.default, scope)
            self.bind(parameter.name, scope)
        self.bind("in", scope)
        self.bind("out", scope)
        for record in records(body):
            if isinstance(record, (syntax.Flow, syntax.Aux)) and record.label is not None:
                self.label(record.label, scope)
        self.body(body, scope)
        self.finish()
        return scope

    def variant(self, variant: syntax.Variant, networks: dict[str, Scope]) -> None:
        given = [
            Given(each.name, self.value(each.value, self.file.scope), each.span)
            for each in variant.arguments
        ]
        try:
            network, _ = resolve_network(self.file, variant.base)
        except (Fault, KeyError):  # Elaboration says so, for no parameter is missing.
            return
        names = tuple(parameter.name for parameter in network.parameters)
        for diagnostic in _misplaced(names, given, variant.base, variant.span):
            self.report(diagnostic)
        for statement in () if variant.body is None else variant.body.statements:
            if isinstance(statement, (syntax.Assert, syntax.Claim)):
                self.statement(statement, networks[network.name])
        self.finish()

    def finish(self) -> None:
        for look in self.later:
            look()

    def report(self, diagnostic: Diagnostic) -> None:
        if len(self.found) >= LIMITS.mistakes:
            raise LimitFault(too_many_errors(diagnostic.span))
        self.found.append(diagnostic)

    def attempt(self, find: Callable[_P, _T], *arguments: _P.args, **named: _P.kwargs) -> _T | None:
        """What `find` returns; None for what is not known or has a mistake, which is reported."""
        try:
            return find(*arguments, **named)
        except Fault as fault:
            self.report(fault.diagnostic)
        except UnknownValue:
            pass
        return None

    # ------------------------------------------------------------ what gives names

    def bind(self, name: str, scope: Scope) -> None:
        scope.names[name] = self.everywhere.names[name] = UNKNOWN

    def bind_all(self, pattern: syntax.Pattern, scope: Scope) -> None:
        for each in records(pattern):
            if isinstance(each, syntax.Pattern) and each.nested is None:
                self.bind(each.name, scope)

    def label(self, label: syntax.Path, scope: Scope) -> None:
        for beginning, *rest in label.parts:
            if isinstance(beginning, str) and not rest:
                self.bind(beginning, scope)
                continue
            text = beginning if isinstance(beginning, str) else ""
            scope.lost.add(text)
            self.everywhere.lost.add(text)

    # ------------------------------------------------------------ what reads them

    def body(self, body: syntax.Body, scope: Scope) -> None:
        for statement in body.statements:
            self.statement(statement, scope)

    def statement(self, statement: syntax.Statement, scope: Scope) -> None:
        match statement:
            case syntax.Flow(label, source, steps):
                self.value(source, scope)
                for step in steps:
                    self.step(step, scope)
                self.value(label, scope)
            case syntax.Let(pattern, value):
                self.value(value, scope)
                self.bind_all(pattern, scope)
            case syntax.Default(calls):
                # Evaluated for each layer that has no such argument, where that layer stands.
                for call in calls:
                    self.later.append(partial(self.call, call, self.everywhere, by_name=True))
            case syntax.Assert() | syntax.Claim():
                # Judged at the end.
                measured = Scope(scope)
                measured.names |= dict.fromkeys(MEASURES, UNKNOWN)
                parts: tuple[object, ...] = (statement,)
                if isinstance(statement, syntax.Claim):
                    parts = tuple((each.condition, each.within) for each in statement.entries)
                self.later.append(partial(self.value, parts, measured))
            case syntax.Aux(_, arguments, body):
                given = [
                    Given(each.name, self.value(each.value, scope), each.span) for each in arguments
                ]
                for diagnostic in _misplaced(("weight",), given, "aux", statement.span):
                    self.report(diagnostic)
                self.body(body, Scope(scope))
            case syntax.Input(name, _, sizes, default, where):
                self.bind(name, scope)
                for size in sizes:
                    if isinstance(size, syntax.Name):
                        self.bind(size.name, scope)
                self.value((sizes, default, where), scope)

    def step(self, step: syntax.Step, scope: Scope) -> None:
        match step:
            case syntax.Call():
                self.call(step, scope)
            case syntax.Residual(condition, body, shortcut_condition, shortcut):
                self.value((condition, shortcut_condition), scope)
                self.body(body, Scope(scope))
                if shortcut is not None:
                    self.body(shortcut, Scope(scope))
            case syntax.Repeat(passes, number, body):
                self.value(passes, scope)
                inner = Scope(scope)
                if number is not None:
                    self.bind(number, inner)
                self.body(body, inner)
            case syntax.For(pattern, values, body):
                self.value(values, scope)
                inner = Scope(scope)
                self.bind_all(pattern, inner)
                self.body(body, inner)
            case syntax.If(condition, then, otherwise):
                self.value(condition, scope)
                self.body(then, scope)
                if otherwise is not None:
                    self.body(otherwise, scope)
            case syntax.Group(body):
                self.body(body, scope)

    def branches(
        self, branches: tuple[syntax.Branch | syntax.BranchLoop, ...], scope: Scope
    ) -> None:
        for branch in branches:
            inner = Scope(scope)
            if isinstance(branch, syntax.Branch):
                self.body(branch.body, inner)
            else:
                self.value(branch.values, scope)
                self.bind_all(branch.pattern, inner)
                self.branches(branch.branches, inner)

    def call(self, call: syntax.Call, scope: Scope, *, by_name: bool = False) -> None:
        """Look through a step, or the call of a `default`, which has its arguments `by_name`."""
        target = self.attempt(find_callee, call.name, call.name_span, scope, self.file)
        names = () if target is None else parameter_names(target)
        given: list[Given] = []
        for position, argument in enumerate(call.arguments):
            before = len(self.found)
            value = self.value(argument.value, scope)
            self.found[before:] = [
                each for each in self.found[before:] if not needs_no_word(each, argument, target)
            ]
            name = argument.name or (names[position] if position < len(names) else "")
            if isinstance(target, type) and name in target.parameters:
                self.found[before:] = [
                    with_choices(each, name, target.parameters[name])
                    if each.span == argument.value.span
                    else each
                    for each in self.found[before:]
                ]
            if argument.name is not None or not by_name:
                given.append(Given(argument.name, value, argument.span))
        if isinstance(target, Block):
            place = target.declaration.name_span
            declared = Label(place, f"`{target.name}` is declared here")
            for diagnostic in _misplaced(names, given, call.name, call.name_span):
                self.report(diagnostic._replace(labels=(*diagnostic.labels, declared)))
        elif target is not None:
            self.arguments(call, target, given)
        self.branches(call.branches or (), scope)

    def arguments(self, call: syntax.Call, target: type[Op], given: list[Given]) -> None:
        if target.is_merge:
            # One that may be a value of the network is joined, whatever its name.
            constant = {each.span for each in call.arguments if not _reads(each.value)}
            given = [each for each in given if each.name is not None and each.span in constant]
            for each in given:
                self.attempt(refuse_operand, each, target)
            given = [each for each in given if each.name not in ("axis", "dim")]
        together = None if target.is_merge else misread(target.parameters, given, call.name)
        if together is not None:
            self.report(together.diagnostic)
            return
        for diagnostic in _misplaced(parameter_names(target), given, call.name, call.name_span):
            told = with_way_out(diagnostic, call, given)
            if told is not None:
                self.report(told)

    def value(self, part: object, scope: Scope) -> object:
        """Look through expressions: what the name that one is stands for, UNKNOWN after a mistake,
        None for what is not known."""
        before = len(self.found)
        value: object = None
        pending = [part]
        while pending:
            each = pending.pop()
            match each:
                case syntax.Name(name, span):
                    value = self.attempt(value_named, name, span, scope)
                case syntax.Apply(function, span) if function not in FUNCTIONS:
                    # What it is given may be a mistake of the same kind.
                    self.attempt(require_function, function, span, scope)
                    continue
            pending.extend(reversed(parts(each)))
        if len(self.found) > before:
            return UNKNOWN
        return value if isinstance(part, syntax.Name) else None


def _misplaced(
    names: tuple[str, ...], given: list[Given], what: str, span: Span
) -> Iterator[Diagnostic]:
    """All that `assign` refuses, each as if those before were mended; but for an argument too many
    that is a mistake itself."""
    # By name, so that one can be left out without another taking its place.
    left = [
        each._replace(name=names[position]) if each.name is None and position < len(names) else each
        for position, each in enumerate(given)
        if position < len(names) or each.name is not None or each.value is not UNKNOWN
    ]
    while True:
        try:
            assign(names, left, what, span)
            return
        except Fault as fault:
            yield fault.diagnostic
            left = [each for each in left if each.span != fault.diagnostic.span]


def _reads(part: object) -> bool:
    return any(isinstance(each, (syntax.Name, syntax.Path)) for each in records(part))
