"""What a stage has to say about a program: data only; `render` words it for a reader."""

from __future__ import annotations

from typing import Literal, NamedTuple

from netdsl.source import Span

Severity = Literal["error", "warning"]


class Label(NamedTuple):
    """A further place that a diagnostic shows, with what it has to do with it."""

    span: Span
    text: str


class Frame(NamedTuple):
    """One step of the call trail: where a block was called, and with what."""

    span: Span
    text: str
    """Such as `bottleneck(width = 64, stride = 1), iteration 2 of 3`."""


class Diagnostic(NamedTuple):
    """One mistake, at the place where the user wrote it.

    `code` is a stable slug listed in `netdsl.codes`; `message` says the fault with the offending
    value; `span` is as narrow as can be; `help` is a way out. `trail` runs from the innermost
    call to the outermost.
    """

    code: str
    message: str
    span: Span
    label: str = ""
    labels: tuple[Label, ...] = ()
    notes: tuple[str, ...] = ()
    help: str = ""
    trail: tuple[Frame, ...] = ()
    severity: Severity = "error"


class Fault(Exception):
    """Carries one diagnostic up to the stage that collects it; never leaves a stage."""

    def __init__(self, diagnostic: Diagnostic) -> None:
        super().__init__(diagnostic.message)
        self.diagnostic = diagnostic


class LimitFault(Fault):
    """A limit is passed: nothing more can be said of the program, so a stage ends with it."""


def did_you_mean(name: str, known: list[str] | tuple[str, ...]) -> str:
    """A help text that names the nearest of `known` to `name`, or lists them when few; else ""."""
    # Imported here because only a failing program pays for it.
    from difflib import get_close_matches

    # What begins alike may be an abbreviation; the rest must be nearer to be meant.
    near = [each for each in get_close_matches(name, known, n=3) if each[:1] == name[:1]]
    near += get_close_matches(name, known, n=1, cutoff=0.7)
    if near:
        return f"did you mean `{near[0]}`?"
    if 0 < len(known) <= 12:
        return "known here: " + ", ".join(f"`{each}`" for each in sorted(known))
    return ""
