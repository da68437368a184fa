"""Candidate fixes for what is called or given wrongly: names, layers, arguments and values.

A candidate is only a guess; `netdsl.fixes` tries each before anyone sees it. Candidates come in
groups, of which the first that works is kept.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TypeAlias

from netdsl import fixes_of_signs, syntax
from netdsl.bind import NO_FILTERS, TRUTHS
from netdsl.diagnostics import Diagnostic, Edit, Fix, NearNames
from netdsl.functions import FUNCTIONS
from netdsl.network import SHIPPED
from netdsl.ops import ACTIVATION_LAYERS, OPERATORS, WORDS, meant
from netdsl.program import Library
from netdsl.records import records
from netdsl.source import Span
from netdsl.tensor import Window

Group: TypeAlias = "list[Fix]"
"""Candidates in the order to try them."""

ARGUMENT_SYNONYMS: dict[str, str] = {
    "epsilon": "eps",
    "filters": "features",
    "kernel_size": "kernel",
    "learning_rate": "rate",
    "lr": "rate",
    "num_groups": "groups",
    "num_heads": "heads",
    "out_channels": "filters",
    "out_features": "features",
    "padding": "pad",
    "pool_size": "kernel",
    "strides": "stride",
    "units": "features",
    "use_bias": "bias",
}
"""What other tools call our arguments."""


_KNOWN_ELSEWHERE = frozenset(
    (
        *("weight", "weights", "celu", "crelu", "prelu", "rrelu", "selu", "swish", "mish"),
        *("adan", "nadam", "radam", "bce", "mae", "nll", "node", "edge", "depth", "batch"),
    )
)
"""Words of the field that mean something else than the name that is spelt nearly so."""


def candidates(diagnostic: Diagnostic, tree: syntax.File | None) -> list[Group]:
    """Groups of fixes that may make a mistake of spelling go away; `tree` is None without one."""
    groups: list[Group] = []
    known = _KNOWN.get(diagnostic.code)
    if known is not None:
        groups.append(list(known(diagnostic, tree)))
    if isinstance(diagnostic.help, NearNames):
        groups.append(list(_near(diagnostic, diagnostic.help)))
    # Both may come to the same name, which is then the surer for it.
    return [groups[0] + groups[1]] if len(groups) == 2 else groups


def _near(diagnostic: Diagnostic, help: NearNames) -> Iterator[Fix]:
    span = _word(diagnostic.span, help.word)
    if span is None:
        return
    certain = (
        help.certain
        and help.word.lower() not in _KNOWN_ELSEWHERE
        and not _of_a_series(diagnostic.code, help.word, help.names[0])
    )
    for position, name in enumerate(help.names):
        yield Fix(f"write `{name}`", (Edit(span, name),), certain and position == 0)


def _of_a_series(code: str, word: str, name: str) -> bool:
    """Whether two names differ in the letter that they end with, as `unit_a` and `unit_b` or `enca`
    and `encb` do: both may well be meant, but where the name is one of netdsl's own."""
    endings = re.compile(r"(.+)_[A-Za-z]").fullmatch
    ends = endings(word), endings(name)
    if ends[0] is not None and ends[1] is not None:
        return ends[0][1] == ends[1][1]
    if code not in _OF_THE_PROGRAM or name in OPERATORS or name in FUNCTIONS or name in WORDS:
        return False
    if len(word) == len(name):
        return word[:-1] == name[:-1]
    # `units` is a misspelt `unit`, and `widthh` a `width`.
    return word[:-1] == name and word[-1] not in (*"sS", name[-1])


_OF_THE_PROGRAM = frozenset(("unknown-name", "unknown-label", "unknown-layer"))


def _word(span: Span, word: str) -> Span | None:
    """Where a word stands in a stretch of text, or right before it; None where it does not."""
    found = re.search(rf"(?<!\w){re.escape(word)}(?!\w)", span.text)
    if found is not None:
        return span.source.span(span.start + found.start(), span.start + found.end())
    before = len(span.source.text[: span.start].rstrip())
    if span.source.text[:before].endswith(word):
        return span.source.span(before - len(word), before)
    return None


