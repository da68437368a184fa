"""State of one elaboration: the graph so far, its regions, labels and paths, and mistakes."""

from __future__ import annotations

import keyword
from collections import Counter
from functools import lru_cache
from typing import NamedTuple

from netdsl import syntax
from netdsl.bind import Given
from netdsl.diagnostics import Diagnostic, Fault, Frame, Label, LimitFault, too_many_errors
from netdsl.elaborate.lineage import mismatch_notes, rounded_away, size_note
from netdsl.evaluate import is_template, path_parts
from netdsl.fuel import STATEMENT
from netdsl.graph import Item, Node, Origin, Output, Region, RegionKind
from netdsl.infer import infer
from netdsl.limits import LIMITS
from netdsl.naming import Here, Names
from netdsl.naming import Label as SiteLabel
from netdsl.ops.base import Op
from netdsl.program import Block, ProgramFile
from netdsl.scope import Scope, Tensor, UnknownValue, fail
from netdsl.source import Span
from netdsl.tensor import CHANNELS_LAST, TensorType

# Attributes that Flax gives every module; a layer of that name would hide it.
_RESERVED = frozenset(
    {"train", "eval", "sow", "perturb", "iter_modules", "iter_children", "set_attributes"}
)
_RESERVED_STARTS = ("__", "_abc_", "_check_", "_graph_node_", "_object_", "_pytree_", "_setattr")


class Check(NamedTuple):
    """An assertion or claim, to be judged once costs are known.

    `scope` holds the names that it may use; `nodes` are the first and the last + 1 node of the
    block that it stands in, None for the whole network.
    """

    statement: syntax.Assert | syntax.Claim
    scope: Scope
    nodes: tuple[int, int] | None
    trail: tuple[Frame, ...]


class Condition(NamedTuple):
    """What an input's `where` demands, with the names that it may use."""

    expression: syntax.Expression
    scope: Scope


class Place:
    """Where elaboration stands inside one body: names in sight, path prefix, the flowing value."""

    def __init__(
        self,
        scope: Scope,
        names: Names,
        file: ProgramFile,
        prefix: tuple[str, ...],
        trail: tuple[Frame, ...],
        current: Tensor | None,
        ends: list[Tensor],
    ) -> None:
        self.scope = scope
        self.names = names
        self.file = file
        self.prefix = prefix
        self.indices: tuple[str, ...] = ()
        self.trail = trail
        self.current = current
        self.ends = ends
        """Values that a `from` turned away from; what nobody uses of them leaves the network."""

    def inner(self, scope: Scope | None = None) -> Place:
        """A place inside this one, where the value flows on without changing it here."""
        place = Place(
            self.scope if scope is None else scope,
            self.names,
            self.file,
            self.prefix,
            self.trail,
            self.current,
            self.ends,
        )
        place.indices = self.indices
        return place

    def branch(self, value: Tensor) -> Scope:
        """A scope in which `value` is what enters the braces."""
        scope = Scope(self.scope, "branch")
        scope.names["in"] = value
        return scope


class Holders(NamedTuple):
    """The paths of a body's layers and blocks, and the paths around them, with whose they are."""

    layers: dict[tuple[str, ...], Span]
    around: dict[tuple[str, ...], Span]


