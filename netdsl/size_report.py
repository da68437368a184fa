"""The verdict on a network's sizes as a line, a table and JSON."""

from __future__ import annotations

from collections.abc import Mapping

from netdsl.every_size import EverySize
from netdsl.size_bounds import Region
from netdsl.size_sets import EVERY
from netdsl.size_words import as_condition, region_in_words

_MOST = 6
"""How many questions, and how many sizes of the image, a table lists."""


def summary(sizes: EverySize) -> str:
    """One clause: "for every H and W", "where H and W are at least 63"."""
    names = " and ".join(sizes.valid)
    if sizes.diagnostics:
        return f"not for every {names}"
    if sizes.questions:
        return f"not proved for every {names}"
    return _works(sizes) + (", but for exceptions" if sizes.exempt or sizes.apart else "")


def _works(sizes: EverySize) -> str:
    limited = _limited(sizes.valid)
    if any(held.is_empty for held in limited.values()):
        return "for no size"
    conditions = [region_in_words(limited)] if limited else []
    conditions += [f"`{condition}`" for condition in sizes.together]
    tied = " and ".join(f"{name} = {size}" for name, size in sizes.tied.items())
    with_tied = f" with {tied}" if tied else ""
    if not conditions:
        return "for every " + " and ".join(sizes.valid) + with_tied
    return "where " + " and ".join(conditions) + (f",{with_tied}" if tied else "")


def rows(sizes: EverySize) -> list[tuple[str, str]]:
    """What is known, each with its heading."""
    found = []
    if sizes.questions:
        found.append(("works", f"at most {_works(sizes)}; what is not known may leave fewer"))
    else:
        exceptions = " but for what was not looked at" if sizes.exempt or sizes.apart else ""
        found.append(("works", f"{_works(sizes)}, which is proved{exceptions}"))
    smallest = _smallest(sizes)
    if smallest is not None:
        found.append(("smallest input", _given(smallest)))
    images = [str(each) for each in sizes.images[:_MOST]]
    images += ["…"] * (len(sizes.images) > _MOST)
    if images:
        found.append(("image sizes", ", ".join(images)))
    for diagnostic in sizes.diagnostics:
        found.append(("fails", f"{diagnostic.message} ({diagnostic.span})"))
    for question in sizes.questions[:_MOST]:
        found.append(("not known", f"{question.text} ({question.span})"))
    if len(sizes.questions) > _MOST:
        found.append(("", f"and {len(sizes.questions) - _MOST} more"))
    for region, span in sizes.exempt:
        where = region_in_words(region)
        found.append(("not looked at", f"where {where}: `{span.text}` decides otherwise ({span})"))
    for span, condition in ((each.span, each.condition) for each in sizes.apart):
        text = f"where {condition}: `{span.text}` decides otherwise ({span})"
        found.append(("not looked at", text))
    for fit in sizes.fitted[:_MOST]:
        shape = "×".join(f"{size:,}" for size in fit.shape)
        limited = _limited(fit.region)
        others = "no other input" if fit.only else "others only if they give the same shape"
        fits = f"where {region_in_words(limited)}" if limited else "every input"
        text = (
            f"the {fit.weight} of `{fit.layer}` is {shape} at {_given(sizes.defaults)}; once "
            f"trained, the layer fits {fits}, and {others} ({fit.span})"
        )
        found.append(("weights", text))
    if len(sizes.fitted) > _MOST:
        found.append(("", f"and {len(sizes.fitted) - _MOST} more layers"))
    return found


def to_json(sizes: EverySize) -> dict[str, object]:
    """All of it; conditions as the language writes them, null where every size is meant."""
    verdict = "every" if not any(_limited(sizes.valid)) else "some"
    if sizes.diagnostics:
        verdict = "refuted"
    elif sizes.questions:
        verdict = "unknown"
    return {
        "verdict": verdict,
        "defaults": dict(sizes.defaults),
        "works_where": _conditions(sizes.valid),
        "and_where": list(sizes.together),
        "with": {name: str(size) for name, size in sizes.tied.items()},
        "smallest": _smallest(sizes),
        "image_sizes": [[str(size) for size in each.shape] for each in sizes.images],
        "not_known": [{"question": each.text, "place": str(each.span)} for each in sizes.questions],
        "not_looked_at": [
            {"where": _conditions(region), "place": str(span)} for region, span in sizes.exempt
        ]
        + [{"together": each.condition, "place": str(each.span)} for each in sizes.apart],
        "weights_of_one_size": [
            {
                "layer": each.layer,
                "weight": each.weight,
                "shape": list(each.shape),
                "fit_where": _conditions(each.region),
                "fits_no_other": each.only,
            }
            for each in sizes.fitted
        ],
    }


def _smallest(sizes: EverySize) -> Mapping[str, int] | None:
    """The smallest input; None where it is not known to work."""
    return None if sizes.questions else sizes.smallest


def _limited(region: Region) -> Region:
    return {name: held for name, held in region.items() if held != EVERY}


def _conditions(region: Region) -> dict[str, str | None]:
    return {name: as_condition(held, name) or None for name, held in region.items()}


def _given(sizes: Mapping[str, int]) -> str:
    return ", ".join(f"{name} = {size}" for name, size in sizes.items())
