"""The kinds of value that an operator's argument takes: how one is checked, stored and shown."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from types import MappingProxyType
from typing import TypeAlias

from netdsl.sizes import Expression, symbols
from netdsl.tensor import Window

Padding: TypeAlias = "str | tuple[tuple[int, int], tuple[int, int]]"
"""`same`, or the pixels added ((above, below), (left, right))."""


class Kind:
    """Converts a compile-time value to what the operator stores.

    `description` completes the sentence "… must be". `convert` raises ValueError with nothing but
    what was wrong, since the caller knows the argument's name.
    """

    description: str = "a value"
    words: tuple[str, ...] = ()
    """Bare words that stand for themselves in a program, such as `same`."""
    elsewhere: Mapping[str, str] = MappingProxyType({})
    """Words of other tools, in small letters, with what is written for them here."""

    def convert(self, value: object) -> object:
        raise NotImplementedError

    def show(self, value: object) -> str:
        return show_value(value)

    def reject(self, value: object) -> ValueError:
        return ValueError(f"must be {self.description}, not {_called(value)}{_openness(value)}")


def _whole(value: object) -> object:
    """64.0, which comes out of `64 * width`, as 64; rounding is the program's to say."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1 << 53:
        return int(value)
    return value


class Integer(Kind):
    """A whole number of at least `minimum`; a symbolic size where `symbolic`."""

    def __init__(self, minimum: int = 1, *, symbolic: bool = False) -> None:
        self.minimum = minimum
        self.symbolic = symbolic
        self.description = f"a whole number of at least {minimum}"

    def convert(self, value: object) -> object:
        if type(value) is int and value >= self.minimum:
            return value
        if self.symbolic and isinstance(value, Expression):
            return value
        number = _whole(value)
        if isinstance(number, bool) or not isinstance(number, int) or number < self.minimum:
            raise self.reject(value)
        return number


class Number(Kind):
    """A number between `minimum` and `maximum`, both included, and less than `below`; None is no
    bound."""

    def __init__(
        self,
        minimum: float | None = None,
        maximum: float | None = None,
        *,
        below: float | None = None,
    ) -> None:
        self.minimum = minimum
        self.maximum = maximum
        self.below = below
        if minimum is not None and below is not None:
            self.description = f"a number of at least {minimum:g} and less than {below:g}"
        elif minimum is not None and maximum is not None:
            self.description = f"a number from {minimum:g} to {maximum:g}"
        elif minimum is not None:
            self.description = f"a number of at least {minimum:g}"
        else:
            self.description = "a number"

    def convert(self, value: object) -> object:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise self.reject(value)
        if self.minimum is not None and value < self.minimum:
            raise self.reject(value)
        if self.maximum is not None and value > self.maximum:
            raise self.reject(value)
        if self.below is not None and value >= self.below:
            raise self.reject(value)
        if not isfinite(value):
            raise self.reject(value)
        return float(value)


class Boolean(Kind):
    description = "true or false"

    def __init__(self, **elsewhere: str) -> None:
        self.elsewhere = elsewhere

    def convert(self, value: object) -> object:
        if isinstance(value, str):
            raise ValueError(f'must be {self.description}, not the text "{value}"')
        if not isinstance(value, bool):
            raise self.reject(value)
        return value


class Choice(Kind):
    """One of a few words, written bare (`nearest`) or as a string."""

    def __init__(self, *words: str, **elsewhere: str) -> None:
        self.words = words
        self.elsewhere = elsewhere
        self.description = " or ".join(words)

    def convert(self, value: object) -> object:
        if value not in self.words:
            raise self.reject(value)
        return value


class WindowKind(Kind):
    """A size over the image: `3x5`, or 3 for 3x3; both sides at least `minimum`."""

    def __init__(self, minimum: int = 1) -> None:
        self.minimum = minimum
        self.description = f"a size such as 3x3 or a whole number, of at least {minimum}"

    def convert(self, value: object) -> object:
        window = _whole(value)
        if isinstance(window, int) and not isinstance(window, bool):
            window = Window(window, window)
        if not isinstance(window, Window) or min(window) < self.minimum:
            raise self.reject(value)
        return window


class StepKind(WindowKind):
    """A `WindowKind` that is shown as one number where it is square, as strides are written."""

    def show(self, value: object) -> str:
        if isinstance(value, Window) and value.height == value.width:
            return str(value.height)
        return super().show(value)


