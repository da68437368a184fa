"""Say each slot in code: as a literal, a constructor parameter, arithmetic on one, or a loop's
variable.
"""

from __future__ import annotations

import keyword
from collections.abc import Callable, Container, Iterable
from typing import Any, NamedTuple

from netdsl.emit.inlined import RUNTIME_NAMES
from netdsl.emit.template import ABSENT, Slot, map_slots
from netdsl.tensor import Window

RESERVED = RUNTIME_NAMES | {
    "self", "x", "rngs", "train", "nnx", "jnp", "jax", "lax", "range", "zip"
}  # fmt: skip
"""Names that emitted code has another use for."""


class Text(NamedTuple):
    """Code that is written as it stands: a name or an expression of ours."""

    text: str


class Parameter:
    """A constructor parameter, with its value in each call."""

    def __init__(
        self, name: str, values: tuple[Any, ...], *, keyword_only: bool, hint: str = ""
    ) -> None:
        self.name = name
        self.hint = hint
        """What it was made for; "" for an argument of the block, which may stand for anything."""
        self.values = values
        self.keyword_only = keyword_only
        self.stored = False
        """Whether `__call__` uses it, so that it must be kept as an attribute."""

    @property
    def annotation(self) -> str:
        kinds = sorted({_annotation(value) for value in self.values if value is not ABSENT})
        return " | ".join(kinds) or "None"


class Parameters:
    """The parameters of one class, made as slots ask for them.

    `arguments` are the values, in each call, that a parameter may stand for, by name: what the
    block was called with, first, then the channels that enter.
    """

    def __init__(
        self, arguments: dict[str, tuple[Any, ...]], attributes: frozenset[str] = frozenset()
    ) -> None:
        self.arguments = arguments
        self.attributes = attributes
        """The names of the class's modules, which a kept parameter must not take."""
        self.made: list[Parameter] = []
        self.inner_names: set[str] = set()
        """The variables of all loops inside, which would hide a parameter of the same name."""

    def names_in_scope(self) -> set[str]:
        return {each.name for each in self.made} | set(self.arguments)

    def resolve(self, slot: Slot, *, stored: bool) -> Any:
        """A literal, or Text that has the slot's value in each call."""
        known = [value for value in slot.values if value is not ABSENT]
        if not known:
            return None
        if all(alike(value, known[0]) for value in known):
            return known[0]
        found = self._parameter(slot) or self._argument(slot.values)
        if found is not None:
            return self._use(found, stored)
        if slot.hint.startswith("with_"):
            test = self._test(slot.values)
            if test is not None:
                return Text(f"{self._use(test[0], stored).text} {test[1]}")
        product = self._product(slot.values)
        if product is not None:
            return Text(" * ".join(self._use(each, stored).text for each in product))
        multiple = self._multiple(slot.values)
        if multiple is not None:
            factor, parameter = multiple
            return Text(f"{factor} * {self._use(parameter, stored).text}")
        name = self._new_name(slot.hint)
        parameter = Parameter(name, slot.values, keyword_only=True, hint=slot.hint)
        self.made.append(parameter)
        return self._use(parameter, stored)

    def ordered(self) -> list[Parameter]:
        """The parameters in use: entering channels, the block's own in their order, then others."""
        order = {"in_features": -1} | {
            name: i for i, name in enumerate(self.arguments) if name != "in_features"
        }
        return sorted(
            self.made, key=lambda each: (each.keyword_only, order.get(each.name, len(order)))
        )

    def _use(self, parameter: Parameter, stored: bool) -> Text:
        parameter.stored |= stored
        return Text(f"self.{self.attribute(parameter)}" if stored else parameter.name)

    def attribute(self, parameter: Parameter) -> str:
        """The attribute that keeps a parameter."""
        return unused(parameter.name, self.attributes)

    def _parameter(self, slot: Slot) -> Parameter | None:
        is_condition = all(value is ABSENT or isinstance(value, bool) for value in slot.values)
        for parameter in self.made:
            # Two conditions that happen to agree in all calls are two, and read as such.
            if is_condition and parameter.hint not in ("", slot.hint):
                continue
            if compatible(parameter.values, slot.values):
                # Where one call doesn't reach the one slot, the other's value serves both.
                parameter.values = joined(parameter.values, slot.values)
                return parameter
        return None

    def _argument(self, values: tuple[Any, ...]) -> Parameter | None:
        made = {each.name for each in self.made}
        for name, given in self.arguments.items():
            for form in _forms(given):
                if name not in made and compatible(form, values):
                    parameter = Parameter(name, form, keyword_only=False)
                    self.made.append(parameter)
                    return parameter
        return None

    def _bases(self) -> list[Parameter]:
        """The whole numbers that arithmetic may use: what the block was called with."""
        made = {each.name for each in self.made}
        others = [
            Parameter(name, given, keyword_only=False)
            for name, given in self.arguments.items()
            if name not in made
        ]
        return [
            each
            for each in (*self.made, *others)
            if not each.keyword_only
            and all(type(value) is int for value in each.values)
            and len(set(each.values)) > 1
        ]

    def _kept(self, parameter: Parameter) -> Parameter:
        if parameter not in self.made:
            self.made.append(parameter)
        return parameter

    def _product(self, values: tuple[Any, ...]) -> tuple[Parameter, Parameter] | None:
        """Two arguments whose product all values are."""
        if not all(value is ABSENT or type(value) is int for value in values):
            return None
        bases = self._bases()
        for i, left in enumerate(bases):
            for right in bases[:i]:
                product = tuple(a * b for a, b in zip(right.values, left.values, strict=True))
                if compatible(product, values):
                    return self._kept(right), self._kept(left)
        return None

    def _multiple(self, values: tuple[Any, ...]) -> tuple[int, Parameter] | None:
        """A whole multiple of one argument that all values are."""
        if not all(value is ABSENT or type(value) is int for value in values):
            return None
        for parameter in self._bases():
            pairs = [
                (value, base)
                for value, base in zip(values, parameter.values, strict=True)
                if value is not ABSENT
            ]
            if all(base > 1 for _, base in pairs):
                factors = {value / base for value, base in pairs}
                if len(factors) == 1 and min(factors).is_integer() and 1 < min(factors) <= 64:
                    return int(factors.pop()), self._kept(parameter)
        return None

    def _test(self, values: tuple[Any, ...]) -> tuple[Parameter, str] | None:
        """A comparison of an argument with 0 or 1 that is what a condition came to in all calls."""
        for parameter in self._bases():
            for operator, number in (("!=", 1), ("==", 1), ("!=", 0), ("==", 0)):
                outcome = tuple((each == number) == (operator == "==") for each in parameter.values)
                if all(
                    value is ABSENT or value == out
                    for value, out in zip(values, outcome, strict=True)
                ):
                    return self._kept(parameter), f"{operator} {number}"
        return None

    def _new_name(self, hint: str) -> str:
        return unused(hint, self.names_in_scope() | self.inner_names | RESERVED)


