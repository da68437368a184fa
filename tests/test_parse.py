"""The parser: Python's precedence, exact places, every mistake found, nothing that breaks it."""

from __future__ import annotations

import ast
import random
import re
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from netdsl import syntax
from netdsl.check import check_file, check_recipes
from netdsl.codes import CODES
from netdsl.diagnostics import Fault
from netdsl.evaluate import evaluate
from netdsl.limits import LIMITS
from netdsl.network import load_file
from netdsl.parse import TABLES, make_tables, parse
from netdsl.records import Record
from netdsl.render import render
from netdsl.scope import Scope
from netdsl.source import Source, Span
from netdsl.tensor import Window

EXAMPLES = sorted((Path(__file__).parent / "examples").glob("*.net"))
ARCHITECTURES = sorted((Path(__file__).parent.parent / "architectures").glob("*.net"))
MANY = settings(max_examples=300, derandomize=True, suppress_health_check=list(HealthCheck))


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
    assert TABLES.read_text("utf-8") == make_tables(), "`make grammar` writes them"


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


_FLAT = _extended((_INTEGERS, _BOOLEANS))
_NESTED = _extended((_INTEGERS | _FLAT[0], _BOOLEANS | _FLAT[1]))
EXPRESSIONS = st.one_of(*_FLAT, *_NESTED, *_extended((_FLAT[0] | _NESTED[0], _NESTED[1])))


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
        case syntax.Sequence(items, is_tuple):
            return ("list", "tuple")[is_tuple], *map(shape, items)
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
        case ast.List(items):
            return "list", *map(shape, items)
        case ast.Tuple(items):
            return "tuple", *map(shape, items)
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
        "([a, b])[1]",
        "((a, b))[1]",
        "(((a)) + (b)) ** ((2))",
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


# ---------------------------------------------------------------- places


def children(node):
    """The records directly inside one, in the order of their fields."""
    for field in node:
        if isinstance(field, Record):
            yield field
        elif isinstance(field, tuple) and not isinstance(field, (Span, Window)):
            pending = list(field)
            while pending:
                each = pending.pop(0)
                if isinstance(each, Record):
                    yield each
                elif isinstance(each, tuple):
                    pending[:0] = each


def descendants(node):
    for child in children(node):
        yield child
        yield from descendants(child)


EXPRESSION = (
    *(syntax.Constant, syntax.Name, syntax.Sequence, syntax.Unary, syntax.Binary, syntax.Index),
    *(syntax.Comparison, syntax.Conditional, syntax.Apply, syntax.Attribute, syntax.Path),
)
STEP = (syntax.Residual, syntax.Repeat, syntax.For, syntax.If, syntax.Group, syntax.Call)
STATEMENT = (syntax.Flow, syntax.Let, syntax.Default, syntax.Assert, syntax.Claim, syntax.Aux)
DECLARATION = (syntax.Block, syntax.Network, syntax.Variant, syntax.Recipe, syntax.Import)


@pytest.mark.parametrize("path", EXAMPLES + ARCHITECTURES, ids=named)
def test_places_nest_in_order(path):
    source = Source(path.name, path.read_text("utf-8"))
    tree, _ = parse(source)
    for node in (tree, *descendants(tree)):
        inner = [each.span for each in children(node)]
        for span in inner:
            assert span.source is source
            assert 0 <= span.start < span.end <= len(source.text)
            text = span.text
            assert text == text.strip() and text.count("(") == text.count(")")
            if not isinstance(node, syntax.File):
                assert node.span.start <= span.start and span.end <= node.span.end
        if not isinstance(node, (syntax.Conditional, syntax.Recipe)):  # The others have it so.
            assert all(a.end <= b.start for a, b in pairwise(inner))


@pytest.mark.parametrize("path", EXAMPLES, ids=named)
def test_the_text_at_a_place_is_what_stands_there(path):
    """Parsed alone, the text of each record gives that record."""
    for node in descendants(tree_of(path.read_text("utf-8"))):
        text = node.span.text
        if isinstance(node, EXPRESSION) and not is_label(node):
            alone = expression(text)
        elif isinstance(node, STEP):
            (flow,) = statements(text)
            (alone,) = flow.steps
        elif isinstance(node, STATEMENT):
            (alone,) = statements(text)
        elif isinstance(node, DECLARATION) and node.span.text.split()[0] != "then":
            (alone,) = tree_of(text).declarations
        else:
            continue
        assert bare(alone) == bare(node), text


def is_label(node):
    """Whether a path is a label, which can't stand for a value."""
    return isinstance(node, syntax.Path) and all(isinstance(each, str) for each in node.parts[0])


# ---------------------------------------------------------------- mistakes


def test_each_mistake_is_reported_once_and_where_it_is():
    text = """
network net {
  input image[8, 8, 3]
  conv(8, 3x3 stride = 2)
  relu -> -> relu
  let width == 3
  repeat 2 { relu ) }
  conv(8, 3x3)
  assert < 3
  tanh
}
block b(width) {
  conv(width, 3x3) € relu
  concat { conv(1, 1x1) | relu }
}
"""
    tree, diagnostics = parse(Source("test.net", text))
    assert tree is None
    assert [each.span.line for each in diagnostics] == [4, 5, 6, 7, 9, 13, 14]
    assert {each.code for each in diagnostics} == {
        "unexpected-token",
        "unexpected-character",
        "unopened-bracket",
    }


