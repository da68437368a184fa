"""Write `__call__`: the flow of values as statements, nested where a line has room for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from netdsl import code
from netdsl.emit.constructor import condition_text, mentions, negated, resolved
from netdsl.emit.layout import START, Each, Path, Ref
from netdsl.emit.printer import WIDTH, Bracket, Context, doc, flat, lines, runs
from netdsl.emit.slots import RESERVED, LoopVariables, Parameters, Text, entered, said, unused
from netdsl.emit.template import Aux, Block, If, Loop, Op, Residual, Template, items_of

if TYPE_CHECKING:
    from netdsl.emit.classes import Class

NESTED_CALLS = 3
"""Calls that one line may have inside each other."""


class Value(NamedTuple):
    """What stands for a value: a variable, or an expression not yet written down."""

    text: str
    calls: int = 0
    variable: bool = False


class Forward:
    """The statements of one class's `__call__`."""

    def __init__(self, owner: Class) -> None:
        self.owner = owner
        self.statements: list[str] = []
        self.indent = 8
        self.values: dict[Ref, Value] = {START: Value("x", variable=True)}
        self.holders: dict[str, Ref] = {"x": START}
        """The value that each variable has, or last had."""
        self.pending: dict[Ref, Value] = {}
        """Expressions not yet written down; the variables in them must keep their values."""
        self.aliases: dict[Ref, Ref] = {}
        self.uses: dict[Ref, int] = {}
        self.loop_variables: dict[Path, str] = {}
        self.loops: list[LoopVariables] = []
        """The loops around the statement that is being written."""
        self.side: list[str] = []
        self._count(owner.template)
        for result in owner.results:
            self._use(result)
        self._run(owner.template, owner.parameters)
        self._return()

    # ------------------------------------------------------------ uses

    def _use(self, ref: Ref, times: int = 1) -> None:
        ref = self._true(ref)
        self.uses[ref] = self.uses.get(ref, 0) + times

    def _true(self, ref: Ref) -> Ref:
        while ref in self.aliases:
            ref = self.aliases[ref]
        return ref

    def _count(self, items: tuple[Template, ...]) -> None:
        """Count each value's uses, and see through conditions that are the same in all calls."""
        for item in items:
            match item:
                case Op(inputs=inputs):
                    for ref in inputs:
                        self._use(ref)
                case Block(input=start):
                    self._use(start)
                case If():
                    way = _only_way(item)
                    if way is not None:
                        inside, result = way
                        self._count(inside)
                        self.aliases[item.ref] = result
                        continue
                    self._use(item.input)
                    for ways, result in (
                        (item.then, item.then_result),
                        (item.otherwise, item.otherwise_result),
                    ):
                        if ways is not None:
                            self._count(ways)
                            self._use(result)
                case Residual():
                    self._count(item.body)
                    adds = _constant(item.adds.values)
                    if adds is False:
                        self.aliases[item.ref] = item.body_result
                        continue
                    self._use(item.body_result, 1 if adds else 2)
                    projects = _constant(item.projects.values)
                    if item.shortcut is not None:
                        self._count(item.shortcut)
                        self._use(item.shortcut_result)
                    if not projects:
                        self._use(item.input)
                case Loop():
                    self._count(entered(item.body))
                    self._use(item.input)
                    self._use(item.result)
                case Aux():
                    self._count(item.items)
                    self._use(item.result)

    def _take(self, ref: Ref) -> Value:
        """One use of a value."""
        ref = self._true(ref)
        self.uses[ref] -= 1
        self.pending.pop(ref, None)
        return self.values[ref]

    # ------------------------------------------------------------ variables

    def _assign(self, ref: Ref, value: Value, hint: str = "") -> None:
        """Write a value down under a variable that nobody needs any more, or a new one."""
        self.pending.pop(ref, None)
        name = self._variable(value, hint)
        self._write(name, value.text)
        self.values[ref] = Value(name, variable=True)
        self.holders[name] = ref

    def _variable(self, value: Value, hint: str) -> str:
        free = [
            name
            for name, ref in self.holders.items()
            if self._free(ref)
            and not any(mentions(each.text, name) for each in self.pending.values())
        ]
        fits = self.indent + len(f"{hint} = {value.text}") <= WIDTH
        if hint in free and fits:
            return hint
        if hint and hint not in self.holders and fits:
            return unused(hint, self._taken())
        inside = [name for name in free if mentions(value.text, name) and len(name) == 1]
        for name in (*inside, *(each for each in ("x", "y", "z", "u", "v", "w") if each in free)):
            return name
        for name in ("y", "z", "u", "v", "w"):
            if name not in self._taken():
                return name
        return unused("value", self._taken())

    def _taken(self) -> set[str]:
        """The names that have a meaning here."""
        columns = [name for loop in self.loops for name, _ in loop.columns]
        return {*self.holders, *self.loop_variables.values(), *columns} | RESERVED

    def _free(self, ref: Ref) -> bool:
        return self.uses.get(ref, 0) <= 0

    def _write(self, name: str, text: str) -> None:
        if name != text:
            self.statements.append(f"{' ' * self.indent}{name} = {text}")

    def _settle(self) -> None:
        """Write down every expression before the flow divides."""
        for ref, value in list(self.pending.items()):
            self._assign(ref, value)

    def _own(self, ref: Ref) -> str:
        """A variable with a value, to be changed in place."""
        ref = self._true(ref)
        self._settle()
        value = self._take(ref)
        if self._free(ref):
            return value.text
        name = self._variable(Value(""), "")
        self._write(name, value.text)
        return name

    # ------------------------------------------------------------ items

    def _run(self, items: tuple[Template, ...], frame: Parameters | LoopVariables) -> None:
        for item in items:
            match item:
                case Op():
                    self._op(item, frame)
                case Block():
                    self._block(item)
                case If():
                    self._if(item, frame)
                case Residual():
                    self._residual(item, frame)
                case Loop():
                    self._loop(item, frame)
                case Aux():
                    self._aux(item, frame)

    def _op(self, item: Op, frame: Parameters | LoopVariables) -> None:
        apply = resolved(item.apply, frame, stored=True)
        module = self._access(item.path) if item.module is not None else ""
        inputs = [self._take(ref) for ref in item.inputs]
        if isinstance(apply, code.Input):
            self._define(item.ref, inputs[apply.number], item.label)
            return
        context = Context(tuple(each.text for each in inputs), module)
        calls = 1 + max(each.calls for each in inputs)
        if calls > NESTED_CALLS or self._too_long(flat(apply, context)):
            inputs = self._written(item.inputs, inputs)
            context = Context(tuple(each.text for each in inputs), module)
            calls = 1
        text = flat(apply, context)
        if self._too_long(text):
            self._long(item, apply, context)
            return
        self._define(item.ref, Value(text, calls), item.label)

    def _block(self, item: Block) -> None:
        child: Class = item.definition
        keywords = ["train=train"] * child.needs_train + ["rngs=rngs"] * child.needs_rngs
        value = self._take(item.input)

        def written(value: Value) -> Value:
            text = f"{self._access(item.path)}({', '.join([value.text, *keywords])})"
            return Value(text, value.calls + 1)

        made = written(value)
        if made.calls > NESTED_CALLS or self._too_long(made.text):
            (value,) = self._written((item.input,), [value])
            made = written(value)
        self._define(item.ref, made, item.label)

    def _define(self, ref: Ref, value: Value, label: str) -> None:
        if value.variable and self.uses.get(ref, 0) > 0:
            # Another name for a variable: it lives as long as either does.
            holder = self.holders[value.text]
            self.uses[holder] = self.uses.get(holder, 0) + self.uses.get(ref, 0)
            self.aliases[ref] = self._true(holder)
            return
        self.values[ref] = value
        if self.uses.get(ref, 0) > 1:
            self._assign(ref, value, label)
        else:
            self.pending[ref] = value

    def _too_long(self, text: str) -> bool:
        # The longest of the names that it may go under.
        return self.indent + len("shortcut = ") + len(text) > WIDTH

    def _written(
        self, refs: tuple[Ref, ...], values: list[Value], hints: tuple[str, ...] = ()
    ) -> list[Value]:
        """The same values, each under a variable; their uses are taken already."""
        refs = tuple(self._true(ref) for ref in refs)
        if not hints:
            many = len(refs) > 2
            hints = tuple(f"branch{number}" if many else "" for number in range(1, len(refs) + 1))
        for ref, value in zip(refs, values, strict=True):
            self.uses[ref] += 1  # Until all are written, none may take another's variable.
            if not value.variable:
                self.pending[ref] = value
        for ref, value, hint in zip(refs, values, hints, strict=True):
            if not value.variable:
                self._assign(ref, value, hint)
        for ref in refs:
            self.uses[ref] -= 1
        return [self.values[ref] for ref in refs]

    def _long(self, item: Op, apply: object, context: Context) -> None:
        """An expression over several lines, under a variable."""
        layout = doc(apply, context)
        hint = item.label if self.uses.get(item.ref, 0) > 1 else ""
        name = self._variable(Value(flat(apply, context)), hint)
        self.statements += lines(self.indent, f"{name} = ", layout)
        self.values[item.ref] = Value(name, variable=True)
        self.holders[name] = item.ref

    def _if(self, item: If, frame: Parameters | LoopVariables) -> None:
        way = _only_way(item)
        if way is not None:
            self._run(way[0], frame)
            return
        condition = condition_text(item.taken, item, frame, stored=True)
        name = self._own(item.input)
        space = " " * self.indent
        then = self._branch(item.then, frame, item.input, name, item.then_result)
        otherwise = self._branch(item.otherwise, frame, item.input, name, item.otherwise_result)
        if then:
            self.statements += [f"{space}if {condition}:", *then]
        if otherwise:
            header = "else:" if then else f"if {negated(condition)}:"
            self.statements += [f"{space}{header}", *otherwise]
        self.values[item.ref] = Value(name, variable=True)
        self.holders[name] = item.ref

    def _branch(
        self,
        items: tuple[Template, ...] | None,
        frame: Parameters | LoopVariables,
        start: Ref,
        name: str,
        result: Ref,
    ) -> list[str]:
        """Statements under a condition, from `start` in the variable `name` to `result` in it."""
        if items is None:
            return []
        start = self._true(start)
        value, holders = self.values.get(start), dict(self.holders)
        statements, self.statements = self.statements, []
        self.values[start] = Value(name, variable=True)
        self.holders[name] = start
        self.indent += 4
        self._run(items, frame)
        self._write(name, self._take(result).text)
        self.indent -= 4
        inside, self.statements = self.statements, statements
        self.holders = holders
        if value is not None:
            self.values[start] = value
        return inside

    def _residual(self, item: Residual, frame: Parameters | LoopVariables) -> None:
        adds, projects = _constant(item.adds.values), _constant(item.projects.values)
        if adds is not False:
            # The input is needed again, so it must not be an expression.
            self._settle()
        self._run(item.body, frame)
        if adds is False:
            return
        body_ref = self._true(item.body_result)
        body = self._take(body_ref)
        if adds is None:
            self.uses[body_ref] -= 1
        if adds is None or item.shortcut is not None:
            (body,) = self._written((body_ref,), [body])
        self.uses[body_ref] += 1  # The shortcut must leave the body's variable alone.
        if item.shortcut is None:
            shortcut_ref = item.input
        elif projects:
            self._run(item.shortcut, frame)
            shortcut_ref = item.shortcut_result
        else:
            shortcut_ref = self._chosen(item, frame)
        shortcut = self._take(shortcut_ref)
        condition = said(frame.resolve(item.adds, stored=True)) if adds is None else ""

        def added() -> str:
            text = f"{body.text} + {shortcut.text}"
            return f"{text} if {condition} else {body.text}" if condition else text

        if self._too_long(added()):
            (shortcut,) = self._written((shortcut_ref,), [shortcut], ("shortcut",))
        if self._too_long(added()):
            body, shortcut = self._written((body_ref, shortcut_ref), [body, shortcut])
        text = added()
        self.uses[body_ref] -= 1
        self._define(item.ref, Value(text, NESTED_CALLS if adds is None else 1), "")

    def _chosen(self, item: Residual, frame: Parameters | LoopVariables) -> Ref:
        """Write down a shortcut that is projected in some calls only."""
        assert item.shortcut is not None
        condition = said(frame.resolve(item.projects, stored=True))
        statements, self.statements = self.statements, []
        self.indent += 4
        self._run(item.shortcut, frame)
        self.indent -= 4
        inside, self.statements = self.statements, statements
        projected = self._take(item.shortcut_result)
        plain = self._take(item.input)
        text = f"{projected.text} if {condition} else {plain.text}"
        name = self._variable(Value(""), "shortcut")
        if not inside and not self._too_long(text):
            self._write(name, text)
        else:
            self._write(name, plain.text)
            self.statements.append(f"{' ' * self.indent}if {condition}:")
            self.statements += inside
            self.statements.append(f"{' ' * (self.indent + 4)}{name} = {projected.text}")
        ref = ("<shortcut>", *item.ref)
        self.values[ref] = Value(name, variable=True)
        self.holders[name] = ref
        self.uses[ref] = 1
        return ref

    def _loop(self, item: Loop, frame: Parameters | LoopVariables) -> None:
        name = self._own(item.input)
        variables = LoopVariables(frame, item.counts, self._taken)
        body = entered(item.body)
        loop = (int(str(item.ref[1])), int(str(item.ref[2])))
        targets, iterables, prefixes = self._lists(body, loop)
        # A value from outside is needed in every pass, so no pass may overwrite its variable.
        outside = [ref for ref in self.values if self.uses.get(ref, 0) > 0]
        for ref in outside:
            self.uses[ref] += 1
        statements, self.statements = self.statements, []
        before = dict(self.holders)
        self.values[item.carry] = Value(name, variable=True)
        self.holders[name] = item.carry
        self.indent += 4
        self.loops.append(variables)
        self._run(body, variables)
        self.loops.pop()
        self._write(name, self._take(item.result).text)
        self.indent -= 4
        inside, self.statements = self.statements, statements
        self.holders = before
        for prefix in prefixes:
            del self.loop_variables[prefix]
        for ref in outside:
            self.uses[ref] -= 1
        rows = variables.rows(stored=True)
        if rows is not None:
            targets.append(", ".join(column for column, _ in variables.columns))
            iterables.append(rows.text if isinstance(rows, Text) else runs(rows))
        if inside:
            self._header(targets, iterables, variables)
            self.statements += inside
        self.values[item.ref] = Value(name, variable=True)
        self.holders[name] = item.ref

    def _header(self, targets: list[str], iterables: list[str], variables: LoopVariables) -> None:
        space = " " * self.indent
        if not targets:
            count = said(variables.count(stored=True))
            self.statements.append(f"{space}for _ in range({count}):")
            return
        if len(targets) == 1:
            self.statements.append(f"{space}for {targets[0]} in {iterables[0]}:")
            return
        named = [f"({each})" if "," in each else each for each in targets]
        prefix = f"for {', '.join(named)} in "
        zipped = Bracket("zip(", tuple(("", each) for each in iterables), ")")
        if len(f"{space}{prefix}zip(") > WIDTH:
            self.statements += [f"{space}for (", *(f"{space}    {each}," for each in named)]
            prefix = ") in "
        self.statements += lines(self.indent, prefix, zipped, ":")

    def _lists(
        self, body: tuple[Template, ...], loop: tuple[int, int]
    ) -> tuple[list[str], list[str], list[Path]]:
        """Variables for the elements of the lists of modules that a loop goes through, the lists,
        and the paths that the variables stand for."""
        prefixes: list[Path] = []
        targets: list[str] = []
        iterables: list[str] = []
        for item in items_of(body):
            has_module = isinstance(item, Block) or item.module is not None
            if not has_module or Each(loop) not in item.path:
                continue
            depth = item.path.index(Each(loop)) + 1
            prefix = item.path[:depth]
            if prefix in self.loop_variables:
                continue
            rest = item.path[depth:]
            last = next(str(part) for part in reversed(prefix[:-1]) if isinstance(part, str))
            if not rest:
                hint = item.definition.variable if isinstance(item, Block) else last
            else:
                hint = "blocks" if isinstance(rest[0], Each) else "layer"
            iterables.append(self._access(prefix[:-1]))
            self.loop_variables[prefix] = unused(hint, self._taken())
            targets.append(self.loop_variables[prefix])
            prefixes.append(prefix)
        return targets, iterables, prefixes

    def _aux(self, item: Aux, frame: Parameters | LoopVariables) -> None:
        self._settle()
        self.statements.append(f"{' ' * self.indent}if train:")
        before = dict(self.holders)
        self.indent += 4
        self._run(item.items, frame)
        value = self._take(item.result)
        name = unused(f"aux{len(self.side) + 1}", self._taken())
        self._write(name, value.text)
        self.indent -= 4
        self.holders = before
        self.holders[name] = self._true(item.result)
        self._use(item.result)  # It is returned at the end, so the variable stays taken.
        self.side.append(name)

    def _access(self, path: Path) -> str:
        """The expression of the module or container at a path."""
        text = "self"
        start = 0
        for depth in range(len(path), 0, -1):
            if path[:depth] in self.loop_variables:
                text = self.loop_variables[path[:depth]]
                start = depth
                break
        for depth in range(start, len(path)):
            part = str(path[depth])
            if part.isidentifier():
                text += f".{part}"
            elif self.owner.is_list(path[:depth]):
                text += f"[{part}]"
            else:
                text += f'["{part}"]'
        return text

    def _return(self) -> None:
        results = [self._take(ref) for ref in self.owner.results]
        long = len(results) > 1 and self._too_long(", ".join(each.text for each in results))
        if self.side or long:
            results = self._written(self.owner.results, results)
        texts = [each.text for each in results]
        result = ", ".join(texts)
        if len(texts) > 1 and len(f"        return {result}") > WIDTH:
            result = self._named("outputs", texts)
        if self.side:
            first = f"({result})" if "," in result else result
            side = f"({', '.join(self.side)}{',' if len(self.side) == 1 else ''})"
            if len(f"            return {first}, {side}") > WIDTH:
                first = result = self._named("outputs", texts) if "," in result else result
                side = self._named("side", self.side)
            self.statements.append("        if train:")
            self.statements.append(f"            return {first}, {side}")
        self.statements.append(f"        return {result}")

    def _named(self, hint: str, texts: list[str]) -> str:
        """A variable for a tuple too long for its line."""
        name = unused(hint, self._taken())
        whole = Bracket("(", tuple(("", each) for each in texts), ")")
        self.statements += lines(8, f"{name} = ", whole)
        return name


def _constant(values: tuple[object, ...]) -> bool | None:
    """What all booleans of a slot are; None where they differ."""
    known = {value for value in values if isinstance(value, bool)}
    return known.pop() if len(known) == 1 else None


def _only_way(item: If) -> tuple[tuple[Template, ...], Ref] | None:
    """The way that every call goes; None where they differ."""
    taken = _constant(item.taken.values)
    if taken is None:
        if item.then is None and item.otherwise is None:
            return (), item.input
        return None
    items = item.then if taken else item.otherwise
    result = item.then_result if taken else item.otherwise_result
    return (items, result) if items is not None else ((), item.input)
