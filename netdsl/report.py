"""Cost reports as a table for people and as one JSON object for programs."""

from __future__ import annotations

from typing import NamedTuple

from netdsl.amounts import short, size_bytes
from netdsl.cost import DEFINITIONS, CostReport, LayerCost, Totals, sum_layers
from netdsl.graph import Region
from netdsl.sizes import Size
from netdsl.tensor import TensorType, Window

LONG = 64
"""A network of more layers than this is shown block by block, unless all are asked for."""


class Row(NamedTuple):
    """One line of the table: a layer, or a block with all of its layers."""

    path: str
    op: str
    output: TensorType
    totals: Totals
    receptive_field: Window | None
    auxiliary: bool
    layers: tuple[LayerCost, ...]


def rows(report: CostReport, *, layers: bool) -> list[Row]:
    """The table's lines: every layer, or the network's own items with blocks summed up."""
    if layers:
        return [_layer_row(layer) for layer in report.layers if layer.node.op is not None]
    found: list[Row] = []
    _collect(report.graph.root, report, found)
    return found


def _collect(region: Region, report: CostReport, found: list[Row]) -> None:
    for item in region.items:
        if not isinstance(item, Region):
            if report.layers[item].node.op is not None:
                found.append(_layer_row(report.layers[item]))
        elif item.kind == "block" and item.output is not None:
            inside = [report.layers[index] for index in node_indices(item)]
            if inside:
                last = report.layers[item.output]
                found.append(
                    Row(
                        ".".join(item.path),
                        item.definition,
                        last.node.type,
                        sum_layers(inside),
                        last.receptive_field,
                        inside[0].auxiliary,
                        tuple(inside),
                    )
                )
        else:
            _collect(item, report, found)


def node_indices(region: Region) -> list[int]:
    """The nodes made in a region, in order."""
    indices: list[int] = []
    pending: list[Region | int] = [region]
    while pending:
        item = pending.pop()
        if isinstance(item, Region):
            pending.extend(reversed(item.items))
        else:
            indices.append(item)
    return indices


def _layer_row(layer: LayerCost) -> Row:
    assert layer.node.op is not None
    return Row(
        ".".join(layer.node.path),
        layer.node.op.text(),
        layer.node.type,
        sum_layers([layer]),
        layer.receptive_field,
        layer.auxiliary,
        (layer,),
    )


def table(report: CostReport, *, all_layers: bool, width: int) -> str:
    """The report as text, at most `width` columns where names allow it."""
    graph = report.graph
    layer_count = sum(layer.node.op is not None for layer in report.layers)
    every = all_layers or layer_count <= LONG
    shown = rows(report, layers=every)
    about = _first_line(graph.documentation)
    lines = [f"{graph.name}: {about}" if about else graph.name]
    lines += ["", *_columns(shown, width), ""]
    lines += _summary(report)
    if not every:
        lines += ["", f"Blocks are summed up; --layers lists all {layer_count} layers."]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _columns(shown: list[Row], width: int) -> list[str]:
    header = ("layer", "operator", "output", "params", "MACs", "sees")
    cells = [
        (
            row.path + (" *" if row.auxiliary else ""),
            row.op,
            str(row.output),
            count(row.totals.params) if row.totals.params != 0 else "",
            count(row.totals.macs) if row.totals.macs != 0 else "",
            "all" if row.receptive_field is None else square(row.receptive_field),
        )
        for row in shown
    ]
    widths = [max(len(line[i]) for line in (header, *cells)) for i in range(len(header))]
    spare = width - sum(widths) - 2 * (len(widths) - 1)
    if spare < 0:
        widths[1] = max(12, widths[1] + spare)
    lines = [header, *cells]
    text = []
    for line in lines:
        parts = []
        for i, (cell, size) in enumerate(zip(line, widths, strict=True)):
            if len(cell) > size:
                cell = cell[: size - 1] + "…"
            parts.append(cell.rjust(size) if i >= 3 else cell.ljust(size))
        text.append("  ".join(parts))
    text.insert(1, "  ".join("─" * size for size in widths))
    if any(row.auxiliary for row in shown):
        text.append("* side branch: trained, not part of inference")
    return text


