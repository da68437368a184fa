"""Build syntax records from what the parser matched: one method for each rule of the grammar.

A method gets the rule's children in order, tokens included: each child is a token or what a
method made of it. Methods never raise; a mistake in a literal goes to `diagnostics`.
"""

from __future__ import annotations

from typing import Any

from lark import Token

from netdsl import syntax
from netdsl.literals import LiteralReader
from netdsl.records import Record
from netdsl.source import Span
from netdsl.tensor import Window

Children = list[Any]


# What the grammar has rules for, though no record of the tree is only that.


class _Arguments(Record):
    items: tuple[syntax.Argument, ...] = ()
    span: Span | None = None


class _Chain(Record):
    steps: tuple[syntax.Step, ...]
    span: Span


class _Label(Record):
    path: syntax.Path
    span: Span


class _Branches(Record):
    branches: tuple[syntax.Branch | syntax.BranchLoop, ...]
    span: Span


class _Condition(Record):
    expression: syntax.Expression
    span: Span


class _Shortcut(Record):
    condition: syntax.Expression | None
    body: syntax.Body | None
    span: Span | None


class _Sizes(Record):
    items: tuple[syntax.Expression, ...]
    span: Span


class _Paths(Record):
    paths: tuple[syntax.Path, ...]
    span: Span


class _Phase(Record):
    documentation: str
    settings: tuple[syntax.Setting, ...]
    phases: tuple[syntax.Recipe, ...]
    span: Span


