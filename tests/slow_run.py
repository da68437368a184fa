"""What a program means: the shape of every value, the parameters and multiply-accumulates.

`run` walks the tree of a program and asks the slow arithmetic of tests/slow_operators.py.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from tests.slow_operators import Shape, apply, require, whole_number
from tests.typed_tree import (
    Aux,
    Binary,
    Block,
    Chain,
    Choose,
    For,
    Function,
    Group,
    If,
    Join,
    Let,
    Merge,
    MergeFor,
    Number,
    Program,
    Repeat,
    Residual,
    Row,
    Sides,
    Step,
)


class Value(NamedTuple):
    number: int
    shape: Shape


class Scope:
    """What names and labels stand for, and the value that entered the innermost braces.

    A label has its value and what it is called in the flat program.
    """

    def __init__(self, names: dict[str, Any], entered: Value | None = None) -> None:
        self.names = names
        self.labels: dict[str, tuple[Value, str]] = {}
        self.entered = entered

    def inner(self, entered: Value | None = None, **names: Any) -> Scope:
        scope = Scope({**self.names, **names}, entered or self.entered)
        scope.labels = dict(self.labels)
        return scope


def value_of(expression: Any, scope: Scope, out: Value | None = None) -> Any:
    """What an expression stands for; a name without a value is a word, such as `same`."""

    def evaluate(part: Any) -> Any:
        return value_of(part, scope, out)

    match expression:
        case bool() | int():
            return expression
        case "true" | "false":
            return expression == "true"
        case "in.channels":
            assert scope.entered is not None
            return scope.entered.shape[-1]
        case "in.shape":
            assert scope.entered is not None
            return scope.entered.shape
        case "out.shape":
            assert out is not None
            return out.shape
        case str():
            return scope.names.get(expression, expression)
        case Sides():
            return expression
        case Number(text):
            return text
        case Row(items):
            return tuple(map(evaluate, items))
        case Choose(then, condition, otherwise):
            return evaluate(then if evaluate(condition) else otherwise)
        case Function("range", (count,)):
            return tuple(range(evaluate(count)))
        case Function("enumerate", (items,)):
            return tuple(enumerate(evaluate(items)))
        case Function("zip", lists):
            rows = tuple(map(evaluate, lists))
            require(len({len(row) for row in rows}) == 1)
            return tuple(zip(*rows, strict=True))
        case Function("max", (left, right)):
            return max(evaluate(left), evaluate(right))
        case Binary(operator, left, right):
            a, b = evaluate(left), evaluate(right)
            if operator in ("//", "%"):
                require(b != 0)
            return {
                "+": lambda: a + b,
                "-": lambda: a - b,
                "*": lambda: a * b,
                "//": lambda: a // b,
                "%": lambda: a % b,
                "==": lambda: a == b,
                "!=": lambda: a != b,
                ">": lambda: a > b,
                "<=": lambda: a <= b,
            }[operator]()
    raise AssertionError(expression)


class Run:
    """What running a program makes, value by value; `flat` is the program without its structure.

    The flat program has all calls of blocks, loops and conditions written out, and all numbers
    worked out: it must mean the same.
    """

    def __init__(self, blocks: dict[str, Block], lets: dict[str, Any]) -> None:
        self.blocks = blocks
        self.lets = lets
        self.nodes: list[tuple[str, Shape]] = []
        self.params = 0
        self.macs = 0
        self.used: set[int] = set()
        self.ended: list[Value] = []
        self.side: list[Value] = []
        self.labels: dict[str, Shape] = {}
        self.outputs: list[Shape] = []
        self.flat: Program | None = None
        self._count = 0

    def make(self, name: str, given: dict[str, Any], inputs: list[Value]) -> Value:
        shape, params, macs = apply(name, given, [each.shape for each in inputs])
        self.used.update(each.number for each in inputs)
        self.params += params
        self.macs += macs
        return self.value(name, shape)

    def value(self, name: str, shape: Shape) -> Value:
        self.nodes.append((name, shape))
        return Value(len(self.nodes) - 1, shape)

    def step(self, step: Step, x: Value, scope: Scope, flat: list[Any]) -> Value:
        name = scope.names.get(step.name, step.name)
        given = {key: value_of(each, scope) for key, each in step.arguments}
        if name not in self.blocks:
            flat.append(Chain((Step(name, tuple((k, _literal(v)) for k, v in given.items())),)))
            return self.make(name, given, [x])
        inner = Scope(dict(self.lets), x)
        for parameter in self.blocks[name].parameters:
            default = parameter.default
            inner.names[parameter.name] = (
                given[parameter.name] if parameter.name in given else value_of(default, inner)
            )
        return self.body(self.blocks[name].body, x, inner, flat)

    def label(self, name: str, x: Value, scope: Scope, made: list[Any], flat: list[Any]) -> None:
        if not name:
            flat.extend(made)
            return
        self._count += 1
        scope.labels[name] = x, f"m{self._count}"
        flat.append(Group(f"m{self._count}", tuple(made)))

    def body(self, body: tuple[Any, ...], x: Value, scope: Scope, flat: list[Any]) -> Value:
        for statement in body:
            x = self.statement(statement, x, scope, flat)
        return x

    def statement(self, statement: Any, x: Value, scope: Scope, flat: list[Any]) -> Value:
        def within(body: tuple[Any, ...], start: Value) -> tuple[Value, tuple[Any, ...]]:
            made: list[Any] = []
            return self.body(body, start, scope.inner(start), made), tuple(made)

        match statement:
            case Chain(steps, label, start):
                if start:
                    self.ended.append(x)
                    x, flat_label = scope.labels[start]
                    flat.append(Chain((), start=flat_label))
                made: list[Any] = []
                for step in steps:
                    x = self.step(step, x, scope, made)
                self.label(label, x, scope, made, flat)
            case Join(name, labels):
                flat.append(Join(name, tuple(scope.labels[each][1] for each in labels)))
                x = self.make(name, {}, [x, *(scope.labels[each][0] for each in labels)])
            case Merge(name, branches):
                ways = [within(branch, x) for branch in branches]
                flat.append(Merge(name, tuple(made for _, made in ways)))
                x = self.make(name, {}, [y for y, _ in ways])
            case MergeFor(name, variable, items, branch):
                ways = []
                for item in value_of(items, scope):
                    inner = scope.inner(x, **{variable: item})
                    made = []
                    ways.append((self.body(branch, x, inner, made), made))
                flat.append(Merge(name, tuple(tuple(made) for _, made in ways)))
                require(bool(ways))
                x = self.make(name, {}, [y for y, _ in ways])
            case Residual(body, when, shortcut, shortcut_when):
                if not value_of(when, scope.inner(x)):
                    return self.body(body, x, scope.inner(x), flat)
                y, made_body = within(body, x)
                made_shortcut: tuple[Any, ...] = ()
                other = x
                if shortcut and value_of(shortcut_when, scope.inner(x), y):
                    other, made_shortcut = within(shortcut, x)
                flat.append(Residual(made_body, "true", made_shortcut))
                x = self.make("add", {}, [y, other])
            case Repeat(count, variable, body, label):
                made = []
                for number in range(whole_number(value_of(count, scope), 0)):
                    x = self.body(body, x, scope.inner(**{variable: number}), made)
                self.label(label, x, scope, made, flat)
            case For(variables, items, body):
                for item in value_of(items, scope):
                    row = (item,) if len(variables) == 1 else item
                    names = dict(zip(variables, row, strict=True))
                    x = self.body(body, x, scope.inner(**names), flat)
            case If(condition, then, otherwise):
                chosen = then if value_of(condition, scope) else otherwise
                x = self.body(chosen, x, scope.inner(), flat)
            case Group(label, body):
                made = []
                x = self.body(body, x, scope.inner(), made)
                self.label(label, x, scope, made, flat)
            case Aux(body):
                y, made_body = within(body, x)
                flat.append(Aux(made_body))
                self.side.append(y)
            case Let(name, value):
                scope.names[name] = value_of(value, scope)
            case _:
                raise AssertionError(statement)
        return x


def _literal(value: Any) -> Any:
    """The expression that stands for a value."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple) and not isinstance(value, Sides):
        # A tuple of pairs is a padding, another one a list of channels.
        pairs = all(isinstance(each, tuple) for each in value)
        items = tuple(Row(each) for each in value) if pairs else value
        return Row(items, not pairs)
    return value


def run(program: Program, sizes: tuple[int, int] | None = None) -> Run:
    """What a program makes, of an image of another height and width where `sizes` says so.

    Raises Misfit where something does not fit.
    """
    shape = (*(sizes or program.sizes[:2]), program.sizes[2])
    require(min(shape) >= 1)
    scope = Scope({})
    for let in program.lets:
        scope.names[let.name] = value_of(let.value, scope)
    made = Run({block.name: block for block in program.blocks}, dict(scope.names))
    given = {name: value_of(each, scope) for name, each in program.settings}
    for parameter in program.parameters:
        default = value_of(parameter.default, scope)
        scope.names[parameter.name] = given.get(parameter.name, default)
    x = made.value("image", shape)
    scope.labels["image"] = x, "image"
    flat: list[Any] = []
    x = made.body(program.body, x, scope, flat)
    made.labels = {name: value.shape for name, (value, _) in scope.labels.items()}
    ended = {each.number: each for each in made.ended}
    loose = [each for number, each in sorted(ended.items()) if number not in made.used]
    made.outputs = [y.shape for y in (*(y for y in loose if y != x), x, *made.side)]
    made.flat = Program((), (), (), (), (*shape,), tuple(flat))
    return made
