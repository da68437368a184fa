"""Candidate fixes for what is spelt wrongly: names, arguments, signs and brackets.

A candidate is only a guess; `netdsl.fixes` tries each before anyone sees it. Candidates come in
groups, of which the first that works is kept.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TypeAlias

from netdsl import syntax
from netdsl.bind import NO_FILTERS, TRUTHS
from netdsl.body_brackets import MERGES
from netdsl.diagnostics import Diagnostic, Edit, Fix, NearNames, one_edit
from netdsl.expected import (
    COMPARES,
    ELSE_IF,
    FIGURES,
    ON_ONE_LINE,
    missing_comma,
)
from netdsl.functions import FUNCTIONS
from netdsl.habits_of_files import input_written_otherwise
from netdsl.network import SHIPPED
from netdsl.ops import ACTIVATION_LAYERS, OPERATORS, WORDS, meant
from netdsl.place import outside_brackets
from netdsl.program import Library
from netdsl.records import Record
from netdsl.source import Source, Span
from netdsl.tensor import Window
from netdsl.tokens import COMMENT, MANY_SIZES, MEANT, QUOTES, WIDE, foreign_sign, size_argument

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


def walk(node: object) -> Iterator[Record]:
    """The records below a part of a syntax tree, itself first, in the order of the text."""
    if isinstance(node, Span) or not isinstance(node, tuple):
        return
    if isinstance(node, Record):
        yield node
    for each in node:
        yield from walk(each)


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
        calls = (each for each in walk(tree) if isinstance(each, syntax.Call))
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
        calls = (each for each in walk(tree) if isinstance(each, syntax.Call))
        call = next((each for each in calls if _has_argument(each, span)), None)
        doubtful = call is not None and _begins_with_channels(call, call.name)
        if call is not None and doubtful:
            yield _without_channels(f"write `{meant}`", call, edit)
        yield Fix(f"write `{meant}`", (edit,), not doubtful)


def _has_argument(call: syntax.Call, name: Span) -> bool:
    """Whether the name of an argument of this call stands at a place."""
    return any(each.name and each.span[:2] == name[:2] for each in call.arguments)


def _sign(diagnostic: Diagnostic, tree: syntax.File | None) -> Iterator[Fix]:
    """A sign of another language whose like we have."""
    span = diagnostic.span
    text = span.text
    if len(text) > 1 and QUOTES.get(text[0]) == text[-1] and '"' not in text:
        yield Fix('write `"`', (Edit(span, f'"{text[1:-1]}"'),), True)
    if MANY_SIZES.fullmatch(text):
        line = span.source.line_starts[span.line - 1]
        start = span.source.text.rfind("input", line, span.start)
        fix = input_written_otherwise(span.source, start).fix if start >= 0 else None
        if fix is not None:
            yield fix
    foreign = foreign_sign(span.source.text, span.start)
    meant = re.fullmatch(r"write `([^`]+)`.*", MEANT.get(foreign, ""))
    if meant is None or diagnostic.help != MEANT[foreign]:
        return
    if foreign in WIDE:
        # All of the line, as a keyboard made them: a bracket alone would close nothing.
        start = span.source.line_starts[span.line - 1]
        edits = tuple(
            Edit(span.source.span(at, at + 1), WIDE[sign])
            for at, sign in enumerate(span.source.line(span.line), start)
            if sign in WIDE
        )
        yield Fix(f"write `{meant[1]}`", edits, True)
        return
    start, end = span.start, span.start + len(foreign)
    if foreign == "×":
        yield from _times(span.source.span(start, end))
        return
    # A word needs a space before what follows it, as `!deep` does.
    glued = meant[1].isalpha() and len(meant[1]) > 1 and span.source.text[end : end + 1].isalnum()
    written = meant[1] + (" " if glued else "")
    yield Fix(f"write `{meant[1]}`", (Edit(span.source.span(start, end), written),), True)


_TIMES = re.compile(r"(?P<first>\w*)(?P<before>[ \t]*)×(?P<behind>[ \t]*)(?P<second>\w*)")


def _times(sign: Span) -> Iterator[Fix]:
    """A size, which has no blanks, or a product."""
    source = sign.source
    start = len(source.text[: sign.start].rstrip(" \t"))
    while re.match(r"\w", source.text[start - 1 : start]):
        start -= 1
    found = _TIMES.match(source.text, start)
    assert found is not None
    name = size_argument(source.text, start, found.end())
    if not (found["first"] + found["second"]).isdecimal():  # `kxk` would be a name.
        if name == "kernel" and found["first"] == found["second"]:
            yield _square(source, found)
        yield Fix("write `*`", (Edit(sign, "*"),), False)
        return
    spaced = bool(found["before"] or found["behind"])
    # `3 × 3` is a window, `2 × 2` may be a stride of 4.
    square = found["first"] == found["second"]
    safe = name is not None and (not spaced or (name == "kernel" and square))
    size = Edit(source.span(found.start("before"), found.end("behind")), "x")
    fixes = Fix("write `x`", (size,), safe), Fix("write `*`", (Edit(sign, "*"),), False)
    yield from fixes if name is not None or square else fixes[::-1]


def _square(source: Source, found: re.Match[str]) -> Fix:
    """A square of which a size is written with a name, which means both sides by itself."""
    whole = source.span(found.start("first"), found.end("second"))
    return Fix(f"write `{found['first']}`", (Edit(whole, found["first"]),), False)


_NAMED_SIZE = re.compile(r"(?<!\w)(?P<first>[A-Za-z_]\w*)[ \t]+x[ \t]+(?P<second>\w+)")

_FIGURE = re.compile(r"[^\n;}A-Za-z_]{0,20}[A-Za-z_][^\n;}<>=!]{0,80}([=!<>]=|[<>])")


def reconsidered(diagnostic: Diagnostic, fix: Fix) -> Fix | None:
    """A fix that comes with a diagnostic, as it may be proposed; None where another candidate
    stands for it."""
    source, start = diagnostic.span.source, diagnostic.span.start
    if fix.message == "put a comma between them":
        line = source.text.rfind("\n", 0, start) + 1
        return None if re.search(r"\w[ \t]+x[ \t]*$", source.text[line:start]) else fix
    if fix.message == "write parentheses" and _joined(diagnostic) is not None:
        return None
    return fix


def _joined(diagnostic: Diagnostic) -> re.Match[str] | None:
    """A merge of several names in brackets that begins its statement, as Keras writes it: there it
    joins these only, not what flows as well."""
    source, start = diagnostic.span.source, diagnostic.span.start
    line = source.text.rfind("\n", 0, start) + 1
    found = _MERGE.match(source.text, line)
    if found is None or found["merge"] not in MERGES:
        return None
    names = [found["first"], *re.findall(r"[\w.]+", found["others"])]
    return None if any(each in OPERATORS for each in names) else found


_MERGE = re.compile(
    r"[ \t]*(?:[\w.]+[ \t]*:[ \t]*)?(?P<whole>(?P<merge>\w+)[ \t]*\[[ \t]*(?P<first>[\w.]+)[ \t]*,"
    r"[ \t]*(?P<others>[\w.]+(?:[ \t]*,[ \t]*[\w.]+)*)[ \t]*,?[ \t]*\])"
)


def _keras_merge(diagnostic: Diagnostic) -> Iterator[Fix]:
    found = _joined(diagnostic) if diagnostic.span.text == "[" else None
    if found is not None:
        text = f"from {found['first']} -> {found['merge']}({found['others']})"
        span = diagnostic.span.source.span(*found.span("whole"))
        yield Fix(f"write `{text}`", (Edit(span, text),), False)


def _named_size(diagnostic: Diagnostic) -> Iterator[Fix]:
    """A square of a name, `k x k`."""
    source = diagnostic.span.source
    line = source.text.rfind("\n", 0, diagnostic.span.start) + 1
    for found in _NAMED_SIZE.finditer(source.text, line, diagnostic.span.end):
        whole = found.start() <= diagnostic.span.start < found.end()
        if whole and found["first"] == found["second"]:
            yield _square(source, found)


def _token(diagnostic: Diagnostic, tree: syntax.File | None) -> Iterator[Fix]:
    """A foreign sign; or a misspelt word before the brace that the token stands behind, where it
    was taken for a merge."""
    yield from _sign(diagnostic, tree)
    yield from _separated(diagnostic)
    yield from _keras_merge(diagnostic)
    yield from _named_size(diagnostic)
    source = diagnostic.span.source
    found = re.search(r"(\w+)\s*\{\s*$", source.text[: diagnostic.span.start])
    for word in ("residual", "else", "shortcut", "aux"):
        if found is not None and one_edit(found[1], word):
            span = source.span(found.start(1), found.end(1))
            yield Fix(f"write `{word}`", (Edit(span, word),), True)


def _separated(diagnostic: Diagnostic) -> Iterator[Fix]:
    """Commas, brackets and signs of arguments."""
    span, help = diagnostic.span, diagnostic.help
    source = span.source
    before = source.text[: span.start].rstrip()
    if help == COMPARES and span.text in ("=", ":"):
        yield Fix("write `==`", (Edit(span, "==" if span.text == "=" else " =="),), True)
    if help == FIGURES:
        place = span if span.text == "," else source.span(len(before), len(before))
        # `2 layers` has a unit, no further figure.
        if _FIGURE.match(source.text, place.end):
            yield Fix("put `;` between them", (Edit(place, ";"),), True)
    word = re.search(r"(\s+)(\w+)$", before)
    if word is not None and help == missing_comma(word[2]):
        places = (word.start(), *_arguments_behind(source, span.end, _NO_COMMA))
        edits = tuple(Edit(source.span(place, place), ",") for place in places)
        message = "put a comma between them" if len(edits) == 1 else "put commas between them"
        yield Fix(message, edits, True)
    elif span.text == ":" and word is not None and help.startswith("an argument is given by name"):
        places = (span.start, *_arguments_behind(source, span.end, _COLON))
        edits = tuple(Edit(source.span(place, place + 1), " =") for place in places)
        yield Fix("write `=`", edits, True)
    if help == ELSE_IF:
        yield Fix("write `else if`", (Edit(span, "else if"),), True)
    elif help == COMMENT and span.text == "//":
        yield Fix("write `#`", (Edit(span, "#"),), True)
    elif help == ON_ONE_LINE:
        end = source.text.find("{", span.start)
        if not source.text[span.start : end].strip():
            yield Fix("put it there", (Edit(source.span(span.start, end), " "),), True)
    if help.startswith("a setting has no") and span.text in ("=", ":"):
        behind = source.text[span.end :]
        end = span.end + len(behind) - len(behind.lstrip(" \t"))
        edit = Edit(source.span(len(before), end), " ")
        yield Fix(f"leave `{span.text}` out", (edit,), True)


_NO_COMMA = re.compile(r"(?<=[\w)\]\"])(?=[ \t]+[A-Za-z_]\w*[ \t]*=[^=])")
_COLON = re.compile(r"(?<=\w):")


def _arguments_behind(source: Source, start: int, sign: re.Pattern[str]) -> Iterator[int]:
    """Where in the rest of an argument list, on this line, what was wrong is so again: of several,
    the first hides the others."""
    end, _ = next(outside_brackets(source, start, '\n#"'))
    for found in sign.finditer(source.text, start, end):
        between = source.text[start : found.start()]
        if sum(map(between.count, "([{")) == sum(map(between.count, ")]}")):
            yield found.start()


def _kind(diagnostic: Diagnostic, tree: syntax.File | None) -> Iterator[Fix]:
    found = re.match(r"\w+(\s*:\s*\w+)", diagnostic.span.text)
    if found is not None:
        start = diagnostic.span.start
        span = diagnostic.span.source.span(start + found.start(1), start + found.end(1))
        yield Fix("leave the kind out", (Edit(span, ""),), False)


def _close(diagnostic: Diagnostic, tree: syntax.File | None) -> Iterator[Fix]:
    """A bracket that is never closed may be meant to end with its line."""
    span = diagnostic.span
    closing = {"(": ")", "[": "]", "{": "}"}.get(span.text[-1])
    if closing is None:  # It is closed by another kind.
        wanted = diagnostic.help[-2:-1]
        yield Fix(f"write `{wanted}`", (Edit(span, wanted),), False)
        return
    text = span.source.text
    for label in diagnostic.labels:
        before = len(text[: label.span.start].rstrip())
        if label.text.endswith("is missing before this") and "\n" not in text[span.end : before]:
            there = span.source.span(before, before)
            yield Fix(f"close it with `{closing}` there", (Edit(there, closing),), False)
        if label.text.startswith("perhaps"):
            yield from _close_by_indentation(label.span)
    end = text.find("\n", span.end)
    line = text[span.end : end if end >= 0 else len(text)]
    place = span.end + len(line.partition("#")[0].rstrip())
    here = span.source.span(place, place)
    if closing != "}" or place > span.end or end < 0 or not text[end:].strip():
        yield Fix(f"close it with `{closing}`", (Edit(here, closing),), False)
    around = _left_open(text[text.rfind("\n", 0, span.start) + 1 : place])
    if len(around) > 1:
        yield Fix(f"close them with `{around}`", (Edit(here, around),), False)
    if closing == "}":
        place = len(text.rstrip())
        last = Edit(span.source.span(place, place), "\n}")
        yield Fix("close it at the end of the file", (last,), False)


def _left_open(line: str) -> str:
    """What closes the round and square brackets that a line leaves open."""
    closing = ""
    for character in line:
        if character in "([":
            closing = {"(": ")", "[": "]"}[character] + closing
        elif character == closing[:1]:
            closing = closing[1:]
    return closing


def _close_by_indentation(brace: Span) -> Iterator[Fix]:
    """Braces may be meant to end where lines are indented no deeper than the one with `{`."""
    source = brace.source
    first = source.line(brace.line)
    indentation = first[: len(first) - len(first.lstrip())]
    for number in range(brace.line + 1, len(source.line_starts) + 1):
        line = source.line(number)
        if line.strip() and len(line) - len(line.lstrip()) <= len(indentation):
            place = source.line_starts[number - 1]
            edit = Edit(source.span(place, place), f"{indentation}}}\n")
            yield Fix("close it with `}` where the indentation ends", (edit,), False)
            return


def _remove(diagnostic: Diagnostic, tree: syntax.File | None) -> Iterator[Fix]:
    for label in diagnostic.labels:
        yield Fix(f"remove the `{label.span.text}` before", (Edit(label.span, ""),), False)
    span = diagnostic.span
    yield Fix(f"remove `{span.text}`", (Edit(span, ""),), False)


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
    for call in walk(tree):
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


def _escape(diagnostic: Diagnostic, tree: syntax.File | None) -> Iterator[Fix]:
    span = diagnostic.span
    if span.text.startswith("\\"):
        place = span.source.span(span.start, span.start)
        yield Fix("write `\\\\` for a backslash", (Edit(place, "\\"),), False)


_KNOWN = {
    "argument-twice": _remove_argument,
    "argument-value": _value,
    "loop-values": _range,
    "repeat-count": _count,
    "unclosed-bracket": _close,
    "unexpected-character": _sign,
    "unexpected-token": _token,
    "unknown-argument": _argument,
    "unknown-escape": _escape,
    "unknown-kind": _kind,
    "unknown-layer": _layer,
    "unknown-name": _name,
    "unopened-bracket": _remove,
}
