"""Lessons as text for a terminal, as Markdown, as LaTeX and as data."""

from __future__ import annotations

import re

from netdsl.derivation import Step, latex_size, latex_symbol, shown
from netdsl.ops.merge import Concat
from netdsl.report import count, plain, shape
from netdsl.teach.lesson import Difference, Layer, Lesson, Repeat
from netdsl.terminal import display_width, styled

LABELS = {
    "macs": "multiplications",
    "flops": "operations",
    "buffers": "statistics",
}
"""What a reader is told for a measure whose own name is short."""

_INDENT = "  "


def label(measure: str) -> str:
    return LABELS.get(measure, measure)


def equation(step: Step) -> list[str]:
    """What stands between a step's equal signs: the symbol, the formula, the numbers, the result.

    What would be said twice is left out.
    """
    assert step.formula is not None
    formula = step.formula
    parts = [step.symbol, formula.symbols(), formula.numbers(), shown(formula.value)]
    kept: list[str] = []
    for part in parts:
        if part and part not in kept:
            kept.append(part)
    if len(kept) > 1 and kept[-2].replace(",", "") == kept[-1].replace(",", ""):
        del kept[-2]
    return kept


def text(lesson: Lesson, *, width: int, color: bool) -> str:
    """For a terminal of `width` columns."""
    about = lesson.documentation.strip().split("\n", 1)[0]
    first, *more = wrapped(f"{lesson.network}: {about}" if about else lesson.network, "", width)
    head = styled(lesson.network, "bold", color=color)
    parts = ["\n".join([head + first[len(lesson.network) :], *more])]
    short = False
    for entry in lesson.entries:
        if isinstance(entry, Layer):
            parts.append("\n".join(_layer_text(entry, width, color)))
        elif short and entry.is_same:
            # A row of one-line entries needs no space in between.
            parts[-1] += "\n" + "\n".join(_repeat_text(entry, width, color))
        else:
            parts.append("\n".join(_repeat_text(entry, width, color)))
        short = isinstance(entry, Repeat) and entry.is_same
    if lesson.sums:
        head = styled("the whole network", "bold", color=color)
        parts.append("\n".join([head, *_steps_text(lesson.sums, width, color)]))
    return "\n\n".join(parts)


def _layer_text(layer: Layer, width: int, color: bool) -> list[str]:
    lines = _heading(layer.path, layer.call, width, color, f"line {layer.line}")
    lines += wrapped(shapes(layer), _INDENT, width)
    lines += _steps_text(layer.steps, width, color)
    if layer.also:
        lines += wrapped(f"the same line makes {_several(layer.also)}", _INDENT, width)
    return lines


def _heading(path: str, words: str, width: int, color: bool, line: str = "") -> list[str]:
    """A path, what is said of it and its line, in rows of at most `width` columns."""
    rows, row = [], path
    pieces = [
        ("  " if position == 0 else " ", word) for position, word in enumerate(words.split(" "))
    ]
    for gap, piece in [*pieces, ("  ", line)] if line else pieces:
        if display_width(row + gap + piece) > width:
            rows.append(row)
            row = _INDENT * 2 + piece
        else:
            row += gap + piece
    if line:
        row = row[: -len(line)] + styled(line, "dim", color=color)
    rows.append(row)
    return [styled(path, "bold", color=color) + rows[0][len(path) :], *rows[1:]]


def shapes(layer: Layer) -> str:
    """The shapes that enter and leave: 32×32×1 → 28×28×6."""
    return f"{', '.join(map(str, layer.inputs))} → {layer.cost.node.type}"


