"""What an operator is: documented parameters, and the rules that every one must give.

An operator knows shapes, not places in a text: a rule that meets a mistake raises `OpError`, and
`netdsl.infer` alone makes a diagnostic of it.
"""

from __future__ import annotations

from typing import ClassVar

from netdsl.code import Emission
from netdsl.derivation import Step
from netdsl.parameters import Documented
from netdsl.sizes import Size, symbols
from netdsl.tensor import Cost, Derived, Field, TensorType, Weight


class OpError(Exception):
    """A rule can't be met.

    `code` is listed in `netdsl.codes`; `argument` names the parameter at fault, `operand` the
    index of the input at fault; `note` shows the arithmetic; `help` is a way out.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        argument: str | None = None,
        operand: int | None = None,
        note: str = "",
        help: str = "",
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.argument = argument
        self.operand = operand
        self.note = note
        self.help = help


def whole(size: Size) -> int:
    """A size that code must state as a number; raises OpError where it depends on the input's."""
    if isinstance(size, int):
        return size
    names = sorted(each.name for each in symbols(size))
    raise OpError(
        "size-open",
        f"this layer's code needs a number where the size is {size}",
        help="give the input's size: " + " ".join(f"--set {name}=…" for name in names),
    )


_RULES = ("infer", "weights", "cost", "emit")


class Op(Documented):
    """Base of all operators.

    A subclass that sets `name` is an operator of the language, and must have all of `infer`,
    `weights`, `cost` and `emit`, its own or from a family base: a forgotten rule is a TypeError
    when the module is imported.
    """

    holds_weights: ClassVar[bool] = False
    """Whether instances may own arrays; decides how a labelled chain is named."""
    is_merge: ClassVar[bool] = False
    """Whether it takes several inputs, from branches or named values."""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if cls.name:
            missing = [rule for rule in _RULES if getattr(cls, rule) is getattr(Op, rule)]
            if missing:
                raise TypeError(f"operator {cls.name!r} has no rule for {', '.join(missing)}")

    def infer(self, *inputs: TensorType) -> TensorType:
        """The type of the output; raises OpError where the inputs don't fit."""
        raise NotImplementedError

    def weights(self, *inputs: TensorType) -> tuple[Weight, ...]:
        """The arrays that the layer holds, for inputs that `infer` accepted."""
        raise NotImplementedError

    def derived(self, *inputs: TensorType) -> tuple[Derived, ...]:
        """What a state_dict has of the layer besides its weights, for inputs as of `weights`."""
        return ()

    def cost(self, output: TensorType, *inputs: TensorType) -> Cost:
        """The forward work for one image."""
        raise NotImplementedError

    def derivation(self, output: TensorType, *inputs: TensorType) -> tuple[Step, ...]:
        """How the numbers of `infer`, `weights` and `cost` come about, for `netdsl explain`."""
        return ()

    def emit(self, *inputs: TensorType) -> Emission:
        """The Flax form, for inputs that `infer` accepted.

        Raises OpError where it needs a size that is not known.
        """
        raise NotImplementedError

    def field(self) -> Field | None:
        """The window over height and width; the default is one pixel. None: the whole image."""
        return Field()
