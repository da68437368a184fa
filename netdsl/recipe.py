"""Read a recipe: its settings, with what the command line overrides, as records."""

from __future__ import annotations

from typing import Any, NamedTuple, cast

from netdsl import syntax
from netdsl.bind import Given, bind
from netdsl.diagnostics import Diagnostic, Fault, Label, did_you_mean
from netdsl.evaluate import evaluate
from netdsl.exits import WRONG_USAGE, Failure
from netdsl.kinds import Kind
from netdsl.parse import parse
from netdsl.recipe_kinds import Chain, Duration, Option, Selected, Text
from netdsl.scope import Scope, UnknownValue
from netdsl.settings import WORDS, Adam, Optimizer, Schedule, Settings
from netdsl.source import Source, Span

UNSUPPORTED = ("weights", "freeze", "unfreeze")
"""Settings that a recipe may have but `netdsl train` can't follow yet; nor can it `then` phases."""


_CHOSEN = {"augment": "augmentation", "preprocess": "preprocessing"}
"""What one of a setting's choices is called, where it is not as the setting."""


_ARGUMENTS = {
    **dict.fromkeys(("learning_rate", "lr", "rate"), "optimizer adam(rate = {})"),
    "momentum": "optimizer sgd(momentum = {})",
    "weight_decay": "optimizer adamw(weight_decay = {})",
    "warmup": "schedule cosine(warmup = {})",
}
"""What other tools have beside the optimizer or the schedule, and these have as an argument here;
with a place for its value."""


def _argument_of(setting: syntax.Setting) -> str:
    """The help for a setting that is an argument of another one, "" for others."""
    written = _ARGUMENTS.get(setting.name)
    if written is None:
        return ""
    value = setting.values[0].span.text if len(setting.values) == 1 else "…"
    owner = written.partition(" ")[0]
    return f"it is an argument of the {owner}: `{written.format(value)}`"


class Recipe(NamedTuple):
    """How a network is trained.

    `arguments` are those that the recipe gives its network (`for mobilenet_v2(classes = 2)`).
    `given` are the settings that the recipe or the command line wrote; the others have their
    defaults. `unsupported` says, where it was written, what training can't follow.
    """

    name: str
    network: str
    arguments: dict[str, Given]
    settings: Settings
    given: tuple[str, ...]
    unsupported: tuple[Diagnostic, ...]


class UnknownRecipe(Failure):
    """There is no such recipe, or several; the message says which there are."""

    exit_code = WRONG_USAGE


def choose_recipe(recipes: tuple[syntax.Recipe, ...], wanted: str | None) -> syntax.Recipe | None:
    """The recipe of that name; without one the only recipe, or None where there is none.

    Raises UnknownRecipe.
    """
    names = tuple(recipe.name for recipe in recipes)
    if wanted is not None:
        for recipe in recipes:
            if recipe.name == wanted:
                return recipe
        help = did_you_mean(wanted, names) or "the file has none for this network"
        raise UnknownRecipe(f"there is no recipe `{wanted}` for this network; {help}")
    if len(recipes) > 1:
        raise UnknownRecipe(
            f"this network has {len(recipes)} recipes: choose one with "
            + " or ".join(f"--recipe {name}" for name in names)
        )
    return recipes[0] if recipes else None


def read_override(name: str, text: str) -> tuple[syntax.Setting | None, tuple[Diagnostic, ...]]:
    """The setting `name` as the command line writes it: `--optimizer 'adam(1e-3)'`.

    A text, such as the path of data, has no quotes there.
    """
    if isinstance(Settings.parameters[name].kind, Text):
        whole = Source(f"--{name}", text).span(0, len(text))
        constant = syntax.Constant(text, whole)
        return syntax.Setting(name, whole, (constant,), (), None, whole), ()
    source = Source(f"--{name}", f"recipe command_line for network_ {{\n  {name} {text}\n}}\n")
    tree, diagnostics = parse(source)
    if tree is None or diagnostics:
        return None, diagnostics
    match tree.declarations:
        case (syntax.Recipe(settings=(setting,), phases=()),) if setting.name == name:
            return setting, ()
    span = Span(source, source.text.index(text), source.text.index(text) + len(text))
    return None, (
        Diagnostic("setting-value", f"`--{name}` takes the value of that one setting", span),
    )


