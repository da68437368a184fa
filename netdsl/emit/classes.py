"""One class for each distinct block: group the calls of a block, and write what they share."""

from __future__ import annotations

import keyword
from typing import Any

from netdsl import code
from netdsl.emit.constructor import Constructor
from netdsl.emit.documentation import docstring, pascal, snake
from netdsl.emit.forward import Forward
from netdsl.emit.layout import Each, Layout, Path, Uses, regions
from netdsl.emit.slots import RESERVED, Parameters, unused
from netdsl.emit.template import Block, Different, Op, Template, items_of, merge
from netdsl.graph import Graph, Region

_CLASS_NAMES_TAKEN = frozenset({"Scale", "None", "True", "False"})


class Class:
    """A class of the emitted file, from the calls that share it."""

    def __init__(
        self, name: str, layouts: list[Layout], template: tuple[Template, ...], graph: Graph
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
            {} if self.is_network else _arguments(layouts, graph),
            frozenset(str(part) for part in self._children.get((), ())),
        )
        self.constructor = Constructor(self)
        self.forward = Forward(self)

    @property
    def runtime(self) -> list[str]:
        return [name for item in self.items if isinstance(item, Op) for name in item.runtime]

    def is_list(self, prefix: Path) -> bool:
        """Whether what a path prefix holds is a list: its parts count from 0."""
        parts = self._children.get(prefix, [])
        return [str(part) for part in parts] == [str(i) for i in range(len(parts))] or any(
            isinstance(part, Each) for part in parts
        )

    def mixed(self) -> list[tuple[int, int]]:
        """The loops whose passes would share a container with other names."""
        return [
            part.loop
            for parts in self._children.values()
            for part in parts
            if isinstance(part, Each) and len(parts) > 1
        ]

    def arguments_of(self, call: int) -> dict[str, Any]:
        """What one call passes for each parameter."""
        return {each.name: each.values[call] for each in self.parameters.made}

    def lines(self, graph: Graph) -> list[str]:
        """The class as Python."""
        parameters = self.parameters.ordered()
        found = [f"class {self.name}(nnx.Module):"]
        found += docstring(self.region, graph, self.is_network)
        signature = ["self"]
        signature += [f"{p.name}: {p.annotation}" for p in parameters if not p.keyword_only]
        named = [f"{p.name}: {p.annotation}" for p in parameters if p.keyword_only]
        if self.needs_rngs_to_build:
            named.append("rngs: nnx.Rngs")
        signature += ["*", *named] if named else []
        stored = [
            f"        self.{self.parameters.attribute(p)} = {p.name}"
            for p in parameters
            if p.stored
        ]
        body = stored + self.constructor.statements
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
        self.class_names: set[str] = {pascal(graph.name)}
        for region in regions(graph.root):
            if region.kind == "block":
                self.calls.setdefault(_declaration(region), []).append(region)
        layout = Layout(graph, graph.root, self.uses)
        template = merge([layout.items], self._class_of)
        self.network = Class(pascal(graph.name), [layout], template, graph)
        self.made.append(self.network)

    def _class_of(self, region: Region) -> tuple[Class, dict[str, Any]]:
        if id(region) not in self.of_call:
            self._make(self.calls[_declaration(region)])
        made, call = self.of_call[id(region)]
        return made, made.arguments_of(call)

    def _make(self, regions: list[Region]) -> None:
        """Classes for all calls of one block: one, unless they differ by more than constants."""
        layouts = [Layout(self.graph, region, self.uses) for region in regions]
        groups: list[list[Layout]] = []
        try:
            merge([layout.items for layout in layouts], self._class_of)
            groups = [layouts] if len({layout.results for layout in layouts}) == 1 else []
        except Different:
            groups = []
        if not groups:
            for layout in layouts:
                for group in groups:
                    if self._fits(group[0], layout):
                        group.append(layout)
                        break
                else:
                    groups.append([layout])
        for group in groups:
            template = merge([layout.items for layout in group], self._class_of)
            name = unused(pascal(group[0].owner.definition), self.class_names | _CLASS_NAMES_TAKEN)
            self.class_names.add(name)
            made = Class(name, group, template, self.graph)
            self.made.append(made)
            for call, layout in enumerate(group):
                self.of_call[id(layout.owner)] = (made, call)

    def _fits(self, first: Layout, other: Layout) -> bool:
        if first.results != other.results:
            return False
        try:
            merge([first.items, other.items], self._class_of)
        except Different:
            return False
        return True


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


def _arguments(layouts: list[Layout], graph: Graph) -> dict[str, tuple[Any, ...]]:
    """The values, in each call, that a parameter may stand for, by name."""
    found: dict[str, tuple[Any, ...]] = {}
    for name in layouts[0].owner.arguments:
        safe = f"{name}_" if name in RESERVED or keyword.iskeyword(name) else name
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
