"""Random programs that are right.

Drawn from the grammar alone, nearly all would be rubbish. These are drawn step by step: each
statement is run where it stands (tests/slow_run.py) and kept only where it fits.
"""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from tests.slow_operators import SAME_SHAPE, Misfit, Shape, divides, require
from tests.slow_run import Run, Scope, Value, run, value_of
from tests.typed_tree import (
    Aux,
    Binary,
    Block,
    Chain,
    Choose,
    For,
    Function,
    Group,
    If,
    Join,
    Let,
    Merge,
    MergeFor,
    Number,
    Parameter,
    Program,
    Repeat,
    Residual,
    Row,
    Sides,
    Step,
)

LARGEST_SIDE = 14
MOST_CHANNELS = 24
MOST_NODES = 60

ACTIVATIONS = SAME_SHAPE[:11]


class _Drawing:
    """One program being drawn. Each statement is run where it stands before it is kept."""

    def __init__(self, draw: Any, *, named: bool) -> None:
        self.draw = draw
        self.named = named
        self.blocks: dict[str, Block] = {}
        self.lets: list[Let] = []
        self.run = Run(self.blocks, {})
        self.count = 0

    def new(self, prefix: str) -> str:
        self.count += 1
        return f"{prefix}{self.count}"

    def one_of(self, *choices: Any) -> Any:
        return self.draw(st.sampled_from(choices))

    def whole(self, least: int, most: int) -> int:
        return self.draw(st.integers(least, most))

    def maybe(self) -> bool:
        return self.draw(st.booleans())

    # Expressions.

    def number(self, value: int, scope: Scope) -> Any:
        """An expression for a number: itself, or of the names in reach."""
        known = {k: v for k, v in scope.names.items() if type(v) is int and k[0] in "vwin"}
        if scope.entered is not None:
            known["in.channels"] = scope.entered.shape[-1]
        if not known or self.whole(0, 2) == 0:
            return value
        name = self.one_of(*known)
        other = known[name]
        forms = [
            Choose(value, Binary("==", name, other), self.whole(1, 4)),
            Choose(self.whole(1, 4), Binary(">", name, other), value),
        ]
        if other == value:
            forms += [name, name, name]
        if other < value:
            forms.append(Binary("+", name, value - other))
            forms.append(Function("max", (name, value)))
        if other > value:
            forms.append(Binary("-", name, other - value))
        if other and value % other == 0:
            forms.append(Binary("*", name, value // other))
        if value and other % value == 0:
            forms.append(Binary("//", name, other // value))
        return self.one_of(*forms)

    def condition(self, scope: Scope) -> Any:
        known = {k: v for k, v in scope.names.items() if type(v) is int and k[0] in "vwin"}
        truths = [k for k, v in scope.names.items() if type(v) is bool]
        if scope.entered is not None:
            known["in.channels"] = scope.entered.shape[-1]
        if truths and self.maybe():
            return self.one_of(*truths)
        if not known:
            return self.one_of("true", Binary("<=", 2, self.whole(1, 3)))
        name = self.one_of(*known)
        operator = self.one_of("==", "!=", ">", "<=")
        return Binary(operator, name, max(known[name] + self.whole(-1, 1), 0))

    def kernel(self, scope: Scope, most: int = 3) -> Any:
        held = [k for k, v in scope.names.items() if isinstance(v, Sides)]
        if held and self.maybe():
            return self.one_of(*held)
        if self.maybe():
            return Sides(*[self.whole(1, most)] * 2)
        return self.one_of(self.whole(1, most), Sides(self.whole(1, most), self.whole(1, most)))

    def padding(self, most: int = 2, *words: str) -> Any:
        pairs = Row(
            tuple(Row((self.whole(0, most), self.whole(0, most))) for _ in range(2)),
        )
        sides = Sides(self.whole(0, most), self.whole(0, most))
        return self.one_of(self.whole(0, most), self.whole(0, most), sides, pairs, *words)

    def divisor(self, *numbers: int) -> int:
        shared = [n for n in range(1, max(numbers) + 1) if all(divides(n, m) for m in numbers)]
        return self.one_of(*shared)

    def given(self, *required: tuple[str, Any], **optional: Any) -> tuple[tuple[str, Any], ...]:
        """Arguments: those that must be given, and some of the others."""
        return (*required, *((k, make()) for k, make in optional.items() if self.maybe()))

    # Operators.

    def keeper(self, x: Shape, scope: Scope, name: str = "") -> Step:
        """An operator that leaves the shape: the one named, or any."""
        names = ["bn", "layernorm", "groupnorm", "dropout", "activation", "scale", "shuffle"]
        names += {
            3: ["conv", "conv", "conv", "depthwise", "maxpool", "avgpool", "transposed"],
            2: ["attention", "attention", "position_embedding", "dense"],
            1: ["dense"],
        }[len(x)]
        same = ("pad", "same")
        match name or self.one_of(*names):
            case "activation":
                return Step(self.one_of(*ACTIVATIONS))
            case "dropout":
                return Step(self.one_of("dropout", "stochastic_depth"), (("rate", Number("0.1")),))
            case "groupnorm":
                return Step("groupnorm", (("groups", self.number(self.divisor(x[-1]), scope)),))
            case "shuffle":
                return Step("channel_shuffle", (("groups", self.divisor(x[-1])),))
            case "conv":
                filters = ("filters", self.number(x[-1], scope))
                return Step("conv", (filters, ("kernel", self.kernel(scope)), same))
            case "transposed":
                given = (("filters", x[-1]), ("kernel", self.kernel(scope)), same)
                return Step("conv_transpose", given)
            case "depthwise":
                given = (("kernel", self.kernel(scope)), same)
                return Step("depthwise", self.given(*given, bias=lambda: "false"))
            case "maxpool" | "avgpool" as name:
                return Step(name, (("kernel", self.kernel(scope)), ("stride", 1), same))
            case "attention":
                return Step("attention", (("heads", self.divisor(x[-1])),))
            case "dense":
                return Step("dense", (("features", self.number(x[-1], scope)),))
            case name:
                return Step(name)

    def changer(self, x: Shape, scope: Scope, name: str = "") -> Step:
        """An operator that may change the shape, and may not fit: the one named, or any."""
        names = {
            3: "conv conv grouped depthwise conv_transpose pool pool pool adaptive upsample "
            "space_to_depth pad crop select split dense_pixels",
            2: "class_token take_token select split dense dense",
            1: "select split dense dense",
        }[len(x)].split()
        filters = ("filters", self.number(self.whole(1, 8), scope))
        stride = lambda: self.one_of(1, 2, 3, Sides(1, 2), Sides(2, 1))  # noqa: E731
        dilation = lambda: self.one_of(1, 2, Sides(1, 2))  # noqa: E731
        window = lambda: self.padding(2, "same", "valid")  # noqa: E731
        kernel = ("kernel", self.kernel(scope, 4))
        match name or self.one_of(*names):
            case "grouped":
                groups = self.divisor(x[2])
                filters = ("filters", groups * self.whole(1, 2))
                given = (filters, kernel, ("groups", groups))
                return Step("conv", self.given(*given, stride=stride, pad=window))
            case "conv":
                options = {"stride": stride, "pad": window, "dilation": dilation}
                return Step("conv", self.given(filters, kernel, bias=lambda: "false", **options))
            case "depthwise":
                options = {"stride": stride, "pad": window, "dilation": dilation}
                return Step(
                    "depthwise", self.given(kernel, multiplier=lambda: self.whole(1, 3), **options)
                )
            case "conv_transpose":
                options = {"stride": stride, "pad": window, "dilation": dilation}
                extra = lambda: self.one_of(1, Sides(0, 1))  # noqa: E731
                return Step("conv_transpose", self.given(filters, kernel, extra=extra, **options))
            case "pool":
                options = {"stride": stride, "pad": lambda: self.padding(1, "same")}
                ceil = lambda: self.one_of("true", "false")  # noqa: E731
                name = self.one_of("maxpool", "avgpool")
                return Step(name, self.given(kernel, ceil=ceil, **options))
            case "adaptive":
                name = self.one_of("adaptiveavgpool", "adaptivemaxpool")
                return Step(name, (("size", self.one_of(2, 3, Sides(2, 5))),))
            case "upsample":
                method = lambda: self.one_of("nearest", "bilinear")  # noqa: E731
                scale = ("scale", self.one_of(2, Sides(1, 2), Sides(3, 1)))
                return Step("upsample", self.given(scale, method=method))
            case "space_to_depth":
                scale = ("scale", self.one_of(2, Sides(1, 2), Sides(3, 1)))
                pad = lambda: self.one_of("same", "valid")  # noqa: E731
                return Step("space_to_depth", self.given(scale, pad=pad))
            case "pad":
                mode = lambda: self.one_of("zeros", "edge", "reflect")  # noqa: E731
                return Step("pad", self.given(("amount", self.padding(2)), mode=mode))
            case "crop":
                return Step("crop", (("amount", self.padding(1)),))
            case "select":
                taken = self.draw(st.lists(st.integers(0, x[-1] - 1), min_size=1, max_size=4))
                return Step("select", (("channels", Row(tuple(taken), True)),))
            case "split":
                parts = self.divisor(x[-1])
                index = self.number(self.whole(0, parts - 1), scope)
                return Step("split", (("parts", parts), ("index", index)))
            case "take_token":
                return Step("take_token", (("index", self.whole(0, x[0] - 1)),))
            case "dense_pixels":
                features = ("features", self.whole(1, 6))
                return Step("dense", (features, ("axis", "channels")))
            case "dense":
                return Step("dense", (("features", self.number(self.whole(1, 8), scope)),))
            case name:
                return Step(name)

    # Statements.

    def body(
        self,
        x: Value,
        scope: Scope,
        depth: int,
        most: int,
        *,
        least: int = 1,
        keeping: bool,
        kinds: str = "",
    ) -> tuple[Any, ...]:
        """Statements that fit a value, the first of them an operator; `scope` gets their labels."""
        statements: list[Any] = []
        for number in range(self.whole(least, most)):
            kind = "layer" if not number else self.kind(scope, depth, keeping, kinds)
            statement = self.statement(kind, x, scope, depth, keeping=keeping)
            before = dict(scope.labels)
            try:
                y = self.run.statement(statement, x, scope, [])
                require(_is_small(y.shape) and (not keeping or y.shape == x.shape))
            except Misfit:
                scope.labels = before
                statement = Chain((Step("relu"),))
                y = self.run.statement(statement, x, scope, [])
            statements.append(statement)
            x = y
        return tuple(statements)

    def kind(self, scope: Scope, depth: int, keeping: bool, kinds: str) -> str:
        choices = ["layer"] * 3 + kinds.split()
        if depth:
            choices += ["residual", "projection", "repeat", "for", "if", "call", "call", "squeeze"]
            if not keeping:
                choices += ["merge", "merge", "merge_for"]
        if len(scope.labels) > 1:
            choices += ["join", "join"]
        return self.one_of(*choices)

    def statement(
        self, kind: str, x: Value, scope: Scope, depth: int, *, keeping: bool = False
    ) -> Any:
        def inner(most: int = 2, *, keeping: bool = True, **names: Any) -> tuple[Any, ...]:
            return self.body(x, scope.inner(x, **names), depth - 1, most, keeping=keeping)

        def unbraced(**names: Any) -> tuple[Any, ...]:
            return self.body(x, scope.inner(**names), depth - 1, 2, keeping=True)

        image = len(x.shape) == 3
        match kind:
            case "label":
                return Chain(self.steps(x, scope, keeping=keeping), label=self.new("l"))
            case "from":
                label = self.one_of(*scope.labels)
                start, _ = scope.labels[label]
                return Chain(self.steps(start, scope, keeping=False), start=label)
            case "group":
                return Group(self.new("g"), unbraced())
            case "let":
                return Let(self.new("v"), self.number(self.whole(1, 8), scope))
            case "join":
                fitting = [k for k, (y, _) in scope.labels.items() if y.shape == x.shape]
                if fitting:
                    return Join(self.one_of("add", "max", "concat"), (self.one_of(*fitting),))
            case "residual":
                when = self.condition(scope.inner(x)) if self.maybe() else "true"
                return Residual(inner(), when)
            case "projection" if image and not keeping:
                filters, stride = self.whole(1, 8), self.one_of(1, 2)
                shared = (("stride", stride), ("pad", "same"))
                first = (("filters", filters), ("kernel", self.kernel(scope)), *shared)
                project = (("filters", filters), ("kernel", Sides(1, 1)), *shared)
                when = "true"
                if not self.named:
                    when = self.one_of("true", Binary("!=", "in.shape", "out.shape"))
                body = (Chain((Step("conv", first), Step("bn"))),)
                return Residual(body, "true", (Chain((Step("conv", project),)),), when)
            case "repeat":
                label = self.new("r") if self.maybe() else ""
                variable = self.new("i")
                count = self.number(self.whole(1, 3), scope)
                return Repeat(count, variable, unbraced(**{variable: 0}), label)
            case "for":
                return self.loop(x, scope, unbraced)
            case "if":
                otherwise = unbraced() if self.maybe() else ()
                return If(self.condition(scope), unbraced(), otherwise)
            case "merge":
                name = self.one_of("concat", "concat", "add", "max")
                branches = [
                    inner(keeping=name != "concat" or self.maybe()) for _ in range(self.whole(2, 3))
                ]
                fitting = [
                    k for k, (y, _) in scope.labels.items() if y.shape == x.shape and k != "image"
                ]
                if fitting and self.maybe():
                    branches.append((Chain((Step("relu"),), start=self.one_of(*fitting)),))
                return Merge(name, tuple(branches))
            case "merge_for" if image:
                items = Row(tuple(self.whole(1, 3) for _ in range(self.whole(1, 3))), True)
                variable = self.new("n")
                conv = (("filters", variable), ("kernel", Sides(1, 1)))
                return MergeFor("concat", variable, items, (Chain((Step("conv", conv),)),))
            case "squeeze" if image:
                dense = Step("dense", (("features", self.number(x.shape[-1], scope.inner(x))),))
                pool = Step("globalavgpool", (("keep", "true"),) if self.maybe() else ())
                if pool.arguments:
                    conv = (("filters", x.shape[-1]), ("kernel", Sides(1, 1)))
                    dense = Step("conv", conv)
                gate = Chain((pool, dense, Step("sigmoid")))
                return Merge("mul", ((Chain((Step("identity"),)),), (gate,)))
            case "aux" if image:
                last = Step("dense", (("features", self.number(self.whole(1, 4), scope)),))
                return Aux((Chain((Step("globalavgpool"), last)),))
            case "unpadded" if image:
                kernel = ("kernel", self.kernel(scope, 5))
                stride = ("stride", self.one_of(1, 2, 3))
                if self.maybe():
                    return Chain((Step("conv", (("filters", self.whole(1, 4)), kernel, stride)),))
                ceil = ("ceil", self.one_of("true", "false"))
                return Chain((Step("maxpool", (kernel, stride, ceil)),))
            case "skip" if image:
                # Fits where a factor divides the size, or as many windows fit as the ways need.
                factor = self.whole(2, 3)
                pool = Step(self.one_of("maxpool", "avgpool"), (("kernel", factor),))
                up = Step("upsample", (("scale", factor),))
                straight = Chain((self.keeper(x.shape, scope.inner(x)),))
                name = self.one_of("concat", "add", "max")
                return Merge(name, ((straight,), (Chain((pool, up)),)))
            case "bordered" if image:
                # The same rows and columns put around each way, on other sides.
                around = [(self.whole(0, 2), self.whole(0, 2)) for _ in range(2)]
                ways = [tuple(map(Row, around)), tuple(Row(each[::-1]) for each in around)]
                chains = [Chain((Step("pad", (("amount", Row(way)),)),)) for way in ways]
                name = self.one_of("concat", "add", "max", "mul")
                return Merge(name, tuple((chain,) for chain in chains))
            case "tokens" if image:
                steps = [Step("tokens"), Step("class_token"), Step("position_embedding")]
                return Chain((*steps, Step("attention", (("heads", self.divisor(x.shape[-1])),))))
            case "call":
                return self.call(x, scope, depth)
        return Chain(self.steps(x, scope, keeping=keeping))

    def steps(self, x: Value, scope: Scope, *, keeping: bool) -> tuple[Step, ...]:
        steps: list[Step] = []
        for _ in range(self.whole(1, 2)):
            step = self.keeper(x.shape, scope)
            if not keeping and self.maybe():
                step = self.changer(x.shape, scope)
            callables = [k for k, v in scope.names.items() if k[0] == "u"]
            if callables and self.whole(0, 3) == 0:
                step = Step(self.one_of(*callables))
            try:
                x = self.run.step(step, x, scope, [])
            except Misfit:
                continue
            if not _is_small(x.shape):
                return (*steps, Step("tanh")) if steps else (Step("tanh"),)
            steps.append(step)
        return tuple(steps) or (Step("relu"),)

    def loop(self, x: Value, scope: Scope, unbraced: Any) -> For:
        count = self.whole(1, 3)
        one = self.new("n")
        rows = tuple(self.whole(1, 4) for _ in range(count))
        items: Any = Row(rows, True)
        match self.one_of("list", "zip", "enumerate", "range"):
            case "list":
                return For((one,), items, unbraced(**{one: rows[0]}))
            case "range":
                return For((one,), Function("range", (count,)), unbraced(**{one: 0}))
            case "enumerate":
                index = self.new("i")
                body = unbraced(**{index: 0, one: rows[0]})
                return For((index, one), Function("enumerate", (items,)), body)
            case _:
                two = self.new("n")
                kernels = tuple(self.whole(1, 3) for _ in range(count))
                body = unbraced(**{one: rows[0], two: kernels[0]})
                zipped = Function("zip", (items, Row(kernels, True)))
                return For((one, two), zipped, body)

    def call(self, x: Value, scope: Scope, depth: int) -> Chain:
        """A call of a block, of a new one while there are few."""
        known = list(self.blocks)
        if not known or (len(known) < 3 and self.maybe()):
            name = self.block(x, depth)
        else:
            name = self.one_of(*known)
        given: list[tuple[str, Any]] = []
        for parameter in self.blocks[name].parameters:
            if parameter.default is not None and self.maybe():
                continue
            given.append((parameter.name, self.argument(parameter.name, name, scope)))
        return Chain((Step(name, tuple(given)),))

    def argument(self, parameter: str, block: str, scope: Scope) -> Any:
        """A value for a parameter; its first letter says of which kind."""
        match parameter[0]:
            case "w":
                return self.number(self.whole(1, 8), scope)
            case "k":
                return Sides(self.whole(1, 3), self.whole(1, 3))
            case "t":
                return self.one_of("true", "false")
        # Blocks that were made before this one, so that none calls itself.
        earlier = list(self.blocks)
        earlier = earlier[: earlier.index(block)] if block in earlier else earlier
        simple = [
            name
            for name in earlier
            if all(each.default is not None for each in self.blocks[name].parameters)
            and not any(each.is_block for each in self.blocks[name].parameters)
        ]
        return self.one_of("relu", "bn", "identity", "gelu", *simple)

    def block(self, x: Value, depth: int) -> str:
        scope = Scope({each.name: each.value for each in self.lets}, x)
        parameters: list[Parameter] = []
        for letter in self.draw(st.lists(st.sampled_from("wktu"), min_size=1, max_size=3)):
            name = self.new(letter)
            value = self.argument(name, "", Scope({}))
            default = None if self.maybe() else value
            parameters.append(Parameter(name, default, letter == "u"))
            scope.names[name] = value_of(value, scope)
        # Those with a default stand last, so that they may be left out.
        parameters.sort(key=lambda each: each.default is not None)
        name = self.new("b")
        body = self.body(x, scope, depth - 1, 3, keeping=self.maybe(), kinds="label")
        self.blocks[name] = Block(name, tuple(parameters), body)
        return name


def _is_small(x: Shape) -> bool:
    return (
        max(x[:-1], default=1) <= LARGEST_SIDE**2
        and x[-1] <= MOST_CHANNELS
        and (len(x) < 3 or max(x[:2]) <= LARGEST_SIDE)
    )


@st.composite
def programs(draw: Any, *, named: bool = False) -> Program:
    """A program that is right, of up to about 60 layers; `named` lets its input be of any size."""
    drawing = _Drawing(draw, named=named)
    for _ in range(drawing.whole(0, 2)):
        drawing.lets.append(Let(drawing.new("v"), drawing.whole(1, 6)))
    scope = Scope({each.name: each.value for each in drawing.lets})
    drawing.run.lets.update(scope.names)
    parameters = []
    for letter in draw(st.lists(st.sampled_from("wkt"), max_size=2)):
        name = drawing.new(letter)
        value = drawing.argument(name, "", Scope({}))
        parameters.append(Parameter(name, value))
        scope.names[name] = value_of(value, scope)
    settings = ()
    if parameters and drawing.maybe():
        chosen = parameters[0]
        value = drawing.argument(chosen.name, "", Scope({}))
        settings = ((chosen.name, value),)
        scope.names[chosen.name] = value_of(value, scope)
    sizes = (drawing.whole(6, 12), drawing.whole(6, 12), drawing.whole(1, 6))
    image = drawing.run.value("image", sizes)
    scope.labels["image"] = image, "image"
    kinds = "label label group let from aux tokens unpadded unpadded skip bordered"
    body = list(drawing.body(image, scope, 2, 9, least=3, keeping=False, kinds=kinds))
    if drawing.maybe():
        body.append(Chain((Step(drawing.one_of("flatten", "globalavgpool", "globalmaxpool")),)))
        body.append(Chain((Step("dense", (("features", drawing.whole(1, 5)),)),)))
    program = Program(
        tuple(drawing.lets),
        tuple(drawing.blocks.values()),
        tuple(parameters),
        settings,
        sizes,
        tuple(body),
        named,
    )
    if _fits(program):
        return program
    return program._replace(body=tuple(body[:-2]))  # The end was none for a sequence or vector.


OPERATORS = {
    2: ("attention", "class_token", "take_token", "select", "split"),
    3: (
        *("conv", "grouped", "depthwise", "conv_transpose", "pool", "adaptive", "upsample"),
        *("space_to_depth", "pad", "crop", "select", "split", "groupnorm", "shuffle"),
        *("skip", "bordered", "squeeze"),
    ),
}
"""What can be drawn alone, by the number of axes of its input."""


@st.composite
def operators(draw: Any, axes: int, name: str) -> Program:
    """A program of one operator on a small image or sequence, which may not fit."""
    drawing = _Drawing(draw, named=False)
    sizes = (drawing.whole(2, 6), drawing.whole(2, 6), drawing.whole(1, 6))
    x: Shape = sizes if axes == 3 else (sizes[0] * sizes[1], sizes[2])
    if name in ("skip", "bordered", "squeeze"):
        scope = Scope({}, Value(0, x))
        return Program((), (), (), (), sizes, (drawing.statement(name, Value(0, x), scope, 0),))
    kind = drawing.keeper if name in ("groupnorm", "shuffle", "attention") else drawing.changer
    step = kind(x, Scope({}), name)
    return Program((), (), (), (), sizes, (Chain((*[Step("tokens")] * (axes == 2), step)),))


def _fits(program: Program) -> bool:
    try:
        run(program)
    except Misfit:
        return False
    return True