def _steps_text(steps: tuple[Step, ...], width: int, color: bool) -> list[str]:
    labels = [label(step.measure) for step in steps if step.formula is not None]
    column = max((len(each) for each in labels), default=0)
    column = max(column, len(LABELS["macs"]))
    place = _INDENT + " " * (column + 2)
    lines: list[str] = []
    for step in steps:
        if step.formula is None:
            lines += [
                styled(each, "dim", color=color) for each in wrapped(step.note, _INDENT, width)
            ]
            continue
        row = f"{_INDENT}{label(step.measure).ljust(column)}  "
        parts = equation(step)
        for position, part in enumerate(parts):
            joined = part if position == 0 else f" = {part}"
            if position and display_width(row) + display_width(joined) > width:
                lines.append(row)
                row, joined = place, f"= {part}"
            for piece in _pieces(joined, width - display_width(row)):
                if display_width(row) + display_width(piece) > width and row.strip():
                    lines.append(row)
                    row, piece = place + _INDENT, piece.lstrip()
                row += piece
        note = f"   {step.note}" if step.note else ""
        if note and display_width(row) + display_width(note) > width:
            lines.append(row)
            lines += [styled(each, "dim", color=color) for each in wrapped(step.note, place, width)]
        else:
            lines.append(row + styled(note, "dim", color=color))
    return lines


def _pieces(part: str, room: int) -> list[str]:
    """A part of an equation where it may be broken, before each + of its own: only if it must."""
    if display_width(part) <= room:
        return [part]
    pieces, depth = [""], 0
    for character, after in zip(part, f"{part[1:]} ", strict=True):
        depth += (character in "(⌊⌈") - (character in ")⌋⌉")
        if character == " " and after == "+" and depth == 0:
            pieces.append("")
        pieces[-1] += character
    return pieces


def wrapped(sentence: str, indent: str, width: int) -> list[str]:
    """A sentence in lines of at most `width` columns, where words allow it."""
    lines, row = [], indent
    for word in sentence.split(" "):
        if row.strip() and display_width(row) + 1 + display_width(word) > width:
            lines.append(row)
            row = indent
        row += word if not row.strip() else f" {word}"
    return [*lines, row]


def _repeat_text(repeat: Repeat, width: int, color: bool) -> list[str]:
    lines = _heading(_several(repeat.paths), repeat_words(repeat), width, color)
    rows = [difference(each) for each in repeat.differences]
    counted = [row for row in rows if row[2] or row[3]]
    paths = max((len(row[0]) for row in rows), default=0)
    widths = [max((len(row[i]) for row in counted), default=0) for i in (1, 2, 3)]
    # Paths that leave no room for the numbers beside them stand above these.
    pieces = [len(piece) for row in rows for piece in (row[1], *row[4].split(" "))]
    above = 2 * len(_INDENT) + paths + max([sum(widths) + 2 * len(_INDENT), *pieces]) > width
    place = _INDENT * 2 if above else _INDENT + " " * (paths + 2)
    for each, (path, sizes, weights, macs, call) in zip(repeat.differences, rows, strict=True):
        cells = [sizes]
        if weights or macs:
            cells = [sizes.ljust(widths[0]), weights.rjust(widths[1]), macs.rjust(widths[2])]
        if above:
            lines.append(_INDENT + path)
            row = place
        else:
            row = f"{_INDENT}{path.ljust(paths)}  "
        for position, cell in enumerate(cells):
            between = "  " if position else ""
            if position and display_width(row + between + cell.rstrip()) > width:
                lines.append(row.rstrip())
                row, between, cell = place, "", cell.strip()
            row += between + cell
        if call and display_width(f"{row}  {call}") <= width:
            row, call = f"{row}  {call}", ""
        lines.append(row.rstrip())
        lines += wrapped(call, place, width) if call else []
        if each.note:
            told = wrapped(each.note, place, width)
            lines += [styled(line, "dim", color=color) for line in told]
    return lines


def repeat_words(repeat: Repeat) -> str:
    """How a pass relates to the one told before."""
    words = f"{'each ' if len(repeat.paths) > 1 else ''}as {repeat.like}"
    if repeat.missing:
        words += f", without {_several(repeat.missing)}"
    if repeat.differences:
        words += ", but" if not repeat.missing else "; and"
    return words


def _sentence(words: str) -> str:
    return words[0].upper() + words[1:] + (":" if words.endswith((" but", " and")) else ".")


def difference(each: Difference) -> tuple[str, str, str, str, str]:
    """The cells of a layer that differs: path, shapes, weights, multiplications, arguments."""
    cost = each.cost
    return (
        f"{each.path} (new)" if each.new else each.path,
        _change(each),
        f"{count(cost.params)} weights" if cost.params != 0 else "",
        f"{count(cost.macs)} multiplications" if cost.macs != 0 else "",
        each.call,
    )