class Builder:
    def __init__(self, file: ProgramFile, settings: dict[str, Given], symbolic: bool) -> None:
        self.file = file
        self.fuel = file.scope.fuel
        self.settings = settings
        self.symbolic = symbolic
        self.nodes: list[Node] = []
        self.types: dict[tuple[Op, tuple[TensorType, ...]], TensorType] = {}
        """What operators make of types: most layers are like others, and arithmetic with open sizes
        takes long."""
        self.bound: dict[tuple[object, ...], tuple[Op, tuple[str, ...]]] = {}
        """Layers by what they are called with, and the names of what is given: most come again."""
        self.auxiliary: set[int] = set()
        self.outputs: list[Output] = []
        self.labels: dict[str, int] = {}
        self.label_spans: dict[tuple[str, ...], Span] = {}
        self.bodies: list[Holders] = [Holders({}, {})]
        """What the network's body and each block being called hold, outermost first."""
        self.depth = 0
        """How many bodies are being elaborated, one in another."""
        self.checks: list[Check] = []
        self.conditions: list[Condition] = []
        self.found: dict[tuple[str, Span], Diagnostic] = {}
        self.repeated: Counter[tuple[str, Span]] = Counter()
        self.left_loops = False
        """Whether passes of a loop were left out, as those before had the same mistakes."""
        self.items: list[Item] = []
        """What the innermost open region holds so far."""
        self.calling: list[Block] = []
        """The blocks being called, outermost first."""
        self.in_aux = False
        self.variants: tuple[Frame, ...] = ()
        """The variants that the network is elaborated for, the innermost first."""
        self.incomplete = False
        """Whether something could not be elaborated for a mistake, maybe one told elsewhere."""
        self.size_settings: dict[str, Given] = {}

    def report(self, fault: Fault, trail: tuple[Frame, ...] = ()) -> None:
        diagnostic = fault.diagnostic
        if trail and not diagnostic.trail:
            diagnostic = diagnostic._replace(trail=trail)
        diagnostic = diagnostic._replace(trail=(*diagnostic.trail, *self.variants))
        key = diagnostic.code, diagnostic.span
        if key in self.found:
            self.repeated[key] += 1
        else:
            self.found[key] = diagnostic
            if len(self.found) == LIMITS.mistakes:
                raise LimitFault(too_many_errors(diagnostic.span))

    def is_reported(self, diagnostic: Diagnostic) -> bool:
        """Whether it is only counted, being told already of another call or pass: what explains it
        need not be looked for."""
        return (diagnostic.code, diagnostic.span) in self.found

    def finished_diagnostics(self) -> tuple[Diagnostic, ...]:
        finished = []
        for key, diagnostic in self.found.items():
            again = self.repeated[key]
            if again:
                times = "once more" if again == 1 else f"{again} more times"
                times = f"at least {times}" if self.left_loops else times
                note = f"the same happens {times}, in other calls or passes"
                diagnostic = diagnostic._replace(notes=(*diagnostic.notes, note))
            finished.append(diagnostic)
        return tuple(finished)

    def step(self, span: Span) -> None:
        self.fuel.spend(STATEMENT, span)

    def current(self, place: Place, span: Span) -> Tensor:
        if place.current is None:
            fail(
                "no-value",
                "no value flows here yet",
                span,
                help="begin the network with `input image[…]`",
            )
        return place.current

    def current_known(self, place: Place) -> None:
        if place.current is not None and place.current.type is None:
            raise UnknownValue

    def define_label(self, label: syntax.Path, value: Tensor, place: Place) -> None:
        parts = path_parts(label, place.scope)
        check_label(parts, label.span)
        template = is_template(label)
        scope = place.scope.body if template else place.scope.labels
        scope.bind(".".join(parts), Tensor(value.node, value.type, label.span), label.span)
        if value.type is None:
            return
        path = (*place.prefix, *parts, *(() if template else place.indices))
        self.labels.setdefault(".".join(path), value.node)

    def refuse_label_taken(self, label: syntax.Path, place: Place) -> None:
        """Raise Fault where a plain label is that of something else."""
        name = label.span.text
        if not is_template(label) and name in place.scope.labels.names:
            place.scope.labels.bind(name, None, label.span)

    def labelled(self, place: Place, label: SiteLabel, span: Span) -> Place:
        """A place whose paths start with a label."""
        inner = place.inner()
        inner.prefix = self.label_path(label, span, place)
        inner.indices = ()
        return inner

    def path(self, step: syntax.Step, place: Place) -> tuple[str, ...]:
        """The path of the layer that a step makes; a Fault where one has it already."""
        span = step.span
        path = self.label_path(place.names[id(step)], span, place)
        if path in self.label_spans:
            first = self.label_spans[path]
            fail(
                "label-repeated",
                f"two layers have the path `{'.'.join(path)}`",
                span,
                labels=(Label(first, "the first one"),),
                help="put the loop's variable into the label, such as `conv{i}:`"
                if first == span
                else "give one of them another label",
            )
        self.label_spans[path] = span
        return path

    def hold(self, path: tuple[str, ...], span: Span) -> None:
        """Note what holds weights; a Fault where it lies inside another's path, or around it."""
        layers, around = self.bodies[-1]
        prefixes = [path[:length] for length in range(1, len(path))]
        outer = None
        if not layers.keys().isdisjoint(prefixes):
            outer = next(prefix for prefix in prefixes if prefix in layers)
        if outer is not None or path in around:
            other = around[path] if outer is None else layers[outer]
            fail(
                "label-repeated",
                f"`{'.'.join(path)}` lies inside the layer `{'.'.join(outer)}`"
                if outer is not None
                else f"another layer lies inside `{'.'.join(path)}`",
                span,
                labels=(Label(other, "the other one"),),
                help="give one of them another label",
            )
        layers[path] = span
        around.update(dict.fromkeys(prefixes, span))

    def label_path(self, label: SiteLabel, span: Span, place: Place) -> tuple[str, ...]:
        if isinstance(label, str):
            check_label((label,), span)
            return (*place.prefix, label, *place.indices)
        if isinstance(label, Here):
            return (*place.prefix, *place.indices)
        parts = path_parts(label, place.scope)
        check_label(parts, label.span)
        if is_template(label):
            return (*place.prefix, *parts)
        return (*place.prefix, *parts, *place.indices)

    def node(
        self,
        op: Op,
        operands: tuple[Tensor, ...],
        path: tuple[str, ...],
        span: Span,
        arguments: dict[str, Span],
        place: Place,
    ) -> Tensor:
        if len(self.nodes) >= LIMITS.nodes:
            raise LimitFault(
                Diagnostic(
                    "too-many-nodes",
                    f"the network has more than {LIMITS.nodes:,} layers",
                    span,
                    trail=place.trail,
                )
            )
        taken: list[TensorType] = []
        for operand in operands:
            if operand.type is None:
                raise UnknownValue
            taken.append(operand.type)
        types = tuple(taken)
        origin = Origin(span, arguments, place.trail)
        inputs = tuple([operand.node for operand in operands])
        type = self.types.get((op, types))
        if type is None:
            try:
                type = infer(op, types, [operand.span for operand in operands], origin)
            except Fault as fault:
                raise Fault(self._with_lineage(fault.diagnostic, op, inputs)) from None
            self.types[op, types] = type
        if op.holds_weights:
            self.hold(path, span)
        index = len(self.nodes)
        self.nodes.append(Node(index, op, inputs, type, path, origin))
        self.items.append(index)
        if self.in_aux:
            self.auxiliary.add(index)
        return Tensor(index, type, span)

    def _with_lineage(self, diagnostic: Diagnostic, op: Op, inputs: tuple[int, ...]) -> Diagnostic:
        """A mistake of sizes with the arithmetic that led to them."""
        notes: tuple[str, ...] = ()
        source = diagnostic.span.source
        if diagnostic.code == "shape-mismatch":
            channels = op.name != "concat"
            notes = mismatch_notes(self.nodes, inputs, source, channels=channels)
            rounded = rounded_away(self.nodes, inputs, source)
            if rounded:
                diagnostic = diagnostic._replace(help=rounded)
        elif diagnostic.code == "window-too-large":
            notes = tuple(filter(None, (size_note(self.nodes, inputs[0], source),)))
            image = next(node for node in self.nodes if node.op is None)
            if image.type.seems_channels_first:
                labels = diagnostic.labels
                if image.number not in inputs:
                    labels += (Label(image.origin.span, f"the image is {image.type}"),)
                diagnostic = diagnostic._replace(labels=labels, help=CHANNELS_LAST)
        return diagnostic._replace(notes=(*diagnostic.notes, *notes))


