"""Write `__init__`: a module for each layer, in the containers that its path asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from netdsl.emit.layout import Each, Path
from netdsl.emit.printer import (
    WIDTH,
    Bracket,
    Choice,
    Context,
    Doc,
    Generator,
    doc,
    flat,
    lines,
    literal,
    one_line,
    runs,
)
from netdsl.emit.slots import LoopVariables, Parameters, Text, entered, said, unused
from netdsl.emit.template import Aux, Block, If, Loop, Op, Residual, Slot, Template, map_slots

if TYPE_CHECKING:
    from netdsl.emit.classes import Class

Frame = Parameters | LoopVariables


class Leaf(NamedTuple):
    """One module to construct; `conditions` are those under which it exists."""

    path: Path
    layout: Doc
    conditions: tuple[str, ...]
    loops: tuple[tuple[tuple[int, int], LoopVariables], ...]
    """The loops around it, with their variables."""


class Constructor:
    """The statements of one class's `__init__`."""

    def __init__(self, owner: Class) -> None:
        self.owner = owner
        self.statements: list[str] = []
        self.tables: set[str] = set()
        """The local variables of rows that are too long for their loop."""
        by_name: dict[object, list[Leaf]] = {}
        for leaf in self._leaves(owner.template, owner.parameters, (), ()):
            by_name.setdefault(leaf.path[0], []).append(leaf)
        guard: tuple[str, ...] = ()
        for leaves in by_name.values():
            guard = self._statement(leaves, guard)

    def _leaves(
        self,
        items: tuple[Template, ...],
        frame: Frame,
        conditions: tuple[str, ...],
        loops: tuple[tuple[tuple[int, int], LoopVariables], ...],
    ) -> list[Leaf]:
        found: list[Leaf] = []
        for item in items:
            match item:
                case Op():
                    if item.module is not None:
                        module = resolved(item.module, frame, stored=False)
                        found.append(Leaf(item.path, doc(module, Context()), conditions, loops))
                case Block():
                    found.append(Leaf(item.path, self._call(item, frame), conditions, loops))
                case If():
                    condition = condition_text(item.taken, item, frame, stored=False)
                    for way, text in (
                        (item.then, condition),
                        (item.otherwise, negated(condition)),
                    ):
                        if way is not None:
                            always = text in ("True", "not False")
                            inner = conditions if always else (*conditions, text)
                            found += self._leaves(way, frame, inner, loops)
                case Residual():
                    found += self._leaves(item.body, frame, conditions, loops)
                    if item.shortcut is not None:
                        condition = said(frame.resolve(item.projects, stored=False))
                        inner = conditions if condition == "True" else (*conditions, condition)
                        found += self._leaves(item.shortcut, frame, inner, loops)
                case Loop():
                    inside = LoopVariables(frame, item.counts)
                    place = (int(str(item.ref[1])), int(str(item.ref[2])))
                    around = (*loops, (place, inside))
                    found += self._leaves(entered(item.body), inside, conditions, around)
                case Aux():
                    found += self._leaves(item.items, frame, conditions, loops)
        return found

    def _call(self, item: Block, frame: Frame) -> Doc:
        child: Class = item.definition
        positional: list[str] = []
        keywords: list[str] = []
        slots = dict(item.arguments)
        for parameter in child.parameters.ordered():
            value = flat(frame.resolve(slots[parameter.name], stored=False), Context())
            if parameter.keyword_only:
                keywords.append(f"{parameter.name}={value}")
            else:
                positional.append(value)
        if child.needs_rngs_to_build:
            keywords.append("rngs=rngs")
        return Bracket(f"{child.name}(", tuple(("", each) for each in positional + keywords), ")")

    def _statement(self, leaves: list[Leaf], guard: tuple[str, ...]) -> tuple[str, ...]:
        """The statement of one attribute, given the guard of the one before; its own guard."""
        shared = leaves[0].conditions
        alike = all(leaf.conditions == shared for leaf in leaves)
        # A loop's variable is unknown outside of it.
        outside = not any(leaf.loops for leaf in leaves)
        if alike and outside and shared:
            if shared != guard:
                self.statements.append(f"        if {' and '.join(shared)}:")
            leaves = [leaf._replace(conditions=()) for leaf in leaves]
        else:
            shared = ()
        layout = self._build(leaves, 1)
        indent = 12 if shared else 8
        self.statements += lines(indent, f"{attribute(str(leaves[0].path[0]))} = ", layout)
        return shared

    def _build(self, leaves: list[Leaf], depth: int) -> Doc:
        """The container of modules whose paths agree up to `depth`."""
        here = [leaf for leaf in leaves if len(leaf.path) == depth]
        if here:
            leaf, *others = here + [leaf for leaf in leaves if len(leaf.path) > depth]
            if not leaf.conditions:
                return leaf.layout
            condition = " and ".join(leaf.conditions)
            if not others:
                return Choice(leaf.layout, condition)
            # Other ways of a condition have layers of the same name.
            if len(others) == 1 and others[0].conditions == (negated(condition),):
                others = [others[0]._replace(conditions=())]
            return Choice(leaf.layout, condition, self._build(others, depth))
        parts: dict[str | Each, list[Leaf]] = {}
        for leaf in leaves:
            parts.setdefault(leaf.path[depth], []).append(leaf)
        first = next(iter(parts))
        if isinstance(first, Each):
            return self._list(first, leaves, depth)
        inside = [(part, self._build(held, depth + 1)) for part, held in parts.items()]
        if self.owner.is_list(leaves[0].path[:depth]):
            listed = Bracket("[", tuple(("", layout) for _, layout in inside), "]")
            return Bracket("nnx.List(", (("", listed),), ")")
        if all(str(part).isidentifier() for part in parts):
            keywords = tuple((f"{part}=", layout) for part, layout in inside)
            return Bracket("nnx.Dict(", keywords, ")")
        entries = tuple((f"{literal(str(part))}: ", layout) for part, layout in inside)
        return Bracket("nnx.Dict(", (("", Bracket("{", entries, "}")),), ")")

    def _list(self, each: Each, leaves: list[Leaf], depth: int) -> Doc:
        variables = dict(leaves[0].loops)[each.loop]
        element = self._build(leaves, depth + 1)
        text = one_line(element)
        kept = LoopVariables(variables.outer, variables.counts)
        kept.columns = [column for column in variables.columns if mentions(text, column[0])]
        rows = kept.rows(stored=False)
        if rows is None:
            count = said(kept.count(stored=False))
            return Generator("nnx.List(", element, "_", f"range({count})", ")")
        targets = ", ".join(name for name, _ in kept.columns)
        if isinstance(rows, Text):
            return Generator("nnx.List(", element, targets, rows.text, ")")
        shown = runs(rows)
        widest = max(map(len, f"for {targets} in {shown}".replace(" + ", "\n+ ").split("\n")))
        # Rows of variables mean something only where they stand.
        if widest > WIDTH - 12 and not any(isinstance(row, Text) for row in rows):
            return Generator("nnx.List(", element, targets, self._named_rows(leaves[0], rows), ")")
        listed = Bracket("[", tuple(("", literal(row)) for row in rows), "]")
        is_plain = one_line(listed) == shown
        return Generator("nnx.List(", element, targets, listed if is_plain else shown, ")")

    def _named_rows(self, leaf: Leaf, rows: list[Any]) -> str:
        """Give rows too long for their place a name."""
        taken = set(self.owner.parameters.arguments) | self.tables
        name = unused(f"{leaf.path[0]}_rows", taken)
        self.tables.add(name)
        table = Bracket("[", tuple(("", literal(row)) for row in rows), "]")
        self.statements += lines(8, f"{name} = ", table)
        return name


