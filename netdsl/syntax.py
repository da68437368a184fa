"""The syntax tree: what the user wrote, as immutable records that know their place.

`netdsl.records` says why they are not dataclasses.
"""

from __future__ import annotations

from typing import TypeAlias

from netdsl.records import Record
from netdsl.source import Source, Span
from netdsl.tensor import Window

# ---------------------------------------------------------------- expressions


class Constant(Record):
    """`64`, `61_706`, `5.4M`, `0.3`, `true`, `"text"`, `3x3`, `2x`."""

    value: int | float | bool | str | Window
    span: Span


class Name(Record):
    """`width`; also `in` and `out`, the values that enter and leave the enclosing braces."""

    name: str
    span: Span


class Sequence(Record):
    """`[1, 2]`, or `(1, 2)`, which is a tuple."""

    items: tuple[Expression, ...]
    is_tuple: bool
    span: Span


class Unary(Record):
    """`-x`, `+x`, `not x`."""

    operator: str
    operand: Expression
    span: Span


class Binary(Record):
    """`a + b`, with `+ - * / // % **`, and the short-circuit `and`, `or`."""

    operator: str
    left: Expression
    right: Expression
    span: Span


class Comparison(Record):
    """`a < b <= c`, with `== != < <= > >= in` and `not in`; chained as in Python."""

    left: Expression
    rest: tuple[tuple[str, Expression], ...]
    span: Span


class Conditional(Record):
    """`a if condition else b`."""

    condition: Expression
    then: Expression
    otherwise: Expression
    span: Span


class Apply(Record):
    """`max(a, b)`: a compile-time function; in a recipe, a named setting such as `adam(1e-3)`."""

    function: str
    function_span: Span
    arguments: tuple[Argument, ...]
    span: Span


class Attribute(Record):
    """`in.channels`, `e1.shape`."""

    value: Expression
    name: str
    span: Span


class Index(Record):
    """`xs[0]`."""

    value: Expression
    element: Expression
    span: Span


class Path(Record):
    """A label as it is written or referred to: `conv1`, `0`, `layer{i + 1}`, `layer1.0.conv1`.

    Each part is a tuple of texts and expressions that are joined when it is evaluated.
    """

    parts: tuple[tuple[str | Expression, ...], ...]
    span: Span


class Quantity(Record):
    """`5 epochs`, `300 steps`: a number with a unit, in recipes."""

    value: Expression
    unit: str
    span: Span


Expression: TypeAlias = (
    Constant
    | Name
    | Sequence
    | Unary
    | Binary
    | Comparison
    | Conditional
    | Apply
    | Attribute
    | Index
    | Path
    | Quantity
)


class Argument(Record):
    """`64` or `stride = 2`; `name` is None for a positional one."""

    name: str | None
    value: Expression
    span: Span


# ---------------------------------------------------------------- steps of a chain


class Call(Record):
    """`conv(64, 3x3)`, `relu`, `bottleneck(64, 2)`, and with branches `concat { | a | b }`.

    `branches` is None without braces. A `BranchLoop` among them stands for several.
    """

    name: str
    name_span: Span
    arguments: tuple[Argument, ...]
    branches: tuple[Branch | BranchLoop, ...] | None
    span: Span


class Branch(Record):
    """`| conv(64, 1x1) -> relu`, one of the parallel ways through a merge."""

    body: Body
    span: Span


class BranchLoop(Record):
    """`for maps in table { | select(maps) -> conv(1, 5x5) }` inside the braces of a merge."""

    pattern: Pattern
    values: Expression
    branches: tuple[Branch | BranchLoop, ...]
    span: Span


class Residual(Record):
    """`residual if condition { body } shortcut if condition { body }`.

    Without `shortcut` the shortcut is the identity; so it is where its condition is false. Where
    the residual's own condition is false, only the body is left.
    """

    condition: Expression | None
    body: Body
    shortcut_condition: Expression | None
    shortcut: Body | None
    shortcut_span: Span | None
    span: Span


class Repeat(Record):
    """`repeat passes as number { body }`; `number` counts from 0."""

    passes: Expression
    number: str | None
    body: Body
    span: Span


