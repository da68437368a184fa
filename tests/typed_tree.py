"""Programs as trees of tuples, their text, and the same trees with one number changed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

# An expression is a whole number, a name or word (as text), or one of these.


class Binary(NamedTuple):
    operator: str
    left: Any
    right: Any


class Choose(NamedTuple):
    """`then if condition else otherwise`."""

    then: Any
    condition: Any
    otherwise: Any


class Sides(NamedTuple):
    """A size of a window: 3x5."""

    height: int
    width: int


class Row(NamedTuple):
    """A tuple, or with `is_list` a list."""

    items: tuple[Any, ...]
    is_list: bool = False


class Function(NamedTuple):
    name: str
    arguments: tuple[Any, ...]


class Number(NamedTuple):
    """A number that is not whole, as it is written."""

    text: str


class Step(NamedTuple):
    """A call of an operator, of a block, or of a parameter that holds one."""

    name: str
    arguments: tuple[tuple[str, Any], ...] = ()


class Chain(NamedTuple):
    """`label: step -> step`; with `start`, `from start -> step`."""

    steps: tuple[Step, ...]
    label: str = ""
    start: str = ""


class Join(NamedTuple):
    """`add(label, …)`: the flowing value with labelled ones."""

    name: str
    labels: tuple[str, ...]


class Merge(NamedTuple):
    name: str
    branches: tuple[tuple[Any, ...], ...]


class MergeFor(NamedTuple):
    """`concat { for x in xs { | … } }`."""

    name: str
    variable: str
    items: Any
    branch: tuple[Any, ...]


class Residual(NamedTuple):
    body: tuple[Any, ...]
    when: Any = "true"
    shortcut: tuple[Any, ...] = ()
    shortcut_when: Any = "true"


class Repeat(NamedTuple):
    count: Any
    variable: str
    body: tuple[Any, ...]
    label: str = ""


class For(NamedTuple):
    variables: tuple[str, ...]
    items: Any
    body: tuple[Any, ...]


class If(NamedTuple):
    condition: Any
    then: tuple[Any, ...]
    otherwise: tuple[Any, ...] = ()


class Group(NamedTuple):
    label: str
    body: tuple[Any, ...]


class Aux(NamedTuple):
    body: tuple[Any, ...]


class Let(NamedTuple):
    name: str
    value: Any


class Parameter(NamedTuple):
    name: str
    default: Any = None
    is_block: bool = False


class Block(NamedTuple):
    name: str
    parameters: tuple[Parameter, ...]
    body: tuple[Any, ...]


class Program(NamedTuple):
    """`settings` are the arguments of a variant of the network, where it has one."""

    lets: tuple[Let, ...]
    blocks: tuple[Block, ...]
    parameters: tuple[Parameter, ...]
    settings: tuple[tuple[str, Any], ...]
    sizes: tuple[int, int, int]
    body: tuple[Any, ...]
    named: bool = False
    """Whether the input's height and width are called H and W; `sizes` is their default."""


# ---------------------------------------------------------------- as text


def render(program: Program) -> str:
    height, width, channels = program.sizes
    image = f"image[{height}, {width}, {channels}]"
    if program.named:
        image = f"image[H, W, {channels}] default [{height}, {width}, {channels}]"
    lines = [*_lines(program.lets)]
    for block in program.blocks:
        lines += [f"block {block.name}({_parameters(block.parameters)}) {{"]
        lines += [*_lines(block.body, 1), "}"]
    lines += [f"network net({_parameters(program.parameters)}) {{", f"  input {image}"]
    lines += [*_lines(program.body, 1), "}"]
    if program.settings:
        lines += [f"network variant = net({_arguments(program.settings)})"]
    return "\n".join(lines) + "\n"


def _parameters(parameters: tuple[Parameter, ...]) -> str:
    return ", ".join(
        each.name
        + (": block" if each.is_block else "")
        + ("" if each.default is None else f" = {_text(each.default)}")
        for each in parameters
    )


def _arguments(arguments: tuple[tuple[str, Any], ...]) -> str:
    return ", ".join(f"{name} = {_text(value)}" for name, value in arguments)


