"""Statements, chains and static control."""

from __future__ import annotations

from collections.abc import Iterator

from netdsl import syntax
from netdsl.bind import Given, assign, missing_argument
from netdsl.diagnostics import Diagnostic, Fault, Frame, Label, LimitFault, did_you_mean
from netdsl.elaborate.builder import Check, Condition, OpenRegion, Place, check_label
from netdsl.elaborate.calls import Calls, parameter_names
from netdsl.elaborate.mistakes import labelled_elsewhere, show_argument
from netdsl.evaluate import evaluate, is_template, match_pattern, path_parts, truth
from netdsl.fuel import PASS
from netdsl.graph import Node, Origin, Output, PassNumber
from netdsl.input_sizes import input_shape
from netdsl.limits import LIMITS
from netdsl.records import records
from netdsl.scope import UNKNOWN, Scope, Tensor, UnknownValue, describe, fail
from netdsl.size_conditions import allowed_sizes, refuse_other_values
from netdsl.sizes import symbols
from netdsl.source import Span
from netdsl.tensor import TensorType, Window

_ALIKE = 100
"""How many passes in a row may have no mistakes but those of passes before: what the passes left
would have given is unknown then."""


class Bodies(Calls):
    def body(self, body: syntax.Body, place: Place) -> None:
        if self.depth >= LIMITS.nesting:
            message = f"blocks and braces together nest over {LIMITS.nesting} deep"
            fail("nesting-too-deep", message, body.span)
        self.depth += 1
        for statement in body.statements:
            try:
                self.step(statement.span)
                self.statement(statement, place)
            except LimitFault:
                raise
            except Fault as fault:
                self.report(fault, place.trail)
                self._make_unknown(statement, place)
            except UnknownValue:
                self._make_unknown(statement, place)
        self.depth -= 1

    def _make_unknown(self, statement: syntax.Statement, place: Place) -> None:
        """What a statement with a mistake would have given is unknown from here on."""
        self.incomplete = True
        if isinstance(statement, (syntax.Flow, syntax.Input)):
            place.current = Tensor(-1, None, statement.span)
        if isinstance(statement, syntax.Input):
            place.scope.names[statement.name] = UNKNOWN
            for size in statement.sizes:
                if isinstance(size, syntax.Name):
                    place.scope.names.setdefault(size.name, UNKNOWN)
        if isinstance(statement, syntax.Flow):
            place.scope.body.lost.update(_template_labels(statement))
        label = statement.label if isinstance(statement, syntax.Flow) else None
        if label is not None and not is_template(label):
            place.scope.labels.names[".".join(path_parts(label, place.scope))] = place.current
        if isinstance(statement, syntax.Let):
            place.scope.names.setdefault(statement.pattern.name, UNKNOWN)
            for nested in statement.pattern.nested or ():
                place.scope.names.setdefault(nested.name, UNKNOWN)

    def statement(self, statement: syntax.Statement, place: Place) -> None:
        match statement:
            case syntax.Flow():
                self.flow(statement, place)
            case syntax.Let(pattern, value, _):
                bound = match_pattern(pattern, evaluate(value, place.scope), value.span)
                for name, each in bound.items():
                    place.scope.bind(name, each, pattern.span)
            case syntax.Default(calls, _):
                self.default(calls, place)
            case syntax.Assert() | syntax.Claim():
                if isinstance(statement, syntax.Claim) and self.calling:
                    fail(
                        "statement-not-allowed",
                        "a claim is about a network, not about a block",
                        statement.span,
                        help="an `assert` may stand in a block",
                    )
                self.checks.append(Check(statement, place.scope, None, place.trail))
            case syntax.Aux():
                self.aux(statement, place)
            case syntax.Input():
                self.input(statement, place)

    def default(self, calls: tuple[syntax.Call, ...], place: Place) -> None:
        for call in calls:
            try:
                target = self.callee(call.name, call.name_span, place)
            except Fault as fault:
                self.report(fault, place.trail)
                continue
            known = parameter_names(target)
            kept = []
            for argument in call.arguments:
                if argument.name in known:
                    kept.append(argument)
                    continue
                message = f"`{call.name}` has no argument `{argument.name}`"
                help = did_you_mean(argument.name, known) if argument.name is not None else ""
                if argument.name is None:
                    message = "a default is given by name, such as `bias = false`"
                unknown = Diagnostic("unknown-argument", message, argument.span, help=help)
                self.report(Fault(unknown), place.trail)
            scope = place.scope
            earlier = scope.default_arguments(call.name)
            scope.defaults = scope.defaults | {call.name: (*kept, *earlier)}

    def input(self, statement: syntax.Input, place: Place) -> None:
        if self.calling or place.indices or place.prefix:
            fail(
                "input-misplaced",
                "an input belongs to the network's own body",
                statement.span,
                help="what enters a block or braces is called `in` there",
            )
        first = next((node for node in self.nodes if node.op is None), None)
        if first is not None:
            fail(
                "second-input",
                "a network has one input",
                statement.span,
                labels=(Label(first.origin.span, "it is declared here"),),
            )
        check_label((statement.name,), statement.name_span)
        shape = input_shape(statement, place.scope, self.size_settings, symbolic=self.symbolic)
        if statement.where is not None:
            self.conditions.append(Condition(statement.where, place.scope))
        unknowns = {each.name: each for size in shape for each in symbols(size)}
        if unknowns and statement.where is not None:
            refuse_other_values(statement.where, place.scope)
        if unknowns:
            place.scope.fuel.allowed, _ = allowed_sizes(self.conditions, unknowns)
        if len(shape) not in (1, 3):
            fail(
                "input-rank",
                f"an input has 1 or 3 sizes, not {len(shape)}",
                statement.sizes[0].span.to(statement.sizes[-1].span),
                help="an image is [height, width, channels], a vector [features]"
                + (": without the number of images" if len(shape) == 4 else ""),
            )
        origin = Origin(statement.span, {}, ())
        node = Node(len(self.nodes), None, (), TensorType(shape), (statement.name,), origin)
        self.nodes.append(node)
        self.items.append(node.number)
        value = Tensor(node.number, node.type, statement.span)
        place.current = value
        place.scope.bind(statement.name, value, statement.name_span)
        place.scope.names["in"] = value
        self.labels[statement.name] = node.number

    def aux(self, statement: syntax.Aux, place: Place) -> None:
        head = _head(statement.span, statement.body.span)
        given = [
            Given(each.name, evaluate(each.value, place.scope), each.span)
            for each in statement.arguments
        ]
        weight_given = assign(("weight",), given, "aux", head).get("weight")
        if weight_given is None:
            raise missing_argument("aux", "weight", "its share of the loss", head)
        weight = weight_given.value
        if isinstance(weight, bool) or not isinstance(weight, (int, float)) or weight < 0:
            fail(
                "argument-value",
                f"`weight` of `aux` must be a number of at least 0, not {describe(weight)}",
                weight_given.span,
            )
        if self.in_aux:
            fail("aux-misplaced", "a side branch can't have side branches", head)
        if self.calling:
            fail(
                "aux-misplaced",
                "a side branch belongs to the network's own body",
                head,
                help="put the block's call inside `aux { … }` in the network",
            )
        current = self.current(place, statement.span)
        inner = self.labelled(place, place.names[id(statement)], statement.span)
        self.in_aux = True
        try:
            with OpenRegion(self, "aux", inner, "aux", statement.span, current):
                inner.scope = place.branch(current)
                inner.ends = []
                self.body(statement.body, inner)
                output = self.current(inner, statement.span)
        finally:
            self.in_aux = False
        if output.type is not None:
            self.check_ends(inner, "aux", place.trail)
            self.outputs.append(Output(".".join(inner.prefix), output.node, float(weight)))

    def flow(self, flow: syntax.Flow, place: Place) -> None:
        lost = False
        if flow.label is not None and any(isinstance(each, syntax.Group) for each in flow.steps):
            # Before all of its layers are told to have the paths of others.
            self.refuse_label_taken(flow.label, place)
        if flow.source is not None:
            if place.current is not None and place.current.type is not None:
                place.ends.append(place.current)
            try:
                place.current = self.source(flow.source, place)
            except (Fault, UnknownValue) as mistake:
                self.lose(mistake, place, flow.source.span)
                lost = True
        group = place.names.get(id(flow))
        if group is None:
            lost |= self.chain(flow, place)
        else:
            inner = self.labelled(place, group, flow.span)
            with OpenRegion(self, "group", inner, "", flow.span, place.current):
                lost |= self.chain(flow, inner)
            place.current = inner.current
        if lost:
            raise UnknownValue
        if flow.label is not None:
            self.define_label(flow.label, self.current(place, flow.span), place)

    def chain(self, flow: syntax.Flow, place: Place) -> bool:
        """Run all steps of a chain; whether one had a mistake, which is reported."""
        lost = False
        for step in flow.steps:
            try:
                self.run_step(step, place)
            except (Fault, UnknownValue) as mistake:
                self.lose(mistake, place, step.span)
                lost = True
        return lost

    def lose(self, mistake: Fault | UnknownValue, place: Place, span: Span) -> None:
        """Go on behind a mistake with an unknown value, for the mistakes that follow."""
        if isinstance(mistake, LimitFault):
            raise mistake
        if isinstance(mistake, Fault):
            self.report(mistake, place.trail)
        self.incomplete = True
        place.current = Tensor(-1, None, span)

    def source(self, path: syntax.Path, place: Place) -> Tensor:
        parts = path_parts(path, place.scope)
        name = ".".join(parts)
        value = place.scope.find(name)
        if value is None and len(parts) > 1:
            node = self.labels.get(".".join((*place.prefix, *parts)))
            if node is not None:
                return Tensor(node, self.nodes[node].type, path.span)
        if value is UNKNOWN:
            raise UnknownValue
        if isinstance(value, Tensor):
            return value
        if value is not None:
            fail(
                "not-a-value",
                f"`{name}` is {describe(value)}, not a labelled value",
                path.span,
                help=f"a label names the value of a chain: `{name}: conv(…)`",
            )
        if place.scope.is_lost(name):
            raise UnknownValue
        labels = tuple(
            each
            for each in place.scope.visible()
            if isinstance(place.scope.find(each), Tensor) and each not in ("in", "out")
        )
        message = f"there is no value labelled `{name}` here"
        help = did_you_mean(name, labels)
        unknown = Diagnostic("unknown-label", message, path.span, help=help)
        if not self.is_reported(unknown):
            elsewhere = labelled_elsewhere(name, place.file.tree)
            if elsewhere:
                unknown = unknown._replace(labels=elsewhere, help="")
        raise Fault(unknown)

    def run_step(self, step: syntax.Step, place: Place) -> None:
        self.step(step.span)
        match step:
            case syntax.Call():
                self.call(step, place)
            case syntax.Residual():
                self.residual(step, place)
            case syntax.Repeat(count, index, body, span):
                number = evaluate(count, place.scope)
                if isinstance(number, bool) or not isinstance(number, int) or number < 0:
                    fail(
                        "repeat-count",
                        f"`repeat` takes a whole number of at least 0, not {describe(number)}",
                        count.span,
                        help="`//` divides whole numbers" if isinstance(number, float) else "",
                    )
                if number > LIMITS.nodes:
                    fail(
                        "too-many-nodes",
                        f"{number:,} passes are over the limit of {LIMITS.nodes:,}",
                        count.span,
                    )
                names = () if index is None else (index,)
                passes: Iterator[dict[str, object]] = (
                    dict.fromkeys(names, i) for i in range(number)
                )
                self.loop(step, body, passes, number, place, "repeat")
            case syntax.For(pattern, values, body, span):
                given = evaluate(values, place.scope)
                if not isinstance(given, (list, tuple)) or isinstance(given, Window):
                    message = f"`for` goes through a list, not {describe(given)}"
                    help = f"`range({given})` counts to it" if isinstance(given, int) else ""
                    fail("loop-values", message, values.span, help=help)
                bound = (match_pattern(pattern, each, values.span) for each in given)
                self.loop(step, body, bound, len(given), place, "for")
            case syntax.If():
                self.condition(step, place)
            case syntax.Group(body, span):
                label = place.names.get(id(step))
                inner = place.inner() if label is None else self.labelled(place, label, span)
                if label is not None:
                    inner.scope = Scope(place.scope)
                with OpenRegion(self, "group", inner, "", span, place.current):
                    self.body(body, inner)
                place.current = inner.current
                if label is not None:
                    self.export(inner, place)

    def export(self, inner: Place, place: Place) -> None:
        """Make the labels of a group known around it, under the group's own: `features.0`."""
        parts = inner.prefix[len(place.prefix) :]
        group = ".".join(parts[: len(parts) - len(place.indices)])
        for name, value in inner.scope.names.items():
            if isinstance(value, Tensor) and name not in ("in", "out"):
                span = inner.scope.spans.get(name, value.span)
                place.scope.labels.bind(f"{group}.{name}", value, span)

    def condition(self, step: syntax.If, place: Place) -> None:
        taken = truth(step.condition, place.scope)
        body = step.then if taken else step.otherwise
        with OpenRegion(
            self, "if", place, "", step.span, place.current, taken="then" if taken else "else"
        ):
            if body is not None:
                self.body(body, place)

    def loop(
        self,
        step: syntax.Repeat | syntax.For,
        body: syntax.Body,
        passes: Iterator[dict[str, object]],
        count: int,
        place: Place,
        word: str,
    ) -> None:
        label = place.names.get(id(step))
        around = place.inner() if label is None else self.labelled(place, label, step.span)
        alike = 0
        with OpenRegion(self, "loop", around, word, step.span, place.current):
            for number, variables in enumerate(passes):
                told, repeated = len(self.found), self.repeated.total()
                place.scope.fuel.spend(PASS, step.span)
                inner = around.inner()
                part = PassNumber.of(number, step.span)
                if label is None:
                    inner.indices = (*around.indices, part)
                else:
                    inner.prefix = (*around.prefix, part)
                inner.scope = Scope(around.scope, "pass")
                shown = "".join(
                    f", {key} = {show_argument(each)}" for key, each in variables.items()
                )
                frame = Frame(step.span, f"pass {number + 1} of {count} of `{word}`{shown}")
                inner.trail = (frame, *place.trail)
                for name, value in variables.items():
                    inner.scope.bind(name, value, step.span)
                with OpenRegion(
                    self,
                    "iteration",
                    inner,
                    str(number),
                    body.span,
                    inner.current,
                    arguments=variables,
                ):
                    self.body(body, inner)
                around.current = inner.current
                if self.repeated.total() == repeated or len(self.found) > told:
                    alike = 0
                else:
                    alike += 1
                if alike == _ALIKE and number + 1 < count:
                    self.left_loops = True
                    raise UnknownValue
        place.current = around.current


def _template_labels(part: object) -> list[str]:
    """What each template label in a part of the syntax tree begins with."""
    return [
        each.label.span.text.partition("{")[0]
        for each in records(part)
        if isinstance(each, syntax.Flow) and each.label is not None and is_template(each.label)
    ]


def _head(whole: Span, body: Span) -> Span:
    """What stands before a body's braces."""
    text = whole.source.text[whole.start : body.start]
    return Span(whole.source, whole.start, whole.start + len(text.rstrip()))
