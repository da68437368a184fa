"""Lay calls of one block side by side: what they share is a template, constants in which they
differ are slots.

A slot has one value for each call; ABSENT where the call has no use for it, because a condition
went another way. Inside a loop it has, for each call, a tuple of values: one for each pass.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol, TypeAlias

from netdsl import code
from netdsl.emit.layout import (
    AuxItem,
    BlockItem,
    IfItem,
    Item,
    LoopItem,
    OpItem,
    Path,
    Ref,
    ResidualItem,
)
from netdsl.graph import Region


class Different(Exception):
    """These calls have no common template."""


class Absent(NamedTuple):
    """Stands for the value of a slot that a call doesn't reach."""


ABSENT = Absent()


class Slot(NamedTuple):
    """A constant's value in each call, and what to call it should it vary."""

    values: tuple[Any, ...]
    hint: str


class Op(NamedTuple):
    """An operator; `module` and `apply` are code fragments with slots for constants."""

    ref: Ref
    path: Path
    module: Any
    apply: Any
    runtime: tuple[str, ...]
    inputs: tuple[Ref, ...]
    label: str


class Block(NamedTuple):
    """The call of a class; `arguments` are slots by the names of its parameters."""

    ref: Ref
    path: Path
    definition: Any
    arguments: tuple[tuple[str, Slot], ...]
    input: Ref
    label: str


class If(NamedTuple):
    """`taken` has booleans; a way that no call takes is None."""

    ref: Ref
    taken: Slot
    then: tuple[Template, ...] | None
    then_result: Ref
    otherwise: tuple[Template, ...] | None
    otherwise_result: Ref
    input: Ref


class Residual(NamedTuple):
    """`adds` and `projects` have booleans; `shortcut` is None where no call projects."""

    ref: Ref
    adds: Slot
    projects: Slot
    body: tuple[Template, ...]
    body_result: Ref
    shortcut: tuple[Template, ...] | None
    shortcut_result: Ref
    input: Ref


class Loop(NamedTuple):
    """`counts` has the numbers of passes."""

    ref: Ref
    carry: Ref
    counts: Slot
    body: tuple[Template, ...]
    result: Ref
    input: Ref


class Aux(NamedTuple):
    items: tuple[Template, ...]
    result: Ref


Template: TypeAlias = Op | Block | If | Residual | Loop | Aux


class ClassTable(Protocol):
    """The classes so far, and `unrollable`: loops whose passes turned out to differ."""

    unrollable: set[tuple[int, int]]

    def class_of(self, region: Region) -> tuple[Any, dict[str, Any]]:
        """The class of a block's call, and the arguments that the call passes."""


def merge(calls: Sequence[tuple[Item, ...]], classes: ClassTable) -> tuple[Template, ...]:
    """The template of several calls. Raises Different."""
    if len({len(items) for items in calls}) > 1:
        raise Different
    return tuple(_merge_item(row, classes) for row in zip(*calls, strict=True))


def _merge_item(row: Sequence[Any], classes: ClassTable) -> Template:
    first = row[0]
    if any(type(each) is not type(first) for each in row):
        raise Different
    if not isinstance(first, AuxItem):
        _same(each.ref for each in row)
    match first:
        case OpItem():
            _same(each.inputs for each in row)
            _same(each.emission.runtime for each in row)
            modules = [each.emission.module for each in row]
            apply = lay([each.emission.apply for each in row])
            return Op(
                first.ref,
                first.path,
                None if modules.count(None) == len(modules) else lay(modules),
                apply,
                first.emission.runtime,
                first.inputs,
                first.label,
            )
        case BlockItem():
            _same(each.input for each in row)
            given = [classes.class_of(each.region) for each in row]
            definition = _same(each for each, _ in given)
            arguments = tuple(
                (name, Slot(tuple(values[name] for _, values in given), name))
                for name in given[0][1]
            )
            return Block(first.ref, first.path, definition, arguments, first.input, first.label)
        case IfItem():
            _same(each.input for each in row)
            taken = Slot(tuple(each.taken == "then" for each in row), "condition")
            then = _merge_way(row, "then", classes)
            otherwise = _merge_way(row, "else", classes)
            return If(first.ref, taken, *then, *otherwise, first.input)
        case ResidualItem():
            return _merge_residual(row, first, classes)
        case LoopItem():
            _same(each.input for each in row)
            counts = tuple(len(loop.passes) for loop in row)
            body, result = _merge_passes(row, classes)
            body = _gathered(body, counts)
            return Loop(first.ref, first.carry, Slot(counts, "depth"), body, result, first.input)
        case _:
            result = _same(each.result for each in row)
            return Aux(merge([each.items for each in row], classes), result)


