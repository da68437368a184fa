"""What an expression may be about: values, the names that they have at a place, and mistakes."""

from __future__ import annotations

from typing import NamedTuple, NoReturn

from netdsl import syntax
from netdsl.diagnostics import Diagnostic, Fault, Label
from netdsl.fuel import Fuel
from netdsl.kinds import show_value
from netdsl.ops.base import Op
from netdsl.sizes import Expression
from netdsl.source import Span
from netdsl.tensor import TensorType, Window


class Tensor(NamedTuple):
    """A value of the network: the output of node `node`. `type` is None after a mistake."""

    node: int
    type: TensorType | None
    span: Span

    def __str__(self) -> str:
        return f"a value of {self.type}"


class Unknown(NamedTuple):
    """Stands for a value whose expression had a mistake."""


UNKNOWN = Unknown()


class UnknownValue(Exception):
    """What was asked for depends on a mistake that has its diagnostic."""


class Scope:
    """The names visible at a place, innermost first; a name is bound once in each scope.

    A `body` scope belongs to a block or network. In it, each pass of a loop has a `pass` scope, and
    each branch a `branch` scope with its own `in`, `out` and `let`s. A plain label is put in the
    innermost pass or body; a template label, which names one thing for good, in the body.
    `defaults` are the argument defaults in force, by operator: the parent's until `default` sets
    others. `fuel` is the parent's.
    """

    def __init__(
        self, parent: Scope | None = None, kind: str = "body", fuel: Fuel | None = None
    ) -> None:
        self.parent = parent
        self.fuel: Fuel = parent.fuel if parent is not None else fuel or Fuel()
        self.names: dict[str, object] = {}
        self.spans: dict[str, Span] = {}
        self.body: Scope = self if kind == "body" or parent is None else parent.body
        self.labels: Scope = parent.labels if kind == "branch" and parent is not None else self
        self.defaults: dict[str, tuple[syntax.Argument, ...]] = (
            {} if parent is None else parent.defaults
        )
        self.lost: set[str] = set()
        """What template labels begin with whose step had a mistake, so that they are not bound."""

    def find(self, name: str) -> object | None:
        scope: Scope | None = self
        while scope is not None:
            if name in scope.names:
                return scope.names[name]
            scope = scope.parent
        return None

    def default_arguments(self, name: str) -> tuple[syntax.Argument, ...]:
        """The defaults in force for an operator or block, the innermost first."""
        return self.defaults.get(name, ())

    def is_lost(self, name: str) -> bool:
        """Whether a name that isn't bound may be a label that a mistake kept from being bound."""
        scope: Scope | None = self
        while scope is not None:
            if any(name.startswith(beginning) for beginning in scope.lost):
                return True
            scope = scope.parent
        return False

    def visible(self) -> list[str]:
        names: list[str] = []
        scope: Scope | None = self
        while scope is not None:
            names.extend(scope.names)
            scope = scope.parent
        return names

    def bind(self, name: str, value: object, span: Span) -> None:
        """Bind a name; a Fault where this very scope has it already."""
        if name in self.names:
            first = self.spans.get(name)
            before = () if first is None else (Label(first, f"`{name}` is first given here"),)
            raise Fault(
                Diagnostic(
                    "name-taken",
                    f"`{name}` has a meaning here already",
                    span,
                    labels=before,
                    help="use another name; a name keeps its value to the end of its body",
                )
            )
        self.names[name] = value
        self.spans[name] = span


def fail(
    code: str, message: str, span: Span, *, help: str = "", labels: tuple[Label, ...] = ()
) -> NoReturn:
    raise Fault(Diagnostic(code, message, span, help=help, labels=labels))


def describe(value: object) -> str:
    """What kind of thing a value is, with its value, for a message."""
    match value:
        case bool():
            return f"`{show_value(value)}`"
        case int():
            return f"the whole number {value}"
        case float():
            # 224.0 is shown as such, for where a whole number was wanted.
            return f"the number {value if value.is_integer() else show_value(value)}"
        case str():
            return f'the text "{value}"'
        case Window():
            return f"the size {value}"
        case Expression():
            return f"the size {value}"
        case Tensor():
            return f"a value of the network ({value.type})"
        case tuple():
            return f"the tuple {show_value(value)}"
        case list() | range():
            return f"the list {show_value(list(value))}"
        case type():
            return f"the operator `{value.name}`" if issubclass(value, Op) else "a block"
        case _:
            return f"the block `{getattr(value, 'name', value)}`"
