"""Read a pickle as inert data: no class is looked up, nothing is called, nothing is hashed.

`pickle.Unpickler` with a closed `find_class` would still build what the stream says: it sizes its
memo by any index, sets attributes, calls `__setstate__`, and hashes keys of any depth. Here each
instruction is one of a closed list, dictionaries are lists of pairs, and a name can only be one of
those that the caller gives, with the caller's own function in its place. All work is linear in the
bytes read, which are bounded.
"""

from __future__ import annotations

import io
import pickletools
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, TypeAlias

from netdsl.weights.tensors import brief

MAXIMUM_BYTES = 1 << 24
"""Of one pickle; that of 10,000 tensors has about 2 MB."""

MAXIMUM_INSTRUCTIONS = 1_000_000
"""Of one pickle; a tensor takes about 30."""

Maker: TypeAlias = Callable[[tuple[object, ...]], object]
"""Inert data for the arguments that a pickled name is called with. Raises PickleError."""

ARGUMENTS = frozenset(
    {
        "BINFLOAT",
        "BININT",
        "BININT1",
        "BININT2",
        "BINSTRING",
        "BINUNICODE",
        "LONG1",
        "SHORT_BINSTRING",
        "SHORT_BINUNICODE",
    }
)
"""Instructions whose argument is the value. The two `STRING`s are Python 2's."""

CONSTANTS = {"EMPTY_TUPLE": (), "NEWFALSE": False, "NEWTRUE": True, "NONE": None}

TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}

GETS = frozenset({"BINGET", "LONG_BINGET"})

PUTS = frozenset({"BINPUT", "LONG_BINPUT", "MEMOIZE"})

OTHERS = frozenset(
    {
        "APPEND",
        "APPENDS",
        "BINPERSID",
        "BUILD",
        "EMPTY_DICT",
        "EMPTY_LIST",
        "FRAME",
        "GLOBAL",
        "MARK",
        "PROTO",
        "REDUCE",
        "SETITEM",
        "SETITEMS",
        "STACK_GLOBAL",
        "STOP",
        "TUPLE",
    }
)

INSTRUCTIONS: dict[bytes, tuple[str, Callable[[io.BytesIO], object] | None]] = {
    opcode.code.encode("latin-1"): (
        opcode.name,
        # `GLOBAL`'s two lines are read here: pickletools would look for escapes in them.
        opcode.arg.reader if opcode.arg and opcode.name != "GLOBAL" else None,
    )
    for opcode in pickletools.opcodes
    if opcode.name in ARGUMENTS | CONSTANTS.keys() | TUPLES.keys() | GETS | PUTS | OTHERS
}
"""By their byte: all that are followed, and how the argument is read."""

NAMES = {opcode.code.encode("latin-1"): opcode.name for opcode in pickletools.opcodes}

WAY_OUT = (
    "If you trust the file, load it in PyTorch and save its state_dict alone: "
    "`torch.save(model.state_dict(), ...)`"
)


class PickleError(ValueError):
    """What is wrong with a pickle, in words that follow the name of its file."""


def damaged(what: str) -> PickleError:
    """The error for a pickle that no pickler would write."""
    return PickleError(f"is damaged: {what}; get the file anew")


class Name(NamedTuple):
    """A class or function that a pickle asks for; nothing but these words."""

    dotted: str


class Pairs(NamedTuple):
    """A dictionary as a list of its (key, value) pairs: unhashed, so that keys may be anything.

    The pairs are not checked to be such when the list was pickled; `pairs` does that.
    """

    items: list[object]

    def pairs(self) -> Iterator[tuple[object, object]]:
        """Each key and value. Raises PickleError."""
        for item in self.items:
            match item:
                case (key, value):
                    yield key, value
                case _:
                    raise damaged("an OrderedDict is not made of pairs")


PLAIN = frozenset({bool, float, int, list, Name, str, tuple, type(None)})
"""What has no attributes that a pickle of PyTorch's would set."""


def read_pickle(
    stream: io.BytesIO,
    makers: Mapping[str, Maker | None],
    persistent: Maker | None = None,
) -> object:
    """The value that one pickle holds; `stream` is left behind it.

    Made of None, bool, int, float, str, tuple, list, Pairs, Name, and what the makers return;
    `persistent` is given a persistent id, which has to be a tuple. A name that is no key of
    `makers` ends the reading; one without a maker can be named, not called. Attributes that a
    pickle sets are passed over.

    Raises PickleError.
    """
    try:
        return _Machine(stream, makers, persistent).run()
    except PickleError:
        raise
    except (ValueError, IndexError) as error:
        # pickletools says so of arguments that are cut off or no UTF-8.
        raise damaged(f"its pickle can't be followed ({error})") from None


def asks_for(name: str) -> PickleError:
    """The error for a name that stands for no tensor."""
    return PickleError(
        f"is refused: it asks for `{brief(name)}`, which is no tensor or plain container, "
        f"and nothing of it was run. {WAY_OUT}"
    )


