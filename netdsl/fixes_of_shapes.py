"""Candidate fixes for shapes that don't fit. Each changes the network, so that none is safe.

As in `netdsl.fixes_of_names`, a candidate is a guess that `netdsl.fixes` tries, and of a group the
first that works is kept.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator

from netdsl import syntax
from netdsl.diagnostics import Diagnostic, Edit, Fix, Frame
from netdsl.fixes_of_names import Group
from netdsl.ops import OPERATORS
from netdsl.records import records
from netdsl.size_conditions import conjuncts, in_a_row
from netdsl.source import Span
from netdsl.tensor import CHANNELS_LAST, MOST_CHANNELS

# How far from the number that is wrong others are tried, on either side.
_NUMBERS = 8
# How many layers before the one that joins are padded alone.
_NEAREST = 3
# Ready-made strides of a shortcut, after those that the body names.
_STRIDES = ("", "2", "4")


def candidates(diagnostic: Diagnostic, tree: syntax.File | None) -> list[Group]:
    """Groups of fixes that may make shapes fit; none without a tree."""
    known = CODES.get(diagnostic.code)
    return [] if known is None or tree is None else known(diagnostic, tree)


def _before(*layers: str) -> Callable[[Diagnostic, syntax.File], list[Group]]:
    """Another layer in front of the one that can't take its input."""

    def groups(diagnostic: Diagnostic, tree: syntax.File) -> list[Group]:
        calls = (each for each in records(tree) if isinstance(each, syntax.Call))
        call = next((each for each in calls if each.span == diagnostic.span), None)
        if call is None:
            return []
        place = tree.source.span(call.span.start, call.span.start)
        return [
            [Fix(f"put `{layer}` before it", (Edit(place, f"{layer} -> "),), False)]
            for layer in layers
        ]

    return groups


def _numbers(diagnostic: Diagnostic, tree: syntax.File) -> list[Group]:
    """The nearest numbers below and above the one that is wrong, wherever that is written."""
    place = _literal(diagnostic.span, diagnostic.trail, tree)
    if place is None:
        return []
    number = int(place.text)
    depthwise: list[Group] = []
    if diagnostic.span.text.startswith("groups"):
        argument = diagnostic.span
        written = Edit(argument, "groups = in.channels")
        depthwise = [[Fix("let each channel be a group", (written,), False)]]
    below = range(number - 1, max(number - 1 - _NUMBERS, -1), -1)
    above = range(number + 1, number + 1 + _NUMBERS)
    numbered = [
        [Fix(f"write {each}", (Edit(place, str(each)),), False) for each in numbers]
        for numbers in (below, above)
    ]
    return numbered + depthwise


def _literal(span: Span, trail: tuple[Frame, ...], tree: syntax.File) -> Span | None:
    """The number that an argument's value comes from: written there, or handed to the block."""
    found = re.fullmatch(r"(?:\w+\s*=\s*)?(\w+)", span.text)
    if found is None or span.source is not tree.source:
        return None
    value = span.source.span(span.start + found.start(1), span.start + found.end(1))
    if value.text.isdecimal() and len(value.text) < 10:
        return value
    for position, frame in enumerate(trail):
        call = next(
            (
                each
                for each in records(tree)
                if isinstance(each, syntax.Call) and each.span == frame.span
            ),
            None,
        )
        if call is not None:
            argument = _handed(value.text, call, tree)
            return argument and _literal(argument, trail[position + 1 :], tree)
    return None


def _handed(name: str, call: syntax.Call, tree: syntax.File) -> Span | None:
    """The argument of a call that a block's parameter takes; None where it has its default."""
    for block in tree.declarations:
        if isinstance(block, syntax.Block) and block.name == call.name:
            names = [parameter.name for parameter in block.parameters]
            for position, argument in enumerate(call.arguments):
                taken = argument.name or (names[position] if position < len(names) else None)
                if taken == name:
                    return argument.span
    return None


