"""What only looks at a program never waits for jax: asked of real processes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence

import pytest

HEAVY = ("jax", "jaxlib", "flax", "optax", "orbax", "numpy", "matplotlib", "PIL", "rich")


def loaded(arguments: Sequence[str], watched: Sequence[str], before: str = "") -> set[str]:
    """Which of the `watched` modules `netdsl arguments` has imported by its end."""
    program = (
        "import sys\n"
        f"{before}\n"
        "from netdsl.main import run\n"
        f"code = run({list(arguments)!r})\n"
        f"print('loaded', *[name for name in {list(watched)!r} if name in sys.modules])\n"
        "sys.exit(code)\n"
    )
    process = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60
    )
    assert process.returncode == 0, process.stderr
    return set(process.stdout.splitlines()[-1].split()[1:])


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["--version"],
        ["zoo"],
        ["list", "operators"],
        ["explain", "conv"],
        ["explain", "lenet5"],
        ["explain", "lenet5", "conv1", "--format", "latex"],
        ["check", "lenet5"],
        ["cost", "lenet5"],
        ["cost", "lenet5", "--format", "json"],
        ["compile", "lenet5", "-o", "-"],
    ],
    ids=" ".join,
)
def test_static_commands_load_no_jax(arguments: Sequence[str]) -> None:
    assert loaded(arguments, HEAVY) == set()


@pytest.mark.parametrize("arguments", [["--help"], ["--version"]], ids=" ".join)
def test_help_loads_no_lark(arguments: Sequence[str]) -> None:
    assert loaded(arguments, ["lark", "netdsl.parse", "netdsl.ops"]) == set()


def test_the_watch_sees_an_import() -> None:
    assert loaded(["--version"], HEAVY, before="import numpy") == {"numpy"}
    assert loaded(["check", "lenet5"], ["lark"]) == {"lark"}