class _Machine:
    """The pickle machine: a stack, the marks in it, and the values to be used again."""

    def __init__(
        self, stream: io.BytesIO, makers: Mapping[str, Maker | None], persistent: Maker | None
    ) -> None:
        self.stream = stream
        self.makers = makers
        self.persistent = persistent
        self.stack: list[object] = []
        self.marks: list[int] = []
        self.memo: dict[int, object] = {}

    def run(self) -> object:
        """Follow the instructions up to STOP."""
        for _ in range(MAXIMUM_INSTRUCTIONS):
            code = self.stream.read(1)
            if not code:
                raise damaged("its pickle has no end")
            instruction = INSTRUCTIONS.get(code)
            if instruction is None:
                raise self.unknown(code)
            name, read_argument = instruction
            argument = read_argument(self.stream) if read_argument else None
            if name == "STOP":
                return self.pop()
            self.follow(name, argument)
        raise PickleError(f"has a pickle of over {MAXIMUM_INSTRUCTIONS:,} instructions. {WAY_OUT}")

    def follow(self, name: str, argument: Any) -> None:
        """Do one instruction."""
        if name in ARGUMENTS:
            self.stack.append(argument)
        elif name in CONSTANTS:
            self.stack.append(CONSTANTS[name])
        elif name in GETS:
            if argument not in self.memo:
                raise damaged(f"its pickle has no value {argument} to use again")
            self.stack.append(self.memo[argument])
        elif name in PUTS:
            self.memo[len(self.memo) if argument is None else argument] = self.top()
        elif name in TUPLES:
            self.stack.append(tuple(self.pop_many(TUPLES[name])))
        else:
            self.build(name)

    def build(self, name: str) -> None:
        """Do one of the instructions that make values of other values."""
        match name:
            case "MARK":
                self.marks.append(len(self.stack))
            case "EMPTY_DICT":
                self.stack.append(Pairs([]))
            case "EMPTY_LIST":
                self.stack.append([])
            case "TUPLE":
                self.stack.append(tuple(self.pop_to_mark()))
            case "APPEND":
                self.extend(self.pop_many(1))
            case "APPENDS":
                self.extend(self.pop_to_mark())
            case "SETITEM":
                self.set_items(self.pop_many(2))
            case "SETITEMS":
                self.set_items(self.pop_to_mark())
            case "GLOBAL":
                self.stack.append(self.named(self.line(), self.line()))
            case "STACK_GLOBAL":
                module, attribute = self.pop_many(2)
                if not isinstance(module, str) or not isinstance(attribute, str):
                    raise damaged("its pickle asks for a name that is no text")
                self.stack.append(self.named(module, attribute))
            case "REDUCE":
                self.stack.append(self.call(*self.pop_many(2)))
            case "BUILD":
                # Attributes: of a state_dict its `_metadata`, of an old Parameter its hooks.
                self.pop()
                if type(self.top()) in PLAIN:
                    raise damaged(f"its pickle sets attributes of a {kind(self.top())}")
            case "BINPERSID":
                if self.persistent is None:
                    raise damaged("its pickle refers to data outside it")
                self.stack.append(self.persistent(arguments(self.pop(), "a persistent id")))

    def call(self, function: object, given: object) -> object:
        """What the caller's maker has in place of a pickled call."""
        if not isinstance(function, Name):
            raise damaged(f"its pickle calls a {kind(function)}")
        maker = self.makers[function.dotted]
        if maker is None:
            raise damaged(f"its pickle calls `{function.dotted}`")
        return maker(arguments(given, f"the arguments of `{function.dotted}`"))

    def named(self, module: str, attribute: str) -> Name:
        """The name, if it is one that the caller knows."""
        dotted = f"{module}.{attribute}"
        if dotted not in self.makers:
            raise asks_for(dotted)
        return Name(dotted)

    def unknown(self, code: bytes) -> PickleError:
        """The error for an instruction that isn't followed."""
        name = NAMES.get(code)
        if name is None:
            return damaged(f"byte {code[0]:#04x} is no instruction of a pickle")
        if name == "INST":
            return asks_for(f"{self.line()}.{self.line()}")
        return PickleError(
            f"is refused: it has the pickle instruction {name}, which no tensor or plain "
            f"container needs, and nothing of it was run. {WAY_OUT}"
        )

    def line(self) -> str:
        line = self.stream.readline()
        if not line.endswith(b"\n"):
            raise damaged("its pickle ends within a name")
        return line[:-1].decode()

    def top(self) -> object:
        """The last value, left on the stack."""
        (value,) = self.pop_many(1)
        self.stack.append(value)
        return value

    def pop(self) -> object:
        return self.pop_many(1)[0]

    def pop_many(self, count: int) -> list[object]:
        """The last values since the mark, first one first."""
        start = len(self.stack) - count
        if start < (self.marks[-1] if self.marks else 0):
            raise damaged("its pickle uses a value that it doesn't have")
        values = self.stack[start:]
        del self.stack[start:]
        return values

    def pop_to_mark(self) -> list[object]:
        if not self.marks:
            raise damaged("its pickle uses a mark that it doesn't have")
        start = self.marks.pop()
        values = self.stack[start:]
        del self.stack[start:]
        return values

    def extend(self, values: list[object]) -> None:
        target = self.top()
        if type(target) is not list:
            raise damaged(f"its pickle appends to a {kind(target)}")
        target.extend(values)

    def set_items(self, values: list[object]) -> None:
        target = self.top()
        if not isinstance(target, Pairs) or len(values) % 2:
            raise damaged(f"its pickle sets items of a {kind(target)}")
        target.items.extend(zip(values[::2], values[1::2], strict=True))


def arguments(value: object, what: str) -> tuple[object, ...]:
    """`value`, which has to be a tuple."""
    if type(value) is not tuple:
        raise damaged(f"{what} are a {kind(value)}")
    return value


def kind(value: object) -> str:
    """What a value is, as PyTorch's users call it."""
    return {Name: "class", Pairs: "dict"}.get(type(value), type(value).__name__)