def _layer(diagnostic: Diagnostic, tree: syntax.File | None) -> Iterator[Fix]:
    name = diagnostic.span.text
    if name.lower() in ACTIVATION_LAYERS:
        behind = re.compile(r"""\(\s*["']?(\w+)["']?\s*\)""").match(
            diagnostic.span.source.text, diagnostic.span.end
        )
        if behind is not None:
            whole = diagnostic.span.source.span(diagnostic.span.start, behind.end())
            layer = meant(behind[1]) or behind[1].lower()
            yield Fix(
                f"write `{layer}`, a layer of its own",
                (Edit(whole, layer),),
                layer in OPERATORS,
            )
    other = meant(name)
    if other is not None:
        calls = (each for each in records(tree) if isinstance(each, syntax.Call))
        call = next((each for each in calls if each.name_span == diagnostic.span), None)
        edits = [Edit(diagnostic.span, other)]
        known = OPERATORS[other].parameters
        if call is not None and call.arguments and other in _NORMALISATIONS:
            fix = _normalisation(name, other, call)
            if fix is not None:
                yield fix
                return
        for argument in () if call is None else call.arguments:
            word = ARGUMENT_SYNONYMS.get(argument.name or "", "")
            if word in known and argument.name not in known:
                span = argument.span
                end = span.start + len(argument.name or "")
                edits.append(Edit(span.source.span(span.start, end), word))
        shown = ", ".join(f"`{edit.text}`" for edit in edits)
        doubtful = call is None or _other_order(call) or _begins_with_channels(call, other)
        if call is not None and doubtful and other in _CHANNELS_FIRST:
            yield _without_channels(f"write {shown}", call, *edits)
        yield Fix(f"write {shown}", tuple(edits), not doubtful)
    elif tree is not None and name in Library(None, SHIPPED).shared_blocks():
        place = _import_place(tree)
        line = f"import {name} from std\n"
        yield Fix("import it", (Edit(place, line),), True)


_NORMALISATIONS = {
    "bn": ("num_features", ("", "eps", "momentum")),
    "groupnorm": ("num_channels", ("groups", "", "eps")),
    "layernorm": ("normalized_shape", ("", "eps")),
}
"""What PyTorch calls the number of channels that it is told, and what its bare values are, in their
order, where "" is that number."""

_MOMENTUM_OF_THE_NEW = "batchnorm2d"
"""PyTorch's, whose `momentum` is the share of the new statistics, not that of the old."""

_MOMENTUM_OF_EITHER = frozenset(("batchnorm", "batch_norm"))


def _normalisation(name: str, other: str, call: syntax.Call) -> Fix | None:
    """A normalisation as PyTorch writes it, without its channels; None where nothing but its name
    is other than ours. A bare value may be meant as another tool does, so that it isn't safe."""
    channels, order = _NORMALISATIONS[other]
    source = call.span.source
    written: list[str] = []
    left_out: list[str] = []
    doubtful = False
    for position, argument in enumerate(call.arguments):
        value = argument.span.text
        word = argument.name
        if word is None:
            if position >= len(order):
                return None
            word = order[position]
            doubtful = doubtful or word != "groups"
            if not word and _is_fraction(argument.value):
                return None
        else:
            value = value.partition("=")[2].strip()
        if word in ("", channels):
            left_out.append(argument.span.text)
            continue
        word = ARGUMENT_SYNONYMS.get(word, word)
        if word == "momentum" and name.lower() == _MOMENTUM_OF_THE_NEW:
            value = _rest_of_one(argument.value, value)
        doubtful = doubtful or (word == "momentum" and name.lower() in _MOMENTUM_OF_EITHER)
        bare_groups = argument.name is None and word == "groups"
        written.append(value if bare_groups else f"{word} = {value}")
    if not doubtful and [each.span.text for each in call.arguments] == written:
        return None
    text = f"{other}({', '.join(written)})" if written else other
    whole = source.span(call.name_span.start, _closing(call))
    message = f"write `{text}`"
    if left_out:
        message = f"{message}, without the number of channels, {', '.join(left_out)}"
    return Fix(message, (Edit(whole, text),), not doubtful)


