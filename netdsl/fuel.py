"""What evaluating and elaborating a program may still use, in steps and in time."""

from __future__ import annotations

import time

from netdsl.diagnostics import Diagnostic, LimitFault
from netdsl.limits import LIMITS
from netdsl.source import Span

STATEMENT = 20
"""Steps for a statement or layer, which takes about as much longer than an expression."""

CALL = 160
"""Further steps for the call of a block."""
PASS = 60
"""Further steps for a pass of a loop."""

_BETWEEN_LOOKS = 10_000
"""Steps between two looks at the clock."""


class Fuel:
    """Counts the steps of one elaboration, or of reading the `let`s of a program's files."""

    def __init__(self) -> None:
        self.refill()

    def refill(self) -> None:
        self.steps = 0
        self.next_look = _BETWEEN_LOOKS
        self.started_s = time.monotonic()

    def spend(self, steps: int, span: Span) -> None:
        """Count `steps` for what stands at `span`; raises LimitFault when there are no more."""
        self.steps += steps
        if self.steps > LIMITS.steps:
            message = f"the program takes more than {LIMITS.steps:,} steps"
            raise LimitFault(Diagnostic("too-many-steps", message, span))
        if self.steps >= self.next_look:
            self.next_look = self.steps + _BETWEEN_LOOKS
            if time.monotonic() - self.started_s > LIMITS.seconds:
                raise LimitFault(too_slow(span))


def too_slow(span: Span) -> Diagnostic:
    return Diagnostic(
        "too-much-time", f"checking the program takes more than {LIMITS.seconds} s", span
    )
