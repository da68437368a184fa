"""Questions about a network's layers, and what their answers are worth."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from netdsl.derivation import Step
from netdsl.teach.lesson import Layer, Lesson
from netdsl.teach.show import equation, label

TRIES = 2
"""Answers to one question before it is told."""


class Question(NamedTuple):
    """What is asked of a layer; `answer` is a shape or a count, `steps` what leads to it."""

    layer: Layer
    measure: str
    answer: tuple[int, ...]
    steps: tuple[Step, ...]

    def is_right(self, given: str) -> bool:
        """Whether `given` says the answer; raises ValueError where it says nothing of its kind."""
        if self.measure == "shape":
            return read_shape(given) == self.answer
        low, high = read_count(given)
        return low <= self.answer[0] <= high

    @property
    def text(self) -> str:
        if self.measure == "shape":
            return "×".join(map(str, self.answer))
        return f"{self.answer[0]:,}"


class Score(NamedTuple):
    asked: int = 0
    right: int = 0
    at_once: int = 0


def questions(lesson: Lesson) -> list[Question]:
    """All that can be asked: sizes that the input leaves open can't."""
    found = []
    for layer in lesson.layers:
        output = tuple(size for size in layer.cost.node.type.shape if isinstance(size, int))
        axes = ("height", "width", "channels", "tokens", "features")
        sizes = tuple(step for step in layer.steps if step.measure.startswith(axes))
        if sizes and len(output) == len(layer.cost.node.type.shape):
            found.append(Question(layer, "shape", output, sizes))
        for step in layer.steps:
            if step.measure in ("weights", "macs") and step.formula is not None:
                value = step.formula.value
                if isinstance(value, int):
                    found.append(Question(layer, step.measure, (value,), (step,)))
    return found


def read_shape(given: str) -> tuple[int, ...]:
    """28x28x6, 28×28×6, (28, 28, 6) or 28 28 6; raises ValueError."""
    text = given.strip().strip("()[]").lower()
    parts = [part for part in re.split(r"[\s×x*·,;]+", text) if part]
    if not parts or not all(part.isdecimal() and len(part) < 20 for part in parts):
        raise ValueError("is no shape such as 28x28x6")
    return tuple(map(int, parts))


_COUNT = re.compile(r"(\d[\d,_ '\u202f]*)(\.\d+)?\s*([kmgt]?)", re.IGNORECASE)
_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}


def read_count(given: str) -> tuple[float, float]:
    """The smallest and largest number that 1020, 1,020 or 1.02K stands for; raises ValueError.

    What is written with a unit may be rounded to three digits or more.
    """
    match = _COUNT.fullmatch(given.strip())
    if match is None or len(given) > 40:
        raise ValueError("is no number such as 1,020 or 1.02K")
    digits = re.sub(r"\D", "", match[1])
    fraction = (match[2] or "")[1:]
    unit = _UNITS[match[3].lower()]
    value = int(digits + fraction) * unit / 10 ** len(fraction)
    rounded = unit > 1 and len((digits + fraction).lstrip("0")) >= 3
    slack = 0.5 * unit / 10 ** len(fraction) if rounded else 0.0
    return value - slack, value + slack


def hint(question: Question, given: str) -> str:
    """What a wrong answer shows, and the formula with which to try again."""
    wrong = ""
    if question.measure == "shape":
        try:
            shape = read_shape(given)
        except ValueError as error:
            wrong = f"`{given.strip()}` {error}"
        else:
            if len(shape) != len(question.answer):
                wrong = f"the output has {len(question.answer)} sizes"
            elif shape[:-1] == question.answer[:-1]:
                wrong = "height and width are right, the channels are not" if len(shape) > 1 else ""
            elif shape[-1] == question.answer[-1]:
                wrong = "the channels are right, height or width are not"
    else:
        wrong = _near(question, given)
    formulas = []
    for step in question.steps:
        if step.formula is not None:
            # Without the result, and without the numbers where they are the result.
            parts = [part for part in equation(step) if part != step.symbol][:-1]
            if parts:
                formulas.append(f"{label(step.measure)}: {' = '.join(parts)}")
    return "\n    ".join(filter(None, [wrong or "try again", *formulas]))


def _near(question: Question, given: str) -> str:
    (answer,) = question.answer
    try:
        low, high = read_count(given)
    except ValueError as error:
        return f"`{given.strip()}` {error}"
    cost = question.layer.cost
    output = cost.node.type.channels
    if question.measure == "weights" and isinstance(output, int):
        if low <= answer - output <= high:
            return "the biases are missing"
        if low <= answer + output <= high:
            return "these have a bias for each output, but the layer has none"
    if question.measure == "macs" and low <= 2 * answer <= high:
        return "a multiplication with its addition counts once"
    return "too many" if low > answer else "too few"


def run(
    asked: list[Question], read: Callable[[str], str | None], write: Callable[[str], None]
) -> Score:
    """Ask each question until it is answered, given up with an empty line, or tried enough.

    `read` shows a prompt and gives the line typed, None at the end of the input.
    """
    score = Score()
    layer: Layer | None = None
    for question in asked:
        if question.layer is not layer:
            layer = question.layer
            enters = ", ".join(map(str, layer.inputs))
            write(f"\n{layer.path}  {layer.call}\n  the input is {enters}")
        tries = _ask(question, read, write)
        if tries is None:
            break
        score = Score(score.asked + 1, score.right + (tries > 0), score.at_once + (tries == 1))
    return score


def _ask(
    question: Question, read: Callable[[str], str | None], write: Callable[[str], None]
) -> int | None:
    """The number of the try that was right, 0 for none; None where the input ended."""
    prompt = "output's shape" if question.measure == "shape" else label(question.measure)
    for number in range(1, TRIES + 1):
        given = read(f"  {prompt}? ")
        if given is None:
            return None
        if not given.strip():
            break
        try:
            right = question.is_right(given)
        except ValueError:
            right = False
        if right:
            write(f"  right: {question.text}")
            return number
        if number < TRIES:
            write(f"  not quite: {hint(question, given)}")
    write(f"  it is {question.text}")
    for step in question.steps:
        if step.formula is not None:
            write(f"    {label(step.measure)}: {' = '.join(equation(step))}")
    return 0