_FEW = 6
"""As many inputs are listed in one cell."""


def _change(each: Difference) -> str:
    """The shapes that enter and leave; equal ones once, and depths that are laid in a row added."""
    inputs, output = each.inputs or (each.cost.input,), each.cost.node.type
    enters = ", ".join(map(str, dict.fromkeys(inputs)))
    if isinstance(each.cost.node.op, Concat) and len(inputs) > 1:
        depths = " + ".join(str(x.channels) for x in inputs)
        if len(inputs) > _FEW:
            depths = f"{inputs[0].channels} + … + {inputs[-1].channels}"
        enters = "×".join((*map(str, output.shape[:-1]), f"({depths})"))
    return f"{enters} → {output}"


def _several(paths: tuple[str, ...]) -> str:
    if len(paths) > 3:
        return f"{paths[0]} … {paths[-1]}"
    return " and ".join((", ".join(paths[:-1]), paths[-1])) if len(paths) > 1 else paths[0]


def markdown(lesson: Lesson) -> str:
    """For a page: a heading for each layer, and a list of its steps."""
    lines = [f"# {lesson.network}"]
    if lesson.documentation.strip():
        # The author's words may be formatted, but are no elements of the page.
        words = lesson.documentation.strip().replace("&", "&amp;").replace("<", "&lt;")
        lines += ["", words]
    for entry in lesson.entries:
        if isinstance(entry, Layer):
            lines += ["", f"## {entry.path}", "", f"`{entry.call}`, line {entry.line}: "]
            lines[-1] += f"{shapes(entry)}"
            lines += ["", *map(_step_markdown, entry.steps)]
            if entry.also:
                lines.append(f"- the same line makes {_several(entry.also)}")
            continue
        lines += ["", f"## {_several(entry.paths)}", "", _sentence(repeat_words(entry))]
        if entry.differences:
            lines += ["", "| layer | shapes | weights | multiplications |", "| --- " * 4 + "|"]
            for each in entry.differences:
                cells = (
                    f"`{each.path}`"
                    + (f", `{each.call}`" if each.call else "")
                    + (" (new)" if each.new else ""),
                    _change(each),
                    count(each.cost.params),
                    count(each.cost.macs),
                )
                lines.append(f"| {' | '.join(cells)} |")
            notes = [f"- `{each.path}`: {each.note}" for each in entry.differences if each.note]
            lines += ["", *notes] if notes else []
    if lesson.sums:
        lines += ["", "## The whole network", "", *map(_step_markdown, lesson.sums)]
    return "\n".join(lines)


def _step_markdown(step: Step) -> str:
    if step.formula is None:
        return f"- {step.note}"
    note = f" — {step.note}" if step.note else ""
    return f"- **{label(step.measure)}**: `{' = '.join(equation(step))}`{note}"


# What LaTeX's own fonts have only in mathematics, or would take for a command.
_ESCAPES = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "{": r"\{",
        "}": r"\}",
        "#": r"\#",
        "$": r"\$",
        "%": r"\%",
        "&": r"\&",
        "_": r"\_",
        "^": r"\^{}",
        "~": r"\~{}",
        "×": r"$\times$",
        "·": r"$\cdot$",
        "−": "$-$",
        "→": r"$\to$",
        "⌊": r"$\lfloor$",
        "⌋": r"$\rfloor$",
        "⌈": r"$\lceil$",
        "⌉": r"$\rceil$",
        "…": r"\dots{}",
        "²": "$^2$",
        "`": "",
    }
)


def latex(lesson: Lesson) -> str:
    """For `\\input` into a document that has `\\usepackage{amsmath}`."""
    lines = [rf"\section*{{{_escaped(lesson.network)}}}"]
    for entry in lesson.entries:
        if isinstance(entry, Layer):
            lines += ["", rf"\subsection*{{{_escaped(entry.path)}}}"]
            lines.append(rf"\texttt{{{_escaped(entry.call)}}}: {_escaped(shapes(entry))}")
            lines += _steps_latex(entry.steps)
            if entry.also:
                lines += ["", _escaped(f"The same line makes {_several(entry.also)}.")]
            continue
        lines += ["", rf"\subsection*{{{_escaped(_several(entry.paths))}}}"]
        lines.append(_escaped(_sentence(repeat_words(entry))))
        if entry.differences:
            lines.append(r"\begin{itemize}")
            for each in entry.differences:
                cells = (*difference(each), each.note)
                lines.append(rf"\item {_escaped(', '.join(filter(None, cells)))}")
            lines.append(r"\end{itemize}")
    if lesson.sums:
        lines += ["", r"\subsection*{The whole network}", *_steps_latex(lesson.sums)]
    return "\n".join(lines)


