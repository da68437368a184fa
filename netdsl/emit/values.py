"""Which variable holds which value of a `__call__`, which are still needed, and which values are
expressions that no statement has written down yet.
"""

from __future__ import annotations

from collections import ChainMap
from typing import Any, NamedTuple

from netdsl.emit.constructor import mentions
from netdsl.emit.layout import START, Path, Ref
from netdsl.emit.printer import WIDTH
from netdsl.emit.slots import RESERVED, LoopVariables, entered, unused
from netdsl.emit.template import Aux, Block, If, Loop, Op, Residual, Template

LETTERS = ("x", "y", "z", "u", "v", "w")
"""Variables that have no better name."""


class Value(NamedTuple):
    """What stands for a value: a variable, or an expression not yet written down."""

    text: str
    calls: int = 0
    variable: bool = False
    is_sum: bool = False
    """Whether it is of operators, and needs parentheses inside of others."""


class Values:
    """The values of one class's `__call__`, and the statements so far."""

    def __init__(self, template: tuple[Template, ...], results: tuple[Ref, ...]) -> None:
        self.statements: list[str] = []
        self.indent = 8
        self.values: dict[Ref, Value] = {START: Value("x", variable=True)}
        self.holders: dict[str, Ref] = {"x": START}
        """The value that each variable has, or last had."""
        self.pending: dict[Ref, Value] = {}
        """Expressions not yet written down; the variables in them must keep their values."""
        self.aliases: dict[Ref, Ref] = {}
        self.uses: dict[Ref, int] = {}
        """How often each value is still to be used."""
        self.loop_variables: dict[Path, str] = {}
        """The variables that stand for elements of lists of modules, by their paths."""
        self.loops: list[LoopVariables] = []
        """The loops around the statement that is being written."""
        self._count(template)
        for result in results:
            self.use(result)

    def use(self, ref: Ref, times: int = 1) -> None:
        ref = self.canonical(ref)
        self.uses[ref] = self.uses.get(ref, 0) + times

    def canonical(self, ref: Ref) -> Ref:
        """The name of a value that has several."""
        while ref in self.aliases:
            ref = self.aliases[ref]
        return ref

    def _count(self, items: tuple[Template, ...]) -> None:
        """Count each value's uses, and see through conditions that are the same in all calls."""
        for item in items:
            match item:
                case Op(inputs=inputs):
                    for ref in inputs:
                        self.use(ref)
                case Block(input=start):
                    self.use(start)
                case If():
                    way = only_way(item)
                    if way is not None:
                        inside, result = way
                        self._count(inside)
                        self.aliases[item.ref] = result
                        continue
                    self.use(item.input)
                    for ways, result in (
                        (item.then, item.then_result),
                        (item.otherwise, item.otherwise_result),
                    ):
                        if ways is not None:
                            self._count(ways)
                            self.use(result)
                case Residual():
                    self._count(item.body)
                    adds = constant(item.adds.values)
                    if adds is False:
                        self.aliases[item.ref] = item.body_result
                        continue
                    self.use(item.body_result, 1 if adds else 2)
                    projects = constant(item.projects.values)
                    if item.shortcut is not None:
                        self._count(item.shortcut)
                        self.use(item.shortcut_result)
                    if not projects:
                        self.use(item.input)
                case Loop():
                    self._count(entered(item.body))
                    self.use(item.input)
                    self.use(item.result)
                case Aux():
                    self._count(item.items)
                    self.use(item.result)

    def take(self, ref: Ref) -> Value:
        """One use of a value."""
        ref = self.canonical(ref)
        self.uses[ref] -= 1
        self.pending.pop(ref, None)
        return self.values[ref]

    def assign(self, ref: Ref, value: Value, hint: str = "") -> None:
        """Write a value down under a variable that nobody needs any more, or a new one."""
        self.pending.pop(ref, None)
        name = self.variable(value, hint)
        self.write(name, value.text)
        self.values[ref] = Value(name, variable=True)
        self.holders[name] = ref

    def variable(self, value: Value, hint: str) -> str:
        free = [
            name
            for name in (hint, *LETTERS)
            if name in self.holders
            and self._free(self.holders[name])
            and not any(mentions(each.text, name) for each in self.pending.values())
        ]
        if hint in free or (hint and hint not in self.holders):
            name = hint if hint in free else unused(hint, self.taken())
            if self.indent + len(f"{name} = {value.text}") <= WIDTH:
                return name
        letters = [name for name in LETTERS if name in free]
        inside = [name for name in letters if mentions(value.text, name)]
        taken = self.taken()
        new = [name for name in LETTERS if name not in taken]
        for name in (*inside, *letters, *new):
            return name
        return unused("value", taken)

    def taken(self) -> ChainMap[str, Any]:
        """The names that have a meaning here, as keys."""
        loops = dict.fromkeys(self.loop_variables.values())
        loops |= {name: None for loop in self.loops for name, _ in loop.columns}
        return ChainMap[str, Any](self.holders, loops, dict.fromkeys(RESERVED))

    def _free(self, ref: Ref) -> bool:
        return self.uses.get(ref, 0) <= 0

    def write(self, name: str, text: str) -> None:
        if name != text:
            self.statements.append(f"{' ' * self.indent}{name} = {text}")

    def settle(self) -> None:
        """Write down every expression before the flow divides."""
        for ref, value in list(self.pending.items()):
            self.assign(ref, value)

    def own(self, ref: Ref) -> str:
        """A variable with a value, to be changed in place."""
        ref = self.canonical(ref)
        self.settle()
        value = self.take(ref)
        if self._free(ref):
            return value.text
        name = self.variable(Value(""), "")
        self.write(name, value.text)
        return name

    def define(self, ref: Ref, value: Value, label: str) -> None:
        if value.variable and self.uses.get(ref, 0) > 0:
            # Another name for a variable: it lives as long as either does.
            holder = self.holders[value.text]
            self.uses[holder] = self.uses.get(holder, 0) + self.uses.get(ref, 0)
            self.aliases[ref] = self.canonical(holder)
            return
        self.values[ref] = value
        if self.uses.get(ref, 0) > 1:
            self.assign(ref, value, label)
        else:
            self.pending[ref] = value

    def too_long(self, text: str) -> bool:
        # The longest of the names that it may go under.
        return self.indent + len("shortcut = ") + len(text) > WIDTH

    def written(
        self, refs: tuple[Ref, ...], values: list[Value], hints: tuple[str, ...] = ()
    ) -> list[Value]:
        """The same values, each under a variable; their uses are taken already."""
        refs = tuple(self.canonical(ref) for ref in refs)
        if not hints:
            many = len(refs) > 2
            hints = tuple(f"branch{number}" if many else "" for number in range(1, len(refs) + 1))
        for ref, value in zip(refs, values, strict=True):
            self.uses[ref] += 1  # Until all are written, none may take another's variable.
            if not value.variable:
                self.pending[ref] = value
        for ref, value, hint in zip(refs, values, hints, strict=True):
            if not value.variable:
                self.assign(ref, value, hint)
        for ref in refs:
            self.uses[ref] -= 1
        return [self.values[ref] for ref in refs]


def references(items: tuple[Template, ...]) -> list[Ref]:
    """The values that items use."""
    found: list[Ref] = []
    for item in items:
        match item:
            case Op(inputs=inputs):
                found += inputs
            case Block(input=start):
                found.append(start)
            case If():
                found += (item.input, item.then_result, item.otherwise_result)
                found += references(item.then or ()) + references(item.otherwise or ())
            case Residual():
                found += (item.input, item.body_result, item.shortcut_result)
                found += references(item.body) + references(item.shortcut or ())
            case Loop():
                found += (item.input, item.result, *references(item.body))
            case Aux():
                found += (item.result, *references(item.items))
    return found


def constant(values: tuple[object, ...]) -> bool | None:
    """What all booleans of a slot are; None where they differ."""
    known = {value for value in values if isinstance(value, bool)}
    return known.pop() if len(known) == 1 else None


def only_way(item: If) -> tuple[tuple[Template, ...], Ref] | None:
    """The way that every call goes; None where they differ."""
    taken = constant(item.taken.values)
    if taken is None:
        if item.then is None and item.otherwise is None:
            return (), item.input
        return None
    items = item.then if taken else item.otherwise
    result = item.then_result if taken else item.otherwise_result
    return (items, result) if items is not None else ((), item.input)