class PaddingKind(Kind):
    """What is put around the image: `same`, `valid`, 1, 1x2, or ((above, below), (left, right)).

    `same` is TensorFlow's: as much as makes the output ceil(H / S) high, the odd pixel below and
    to the right. A number or size is added on both sides, as PyTorch and most papers do.
    """

    def __init__(self, words: tuple[str, ...] = ("same", "valid")) -> None:
        self.words = words
        forms = (*words, "a number of at least 0", "a size such as 1x2")
        self.description = f"{', '.join(forms)}, or ((above, below), (left, right))"

    def convert(self, value: object) -> Padding:
        if isinstance(value, str) and value in self.words:
            return "same" if value == "same" else ((0, 0), (0, 0))
        sides = _whole(value)
        if isinstance(sides, int) and not isinstance(sides, bool):
            sides = Window(sides, sides)
        if isinstance(sides, Window):
            sides = ((sides.height, sides.height), (sides.width, sides.width))
        if isinstance(sides, (tuple, list)) and len(sides) == 2:
            pairs = []
            for pair in sides:
                if not isinstance(pair, (tuple, list)) or len(pair) != 2:
                    raise self.reject(value)
                if not all(type(side) is int and side >= 0 for side in pair):
                    raise self.reject(value)
                pairs.append((pair[0], pair[1]))
            return pairs[0], pairs[1]
        raise self.reject(value)

    def show(self, value: object) -> str:
        if isinstance(value, tuple):
            (above, below), (left, right) = value
            if above == below and left == right:
                return str(above) if above == left else f"{above}x{left}"
        return show_value(value)


class Integers(Kind):
    """A list of whole numbers of at least `minimum`; of symbolic sizes too where `symbolic`."""

    def __init__(self, minimum: int = 0, *, symbolic: bool = False) -> None:
        self.minimum = minimum
        self.symbolic = symbolic
        self.description = f"a list of whole numbers of at least {minimum}"

    def convert(self, value: object) -> object:
        if not isinstance(value, (tuple, list, range)):
            raise self.reject(value)
        for each in value:
            if self.symbolic and isinstance(each, Expression):
                continue
            if isinstance(each, bool) or not isinstance(each, int) or each < self.minimum:
                raise self.reject(value)
        return tuple(value)

    def show(self, value: object) -> str:
        assert isinstance(value, tuple)
        return f"[{', '.join(map(str, value))}]"


def show_value(value: object, depth: int = 0) -> str:
    """A compile-time value as a program would write it, shortened where it is long."""
    if value is True or value is False:
        return "true" if value else "false"
    if isinstance(value, int):
        return _shortened(str(value))
    if isinstance(value, str):
        return value if value.isidentifier() else f'"{value}"'
    if isinstance(value, float):
        short = f"{value:g}"
        return short if float(short) == value else repr(value)
    if isinstance(value, Window):
        return str(value)
    if type(value) in (tuple, list):
        assert isinstance(value, (tuple, list))
        opening, closing = ("(", ")") if isinstance(value, tuple) else ("[", "]")
        if depth > 2:  # A list of lists of lists … may be longer than memory.
            return f"{opening}…{closing}"
        shown = [show_value(each, depth + 1) for each in value[:8]]
        if len(value) > 8:
            shown.append("…")
        elif len(value) == 1 and isinstance(value, tuple):
            closing = ",)"
        return opening + ", ".join(shown) + closing
    name = getattr(value, "name", "") if isinstance(value, type) else ""
    return _shortened(name or str(value))


def _openness(value: object) -> str:
    """A clause for what depends on the input's size: how it gets a number."""
    parts = value if isinstance(value, (list, tuple)) else (value,)
    names = sorted(
        {each.name for part in parts if isinstance(part, Expression) for each in symbols(part)}
    )
    if not names:
        return ""
    settings = " ".join(f"--set {name}=…" for name in names)
    return f", which is open with the input's size: `{settings}` gives it, or use a parameter"


def _called(value: object) -> str:
    """A value in a sentence: words and operators are quoted, as they would read as part of it."""
    shown = show_value(value)
    word = isinstance(value, type) or (isinstance(value, str) and value.isidentifier())
    return f"`{shown}`" if word else shown


def _shortened(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "…"
