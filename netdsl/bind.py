"""Match the arguments of a call with declared parameters."""

from __future__ import annotations

from typing import NamedTuple

from netdsl.diagnostics import (
    Diagnostic,
    Edit,
    Fault,
    Fix,
    Label,
    NearNames,
    did_you_mean,
    known_elsewhere,
)
from netdsl.kinds import Boolean, Integers, WindowKind
from netdsl.parameters import REQUIRED, Parameter
from netdsl.source import Span
from netdsl.tensor import Window


class Given(NamedTuple):
    """One evaluated argument; `name` is None for a positional one."""

    name: str | None
    value: object
    span: Span


_ENTERING = "what enters is known, and not given"
_ACTIVATION = "an activation is a step of its own: `conv(64, 3x3) -> relu`"
_FOREIGN = {
    **dict.fromkeys(
        ("act", "act_layer", "activation", "activation_fn", "nonlinearity"), _ACTIVATION
    ),
    "in_channels": _ENTERING,
    "in_features": _ENTERING,
    "input_shape": "the size of the image stands in `input image[height, width, channels]`",
}
"""Arguments of other tools that have no like here, with what to do."""

TRUTHS = {
    **dict.fromkeys(("none", "null", "nil", "no", "off"), "false"),
    **dict.fromkeys(("yes", "on"), "true"),
}
"""What other tools write for true and false, or for nothing at all."""

_FEWEST_FILTERS = 8
NO_FILTERS = "has no number of filters"


def assign(
    names: tuple[str, ...], arguments: list[Given], what: str, span: Span
) -> dict[str, Given]:
    """Each argument under the parameter that takes it: positional ones in order, then by name.

    `what` is the callee for messages, such as `conv`. Raises Fault: too many, unknown, or twice.
    """
    assigned: dict[str, Given] = {}
    for position, argument in enumerate(arguments):
        if argument.name is None:
            if position >= len(names):
                takes = f"at most {len(names)}" if names else "no"
                noun = "argument" if len(names) == 1 else "arguments"
                raise Fault(
                    Diagnostic(
                        "too-many-arguments",
                        f"`{what}` takes {takes} {noun}; this is number {position + 1}",
                        argument.span,
                        help=f"it takes {_listing(names)}" if names else "",
                    )
                )
            name = names[position]
        elif argument.name in names:
            name = argument.name
        else:
            raise Fault(
                Diagnostic(
                    "unknown-argument",
                    f"`{what}` has no argument `{argument.name}`",
                    argument.span,
                    help=_FOREIGN.get(argument.name)
                    or did_you_mean(argument.name, names)
                    or f"it takes {_listing(names) or 'no arguments'}",
                )
            )
        if name in assigned:
            raise Fault(
                Diagnostic(
                    "argument-twice",
                    f"`{name}` of `{what}` is given twice",
                    argument.span,
                    label=""
                    if argument.name
                    else f"argument {position + 1} is `{name}` by position",
                    labels=(Label(assigned[name].span, "first here"),),
                )
            )
        assigned[name] = argument
    return assigned


def bind(
    parameters: dict[str, Parameter], arguments: list[Given], what: str, span: Span
) -> tuple[dict[str, object], dict[str, Span]]:
    """The converted value of each parameter, and the place of each that was given.

    Raises Fault as `assign` does, and for one that is missing or not of its kind.
    """
    together = misread(parameters, arguments, what)
    if together is not None:
        raise together
    assigned = assign(tuple(parameters), arguments, what, span)
    values: dict[str, object] = {}
    missing: Fault | None = None
    for name, parameter in parameters.items():
        given = assigned.get(name)
        if given is None:
            if parameter.default is REQUIRED:
                # What is given and wrong goes first.
                missing = missing or missing_argument(
                    what, name, parameter.documentation, span, tuple(parameters)
                )
            values[name] = parameter.default
            continue
        try:
            values[name] = parameter.kind.convert(given.value)
        except ValueError as error:
            raise Fault(
                Diagnostic(
                    "argument-value",
                    f"`{name}` of `{what}` {error}",
                    given.span,
                    help=_elsewhere(given.span.text, parameter)
                    or _shadowed(given, parameter)
                    or _with_point(given.value)
                    or f"{name}: {parameter.documentation}",
                )
            ) from None
    if missing is not None:
        raise missing
    return values, {name: given.span for name, given in assigned.items()}


def misread(parameters: dict[str, Parameter], arguments: list[Given], what: str) -> Fault | None:
    """What arguments are all together, where each by itself would be told wrongly."""
    counted = _filters_counted(parameters, arguments, what)
    return _spread_out(parameters, arguments, what) if counted is None else counted


