"""Stated bounds on what one program may ask for; passing one is a diagnostic, never a hang."""

from typing import NamedTuple


class Limits(NamedTuple):
    """Upper bounds, each generous for a real network and small enough to fail fast."""

    file_bytes: int = 1 << 20
    """Size of one `.net` file."""
    import_files: int = 256
    """Files that one program may import, all together."""
    nesting: int = 64
    """Depth of block calls, and of braces and parentheses in a file."""
    nodes: int = 100_000
    """Operators in the elaborated graph."""
    steps: int = 1_000_000
    """Statements and expressions evaluated while elaborating."""
    integer: int = 1 << 63
    """Magnitude that a compile-time integer must stay below."""
    errors: int = 50
    """Diagnostics shown for one run; the rest are counted."""


LIMITS = Limits()
