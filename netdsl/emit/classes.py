"""One class for each distinct block: group the calls of a block, and write what they share."""

from __future__ import annotations

import keyword
from typing import Any

from netdsl import code
from netdsl.emit.constructor import Constructor
from netdsl.emit.documentation import class_name, docstring, pascal, snake
from netdsl.emit.forward import Forward
from netdsl.emit.inlined import RUNTIME_CLASSES
from netdsl.emit.layout import Each, Layout, Path, Uses, regions
from netdsl.emit.printer import Wrapped, lines
from netdsl.emit.slots import RESERVED, Parameters, unused
from netdsl.emit.template import Block, Different, Op, Template, items_of, map_slots, merge
from netdsl.graph import Graph, Region

_CLASS_NAMES_TAKEN = RUNTIME_CLASSES | {"None", "True", "False"}


class Class:
    """A class of the emitted file, from the calls that share it."""

    def __init__(
        self,
        name: str,
        layouts: list[Layout],
        template: tuple[Template, ...],
        graph: Graph,
        class_names: set[str],
    ) -> None:
        owner = layouts[0].owner
        self.name = name
        self.variable = snake(owner.definition)
        self.template = template
        self.results = layouts[0].results
        self.region = owner
        self.is_network = owner.kind == "network"
        self.items = items_of(template)
        self._children = _containers(self.items)
        noisy = (code.Train, code.NotTrain)
        self.needs_train = self.is_network or _needs(self.items, noisy, "train")
        self.needs_rngs = self.is_network or _needs(self.items, (code.Rngs,), "rngs")
        self.needs_rngs_to_build = self.is_network or _builds_with_rngs(self.items)
        self.parameters = Parameters(
            {} if self.is_network else _arguments(layouts, graph, class_names),
            frozenset(str(part) for part in self._children.get((), ())),
        )

    def write(self) -> None:
        """Write both methods, on which way the parameters are found."""
        self.constructor = Constructor(self)
        self.forward = Forward(self)

    @property
    def runtime(self) -> list[str]:
        return [name for item in self.items if isinstance(item, Op) for name in item.runtime]

    @property
    def base(self) -> str:
        """What the class derives from: attributes that are numbers can be reached as keys only."""
        names = self._children.get((), ())
        return "nnx.Module" if all(str(name).isidentifier() for name in names) else "nnx.Dict"

    def is_list(self, prefix: Path) -> bool:
        """Whether what a path prefix holds is a list: its parts count from 0."""
        if not prefix:
            return False
        parts = self._children.get(prefix, [])
        return [str(part) for part in parts] == [str(i) for i in range(len(parts))] or any(
            isinstance(part, Each) for part in parts
        )

    def length(self, prefix: Path) -> int:
        """How many modules a path prefix holds if it is a list, else 0."""
        return len(self._children.get(prefix, [])) if self.is_list(prefix) else 0

    def mixed(self) -> set[tuple[int, int]]:
        """The loops whose passes would share a container with other names."""
        return {
            part.loop
            for parts in self._children.values()
            for part in parts
            if isinstance(part, Each) and len(parts) > 1
        }

    def arguments_of(self, call: int) -> dict[str, Any]:
        """What one call passes for each parameter."""
        return {each.name: each.values[call] for each in self.parameters.made}

    def text(self, graph: Graph) -> list[str]:
        """The class as Python."""
        parameters = self.parameters.ordered()
        found = [f"class {self.name}({self.base}):"]
        found += docstring(self.region, graph, self.is_network)
        signature = ["self"]
        signature += [f"{p.name}: {p.annotation}" for p in parameters if not p.keyword_only]
        named = [f"{p.name}: {p.annotation}" for p in parameters if p.keyword_only]
        if self.needs_rngs_to_build:
            named.append("rngs: nnx.Rngs")
        signature += ["*", *named] if named else []
        body: list[str] = []
        for parameter in parameters:
            if parameter.stored:
                attribute = self.parameters.attribute(parameter)
                body += lines(8, f"self.{attribute} = ", Wrapped(parameter.name))
        body += self.constructor.statements
        if body or self.is_network:
            found += ["", *_definition("__init__", signature, "")]
            found += body or ["        pass"]
        signature = ["self", "x: jax.Array"]
        if self.needs_train or self.needs_rngs:
            signature.append("*")
        if self.needs_train:
            signature.append("train: bool = False")
        if self.needs_rngs:
            signature.append("rngs: nnx.Rngs | None = None")
        many = len(self.results) > 1 or self.forward.side
        result = " -> tuple" if many else " -> jax.Array"
        if self.forward.side:
            result = " -> jax.Array | tuple"
        found += ["", *_definition("__call__", signature, result), *self.forward.statements]
        return found


