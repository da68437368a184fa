"""The functions of `netdsl.runtime`, whose source is copied into emitted files."""

from __future__ import annotations

import ast
from pathlib import Path

RUNTIME = Path(__file__).parent.parent / "runtime"

RUNTIME_NAMES = frozenset(path.stem for path in RUNTIME.glob("*.py"))
"""What a variable of emitted code must not be called."""

RUNTIME_CLASSES = frozenset(name.title().replace("_", "") for name in RUNTIME_NAMES)
"""What a class of emitted code must not be called, were all of these classes."""


def runtime_source(name: str) -> str:
    """The source of a runtime function or class."""
    text = (RUNTIME / f"{name}.py").read_text("utf-8")
    for node in ast.parse(text).body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            return ast.get_source_segment(text, node) or ""
    raise AssertionError(f"netdsl.runtime.{name} defines nothing")
