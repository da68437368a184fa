"""The inverse of costing: the largest size or number for which a network meets a bound.

Sizes of the input are tried in the network's formulas, other numbers by elaborating the network;
either way the answer is then costed as a network of its own, with the next value beyond it.
"""

from __future__ import annotations

from netdsl.bind import Given
from netdsl.formulas import NoFormula, OpenNetwork, open_network
from netdsl.program import ProgramFile
from netdsl.question import Step, WrongQuestion, require_variable
from netdsl.search import Bound
from netdsl.sizes import symbols
from netdsl.solve_numbers import solve_number
from netdsl.solve_sizes import solve_sizes
from netdsl.trials import Answer, Costed


def solve(
    file: ProgramFile,
    network: str,
    settings: dict[str, Given],
    bound: Bound,
    names: tuple[str, ...],
    *,
    step: Step | None = None,
    batch: int = 1,
) -> Answer:
    """Find the last value of `names` for which a network meets `bound`.

    Several names are sizes of the input that grow together. Raises WrongQuestion and NoAnswer.
    """
    parameters, sizes = require_variable(file, network, names)
    for name in names:
        if name in settings and (name not in parameters or len(names) > 1):
            raise WrongQuestion(f"`{name}` is set, so it can't be solved for")
        if len(names) > 1 and name not in sizes:
            raise WrongQuestion(f"`{name}` is no size of the input, so it is solved for alone")
    costed = Costed(file, network, settings, bound.measure, batch)
    if names[0] not in sizes or names[0] in settings:
        return solve_number(costed, bound, names[0], step)
    try:
        opened = open_network(file, network, settings)
    except NoFormula as failure:
        if names[0] not in parameters:
            raise
        answer = solve_number(costed, bound, names[0], step)
        return answer._replace(notes=(str(failure), *answer.notes))
    names = tuple(dict.fromkeys(_free(name, opened) for name in names))
    if names[0] not in opened.defaults:
        return solve_number(costed, bound, names[0], step)
    return solve_sizes(costed, bound, names, opened, step)


def _free(name: str, opened: OpenNetwork) -> str:
    """The size that gives the size `name`: itself, or the one that the input keeps equal to it."""
    size = opened.tied.get(name)
    if size is None:
        return name
    others = [each.name for each in symbols(size)]
    if str(size) not in others:
        raise WrongQuestion(
            f"`{name}` is {size}, as the input demands; ask for `{' or '.join(others)}`"
        )
    return others[0]
