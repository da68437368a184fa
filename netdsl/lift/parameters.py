"""The parameters of a block, found where the modules that it stands for differ."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

from netdsl.kinds import Integer, Kind, WindowKind
from netdsl.lift.steps import ACTIVATION, Hole, Layer, Residual, Step, Steps, Text, with_bodies
from netdsl.lift.traced import Path
from netdsl.ops import OPERATORS
from netdsl.parameters import REQUIRED
from netdsl.tensor import Window

RESERVED = frozenset(
    (
        *("residual", "shortcut", "else", "concat", "add", "mul", "max", "aux", "repeat", "for"),
        *("if", "network", "block", "let", "default", "input", "from", "import", "assert"),
        *("claim", "recipe", "in", "as", "and", "or", "not", "true", "false", "out"),
    )
)
"""Words of the language, which nothing can be called."""


BLOCK = Kind()
"""The kind of a parameter that takes an operator; its values are their words."""


class BlockParameter(NamedTuple):
    """A parameter of a lifted block; `values` in each instance, None where it has no use of it."""

    name: str
    kind: Kind | None
    values: tuple[object, ...]
    default: object


class Parameters:
    """The parameters of one block, found where its instances differ."""

    def __init__(
        self,
        entering: tuple[object, ...],
        labels: set[str],
        kind_of: Callable[[str, str], Kind | None],
        *,
        by_place: bool = False,
    ) -> None:
        self.entering = entering
        self.labels = labels
        self.kind_of = kind_of
        self.by_place = by_place
        self.found: list[BlockParameter] = []

    @property
    def sized(self) -> int:
        """How many of them are widths."""
        return sum(_is_width(each) and each.name != "expand" for each in self.found)

    def finished(self) -> tuple[BlockParameter, ...]:
        """Those without a default first."""
        finished = []
        for each in self.found:
            common, count = Counter(v for v in each.values if v is not None).most_common(1)[0]
            unneeded = any(value is None for value in each.values)
            if unneeded or (2 * count > len(each.values) and not _is_needed(each)):
                each = each._replace(default=common)
            finished.append(each)
        return tuple(sorted(finished, key=lambda each: each.default is not REQUIRED))

    def filled(self, steps: Steps) -> Steps:
        """A template with expressions in its holes, and conditions on its residuals."""
        made: list[Step] = []
        for step in steps:
            match step:
                case Layer(word, ((_, Hole(values)),)) if word == ACTIVATION:
                    step = Layer(self.activation(values))
                case Layer(word, arguments, key):
                    step = Layer(word, self.arguments(word, arguments, key), key)
                case Residual():
                    step = self.residual(step)
                case _:
                    step = with_bodies(step, self.filled)
            made.append(step)
        return tuple(made)

    def arguments(
        self, word: str, arguments: tuple[tuple[str, object], ...], key: Path
    ) -> tuple[tuple[str, object], ...]:
        made: list[tuple[str, object]] = []
        for name, value in arguments:
            if isinstance(value, Hole):
                earlier = dict(made)
                value = self.text(value.values, word, name, key, earlier)
            made.append((name, value))
        return tuple(made)

    def text(
        self,
        values: tuple[object, ...],
        word: str,
        name: str,
        key: Path,
        earlier: dict[str, object],
    ) -> Text:
        """The expression for an argument: of what is known, or a parameter of its own."""
        for each in self.found:
            if _same(values, each.values):
                return Text(each.name)
        if name == "pad":
            for each in self.found:
                if _same(values, tuple(map(_half, each.values))):
                    return Text(f"{each.name} // 2")
        bases = [("in.channels", self.entering)]
        bases += [(each.name, each.values) for each in self.found]
        if all(type(each) is int for each in values if each is not None):
            for base, these in bases:
                if _same(values, these):
                    return Text(base)
            for base, these in bases:
                text = _multiple(values, base, these)
                if text:
                    return Text(text)
            factors = _factors(values, self.entering)
            if len(set(factors)) < len(set(values)) and 1 not in factors:
                expand = BlockParameter(self.new_name("expand", ()), Integer(1), factors, REQUIRED)
                self.found.append(expand)
                return Text(f"{expand.name} * in.channels")
        kind = self.kind_of(word, name)
        parameter = BlockParameter(self.new_name(name, key), kind, values, REQUIRED)
        self.found.append(parameter)
        return Text(parameter.name)

    def activation(self, values: tuple[object, ...]) -> str:
        for each in self.found:
            if each.kind is BLOCK and _same(values, each.values):
                return each.name
        parameter = BlockParameter(self.new_name("act", ()), BLOCK, values, REQUIRED)
        self.found.append(parameter)
        return parameter.name

    def new_name(self, argument: str, key: Path) -> str:
        taken = {each.name for each in self.found} | RESERVED | set(OPERATORS) | self.labels
        sized = argument in ("filters", "features")
        argument = _RENAMED.get(argument, argument)
        candidates = [argument]
        place = "_".join(key).lower()
        if place[:1].isalpha():
            named = [f"{place}_{argument}"]
            if sized:
                named.insert(0, place)
            at = 0 if sized and self.by_place else 1
            candidates[at:at] = named
        candidates += [f"{argument}{number}" for number in range(2, 200)]
        return next(each for each in candidates if each not in taken)

    def residual(self, step: Residual) -> Residual:
        assert isinstance(step.adds, Hole) and isinstance(step.reshapes, Hole)
        body = self.filled(step.body)
        shortcut = None if step.shortcut is None else self.filled(step.shortcut)
        adds = tuple(step.adds.values)
        condition = "" if all(each is not False for each in adds) else self.condition(adds)
        known = [each for each in step.reshapes.values if isinstance(each, tuple)]
        mixed = shortcut is not None and not all(each[0] for each in known)
        shortcut_condition = "in.shape != out.shape" if mixed else ""
        return Residual(body, shortcut, None, None, condition, shortcut_condition)

    def condition(self, wanted: tuple[object, ...]) -> str:
        """An expression that is true for the instances where something is added."""
        ones = [each for each in self.found if _last(each.name) == "stride"]
        tests = [
            (f"{each.name} == 1", tuple(v == Window(1, 1) for v in each.values)) for each in ones
        ]
        for each in self.found:
            if all(type(v) is int for v in each.values):
                equal = tuple(a == b for a, b in zip(self.entering, each.values, strict=True))
                tests.append((f"in.channels == {each.name}", equal))
        # Both together, as the shapes ask for it, also where one alone would do here.
        for index, (first, values) in enumerate(tests):
            for second, others in tests[index + 1 :]:
                both = tuple(a and b for a, b in zip(values, others, strict=True))
                if _same(wanted, both):
                    return f"{first} and {second}"
        for first, values in tests:
            if _same(wanted, values):
                return first
        name = self.new_name("adds", ())
        self.found.append(BlockParameter(name, None, wanted, REQUIRED))
        return name


def _is_width(parameter: BlockParameter) -> bool:
    return isinstance(parameter.kind, Integer) and _last(parameter.name) not in _USUALLY_ONE


def _is_needed(parameter: BlockParameter) -> bool:
    """Whether a reader expects it at each call: widths and windows."""
    return _is_width(parameter) or type(parameter.kind) is WindowKind


_RENAMED = {"pad": "padding", "scale": "scaled"}
"""Parameters of blocks that can't be called as the argument they are for, which is an operator."""
_USUALLY_ONE = frozenset({"groups", "multiplier", "stride", "dilation"})