class TreeBuilder(LiteralReader):
    def span(self, children: Children) -> Span:
        return Span(self.source, _start(children[0]), _end(children[-1]))

    def _documented(self, children: Children) -> tuple[str, Children]:
        """A leading documentation's text, and the records after it."""
        if children and _is(children[0], "DOC"):
            return self.documentation(children[0]), _records(children[1:])
        return "", _records(children)

    # ------------------------------------------------------------ files and declarations

    def start(self, children: Children) -> syntax.File:
        documentation, rest = self._documented(children)
        return syntax.File(self.source, documentation, tuple(_records(rest)))

    def import_(self, children: Children) -> syntax.Import:
        names = tuple(
            syntax.Name(str(child), self.at(child))
            for child in children[1:-2]
            if _is(child, "NAME")
        )
        origin = children[-1]
        library = _is(origin, "NAME")
        text = str(origin) if library else self.text(origin)
        return syntax.Import(names, text, library, self.at(origin), self.span(children))

    def block(self, children: Children) -> syntax.Block:
        _, name, *middle, body = children
        parameters = middle[0] if middle else ()
        return syntax.Block(str(name), self.at(name), parameters, body, self.span(children))

    def network(self, children: Children) -> syntax.Network:
        _, name, *middle, body = children
        parameters = middle[0] if middle else ()
        return syntax.Network(str(name), self.at(name), parameters, body, self.span(children))

    def variant(self, children: Children) -> syntax.Variant:
        _, name, _, base, *rest = children
        arguments = next((each for each in rest if isinstance(each, _Arguments)), _Arguments())
        body = next((each for each in rest if isinstance(each, syntax.Body)), None)
        return syntax.Variant(
            str(name),
            self.at(name),
            str(base),
            self.at(base),
            arguments.items,
            body,
            self.span(children),
        )

    def parameters(self, children: Children) -> tuple[syntax.Parameter, ...]:
        return tuple(_records(children))

    def parameter(self, children: Children) -> syntax.Parameter:
        name, *rest = children
        kind = str(rest[1]) if rest and rest[0] == ":" else None
        default = rest[-1] if rest and rest[-2] == "=" else None
        return syntax.Parameter(str(name), kind, default, self.span(children))

    def recipe(self, children: Children) -> syntax.Recipe:
        _, name, _, network, *middle, inner = children
        return syntax.Recipe(
            str(name),
            self.at(name),
            str(network),
            self.at(network),
            middle[0].items if middle else (),
            inner.documentation,
            inner.settings,
            inner.phases,
            self.span(children),
        )

    def phase_body(self, children: Children) -> _Phase:
        documentation, rest = self._documented(children[1:-1])
        settings = tuple(each for each in rest if isinstance(each, syntax.Setting))
        phases = tuple(each for each in rest if isinstance(each, syntax.Recipe))
        return _Phase(documentation, settings, phases, self.span(children))

    def phase(self, children: Children) -> syntax.Recipe:
        then, inner = children
        here = self.at(then)
        return syntax.Recipe(
            "then",
            here,
            "",
            here,
            (),
            inner.documentation,
            inner.settings,
            inner.phases,
            self.span(children),
        )

    def setting(self, children: Children) -> syntax.Setting:
        name, *rest = children
        exceptions = rest.pop().paths if isinstance(rest[-1], _Paths) else ()
        return syntax.Setting(
            str(name), self.at(name), tuple(_records(rest)), exceptions, None, self.span(children)
        )

    def except_(self, children: Children) -> _Paths:
        return _Paths(tuple(_records(children)), self.span(children))

    def setting_from(self, children: Children) -> syntax.Setting:
        name, _, path = children
        return syntax.Setting(str(name), self.at(name), (), (), path, self.span(children))

    # ------------------------------------------------------------ bodies and statements

    def body(self, children: Children) -> syntax.Body:
        documentation, rest = self._documented(children[1:-1])
        statements = rest[-1].statements if rest else ()
        return syntax.Body(documentation, statements, self.span(children))

    def statements(self, children: Children) -> syntax.Body:
        return syntax.Body("", tuple(_records(children)), self.span(children))

    def flow(self, children: Children) -> syntax.Flow:
        label: syntax.Path | None = None
        source: syntax.Path | None = None
        steps: tuple[syntax.Step, ...] = ()
        for child in children:
            if isinstance(child, _Chain):
                steps = child.steps
            elif isinstance(child, _Label):
                label = child.path
            elif isinstance(child, syntax.Path):
                source = child
        return syntax.Flow(label, source, steps, self.span(children))

    def chain(self, children: Children) -> _Chain:
        return _Chain(tuple(_records(children)), self.span(children))

    def label(self, children: Children) -> _Label:
        return _Label(children[0], self.span(children))

    def path(self, children: Children) -> syntax.Path:
        parts: list[tuple[str | syntax.Expression, ...]] = [()]
        for child in children:
            if isinstance(child, syntax.Path):
                parts[-1] += child.parts[0]
            elif not isinstance(child, Token):
                parts[-1] += (child,)
            elif child.type == "DOT":
                parts.append(())
            elif child.type not in ("LBRACE", "RBRACE"):
                # `features.0.1` reads its numbers as one.
                first, *more = child.split(".")
                parts[-1] += (first,)
                parts += ((each,) for each in more)
        return syntax.Path(tuple(parts), self.span(children))

    def template(self, children: Children) -> syntax.Path:
        opening, expression, _ = children
        return syntax.Path(((opening[:-1], expression),), self.span(children))

    def call(self, children: Children) -> syntax.Call:
        name, *rest = children
        arguments = rest.pop(0) if rest and isinstance(rest[0], _Arguments) else _Arguments()
        branches = rest[0].branches if rest else None
        return syntax.Call(str(name), self.at(name), arguments.items, branches, self.span(children))

    def branches(self, children: Children) -> _Branches:
        return _Branches(tuple(_records(children)), self.span(children))

    def branch(self, children: Children) -> syntax.Branch:
        return syntax.Branch(children[1], self.span(children))

    def branch_loop(self, children: Children) -> syntax.BranchLoop:
        _, pattern, _, values, branches = children
        return syntax.BranchLoop(pattern, values, branches.branches, self.span(children))

    def arguments(self, children: Children) -> _Arguments:
        return _Arguments(tuple(_records(children)), self.span(children))

    def argument(self, children: Children) -> syntax.Argument:
        name = str(children[0]) if len(children) == 3 else None
        return syntax.Argument(name, children[-1], self.span(children))

    def value(self, children: Children) -> syntax.Expression:
        if len(children) == 1:
            return children[0]  # type: ignore[no-any-return]  # Every rule's value is Any here.
        expression, unit = children
        if unit not in ("epochs", "steps"):
            self.mistake(
                "unexpected-token",
                f"`{unit}` can't follow a value",
                self.at(unit),
                help="a comma separates arguments; a number may have the unit `epochs` or `steps`",
            )
        return syntax.Quantity(expression, str(unit), self.span(children))

    def residual(self, children: Children) -> syntax.Residual:
        _, *rest = children
        condition = rest.pop(0).expression if isinstance(rest[0], _Condition) else None
        body = rest.pop(0)
        shortcut = rest[0] if rest else _Shortcut(None, None, None)
        return syntax.Residual(
            condition,
            body,
            shortcut.condition,
            shortcut.body,
            shortcut.span,
            self.span(children),
        )

    def shortcut(self, children: Children) -> _Shortcut:
        _, *middle, body = children
        condition = middle[0].expression if middle else None
        return _Shortcut(condition, body, self.span(children))

    def condition(self, children: Children) -> _Condition:
        return _Condition(children[1], self.span(children))

    def repeat(self, children: Children) -> syntax.Repeat:
        _, count, *middle, body = children
        index = str(middle[1]) if middle else None
        return syntax.Repeat(count, index, body, self.span(children))

    def for_(self, children: Children) -> syntax.For:
        _, pattern, _, values, body = children
        return syntax.For(pattern, values, body, self.span(children))

    def name_pattern(self, children: Children) -> syntax.Pattern:
        return syntax.Pattern(str(children[0]), None, self.span(children))

    def tuple_pattern(self, children: Children) -> syntax.Pattern:
        return syntax.Pattern("", tuple(_records(children)), self.span(children))

    def if_(self, children: Children) -> syntax.If:
        _, condition, then, *rest = children
        return syntax.If(condition, then, rest[0] if rest else None, self.span(children))

    def else_(self, children: Children) -> syntax.Body:
        inner = children[1]
        if isinstance(inner, syntax.Body):
            return inner
        flow = syntax.Flow(None, None, (inner,), inner.span)
        return syntax.Body("", (flow,), inner.span)

    def group(self, children: Children) -> syntax.Group:
        return syntax.Group(children[0], self.span(children))

    def let(self, children: Children) -> syntax.Let:
        _, pattern, _, value = children
        return syntax.Let(pattern, value, self.span(children))

    def default(self, children: Children) -> syntax.Default:
        return syntax.Default(tuple(_records(children)), self.span(children))

    def assert_(self, children: Children) -> syntax.Assert:
        _, condition, *rest = children
        return syntax.Assert(condition, rest[1] if rest else None, self.span(children))

    def claim(self, children: Children) -> syntax.Claim:
        _, kind, source, *_ = children
        entries = tuple(each for each in children if isinstance(each, syntax.ClaimEntry))
        return syntax.Claim(str(kind), self.text(source), entries, self.span(children))

    def measure(self, children: Children) -> syntax.ClaimEntry:
        condition, *rest = children
        within = None
        if rest:
            word, number, _ = rest
            if word != "within":
                self.mistake(
                    "unexpected-token",
                    f"`{word}` can't follow a claim",
                    self.at(word),
                    help="a tolerance is written `within 1%`",
                )
            within = syntax.Constant(self.number(number), self.at(number))
        return syntax.ClaimEntry(None, condition, within, self.span(children))

    def output(self, children: Children) -> syntax.ClaimEntry:
        word, path, _, shape = children
        if word != "output":
            self.mistake(
                "unexpected-token",
                f"`{word}` can't begin a claim about a shape",
                self.at(word),
                help="write `output LABEL == [height, width, channels]`",
            )
        return syntax.ClaimEntry(path, shape, None, self.span(children))

    def aux(self, children: Children) -> syntax.Aux:
        label = children[0].path if isinstance(children[0], _Label) else None
        arguments = next((each for each in children if isinstance(each, _Arguments)), _Arguments())
        return syntax.Aux(label, arguments.items, children[-1], self.span(children))

    def input(self, children: Children) -> syntax.Input:
        _, name, _, sizes, _, *clauses = children
        default = next((each.items for each in clauses if isinstance(each, _Sizes)), None)
        where = next((each.expression for each in clauses if isinstance(each, _Condition)), None)
        return syntax.Input(
            str(name), self.at(name), sizes.items, default, where, self.span(children)
        )

    def sizes(self, children: Children) -> _Sizes:
        return _Sizes(tuple(_records(children)), self.span(children))

    def input_default(self, children: Children) -> _Sizes:
        return _Sizes(children[2].items, self.span(children))

    def input_where(self, children: Children) -> _Condition:
        return _Condition(children[1], self.span(children))

    # ------------------------------------------------------------ expressions

    def conditional(self, children: Children) -> syntax.Conditional:
        then, _, condition, _, otherwise = children
        return syntax.Conditional(condition, then, otherwise, self.span(children))

    def or_(self, children: Children) -> syntax.Binary:
        left, operator, right = children
        return syntax.Binary(str(operator), left, right, self.span(children))

    and_ = addition = product = power = or_

    def not_(self, children: Children) -> syntax.Unary:
        operator, operand = children
        return syntax.Unary(str(operator), operand, self.span(children))

    unary = not_

    def comparison(self, children: Children) -> syntax.Comparison:
        left, *rest = children
        pairs = tuple(zip(rest[::2], rest[1::2], strict=True))
        return syntax.Comparison(left, pairs, self.span(children))

    def comparator(self, children: Children) -> str:
        return " ".join(children)

    def attribute(self, children: Children) -> syntax.Attribute:
        value, _, name = children
        return syntax.Attribute(value, str(name), self.span(children))

    def index(self, children: Children) -> syntax.Index:
        value, _, index, _ = children
        return syntax.Index(value, index, self.span(children))

    def constant(self, children: Children) -> syntax.Constant:
        (token,) = children
        value: int | float | bool | str | Window
        match token.type:
            case "INT" | "FLOAT":
                value = self.number(token)
            case "SIZE" | "SCALE":
                value = self.window(token)
            case "STRING":
                value = self.text(token)
            case _:
                value = token == "true"
        return syntax.Constant(value, self.span(children))

    def name(self, children: Children) -> syntax.Name:
        return syntax.Name(str(children[0]), self.span(children))

    def apply(self, children: Children) -> syntax.Apply:
        name, arguments = children
        return syntax.Apply(str(name), self.at(name), arguments.items, self.span(children))

    def listing(self, children: Children) -> syntax.Sequence:
        return syntax.Sequence(tuple(_records(children)), False, self.span(children))

    def grouping(self, children: Children) -> syntax.Sequence:
        return syntax.Sequence(tuple(_records(children)), True, self.span(children))

    def parenthesis(self, children: Children) -> syntax.Expression:
        """The inner expression, at a place that begins and ends as what is built of it has to."""
        inner: Any = children[1]
        *fields, _ = inner
        moved: syntax.Expression = type(inner)(*fields, self.span(children))
        return moved

    def template_value(self, children: Children) -> syntax.Path:
        return children[0]  # type: ignore[no-any-return]  # Every rule's value is Any here.


def _start(child: Any) -> int:
    return int(child.start_pos or 0) if isinstance(child, Token) else int(child.span.start)


def _end(child: Any) -> int:
    return int(child.end_pos or 0) if isinstance(child, Token) else int(child.span.end)


def _is(child: Any, kind: str) -> bool:
    return isinstance(child, Token) and child.type == kind


def _records(children: Children) -> Children:
    """The children that are not tokens."""
    return [child for child in children if not isinstance(child, Token)]