def _merge_passes(row: Sequence[LoopItem], classes: ClassTable) -> tuple[tuple[Template, ...], Ref]:
    passes = [each for loop in row for each in loop.passes]
    if not passes:
        return (), row[0].carry
    try:
        result: Ref = _same(each.result for each in passes)
        return merge([each.items for each in passes], classes), result
    except Different:
        if len(row) > 1:
            for loop in row:
                if len(loop.passes) > 1:
                    _merge_passes([loop], classes)  # Is it the passes that differ, or the calls?
            raise
        classes.unrollable.add((int(str(row[0].ref[1])), int(str(row[0].ref[2]))))
        # What comes of it is thrown away, but may show other loops that can't be one.
        first = passes[0]
        body: tuple[Template, ...] = map_slots(
            merge([first.items], classes),
            lambda slot: slot._replace(values=slot.values * len(passes)),
        )
        return body, first.result


def _merge_way(
    row: Sequence[Any], way: str, classes: ClassTable
) -> tuple[tuple[Template, ...] | None, Ref]:
    """What calls do that go one way of a condition."""
    there = [each for each in row if each.taken == way]
    if not any(each.items for each in there):
        return None, row[0].input
    result = _same(each.result for each in there)
    items = merge([each.items for each in there], classes)
    return _spread(items, [each.taken == way for each in row]), result


def _merge_residual(row: Sequence[Any], first: ResidualItem, classes: ClassTable) -> Residual:
    _same(each.input for each in row)
    _same(each.body_result for each in row)
    projecting = [each.shortcut is not None for each in row]
    there = [each for each in row if each.shortcut is not None]
    shortcut = None
    result = first.input
    if there:
        result = _same(each.shortcut_result for each in there)
        shortcut = _spread(merge([each.shortcut for each in there], classes), projecting)
    return Residual(
        first.ref,
        Slot(tuple(each.taken != "plain" for each in row), "residual"),
        Slot(tuple(projecting), "project"),
        merge([each.body for each in row], classes),
        first.body_result,
        shortcut,
        result,
        first.input,
    )


def _same(values: Any) -> Any:
    """The one value that all are. Raises Different."""
    first, *others = values
    if any(value != first for value in others):
        raise Different
    return first


# What positional arguments of Flax's constructors are called.
_POSITIONAL = {
    "nnx.Conv": ("in_features", "out_features"),
    "nnx.ConvTranspose": ("in_features", "out_features"),
    "nnx.Linear": ("in_features", "out_features"),
    "nnx.Dropout": ("rate",),
    "nnx.BatchNorm": ("features",),
    "nnx.LayerNorm": ("features",),
    "nnx.GroupNorm": ("features",),
    "Scale": ("features",),
    "SelfAttention": ("features",),
    "WindowAttention": ("features",),
    "CosineWindowAttention": ("features",),
    "ClassToken": ("features",),
    "PositionEmbedding": ("tokens", "features"),
    "stochastic_depth": ("", "rate"),
    "channel_shuffle": ("", "groups"),
}


