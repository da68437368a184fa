"""What a stage has to say about a program: data only; `render` words it for a reader."""

from __future__ import annotations

from functools import lru_cache
from typing import Literal, NamedTuple

from netdsl.limits import LIMITS
from netdsl.source import Span

Severity = Literal["error", "warning"]


class Label(NamedTuple):
    """A further place that a diagnostic shows, with what it has to do with it.

    Of a bracket without its other half, the label with the role "suspect" is one that may be the
    mistake instead, and the one with "end" what it had to be closed before.
    """

    span: Span
    text: str
    role: Literal["", "end", "suspect"] = ""


class Frame(NamedTuple):
    """One step of the call trail: where a block was called, and with what."""

    span: Span
    text: str
    """Such as `bottleneck(width = 64, stride = 1)`, or which pass of a loop."""
    definition: Span | None = None
    """The name of the block where it is declared; None for a loop."""


class Edit(NamedTuple):
    """A stretch of a program, and the text to put in its place; an empty stretch inserts."""

    span: Span
    text: str


class Fix(NamedTuple):
    """Edits that make a diagnostic go away, as `netdsl.fixes` has seen before it proposes them.

    The edits lie in one file and don't overlap. `safe` says that nothing else can be meant.
    """

    message: str
    """What to do, such as "write `conv`"."""
    edits: tuple[Edit, ...]
    safe: bool


class Diagnostic(NamedTuple):
    """One mistake, at the place where the user wrote it.

    `code` is a stable slug listed in `netdsl.codes`; `message` says the fault with the offending
    value; `span` is as narrow as can be; `help` is a way out. `trail` runs from the innermost
    call to the outermost. `fixes` are alternatives, the likeliest first.
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
    fixes: tuple[Fix, ...] = ()


class Fault(Exception):
    """Carries one diagnostic up to the stage that collects it; never leaves a stage."""

    def __init__(self, diagnostic: Diagnostic) -> None:
        super().__init__(diagnostic.message)
        self.diagnostic = diagnostic


class LimitFault(Fault):
    """A limit is passed: nothing more can be said of the program, so a stage ends with it."""


class NearNames(str):
    """A help text about `word`, which is no known name, with the `names` that it may stand for.

    `certain` says that the first of them is the only known name at one edit from the word, of three
    letters or more, and that more than a number differs: `stage2` is no misspelt `stage1`.
    """

    word: str
    names: tuple[str, ...]
    certain: bool


_NEAREST = 200
"""Among how many names a mistyped one is looked for."""


def too_many_errors(span: Span) -> Diagnostic:
    """Says that a stage ends at `span` for all the mistakes that it found before."""
    message = f"{LIMITS.mistakes} mistakes are found; what follows is not looked at"
    return Diagnostic("too-many-errors", message, span, help="mend the first ones")


def did_you_mean(name: str, known: list[str] | tuple[str, ...]) -> str:
    """A help text that names the nearest of `known` to `name`, or lists them when few; else "".

    Where it names one it is `NearNames`.
    """
    return _nearest(name, tuple(known))


def known_elsewhere(word: str, name: str) -> NearNames:
    """A help text about a word of another tool that `name` stands for here."""
    help = NearNames(f"`{word}` of other tools is `{name}` here")
    help.word, help.names, help.certain = word, (name,), False
    return help


@lru_cache(maxsize=256)  # A mistake in a loop's body is made in every pass.
def _nearest(name: str, known: tuple[str, ...]) -> str:
    # Imported here because only a failing program pays for it.
    from difflib import get_close_matches

    if len(known) > _NEAREST:
        # Each comparison takes long: only those of about the same length.
        known = tuple(sorted(known, key=lambda each: abs(len(each) - len(name)))[:_NEAREST])
    # What begins alike may be an abbreviation; the rest must be nearer to be meant.
    near = [each for each in get_close_matches(name, known, n=3) if each[:1] == name[:1]]
    near += get_close_matches(name, known, n=1, cutoff=0.7)
    alike = [each for each in dict.fromkeys(known) if _squashed(each) == _squashed(name)]
    near = [*alike, *near]
    if near:
        help = NearNames(f"did you mean `{near[0]}`?")
        help.word = name
        help.names = tuple(dict.fromkeys(near))
        one_off = [each for each in dict.fromkeys(known) if one_edit(name, each)]
        alone = len(name) > 2 and (one_off == near[:1] or alike == near[:1])
        help.certain = alone and _letters(name) != _letters(near[0])
        return help
    if 0 < len(known) <= 12:
        return "known here: " + ", ".join(f"`{each}`" for each in sorted(known))
    return ""


def one_edit(a: str, b: str) -> bool:
    """Whether one letter more, less or other, or two neighbours swapped, make `b` of `a`.

    Damerau 1964, "A technique for computer detection and correction of spelling errors".
    """
    if a == b or abs(len(a) - len(b)) > 1:
        return False
    start = 0
    while start < min(len(a), len(b)) and a[start] == b[start]:
        start += 1
    a, b = a[start:], b[start:]
    swapped = len(a) == len(b) > 1 and a[0] == b[1] and a[1] == b[0] and a[2:] == b[2:]
    return swapped or a[1:] == b[1:] or a[1:] == b or a == b[1:]


def _squashed(name: str) -> str:
    """A name without what other tools write otherwise: `CrossEntropy` for `cross_entropy`."""
    return name.replace("_", "").lower()


def _letters(name: str) -> str:
    return "".join(character for character in name if not character.isdecimal())
