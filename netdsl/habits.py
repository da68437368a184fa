"""What other languages and tools write otherwise, known by the token at which the parser stops.

habit(Place(token, earlier, before, accepted, source))      # what to write here, or None
"""

from __future__ import annotations

import re

from netdsl import habits_of_files, habits_of_layers
from netdsl.body_brackets import MERGES
from netdsl.ops import OPERATORS
from netdsl.place import NUMBERS, Habit, Place, in_parentheses, matching, outside_brackets


def habit(place: Place) -> Habit | None:
    """What is written at a place, as another language has it; None where nothing is known."""
    rules = (*habits_of_files.RULES, *habits_of_layers.RULES, _arguments, _value)
    return next((found for found in (rule(place) for rule in rules) if found), None)


_QUOTED_NAME = re.compile(r'(?<=[(, ])"([A-Za-z_]\w*)"(?=\s*=(?!=))')


def _arguments(place: Place) -> Habit | None:
    text, before = str(place.token), place.before
    if text in ("[", "<") and place.earlier in ("block", "network") and "(" in place.accepted:
        return _parameters(place)
    if before.type == "NAME" and ")" in place.accepted and "," in place.accepted:
        comma = _comma_behind_name(place)
        if comma is not None:
            return comma
    if text == "[" and before in ("image", "img"):
        return Habit("an input is written `input image[32, 32, 3]`")
    if text == "[" and before.lower().startswith("input"):
        return None
    if text == "[" and before.type == "NAME" and "->" in place.accepted:
        return in_parentheses(place, before, place.start)
    ends = text in ("->", "}") or text.isspace()
    if before == "}" and place.accepted == {"-", ".", ":"} and ends:
        opening = place.source.text.rfind("{", 0, place.start)
        name = re.search(r"(?<![\w.])\w+$", place.source.text[:opening])
        if name is not None and name[0] in OPERATORS:
            return in_parentheses(place, name[0], opening)
    word = before.strip('"')
    quoted = before.type == "STRING" and place.earlier in ("(", ",") and word.isidentifier()
    if text == "=" and quoted and ")" in place.accepted:
        # Of several, the first hides the others.
        end, _ = next(outside_brackets(place.source, place.end, "\n#"))
        names = _QUOTED_NAME.finditer(place.source.text, before.start_pos or 0, end)
        fix = place.fix("leave the quotes out", *((*each.span(), each[1]) for each in names))
        return Habit(f"an argument's name has no quotes: `{word} = …`", fix)
    if text == "from" and {"INT", ")"} <= place.accepted and place.word in MERGES:
        value = re.match(r"\s+", place.source.text[place.end :])
        fix = place.fix(
            "leave `from` out", (place.start, place.end + len(value[0] if value else ""), "")
        )
        return Habit("a value stands here by its label alone", fix)
    return _without_parentheses(place)


def _parameters(place: Place) -> Habit:
    """`block unit[width]`."""
    help = f"parameters stand in parentheses: `{place.before}(…)`"
    closing = matching(place.source, place.start) if place.token == "[" else -1
    if closing < 0:
        return Habit(help)
    edits = (place.start, place.end, "("), (closing, closing + 1, ")")
    return Habit(help, place.fix("write parentheses", *edits))


def _comma_behind_name(place: Place) -> Habit | None:
    """`conv(width 3x3)`, where `width` is a value that has been named, and no argument's name."""
    name, token = place.before, place.token
    if token.type not in NUMBERS and token.type != "STRING":
        return None
    if place.earlier not in ("(", ",", "["):
        return None
    before = place.source.text[max(place.start - _FAR, 0) : place.start]
    headers = [*re.finditer(r"^(?:network|block)\b", before, re.MULTILINE)]
    scope = before[headers[-1].start() :] if headers else ""
    layer = re.search(r"(\w+)\s*\([^()]*$", before[-_NEAR:])
    operator = OPERATORS.get(layer[1]) if layer is not None else None
    named = rf"(?:^\w+\s+\w+\s*\((?:[^{{}}]*,)?\s*|\b(?:let|for|as)\s+){name}\b"
    if operator is not None and name in operator.parameters:
        return None
    if re.search(named, scope) is None:
        return None
    written = f"{name}, {token}"
    at = name.end_pos or 0
    fix = place.fix("put a comma between them", (at, at, ","), safe=False)
    return Habit(f"a comma separates values: `{written}`", fix)


_FAR = 4000
_NEAR = 400
"""How many characters before a token are looked at."""


