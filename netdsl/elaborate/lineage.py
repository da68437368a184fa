"""How two values came by different sizes: the arithmetic of each layer since they parted."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from netdsl.derivation import AXES, shown
from netdsl.graph import Node
from netdsl.source import Source, printable
from netdsl.tensor import TensorType

_STEPS = 6
"""How many layers of a longer way are shown, the last ones."""
_CHARACTERS = 40


def mismatch_notes(
    nodes: Sequence[Node], operands: Sequence[int], source: Source, *, channels: bool
) -> tuple[str, ...]:
    """For each size in which the first of the values differs from another, how both came by it.

    `source` is the file whose name need not be told; channels are left out where they may differ.
    Sizes that are formulas in the input's are left out: their conditions are told elsewhere.
    """
    first = operands[0]
    notes: list[str] = []
    for other in dict.fromkeys(operands[1:]):
        ones, others = nodes[first].type.shape, nodes[other].type.shape
        if len(ones) != len(others) or ones == others:
            continue
        names = AXES[len(ones)]
        for axis, name in enumerate(names if channels else names[:-1]):
            numbers = isinstance(ones[axis], int) and isinstance(others[axis], int)
            if ones[axis] == others[axis] or not numbers:
                continue
            # A square image differs in both sizes for one reason.
            if name == "width" and (ones[0], others[0]) == (ones[1], others[1]):
                continue
            here, there = _way(nodes, first, axis), _way(nodes, other, axis)
            common = set(here) & set(there)
            for way in (here, there):
                apart = [each for each in way if each not in common]
                note = _told(nodes, apart, axis, name, source)
                if note and note not in notes:
                    notes.append(note)
    return tuple(notes)


def size_note(nodes: Sequence[Node], operand: int, source: Source) -> str:
    """How an image came by its height since the input; "" where it is the input's."""
    return _told(nodes, _way(nodes, operand, 0), 0, "height", source)


def rounded_away(nodes: Sequence[Node], operands: Sequence[int], source: Source) -> str:
    """The way out where one of the values was made smaller with a rest, and enlarged since.

    "" where that is not what makes them differ.
    """
    for axis, name in enumerate(("height", "width")):
        for one in operands:
            for other in operands:
                if not nodes[one].type.is_image or not nodes[other].type.is_image:
                    continue
                if nodes[one].type.shape[axis] != nodes[other].type.shape[axis]:
                    found = _rounded(nodes, _way(nodes, one, axis), other, axis, name, source)
                    if found:
                        return found
    return ""


def _rounded(
    nodes: Sequence[Node], way: Sequence[int], other: int, axis: int, name: str, source: Source
) -> str:
    """What is said of the layer of a way that steps over a rest of the size that `other` has."""
    wanted = nodes[other].type.shape[axis]
    given = nodes[way[0]].type.shape[axis]
    if not isinstance(wanted, int) or not isinstance(given, int):
        return ""
    steps, factor = 0, 1
    for position, (before, number) in enumerate(pairwise(way), 1):
        size, node = nodes[before].type.shape[axis], nodes[number]
        field = None if node.op is None else node.op.field()
        if field is None or not isinstance(size, int):
            return ""
        step = field.stride[axis]
        if step == 1 or len(nodes[before].type.shape) != len(node.type.shape):
            continue
        if size % step == 0:
            steps, factor = steps + 1, factor * step
            continue
        fields = (
            each.op.field()
            for each in (nodes[one] for one in way[position:])
            if each.op is not None
        )
        if size != wanted or not any(each and each.zoom[axis] > 1 for each in fields):
            return ""
        span = node.origin.span
        line = f"line {span.line}" if span.source is source else f"{span.source.name}:{span.line}"
        odd = f"the odd {size}" if step == 2 else f"{size} (no multiple of {step})"
        rounds = f"`{_short(span.text)}` in {line} rounds {odd}"
        if size * factor != given:
            return f"{rounds}, which no layer behind it gives back: {_OUT}"
        times = {1: "once", 2: "twice"}.get(steps, f"{steps} times")
        comes = f"halved {times}" if factor == 2**steps else f"divided by {factor}"
        whence = f"the input's {given} {comes}" if steps else f"the input's {name}"
        even = "an even size" if factor * step == 2 else f"a multiple of {factor * step}"
        return f"{rounds}, {whence}: begin with {even}; or {_OUT}"
    return ""


_OUT = "`pad` or `crop` what differs"


def _way(nodes: Sequence[Node], end: int, axis: int) -> list[int]:
    """The layers that a size went through, from the input on."""
    way: list[int] = []
    number: int | None = end
    while number is not None:
        way.append(number)
        node = nodes[number]
        alike = [
            each for each in node.inputs if len(nodes[each].type.shape) == len(node.type.shape)
        ]
        same = [each for each in alike if nodes[each].type.shape[axis] == node.type.shape[axis]]
        number = next(iter(same or alike), None)
    return way[::-1]


def _told(nodes: Sequence[Node], way: Sequence[int], axis: int, name: str, source: Source) -> str:
    """Lines for the layers of a way that change a size, each with its formula."""
    lines: list[str] = []
    for number in way:
        node = nodes[number]
        if node.op is None or not node.inputs:
            continue
        inputs = tuple(nodes[each].type for each in node.inputs)
        before = next((x for x in inputs if len(x.shape) == len(node.type.shape)), None)
        if before is None or before.shape[axis] == node.type.shape[axis]:
            continue
        steps = [each for each in node.op.derivation(node.type, *inputs) if each.measure == name]
        if not steps or steps[0].formula is None:
            continue
        formula = steps[0].formula
        note = f", {steps[0].note}" if steps[0].note else ""
        worked = note if formula.is_number else f" = {formula.numbers()}"
        span = node.origin.span
        place = f"line {span.line}" if span.source is source else f"{span.source.name}:{span.line}"
        sizes = f"{shown(before.shape[axis])} -> {shown(node.type.shape[axis])}"
        lines.append(f"{place}, `{_short(span.text)}`: {sizes}{worked}")
    if not lines:
        return ""
    hidden = len(lines) - _STEPS
    if hidden > 0:
        lines[:hidden] = [f"… {hidden} more layers before …"]
    verb = "come" if name == "channels" else "comes"
    return "\n".join([f"{name} {shown(nodes[way[-1]].type.shape[axis])} {verb} from", *lines])


def _short(text: str) -> str:
    text = printable(" ".join(text.split()))
    return text if len(text) <= _CHARACTERS else f"{text[:_CHARACTERS]}…"


def lost_its_edge(output: TensorType | None, input: TensorType | None) -> bool:
    """Whether only pixels at the edge are missing, as after windows without padding."""
    if output is None or input is None or not (output.is_image and input.is_image):
        return False
    (height, _, channels), (before, _, entered) = output.shape, input.shape
    if not (isinstance(height, int) and isinstance(before, int)):
        return False
    return channels == entered and before // 2 + 1 < height < before
