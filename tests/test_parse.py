"""The parser: Python's precedence, exact places, every mistake found, nothing that breaks it."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from netdsl import syntax
from netdsl.diagnostics import Fault
from netdsl.evaluate import Scope, evaluate
from netdsl.limits import LIMITS
from netdsl.parse import TABLES, make_tables, parse
from netdsl.render import render
from netdsl.source import Source, Span
from netdsl.tensor import Window

EXAMPLES = sorted((Path(__file__).parent / "examples").glob("*.net"))
ARCHITECTURES = sorted((Path(__file__).parent.parent / "architectures").glob("*.net"))
MANY = settings(
    max_examples=150, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)


def named(path):
    return path.stem


def tree_of(text):
    tree, diagnostics = parse(Source("test.net", text))
    assert not diagnostics, render(diagnostics, color=False)
    return tree


def codes_of(text):
    tree, diagnostics = parse(Source("test.net", text))
    assert (tree is None) == bool(diagnostics)
    return [each.code for each in diagnostics]


def expression(text):
    (let,) = tree_of(f"let value = {text}").declarations
    return let.value


def statements(*lines):
    (network,) = tree_of("network net {\n" + "\n".join(lines) + "\n}").declarations
    return network.body.statements


def bare(node):
    """A tree without its places."""
    if isinstance(node, (Span, Source)):
        return None
    if isinstance(node, Window):
        return node
    if isinstance(node, tuple):
        kind = type(node).__name__
        return (kind, *map(bare, node))
    return node


# ---------------------------------------------------------------- the grammar


def test_the_shipped_tables_are_the_grammar_s():
    shipped, fresh = json.loads(TABLES.read_text("utf-8")), json.loads(make_tables())
    for key in ("grammar", "lark"):
        assert shipped[key] == fresh[key], "`make grammar` writes them"
    for key in ("states", "tokens"):
        assert len(shipped["data"]["parser"]["parser"][key]) == len(
            fresh["data"]["parser"]["parser"][key]
        )


@pytest.mark.parametrize("path", EXAMPLES + ARCHITECTURES, ids=named)
def test_examples_parse(path):
    tree = tree_of(path.read_text("utf-8"))
    declared = re.findall(
        r"^(block|network|recipe|import|let)\b", path.read_text("utf-8"), re.MULTILINE
    )
    assert len(tree.declarations) == len(declared)


# ---------------------------------------------------------------- expressions, as Python's

_INTEGERS = st.one_of(st.integers(0, 9).map(str), st.sampled_from(["a", "b", "c"]))
_BOOLEANS = st.sampled_from(["true", "false", "p", "q"])
VALUES = {"a": 1, "b": -3, "c": 5, "p": True, "q": False, "true": True, "false": False}


def _joined(*parts):
    """Parts with a space or two between, where one is needed or not."""
    return st.tuples(*parts, st.sampled_from([" ", "  "])).map(lambda all: all[-1].join(all[:-1]))


def _extended(inner):
    integers, booleans = inner
    arithmetic = st.sampled_from(["+", "-", "*", "//", "%"])
    order = st.sampled_from(["<", "<=", ">", ">=", "==", "!="])
    listing = st.lists(integers, min_size=1, max_size=3).map(lambda each: f"[{', '.join(each)}]")
    number = st.one_of(
        _joined(integers, arithmetic, integers),
        st.tuples(integers, arithmetic, integers).map("".join),
        st.tuples(integers, st.sampled_from(["0", "1", "2"])).map(" ** ".join),
        st.tuples(st.sampled_from("+-"), integers).map("".join),
        integers.map(lambda each: f"({each})"),
        st.tuples(integers, booleans, integers).map(lambda all: "{} if {} else {}".format(*all)),
        st.tuples(listing, st.sampled_from("012")).map(lambda all: "{}[{}]".format(*all)),
        st.tuples(integers, integers).map(lambda all: "max({}, {})".format(*all)),
    )
    condition = st.one_of(
        _joined(integers, order, integers),
        _joined(integers, order, integers, order, integers),
        _joined(booleans, st.sampled_from(["and", "or"]), booleans),
        booleans.map(lambda each: f"not {each}"),
        booleans.map(lambda each: f"({each})"),
        _joined(integers, st.sampled_from(["in", "not in"]), listing),
    )
    return number, condition


_LEVELS = [(_INTEGERS, _BOOLEANS)]
for _ in range(3):
    longer = _extended(_LEVELS[-1])
    _LEVELS.append(tuple(st.one_of(*pair) for pair in zip(_LEVELS[-1], longer, strict=True)))
EXPRESSIONS = st.one_of(*_LEVELS[-1])


def shape(node):
    """A Python or netdsl expression as nested tuples."""
    match node:
        case syntax.Constant(value):
            return value
        case syntax.Name(name):
            return name
        case syntax.Unary(operator, operand):
            return operator, shape(operand)
        case syntax.Binary(operator, left, right):
            return operator, shape(left), shape(right)
        case syntax.Comparison(left, rest):
            return "compare", shape(left), *((op, shape(right)) for op, right in rest)
        case syntax.Conditional(condition, then, otherwise):
            return "if", shape(condition), shape(then), shape(otherwise)
        case syntax.Sequence(items):
            return "list", *map(shape, items)
        case syntax.Index(value, element):
            return "index", shape(value), shape(element)
        case syntax.Attribute(value, name):
            return "attribute", shape(value), name
        case syntax.Apply(function, _, arguments):
            return "apply", function, *(shape(each.value) for each in arguments)
        case ast.Constant(value):
            return value
        case ast.Name(name):
            return {"true": True, "false": False}.get(name, name)
        case ast.UnaryOp(op, operand):
            return PYTHON[type(op)], shape(operand)
        case ast.BinOp(left, op, right):
            return PYTHON[type(op)], shape(left), shape(right)
        case ast.BoolOp(op, [first, *others]):
            joined = shape(first)
            for other in others:
                joined = PYTHON[type(op)], joined, shape(other)
            return joined
        case ast.Compare(left, operators, rights):
            rest = zip(operators, rights, strict=True)
            return "compare", shape(left), *((PYTHON[type(op)], shape(each)) for op, each in rest)
        case ast.IfExp(condition, then, otherwise):
            return "if", shape(condition), shape(then), shape(otherwise)
        case ast.List(items) | ast.Tuple(items):
            return "list", *map(shape, items)
        case ast.Subscript(value, element):
            return "index", shape(value), shape(element)
        case ast.Attribute(value, name):
            return "attribute", shape(value), name
        case ast.Call(ast.Name(function), arguments):
            return "apply", function, *map(shape, arguments)
    raise AssertionError(node)


PYTHON = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.FloorDiv: "//", ast.Mod: "%",
    ast.Pow: "**", ast.UAdd: "+", ast.USub: "-", ast.Not: "not", ast.And: "and", ast.Or: "or",
    ast.Eq: "==", ast.NotEq: "!=", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=",
    ast.In: "in", ast.NotIn: "not in",
}  # fmt: skip


def python_value(text):
    try:
        return eval(text, {"__builtins__": {"max": max}}, VALUES)
    except ZeroDivisionError:
        return "division-by-zero"
    except IndexError:
        return "index-out-of-range"


def our_value(text):
    scope = Scope()
    scope.names.update(VALUES)
    try:
        return evaluate(expression(text), scope)
    except Fault as fault:
        return fault.diagnostic.code


@MANY
@given(EXPRESSIONS)
def test_expressions_bind_as_in_python(text):
    assert shape(expression(text)) == shape(ast.parse(text, mode="eval").body)
    expected = python_value(text)
    if isinstance(expected, (str, bool)) or abs(expected) < LIMITS.integer:
        assert our_value(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "-a ** 2",
        "2 ** -a ** 2",
        "not a == b",
        "a or b and not c",
        "a if p else b if q else c",
        "a.b[0].c",
        "(a, b)[1].c ** 2",
        "(a,)",
        "[a, b,]",
        "a < b + 1 <= c // 2 * 3 % 4",
        "a not in [b] and c in [a]",
        "max(a if p else b, 2)",
    ],
)
def test_these_bind_as_in_python(text):
    assert shape(expression(text)) == shape(ast.parse(text, mode="eval").body)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("61_706", 61_706),
        ("5.4M", 5_400_000),
        ("25.6M", 25_600_000),
        ("1.5K", 1_500),
        ("0.0005K", 0.5),
        ("3G", 3_000_000_000),
        ("1e-3", 0.001),
        ("4e5", 400_000.0),
        ("0.1", 0.1),
        ("3x5", Window(3, 5)),
        ("2x", Window(2, 2)),
        ('"a \\"b\\" \\\\ \\n\\t"', 'a "b" \\ \n\t'),
        ('""', ""),
        ("true", True),
        ("false", False),
    ],
)
def test_literals(text, value):
    found = expression(text).value
    assert found == value and type(found) is type(value)
