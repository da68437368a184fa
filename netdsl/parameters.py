"""Records of documented parameters: operators, optimizers, schedules and augmentations are such.

The declaration of a parameter feeds argument checks, `netdsl explain`, completion and the
reference page, so it is written once.
"""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple, Self, dataclass_transform

from netdsl.kinds import Kind


class _Required:
    def __repr__(self) -> str:
        return "required"


REQUIRED = _Required()


class Parameter(NamedTuple):
    """One documented argument: what it means with its unit, what values it takes, its default."""

    documentation: str
    kind: Kind
    default: object = REQUIRED
    name: str = ""

    @property
    def required(self) -> bool:
        return self.default is REQUIRED

    @property
    def default_text(self) -> str:
        return "" if self.required else self.kind.show(self.default)


def param(documentation: str, kind: Kind, default: Any = REQUIRED) -> Any:
    """Declare a parameter of a `Documented` class; `default` is a stored (converted) value."""
    return Parameter(documentation, kind, default)


@dataclass_transform(frozen_default=True, field_specifiers=(param,))
class Documented:
    """Base of such records: immutable, compared by class and values.

    The parameters of a subclass are its class attributes made with `param`, in order, after
    inherited ones. (Not dataclasses: defining sixty of those takes 40 ms of each command's start.)
    """

    name: ClassVar[str] = ""
    """The word that calls it in a program; "" for a base class."""
    parameters: ClassVar[dict[str, Parameter]] = {}

    def __init_subclass__(cls) -> None:
        parameters = dict(cls.parameters)
        for key, value in list(vars(cls).items()):
            if isinstance(value, Parameter):
                parameters[key] = value._replace(name=key)
                delattr(cls, key)
        cls.parameters = parameters

    def __init__(self, *values: Any, **named: Any) -> None:
        """Convert and store argument values.

        Raises TypeError for a missing, unknown or doubled one and ValueError from its kind; the
        stages bind with `netdsl.bind`, which makes diagnostics of these instead.
        """
        cls = type(self)
        if len(values) > len(cls.parameters):
            raise TypeError(f"{cls.name} takes {len(cls.parameters)} arguments, not {len(values)}")
        given = dict(zip(cls.parameters, values, strict=False))
        for key, value in named.items():
            if key not in cls.parameters or key in given:
                raise TypeError(f"{cls.name} has no argument {key!r}, or got it twice")
            given[key] = value
        for key, parameter in cls.parameters.items():
            if key in given:
                self.__dict__[key] = parameter.kind.convert(given[key])
            elif parameter.required:
                raise TypeError(f"{cls.name} needs the argument {key!r}")
            else:
                self.__dict__[key] = parameter.default

    @classmethod
    def bound(cls, values: dict[str, object]) -> Self:
        """A record of values that `netdsl.bind` has converted, one for each parameter."""
        record = cls.__new__(cls)
        record.__dict__.update(values)
        return record

    def __setattr__(self, key: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__} is immutable")

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.__dict__ == other.__dict__

    def __hash__(self) -> int:
        return hash((type(self), *self.__dict__.values()))

    def __repr__(self) -> str:
        return self.text()

    def text(self) -> str:
        """As a program would write it, with each argument that is not at its default."""
        shown = [
            f"{key} = {parameter.kind.show(self.__dict__[key])}"
            for key, parameter in type(self).parameters.items()
            if parameter.required or self.__dict__[key] != parameter.default
        ]
        return f"{self.name}({', '.join(shown)})" if shown else self.name