def _filters_counted(
    parameters: dict[str, Parameter], arguments: list[Given], what: str
) -> Fault | None:
    """That filters are counted where a layer keeps the channels: `depthwise(64, 3x3)`, which would
    be a window of 64x64 that steps by 3.

    Only a large even number before a smaller odd size is so meant: others may be a window and a
    step, as what is given by name always is.
    """
    names = list(parameters)[:2]
    if min(len(names), len(arguments)) < 2:
        return None
    if not all(isinstance(parameters[each].kind, WindowKind) for each in names):
        return None
    count, window = arguments[:2]
    number, sides = count.value, window.value
    if count.name or window.name or not isinstance(number, int) or not isinstance(sides, Window):
        return None
    if (
        number < _FEWEST_FILTERS
        or number % 2
        or not 1 < max(sides) < number
        or not all(side % 2 for side in sides)
    ):
        return None
    first, second = names
    return Fault(
        Diagnostic(
            "argument-value",
            f"`{what}` {NO_FILTERS}: {number} would be its `{first}`, and {sides} its `{second}`",
            count.span,
            help=f"it keeps the channels that enter: `{what}({window.span.text})`",
        )
    )


def _spread_out(
    parameters: dict[str, Parameter], arguments: list[Given], what: str
) -> Fault | None:
    """That numbers are given one by one where a layer takes a list: `reshape(16, 16, 256)`."""
    takes_list = [isinstance(each.kind, Integers) for each in parameters.values()] == [True]
    if not takes_list or len(arguments) < 2 or any(each.name for each in arguments):
        return None
    if any(isinstance(each.value, (list, tuple, str)) for each in arguments):
        return None
    if any(each.span.text.startswith(("[", '"')) for each in arguments):
        return None  # Its value may not be known.
    first, last = arguments[0].span, arguments[-1].span
    whole = first._replace(end=last.end)
    (name,) = parameters
    edits = Edit(first._replace(end=first.start), "["), Edit(last._replace(start=last.end), "]")
    message = f"`{name}` of `{what}` is one list; these are {len(arguments)} values"
    help = "a list stands in brackets"
    fix = Fix("put them in brackets", edits, False)
    return Fault(Diagnostic("too-many-arguments", message, whole, help=help, fixes=(fix,)))


_MISTAKES = 10
"""How many mistakes of one call are looked for."""


def mistakes(
    parameters: dict[str, Parameter], arguments: list[Given], what: str, span: Span
) -> list[Fault]:
    """All that `bind` refuses of arguments, each as if those before were mended.

    That one is missing is only said where nothing else is wrong; after many, the rest is not looked
    at.
    """
    together = misread(parameters, arguments, what)
    if together is not None:
        return [together]
    names = tuple(parameters)
    # By name, so that one can be left out without another taking its place.
    left = [
        each._replace(name=names[position]) if each.name is None and position < len(names) else each
        for position, each in enumerate(arguments)
    ]
    found: list[Fault] = []
    while len(found) < _MISTAKES:
        try:
            bind(parameters, left, what, span)
            return found
        except Fault as fault:
            kept = [each for each in left if each.span != fault.diagnostic.span]
            if len(kept) == len(left):  # One is missing.
                return found or [fault]
            found.append(fault)
            left = kept
    return found


def _elsewhere(argument: str, parameter: Parameter) -> str:
    """Help where an argument is a word that other tools have for one that the parameter takes."""
    word = argument.rpartition("=")[2].strip().strip("\"'")
    name = parameter.kind.elsewhere.get(word.lower().strip("_"))
    return "" if name is None else known_elsewhere(word, name)


def _shadowed(given: Given, parameter: Parameter) -> str:
    """Help where a word that the parameter takes is the name of something else here."""
    word = given.span.text.rpartition("=")[2].strip()
    if word not in parameter.kind.words:
        return ""
    return f'`{word}` is the name of another value here; the word itself is `"{word}"`'


def _with_point(value: object) -> str:
    """Help where a list has a number such as 16.0, which is shown like a whole one."""
    if isinstance(value, (list, tuple)):
        for each in value:
            if isinstance(each, float) and each.is_integer():
                return f"{each} in it is no whole number; `//` divides whole numbers into one"
    return ""


def with_choices(diagnostic: Diagnostic, name: str, parameter: Parameter) -> Diagnostic:
    """An unknown word, with those that the parameter takes where it takes some."""
    truth = TRUTHS.get(diagnostic.span.text.lower())
    if diagnostic.code == "unknown-name" and truth and isinstance(parameter.kind, Boolean):
        return diagnostic._replace(help=f"write `{name} = {truth}`")
    if diagnostic.code != "unknown-name" or not parameter.kind.words:
        return diagnostic
    near = _elsewhere(diagnostic.span.text, parameter)
    near = near or did_you_mean(diagnostic.span.text, parameter.kind.words)
    help = near if isinstance(near, NearNames) else f"`{name}` is {parameter.kind.description}"
    return diagnostic._replace(help=help)


def missing_argument(
    what: str, name: str, documentation: str, span: Span, names: tuple[str, ...] = ()
) -> Fault:
    """A Fault that names the argument, and all `names` where there are more."""
    means = f" ({documentation})" if documentation else ""
    help = f"it takes {_listing(names)}" if len(names) > 1 else ""
    message = f"`{what}` needs the argument `{name}`{means}"
    return Fault(Diagnostic("missing-argument", message, span, help=help))


def _listing(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names)