def test_a_file_of_mistakes_ends_at_the_limit():
    assert len(codes_of("conv ! 3\n" * 1000)) <= LIMITS.errors
    assert len(codes_of("let = 3\n" * 1000)) <= LIMITS.errors
    assert len(codes_of("network n {\n" + "  relu relu\n" * 1000 + "}")) <= LIMITS.errors


DEEP = 20_000
LONG = 15_000


@pytest.mark.parametrize(
    "text",
    [
        "let x = (" + "1 +\n" * LONG + "1)",
        "let x = (" + "a and\n" * LONG + "b)",
        "let x = (" + "a <\n" * LONG + "b)",
        "let x = [" + "1,\n" * LONG + "1]",
        "network n {\n  relu" + " ->\nrelu" * LONG + "\n}",
        "network n {\n" + "  relu\n" * LONG + "}",
        'let x = "' + "a" * 9_000 + '"',
        "#" * 9_000,
        "let x = 1\n" * 1000,
    ],
    ids=lambda text: text[:24],
)
def test_long_programs_parse(text):
    assert codes_of(text) == []


@pytest.mark.parametrize(
    "text",
    [
        "let x = " + "(\n" * DEEP + "1" + "\n)" * DEEP,
        "let x = " + "[\n" * DEEP + "\n]" * DEEP,
        "let x = " + "-\n" * DEEP + "1",
        "let x = " + "not\n" * DEEP + "true",
        "let x = " + "2 **\n" * DEEP + "1",
        "let x = " + "1 if a else\n" * DEEP + "2",
        "let x = " + "max(\n" * DEEP + "1" + "\n)" * DEEP,
        "let x = (a" + "[0]\n" * DEEP + ")",
        "let x = (a" + ".b\n" * DEEP + ")",
        "network n " + "{ {\n" * DEEP + "\n}" * DEEP,
        "network n {" + "repeat 2 {\n" * DEEP + "relu" + "\n}" * (DEEP + 1),
        "network n {\n" + "if a { relu } else\n" * DEEP + "{ relu } }",
        "network n {\n" + "concat { |\n" * DEEP + "relu" + "\n}" * (DEEP + 1),
        "(\n" * DEEP,
        "network n {\n" * DEEP,
        "}\n" * DEEP,
        "let x = " + "+\n" * DEEP,
    ],
    ids=lambda text: text[:24],
)
def test_nesting_ends_in_a_diagnostic(text):
    assert 0 < len(codes_of(text)) <= LIMITS.errors


def test_what_nests_below_the_limit_elaborates():
    for text in ["(" * 50 + "1" + ")" * 50, "-" * 50 + "1", "1 if true else " * 50 + "2"]:
        evaluate(expression(text), Scope())


# ---------------------------------------------------------------- mutated programs

PIECES = (
    *("(", ")", "[", "]", "{", "}", '"', '"""', "->", "|", ":", "=", ",", ".", "\n", ";", "#"),
    *("if", "else", "for", "in", "repeat", "residual", "shortcut", "block", "network", "then"),
    *("x", "3x3", "2x", "7", "1e999", "9" * 30, "0.1.2", "5M", "-", "**", "%", "within", "{i}"),
    *("\\", "\t", "\x00", "é", "×", "😀", "\u202e", "'"),
)


def mutated(text, chance):
    """A text with a few pieces cut out, doubled, exchanged or put in."""
    for _ in range(chance.randint(1, 4)):
        start = chance.randrange(len(text) + 1)
        end = min(len(text), start + chance.choice([0, 1, 1, 3, 10, 60]))
        cut = text[start:end]
        new = chance.choice(["", cut + cut, cut[::-1], chance.choice(PIECES)])
        text = text[:start] + new + text[end:]
    return text


def assert_sound(source, diagnostics):
    assert len({(each.code, each.span) for each in diagnostics}) == len(diagnostics)
    for each in diagnostics:
        assert 0 <= each.span.start <= each.span.end <= len(source.text)
        assert each.code in CODES and each.message and "\n" not in each.message
    render(diagnostics, color=False)


@pytest.mark.parametrize("seed", range(6))
def test_no_mutated_program_breaks_the_parser(seed):
    chance = random.Random(seed)
    texts = [path.read_text("utf-8") for path in EXAMPLES]
    for _ in range(60):
        source = Source("test.net", mutated(chance.choice(texts), chance))
        tree, diagnostics = parse(source)
        assert (tree is None) == bool(diagnostics)
        assert_sound(source, diagnostics)


@pytest.mark.parametrize("seed", range(4))
def test_no_mutated_program_breaks_a_check(seed):
    chance = random.Random(1000 + seed)
    small = [path for path in EXAMPLES if path.stem in ("blocks", "lenet5", "unet", "mobilenet_v2")]
    texts = [path.read_text("utf-8") for path in small]
    for _ in range(25):
        source = Source("test.net", mutated(chance.choice(texts), chance))
        file, diagnostics = load_file(source)
        if file is not None:
            for verdict in check_file(file, {}):
                diagnostics += verdict.diagnostics
            diagnostics += check_recipes(file)
        render(diagnostics, color=False)
