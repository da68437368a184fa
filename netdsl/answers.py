"""Cost formulas and answers to what-if questions, as text for people and JSON for programs."""

from __future__ import annotations

from netdsl.amounts import size_bytes
from netdsl.cost import DEFINITIONS
from netdsl.formulas import OpenNetwork
from netdsl.report import LONG, both, shape
from netdsl.search import Refused
from netdsl.size_bounds import Region
from netdsl.size_sets import EVERY
from netdsl.size_words import as_condition, region_in_words
from netdsl.terms import Formula
from netdsl.trials import Answer, Trial, assignments

_TITLES = {
    "params": "parameters",
    "buffers": "buffers",
    "macs": "MACs",
    "flops": "FLOPs",
    "activation_bytes": "activation bytes",
}
_WIDTH = max(map(len, _TITLES.values()))


def formulas_text(opened: OpenNetwork, *, layers: bool, compact: bool) -> str:
    """The totals' formulas, one summand a line, then each block's; one line each with `compact`."""
    graph = opened.report.graph
    values = opened.at_default()
    names = ", ".join((*opened.defaults, *opened.parameters))
    names += "".join(f", with {name} = {size}" for name, size in opened.tied.items())
    limited = {name: held for name, held in opened.valid.items() if held != EVERY}
    where = f"{',' if opened.tied else ''} where {region_in_words(limited)}" if limited else ""
    where += "".join(f", but not where {region_in_words(region)}" for region in _exempt(opened))
    lines = [f"{graph.name} for any {names}{where}", ""]
    for quantity, formula in opened.formulas().items():
        if formula == Formula((), 0):
            continue
        summands = [formula.text(compact=True)] if compact else formula.texts()
        for number, summand in enumerate(summands):
            title = _TITLES[quantity] if number == 0 else ""
            lines.append(f"{title.ljust(_WIDTH)} {'+' if number else ' '} {summand}")
        if formula.terms and values is not None:
            value = f"{_amount(quantity, formula.at(values))} at {assignments(values)}"
            lines.append(f"{'':{_WIDTH}} = {value}")
    if layers:
        lines += ["", *_parts(opened, compact=compact)]
    multiples = {name: each for name, each in opened.multiples().items() if each > 1}
    notes = [f"{name} is a multiple of {each}" for name, each in multiples.items()]
    notes += [
        f"`{span.text}` decides otherwise where {region_in_words(region)} ({span})"
        for region, span in opened.exempt
    ]
    notes += [
        f"`{span.text}` decides otherwise for some sizes ({span})"
        for span in opened.of_several_sizes
    ]
    if opened.differs_at_default:
        sizes = {name: value for name, value in opened.defaults.items() if value is not None}
        notes.append(
            f"these formulas are not for {assignments(sizes)}, its sizes by default, where the "
            "program takes another way; a `where` behind the input chooses one"
        )
    notes += [f"{each.name} stays as it is: {each.text()}" for each in opened.kept]
    notes += ["floor rounds down, ceil up; one image, float32"]
    return "\n".join([*lines, "", *notes])


def _exempt(opened: OpenNetwork) -> list[Region]:
    """The regions that formulas are not for, each once."""
    found: list[Region] = []
    for region, _ in opened.exempt:
        if region not in found:
            found.append(region)
    return found


def _parts(opened: OpenNetwork, *, compact: bool) -> list[str]:
    lines = []
    for part in opened.parts(layers=_few_layers(opened)):
        lines.append(f"{part.path}: {part.op}, {part.output}")
        for quantity, formula in part.formulas.items():
            if formula != Formula((), 0):
                text = formula.text(compact=compact)
                lines.append(f"  {_TITLES[quantity].ljust(_WIDTH)}  {text}")
    return lines