class Classes:
    """The classes of a network, each after those that it uses."""

    def __init__(self, graph: Graph, uses: Uses) -> None:
        self.graph = graph
        self.uses = uses
        self.made: list[Class] = []
        self.of_call: dict[int, tuple[Class, int]] = {}
        self.calls: dict[tuple[str, int], list[Region]] = {}
        self.class_names: set[str] = {class_name(graph), *_CLASS_NAMES_TAKEN}
        self.unrollable: set[tuple[int, int]] = set()
        self.making: set[tuple[str, int]] = set()
        for region in regions(graph.root):
            if region.kind == "block":
                self.calls.setdefault(_declaration(region), []).append(region)
        layout = Layout(graph, graph.root, self.uses)
        self._add(class_name(graph), [layout], merge([layout.items], self))

    def class_of(self, region: Region) -> tuple[Class, dict[str, Any]]:
        """The class of a block's call, and the arguments that the call passes."""
        if id(region) not in self.of_call:
            declaration = _declaration(region)
            # Two blocks that take blocks may each hold the other; such a call is on its own.
            calls = [region] if declaration in self.making else self.calls[declaration]
            self.making.add(declaration)
            self._make([each for each in calls if id(each) not in self.of_call])
            self.making.discard(declaration)
        made, call = self.of_call[id(region)]
        return made, made.arguments_of(call)

    def _make(self, regions: list[Region]) -> None:
        """Classes for calls of one block: one, unless they differ by more than constants."""
        layouts = [Layout(self.graph, region, self.uses) for region in regions]
        template = self._template(layouts)
        groups = [layouts] if template is not None else self._groups(layouts)
        for group in groups:
            if template is None or len(groups) > 1:
                template = self._template(group)
            if template is None:
                # Only where a loop turned out not to be one, and all of this is thrown away.
                assert self.unrollable
                template = ()
            name = unused(pascal(group[0].owner.definition), self.class_names)
            self.class_names.add(name)
            self._add(name, group, template)

    def _add(self, name: str, layouts: list[Layout], template: tuple[Template, ...]) -> None:
        made = Class(name, layouts, template, self.graph, self.class_names)
        self.unrollable |= made.mixed()
        if not self.unrollable:
            made.write()
        self.made.append(made)
        for call, layout in enumerate(layouts):
            self.of_call.setdefault(id(layout.owner), (made, call))

    def _template(self, layouts: list[Layout]) -> tuple[Template, ...] | None:
        """What calls share; None where they have no common template."""
        if len({layout.results for layout in layouts}) > 1:
            return None
        try:
            return merge([layout.items for layout in layouts], self)
        except Different:
            return None

    def _groups(self, layouts: list[Layout]) -> list[list[Layout]]:
        """The calls divided into as few groups with a common template as one look finds."""
        alike: dict[Any, list[Layout]] = {}
        for layout in layouts:
            template = merge([layout.items], self)
            skeleton = map_slots(template, lambda slot: None), layout.results
            alike.setdefault(skeleton, []).append(layout)
        # Those of one skeleton differ by constants only, so one of them stands for all.
        groups: list[tuple[list[Layout], list[Layout]]] = []
        for calls in alike.values():
            for samples, members in groups:
                if self._template([*samples, calls[0]]) is not None:
                    samples.append(calls[0])
                    members += calls
                    break
            else:
                groups.append(([calls[0]], list(calls)))
        return [members for _, members in groups]


def _declaration(region: Region) -> tuple[str, int]:
    return region.site.source.name, region.site.start


def _containers(items: list[Op | Block]) -> dict[Path, list[str | Each]]:
    """The parts that follow each path prefix."""
    children: dict[Path, dict[str | Each, None]] = {}
    for item in items:
        if isinstance(item, Block) or item.module is not None:
            for depth, part in enumerate(item.path):
                children.setdefault(item.path[:depth], {})[part] = None
    return {prefix: list(parts) for prefix, parts in children.items()}


def _contains(fragment: Any, kinds: tuple[type, ...]) -> bool:
    if isinstance(fragment, kinds):
        return True
    return isinstance(fragment, tuple) and any(_contains(each, kinds) for each in fragment)


def _needs(items: list[Op | Block], kinds: tuple[type, ...], name: str) -> bool:
    return any(
        getattr(item.definition, f"needs_{name}")
        if isinstance(item, Block)
        else _contains(item.apply, kinds)
        for item in items
    )


def _builds_with_rngs(items: list[Op | Block]) -> bool:
    return any(
        item.definition.needs_rngs_to_build
        if isinstance(item, Block)
        else _contains(item.module, (code.Rngs,))
        for item in items
    )


def _arguments(
    layouts: list[Layout], graph: Graph, class_names: set[str]
) -> dict[str, tuple[Any, ...]]:
    """The values, in each call, that a parameter may stand for, by name."""
    reserved = RESERVED | class_names
    found: dict[str, tuple[Any, ...]] = {}
    for name in layouts[0].owner.arguments:
        safe = f"{name}_" if name in reserved or keyword.iskeyword(name) else name
        found[safe] = tuple(layout.owner.arguments.get(name) for layout in layouts)
    channels = []
    for layout in layouts:
        assert layout.owner.input is not None
        channels.append(graph.nodes[layout.owner.input].type.channels)
    found["in_features"] = tuple(channels)
    return found


def _definition(name: str, parameters: list[str], result: str) -> list[str]:
    line = f"    def {name}({', '.join(parameters)}){result}:"
    if len(line) <= 88:
        return [line]
    together = f"        {', '.join(parameters)}"
    if len(together) <= 88:
        # A bare `*` may not be followed by a trailing comma's line, so it stays on one.
        return [f"    def {name}(", together, f"    ){result}:"]
    return [f"    def {name}(", *(f"        {each}," for each in parameters), f"    ){result}:"]
