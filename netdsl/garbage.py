"""Garbage collection, held back while a network is worked on."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uncollected() -> Iterator[None]:
    """Look for no garbage in here, unless that is so already.

    A graph is hundreds of thousands of small tuples, nearly all of which live on: going through
    them for cycles, again and again while it grows, takes a tenth of the time of a check.
    """
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
