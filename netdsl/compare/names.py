"""Which places of two networks correspond by the names that someone chose."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from netdsl.compare.places import DIGITS, Place, likeness, rising


def layer_names(places: Sequence[Place]) -> set[str]:
    return {place.name for place in places if place.node is not None and place.labelled}


def _has_weights(place: Place) -> bool:
    return place.op is not None and place.op.holds_weights


def unwrapped(
    places: Sequence[Place], names: set[str], missing: set[str], layers: set[str]
) -> list[Place]:
    """The places, with a scope's children for each scope that only one network has, where half of
    its children are missing beside it; and for each that has a layer's name there, which then is
    that of its first layer with weights."""
    found: list[Place] = []
    for place in places:
        inside = sum(child.name in missing for child in place.children)
        if place.name not in names and 0 < len(place.children) <= 2 * inside:
            found += place.children
        elif place.children and place.name in layers:
            first = next((child for child in place.children if _has_weights(child)), None)
            found += [
                child._replace(name=place.name, labelled=True) if child is first else child
                for child in place.children
            ]
        else:
            found.append(place)
    return found


def without_counted_names(
    left: Sequence[Place], right: Sequence[Place]
) -> tuple[list[Place], list[Place]]:
    """The places, names taken as counted where they count up (stage1, stage2) to another number.

    What was put before others there has shifted their names.
    """
    series = _series(left), _series(right)
    shifted = {
        stem
        for stem, numbers in series[0].items()
        if len(numbers) != len(series[1].get(stem, numbers))
        and all(
            sorted(found) == list(range(min(numbers), min(numbers) + len(found)))
            for found in (numbers, series[1][stem])
        )
    }

    def counted(place: Place) -> Place:
        stem = place.name.rstrip(DIGITS)
        return place._replace(labelled=False) if stem in shifted else place

    return [counted(place) for place in left], [counted(place) for place in right]


def _series(places: Sequence[Place]) -> dict[str, list[int]]:
    """The numbers that chosen names end in, by what is before them."""
    found: dict[str, list[int]] = {}
    for place in places:
        stem = place.name.rstrip(DIGITS)
        if place.labelled and stem != place.name:
            found.setdefault(stem, []).append(int(place.name[len(stem) :]))
    return found


def keeping_names(left: Sequence[Place], right: Sequence[Place]) -> tuple[list[Place], list[Place]]:
    """The places, with a number in `keeps` for those that correspond by name in any order.

    These are the same under the same chosen name; then those with other arguments, unless what they
    were is there under another name. Counted layers next to them went with them.
    """
    numbers = {place.name: j for j, place in enumerate(right) if place.labelled}
    named = {numbers[a.name]: i for i, a in enumerate(left) if a.labelled and a.name in numbers}
    kept = {i: j for j, i in named.items() if left[i].form == right[j].form}
    forms = _forms(left, kept.keys()), _forms(right, kept.values())
    for j, i in named.items():
        a, b = left[i], right[j]
        if i in kept or a.form in forms[1] or b.form in forms[0]:
            continue
        if type(a.op) is type(b.op) and likeness(a, b) > 0:
            kept[i] = j
    moved = _out_of_order(kept)
    _take_along(left, right, list(kept.items()), 1, kept)
    _take_along(left, right, moved, -1, kept)
    keeping = list(left), list(right)
    for number, (i, j) in enumerate(kept.items(), 1):
        keeping[0][i] = left[i]._replace(keeps=number)
        keeping[1][j] = right[j]._replace(keeps=number)
    return keeping


def _forms(places: Sequence[Place], known: Collection[int]) -> set[int]:
    numbers = set(known)
    return {place.form for i, place in enumerate(places) if i not in numbers}


def _out_of_order(kept: dict[int, int]) -> list[tuple[int, int]]:
    """The fewest pairs without which the others are in order."""
    pairs = sorted(kept.items())
    in_order = set(rising(pairs))
    return [pair for pair in pairs if pair not in in_order]


def _take_along(
    left: Sequence[Place],
    right: Sequence[Place],
    pairs: Sequence[tuple[int, int]],
    step: int,
    kept: dict[int, int],
) -> None:
    """Keep what leads on from these pairs too, or to them, if it is the same on both sides."""
    taken = set(kept.values())
    for i, j in pairs:
        a, b = i + step, j + step
        while (
            0 <= a < len(left)
            and 0 <= b < len(right)
            and a not in kept
            and b not in taken
            and _goes_along(left[a], left[i])
            and left[a].form == right[b].form
            and not right[b].labelled
            and all(
                _leads_on(places[min(k, k - step)], places[max(k, k - step)])
                for places, k in ((left, a), (right, b))
            )
        ):
            kept[a] = b
            taken.add(b)
            a, b = a + step, b + step


def _goes_along(layer: Place, kept: Place) -> bool:
    """Whether it is a counted layer that may belong to another place, like its norm."""
    if layer.op is None or layer.labelled:
        return False
    return not (layer.op.holds_weights and layer.op.name in kept.operators)


def _leads_on(place: Place, after: Place) -> bool:
    """Whether what the place gives is all that the next one reads."""
    return len(after.inputs) == 1 and after.inputs[0] in place.layers()