def attribute(name: str) -> str:
    """A module's own attribute, which a number in a path can only be as a key."""
    return f"self.{name}" if name.isidentifier() else f'self["{name}"]'


def condition_text(slot: Slot, item: If, frame: Frame, *, stored: bool) -> str:
    """A condition in code, named after the first layer that depends on it."""
    way = item.then if item.then is not None else item.otherwise
    name = next(
        (
            str(each.path[-1])
            for each in way or ()
            if isinstance(each, (Op, Block)) and isinstance(each.path[-1], str)
        ),
        "branch",
    )
    return said(frame.resolve(slot._replace(hint=f"with_{name}"), stored=stored))


def negated(condition: str) -> str:
    """The opposite of a condition."""
    for operator, opposite in ((" == ", " != "), (" != ", " == ")):
        if operator in condition:
            return condition.replace(operator, opposite)
    return f"not {condition}"


def resolved(fragment: Any, frame: Frame, *, stored: bool) -> Any:
    """A template's fragment with code in place of slots."""
    return map_slots(fragment, lambda slot: frame.resolve(slot, stored=stored))


def mentions(text: str, name: str) -> bool:
    position = text.find(name)
    while position >= 0:
        before = text[position - 1 : position]
        after = text[position + len(name) : position + len(name) + 1]
        is_word = not (before.isalnum() or before in ("_", ".")) and not (
            after.isalnum() or after in ("_", "=")
        )
        if is_word:
            return True
        position = text.find(name, position + 1)
    return False
