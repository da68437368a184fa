"""Large counts and bytes in three digits, for people."""

from __future__ import annotations

from netdsl.sizes import Size


def short(size: int) -> str:
    """A count in three digits: 4.09 G."""
    for unit, factor in (("T", 10**12), ("G", 10**9), ("M", 10**6), ("K", 10**3)):
        if size >= 0.9995 * factor:  # 999.5 M is 1 G in three digits.
            return f"{size / factor:.3g} {unit}"
    return str(size)


def size_bytes(size: Size) -> str:
    """Bytes in the largest unit that they fill: 1.5 MB."""
    if not isinstance(size, int):
        return f"{size} bytes"
    for unit, factor in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size >= factor:
            return f"{size / factor:.1f} {unit}"
    return f"{size} bytes"