def _summary(report: CostReport) -> list[str]:
    total = report.total
    graph = report.graph
    output = graph.nodes[graph.root.output or 0].type
    batch = f"batch {report.batch}"
    lines = [
        ("input", str(graph.nodes[0].type)),
        ("output", str(output)),
        ("parameters", f"{count(total.params)}"),
    ]
    if total.buffers != 0:
        kept = f"{count(total.buffers)} (running mean and variance, not trained)"
        lines.append(("buffers", kept))
    lines += [
        ("MACs", f"{both(total.macs)} multiply-accumulates per image"),
        ("FLOPs", f"{both(total.flops)} floating-point operations per image, 2 per MAC"),
        ("depth", f"{total.depth} {'layer' if total.depth == 1 else 'layers'} with a kernel"),
    ]
    if report.receptive_field is None:
        lines.append(("sees", "the whole image"))
    elif report.stride is not None:
        lines.append(
            ("sees", f"{square(report.receptive_field)} pixels, every {square(report.stride)}")
        )
    lines += [
        ("activations", f"{size_bytes(total.activation_bytes)} per image, float32"),
        ("inference", f"{size_bytes(report.peak_inference_bytes)} at its peak, {batch}"),
        ("training", f"{size_bytes(report.peak_training_bytes)} at its peak, {batch}"),
    ]
    for name, branch in report.auxiliary.items():
        lines.append(
            (f"{name} *", f"{count(branch.params)} parameters, {both(branch.macs)} MACs beside")
        )
    width = max(len(name) for name, _ in lines)
    return [f"{name.ljust(width)}  {text}" for name, text in lines]


def as_json(report: CostReport) -> dict[str, object]:
    """The report as plain data; sizes that depend on the input's are texts."""
    graph = report.graph
    output = graph.nodes[graph.root.output or 0].type
    inference = [_layer_json(layer) for layer in report.layers if _is_inference(layer)]
    return {
        "network": graph.name,
        **_totals_json(report.total),
        "input": shape(graph.nodes[0].type),
        "output": shape(output),
        "outputs": {
            output.name: shape(graph.nodes[output.node].type)
            for output in graph.outputs
            if output.weight is None
        },
        "receptive_field": None if report.receptive_field is None else list(report.receptive_field),
        "stride": None if report.stride is None else list(report.stride),
        "batch": report.batch,
        "peak_inference_bytes": plain(report.peak_inference_bytes),
        "peak_training_bytes": plain(report.peak_training_bytes),
        "layers": inference,
        "aux": {
            output.name: {
                "weight": output.weight,
                **_totals_json(report.auxiliary[output.name]),
                "output": shape(graph.nodes[output.node].type),
            }
            for output in graph.outputs
            if output.weight is not None
        },
        "aux_layers": [_layer_json(layer) for layer in report.layers if layer.auxiliary],
        "training": _totals_json(report.trained),
        "definitions": DEFINITIONS,
    }


def _is_inference(layer: LayerCost) -> bool:
    return layer.node.op is not None and not layer.auxiliary


def _totals_json(totals: Totals) -> dict[str, object]:
    return {
        "params": plain(totals.params),
        "trainable_params": plain(totals.params),
        "buffers": plain(totals.buffers),
        "macs": plain(totals.macs),
        "flops": plain(totals.flops),
        "activation_bytes": plain(totals.activation_bytes),
        "depth": totals.depth,
    }


def _layer_json(layer: LayerCost) -> dict[str, object]:
    op = layer.node.op
    assert op is not None
    return {
        "path": ".".join(layer.node.path),
        "op": op.name,
        "call": op.text(),
        "line": layer.node.origin.span.line,
        "input": shape(layer.input),
        "output": shape(layer.node.type),
        "params": plain(layer.params),
        "buffers": plain(layer.buffers),
        "macs": plain(layer.macs),
        "flops": plain(layer.flops),
        "output_bytes": plain(layer.output_bytes),
        "receptive_field": None if layer.receptive_field is None else list(layer.receptive_field),
        "stride": None if layer.stride is None else list(layer.stride),
    }


def shape(type: TensorType) -> list[int | str]:
    return [plain(size) for size in type.shape]


def plain(size: Size) -> int | str:
    return size if isinstance(size, int) else str(size)


def count(size: Size) -> str:
    """A count in full: 25,557,032."""
    return f"{size:,}" if isinstance(size, int) else str(size)


def both(size: Size) -> str:
    """A large count in full and in short: 4,089,184,256 (4.09 G)."""
    if not isinstance(size, int) or size < 10**6:
        return count(size)
    return f"{size:,} ({short(size)})"


def square(window: Window) -> str:
    return f"{window.height}×{window.width}"


def _first_line(text: str) -> str:
    return text.strip().split("\n", 1)[0]
