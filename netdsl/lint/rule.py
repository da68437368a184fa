"""What a rule is, and what it looks at: a program's text, or the layers of its networks."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Literal, NamedTuple, TypeAlias

from netdsl.diagnostics import Diagnostic, Fix, Label
from netdsl.graph import Graph, Node, Region
from netdsl.ops.base import Op
from netdsl.program import ProgramFile
from netdsl.source import Span, UnreadableSource, read_source

_MOST_FILES = 200
"""How many files of a folder are searched for imports of a program."""
_FIXED_INPUT = re.compile(r"[^\[]*\[[\d\s,_]*\]")
_LITERAL = re.compile(r"(\w+\s*=\s*)?([\d\s.,x()_]+|true|false|same|valid)\Z")
_IMPORT = re.compile(r'\bimport\s+(\w[\w\s,]{0,2000}?)\bfrom\s+(?:"([^"\n]*)"|(\w+))')


class Rule(NamedTuple):
    """One thing that is better not written; `netdsl.codes.RULES` has its meaning by its `slug`, and
    its page says why, with a source where there is one."""

    slug: str
    looks_at: Literal["comments", "the text", "layers"]
    fix: Literal["", "safe", "unsafe"] = ""
    """A safe fix leaves what each network computes, its weights and their keys as they are."""
    everywhere: bool = False
    """Of layers: whether all that one line makes must be found, as where the line itself is to
    change; else one is enough, as where a size is at fault."""


class Text:
    """A program's text: its declarations, and what they read by name."""

    def __init__(self, file: ProgramFile) -> None:
        self.file = file
        self.tree = file.tree
        self.source = file.tree.source

    @cached_property
    def importers(self) -> tuple[tuple[frozenset[str], str], ...]:
        """What files import from this one, with their texts: of those in its folder, the one around
        it and those inside it. A file that can't be read imports nothing."""
        path = self.source.path
        if path is None:
            return ()
        path = path.resolve()
        files = {
            file.resolve(): file
            for pattern in ("*.net", "*/*.net", "../*.net")
            for file in sorted(path.parent.glob(pattern))[:_MOST_FILES]
        }
        files.pop(path, None)
        found = []
        for file in files.values():
            try:
                text = read_source(file).text
            except UnreadableSource:
                continue
            names: set[str] = set()
            for listed, file_name, library in _IMPORT.findall(text):
                if path.name == file_name.rpartition("/")[2] or path.stem == library:
                    names.update(re.findall(r"\w+", listed))
            if names:
                found.append((frozenset(names), text))
        return tuple(found)


class Layers:
    """One network's layers, with who reads each value."""

    def __init__(self, graph: Graph, file: ProgramFile, *, trained: bool) -> None:
        self.graph = graph
        self.nodes = graph.nodes
        self.file = file
        self.trained = trained
        """Whether a recipe trains the network."""
        self.outputs = {output.node for output in graph.outputs}
        self.readers: list[list[Node]] = [[] for _ in graph.nodes]
        for node in graph.nodes:
            for number in dict.fromkeys(node.inputs):
                self.readers[number].append(node)

    def reader(self, node: Node) -> Node | None:
        """The one layer that reads a value; None where several do, or it leaves the network."""
        readers = self.readers[node.number]
        return readers[0] if len(readers) == 1 and node.number not in self.outputs else None

    def before(self, node: Node) -> Node:
        """The layer whose value is a layer's first input."""
        return self.nodes[node.inputs[0]]

    @cached_property
    def has_fixed_sizes(self) -> bool:
        """Whether the input's sizes are written as numbers, so that no other image enters."""
        return _FIXED_INPUT.match(self.nodes[0].origin.span.text) is not None

    def is_one_of_a_kind(self, node: Node) -> bool:
        """Whether a layer stands in the body of a network that has no parameters and one size of
        image, so that no argument and no size changes what is around it."""
        in_block = any(frame.definition is not None for frame in node.origin.trail)
        return self.has_fixed_sizes and not self.graph.arguments and not in_block

    @cached_property
    def residuals(self) -> tuple[Region, ...]:
        """The residuals that add their input, in the order of the network."""
        return tuple(
            region
            for region in _regions(self.graph.root)
            if region.kind == "residual" and region.taken in ("identity", "shortcut")
        )


def _regions(region: Region) -> Iterator[Region]:
    yield region
    for item in region.items:
        if isinstance(item, Region):
            yield from _regions(item)


Found: TypeAlias = "tuple[Node, Diagnostic]"
"""A layer at fault, and what to say of it."""
OfText: TypeAlias = "Callable[[Text], Iterator[Diagnostic]]"
OfLayers: TypeAlias = "Callable[[Layers], Iterator[Found]]"


def finding(
    slug: str,
    message: str,
    span: Span,
    *,
    label: str = "",
    labels: tuple[Label, ...] = (),
    notes: tuple[str, ...] = (),
    help: str = "",
    fix: Fix | None = None,
) -> Diagnostic:
    """A warning under a rule's slug."""
    fixes = () if fix is None else (fix,)
    return Diagnostic(
        slug, message, span, label, labels, notes, help, severity="warning", fixes=fixes
    )


def at(
    node: Node,
    slug: str,
    message: str,
    *,
    inside: Span | None = None,
    labels: tuple[Label, ...] = (),
    notes: tuple[str, ...] = (),
    help: str = "",
    fix: Fix | None = None,
) -> Found:
    """A finding at the place where a layer is written, with the calls that led there; or at the one
    of these calls that stands `inside` braces."""
    span, trail = node.origin.span, node.origin.trail
    if inside is not None:
        while trail and not _contains(inside, span):
            span, trail = trail[0].span, trail[1:]
    found = finding(slug, message, span, labels=labels, notes=notes, help=help, fix=fix)
    return node, found._replace(trail=trail)


def _contains(outer: Span, inner: Span) -> bool:
    return outer.source is inner.source and outer.start <= inner.start and inner.end <= outer.end


def is_literal(node: Node, *names: str) -> bool:
    """Whether arguments of a layer are written as numbers or words, or not at all; what has a name
    may be another value."""
    given = (node.origin.arguments.get(name) for name in names)
    return all(each is None or _LITERAL.match(each.text) for each in given)


def is_chosen(node: Node, beside: Node) -> bool:
    """Whether a parameter, such as `act: block = relu`, stands for a layer or a block around it
    that is not also around the layer `beside` it; the parameter may be given another."""
    assert node.op is not None
    calls = [
        (frame.span, frame.definition.text)
        for frame in node.origin.trail
        if frame.definition is not None and frame not in beside.origin.trail
    ]
    return any(
        not re.match(rf"{re.escape(name)}\b", span.text)
        for span, name in [(node.origin.span, node.op.name), *calls]
    )


def op_of(node: Node) -> type[Op] | None:
    """A layer's operator; None of the input."""
    return None if node.op is None else type(node.op)
