"""Lessons as text for a terminal, as Markdown, as LaTeX and as data."""

from __future__ import annotations

from netdsl.derivation import Step, latex_size, latex_symbol, shown
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
    head = styled(lesson.network, "bold", color=color)
    parts = [f"{head}: {about}" if about else head]
    short = False
    for entry in lesson.entries:
        if isinstance(entry, Layer):
            parts.append("\n".join(_layer_text(entry, width, color)))
        elif short and entry.is_same:
            # A row of one-line entries needs no space in between.
            parts[-1] += "\n" + "\n".join(_repeat_text(entry, color))
        else:
            parts.append("\n".join(_repeat_text(entry, color)))
        short = isinstance(entry, Repeat) and entry.is_same
    if lesson.sums:
        head = styled("the whole network", "bold", color=color)
        parts.append("\n".join([head, *_steps_text(lesson.sums, width, color)]))
    return "\n\n".join(parts)


def _layer_text(layer: Layer, width: int, color: bool) -> list[str]:
    head = f"{styled(layer.path, 'bold', color=color)}  {layer.call}"
    line = styled(f"line {layer.line}", "dim", color=color)
    lines = [f"{head}  {line}", f"{_INDENT}{shapes(layer)}"]
    lines += _steps_text(layer.steps, width, color)
    if layer.also:
        lines += wrapped(f"the same line makes {_several(layer.also)}", _INDENT, width)
    return lines


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
            row += joined
        note = f"   {step.note}" if step.note else ""
        if note and display_width(row) + display_width(note) > width:
            lines.append(row)
            lines += [styled(each, "dim", color=color) for each in wrapped(step.note, place, width)]
        else:
            lines.append(row + styled(note, "dim", color=color))
    return lines


def wrapped(sentence: str, indent: str, width: int) -> list[str]:
    """A sentence in lines of at most `width` columns, where words allow it."""
    lines, row = [], indent
    for word in sentence.split(" "):
        if row.strip() and display_width(row) + 1 + display_width(word) > width:
            lines.append(row)
            row = indent
        row += word if not row.strip() else f" {word}"
    return [*lines, row]


def _repeat_text(repeat: Repeat, color: bool) -> list[str]:
    lines = [f"{styled(_several(repeat.paths), 'bold', color=color)}  {repeat_words(repeat)}"]
    rows = [difference(each) for each in repeat.differences]
    widths = [max((len(row[i]) for row in rows), default=0) for i in range(4)]
    for path, sizes, weights, macs, call in rows:
        cells = [
            path.ljust(widths[0]),
            sizes.ljust(widths[1]),
            weights.rjust(widths[2]),
            macs.rjust(widths[3]),
            call,
        ]
        lines.append((_INDENT + "  ".join(cells)).rstrip())
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
        f"{cost.input} → {cost.node.type}",
        f"{count(cost.params)} weights" if cost.params != 0 else "",
        f"{count(cost.macs)} multiplications" if cost.macs != 0 else "",
        each.call,
    )


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
                    f"`{each.call or each.path}`" + (" (new)" if each.new else ""),
                    f"{each.cost.input} → {each.cost.node.type}",
                    count(each.cost.params),
                    count(each.cost.macs),
                )
                lines.append(f"| {' | '.join(cells)} |")
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
            continue
        lines += ["", rf"\subsection*{{{_escaped(_several(entry.paths))}}}"]
        lines.append(_escaped(_sentence(repeat_words(entry))))
        if entry.differences:
            lines.append(r"\begin{itemize}")
            for each in entry.differences:
                cells = difference(each)
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
    return kept


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
                "output": shape(each.cost.node.type),
                "params": plain(each.cost.params),
                "macs": plain(each.cost.macs),
            }
            for each in repeat.differences
        ],
    }
