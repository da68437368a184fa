"""What other languages write otherwise in labels, loops, bodies, merges and chains."""

from __future__ import annotations

import re

from lark import Token

from netdsl.body_brackets import MERGES, WITH_BODY
from netdsl.ops import OPERATORS
from netdsl.place import (
    Habit,
    Place,
    between_steps,
    in_parentheses,
    matching,
    outside_brackets,
)

_NEAR = 400
"""How many characters before a token are looked at."""
_STEP = frozenset(("NAME", "residual", "repeat"))

# ---------------------------------------------------------------- statements


def label(place: Place) -> Habit | None:
    text, source = str(place.token), place.source
    in_chain = text == ":" and place.earlier == "->" and place.before.type == "NAME"
    if in_chain and "->" in place.accepted and re.match(r"\s*[A-Za-z_{(]", place.rest):
        return _label_in_chain(place, place.before)
    if place.token.type == "TEMPLATE" and place.before == "->":
        closing = matching(source, place.end - 1)
        if re.match(r"\}[\w.{}-]*:", source.text[closing:]):
            return _label_in_chain(place, place.token)
    if place.token.type == "STRING" and re.match(r"\s*:", source.text[place.end :]):
        name = re.sub(r"\W+", "_", text.strip('"'))
        end = source.text.index(":", place.end)
        fix = place.written(place.start, end, name, safe=False)
        return Habit(f"a label is a name, without quotes: `{name}: …`", fix)
    if place.token.type == "NAME" and place.before.type == "NAME" and "->" in place.accepted:
        name = f"{place.before}_{text}"
        if place.before in OPERATORS and re.match(r"\s*:", place.rest):
            return Habit("a label begins its line")
        if place.statement.strip() == place.before != text and re.match(r"\s*:", place.rest):
            fix = place.written(place.begin, place.end, name, safe=False)
            return Habit(f"a label is one name: `{name}: …`", fix)
    return None


_ARROW_BEFORE_LABEL = re.compile(r"\s*->\s*(?=[\w.-]*(?:\{[^{}]*\}[\w.-]*)*\s*:)")


def _label_in_chain(place: Place, label: Token) -> Habit:
    """The line is broken before all labels of the chain at once."""
    text = place.source.text
    arrow = text.rindex("->", 0, label.start_pos)
    head = text[text.rfind("\n", 0, arrow) + 1 : arrow]
    if head.count("{") > head.count("}"):
        between = "; "  # The body stands on one line.
    elif head.strip():
        between = "\n" + head[: len(head) - len(head.lstrip())]
    else:  # The line begins with the arrow: it is indented deeper than its statement.
        first = re.findall(r"^([ \t]*)(?!->)\S", text[:arrow], re.MULTILINE)
        between = "\n" + (first[-1] if first else "")
    arrows = _ARROW_BEFORE_LABEL.finditer(text, len(text[:arrow].rstrip()), place.finish)
    edits = [(*each.span(), between) for each in arrows]
    # A comment between the arrow and the label is nothing to take away.
    fix = place.fix("begin a line there", *edits) if edits else None
    return Habit("a label begins its line; the value flows on to it", fix)


_ELSE_IF = re.compile(r"[ \t]*(elif|elseif|elsif)\b")


def else_if(place: Place) -> Habit | None:
    """`elif` on a line of its own."""
    text = place.source.text
    line = text.rfind("\n", 0, place.start) + 1
    found = _ELSE_IF.match(text, line, place.start)
    if found is None or not ("->" in place.accepted or place.accepted == {"|", "for"}):
        return None
    return Habit("write `else if`", place.written(*found.span(1), "else if"))


def loop(place: Place) -> Habit | None:
    if place.word != "for" or not place.statement.startswith("for"):
        return None
    text = str(place.token)
    if text == "." and place.earlier.type == "INT" and place.before == ".":
        found = re.match(r"\.+(\w+)", place.source.text[place.start :])
        first = str(place.earlier)
        if found is not None:
            count = f"range({found[1]})" if first == "0" else f"range({first}, {found[1]})"
            start, end = place.earlier.start_pos or 0, place.start + found.end()
            return Habit(f"write `{count}`", place.written(start, end, count, safe=False))
    if (
        text in ("to", "until", ":")
        and "{" in place.accepted
        and place.before.type == "INT"
        and place.rest
    ):
        return Habit("`for i in range(3) { … }` counts 0, 1, 2")
    kind = r"(?:int|var|let|auto|const|unsigned|size_t)\s+"
    if (
        (text == "let" and re.fullmatch(r"for\s*\(?\s*", place.statement))
        or re.fullmatch(rf"for\s*\(?\s*({kind})+(\w+\s*)?", place.statement)
        or (text == "=" and re.fullmatch(r"for\s*\(?\s*\w+\s*", place.statement))
    ):
        return Habit("a loop is written `for x in xs { … }` or `repeat 3 as i { … }`")
    if text == "," and place.accepted == {"in"}:
        names = re.compile(r"\w+(?:\s*,\s*\w+)+").match(
            place.source.text, place.before.start_pos or 0
        )
        help = "several names stand in parentheses: `for (a, b) in pairs { … }`"
        if names is not None:
            edit = names.start(), names.end(), f"({names[0]})"
            return Habit(help, place.fix("put them in parentheses", edit))
    return None


