"""Print code fragments in the layout of `ruff format` with its default line length."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

from netdsl import code
from netdsl.emit.slots import Text

WIDTH = 88


class Context:
    """What the markers of a fragment stand for where it is printed."""

    def __init__(
        self,
        inputs: tuple[str, ...] = (),
        module: str = "",
        train: str = "train",
        rngs: str = "rngs",
        sums: frozenset[int] = frozenset(),
    ) -> None:
        self.inputs = inputs
        self.sums = sums
        """The inputs that need parentheses before a dot or beside an operator."""
        self.module = module
        self.train = train
        self.rngs = rngs


def flat(fragment: Any, context: Context) -> str:
    """A fragment on one line."""
    match fragment:
        case Text(text):
            return text
        case code.Name(name):
            return name
        case code.Call(function, arguments, keywords):
            inside = call_arguments(arguments, keywords, context)
            return f"{flat(function, context)}({', '.join(inside)})"
        case code.Usual(value, _):
            return flat(value, context)
        case code.Method(value, name, arguments):
            inside = [flat(each, context) for each in arguments]
            return f"{_operand(value, context)}.{name}({', '.join(inside)})"
        case code.Operation(operator, operands):
            return f" {operator} ".join(_operand(each, context) for each in operands)
        case code.Slice(value, ranges):
            *others, last = ranges
            if all(each == (None, None) for each in others):
                shown = ["...", _range(last, context)]
            else:
                while ranges and ranges[-1] == (None, None):
                    ranges = ranges[:-1]
                shown = [_range(each, context) for each in ranges]
            return f"{_operand(value, context)}[{', '.join(shown)}]"
        case code.Take(value, indices):
            return f"{_operand(value, context)}[..., {_indices(indices, context)}]"
        case code.Listing(items):
            return f"[{', '.join(flat(each, context) for each in items)}]"
        case code.Input(number):
            return context.inputs[number]
        case code.Module():
            return context.module
        case code.Train():
            return context.train
        case code.NotTrain():
            return f"not {context.train}"
        case code.Rngs():
            return context.rngs
        case _:
            return literal(fragment)


def call_arguments(arguments: Any, keywords: Any, context: Context) -> list[str]:
    """The arguments of a call as texts, without keywords that have their usual value."""
    inside = [flat(each, context) for each in arguments]
    for name, value in keywords:
        if isinstance(value, code.Usual) and value.value == value.usual:
            continue
        inside.append(f"{name}={flat(value, context)}")
    return inside


def literal(value: Any) -> str:
    """A constant as Python; never anything but digits, quotes and brackets, and Text of ours."""
    if isinstance(value, Text):
        return value.text
    if isinstance(value, str):
        quoted = repr(value)
        inner = quoted[1:-1]
        return quoted if '"' in inner or "\\" in inner else f'"{inner}"'
    if isinstance(value, list):
        return runs(value)
    if isinstance(value, tuple):
        inside = ", ".join(literal(each) for each in value)
        return f"({inside},)" if len(value) == 1 else f"({inside})"
    if isinstance(value, float):
        return repr(value)
    assert value is None or isinstance(value, (bool, int)), value
    return repr(value)


def runs(values: list[Any]) -> str:
    """A list with runs of equal elements shortened: `[(256, 2)] + [(512, 1)] * 5`."""
    grouped: list[tuple[Any, int]] = []
    for value in values:
        if grouped and grouped[-1][0] == value:
            grouped[-1] = (value, grouped[-1][1] + 1)
        else:
            grouped.append((value, 1))
    parts: list[str] = []
    singles: list[str] = []
    for value, count in grouped:
        if count * len(literal(value)) <= 12 or count == 1:
            singles += [literal(value)] * count
            continue
        if singles:
            parts.append(f"[{', '.join(singles)}]")
            singles = []
        parts.append(f"[{literal(value)}] * {count}")
    if singles or not parts:
        parts.append(f"[{', '.join(singles)}]")
    return " + ".join(parts)


class Bracket(NamedTuple):
    """`opening item, item closing`; each item is a text or a Doc after its keyword."""

    opening: str
    items: tuple[tuple[str, Doc], ...]
    closing: str


class Generator(NamedTuple):
    """`opening element for targets in rows closing`."""

    opening: str
    element: Doc
    targets: str
    rows: Doc
    closing: str

    @property
    def clause(self) -> str:
        return f"for {self.targets} in {one_line(self.rows)}"


class Choice(NamedTuple):
    """`value if condition else otherwise`."""

    value: Doc
    condition: str
    otherwise: Doc = "None"


class Wrapped(NamedTuple):
    """`text`, in parentheses where it is too long to stand beside what is before it."""

    text: str


Doc: TypeAlias = str | Bracket | Generator | Choice | Wrapped
"""Code that may be laid out over several lines."""


def doc(fragment: Any, context: Context) -> Doc:
    if isinstance(fragment, code.Call):
        inside: list[tuple[str, Doc]] = [("", doc(each, context)) for each in fragment.arguments]
        inside += [("", each) for each in call_arguments((), fragment.keywords, context)]
        return Bracket(f"{flat(fragment.function, context)}(", tuple(inside), ")")
    if isinstance(fragment, code.Listing):
        items = tuple(("", flat(each, context)) for each in fragment.items)
        return Bracket("[", items, "]")
    return flat(fragment, context)


def one_line(layout: Doc) -> str:
    match layout:
        case Bracket(opening, items, closing):
            inside = ", ".join(prefix + one_line(item) for prefix, item in items)
            return f"{opening}{inside}{closing}"
        case Generator(opening, element, _, _, closing):
            return f"{opening}{one_line(element)} {layout.clause}{closing}"
        case Choice(value, condition, otherwise):
            return f"{one_line(value)} if {condition} else {one_line(otherwise)}"
        case Wrapped(text):
            return text
        case str():
            return layout


def lines(indent: int, prefix: str, layout: Doc, suffix: str = "") -> list[str]:
    """`prefix layout suffix`, over several lines where one would pass the width."""
    space = " " * indent
    line = f"{space}{prefix}{one_line(layout)}{suffix}"
    if len(line) <= WIDTH or isinstance(layout, str):
        return [line]
    if isinstance(layout, Wrapped):
        return [f"{space}{prefix}(", f"{space}    {layout.text}", f"{space}){suffix}"]
    opened = isinstance(layout, (Bracket, Generator)) and f"{space}{prefix}{layout.opening}"
    if opened and len(opened) > WIDTH and prefix.endswith(" = "):
        # Not even the bracket fits beside the name.
        return [f"{space}{prefix}(", *lines(indent + 4, "", layout), f"{space})"]
    if isinstance(layout, Choice):
        if prefix.endswith(" = "):
            return [f"{space}{prefix}(", *lines(indent + 4, "", layout), f"{space}){suffix}"]
        value = lines(indent, prefix, layout.value)
        condition = f"{space}if {layout.condition}"
        return [*value, condition, *lines(indent, "else ", layout.otherwise, suffix)]
    if isinstance(layout, Generator):
        whole = f"{space}    {one_line(layout.element)} {layout.clause}"
        if len(whole) <= WIDTH:
            return [f"{space}{prefix}{layout.opening}", whole, f"{space}{layout.closing}{suffix}"]
        return [
            f"{space}{prefix}{layout.opening}",
            *lines(indent + 4, "", layout.element),
            *_clause(indent + 4, layout),
            f"{space}{layout.closing}{suffix}",
        ]
    inside = [item_prefix + one_line(item) for item_prefix, item in layout.items]
    together = f"{space}    {', '.join(inside)}"
    # Arguments may share a line; the elements of a list that is broken up never do.
    if len(together) <= WIDTH and layout.opening not in ("[", "{", "("):
        return [f"{space}{prefix}{layout.opening}", together, f"{space}{layout.closing}{suffix}"]
    found = [f"{space}{prefix}{layout.opening}"]
    for item_prefix, item in layout.items:
        found += lines(indent + 4, item_prefix, item, ",")
    return [*found, f"{space}{layout.closing}{suffix}"]


def _clause(indent: int, layout: Generator) -> list[str]:
    """A `for`, broken in its list or before its `+` signs where it is too long."""
    space = " " * indent
    if indent + len(layout.clause) <= WIDTH or isinstance(layout.rows, Bracket):
        return lines(indent, f"for {layout.targets} in ", layout.rows)
    first, *others = layout.clause.split(" + ")
    return [space + first, *(f"{space}+ {each}" for each in others)]


def _operand(value: Any, context: Context) -> str:
    text = flat(value, context)
    is_sum = isinstance(value, code.Input) and value.number in context.sums
    return f"({text})" if is_sum or isinstance(value, code.Operation) else text


def _range(bounds: Any, context: Context) -> str:
    start, stop = ("" if each is None else flat(each, context) for each in bounds)
    if "." in start + stop:
        # As of an operator, ruff puts blanks around the colon of what is more than a name.
        return f"{start} : {stop}".strip()
    return f"{start}:{stop}"


def _indices(indices: Any, context: Context) -> str:
    # A tuple here would index several axes.
    if isinstance(indices, Text):
        return f"jnp.array({flat(indices, context)})"
    return f"jnp.array([{', '.join(map(str, indices))}])"
