"""Run emitted source: check that it is only what the emitter writes, then make its class."""

from __future__ import annotations

import ast
import hashlib
import linecache
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jax import lax

# What emitted code is made of. Anything else means that something of a program became code.
_ALLOWED = (
    ast.Module,
    ast.Import,
    ast.ImportFrom,
    ast.alias,
    ast.ClassDef,
    ast.FunctionDef,
    ast.arguments,
    ast.arg,
    ast.Return,
    ast.Assign,
    ast.For,
    ast.If,
    ast.IfExp,
    ast.Raise,
    ast.Expr,
    ast.Pass,
    ast.Call,
    ast.keyword,
    ast.Attribute,
    ast.Name,
    ast.Constant,
    ast.Tuple,
    ast.List,
    ast.Dict,
    ast.Subscript,
    ast.Slice,
    ast.Starred,
    ast.BinOp,
    ast.UnaryOp,
    ast.BoolOp,
    ast.Compare,
    ast.ListComp,
    ast.GeneratorExp,
    ast.comprehension,
    ast.operator,
    ast.unaryop,
    ast.boolop,
    ast.cmpop,
    ast.expr_context,
)
_IMPORTS = frozenset({"jax", "jax.numpy", "flax"})
_BUILTINS: dict[str, Any] = {
    "__build_class__": __build_class__,
    # Compiled parts of jax import as they need, by what their caller has; no emitted code may.
    "__import__": __import__,
    "__name__": "netdsl_emitted",
    "ValueError": ValueError,
    "bool": bool,
    "enumerate": enumerate,
    "float": float,
    "int": int,
    "len": len,
    "max": max,
    "range": range,
    "str": str,
    "tuple": tuple,
    "zip": zip,
}
"""All that emitted code may call beside jax and flax; of names that begin with `__`, none."""


class ForbiddenCode(Exception):
    """Emitted source has something that the emitter never writes: a mistake of netdsl's."""


def build(source: str, class_name: str) -> type[nnx.Module]:
    """The class `class_name` of an emitted source, which tracebacks will show.

    Raises ForbiddenCode.
    """
    tree = ast.parse(source)
    check(tree)
    digest = hashlib.sha256(source.encode()).hexdigest()[:12]
    filename = f"<netdsl {class_name} {digest}>"
    # The None keeps the entry: linecache drops entries with a time that no file has.
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    # The imports are these names already.
    tree.body = [node for node in tree.body if not isinstance(node, (ast.Import, ast.ImportFrom))]
    names: dict[str, Any] = {
        "__builtins__": _BUILTINS,
        "__name__": "netdsl_emitted",
        "jax": jax,
        "jnp": jnp,
        "lax": lax,
        "nnx": nnx,
    }
    exec(compile(tree, filename, "exec"), names)
    made = names[class_name]
    assert isinstance(made, type) and issubclass(made, nnx.Module)
    return made


def check(tree: ast.Module) -> None:
    """Raise ForbiddenCode for anything but what emitted files are made of."""
    for node in ast.walk(tree):
        if not isinstance(node, _ALLOWED):
            raise ForbiddenCode(f"line {getattr(node, 'lineno', '?')}: {type(node).__name__}")
        modules = []
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            modules = [node.module or ""]
        line = getattr(node, "lineno", "?")
        if not set(modules) <= _IMPORTS:
            raise ForbiddenCode(f"line {line}: import of {', '.join(modules)}")
        name = node.id if isinstance(node, ast.Name) else ""
        name = node.attr if isinstance(node, ast.Attribute) else name
        if name.startswith("__"):
            raise ForbiddenCode(f"line {line}: {name}")
