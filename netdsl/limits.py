"""Stated bounds on what one program may ask for; passing one is a diagnostic, never a hang.

    if len(nodes) >= LIMITS.nodes: …
    with lowered({"nodes": 100}): …

Like the operating system's resource limits they hold for the whole process, and can be lowered but
never raised. `docs/limits.md` is written from here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager


class Limit:
    """One bound: the highest value that it can have, which it has unless lowered."""

    def __init__(self, ceiling: int, unit: str, meaning: str, code: str) -> None:
        self.ceiling = ceiling
        self.unit = unit
        self.meaning = meaning
        self.code = code
        """The diagnostic of a program that passes it; "" where a file is refused unread."""

    def __get__(self, limits: Limits, owner: type[Limits]) -> int:
        return self.ceiling


class Limits:
    """The bounds in force. Each is generous for a real network and small enough to fail fast."""

    file_bytes = Limit(1 << 20, "bytes", "size of one `.net` file", "")
    tokens = Limit(50_000, "tokens", "words, numbers and signs in one file", "program-too-long")
    line_characters = Limit(10_000, "characters", "length of a line", "line-too-long")
    import_files = Limit(256, "files", "files that a program imports, in all", "too-many-imports")
    import_depth = Limit(16, "files", "files that import each other in a row", "imports-too-deep")
    nesting = Limit(
        64, "levels", "depth of braces in a file, and of blocks and braces", "nesting-too-deep"
    )
    brackets = Limit(200, "levels", "depth of brackets of all kinds in a file", "nesting-too-deep")
    expression_depth = Limit(
        200, "levels", "depth of an expression; a long sum is one level", "nesting-too-deep"
    )
    digits = Limit(18, "digits", "length of a number in a program", "number-too-long")
    integer = Limit(1 << 63, "", "magnitude that a whole number stays below", "number-too-large")
    dimension = Limit(
        (1 << 31) - 1, "", "a size of an input or a layer's output", "number-too-large"
    )
    list_values = Limit(10_000, "values", "length of a list", "list-too-long")
    nodes = Limit(50_000, "layers", "layers of a network, and passes of a loop", "too-many-nodes")
    steps = Limit(
        600_000,
        "steps",
        "work of elaborating: 1 for an expression or value of a list, 20 for a statement or layer, "
        "160 more for a block's call, 60 more for a loop's pass; for all networks of a file "
        "together, but for the first 40,000 of each",
        "too-many-steps",
    )
    seconds = Limit(60, "s", "time for checking one program", "too-much-time")
    mistakes = Limit(
        100, "diagnostics", "mistakes in a network or file after which it ends", "too-many-errors"
    )
    errors = Limit(50, "diagnostics", "mistakes in a file's text, and all that are shown", "")

    def __init__(self) -> None:
        # Attributes of its own, as these are read for every layer.
        for name, limit in vars(Limits).items():
            if isinstance(limit, Limit):
                vars(self)[name] = limit.ceiling


LIMITS = Limits()

NAMED: dict[str, Limit] = {
    name: limit for name, limit in vars(Limits).items() if isinstance(limit, Limit)
}
"""Every limit by its name."""


@contextmanager
def lowered(values: Mapping[str, int]) -> Iterator[None]:
    """Lower limits for a while; ValueError for an unknown one, or a value it can't have."""
    for name, value in values.items():
        if name not in NAMED:
            raise ValueError(f"there is no limit `{name}`")
        ceiling = getattr(LIMITS, name)
        if not 1 <= value <= ceiling:
            raise ValueError(f"`{name}` can be set from 1 to {ceiling:,}, not to {value:,}")
    before = dict(vars(LIMITS))
    vars(LIMITS).update(values)
    try:
        yield
    finally:
        vars(LIMITS).clear()
        vars(LIMITS).update(before)