def _closing(call: syntax.Call) -> int:
    """Where the parenthesis behind a call's arguments ends."""
    text = call.span.source.text
    return text.index(")", call.arguments[-1].span.end) + 1


def _is_fraction(value: syntax.Expression) -> bool:
    number = getattr(value, "value", None)
    return isinstance(number, float)


def _rest_of_one(value: syntax.Expression, written: str) -> str:
    """What a share leaves of 1."""
    number = getattr(value, "value", None)
    if isinstance(number, (int, float)) and not isinstance(number, bool):
        return f"{1 - number:.12g}"
    simple = isinstance(value, syntax.Name)
    return f"1 - {written}" if simple else f"1 - ({written})"


_CHANNELS_FIRST = {"conv": 3, "conv_transpose": 3, "dense": 2}
"""What begins with the channels that enter in PyTorch, with how many values it needs there."""


def _begins_with_channels(call: syntax.Call, layer: str) -> bool:
    """Whether a call of a layer may be in PyTorch's order: it has all values that are needed there,
    the first two, the channels that enter and leave, without a name, and no size among these."""
    values = [each for each in call.arguments if each.name is None]
    first = [getattr(each.value, "value", None) for each in values[:2]]
    names = [ARGUMENT_SYNONYMS.get(each.name or "", each.name) for each in call.arguments]
    needed = _CHANNELS_FIRST.get(layer, len(values) + 2)
    return len(first) == 2 <= needed <= len(values) + names.count("kernel") and not any(
        isinstance(each, Window) for each in first
    )


def _without_channels(message: str, call: syntax.Call, *edits: Edit) -> Fix:
    """The edits of a call in PyTorch's order, whose first value is then left out."""
    first, second = call.arguments[:2]
    entering = Edit(first.span.source.span(first.span.start, second.span.start), "")
    message = f"{message}, without the channels that enter, {first.span.text}"
    return Fix(message, (*edits, entering), False)


def _other_order(call: syntax.Call) -> bool:
    """Whether two bare numbers stand in a row, which other tools may order otherwise than we do:
    PyTorch's layers begin with the channels that enter."""
    numbers = [
        each.name is None and isinstance(each.value, syntax.Constant) and each.span.text.isdecimal()
        for each in call.arguments
    ]
    return any(numbers[i] and numbers[i + 1] for i in range(len(numbers) - 1))


def _import_place(tree: syntax.File) -> Span:
    """The start of the line before which a further import fits: behind the others, or first."""
    imports = [each for each in tree.declarations if isinstance(each, syntax.Import)]
    text = tree.source.text
    if imports:
        start = text.find("\n", imports[-1].span.end) + 1 or len(text)
    else:
        start = text.rfind("\n", 0, tree.declarations[0].span.start) + 1
    return tree.source.span(start, start)


def _name(diagnostic: Diagnostic, tree: syntax.File | None) -> Iterator[Fix]:
    meant = TRUTHS.get(diagnostic.span.text.lower())
    if meant is not None:
        # `None` is no padding or no activation as well.
        safe = diagnostic.span.text.lower() not in ("none", "null", "nil")
        yield Fix(f"write `{meant}`", (Edit(diagnostic.span, meant),), safe)


def _argument(diagnostic: Diagnostic, tree: syntax.File | None) -> Iterator[Fix]:
    word = diagnostic.span.text.partition("=")[0].strip()
    span = _word(diagnostic.span, word) if word in ARGUMENT_SYNONYMS else None
    if span is not None:
        meant = ARGUMENT_SYNONYMS[word]
        edit = Edit(span, meant)
        calls = (each for each in records(tree) if isinstance(each, syntax.Call))
        call = next((each for each in calls if _has_argument(each, span)), None)
        doubtful = call is not None and _begins_with_channels(call, call.name)
        if call is not None and doubtful:
            yield _without_channels(f"write `{meant}`", call, edit)
        yield Fix(f"write `{meant}`", (edit,), not doubtful)


