"""Immutable records that are quick to define: tuples with names for their fields.

`typing.NamedTuple` does the same, but compiles every annotation, which for the forty records of
the syntax tree takes a tenth of a command's time.
"""

from __future__ import annotations

from _collections import _tuplegetter  # type: ignore[import-not-found]  # As namedtuple has it.
from collections.abc import Iterator
from typing import Any, ClassVar, Self, dataclass_transform


@dataclass_transform(frozen_default=True)
class Record(tuple[Any, ...]):
    """Base of records; the annotated names of a subclass are its fields, in order, none inherited.

    A field may have a default. Records compare as tuples do.
    """

    __slots__ = ()
    _fields: ClassVar[tuple[str, ...]] = ()
    _defaults: ClassVar[dict[str, Any]] = {}

    def __init_subclass__(cls) -> None:
        cls._fields = tuple(cls.__annotations__)
        cls._defaults = {name: cls.__dict__[name] for name in cls._fields if name in cls.__dict__}
        setattr(cls, "__match_args__", cls._fields)  # noqa: B010, mypy lets nobody assign it
        for position, name in enumerate(cls._fields):
            setattr(cls, name, _tuplegetter(position, ""))

    def __new__(cls, *values: Any, **named: Any) -> Self:
        if named or len(values) != len(cls._fields):
            given = cls._defaults | dict(zip(cls._fields, values, strict=False)) | named
            if len(values) > len(cls._fields) or given.keys() != set(cls._fields):
                raise TypeError(f"{cls.__name__} takes {', '.join(cls._fields)}")
            values = tuple(given[name] for name in cls._fields)
        return tuple.__new__(cls, values)

    def __repr__(self) -> str:
        pairs = zip(self._fields, self, strict=True)
        shown = ", ".join(f"{name}={value!r}" for name, value in pairs)
        return f"{type(self).__name__}({shown})"


def records(part: object) -> Iterator[Record]:
    """The records below a part of a tree, itself first, in the order of the text."""
    pending = [part]
    while pending:
        each = pending.pop()
        if isinstance(each, Record):
            yield each
        pending.extend(reversed(parts(each)))


def parts(whole: object) -> tuple[object, ...]:
    """What a record, or a tuple of them, is made of: nothing for what else stands in a tree, such
    as a number or a span."""
    return whole if type(whole) is tuple or isinstance(whole, Record) else ()