def _steps_latex(steps: tuple[Step, ...]) -> list[str]:
    rows = []
    for step in steps:
        if step.formula is not None:
            name = rf"\text{{{_escaped(label(step.measure))}}}"
            rows.append(rf"  {name} &= {' = '.join(_equation_latex(step))}")
    lines = [r"\begin{align*}", " \\\\\n".join(rows), r"\end{align*}"] if rows else []
    notes = [step.note for step in steps if step.note]
    if notes:
        lines.append(r"\begin{itemize}")
        for step in steps:
            if step.note:
                of = f"{label(step.measure)}: " if step.measure else ""
                lines.append(rf"\item {_escaped(of + step.note)}")
        lines.append(r"\end{itemize}")
    return lines


def _equation_latex(step: Step) -> list[str]:
    assert step.formula is not None
    formula = step.formula
    parts = [
        latex_symbol(step.symbol) if step.symbol else "",
        formula.latex(named=True),
        formula.latex(named=False),
        latex_size(formula.value) if formula.value is not None else "",
    ]
    kept: list[str] = []
    for part in parts:
        if part and part not in kept:
            kept.append(part)
    return [_WORDS.sub(_upright, part) for part in kept]


_WORDS = re.compile(
    r"\\(?:mathrm|text)\{[^}]*\}|\\[a-zA-Z]+"
    r"|(?P<word>[A-Za-z][A-Za-z0-9]*(?:_[A-Za-z0-9]+)+|[A-Za-z]{2,})"
)
"""A command with its argument, if that is text; or a word, that mathematics would take for numbers.

H is a number; `depthwise`, and an open size of the name `img_h`, are words.
"""


def _upright(found: re.Match[str]) -> str:
    word = found["word"]
    return found[0] if word is None else rf"\text{{{_escaped(word)}}}"


def _escaped(words: str) -> str:
    return words.translate(_ESCAPES)


def as_json(lesson: Lesson) -> dict[str, object]:
    """The lesson as plain data."""
    return {
        "network": lesson.network,
        "entries": [
            _layer_json(entry) if isinstance(entry, Layer) else _repeat_json(entry)
            for entry in lesson.entries
        ],
        "sums": [_step_json(step) for step in lesson.sums],
    }


def _layer_json(layer: Layer) -> dict[str, object]:
    op = layer.cost.node.op
    assert op is not None
    return {
        "path": layer.path,
        "op": op.name,
        "call": layer.call,
        "line": layer.line,
        "inputs": [shape(each) for each in layer.inputs],
        "output": shape(layer.cost.node.type),
        "steps": [_step_json(step) for step in layer.steps],
        "also": list(layer.also),
    }


def _step_json(step: Step) -> dict[str, object]:
    if step.formula is None:
        return {"note": step.note}
    value = step.formula.value
    return {
        "measure": step.measure,
        "symbol": step.symbol,
        "formula": step.formula.symbols(),
        "numbers": step.formula.numbers(),
        "result": value if value is None or isinstance(value, float) else plain(value),
        "latex": " = ".join(_equation_latex(step)),
        "note": step.note,
    }


def _repeat_json(repeat: Repeat) -> dict[str, object]:
    return {
        "paths": list(repeat.paths),
        "like": repeat.like,
        "missing": list(repeat.missing),
        "differences": [
            {
                "path": each.path,
                "new": each.new,
                "call": each.call,
                "input": shape(each.cost.input),
                "inputs": [shape(x) for x in each.inputs],
                "output": shape(each.cost.node.type),
                "params": plain(each.cost.params),
                "macs": plain(each.cost.macs),
                "note": each.note,
            }
            for each in repeat.differences
        ],
    }
