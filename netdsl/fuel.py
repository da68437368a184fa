"""What evaluating and elaborating a program may still use, in steps and in time."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

from netdsl.deadline import too_slow
from netdsl.diagnostics import Diagnostic, LimitFault
from netdsl.limits import LIMITS
from netdsl.size_sets import SizeSet
from netdsl.sizes import Size, evaluate
from netdsl.source import Span

STATEMENT = 20
"""Steps for a statement or layer, which takes about as much longer than an expression."""

CALL = 160
"""Further steps for the call of a block."""
PASS = 60
"""Further steps for a pass of a loop."""

_BETWEEN_LOOKS = 10_000
"""Steps between two looks at the clock."""

_TRIED_LAYERS = 12_000
"""Layers that are costed anew to find what a claim meant: for about 0.2 s."""

_OWN = 40_000
"""Steps that each network of a file may take before it takes of what all of them share."""


class OpenComparison(NamedTuple):
    """A comparison at `span` that took values for unequal, as they are for sizes in general.

    They are equal where all of the `pairs` are.
    """

    span: Span
    pairs: tuple[tuple[Size, Size], ...]

    def holds(self, values: Mapping[str, int]) -> bool:
        """Whether the values are equal where each open size has its own."""
        return all(evaluate(left, values) == evaluate(right, values) for left, right in self.pairs)

    @property
    def condition(self) -> str:
        """When they are equal, as formulas: "H = W"."""
        return " and ".join(f"{left} = {right}" for left, right in self.pairs)


class Fuel:
    """Counts the steps of one elaboration, or of reading the `let`s of a program's files.

    Keeps, too, what is known of open sizes: those that the input allows, by name, and comparisons
    that went one way for sizes in general though not for all.
    """

    def __init__(self) -> None:
        self.steps = 0
        self.shared: int | None = None
        """What earlier elaborations took beyond their own; None while none share."""
        self.tried_layers = _TRIED_LAYERS
        """Layers that may still be costed anew."""
        self.explained_claims = 0
        self.refill()

    @contextmanager
    def sharing(self) -> Iterator[None]:
        """Let the elaborations that follow take the steps of one, but for what is their own."""
        self.shared = 0
        self.refill()
        try:
            yield
        finally:
            self.shared = None
            self.refill()

    def refill(self) -> None:
        self.most_steps = LIMITS.steps
        if self.shared is not None:
            self.shared += max(0, self.steps - _OWN)
            self.most_steps = min(LIMITS.steps, max(_OWN, LIMITS.steps - self.shared))
        else:
            self.tried_layers = _TRIED_LAYERS
            self.explained_claims = 0
        self.steps = 0
        self.next_look = _BETWEEN_LOOKS
        self.started_s = time.monotonic()
        self.allowed: dict[str, SizeSet] = {}
        self.open_comparisons: dict[OpenComparison, None] = {}

    def try_layers(self, layers: int) -> bool:
        """Take so many layers from those that may be costed anew; False where fewer are left."""
        if layers > self.tried_layers:
            return False
        self.tried_layers -= layers
        return True

    def spend(self, steps: int, span: Span) -> None:
        """Count `steps` for what stands at `span`; raises LimitFault when there are no more."""
        self.steps += steps
        if self.steps > self.most_steps:
            message = f"the program takes more than {LIMITS.steps:,} steps"
            raise LimitFault(Diagnostic("too-many-steps", message, span))
        if self.steps >= self.next_look:
            self.next_look = self.steps + _BETWEEN_LOOKS
            if time.monotonic() - self.started_s > LIMITS.seconds:
                raise LimitFault(too_slow(span))
