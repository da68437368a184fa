"""What other tools write otherwise in declarations, imports, inputs, recipes and claims."""

from __future__ import annotations

import re

from netdsl.body_brackets import MERGES, WITH_BODY
from netdsl.diagnostics import Edit, Fix
from netdsl.ops import OPERATORS
from netdsl.place import Habit, Place, between_steps
from netdsl.source import Source

_DECLARATION = frozenset(("network", "block"))

# ---------------------------------------------------------------- files


def at_top(place: Place) -> Habit | None:
    """Outside of all braces."""
    if not place.accepted >= _DECLARATION:
        return None
    text = str(place.token)
    line = place.source.text[place.end :].partition("\n")[0]
    following = line.lstrip()
    if text.startswith(("network", "block", "recipe", "import", "let")):
        return None
    if place.token.type == "NAME" and following[:1] == "=" != following[1:2]:
        help = f"a value is named with `let {text} = …`"
        if re.match(r"= *\w+ *\(", following):
            return Habit(f"{help}, a variant with `network {text} = …`")
        whole = place.start, place.end + len(line), f"let {text}{line}"
        return Habit(help, place.fix("write `let`", whole))
    if text in MERGES and following.startswith("{"):
        return Habit(_LAYERS_INSIDE)
    if text in OPERATORS or text in (*WITH_BODY, "input") or re.match(r"[-(:.].*->|->", following):
        return Habit(_LAYERS_INSIDE)
    if text == "{":
        first = not place.source.text[: place.start].strip()
        return Habit("a network is declared as `network NAME { … }`") if first else None
    if place.token.type == "NAME" and following[:1] in ("{", "("):
        return Habit(
            f"a network is declared as `network {text} {{ … }}`, a piece to reuse as a `block`"
        )
    return None


_LAYERS_INSIDE = "layers stand inside of a network: `network NAME { … }`"
_IMPORT = "an import is written `import NAME from FILE`"


def import_(place: Place) -> Habit | None:
    line = place.source.text[place.begin :].partition("\n")[0]
    if place.token == "from" and place.accepted >= _DECLARATION:
        found = re.match(r'from +("[^"]*"|\w+)((?:\.\w+)*) +import +(\w+(?: *, *\w+)*) *$', line)
        if found is None:
            return Habit(_IMPORT)
        file = f"{found[1]}{found[2]}"
        origin = "std" if found[1] == "std" else file if file[0] == '"' else f'"{file}.net"'
        whole = place.begin, place.begin + found.end(), f"import {found[3]} from {origin}"
        return Habit(_IMPORT, place.written(*whole))
    if place.word != "import":
        return None
    if place.token == "." and place.before.type == "NAME" and place.earlier == "from":
        name = re.match(r"(?:\.\w+)+", place.source.text[place.start :])
        end = place.start + (name.end() if name else 0)
        if place.before == "std":
            fix = place.fix("leave the rest out", (place.start, end, ""))
            return Habit("what netdsl ships comes `from std`", fix)
        return Habit('a file is named in quotes: `from "blocks.net"`')
    if place.before == "import" or place.accepted == {",", "from"}:
        return Habit(_IMPORT)
    return None


_INPUT = re.compile(
    r"input\s*[:=(]?\s*(?:shape\s*=\s*)?(?:(?P<name>[a-z_]\w*)\b\s*[:=]?)?\s*[\[({]*\s*"
    r"(?P<sizes>(?:\d+|[A-Z]\w*)(?:\s*[,x]\s*(?:\d+|[A-Z]\w*))*)\s*,?\s*[\])}]*(?=\s*(?:$|default|where|#|;|\n|\}|->))"
)


def input_(place: Place) -> Habit | None:
    if place.word != "input" or place.accepted not in ({"NAME"}, {"["}):
        return None
    if place.token.isidentifier() and place.token.type != "NAME":
        return None
    if "default" in place.statement:
        given = f"{place.token}{place.rest}".partition(" where ")[0]
        defaults = re.fullmatch(r"\(? *(\w+(?: *, *\w+)*) *,? *\)?", given)
        help = "sizes stand in brackets: `[height, width, channels]`"
        if defaults is None:
            return Habit(help)
        edit = place.start, place.start + len(given), f"[{defaults[1]}]"
        return Habit(help, place.fix("write brackets", edit))
    return input_written_otherwise(place.source, place.begin)


