"""Calls of operators and blocks, merges of branches, and residuals."""

from __future__ import annotations

from netdsl import syntax
from netdsl.bind import Given, assign, bind, missing_argument, mistakes, with_choices
from netdsl.diagnostics import Diagnostic, Fault, Frame, Label, LimitFault
from netdsl.elaborate.builder import Builder, Holders, OpenRegion, Place
from netdsl.elaborate.mistakes import (
    find_callee,
    is_foreign,
    labelled_elsewhere,
    needs_no_word,
    of_passes,
    of_residual,
    refuse_operand,
    show_argument,
    with_way_out,
)
from netdsl.evaluate import evaluate, match_pattern, truth
from netdsl.fuel import CALL
from netdsl.limits import LIMITS
from netdsl.ops import OPERATORS
from netdsl.ops.base import Op
from netdsl.program import Block
from netdsl.scope import UNKNOWN, Scope, Tensor, UnknownValue, describe, fail
from netdsl.source import Span
from netdsl.tensor import Window

_PLAIN = frozenset((bool, int, float, str, Window))
"""Values that are alike where they are equal and of one type."""


class Calls(Builder):
    def body(self, body: syntax.Body, place: Place) -> None:
        """Elaborate a body at a place; `Bodies` says how."""
        raise NotImplementedError

    def callee(self, name: str, span: Span, place: Place) -> Block | type[Op]:
        return find_callee(name, span, place.scope, place.file)

    def call(self, call: syntax.Call, place: Place) -> None:
        target = self.callee(call.name, call.name_span, place)
        if isinstance(target, type) and target.is_merge:
            self.merge(call, target, place)
            return
        if call.branches is not None:
            merges = ", ".join(f"`{op.name}`" for op in OPERATORS.values() if op.is_merge)
            fail(
                "branches-not-allowed",
                f"`{call.name}` takes no branches",
                call.name_span,
                help=f"branches are joined by {merges}",
            )
        current = self.current(place, call.span)
        given = self.arguments(call, target, place)
        if isinstance(target, Block):
            self.call_block(call, target, given, current, place)
            return
        op, spans = self.layer(call, target, given, place)
        place.current = self.node(op, (current,), self.path(call, place), call.span, spans, place)

    def layer(
        self, call: syntax.Call, target: type[Op], given: list[Given], place: Place
    ) -> tuple[Op, dict[str, Span]]:
        """The operator with its arguments, and where each stands. Raises UnknownValue after a
        mistake."""
        plain = all([each.value.__class__ in _PLAIN for each in given])
        key = target, tuple([(each.name, each.value.__class__, each.value) for each in given])
        if plain and key in self.bound:
            op, names = self.bound[key]
            return op, dict(zip(names, [each.span for each in given], strict=True))
        try:
            values, spans = bind(target.parameters, given, call.name, call.name_span)
        except Fault as fault:
            self.report_arguments(call, target, given, place, fault)
            raise UnknownValue from None
        op = target.bound(values)
        if plain:
            self.bound[key] = op, tuple(spans)
        return op, spans

    def report_arguments(
        self,
        call: syntax.Call,
        target: type[Op],
        given: list[Given],
        place: Place,
        first: Fault | None = None,
    ) -> None:
        """Report all that is wrong with a layer's arguments, of which `first` was found at once."""
        faults = mistakes(target.parameters, given, call.name, call.name_span)
        if first is not None:
            # It may be told better where no argument is left out.
            faults[0] = first
        in_order = [each for each in given if each.name is None]
        # Behind a value or layer given as in other tools, each stands one place too late.
        foreign = next((at for at, each in enumerate(in_order) if is_foreign(each.value)), None)
        shifted = () if foreign is None else [each.span for each in in_order[foreign + 1 :]]
        for fault in faults:
            if fault.diagnostic.span in shifted:
                continue
            diagnostic = with_way_out(fault.diagnostic, call, given)
            if diagnostic is not None:
                self.report(Fault(diagnostic), place.trail)

    def arguments(self, call: syntax.Call, target: Block | type[Op], place: Place) -> list[Given]:
        given = []
        lost = False
        for position, each in enumerate(call.arguments):
            try:
                value = evaluate(each.value, place.scope)
            except LimitFault:
                raise
            except Fault as fault:
                value, lost = UNKNOWN, True
                names = parameter_names(target)
                name = each.name or (names[position] if position < len(names) else "")
                if not needs_no_word(fault.diagnostic, each, target):
                    self.report(self.explained(fault, each, name, target, place), place.trail)
            except UnknownValue:
                value, lost = UNKNOWN, True
            given.append(Given(each.name, value, each.span))
        if lost:
            if not isinstance(target, Block) and not target.is_merge:
                self.report_arguments(call, target, given, place)
            raise UnknownValue
        defaults = place.scope.default_arguments(call.name)
        if not defaults:
            return given
        names = parameter_names(target)
        taken = {
            each.name if each.name is not None else names[position]
            for position, each in enumerate(given)
            if each.name is not None or position < len(names)
        }
        for default in defaults:
            assert default.name is not None
            if default.name not in taken:
                taken.add(default.name)
                value = evaluate(default.value, place.scope)
                given.append(Given(default.name, value, default.span))
        return given

    def explained(
        self,
        fault: Fault,
        argument: syntax.Argument,
        name: str,
        target: Block | type[Op],
        place: Place,
    ) -> Fault:
        """A mistake in the argument `name`, with the words that it takes, or where an unknown name
        is a label."""
        diagnostic = fault.diagnostic
        if diagnostic.span != argument.value.span or self.is_reported(diagnostic):
            return fault
        parameter = None if isinstance(target, Block) else target.parameters.get(name)
        if parameter is not None:
            return Fault(with_choices(diagnostic, name, parameter))
        found = labelled_elsewhere(argument.value.span.text, place.file.tree)
        # What is called alike is hardly meant then.
        return Fault(diagnostic._replace(labels=found, help="")) if found else fault

    def call_block(
        self, call: syntax.Call, block: Block, given: list[Given], current: Tensor, place: Place
    ) -> None:
        declaration = block.declaration
        if block in self.calling:
            circle = " -> ".join(
                each.name for each in (*self.calling[self.calling.index(block) :], block)
            )
            fail(
                "recursive-block",
                f"`{block.name}` calls itself: {circle}",
                call.span,
                help="use `repeat` to apply a block several times",
            )
        if len(self.calling) >= LIMITS.nesting:
            fail("nesting-too-deep", f"blocks are nested over {LIMITS.nesting} deep", call.span)
        place.scope.fuel.spend(CALL, call.span)
        scope = Scope(block.file.scope)
        try:
            values = self.parameter_values(
                block.name,
                declaration.parameters,
                assign(parameter_names(block), given, block.name, call.name_span),
                scope,
                call.name_span,
            )
        except LimitFault:
            raise
        except Fault as fault:
            declared = Label(declaration.name_span, f"`{block.name}` is declared here")
            labels = (*fault.diagnostic.labels, declared)
            raise Fault(fault.diagnostic._replace(labels=labels)) from None
        # With an unknown value too, so that the mistakes of names in the block are told.
        scope.names["in"] = current
        shown = ", ".join([f"{key} = {show_argument(each)}" for key, each in values.items()])
        text = f"`{block.name}({shown})`" if shown else f"`{block.name}`"
        frame = Frame(call.span, text, declaration.name_span)
        prefix = self.path(call, place)
        trail = (frame, *place.trail)
        inner = Place(scope, block.names, block.file, prefix, trail, current, [])
        first_node, first_check = len(self.nodes), len(self.checks)
        self.hold(prefix, call.span)
        self.calling.append(block)
        self.bodies.append(Holders({}, {}))
        try:
            with OpenRegion(
                self,
                "block",
                inner,
                block.name,
                declaration.span,
                current,
                arguments=values,
                documentation=declaration.body.documentation,
            ):
                self.body(declaration.body, inner)
        finally:
            self.bodies.pop()
            self.calling.pop()
        nodes = (first_node, len(self.nodes))
        self.checks[first_check:] = [
            check if check.nodes is not None else check._replace(nodes=nodes)
            for check in self.checks[first_check:]
        ]
        place.current = self.current(inner, call.span)
        if place.current.type is not None:
            self.check_ends(inner, declaration.name, trail)
            place.current = Tensor(place.current.node, place.current.type, call.span)

    def check_ends(self, place: Place, name: str, trail: tuple[Frame, ...]) -> None:
        """A block or side branch has one output, so each chain that it leaves must be used."""
        assert place.current is not None
        if not place.ends:
            return
        first = min(end.node for end in place.ends)
        used = {index for node in self.nodes[first:] for index in node.inputs}
        for end in place.ends:
            is_input = self.nodes[end.node].op is None
            if end.node not in used and end.node != place.current.node and not is_input:
                raise Fault(
                    Diagnostic(
                        "value-unused",
                        f"nothing in `{name}` uses the value of this chain",
                        end.span,
                        help="label it and join it, for instance with `concat(label)`",
                        trail=trail,
                    )
                )

    def merge(self, call: syntax.Call, op: type[Op], place: Place) -> None:
        given = self.arguments(call, op, place)
        named = [each for each in given if isinstance(each.value, Tensor)]
        rest = [each for each in given if not isinstance(each.value, Tensor)]
        for each in rest:
            refuse_operand(each, op)
        values, spans = bind(op.parameters, rest, call.name, call.name_span)
        operands: list[Tensor] = []
        if call.branches is not None:
            if named:
                label = named[0].span
                fail(
                    "merge-operands",
                    f"`{call.name}` has both branches and named values",
                    label,
                    help=f"put it into a branch of its own: `| from {label.text} -> identity`",
                )
            current = self.current(place, call.span)
            with OpenRegion(self, "merge", place, call.name, call.span, current):
                passes: list[str] = []
                self.branches(call.branches, current, place, operands, passes)
                try:
                    place.current = self.merged(call, op.bound(values), operands, spans, place)
                except LimitFault:
                    raise
                except Fault as fault:
                    raise Fault(of_passes(fault.diagnostic, operands, passes)) from None
            return
        current = self.current(place, call.span)
        operands = [Tensor(current.node, current.type, current.span)]
        for each in named:
            assert isinstance(each.value, Tensor)
            operands.append(Tensor(each.value.node, each.value.type, each.span))
        try:
            place.current = self.merged(call, op.bound(values), operands, spans, place)
        except LimitFault:
            raise
        except Fault as fault:
            made = tuple(
                Label(each.value.span, f"`{each.span.text}` is labelled here")
                for each in named
                if isinstance(each.value, Tensor) and fault.diagnostic.code == "shape-mismatch"
            )
            labels = (*fault.diagnostic.labels, *made)
            raise Fault(fault.diagnostic._replace(labels=labels)) from None

    def merged(
        self,
        call: syntax.Call,
        op: Op,
        operands: list[Tensor],
        spans: dict[str, Span],
        place: Place,
    ) -> Tensor:
        if len(operands) < 2:
            fail(
                "merge-operands",
                f"`{call.name}` joins two values or more; it has {len(operands)}",
                call.name_span,
                help=f"give it branches, `{call.name} {{ | … | … }}`, or a label, "
                f"`{call.name}(label)`",
            )
        return self.node(op, tuple(operands), self.path(call, place), call.name_span, spans, place)

    def branches(
        self,
        branches: tuple[syntax.Branch | syntax.BranchLoop, ...],
        current: Tensor,
        place: Place,
        outputs: list[Tensor],
        passes: list[str],
        with_values: tuple[str, ...] = (),
    ) -> None:
        """Elaborate branches, loops of them pass by pass. What each gives goes into `outputs`, and
        the values of the loops' variables as ", with r = 6" into `passes`."""
        for branch in branches:
            self.step(branch.span)
            if isinstance(branch, syntax.BranchLoop):
                given = evaluate(branch.values, place.scope)
                if not isinstance(given, (list, tuple)) or isinstance(given, Window):
                    fail(
                        "loop-values",
                        f"`for` goes through a list, not {describe(given)}",
                        branch.values.span,
                    )
                for number, each in enumerate(given):
                    inner = place.inner(Scope(place.scope, "pass"))
                    inner.indices = (*place.indices, str(number))
                    bound = match_pattern(branch.pattern, each, branch.values.span)
                    held = [f"{key} = {show_argument(value)}" for key, value in bound.items()]
                    text = ", ".join([f"pass {number + 1} of {len(given)} of `for`", *held])
                    inner.trail = (Frame(branch.span, text), *place.trail)
                    for name, value in bound.items():
                        inner.scope.bind(name, value, branch.span)
                    self.branches(
                        branch.branches, current, inner, outputs, passes, (*with_values, *held)
                    )
                continue
            inner = place.inner(place.branch(current))
            with OpenRegion(self, "branch", inner, "", branch.span, current):
                self.body(branch.body, inner)
            output = self.current(inner, branch.span)
            outputs.append(Tensor(output.node, output.type, branch.span))
            passes.append(f" with {', '.join(with_values)}" if with_values else "")

    def residual(self, step: syntax.Residual, place: Place) -> None:
        start = self.current(place, step.span)
        if start.type is None:
            inner = place.inner(place.branch(start))
            self.body(step.body, inner)
            if step.shortcut is not None:
                inner.current = start
                self.body(step.shortcut, inner)
            raise UnknownValue
        adds = step.condition is None or truth(step.condition, place.branch(start))
        taken = "plain"
        projects = False
        with OpenRegion(self, "residual", place, "", step.span, start) as region:
            inner = place.inner(place.branch(start))
            with OpenRegion(self, "branch", inner, "body", step.body.span, start):
                self.body(step.body, inner)
            output = self.current(inner, step.body.span)
            shortcut = start
            shortcut_span = start.span
            if adds:
                taken = "identity"
                scope = place.branch(start)
                if output.type is None:
                    raise UnknownValue
                scope.names["out"] = output
                if step.shortcut is not None:
                    condition = step.shortcut_condition
                    projects = condition is None or truth(condition, scope)
                if projects:
                    assert step.shortcut is not None
                    taken = "shortcut"
                    inner = place.inner(scope)
                    with OpenRegion(self, "branch", inner, "shortcut", step.shortcut.span, start):
                        self.body(step.shortcut, inner)
                    shortcut = self.current(inner, step.shortcut.span)
                    shortcut_span = step.shortcut_span or step.shortcut.span
                spans = step.body.span, shortcut_span
                output = self.add(step, place, (output, shortcut), spans, projects=projects)
            region.taken = taken
            place.current = output

    def add(
        self,
        step: syntax.Residual,
        place: Place,
        operands: tuple[Tensor, ...],
        spans: tuple[Span, ...],
        *,
        projects: bool,
    ) -> Tensor:
        word = Span(step.span.source, step.span.start, step.span.start + len("residual"))
        operands = tuple(
            Tensor(each.node, each.type, span) for each, span in zip(operands, spans, strict=True)
        )
        try:
            return self.node(OPERATORS["add"](), operands, self.path(step, place), word, {}, place)
        except LimitFault:
            raise
        except Fault as fault:
            if fault.diagnostic.span != word:
                raise
            raise Fault(of_residual(fault.diagnostic, step, operands, projects)) from None

    def parameter_values(
        self,
        what: str,
        parameters: tuple[syntax.Parameter, ...],
        given: dict[str, Given],
        scope: Scope,
        span: Span,
    ) -> dict[str, object]:
        """Each parameter's value; a default may use the parameters before it."""
        values: dict[str, object] = {}
        for parameter in parameters:
            name = parameter.name
            if name in given:
                value, place = given[name].value, given[name].span
            elif parameter.default is not None:
                value, place = evaluate(parameter.default, scope), parameter.span
            else:
                names = tuple(each.name for each in parameters)
                raise missing_argument(what, name, parameter.kind or "", span, names)
            is_block = isinstance(value, (Block, type))
            if parameter.kind == "block" and not is_block:
                fail(
                    "argument-value",
                    f"`{name}` of `{what}` must be a block or an operator, not {describe(value)}",
                    place,
                )
            if parameter.kind is None and is_block:
                fail(
                    "argument-value",
                    f"`{name}` of `{what}` must be a value, not {describe(value)}",
                    place,
                    help=f"declare it as `{name}: block` to take blocks",
                    labels=(Label(parameter.span, "declared here"),),
                )
            if parameter.kind not in (None, "block"):
                fail(
                    "unknown-kind",
                    f"`{parameter.kind}` is no kind of parameter",
                    parameter.span,
                    help="a parameter is plain (`width`) or takes a block (`unit: block`)",
                )
            values[name] = value
            scope.bind(name, value, parameter.span)
        return values


def parameter_names(target: Block | type[Op]) -> tuple[str, ...]:
    if isinstance(target, Block):
        return tuple([parameter.name for parameter in target.declaration.parameters])
    return tuple(target.parameters)