def repetition(place: Place) -> Habit | None:
    """`conv(8, 3x3) x 3` and `3 * conv(8, 3x3)`."""
    text = str(place.token)
    if place.token.type == "SCALE" and "let" in place.accepted:
        return Habit(f"layers are repeated with `repeat {text[:-1]} {{ … }}`")
    count = re.fullmatch(r"(?:x|\*)\s*(\d+)", f"{text}{place.rest}")
    if "->" in place.accepted and count is not None:
        repeated = place.statement.strip()
        end = place.start + count.end()
        fix = place.written(place.begin, end, f"repeat {count[1]} {{ {repeated} }}")
        alone = not re.search(r"->|: ", repeated)
        return Habit(
            f"layers are repeated with `repeat {count[1]} {{ … }}`", fix if alone else None
        )
    if text not in ("x", "*"):
        return None
    layers = re.match(r"\s*(\{|[A-Za-z_]\w*\s*(\(|->|$))", place.rest)
    if place.before.type == "INT" and place.statement.strip() == place.before and layers:
        repeated = place.rest.strip()
        body = repeated if repeated.startswith("{") else f"{{ {repeated} }}"
        fix = place.written(
            place.begin, place.end + len(place.rest), f"repeat {place.before} {body}"
        )
        fix = fix._replace(safe="->" not in repeated or body is repeated)
        return Habit(f"layers are repeated with `repeat {place.before} {{ … }}`", fix)
    return None


def body(place: Place) -> Habit | None:
    text, before = str(place.token), place.before
    if text == "{" and before == "if":
        return Habit("`if` needs a condition: `if C { … }`")
    if text == "{" and before == "repeat":
        return Habit("`repeat` needs to know how often: `repeat 3 { … }`")
    if text == "{" and "INT" in place.accepted and before != "for":
        return Habit("there are no dictionaries; a list has its elements in `[ ]`")
    if text in ("(", "->") and before == "residual":
        return Habit("a residual's body stands in braces: `residual { … }`")
    if text in ("|", "}") and before == "|":
        at = before.end_pos or 0
        fix = place.fix("write `identity`", (at, at, " identity"), safe=False)
        return Habit("a branch that changes nothing is `identity`", fix)
    if text == "|" and before == "{":
        return _late_loop(place, before.start_pos or 0)
    if place.accepted == {"|", "for"}:
        return _no_branches(place)
    if "{" in place.accepted and place.word in WITH_BODY and place.token.type == "NAME":
        layers = f"{text}{place.rest}"
        if not _looks_like_layer(place) or ("{" in layers and text not in MERGES):
            return None
        fix = place.fix(
            "put braces around it",
            (place.start, place.start, "{ "),
            (place.start + len(layers), place.start + len(layers), " }"),
            safe="->" not in layers,
        )
        otherwise = re.search(r"\belse\b", layers) is not None
        help = f"a body stands in braces: `{place.word} … {{ … }}`"
        return Habit(help, None if otherwise else fix)
    return None


def _late_loop(place: Place, opening: int) -> Habit | None:
    """Branches in braces that are those of a loop inside of a branch, where it was meant to come
    behind the branch."""
    near = place.source.text[max(opening - 10 * _NEAR, 0) : opening]
    if re.search(r"(?<!\w)for\b[^{}|\n]*$", near) is None:
        return None
    depth = 0
    for at in range(len(near) - 1, -1, -1):
        depth += (near[at] == "}") - (near[at] == "{")
        if depth < 0:
            merge = re.search(r"(\w+)\s*$", near[:at])
            if merge is None or merge[1] not in MERGES:
                return None
            return Habit(
                "loops of branches stand before the first branch that is written out: "
                f"`{merge[1]} {{ for … {{ | … }} | … }}`"
            )
    return None


def _looks_like_layer(place: Place) -> bool:
    if place.before == "in":
        return False
    called = place.rest.startswith("(") or (place.before.type == "INT" and not place.rest)
    return str(place.token) in OPERATORS or called or place.rest.lstrip().startswith("->")