def _window(diagnostic: Diagnostic, tree: syntax.File) -> list[Group]:
    """Padding around an image that is smaller than a layer's window."""
    call = next(
        (
            each
            for each in records(tree)
            if isinstance(each, syntax.Call)
            and each.span.source is diagnostic.span.source
            and each.span.start <= diagnostic.span.start < each.span.end
            and "pad" in getattr(OPERATORS.get(each.name), "parameters", ())
        ),
        None,
    )
    edit = call and _pad_same(call)
    padded = [[Fix("pad it so that the size stays", (edit,), False)]] if edit else []
    return [list(_channels_last(tree)), *padded] if diagnostic.help == CHANNELS_LAST else padded


def _channels_last(tree: syntax.File) -> Iterator[Fix]:
    """The sizes of inputs that seem to have their channels first in another order."""
    for statement in records(tree):
        if isinstance(statement, syntax.Input) and len(statement.sizes) == 3:
            first, height, width = (size.span for size in statement.sizes)
            if first.text.isdecimal() and int(first.text) <= MOST_CHANNELS:
                edit = Edit(first.to(width), f"{height.text}, {width.text}, {first.text}")
                yield Fix("put the channels last", (edit,), False)


def _joined(diagnostic: Diagnostic, tree: syntax.File) -> list[Group]:
    """Padding that keeps sizes where values are joined; for a residual, a projected shortcut."""
    residual = next(
        (
            each
            for each in records(tree)
            if isinstance(each, syntax.Residual) and each.span.start == diagnostic.span.start
        ),
        None,
    )
    if residual is not None:
        places = [residual.body.span]
    else:
        places = [label.span for label in diagnostic.labels]
    groups = [list(_padded(places, tree))]
    if residual is not None and residual.shortcut is None:
        # The first label shows the body's shape, which has one "×" less than axes.
        axes = diagnostic.labels[0].text.count("×") + 1 if diagnostic.labels else 0
        project = _projected if axes == 3 else _projected_tokens
        groups.append(list(project(residual, tree)))
    if residual is not None and residual.shortcut is not None:
        groups.append(list(_strided(residual)))
    if residual is not None and residual.shortcut_condition is not None:
        edit = Edit(residual.shortcut_condition.span, "in.shape != out.shape")
        groups.append([Fix("take it wherever the shape changes", (edit,), False)])
    if residual is None:
        groups.append(list(_padded_before(diagnostic, tree)))
        if not diagnostic.fixes:
            groups.append(list(_fitting_sizes(diagnostic, tree)))
    return groups


def _padded(places: list[Span], tree: syntax.File) -> Iterator[Fix]:
    """`pad = same` on one layer, or on all without padding that lead to one of the places."""
    for place in places:
        flow = next(
            (
                each
                for each in records(tree)
                if isinstance(each, syntax.Flow)
                and each.label is not None
                and each.label.span.text == place.text
            ),
            None,
        )
        around = place if flow is None else flow.span
        calls = _with_padding(around, tree)
        edits = [each for each in map(_pad_same, calls) if each is not None]
        for edit in edits:
            yield Fix("pad it so that the size stays", (edit,), False)
        if len(edits) > 1:
            yield Fix("pad these so that the size stays", tuple(edits), False)
        for call in calls:
            # A pool without a stride steps by its window.
            padded = _pad_same(call) if call.name in ("maxpool", "avgpool") else None
            if padded is not None and all(each.name != "stride" for each in call.arguments):
                text = padded.text.replace("pad = same", "stride = 1, pad = same")
                kept = padded._replace(text=text)
                yield Fix("let it step by 1 and pad it", (kept,), False)


def _padded_before(diagnostic: Diagnostic, tree: syntax.File) -> Iterator[Fix]:
    """`pad = same` on one of the layers before that have a window, the nearest first, or on all of
    these that don't pool, as pools are meant to make an image smaller."""
    bodies = (each for each in records(tree) if isinstance(each, syntax.Body))
    around = [each.span for each in bodies if _lies_in(diagnostic.span, each.span)]
    if not around:
        return
    body = min(around, key=lambda each: each.end - each.start)
    calls = [
        each
        for each in _with_padding(body, tree)
        if each.name not in ("maxpool", "avgpool", "pad", "crop")
        and (not _lies_in(each.span, body) or each.span.end <= diagnostic.span.start)
    ]
    edits = [each for each in map(_pad_same, calls) if each is not None]
    for edit in edits[: -_NEAREST - 1 : -1]:
        yield Fix("pad it so that the size stays", (edit,), False)
    if len(edits) > 1:
        yield Fix("pad these so that the size stays", tuple(edits), False)


