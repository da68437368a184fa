"""Names and docstrings of emitted classes, made safe whatever a program says."""

from __future__ import annotations

import keyword
from pathlib import Path

from netdsl.emit.inlined import RUNTIME_CLASSES
from netdsl.graph import Graph, Region

WIDTH = 88


def pascal(name: str) -> str:
    """A class name: `conv_bn` is ConvBn."""
    text = "".join(part[:1].upper() + part[1:] for part in name.split("_") if part)
    return text if text.isidentifier() and not keyword.iskeyword(text) else f"Net{text}"


def snake(name: str) -> str:
    """A variable's name for an instance of a block."""
    return name if name.isidentifier() and not keyword.iskeyword(name) else "block"


def class_name(graph: Graph) -> str:
    """The class of a network in the file that is emitted for it."""
    name = pascal(graph.name)
    return f"{name}Net" if name in RUNTIME_CLASSES else name


def docstring(region: Region, graph: Graph, is_network: bool) -> list[str]:
    """The docstring of a class: what the program says of it, and where it is written."""
    start, end = region.input, region.output
    source = f"{Path(region.site.source.name).name}, line {region.site.line}"
    text = region.documentation.strip()
    if not text and not is_network:
        return quoted(f"`{region.definition}` of {source}.", indent=4)
    paragraphs = [text or f"`{region.definition}`"]
    if is_network and start is not None and end is not None:
        results = [
            f"[N, {', '.join(map(str, graph.nodes[output.node].type.shape))}]"
            for output in graph.outputs
            if output.weight is None
        ]
        shape = ", ".join(map(str, graph.nodes[start].type.shape))
        paragraphs.append(f"    x[N, {shape}] -> {', '.join(results)}")
    paragraphs.append(f"From {source}.")
    return quoted("\n\n".join(paragraphs), indent=4)


def quoted(text: str, indent: int) -> list[str]:
    """A text as a docstring's lines; it can't end the docstring or escape from it."""
    # As ruff leaves it: no trailing blanks, no quotes that could be taken for the end.
    safe = text.replace("\\", "\\\\").replace('"""', "'''")
    safe = "".join(each if each.isprintable() or each == "\n" else "?" for each in safe)
    if safe.endswith('"'):
        safe += "."
    space = " " * indent
    lines = safe.strip().split("\n")
    if len(lines) == 1:
        return [f'{space}"""{lines[0]}"""']
    body = [f"{space}{line}".rstrip() for line in lines[1:]]
    return [f'{space}"""{lines[0].rstrip()}', *body, f'{space}"""']
