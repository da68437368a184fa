"""Write `__call__`: the flow of values as statements, nested where a line has room for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl import code
from netdsl.emit.constructor import condition_text, negated, resolved
from netdsl.emit.layout import Each, Path, Ref
from netdsl.emit.printer import WIDTH, Bracket, Context, Doc, doc, flat, lines, one_line, runs
from netdsl.emit.slots import LoopVariables, Parameters, Text, entered, said, unused
from netdsl.emit.template import Aux, Block, If, Loop, Op, Residual, Template, items_of
from netdsl.emit.values import Value, Values, constant, only_way, references

if TYPE_CHECKING:
    from netdsl.emit.classes import Class

NESTED_CALLS = 3
"""Calls that one line may have inside each other."""

LOOPED_CALLS = 3
"""So many calls, each of the next module in a list, are better read as a loop."""


class Forward(Values):
    """The statements of one class's `__call__`."""

    def __init__(self, owner: Class) -> None:
        super().__init__(owner.template, owner.results)
        self.owner = owner
        self.side: list[str] = []
        """The variables of side branches."""
        self._run(owner.template, owner.parameters)
        self._return()

    def _run(self, items: tuple[Template, ...], frame: Parameters | LoopVariables) -> None:
        chained = 0
        for position, item in enumerate(items):
            if chained:
                chained -= 1
                continue
            match item:
                case Op():
                    self._op(item, frame)
                case Block():
                    chain = self._chain(items, position)
                    if len(chain) >= LOOPED_CALLS and self._chained(chain):
                        chained = len(chain) - 1
                    else:
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
        inputs = [self.take(ref) for ref in item.inputs]
        if isinstance(apply, code.Input):
            self.define(item.ref, inputs[apply.number], item.label)
            return
        context = _context(inputs, module)
        calls = 1 + max(each.calls for each in inputs)
        if calls > NESTED_CALLS or self.too_long(flat(apply, context)):
            inputs = self.written(item.inputs, inputs)
            context = _context(inputs, module)
            calls = 1
        text = flat(apply, context)
        if self.too_long(text):
            self._long(item, doc(apply, context))
            return
        is_sum = isinstance(apply, code.Operation)
        self.define(item.ref, Value(text, calls, is_sum=is_sum), item.label)

    def _block(self, item: Block) -> None:
        keywords = _needs(item)
        value = self.take(item.input)

        def called(value: Value) -> Bracket:
            arguments = (value.text, *keywords)
            opening = f"{self._access(item.path)}("
            return Bracket(opening, tuple(("", each) for each in arguments), ")")

        if value.calls + 1 > NESTED_CALLS or self.too_long(one_line(called(value))):
            (value,) = self.written((item.input,), [value])
        text = one_line(called(value))
        if self.too_long(text):
            self._long(item, called(value))
            return
        self.define(item.ref, Value(text, value.calls + 1), item.label)

    def _chain(self, items: tuple[Template, ...], start: int) -> list[Block]:
        """The blocks from `start` on that are each the next of a list, and take only what the one
        before gives."""
        chain: list[Block] = []
        for position in range(start, len(items)):
            item = items[position]
            if not isinstance(item, Block) or not str(item.path[-1]).isdecimal():
                break
            if not self.owner.length(item.path[:-1]):
                break
            if chain:
                last = chain[-1]
                follows = item.path == (*last.path[:-1], str(int(str(last.path[-1])) + 1))
                passed = self.canonical(item.input) == self.canonical(last.ref)
                if not (follows and passed and self.uses[self.canonical(last.ref)] == 1):
                    break
                if _needs(item) != _needs(last):
                    break
            chain.append(item)
        return chain

    def _chained(self, chain: list[Block]) -> bool:
        """Write a chain of calls as a loop, if that has room."""
        first, last = chain[0], chain[-1]
        start, stop = int(str(first.path[-1])), int(str(last.path[-1])) + 1
        length = self.owner.length(first.path[:-1])
        every = self._access(first.path[:-1])
        if (start, stop) != (0, length):
            every += f"[{start or ''}:{'' if stop == length else stop}]"
        names = {item.definition.variable for item in chain}
        module = unused(names.pop() if len(names) == 1 else "layer", self.taken())
        space = " " * self.indent
        header = f"{space}for {module} in {every}:"
        if len(header) > WIDTH:
            return False
        name = self.own(first.input)
        call = f"{module}({', '.join((name, *_needs(first)))})"
        for item in chain[:-1]:
            self.uses[self.canonical(item.ref)] -= 1
        self.statements += [header, f"{space}    {name} = {call}"]
        self.values[last.ref] = Value(name, variable=True)
        self.holders[name] = last.ref
        return True

    def _long(self, item: Op | Block, layout: Doc) -> None:
        """An expression over several lines, under a variable."""
        hint = item.label if self.uses.get(item.ref, 0) > 1 else ""
        name = self.variable(Value(one_line(layout)), hint)
        self.statements += lines(self.indent, f"{name} = ", layout)
        self.values[item.ref] = Value(name, variable=True)
        self.holders[name] = item.ref

    def _if(self, item: If, frame: Parameters | LoopVariables) -> None:
        way = only_way(item)
        if way is not None:
            self._run(way[0], frame)
            return
        condition = condition_text(item.taken, item, frame, stored=True)
        name = self.own(item.input)
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
        start = self.canonical(start)
        value, holders = self.values.get(start), dict(self.holders)
        statements, self.statements = self.statements, []
        self.values[start] = Value(name, variable=True)
        self.holders[name] = start
        self.indent += 4
        self._run(items, frame)
        self.write(name, self.take(result).text)
        self.indent -= 4
        inside, self.statements = self.statements, statements
        self.holders = holders
        if value is not None:
            self.values[start] = value
        return inside

    def _residual(self, item: Residual, frame: Parameters | LoopVariables) -> None:
        adds, projects = constant(item.adds.values), constant(item.projects.values)
        if adds is not False:
            # The input is needed again, so it must not be an expression.
            self.settle()
        self._run(item.body, frame)
        if adds is False:
            return
        body_ref = self.canonical(item.body_result)
        body = self.take(body_ref)
        if adds is None:
            self.uses[body_ref] -= 1
        if adds is None or item.shortcut is not None:
            (body,) = self.written((body_ref,), [body])
        self.uses[body_ref] += 1  # The shortcut must leave the body's variable alone.
        if item.shortcut is None:
            shortcut_ref = item.input
        elif projects:
            self._run(item.shortcut, frame)
            shortcut_ref = item.shortcut_result
        else:
            shortcut_ref = self._chosen(item, frame)
        shortcut = self.take(shortcut_ref)
        condition = said(frame.resolve(item.adds, stored=True)) if adds is None else ""

        def added() -> str:
            text = f"{body.text} + {shortcut.text}"
            return f"{text} if {condition} else {body.text}" if condition else text

        if self.too_long(added()) or shortcut.is_sum:
            (shortcut,) = self.written((shortcut_ref,), [shortcut], ("shortcut",))
        if self.too_long(added()) or body.is_sum:
            body, shortcut = self.written((body_ref, shortcut_ref), [body, shortcut])
        self.uses[body_ref] -= 1
        calls = NESTED_CALLS if adds is None else 1
        self.define(item.ref, Value(added(), calls, is_sum=True), "")

    def _chosen(self, item: Residual, frame: Parameters | LoopVariables) -> Ref:
        """Write down a shortcut that is projected in some calls only."""
        assert item.shortcut is not None
        condition = said(frame.resolve(item.projects, stored=True))
        statements, self.statements = self.statements, []
        self.indent += 4
        self._run(item.shortcut, frame)
        self.indent -= 4
        inside, self.statements = self.statements, statements
        projected = self.take(item.shortcut_result)
        plain = self.take(item.input)
        text = f"{projected.text} if {condition} else {plain.text}"
        name = self.variable(Value(""), "shortcut")
        if not inside and not projected.is_sum and not self.too_long(text):
            self.write(name, text)
        else:
            self.write(name, plain.text)
            self.statements.append(f"{' ' * self.indent}if {condition}:")
            self.statements += inside
            self.statements.append(f"{' ' * (self.indent + 4)}{name} = {projected.text}")
        ref = ("<shortcut>", *item.ref)
        self.values[ref] = Value(name, variable=True)
        self.holders[name] = ref
        self.uses[ref] = 1
        return ref

    def _loop(self, item: Loop, frame: Parameters | LoopVariables) -> None:
        name = self.own(item.input)
        variables = LoopVariables(frame, item.counts, self.taken)
        body = entered(item.body)
        loop = (int(str(item.ref[1])), int(str(item.ref[2])))
        targets, iterables, prefixes = self._lists(body, loop)
        # A value from outside is needed in every pass, so no pass may overwrite its variable.
        outside = {self.canonical(ref) for ref in references(body)} & self.values.keys()
        for ref in outside:
            self.use(ref)
        statements, self.statements = self.statements, []
        before = dict(self.holders)
        self.values[item.carry] = Value(name, variable=True)
        self.holders[name] = item.carry
        self.indent += 4
        self.loops.append(variables)
        self._run(body, variables)
        self.loops.pop()
        self.write(name, self.take(item.result).text)
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
            self.loop_variables[prefix] = unused(hint, self.taken())
            targets.append(self.loop_variables[prefix])
            prefixes.append(prefix)
        return targets, iterables, prefixes

    def _aux(self, item: Aux, frame: Parameters | LoopVariables) -> None:
        self.settle()
        self.statements.append(f"{' ' * self.indent}if train:")
        before = dict(self.holders)
        self.indent += 4
        self._run(item.items, frame)
        value = self.take(item.result)
        name = unused(f"aux{len(self.side) + 1}", self.taken())
        self.write(name, value.text)
        self.indent -= 4
        self.holders = before
        self.holders[name] = self.canonical(item.result)
        self.use(item.result)  # It is returned at the end, so the variable stays taken.
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
        results = [self.take(ref) for ref in self.owner.results]
        long = len(results) > 1 and self.too_long(", ".join(each.text for each in results))
        if self.side or long:
            results = self.written(self.owner.results, results)
        texts = [each.text for each in results]
        result = ", ".join(texts)
        if len(texts) > 1 and len(f"        return {result}") > WIDTH:
            result = self._named("outputs", texts)
        if self.side:
            first = f"({result})" if "," in result else result
            side = f"({', '.join(self.side)}{',' if len(self.side) == 1 else ''})"
            is_long = len(f"            return {first}, {side}") > WIDTH
            if is_long and "," in result:
                first = result = self._named("outputs", texts)
            self.statements.append("        if train:")
            self.indent += 4
            if len(f"            return {first}, {side}") > WIDTH:
                side = self._named("side", self.side)
            self.statements.append(f"            return {first}, {side}")
            self.indent -= 4
        self.statements.append(f"        return {result}")

    def _named(self, hint: str, texts: list[str]) -> str:
        """A variable for a tuple too long for its line."""
        name = unused(hint, self.taken())
        whole = Bracket("(", tuple(("", each) for each in texts), ")")
        self.statements += lines(self.indent, f"{name} = ", whole)
        return name


def _context(inputs: list[Value], module: str) -> Context:
    sums = frozenset(number for number, each in enumerate(inputs) if each.is_sum)
    return Context(tuple(each.text for each in inputs), module, sums=sums)


def _needs(item: Block) -> list[str]:
    """What a call passes besides the value."""
    child: Class = item.definition
    return ["train=train"] * child.needs_train + ["rngs=rngs"] * child.needs_rngs
