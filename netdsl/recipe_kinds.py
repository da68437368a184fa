"""What a recipe's settings can be: the kinds of value, beside those of `netdsl.kinds`."""

from __future__ import annotations

from typing import NamedTuple

from netdsl.kinds import Kind, Number, show_value
from netdsl.parameters import Documented
from netdsl.tensor import Window


class Option(Documented):
    """Something that a setting of a recipe can be."""

    def contradiction(self) -> str:
        """What makes its arguments impossible together; "" where nothing does."""
        return ""


class Duration(NamedTuple):
    """A stretch of training: `5 epochs` or `300 steps`."""

    value: float
    unit: str

    def __str__(self) -> str:
        return f"{self.value:g} {self.unit}"

    def steps(self, steps_per_epoch: int) -> int:
        """The nearest whole number of steps."""
        return round(self.value * steps_per_epoch if self.unit == "epochs" else self.value)


class DurationKind(Kind):
    """`5 epochs`, `300 steps`, or a bare number of epochs."""

    def __init__(self, *, zero: bool) -> None:
        self.zero = zero
        self.description = "epochs or steps, such as `5 epochs`" + ("" if zero else ", above zero")

    def convert(self, value: object) -> object:
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            value = Duration(value, "epochs")
        if not isinstance(value, Duration) or value.value < 0:
            raise self.reject(value)
        if value.value == 0 and not self.zero:
            raise self.reject(value)
        return value

    def reject(self, value: object) -> ValueError:
        shown = str(value) if isinstance(value, Duration) else show_value(value)
        return ValueError(f"must be {self.description}, not {shown}")

    def show(self, value: object) -> str:
        return str(value)


class DurationList(Kind):
    """Rising moments of a run: `[30, 60, 80]` in epochs, or `[32K, 48K] steps`."""

    description = "a rising list of epochs or steps, such as `[30, 60, 80] epochs`"

    def convert(self, value: object) -> object:
        if not isinstance(value, (list, tuple)) or isinstance(value, Duration) or not value:
            raise self.reject(value)
        one = DurationKind(zero=False)
        moments = [each for each in map(one.convert, value) if isinstance(each, Duration)]
        if moments != sorted(set(moments)):
            raise self.reject(value)
        return tuple(moments)

    def show(self, value: object) -> str:
        if value is None:
            return "none"
        assert isinstance(value, tuple)
        shown = ", ".join(f"{moment.value:g}" for moment in value)
        return f"[{shown}] {value[0].unit}"


class Rate(Kind):
    """A number above 0; None stands for the value that is given at the other place."""

    description = "a number above 0"

    def __init__(self, absent: str) -> None:
        self.absent = absent

    def convert(self, value: object) -> object:
        if isinstance(value, bool) or not isinstance(value, (int, float)) or value <= 0:
            raise self.reject(value)
        return float(value)

    def show(self, value: object) -> str:
        return self.absent if value is None else show_value(value)


class Interval(Kind):
    """`(0.08, 1.0)`: two numbers above 0, the smaller first, at most `maximum`."""

    def __init__(self, maximum: float | None = None) -> None:
        self.maximum = maximum
        bound = "" if maximum is None else f" and at most {maximum:g}"
        self.description = f"two numbers above 0{bound}, the smaller first, such as (0.5, 1.0)"

    def convert(self, value: object) -> object:
        if not isinstance(value, (list, tuple)) or len(value) != 2:
            raise self.reject(value)
        low, high = value
        numbers = all(isinstance(x, (int, float)) and not isinstance(x, bool) for x in value)
        if not numbers or not 0 < low <= high:
            raise self.reject(value)
        if self.maximum is not None and high > self.maximum:
            raise self.reject(value)
        return float(low), float(high)


class Side(Kind):
    """Pixels of an image's shorter side, or a height and width: `256`, `224x224`."""

    description = "a whole number of at least 1, or a size such as 224x224"

    def convert(self, value: object) -> object:
        if isinstance(value, Window) and min(value) >= 1:
            return value
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise self.reject(value)
        return value


class Channels(Kind):
    """A number for each channel, or one for all: `(0.485, 0.456, 0.406)`, `0.5`."""

    def __init__(self, *, zero: bool) -> None:
        self.zero = zero
        bounds = "from 0 to 1" if zero else "above 0, at most 1"
        self.description = f"a number {bounds}, or one for each channel, such as (0.5, 0.5, 0.5)"

    def convert(self, value: object) -> object:
        each = value if isinstance(value, (list, tuple)) else (value,)
        if not each or isinstance(value, Window):
            raise self.reject(value)
        for number in each:
            if isinstance(number, bool) or not isinstance(number, (int, float)):
                raise self.reject(value)
            if not 0 <= number <= 1 or (number == 0 and not self.zero):
                raise self.reject(value)
        return tuple(map(float, each))

    def show(self, value: object) -> str:
        assert isinstance(value, tuple)
        return show_value(value[0] if len(value) == 1 else value)


class ClassNames(Kind):
    """What a network's outputs mean: a list of names, or the word for one that netdsl has."""

    words = ("imagenet",)
    description = "`imagenet`, or a list of names in quotes, no two alike"

    def convert(self, value: object) -> object:
        if value in self.words:
            return value
        if not isinstance(value, (list, tuple)) or len(value) < 2:
            raise self.reject(value)
        if not all(isinstance(name, str) and name for name in value):
            raise self.reject(value)
        if len(set(value)) != len(value):
            raise self.reject(value)
        return tuple(value)

    def show(self, value: object) -> str:
        if not isinstance(value, tuple):
            return "none" if value is None else str(value)
        return "[" + ", ".join(f'"{name}"' for name in value) + "]"


class Fraction(Number):
    """A number from 0 up to, not including, 1."""

    def __init__(self) -> None:
        super().__init__(0, 1)
        self.description = "a number from 0 up to, not including, 1"

    def convert(self, value: object) -> object:
        if value == 1:
            raise self.reject(value)
        return super().convert(value)


class Share(Number):
    """A number above 0, up to 1."""

    def __init__(self) -> None:
        super().__init__(0, 1)
        self.description = "a number above 0, up to 1"

    def convert(self, value: object) -> object:
        if value == 0:
            raise self.reject(value)
        return super().convert(value)


class Text(Kind):
    description = "a text in quotes"

    def convert(self, value: object) -> object:
        if not isinstance(value, str) or not value:
            raise self.reject(value)
        return value

    def show(self, value: object) -> str:
        return "none" if value is None else f'"{value}"'


class Selected(Kind):
    """A record of one of `choices`, already built."""

    def __init__(self, choices: tuple[type[Option], ...]) -> None:
        self.choices = choices
        self.description = "one of " + ", ".join(f"`{choice.name}`" for choice in choices)

    def convert(self, value: object) -> object:
        if not isinstance(value, self.choices):
            raise self.reject(value)
        return value

    def show(self, value: object) -> str:
        return repr(value)


class Chain(Kind):
    """Records of `choices` that apply in order."""

    def __init__(self, choices: tuple[type[Option], ...]) -> None:
        self.choices = choices
        self.description = "one or several, joined by `->`, or `none`"

    def convert(self, value: object) -> object:
        if not isinstance(value, tuple) or not all(isinstance(x, self.choices) for x in value):
            raise self.reject(value)
        return value

    def contradiction(self, options: tuple[Option, ...]) -> str:
        """What makes them impossible together; "" where nothing does."""
        return ""

    def show(self, value: object) -> str:
        assert isinstance(value, tuple)
        return " -> ".join(repr(each) for each in value) or "none"
