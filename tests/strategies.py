"""Random valid programs, for properties that must hold of all.

Every value is an image of 6×6×4, so that any two may be joined; what varies is the structure:
blocks called with different arguments, conditions on them, loops, residuals, branches, labels.
"""

from __future__ import annotations

from hypothesis import strategies as st

KERNELS = ("1x1", "3x3")


@st.composite
def programs(draw) -> str:
    """A network `net`, and up to three blocks, each of which may call earlier ones."""
    names: list[str] = []
    blocks: list[str] = []
    for number in range(draw(st.integers(0, 3))):
        name = f"b{number}"
        body = _body(draw, names, depth=2, in_block=True)
        blocks.append(f"block {name}(width, deep = true, kernel = 3x3) {{\n{body}}}\n")
        names.append(name)
    body = _body(draw, names, depth=3, in_block=False)
    return "\n".join(
        [*blocks, f"network net {{\n  input image[6, 6, 4]\n  conv(4, 1x1)\n{body}}}\n"]
    )


class _Scope:
    """The labels that a body has given so far."""

    def __init__(self) -> None:
        self.count = 0
        self.labels: list[str] = []


def _body(draw, names, *, depth, in_block) -> str:
    scope = _Scope()
    lines = [
        line
        for _ in range(draw(st.integers(1, 4)))
        for line in _statement(draw, names, scope, depth, in_block, in_loop=False)
    ]
    return "".join(f"  {line}\n" for line in lines)


def _statement(draw, names, scope, depth, in_block, *, in_loop) -> list[str]:
    kinds = ["layer", "layer", "chain"]
    if names:
        kinds += ["call", "call"]
    if not in_loop:
        kinds += ["label", "join"]
    if depth > 0:
        kinds += ["residual", "concat", "repeat", "for"]
        if in_block:
            kinds += ["if", "maybe"]
    kind = draw(st.sampled_from(kinds))

    def inner(count=2):
        return [
            f"  {line}"
            for _ in range(draw(st.integers(1, count)))
            for line in _statement(draw, names, scope, depth - 1, in_block, in_loop=True)
        ]

    match kind:
        case "layer":
            return [_layer(draw, in_block)]
        case "chain":
            return [f"{_layer(draw, in_block)} -> {_layer(draw, in_block)}"]
        case "call":
            return [_call(draw, names, in_block)]
        case "label":
            scope.count += 1
            scope.labels.append(f"l{scope.count}")
            return [f"l{scope.count}: {_layer(draw, in_block)} -> relu"]
        case "join" if scope.labels:
            label = draw(st.sampled_from(scope.labels))
            return [f"add({label})"]
        case "join":
            return ["relu"]
        case "residual":
            shortcut = draw(st.sampled_from(["", "conv", "when"]))
            lines = ["residual {", *inner()]
            if shortcut == "when" and in_block:
                return [*lines, "} shortcut if deep {", "  conv(4, 1x1)", "}"]
            if shortcut == "conv":
                return [*lines, "} shortcut {", "  conv(4, 1x1) -> bn", "}"]
            return [*lines, "}"]
        case "maybe":
            return ["residual if deep {", *inner(), "}"]
        case "concat":
            branches = draw(st.integers(2, 3))
            chains = [
                f"  | {_layer(draw, in_block)} -> {_layer(draw, in_block)}" for _ in range(branches)
            ]
            return ["concat {", *chains, "}", "conv(4, 1x1)"]
        case "repeat":
            return [f"repeat {draw(st.integers(0, 3))} {{", *inner(), "}"]
        case "for":
            kernels = draw(st.lists(st.sampled_from(KERNELS), min_size=1, max_size=3))
            return [
                f"for kernel in [{', '.join(kernels)}] {{",
                "  conv(4, kernel, pad = same)",
                *inner(1),
                "}",
            ]
        case _:
            otherwise = ["} else {", *inner(1), "}"] if draw(st.booleans()) else ["}"]
            return ["if deep {", *inner(), *otherwise]


def _layer(draw, in_block) -> str:
    kernel = "kernel" if in_block and draw(st.booleans()) else draw(st.sampled_from(KERNELS))
    width = "width" if in_block else "4"
    return draw(
        st.sampled_from(
            [
                "relu",
                "bn",
                "tanh",
                f"conv(4, {kernel}, pad = same)",
                f"conv({width}, {kernel}, pad = same) -> conv(4, 1x1, bias = false)",
                f"depthwise({kernel}, pad = same)",
                "maxpool(3x3, stride = 1, pad = same)",
                "mul { | identity | globalavgpool -> dense(4) -> sigmoid }",
            ]
        )
    )


def _call(draw, names, in_block) -> str:
    name = draw(st.sampled_from(names))
    width = draw(st.sampled_from(["4", "8"]))
    deep = draw(st.sampled_from(["true", "false", *(["deep"] if in_block else [])]))
    kernel = draw(st.sampled_from(KERNELS))
    return f"{name}({width}, deep = {deep}, kernel = {kernel})"
