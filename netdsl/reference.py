"""The reference pages that are written from the definitions: operators, diagnostics, limits."""

from __future__ import annotations

from inspect import cleandoc

from netdsl.codes import CODES
from netdsl.limits import NAMED
from netdsl.ops import OPS
from netdsl.ops.base import Op


def operators_page() -> str:
    """docs/operators.md: each operator's equations and arguments."""
    parts = [
        "# Operators",
        "",
        "Written from the operators' definitions; `netdsl explain NAME` shows the same.",
        "Arguments go by position in this order, or by name. Symbols: N images, H height, W width,",
        "C channels, F filters, K kernel, S stride, P padding, D dilation, G groups, T tokens of a",
        "sequence, M windows of attention.",
        "",
    ]
    for op in OPS:
        first, _, rest = cleandoc(op.__doc__ or "").partition("\n")
        parts += [f"## {op.name}", "", first, *(["", rest.strip("\n")] if rest.strip() else []), ""]
        rows = arguments(op)
        if rows:
            parts += ["| argument | default | meaning | takes |", "| --- | --- | --- | --- |"]
            parts += [
                f"| `{row['name']}` | {row['default']} | {row['about']} | {row['takes']} |"
                for row in rows
            ]
            parts.append("")
    return "\n".join(parts)


def diagnostics_page() -> str:
    """docs/diagnostics.md: each code with its meaning."""
    rows = [f"| `{code}` | {meaning} |" for code, meaning in CODES.items()]
    return "\n".join(
        [
            "# Diagnostics",
            "",
            "A code never changes its meaning. The programs in `tests/errors/CODE` raise it, and",
            "the `.txt` beside each is what is shown.",
            "",
            "| code | meaning |",
            "| --- | --- |",
            *rows,
            "",
        ]
    )


def limits_page() -> str:
    """docs/limits.md: each limit with its highest value, unit and diagnostic."""
    rows = [
        f"| `{name}` | {limit.ceiling:,} {limit.unit} | {limit.meaning} | "
        + (f"`{limit.code}` |" if limit.code else "|")
        for name, limit in NAMED.items()
    ]
    return "\n".join(
        [
            "# Limits",
            "",
            "Every program is checked, costed and compiled within these bounds; passing one is a",
            "diagnostic. `--limit NAME=VALUE` lowers one for a command; none can be raised.",
            "Layers are counted before loops and blocks are expanded.",
            "",
            "| name | highest value | bounds | diagnostic |",
            "| --- | --- | --- | --- |",
            *rows,
            "",
        ]
    )


def arguments(op: type[Op]) -> list[dict[str, str]]:
    """An operator's arguments, as texts."""
    return [
        {
            "name": name,
            "default": "required" if parameter.required else parameter.default_text,
            "about": parameter.documentation,
            "takes": parameter.kind.description,
        }
        for name, parameter in op.parameters.items()
    ]