class LoopVariables:
    """The variables of one loop, whose rows `outer` says.

    A slot inside, with its values for all passes of all calls in a row, becomes a literal, what
    the enclosing code says, or a column of the rows that the loop goes through.
    """

    def __init__(
        self,
        outer: Parameters | LoopVariables,
        counts: Slot,
        taken: Callable[[], Iterable[str]] = tuple,
    ) -> None:
        self.outer = outer
        self.counts = counts
        self.taken = taken
        """Gives the names that have another meaning where the loop stands."""
        self.columns: list[tuple[str, tuple[Any, ...]]] = []
        self.inner_names: set[str] = set()

    def names_in_scope(self) -> set[str]:
        return {name for name, _ in self.columns} | self.outer.names_in_scope()

    def resolve(self, slot: Slot, *, stored: bool) -> Any:
        known = [value for value in slot.values if value is not ABSENT]
        if not known:
            return None
        if all(alike(value, known[0]) for value in known):
            return known[0]
        by_call = self._by_call(slot.values)
        if all(len(set(map(repr, values)) - {repr(ABSENT)}) <= 1 for values in by_call):
            constant = tuple(
                next((value for value in values if value is not ABSENT), ABSENT)
                for values in by_call
            )
            return self.outer.resolve(Slot(constant, slot.hint), stored=stored)
        for i, (name, values) in enumerate(self.columns):
            if compatible(values, slot.values):
                self.columns[i] = (name, joined(values, slot.values))
                return Text(name)
        reserved = RESERVED.union(self.names_in_scope(), self.inner_names, self.taken())
        name = unused(slot.hint, reserved)
        self.columns.append((name, slot.values))
        outer: Parameters | LoopVariables = self
        while isinstance(outer, LoopVariables):
            outer = outer.outer
            outer.inner_names.add(name)
        return Text(name)

    def rows(self, *, stored: bool) -> Any:
        """What the loop goes through: a list of literal rows or Text, Text for the whole, or None
        without columns."""
        if not self.columns:
            return None
        by_column = [self._by_call(values) for _, values in self.columns]
        by_call = []
        for call in range(len(by_column[0])):
            columns = [
                [None if value is ABSENT else value for value in column[call]]
                for column in by_column
            ]
            rows = zip(*columns, strict=True)
            by_call.append([row[0] if len(columns) == 1 else tuple(row) for row in rows])
        counts = self.counts.values
        reached = [rows for count, rows in zip(counts, by_call, strict=True) if count is not ABSENT]
        if all(rows == reached[0] for rows in reached):
            return reached[0]
        # In calls of several lengths, the first pass often differs and the others are alike.
        first: list[Any] = []
        others: list[Any] = []
        for (name, _), column in zip(self.columns, by_column, strict=True):
            later = [values[1:] for values in column]
            if 0 in counts or any(
                not alike(value, values[0]) for values in later for value in values
            ):
                whole = tuple(
                    ABSENT if count is ABSENT else tuple(rows)
                    for count, rows in zip(counts, by_call, strict=True)
                )
                return self.outer.resolve(Slot(whole, "rows"), stored=stored)
            start = tuple(values[0] if values else ABSENT for values in column)
            first.append(self.outer.resolve(Slot(start, name), stored=stored))
            rest = tuple(values[0] if values else ABSENT for values in later)
            others.append(self.outer.resolve(Slot(rest, name), stored=stored))
        count = self.outer.resolve(self.counts, stored=stored)
        if count == 2:
            return [Text(_row(first)), Text(_row(others))]
        less = f"({said(count)} - 1)" if isinstance(count, Text) else f"{count - 1}"
        return Text(f"[{_row(first)}] + [{_row(others)}] * {less}")

    def count(self, *, stored: bool) -> Any:
        return self.outer.resolve(self.counts, stored=stored)

    def _by_call(self, values: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        parts = []
        start = 0
        for count in self.counts.values:
            count = 0 if count is ABSENT else count
            parts.append(values[start : start + count])
            start += count
        return parts


def entered(items: Any) -> Any:
    """A loop's body with slots for all passes of all calls in a row."""

    def change(slot: Slot) -> Slot:
        flat = tuple(value for values in slot.values if values is not ABSENT for value in values)
        return slot._replace(values=flat)

    return map_slots(items, change)


def compatible(left: tuple[Any, ...], right: tuple[Any, ...]) -> bool:
    """Whether one name can stand for both: they agree wherever both are reached."""
    pairs = list(zip(left, right, strict=True))
    return all(a is ABSENT or b is ABSENT or alike(a, b) for a, b in pairs) and any(
        a is not ABSENT and b is not ABSENT for a, b in pairs
    )


def joined(left: tuple[Any, ...], right: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(b if a is ABSENT else a for a, b in zip(left, right, strict=True))


def alike(a: Any, b: Any) -> bool:
    """Equal and of one kind: 1, 1.0 and true are three constants."""
    return type(a) is type(b) and bool(a == b)


def unused(hint: str, taken: Container[str]) -> str:
    """`hint`, made a name that is not taken."""
    name = hint if hint.isidentifier() and not keyword.iskeyword(hint) else "value"
    number = 1
    candidate = name
    while candidate in taken:
        number += 1
        candidate = f"{name}{number}"
    return candidate


def said(value: Any) -> str:
    return value.text if isinstance(value, Text) else repr(value)


def _row(values: list[Any]) -> str:
    texts = [said(value) for value in values]
    return texts[0] if len(texts) == 1 else f"({', '.join(texts)})"


def _forms(values: tuple[Any, ...]) -> list[tuple[Any, ...]]:
    """An argument's values as Flax may take them: a window as a pair, or as one number."""
    if any(isinstance(value, Window) for value in values):
        windows = [value if isinstance(value, Window) else Window(value, value) for value in values]
        forms: list[tuple[Any, ...]] = [tuple((each.height, each.width) for each in windows)]
        if all(each.height == each.width for each in windows):
            forms.append(tuple(each.height for each in windows))
        return forms
    if all(type(value) is int for value in values):
        return [values, tuple((value, value) for value in values)]
    if all(type(value) in (int, float, bool, str) for value in values):
        return [values]
    return []


def _annotation(value: Any) -> str:
    if isinstance(value, tuple):
        inner = sorted({_annotation(each) for each in value})
        if len(value) == 2 and len(inner) == 1:
            return f"tuple[{inner[0]}, {inner[0]}]"
        return "tuple" if len(inner) > 1 or not inner else f"tuple[{inner[0]}, ...]"
    return "None" if value is None else type(value).__name__