def input_written_otherwise(source: Source, start: int) -> Habit:
    """What to write for the input that begins at a place of a text, such as `input 32x32x3`."""
    found = _INPUT.match(source.text, start)
    if found is None or not any(character.isdigit() for character in found["sizes"]):
        return Habit("an input is written `input image[32, 32, 3]`")
    sizes = re.split(r"\s*,\s*|(?<=\d)\s*x\s*(?=\d)", found["sizes"])
    if len(sizes) not in (1, 3):
        return Habit("an input is written `input image[32, 32, 3]`: height, width, channels")
    # Some tools begin with the channels.
    channels_first = len(sizes) == 3 and sizes[0] in ("1", "3") and sizes[2] not in ("1", "3")
    if channels_first:
        sizes = [*sizes[1:], sizes[0]]
    text = f"input {found['name'] or 'image'}[{', '.join(sizes)}]"
    order = ": height, width, channels" if channels_first else ""
    change = Edit(source.span(start, found.end()), text)
    fix = Fix(f"write `{text}`", (change,), not channels_first)
    return Habit(f"an input is written `{text}`{order}", fix)


# ---------------------------------------------------------------- recipes and claims


def recipe(place: Place) -> Habit | None:
    in_recipe = "except" in place.accepted
    if re.match(r"learning[-_ ]rate\b", place.statement + place.token):
        return Habit("the learning rate belongs to the optimizer: `optimizer sgd(rate = 0.1)`")
    if place.token == "," and in_recipe:
        if place.word not in ("augment", "preprocess"):
            return Habit(f"`{place.word}` takes one value") if place.word else None
        return Habit("`->` joins steps", between_steps(place, at_line_end=" ->"))
    return None


def claim(place: Place) -> Habit | None:
    figures = place.token in ("{", "==") or place.token.type == "STRING"
    if place.word == "claim" and place.accepted in ({"NAME"}, {"STRING"}) and figures:
        return Habit('a claim says what kind of source it is: `claim paper "…" { … }`')
    if place.accepted == {"%"} and (place.token == "}" or place.token[0] in "\n;"):
        fix = place.fix("write `%`", (place.before.end_pos or 0, place.before.end_pos or 0, "%"))
        help = f"a tolerance is in per cent: `within {place.before}%`"
        return Habit(help, fix._replace(safe="." not in place.before))
    if place.accepted != {"-", ".", "=="}:
        return None
    if place.earlier == "output":
        shape = f"{place.token}{place.rest}"
        if place.token == "(" and shape.endswith(")"):
            shape = f"[{shape[1:-1]}]"
        if not re.fullmatch(r"\[[^\[\]]*\]", shape):
            return None
        fix = place.written(place.start, place.start + len(shape), f"== {shape}")
        return Habit(f"a shape is claimed with `==`: `output {place.before} == {shape}`", fix)
    if place.earlier.type == "NAME":
        help = f"a figure is claimed with `==`: `{place.earlier} == {place.before}`"
        at = place.before.start_pos or 0
        return Habit(help, place.fix("write `==`", (at, at, "== ")))
    return None


def figure(place: Place) -> Habit | None:
    """`50%`."""
    number = re.search(
        r"(?<![\w.])(\d+)(\.\d+)? *%$", place.source.text[: place.before.end_pos or 0]
    )
    if place.before != "%" or "INT" not in place.accepted or number is None:
        return None
    digits = f"{number[1]:0>3}"
    value = f"{int(digits[:-2])}.{digits[-2:]}{(number[2] or '')[1:]}".rstrip("0")
    value = f"{value}0" if value.endswith(".") else value
    fix = place.written(number.start(), number.end(), value)
    return Habit(f"`%` divides; a share is a number: `{value}`", fix)


RULES = (at_top, import_, input_, recipe, claim, figure)