def _text(value: Any) -> str:
    match value:
        case Binary(operator, left, right):
            return f"({_text(left)} {operator} {_text(right)})"
        case Choose(then, condition, otherwise):
            return f"({_text(then)} if {_text(condition)} else {_text(otherwise)})"
        case Sides(height, width):
            return f"{height}x{width}"
        case Row(items, True):
            return f"[{', '.join(map(_text, items))}]"
        case Row(items):
            return f"({', '.join(map(_text, items))})"
        case Function(name, arguments):
            return f"{name}({', '.join(map(_text, arguments))})"
        case Number(text):
            return text
    return str(value)


def _step(step: Step) -> str:
    return f"{step.name}({_arguments(step.arguments)})" if step.arguments else step.name


def _lines(body: tuple[Any, ...], depth: int = 0) -> Iterator[str]:
    indent = "  " * depth

    def braces(head: str, *bodies: tuple[Any, ...], between: tuple[str, ...] = ()) -> Iterator[str]:
        for number, inner in enumerate(bodies):
            yield (
                f"{indent}{head}{' ' if head else ''}{{"
                if not number
                else (f"{indent}}} {between[number - 1]} {{")
            )
            yield from _lines(inner, depth + 1)
        yield f"{indent}}}"

    for statement in body:
        match statement:
            case Chain(steps, label, start):
                parts = [f"from {start}"] if start else []
                parts += map(_step, steps)
                yield f"{indent}{label}{': ' if label else ''}{' -> '.join(parts)}"
            case Join(name, labels):
                yield f"{indent}{name}({', '.join(labels)})"
            case Merge(name, branches):
                yield f"{indent}{name} {{"
                for branch in branches:
                    yield from _branch(branch, depth + 1)
                yield f"{indent}}}"
            case MergeFor(name, variable, items, branch):
                yield f"{indent}{name} {{"
                yield f"{indent}  for {variable} in {_text(items)} {{"
                yield from _branch(branch, depth + 2)
                yield f"{indent}  }}"
                yield f"{indent}}}"
            case Residual(inner, when, shortcut, shortcut_when):
                head = "residual" if when == "true" else f"residual if {_text(when)}"
                if shortcut:
                    also = "" if shortcut_when == "true" else f" if {_text(shortcut_when)}"
                    yield from braces(head, inner, shortcut, between=(f"shortcut{also}",))
                else:
                    yield from braces(head, inner)
            case Repeat(count, variable, inner, label):
                prefix = f"{label}: " if label else ""
                yield from braces(f"{prefix}repeat {_text(count)} as {variable}", inner)
            case For(variables, items, inner):
                names = variables[0] if len(variables) == 1 else f"({', '.join(variables)})"
                yield from braces(f"for {names} in {_text(items)}", inner)
            case If(condition, then, otherwise):
                head = f"if {_text(condition)}"
                if otherwise:
                    yield from braces(head, then, otherwise, between=("else",))
                else:
                    yield from braces(head, then)
            case Group(label, inner):
                yield from braces(f"{label}:", inner)
            case Aux(inner):
                yield from braces("aux(weight = 0.3)", inner)
            case Let(name, value):
                yield f"{indent}let {name} = {_text(value)}"
            case _:
                raise AssertionError(statement)


def _branch(branch: tuple[Any, ...], depth: int) -> Iterator[str]:
    first, *rest = _lines(branch, depth + 1)
    yield "  " * depth + "| " + first.lstrip()
    yield from rest


# ---------------------------------------------------------------- mutants


def numbers(part: Any) -> int:
    """How many whole numbers a tree has."""
    if isinstance(part, tuple):
        return sum(map(numbers, part))
    return type(part) is int


def changed(part: Any, number: int, value: int) -> Any:
    """The tree with its whole number at a place, counted from 0, replaced."""
    if type(part) is int:
        return value if number == 0 else part
    if not isinstance(part, tuple):
        return part
    parts = []
    for each in part:
        count = numbers(each)
        parts.append(changed(each, number, value) if 0 <= number < count else each)
        number -= count
    return type(part)(*parts) if hasattr(part, "_fields") else tuple(parts)


def number_at(part: Any, number: int) -> int:
    """The whole number at a place of a tree."""
    if type(part) is int:
        return part
    for each in part:
        count = numbers(each)
        if number < count:
            return number_at(each, number)
        number -= count
    raise IndexError