def _has_argument(call: syntax.Call, name: Span) -> bool:
    """Whether the name of an argument of this call stands at a place."""
    return any(each.name and each.span[:2] == name[:2] for each in call.arguments)


def _kind(diagnostic: Diagnostic, tree: syntax.File | None) -> Iterator[Fix]:
    found = re.match(r"\w+(\s*:\s*\w+)", diagnostic.span.text)
    if found is not None:
        start = diagnostic.span.start
        span = diagnostic.span.source.span(start + found.start(1), start + found.end(1))
        yield Fix("leave the kind out", (Edit(span, ""),), False)


def _remove_argument(diagnostic: Diagnostic, tree: syntax.File | None) -> Iterator[Fix]:
    span = diagnostic.span
    before = span.source.text[: span.start].rstrip()
    if before.endswith(","):
        whole = span.source.span(len(before) - 1, span.end)
        yield Fix(f"remove `{span.text}`", (Edit(whole, ""),), False)


def _value(diagnostic: Diagnostic, tree: syntax.File | None) -> Iterator[Fix]:
    """A word that is hidden by a name, or two arguments in the wrong order."""
    span = diagnostic.span
    if NO_FILTERS in diagnostic.message:
        comma = re.compile(r"\s*,\s*").match(span.source.text, span.end)
        if comma is not None:
            edit = Edit(span.source.span(span.start, comma.end()), "")
            yield Fix(f"leave `{span.text}` out", (edit,), False)
        return
    word = re.search(r"[a-z_]\w*$", span.text)
    if word is not None and diagnostic.help.startswith(f"`{word[0]}` is the name of another"):
        place = span.source.span(span.start + word.start(), span.end)
        yield Fix("put it in quotes", (Edit(place, f'"{word[0]}"'),), False)
    pair = re.search(r"[\[(](\d+), *(\d+)[\])]$", span.text)
    if pair is not None:
        place = span.source.span(span.start + pair.start(), span.end)
        size = f"{pair[1]}x{pair[2]}"
        yield Fix(f"write `{size}`", (Edit(place, size),), True)
    text = re.search(r'"([\w.]+)"$', span.text)
    if text is not None:
        place = span.source.span(span.start + text.start(), span.end)
        yield Fix("leave the quotes out", (Edit(place, text[1]),), False)
    for call in records(tree):
        if not isinstance(call, syntax.Call):
            continue
        arguments = [each.span for each in call.arguments if each.name is None]
        if span not in arguments:
            continue
        position = arguments.index(span)
        for other in arguments[position + 1 : position + 2] + arguments[:position][-1:]:
            edits = Edit(span, other.text), Edit(other, span.text)
            yield Fix(f"swap `{span.text}` and `{other.text}`", edits, False)


def _count(diagnostic: Diagnostic, tree: syntax.File | None) -> Iterator[Fix]:
    """Of a division that comes out even, the one that gives a whole number."""
    span = diagnostic.span
    sign = re.search(r"(?<!/)/(?!/)", span.text)
    if sign is not None:
        place = span.source.span(span.start + sign.start(), span.start + sign.end())
        yield Fix("write `//`", (Edit(place, "//"),), diagnostic.message.endswith(".0"))


def _range(diagnostic: Diagnostic, tree: syntax.File | None) -> Iterator[Fix]:
    span = diagnostic.span
    if diagnostic.help.startswith("`range("):
        yield Fix(f"write `range({span.text})`", (Edit(span, f"range({span.text})"),), True)


_KNOWN = {
    **fixes_of_signs.KNOWN,
    "argument-twice": _remove_argument,
    "argument-value": _value,
    "loop-values": _range,
    "repeat-count": _count,
    "unknown-argument": _argument,
    "unknown-kind": _kind,
    "unknown-layer": _layer,
    "unknown-name": _name,
}