def lay(fragments: Sequence[Any], hint: str = "value") -> Any:
    """One fragment for several, with a slot for each constant. Raises Different."""
    first = fragments[0]
    if any(isinstance(each, tuple) and hasattr(each, "_fields") for each in fragments):
        if any(type(each) is not type(first) for each in fragments):
            raise Different
    else:
        return Slot(tuple(fragments), hint)
    match first:
        case code.Call(function, arguments, keywords):
            functions = [each.function for each in fragments]
            if isinstance(function, code.Name):
                laid = _same(functions)
                names = _POSITIONAL.get(function.name, ())
            else:
                laid, names = lay(functions), ()
            _same(len(each.arguments) for each in fragments)
            _same(tuple(name for name, _ in each.keywords) for each in fragments)
            return code.Call(
                laid,
                tuple(
                    lay(
                        [each.arguments[i] for each in fragments],
                        names[i] if i < len(names) else "value",
                    )
                    for i in range(len(arguments))
                ),
                tuple(
                    (name, lay([each.keywords[i][1] for each in fragments], name))
                    for i, (name, _) in enumerate(keywords)
                ),
            )
        case code.Usual(_, usual):
            _same(each.usual for each in fragments)
            return code.Usual(Slot(tuple(each.value for each in fragments), hint), usual)
        case code.Method(_, name, arguments):
            _same((each.name, len(each.arguments)) for each in fragments)
            return code.Method(
                lay([each.value for each in fragments]),
                name,
                tuple(
                    lay([each.arguments[i] for each in fragments], "shape")
                    for i in range(len(arguments))
                ),
            )
        case code.Operation(operator, operands):
            _same((each.operator, len(each.operands)) for each in fragments)
            return code.Operation(
                operator,
                tuple(lay([each.operands[i] for each in fragments]) for i in range(len(operands))),
            )
        case code.Listing(items):
            _same(len(each.items) for each in fragments)
            return code.Listing(
                tuple(lay([each.items[i] for each in fragments]) for i in range(len(items)))
            )
        case code.Slice(_, ranges):
            _same(len(each.ranges) for each in fragments)
            return code.Slice(
                lay([each.value for each in fragments]),
                tuple(
                    (
                        Slot(tuple(each.ranges[i][0] for each in fragments), "start"),
                        Slot(tuple(each.ranges[i][1] for each in fragments), "stop"),
                    )
                    for i in range(len(ranges))
                ),
            )
        case code.Take():
            return code.Take(
                lay([each.value for each in fragments]),
                Slot(tuple(each.indices for each in fragments), "channels"),
            )
        case _:
            return _same(fragments)


def items_of(items: tuple[Template, ...]) -> list[Op | Block]:
    """Every operator and block, inside of others too, in order."""
    found: list[Op | Block] = []
    for item in items:
        match item:
            case Op() | Block():
                found.append(item)
            case If():
                found += items_of(item.then or ()) + items_of(item.otherwise or ())
            case Residual():
                found += items_of(item.body) + items_of(item.shortcut or ())
            case Loop():
                found += items_of(item.body)
            case Aux():
                found += items_of(item.items)
    return found


def map_slots(tree: Any, change: Callable[[Slot], Any]) -> Any:
    """The same template with each slot changed."""
    if isinstance(tree, Slot):
        return change(tree)
    if isinstance(tree, tuple):
        parts = [map_slots(each, change) for each in tree]
        return type(tree)(*parts) if hasattr(tree, "_fields") else tuple(parts)
    return tree


def _spread(items: tuple[Template, ...], present: list[bool]) -> tuple[Template, ...]:
    """Slots for all calls, where the template is of those that are `present`."""

    def change(slot: Slot) -> Slot:
        values = iter(slot.values)
        return slot._replace(values=tuple(next(values) if here else ABSENT for here in present))

    spread: tuple[Template, ...] = map_slots(items, change)
    return spread


def _gathered(items: tuple[Template, ...], counts: tuple[int, ...]) -> tuple[Template, ...]:
    """Slots with a tuple for each call, where the template is of all passes in a row."""

    def change(slot: Slot) -> Slot:
        values = iter(slot.values)
        return slot._replace(values=tuple(tuple(next(values) for _ in range(n)) for n in counts))

    gathered: tuple[Template, ...] = map_slots(items, change)
    return gathered