def _without_parentheses(place: Place) -> Habit | None:
    """`dense 10`, `add x`, `default conv pad = same`."""
    token, before = place.token, place.before
    if before.type != "NAME" or "(" not in place.accepted:
        return None
    if "->" not in place.accepted and place.word != "default":
        return None
    if place.source.text[before.end_pos : place.start].strip():
        return None
    named = re.match(r"\s*=(?!=)", place.rest) is not None
    value = token.type in NUMBERS
    if not value and before not in MERGES and not (named and before in OPERATORS):
        return None
    if not value and not named and (token.type != "NAME" or token in OPERATORS):
        return None
    given = place.source.text[place.start : place.finish].rstrip().partition("->")[0].rstrip()
    end = place.start + len(given)
    if before in MERGES:
        first, *others = re.split(r"[\s,]+", given)
        given = ", ".join((first, *others))
        if others and place.statement.strip() == before:
            # In parentheses both would join what flows here.
            written = f"from {first} -> {before}({', '.join(others)})"
            return Habit(
                f"labelled values are joined by `{written}`",
                place.written(place.begin, end, written, safe=False),
            )
    if "{" in given or (value and not re.match(r"[\w.]+\s*(,|$|[*/+-])", given)):
        return None
    start = before.start_pos or 0
    text = f"{before}({given})"
    fix = place.written(start, end, text)
    return Habit(f"arguments stand in parentheses: `{text}`", fix)


def _value(place: Place) -> Habit | None:
    text, before = str(place.token), place.before
    if text == "is" and "==" in place.accepted:
        negation = re.match(r"[ \t]+not\b", place.source.text[place.end : place.end + 40])
        sign, end = ("!=", place.end + negation.end()) if negation else ("==", place.end)
        return Habit(f"`{sign}` compares", place.written(place.start, end, sign))
    if text in ("=", ">") and before in ("==", "!=", "<") and place.start == before.end_pos:
        sign = {"==": "==", "!=": "!=", "<": "!="}[str(before)]
        if (text == ">") == (before == "<"):
            fix = place.written(before.start_pos or 0, place.end, sign)
            return Habit(f"`{sign}` compares", fix)
    if text == "if" and "INT" in place.accepted and before in ("=", "(", ",", "["):
        return _if_as_value(place)
    if text == "for" and "," in place.accepted:
        return Habit("a list is written out, or made with `+` and `*`: `[64] * 3 + [128]`")
    if place.word == "assert" and place.before.type == "NAME" and place.token.type in NUMBERS:
        return Habit(f"a condition compares: `{place.before} == {text}`")
    if text == "(" and place.earlier == "." and "," in place.accepted:
        # `math.floor(3.5)`.
        found = re.search(r"(?<![\w.)\]])(?:[A-Za-z_]\w*\.)+(\w+)$", place.statement)
        if found is not None:
            start = place.begin + found.start()
            module = found[0][: -len(found[1])]
            help = f"functions are in no modules: `{found[1]}(…)`, without `{module}`"
            fix = place.fix(f"leave `{module}` out", (start, start + len(module), ""))
            return Habit(help, fix)
    if text == "(" and ":" in place.accepted and place.earlier in (".", "-"):
        return _call_of_path(place)
    return None


_IF_WITH_VALUES = re.compile(r"if\b([^{}\n]++)\{([^{};|\n]++)\}\s*else\s*\{([^{};|\n]++)\}")


def _if_as_value(place: Place) -> Habit:
    """`let width = if wide { 64 } else { 32 }`."""
    whole = _IF_WITH_VALUES.match(
        place.source.text, place.start, min(place.finish, place.start + _NEAR)
    )
    if whole is None or "->" in whole[0]:
        return Habit("a condition between values is `a if c else b`")
    condition, then, otherwise = (each.strip() for each in whole.groups())
    written = f"{then} if {condition} else {otherwise}"
    fix = place.written(whole.start(), whole.end(), written)
    return Habit(f"a condition between values is `{written}`", fix)


def _call_of_path(place: Place) -> Habit | None:
    """`std.conv_bn(8)`, `conv-bn(8)` and `conv(8).relu()`."""
    found = re.search(r"(?<![\w.)-])([A-Za-z_]\w*)([.-])(\w+)$", place.statement)
    if found is None:
        return Habit("`->` joins layers: `conv(8, 3x3) -> relu`") if place.earlier == "." else None
    start = place.begin + found.start()
    if found[2] == "-":
        name = f"{found[1]}_{found[3]}"
        help = f"a name is made of letters, digits and `_`: `{name}`"
        return Habit(help, place.written(start, place.start, name, safe=False))
    name = found[3]
    edits = [(start, start + len(found[1]) + 1, "")]
    first = re.search(r"^(?:import|let|block|network|recipe)\b", place.source.text, re.MULTILINE)
    imported = re.search(rf"^import\b.*\b{name}\b", place.source.text, re.MULTILINE)
    if found[1] == "std" and imported is not None:
        fix = place.fix("leave `std.` out", *edits)
        return Habit(f"what is imported has a name of its own: `{name}(…)`", fix)
    if found[1] == "std" and first is not None:
        edits.append((first.start(), first.start(), f"import {name} from std\n"))
        fix = place.fix("import it", *edits)
        return Habit(f"what is imported has a name of its own: `{name}(…)`", fix)
    if found[1] in ("nn", "F", "self", "torch", "tf", "keras", "layers"):
        fix = place.fix(f"leave `{found[1]}.` out", (start, place.start, name))
        return Habit(f"layers are in no modules: `{name}(…)`, without `{found[1]}.`", fix)
    return Habit("`->` joins layers: `conv(8, 3x3) -> relu`")