class OpenRegion:
    """Collects the items made in its `with` as one region of the enclosing one.

    (A generator with `contextmanager` would take twice as long.)
    """

    def __init__(
        self,
        builder: Builder,
        kind: RegionKind,
        place: Place,
        definition: str,
        span: Span,
        start: Tensor | None,
        *,
        taken: str = "",
        arguments: dict[str, object] | None = None,
        documentation: str = "",
    ) -> None:
        self.builder = builder
        self.kind = kind
        self.place = place
        self.definition = definition
        self.span = span
        self.start = start
        self.taken = taken
        self.arguments = arguments or {}
        self.documentation = documentation
        self.outer = builder.items

    def __enter__(self) -> OpenRegion:
        self.builder.items = []
        return self

    def __exit__(self, mistake: type[BaseException] | None, *_: object) -> None:
        items, self.builder.items = self.builder.items, self.outer
        if mistake is not None:
            return
        end = self.place.current
        self.outer.append(
            Region(
                self.kind,
                self.definition,
                self.span,
                (*self.place.prefix, *self.place.indices),
                self.arguments,
                tuple(items),
                None if self.start is None else self.start.node,
                None if end is None else end.node,
                self.taken,
                self.documentation,
            )
        )


def check_label(parts: tuple[str, ...], span: Span) -> None:
    """Refuse what is no name, and names that mean something to Python or Flax; raises Fault."""
    for part in parts:
        if not _is_word(part):
            fail(
                "label-not-a-name",
                f"`{part}` is no label",
                span,
                help="a label is made of letters, digits, `_` and `-`",
            )
        if _is_reserved(part):
            fail(
                "label-reserved",
                f"`{part}` can't be a label: it has a meaning in the Flax module",
                span,
                help=f"`{part.strip('_')}_` would do",
            )


# Most layers are called like others.
@lru_cache(maxsize=10_000)
def _is_word(part: str) -> bool:
    word = part.replace("-", "")
    return word.isascii() and (word.isidentifier() or word.isdecimal())


@lru_cache(maxsize=10_000)
def _is_reserved(part: str) -> bool:
    return keyword.iskeyword(part) or part in _RESERVED or part.startswith(_RESERVED_STARTS)