def read_recipe(
    recipe: syntax.Recipe | None,
    scope: Scope,
    overrides: tuple[syntax.Setting, ...] = (),
) -> tuple[Recipe | None, tuple[Diagnostic, ...]]:
    """A recipe with `overrides` in place of its settings of the same names.

    Without a recipe the defaults of `Settings` are it. None where something is wrong.
    """
    reading = _Reading(scope)
    arguments = {}
    if recipe is not None:
        arguments = reading.arguments(recipe.arguments)
        reading.settings(recipe.settings, recipe.phases)
        for phase in recipe.phases:
            reading.phase(phase)
    for override in overrides:
        reading.setting(override)
    settings = reading.finish()
    if settings is None:
        return None, tuple(reading.diagnostics)
    return (
        Recipe(
            "default" if recipe is None else recipe.name,
            "" if recipe is None else recipe.network,
            arguments,
            settings,
            tuple(reading.values),
            tuple(reading.unsupported),
        ),
        tuple(reading.diagnostics),
    )


class _Reading:
    """Settings on their way to records, with what was wrong with them."""

    def __init__(self, scope: Scope) -> None:
        self.scope = Scope(scope)
        for word in WORDS:
            if scope.find(word) is None:
                self.scope.names[word] = word
        self.values: dict[str, object] = {}
        self.places: dict[str, Span] = {}
        self.diagnostics: list[Diagnostic] = []
        self.unsupported: list[Diagnostic] = []
        self.failed = False

    def arguments(self, arguments: tuple[syntax.Argument, ...]) -> dict[str, Given]:
        """What the recipe gives its network. Positional ones have no name to override them by."""
        given: dict[str, Given] = {}
        for argument in arguments:
            try:
                if argument.name is None:
                    raise _fault(
                        "setting-value",
                        "a recipe names the arguments of its network",
                        argument.span,
                        help="write `name = value`",
                    )
                value = evaluate(argument.value, self.scope)
                given[argument.name] = Given(argument.name, value, argument.value.span)
            except Fault as fault:
                self.fail(fault)
            except UnknownValue:
                self.failed = True
        return given

    def settings(
        self, settings: tuple[syntax.Setting, ...], phases: tuple[syntax.Recipe, ...]
    ) -> None:
        """Read all that a recipe sets; what an override will replace must be right all the same."""
        seen: dict[str, Span] = {}
        for setting in settings:
            if setting.name in seen:
                self.fail(
                    _fault(
                        "setting-twice",
                        f"`{setting.name}` is set twice in this recipe",
                        setting.name_span,
                        labels=(Label(seen[setting.name], "first here"),),
                        help="leave one of them out",
                    )
                )
                continue
            seen[setting.name] = setting.name_span
            self.setting(setting)
        for phase in phases:
            self.unsupported.append(
                _unsupported("phases after the first are not trained yet", phase.span)
            )

    def phase(self, phase: syntax.Recipe) -> None:
        """Check a phase by itself: its settings, over whatever came before."""
        inner = _Reading(self.scope)
        inner.settings(phase.settings, ())
        for each in phase.phases:
            inner.phase(each)
        self.diagnostics.extend(inner.diagnostics)
        self.failed |= inner.failed

    def setting(self, setting: syntax.Setting) -> None:
        """Check one setting, and keep its value, in place of one that came before."""
        try:
            if setting.name in UNSUPPORTED:
                self.unsupported.append(
                    _unsupported(f"`{setting.name}` is not followed in training yet", setting.span)
                )
                return
            if setting.name not in Settings.parameters:
                known = (*Settings.parameters, *UNSUPPORTED)
                raise _fault(
                    "unknown-setting",
                    f"a recipe has no setting `{setting.name}`",
                    setting.name_span,
                    help=_argument_of(setting) or did_you_mean(setting.name, known),
                )
            value = self.value(setting)
        except Fault as fault:
            self.fail(fault)
        except UnknownValue:
            self.failed = True
        else:
            self.values[setting.name] = value
            self.places[setting.name] = setting.span

    def value(self, setting: syntax.Setting) -> object:
        """The converted value of a known setting. Raises Fault and UnknownValue."""
        parameter = Settings.parameters[setting.name]
        if setting.exceptions or setting.start is not None:
            word = "except" if setting.exceptions else "from"
            raise _fault("setting-value", f"`{setting.name}` has no `{word}`", setting.span)
        if isinstance(parameter.kind, Chain):
            return self.chain(setting, parameter.kind)
        if len(setting.values) != 1:
            raise _fault(
                "setting-value",
                f"`{setting.name}` takes one value, not {len(setting.values)}",
                setting.span,
                help=f"{setting.name}: {parameter.documentation}",
            )
        value = setting.values[0]
        if isinstance(parameter.kind, Selected):
            return self.option(setting.name, value, parameter.kind.choices)
        return self.convert(setting.name, value, parameter.kind)

    def chain(self, setting: syntax.Setting, kind: Chain) -> object:
        match setting.values:
            case (syntax.Name(name="none"),):
                options: tuple[Option, ...] = ()
            case values:
                options = tuple(self.option(setting.name, value, kind.choices) for value in values)
        contradiction = kind.contradiction(options)
        if contradiction:
            raise _fault("setting-value", contradiction, setting.span)
        return options

    def convert(self, name: str, expression: syntax.Expression, kind: Kind) -> object:
        if isinstance(expression, syntax.Quantity):
            written = expression.value.span.text
            number = written if written.isprintable() and len(written) < 40 else "…"
            raise _fault(
                "setting-value",
                f"`{name}` takes a value without a unit such as `{expression.unit}`",
                expression.span,
                help=f"write `{name} {number}`: {Settings.parameters[name].documentation}",
            )
        value = evaluate(expression, self.scope)
        try:
            return kind.convert(value)
        except ValueError as error:
            raise _fault(
                "setting-value",
                f"`{name}` {error}",
                expression.span,
                help=f"{name}: {Settings.parameters[name].documentation}",
            ) from None

    def option(
        self, setting: str, expression: syntax.Expression, choices: tuple[type[Option], ...]
    ) -> Option:
        """The record that `adam(1e-3)` or a bare `mirror` stands for."""
        match expression:
            case syntax.Apply(name, name_span, arguments, span):
                pass
            case syntax.Name(name, span):
                name_span, arguments = span, ()
            case _:
                listed = ", ".join(f"`{choice.name}`" for choice in choices)
                raise _fault(
                    "setting-value",
                    f"`{setting}` is one of {listed}",
                    expression.span,
                )
        found = {choice.name: choice for choice in choices}.get(name)
        if found is None:
            what = _CHOSEN.get(setting, setting)
            known = tuple(choice.name for choice in choices)
            raise _fault(
                f"unknown-{what}",
                f"there is no {what} `{name}`",
                name_span,
                help=did_you_mean(name, known),
            )
        given = [
            Given(argument.name, self.argument(argument.value), argument.span)
            for argument in arguments
        ]
        values, places = bind(found.parameters, given, name, span)
        option = found(**{key: values[key] for key in places})
        contradiction = option.contradiction()
        if contradiction:
            raise _fault("setting-value", contradiction, span)
        return option

    def argument(self, expression: syntax.Expression) -> object:
        """An argument's value: as in a network, but stretches of training may stand in it."""
        match expression:
            case syntax.Quantity(value, unit):
                numbers = evaluate(value, self.scope)
                if isinstance(numbers, list):
                    return [self.duration(each, unit, value.span) for each in numbers]
                return self.duration(numbers, unit, value.span)
        return evaluate(expression, self.scope)

    def duration(self, number: object, unit: str, span: Span) -> Duration:
        if isinstance(number, bool) or not isinstance(number, (int, float)):
            raise _fault("setting-value", f"`{unit}` follows a number or a list of them", span)
        return Duration(number, unit)

    def finish(self) -> Settings | None:
        """The settings, once the learning rate is given exactly once."""
        if self.failed:
            return None
        schedule = cast(Schedule | None, self.values.get("schedule"))
        optimizer = cast(Optimizer | None, self.values.get("optimizer"))
        peak = None if schedule is None else schedule.peak
        if optimizer is None and peak is not None:
            # The default optimizer, without the rate that it has by default.
            self.values["optimizer"] = Adam()
        elif optimizer is not None and optimizer.rate is not None and peak is not None:
            self.fail(
                _fault(
                    "rate-twice",
                    f"the learning rate is given twice: rate = {optimizer.rate:g} here, "
                    f"and peak = {peak:g} in the schedule",
                    self.places["optimizer"],
                    labels=(Label(self.places["schedule"], "also here"),),
                    help="leave one of them out",
                )
            )
        elif optimizer is not None and optimizer.rate is None and peak is None:
            self.fail(
                _fault(
                    "rate-missing",
                    f"`{optimizer.name}` has no learning rate, and the schedule no peak",
                    self.places["optimizer"],
                    help=f"write for instance `{optimizer.name}(1e-3)`",
                )
            )
        if self.failed:
            return None
        settings = Settings(**cast(dict[str, Any], self.values))
        warmup = settings.schedule.warmup
        if warmup.unit == "epochs" and warmup.value >= settings.epochs:
            self.diagnostics.append(
                Diagnostic(
                    "warmup-too-long",
                    f"the warm-up of {warmup} takes the whole run of {settings.epochs} epochs",
                    self.places["schedule"],
                    severity="warning",
                )
            )
        return settings

    def fail(self, fault: Fault) -> None:
        self.diagnostics.append(fault.diagnostic)
        self.failed = True


def _fault(
    code: str, message: str, span: Span, *, help: str = "", labels: tuple[Label, ...] = ()
) -> Fault:
    return Fault(Diagnostic(code, message, span, help=help, labels=labels))


def _unsupported(message: str, span: Span) -> Diagnostic:
    return Diagnostic(
        "setting-unsupported",
        message,
        span,
        help="train with a recipe that has neither `weights`, `freeze` nor `then`",
    )