def _no_branches(place: Place) -> Habit | None:
    """Braces behind a layer that are no branches."""
    near = place.source.text[max(place.start - _NEAR, 0) : place.start]
    found = re.search(r"(\w+)\s*(\((?:[^{}()\n]|\([^{}()\n]*\))*\))?\s*\{\s*$", near)
    name = found[1] if found else ""
    if name in MERGES or name not in OPERATORS:
        return Habit("each branch begins with `|`: `{ | conv(8, 1x1) | identity }`")
    assert found is not None
    opening = place.source.text.rindex("{", 0, place.start)
    if place.token.type != "NAME" and found[2] is None:
        return in_parentheses(place, name, opening)
    return Habit(f"`{name}` has no body; `->` joins layers")


# ---------------------------------------------------------------- chains


_ADDITION = "labelled values are added by `from a -> add(b)`, a shortcut by `residual { … }`"


def merge(place: Place) -> Habit | None:
    """Values that are joined."""
    text = str(place.token)
    if text == "," and "->" in place.accepted:
        found = re.match(
            r"(?:from +)?([\w.]+((?: *, *[\w.]+)+)) *-> *(\w+)\b(?! *[({])",
            place.source.text[place.begin :],
        )
        if found is not None and found[3] in MERGES and found[1].split(",")[0] not in OPERATORS:
            first, rest = found[1].split(",")[0].strip(), found[2].lstrip(" ,")
            written = f"from {first} -> {found[3]}({rest})"
            end = place.begin + found.end()
            help = f"`{found[3]}` takes the others as arguments"
            return Habit(help, place.written(place.begin, end, written))
        if place.word == "from":
            return Habit("`from` takes one label; the others are arguments: `from a -> add(b)`")
    operator = {"+": "add", "*": "mul"}.get(text) if re.match(r" *[A-Za-z_]", place.rest) else None
    names = re.match(r"\s*([A-Za-z_]\w*)\s*$", place.rest)
    if place.source.text[place.finish : place.finish + 1] in (")", "]"):
        return None  # Its opening one is what is missing.
    if operator is not None and "->" in place.accepted and not place.rest.startswith("="):
        help = _ADDITION if operator == "add" else "values are multiplied by `from a -> mul(b)`"
        first = place.statement.strip()
        if names is None or not first.isidentifier() or {names[1], first} & set(OPERATORS):
            return Habit(help)
        written = f"from {first} -> {operator}({names[1]})"
        end = place.end + len(place.rest)
        return Habit(help, place.written(place.begin, end, written))
    added = re.fullmatch(r"\s*[A-Za-z_]\w*\s*\+\s*[A-Za-z_]\w*", place.rest)
    if text == "=" and "->" in place.accepted and added is not None:
        return Habit(_ADDITION)
    return None


def chain(place: Place) -> Habit | None:
    text, source = str(place.token), place.source
    following = source.text[place.end :][:1]
    follows = "->" in place.accepted
    if text == "," and follows:
        fix = between_steps(place)
        return None if fix is None else Habit("a newline or `->` separates steps", fix)
    if text == "|" and follows:
        help = "`->` joins layers; `|` begins a branch, inside of `concat { … }`"
        return Habit(help, place.written(place.start, place.end, "->", safe=False))
    if text == "-" and follows and re.match(r"\s+>", source.text[place.end :]):
        end = source.text.index(">", place.end) + 1
        arrow = place.fix("write `->`", (place.start, end, "->"))
        return Habit("write `->`, without a space", arrow)
    if text == ">" and following not in (">", "=") and (follows or "let" in place.accepted):
        return Habit("write `->`", place.written(place.start, place.end, "->"))
    if text == "-" and {"(", "="} <= place.accepted:
        return Habit("a name is made of letters, digits and `_`")
    if text in ("+", "-", "*") and place.rest.startswith("=") and follows:
        return Habit("a name keeps its value; `repeat 3 as i { … }` counts its passes in `i`")
    if text == "." and follows and not following.isdigit():
        return Habit("`->` joins layers: `conv(8, 3x3) -> relu`")
    if text == "(" and place.accepted >= _STEP:
        inner, sign = next(outside_brackets(source, place.end, ","))
        if sign == ")" and re.match(r"\s*[A-Za-z_]", source.text[place.end :]):
            edits = (place.start, place.end, ""), (inner, inner + 1, "")
            return Habit("a chain has no parentheses", place.fix("leave them out", *edits))
    claimed = "==" in place.rest
    if place.before == "output" and follows and place.token.type == "NAME" and not claimed:
        fix = place.fix(
            "leave `output` out", (place.before.start_pos or 0, place.start, ""), safe=False
        )
        return Habit("a body's last value is its output, without a word before it", fix)
    return None


RULES = (label, else_if, loop, repetition, body, merge, chain)
