"""The verdict on a network's sizes as a line, a table and JSON."""

from __future__ import annotations

from collections.abc import Mapping

from netdsl.every_size import EverySize
from netdsl.size_bounds import Fitted, Region
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
    return _works(sizes) + (", but for exceptions" if sizes.exempt else "")


def _works(sizes: EverySize) -> str:
    region, _ = sizes.looked_at
    if any(held.is_empty for held in sizes.valid.values()):
        return "for no size"
    if any(held.is_empty for held in region.values()):
        return "for no size that was looked at"
    limited = _limited(region)
    conditions = [region_in_words(limited)] if limited else []
    conditions += [f"`{condition}`" for condition in _conditions_on_several(sizes)]
    if not conditions:
        return "for every " + " and ".join(region)
    return "where " + " and ".join(conditions)


def _conditions_on_several(sizes: EverySize) -> list[str]:
    return [*sizes.ties, *sizes.together]


def _works_row(sizes: EverySize) -> str:
    works = _works(sizes)
    if sizes.questions:
        return works if works.startswith("for no") else f"at most {works}"
    _, is_left = sizes.looked_at
    return works + ", which is proved" + (", but for what was not looked at" if is_left else "")


def rows(sizes: EverySize) -> list[tuple[str, str]]:
    """What is known, each with its heading."""
    found = [("works", _works_row(sizes))]
    smallest = sizes.smallest
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
    for fit in sizes.fitted[:_MOST]:
        shape = "×".join(f"{size:,}" for size in fit.shape)
        is_shape = f"the {fit.weight} of `{fit.layer}` is {shape} at {_given(sizes.defaults)}"
        found.append(("weights", f"{is_shape}; once trained, the layer fits {_fits(fit)}"))
    if len(sizes.fitted) > _MOST:
        found.append(("", f"and {len(sizes.fitted) - _MOST} more layers"))
    return found


def _fits(fit: Fitted) -> str:
    if fit.region is None:
        return f"inputs for which it is the same, and which they are is not known ({fit.span})"
    limited = _limited(fit.region)
    fits = f"where {region_in_words(limited)}" if limited else "every input"
    return f"{fits}, and no other input ({fit.span})"


def to_json(sizes: EverySize) -> dict[str, object]:
    """All of it; conditions as the language writes them, null where every size is meant.

    With anything that is "not_known", "works_where" is null as a whole, and "at_most_where" a bound.
    """
    at_most = _conditions(sizes.looked_at[0])
    verdict = "every" if not any(_limited(sizes.valid)) else "some"
    if sizes.diagnostics:
        verdict = "refuted"
    elif sizes.questions:
        verdict = "unknown"
    return {
        "verdict": verdict,
        "defaults": dict(sizes.defaults),
        "works_where": None if sizes.questions else at_most,
        "at_most_where": at_most,
        "and_where": _conditions_on_several(sizes),
        "smallest": sizes.smallest,
        "image_sizes": [[str(size) for size in each.shape] for each in sizes.images],
        "not_known": [{"question": each.text, "place": str(each.span)} for each in sizes.questions],
        "not_looked_at": [
            {"where": _conditions(region), "place": str(span)} for region, span in sizes.exempt
        ],
        "weights_of_one_size": [
            {
                "layer": each.layer,
                "weight": each.weight,
                "shape": list(each.shape),
                "fit_where": each.region and _conditions(each.region),
            }
            for each in sizes.fitted
        ],
    }


def _limited(region: Region) -> Region:
    return {name: held for name, held in region.items() if held != EVERY}


def _conditions(region: Region) -> dict[str, str | None]:
    return {name: as_condition(held, name) or None for name, held in region.items()}


def _given(sizes: Mapping[str, int]) -> str:
    return ", ".join(f"{name} = {size}" for name, size in sizes.items())