def _lies_in(span: Span, place: Span) -> bool:
    return span.source is place.source and place.start <= span.start and span.end <= place.end


def _with_padding(place: Span, tree: syntax.File) -> list[syntax.Call]:
    """The calls in a place that take a padding; of a block that takes none, those in it."""
    blocks = {each.name: each for each in tree.declarations if isinstance(each, syntax.Block)}
    found: list[syntax.Call] = []
    for call in records(tree):
        if not isinstance(call, syntax.Call) or call.span.source is not place.source:
            continue
        if not place.start <= call.span.start < place.end:
            continue
        block = blocks.get(call.name)
        if block is not None and all(each.name != "pad" for each in block.parameters):
            inside = (each for each in records(block.body) if isinstance(each, syntax.Call))
            found += [each for each in inside if _takes_padding(each, blocks)]
        elif _takes_padding(call, blocks):
            found.append(call)
    return list(dict.fromkeys(found))


def _takes_padding(call: syntax.Call, blocks: dict[str, syntax.Block]) -> bool:
    if call.name in blocks:
        return any(each.name == "pad" for each in blocks[call.name].parameters)
    return call.name in OPERATORS and "pad" in OPERATORS[call.name].parameters


def _fitting_sizes(diagnostic: Diagnostic, tree: syntax.File) -> Iterator[Fix]:
    """Heights and widths of the network's inputs that halve more often without a rest, the nearest
    first; of all networks, where the mistake is not seen to be in one."""
    places = [diagnostic.span, *(frame.span for frame in diagnostic.trail)]
    around = (
        each
        for each in tree.declarations
        if isinstance(each, syntax.Network) and any(_lies_in(place, each.span) for place in places)
    )
    inputs = [each for each in records(next(around, tree)) if isinstance(each, syntax.Input)]
    images = [each for each in inputs if len(each.sizes) == 3]
    if len(images) == 1 and images[0].default is not None:
        yield from _fitting_defaults(images[0])
        return
    sizes = [size.span for each in images for size in each.sizes[:2]]
    if not sizes or not all(_is_short(each) for each in sizes):
        return
    for factor in _FACTORS:
        for up in (0, factor - 1):
            written = [max((int(each.text) + up) // factor, 1) * factor for each in sizes]
            edits = tuple(
                Edit(span, str(size))
                for span, size in zip(sizes, written, strict=True)
                if span.text != str(size)
            )
            if edits:
                shown = " and ".join(dict.fromkeys(edit.text for edit in edits))
                yield Fix(f"let the input be {shown} high and wide", edits, False)


_FACTORS = (2, 4, 8, 16, 32, 64)


def _is_short(size: Span) -> bool:
    return size.text.isdecimal() and len(size.text) < 6


def _fitting_defaults(image: syntax.Input) -> Iterator[Fix]:
    """Default heights and widths that halve more often without a rest, the nearest first, with the
    `where` that keeps others out."""
    assert image.default is not None
    named: dict[str, int] = {}
    edits_of: list[tuple[Span, str]] = []
    for size, default in zip(image.sizes[:2], image.default[:2], strict=True):
        if not isinstance(size, syntax.Name) or not _is_short(default.span):
            return
        named.setdefault(size.name, int(default.span.text))
        edits_of.append((default.span, size.name))
    end = image.span.source.span(image.span.end, image.span.end)
    for factor in _FACTORS:
        if all(size % factor == 0 for size in named.values()):
            continue
        below = {name: max(size // factor, 1) * factor for name, size in named.items()}
        above = {name: -(-size // factor) * factor for name, size in named.items()}
        kept = [
            in_a_row(each)
            for each in (conjuncts(image.where) if image.where is not None else ())
            if not _is_multiple(each, named, factor)
        ]
        clause = " and ".join((*kept, *(f"{name} % {factor} == 0" for name in named)))
        where = (
            Edit(end, f" where {clause}") if image.where is None else Edit(image.where.span, clause)
        )
        for written in (below, above):
            edits = [
                Edit(span, str(written[name]))
                for span, name in edits_of
                if span.text != str(written[name])
            ]
            shown = " and ".join(dict.fromkeys(str(each) for each in written.values()))
            message = (
                f"let the default be {shown} high and wide, and all sizes multiples of {factor}"
            )
            yield Fix(message, (*edits, where), False)


def _is_multiple(condition: syntax.Expression, names: Iterable[str], factor: int) -> bool:
    """Whether a condition follows of its size being a multiple of the factor."""
    match condition:
        case syntax.Comparison(
            syntax.Binary("%", syntax.Name(name), syntax.Constant(divisor), _),
            (("==", syntax.Constant(0)),),
            _,
        ):
            if isinstance(divisor, int) and divisor > 0:
                return name in names and factor % divisor == 0
    return False


def _pad_same(call: syntax.Call) -> Edit | None:
    for argument in call.arguments:
        if argument.name == "pad":
            return None if argument.value.span.text == "same" else Edit(argument.span, "pad = same")
    if not call.arguments or not call.span.text.endswith(")"):
        return None
    place = call.span.source.span(call.span.end - 1, call.span.end - 1)
    return Edit(place, ", pad = same")


def _projected(residual: syntax.Residual, tree: syntax.File) -> Iterator[Fix]:
    """A shortcut of 1x1 to the body's channels, with its stride, and normalised where that is."""
    calls = [each for each in records(residual.body) if isinstance(each, syntax.Call)]
    named = [
        argument.value.span.text
        for call in calls
        for argument in call.arguments
        if argument.name == "stride" or argument.value.span.text == "stride"
    ]
    norm = " -> bn" if any(call.name == "bn" for call in calls) else ""
    padded = any(
        argument.name == "pad"
        for each in records(tree)
        if isinstance(each, syntax.Default)
        for call in each.calls
        for argument in call.arguments
    )
    place = residual.span.source.span(residual.body.span.end, residual.body.span.end)
    for stride in dict.fromkeys((*named, *_STRIDES)):
        for pad in ("", "pad = 0") if padded else ("",):
            arguments = ", ".join(each for each in ("out.channels", "1x1", stride, pad) if each)
            text = f" shortcut if in.shape != out.shape {{ conv({arguments}){norm} }}"
            yield Fix("project the shortcut where the shape changes", (Edit(place, text),), False)


def _projected_tokens(residual: syntax.Residual, tree: syntax.File) -> Iterator[Fix]:
    """A shortcut that maps each token, or a vector, to the body's channels."""
    place = residual.span.source.span(residual.body.span.end, residual.body.span.end)
    text = " shortcut if in.shape != out.shape { dense(out.channels) }"
    yield Fix("project the shortcut where the shape changes", (Edit(place, text),), False)


def _strided(residual: syntax.Residual) -> Iterator[Fix]:
    """The body's stride for the first convolution of a shortcut that has none."""
    calls = [each for each in records(residual.body) if isinstance(each, syntax.Call)]
    named = [
        argument.value.span.text
        for call in calls
        for argument in call.arguments
        if argument.name == "stride" or argument.value.span.text == "stride"
    ]
    for call in records(residual.shortcut):
        if isinstance(call, syntax.Call) and call.span.text.endswith(")"):
            place = call.span.source.span(call.span.end - 1, call.span.end - 1)
            for stride in dict.fromkeys((*named, *_STRIDES[1:])):
                edit = Edit(place, f", stride = {stride}")
                yield Fix("give the shortcut the body's stride", (edit,), False)
            return


CODES: dict[str, Callable[[Diagnostic, syntax.File], list[Group]]] = {
    "channels-not-divisible": _numbers,
    "needs-sequence": _before("tokens"),
    "needs-vector": _before("flatten", "globalavgpool"),
    "padding-too-large": _numbers,
    "shape-mismatch": _joined,
    "size-not-divisible": _numbers,
    "token-out-of-range": _numbers,
    "window-too-large": _window,
}
"""What makes the candidates of each code that is about shapes."""