class For(Record):
    """`for pattern in values { body }`."""

    pattern: Pattern
    values: Expression
    body: Body
    span: Span


class If(Record):
    """`if condition { … } else { … }`; `else if` nests."""

    condition: Expression
    then: Body
    otherwise: Body | None
    span: Span


class Group(Record):
    """`{ … }` after a label: a body of its own, so that a path can have a prefix."""

    body: Body
    span: Span


Step: TypeAlias = Call | Residual | Repeat | For | If | Group


class Pattern(Record):
    """`x` or `(i, depth)`; `nested` is None for one name, which `name` then holds."""

    name: str
    nested: tuple[Pattern, ...] | None
    span: Span


# ---------------------------------------------------------------- statements


class Flow(Record):
    """`label: from source -> step -> step`; any of the three may be missing, not all."""

    label: Path | None
    source: Path | None
    steps: tuple[Step, ...]
    span: Span


class Let(Record):
    pattern: Pattern
    value: Expression
    span: Span


class Default(Record):
    """`default conv(bias = false), depthwise(pad = same)`."""

    calls: tuple[Call, ...]
    span: Span


class Assert(Record):
    condition: Expression
    message: Expression | None
    span: Span


class Claim(Record):
    """`claim paper "arXiv:1512.03385" { params == 25.6M within 1% }`."""

    kind: str
    source: str
    entries: tuple[ClaimEntry, ...]
    span: Span


class ClaimEntry(Record):
    """One published figure. `output` is the label whose shape is claimed, None for a measure.

    `within` is the tolerance in per cent, None for exact.
    """

    output: Path | None
    condition: Expression
    within: Expression | None
    span: Span


class Aux(Record):
    """`aux(weight = 0.3) { … }`: a side branch with its own output, not part of inference."""

    label: Path | None
    arguments: tuple[Argument, ...]
    body: Body
    span: Span


class Input(Record):
    """`input image[H, W, 3] default [224, 224, 3] where H % 32 == 0`."""

    name: str
    name_span: Span
    sizes: tuple[Expression, ...]
    default: tuple[Expression, ...] | None
    where: Expression | None
    span: Span


Statement: TypeAlias = Flow | Let | Default | Assert | Claim | Aux | Input


class Body(Record):
    """What stands between braces."""

    documentation: str
    statements: tuple[Statement, ...]
    span: Span


# ---------------------------------------------------------------- declarations


class Parameter(Record):
    """`width`, `stride = 1`, `unit: block`."""

    name: str
    kind: str | None
    default: Expression | None
    span: Span


class Block(Record):
    name: str
    name_span: Span
    parameters: tuple[Parameter, ...]
    body: Body
    span: Span


class Network(Record):
    name: str
    name_span: Span
    parameters: tuple[Parameter, ...]
    body: Body
    span: Span


class Variant(Record):
    """`network resnet50 = resnet(bottleneck, [3, 4, 6, 3]) { claim … }`; its braces hold only
    documentation, claims and assertions."""

    name: str
    name_span: Span
    base: str
    base_span: Span
    arguments: tuple[Argument, ...]
    body: Body | None
    span: Span


class Import(Record):
    """`import a, b from "blocks.net"`, or `import conv_bn from std`, where `library` is true."""

    names: tuple[Name, ...]
    origin: str
    library: bool
    origin_span: Span
    span: Span


class Setting(Record):
    """One line of a recipe: `epochs 90`, `augment a -> b`, `weights "f" except top`,
    `unfreeze from block14`."""

    name: str
    name_span: Span
    values: tuple[Expression, ...]
    exceptions: tuple[Path, ...]
    start: Path | None
    span: Span


class Recipe(Record):
    """`recipe imagenet for mobilenet_v2(classes = 2) { … }`; `phases` are its `then { … }`."""

    name: str
    name_span: Span
    network: str
    network_span: Span
    arguments: tuple[Argument, ...]
    documentation: str
    settings: tuple[Setting, ...]
    phases: tuple[Recipe, ...]
    span: Span


Declaration: TypeAlias = Block | Network | Variant | Import | Recipe | Let


class File(Record):
    source: Source
    documentation: str
    declarations: tuple[Declaration, ...]
