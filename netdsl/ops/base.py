"""What an operator is: documented parameters, and the rules that every one must give.

An operator knows shapes, not places in a text: a rule that meets a mistake raises `OpError`, and
`netdsl.infer` alone makes a diagnostic of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal, NamedTuple

from netdsl.code import Emission
from netdsl.derivation import Step
from netdsl.parameters import Documented
from netdsl.sizes import Size, evaluate, symbols
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


class Requirement(NamedTuple):
    """What a layer needs of sizes that depend on the input's, to be decided for all of them.

    `left` and `right` must be `equal`; or `left` be `divisible` by `right`, or `at least` that.
    `subject` is a clause that "only when …" can follow; `code` is that of the mistake, `argument`
    the parameter at fault, if any.
    """

    code: str
    subject: str
    relation: Literal["equal", "divisible", "at least"]
    left: Size
    right: Size
    argument: str = ""

    @property
    def condition(self) -> str:
        """What is needed as a formula: "H W >= 7"."""
        word = {"equal": "=", "divisible": "is a multiple of", "at least": ">="}[self.relation]
        return f"{self.left} {word} {self.right}"

    def is_met(self, values: Mapping[str, int]) -> bool:
        """Whether it holds where each size of the input has its value."""
        left, right = evaluate(self.left, values), evaluate(self.right, values)
        match self.relation:
            case "equal":
                return left == right
            case "divisible":
                return left % right == 0
            case "at least":
                return left >= right


def equal_parts(op: Op, channels: Size, argument: str) -> tuple[Requirement, ...]:
    """That the parameter `argument` divides a number of channels, where that is an open size."""
    parts: Size = getattr(op, argument)
    if parts == 1 or isinstance(channels % parts, int):
        return ()
    subject = f"`{argument} = {parts}` of `{op.name}` divides the channels"
    code = "channels-not-divisible"
    return (Requirement(code, subject, "divisible", channels, parts, argument),)


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

    def requirements(self, *inputs: TensorType) -> tuple[Requirement, ...]:
        """What `infer` can't decide of open sizes: it refuses what no size meets, and goes on as if
        the rest were met."""
        return ()

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
