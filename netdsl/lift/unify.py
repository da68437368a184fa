"""Lay the steps of several modules over each other: what they share, and holes where they differ.

(Anti-unification: the least general template of which all are instances.)
"""

from __future__ import annotations

from collections.abc import Sequence

from netdsl.lift.steps import (
    ACTIVATION,
    From,
    Hole,
    Join,
    Layer,
    Merge,
    Name,
    Residual,
    Step,
    Steps,
)
from netdsl.ops import OPERATORS

ACTIVATIONS = frozenset(
    ("relu", "relu6", "gelu", "silu", "hard_swish", "hard_sigmoid", "sigmoid", "tanh", "elu")
)
"""What a block may take as a parameter, where it has one of them without settings."""


class Mismatch(Exception):
    """The steps have no common template."""


def unify(instances: Sequence[Steps | None]) -> Steps:
    """The template of some steps; None for an instance that lacks them. Raises Mismatch."""
    present = [each for each in instances if each is not None]
    residuals = [
        [position for position, step in enumerate(each) if isinstance(step, Residual)]
        for each in present
    ]
    if any(residuals) and not all(residuals):
        pattern = next(each for each, found in zip(present, residuals, strict=True) if found)
        instances = [None if each is None else _as_residual(each, pattern) for each in instances]
        present = [each for each in instances if each is not None]
    longest = max(present, key=len)
    if longest and _is_activation(longest[-1]):
        instances = [
            (*each, _NONE) if each is not None and len(each) == len(longest) - 1 else each
            for each in instances
        ]
        present = [each for each in instances if each is not None]
    lengths = {len(each) for each in present}
    if len(lengths) != 1:
        raise Mismatch
    return tuple(
        _step([None if each is None else each[position] for each in instances])
        for position in range(lengths.pop())
    )


_NONE = Layer("identity")


def _is_activation(step: Step) -> bool:
    return isinstance(step, Layer) and step.word in ACTIVATIONS and not step.arguments


def _as_residual(steps: Steps, pattern: Steps) -> Steps:
    """Steps that lack the residual of `pattern`, with what would be its body marked as such."""
    if any(isinstance(step, Residual) for step in steps):
        return steps
    places = [at for at, step in enumerate(pattern) if isinstance(step, Residual)]
    if len(places) != 1:
        raise Mismatch
    (start,) = places
    end = len(steps) - (len(pattern) - start - 1)
    if end <= start:
        raise Mismatch
    whole = Residual(steps[start:end], None, None, adds=False)
    return (*steps[:start], whole, *steps[end:])


def _step(instances: Sequence[Step | None]) -> Step:
    present = [each for each in instances if each is not None]
    first = present[0]
    if any(type(each) is not type(first) for each in present):
        raise Mismatch
    match first:
        case Layer():
            layers = [each for each in present if isinstance(each, Layer)]
            words = [each.word for each in layers]
            if len(set(words)) > 1 and all(
                each == _NONE or _is_activation(each) for each in layers
            ):
                found = tuple(each.word if isinstance(each, Layer) else None for each in instances)
                return Layer(ACTIVATION, ((ACTIVATION, Hole(found)),))
            if len({(each.word, each.key) for each in layers}) != 1:
                raise Mismatch
            return first._replace(arguments=_arguments(instances))
        case Residual():
            return _residual(instances)
        case Merge(word, branches):
            merges = [each for each in present if isinstance(each, Merge)]
            if len({(each.word, len(each.branches)) for each in merges}) != 1:
                raise Mismatch
            return Merge(
                word,
                tuple(
                    unify(
                        [
                            each.branches[at] if isinstance(each, Merge) else None
                            for each in instances
                        ]
                    )
                    for at in range(len(branches))
                ),
            )
        case Name() | From() | Join():
            # Values were numbered within their module, so the same place has the same number.
            if any(each != first for each in present):
                raise Mismatch
            return first
        case _:
            raise Mismatch


def _arguments(instances: Sequence[Step | None]) -> tuple[tuple[str, object], ...]:
    given = [dict(each.arguments) if isinstance(each, Layer) else None for each in instances]
    present = [each for each in given if each is not None]
    word = next(each.word for each in instances if isinstance(each, Layer))
    names = dict.fromkeys(name for each in present for name in each)
    operator = OPERATORS.get(word)
    order = (
        list(names) if operator is None else [name for name in operator.parameters if name in names]
    )
    made: list[tuple[str, object]] = []
    for name in order:
        default = None if operator is None else operator.parameters[name].default
        if default is None and any(name not in each for each in present):
            raise Mismatch  # No value can be written for it.
        values = tuple(None if each is None else each.get(name, default) for each in given)
        known = [each for each in values if each is not None]
        # `True == 1`, but they are not the same argument.
        if all(each == known[0] and type(each) is type(known[0]) for each in known):
            made.append((name, known[0]))
        else:
            made.append((name, Hole(values)))
    return tuple(made)


def _residual(instances: Sequence[Step | None]) -> Step:
    residuals = [each if isinstance(each, Residual) else None for each in instances]
    body = unify([None if each is None else each.body for each in residuals])
    shortcuts = [None if each is None else each.shortcut for each in residuals]
    shortcut = unify(shortcuts) if any(each is not None for each in shortcuts) else None
    adds = tuple(None if each is None else each.adds for each in residuals)
    # Whether there is a shortcut matters only where something is added.
    projects = tuple(
        None if each is None or not each.adds else (each.shortcut is not None, each.reshapes)
        for each in residuals
    )
    return Residual(body, shortcut, Hole(projects), Hole(adds))
