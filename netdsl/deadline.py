"""An end to what takes too long, in whichever single step it is stuck.

    with within_time(source.span(0, 0)):  # LimitFault after LIMITS.seconds
        …

The system's timer interrupts the step itself. Where there is none, or another owns it, as in a
thread, the looks at the clock of `netdsl.fuel` remain.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from netdsl.diagnostics import Diagnostic, LimitFault
from netdsl.limits import LIMITS
from netdsl.source import Span

_AGAIN_S = 1.0
"""Until a second interruption, should the first be lost: a finaliser swallows what is raised."""

_places: list[Span] = []
"""What is being worked on, the innermost last; empty while no timer runs."""

_end_s = 0.0


def too_slow(span: Span) -> Diagnostic:
    return Diagnostic(
        "too-much-time", f"checking the program takes more than {LIMITS.seconds} s", span
    )


@contextmanager
def within_time(place: Span) -> Iterator[None]:
    """Raise LimitFault at `place` once LIMITS.seconds have passed since the outermost of these."""
    global _end_s
    if _places:
        if time.monotonic() > _end_s:
            raise LimitFault(too_slow(place))
        _places.append(place)
        try:
            yield
        finally:
            _places.pop()
        return
    # Imported here because it takes as long as a small program, and library users may not need it.
    import signal

    try:
        if signal.getitimer(signal.ITIMER_REAL)[0]:
            raise ValueError("the timer is another's")
        before = signal.signal(signal.SIGALRM, _interrupt)
    except (AttributeError, ValueError):  # No such timer here, or not the main thread.
        yield
        return
    _places.append(place)
    _end_s = time.monotonic() + LIMITS.seconds
    signal.setitimer(signal.ITIMER_REAL, LIMITS.seconds, _AGAIN_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        _places.clear()
        signal.signal(signal.SIGALRM, signal.SIG_DFL if before is None else before)


def _interrupt(signal_number: int, frame: FrameType | None) -> None:
    if _places:
        raise LimitFault(too_slow(_places[-1]))