def formulas_json(opened: OpenNetwork) -> dict[str, object]:
    """Formulas as texts and as terms, of the network and of its layers or blocks.

    The value of a term is its coefficient times the product of its sizes to their powers.
    """
    known = opened.at_default()
    graph = opened.report.graph
    return {
        "network": graph.name,
        "input": shape(graph.nodes[0].type),
        "defaults": opened.defaults,
        "with": {name: str(size) for name, size in opened.tied.items()},
        "parameters": opened.parameters,
        "kept": {each.name: each.text() for each in opened.kept},
        "multiples": opened.multiples(),
        "works_where": _conditions(opened.valid),
        "not_looked_at": [_conditions(region) for region in _exempt(opened)],
        **{
            quantity: _formula_json(formula, known)
            for quantity, formula in opened.formulas().items()
        },
        "parts": [
            {
                "path": part.path,
                "op": part.op,
                "output": shape(part.output),
                **{
                    quantity: _formula_json(formula, known)
                    for quantity, formula in part.formulas.items()
                },
            }
            for part in opened.parts(layers=_few_layers(opened))
        ],
        "definitions": {quantity: DEFINITIONS[quantity] for quantity in _TITLES},
    }


def _conditions(region: Region) -> dict[str, str | None]:
    """Each size's condition in the language; null for any."""
    return {name: as_condition(held, name) or None for name, held in region.items()}


def _few_layers(opened: OpenNetwork) -> bool:
    return sum(layer.node.op is not None for layer in opened.report.layers) <= LONG


def _formula_json(formula: Formula, defaults: dict[str, int] | None) -> dict[str, object]:
    return {
        "formula": formula.text(),
        "terms": [
            {
                "coefficient": coefficient,
                "factors": [{"size": str(size), "power": power} for size, power in factors],
            }
            for coefficient, factors in formula.terms
        ],
        "constant": formula.constant,
        "at_default": None if defaults is None else formula.at(defaults),
    }


def answer_text(network: str, answer: Answer) -> str:
    """The answer, and what the network costs there and one step beyond."""
    bound = answer.bound
    names = list(answer.best.values)
    which = "largest" if answer.largest else "smallest"
    lines = [
        f"{network}: {assignments(answer.best.values)} is the {which} with {bound.text}",
        "",
    ]
    trials = [
        (assignments(trial.values), *_outcome(bound.measure, trial, verdict))
        for trial, verdict in ((answer.best, "meets it"), (answer.beyond, "does not"))
    ]
    widths = [max(len(trial[column]) for trial in trials) for column in (0, 1)]
    lines += [
        f"  {values.ljust(widths[0])}  {outcome.ljust(widths[1])}  {verdict}"
        for values, outcome, verdict in trials
    ]
    way = "in its formula" if answer.by_formula else "by elaborating the network with each value"
    steady = f"{bound.measure} goes one way with {names[0]}"
    if answer.proven:
        sure = f"{steady} for all values"
    elif answer.steady:
        sure = f"{steady} as far as was tried"
    else:
        sure = "it may not be the only crossing"
    lines += ["", f"Both lines are costed networks; found {way}; {sure}."]
    lines += [f"note: {note}" for note in answer.notes]
    return "\n".join(lines)


def _outcome(measure: str, trial: Trial, verdict: str) -> tuple[str, str]:
    """The measure and what to say of it; of a network with errors, the first of these."""
    if isinstance(trial.outcome, Refused):
        return "no network", trial.outcome.reason
    return f"{measure} {_amount(measure, trial.outcome)}", verdict


def _amount(measure: str, value: int) -> str:
    return f"{value:,} ({size_bytes(value)})" if measure.endswith("bytes") else both(value)


def answer_json(network: str, answer: Answer) -> dict[str, object]:
    """An answer as plain data."""
    return {
        "network": network,
        "bound": answer.bound._asdict(),
        "largest": answer.largest,
        "answer": _trial_json(answer.best),
        "beyond": _trial_json(answer.beyond),
        "method": "formula" if answer.by_formula else "elaboration",
        "monotone": "proven" if answer.proven else "as far as tried" if answer.steady else "no",
        "notes": list(answer.notes),
    }


def _trial_json(trial: Trial) -> dict[str, object]:
    outcome = trial.outcome
    if isinstance(outcome, Refused):
        return {"values": trial.values, "measure": None, "refused": outcome.reason}
    return {"values": trial.values, "measure": outcome, "refused": None}