def _last(name: str) -> str:
    return name.rpartition("_")[2]


def _same(values: tuple[object, ...], others: tuple[object, ...]) -> bool:
    """Whether two arguments agree wherever both are used, and the second wherever the first is."""
    return all(
        a is None or (a == b and type(a) is type(b)) for a, b in zip(values, others, strict=True)
    )


def _half(kernel: object) -> object:
    if not isinstance(kernel, Window):
        return None
    height, width = kernel.height // 2, kernel.width // 2
    return (height, height), (width, width)


def _factors(values: tuple[object, ...], entering: tuple[object, ...]) -> tuple[object, ...]:
    """What each width is, divided by the channels that enter; `values` where one is no multiple."""
    factors: list[object] = []
    for width, channels in zip(values, entering, strict=True):
        if type(width) is not int or type(channels) is not int or width % channels:
            return values
        factors.append(width // channels)
    return tuple(factors)


def _multiple(values: tuple[object, ...], base: str, these: tuple[object, ...]) -> str:
    known = [(a, b) for a, b in zip(values, these, strict=True) if a is not None]
    pairs = [(a, b) for a, b in known if type(a) is int and type(b) is int and b]
    if len(pairs) < len(known):
        return ""
    a, b = pairs[0]
    if a % b == 0:
        factor = a // b
        return f"{factor} * {base}" if all(x == factor * y for x, y in pairs) else ""
    if b % a == 0:
        factor = b // a
        return f"{base} // {factor}" if all(x * factor == y for x, y in pairs) else ""
    return ""
