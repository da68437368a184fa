"""Random well-typed programs: what netdsl says of them, against arithmetic that counts slowly."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import pytest
from flax import nnx
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from netdsl.cost import cost
from netdsl.elaborate import elaborate
from netdsl.format import format_source
from netdsl.model import Model
from netdsl.network import Network, load_file, load_network
from netdsl.proof import prove_network
from netdsl.sizes import evaluate
from netdsl.source import Source
from tests.slow_operators import Misfit
from tests.slow_run import Run, run
from tests.typed_programs import OPERATORS, operators, programs
from tests.typed_tree import (
    Chain,
    If,
    Program,
    Residual,
    Step,
    changed,
    number_at,
    numbers,
    render,
)

jax.config.update("jax_platforms", "cpu")


@pytest.fixture
def for_all(exhaustive: bool) -> Callable[[st.SearchStrategy[Any], int, Callable[..., None]], None]:
    """`for_all(strategy, count, holds)` tries a property on the same examples each time.

    With `--exhaustive` there are twenty times as many.
    """

    def check(strategy: st.SearchStrategy[Any], count: int, holds: Callable[..., None]) -> None:
        fixed = settings(
            max_examples=count * 20 if exhaustive else count,
            derandomize=True,
            database=None,
            suppress_health_check=list(HealthCheck),
            # What fails is made smaller, but not in the minutes that explaining it takes.
            phases=[Phase.generate, Phase.shrink],
        )
        fixed(given(strategy)(lambda example: holds(example)))()

    return check


def checked(text: str, name: str = "") -> tuple[Network | None, str]:
    """What the static stages make of a program, or what they have against it."""
    file, diagnostics = load_file(Source("typed.net", text))
    network = None
    if file is not None and not any(each.severity == "error" for each in diagnostics):
        name = name or ("variant" if "variant" in file.networks else "net")
        network, diagnostics = load_network(file, name, {})
    return network, "\n".join(each.message for each in diagnostics)


def accepted(text: str) -> Network:
    network, against = checked(text)
    assert network is not None, f"{against}\n{text}"
    return network


def slow(program: Program, sizes: tuple[int, int] | None = None) -> Run | None:
    """What a program makes by slow arithmetic; None where something does not fit."""
    try:
        return run(program, sizes)
    except Misfit:
        return None


def assert_same(network: Network, expected: Run, text: str) -> None:
    graph = network.graph
    shapes = [
        ("image" if node.op is None else node.op.name, node.type.shape) for node in graph.nodes
    ]
    assert shapes == expected.nodes, text
    labels = {name: graph.nodes[graph.labels[name]].type.shape for name in expected.labels}
    assert labels == expected.labels, text
    outputs = [graph.nodes[output.node].type.shape for output in graph.outputs]
    assert outputs == expected.outputs, text
    total = network.report.trained
    assert (total.params, total.macs) == (expected.params, expected.macs), text


def layers(network: Network) -> list[tuple[object, ...]]:
    """All that a network computes, without where its weights are kept."""
    return [(node.op, node.inputs, node.type) for node in network.graph.nodes]


def paths(network: Network) -> list[tuple[str, ...]]:
    return [node.path for node in network.graph.nodes]


# ---------------------------------------------------------------- the arithmetic itself


def test_the_slow_arithmetic_gives_published_numbers():
    def step(name: str, **arguments: Any) -> Chain:
        return Chain((Step(name, tuple(arguments.items())),))

    pool = step("avgpool", kernel=2)
    lenet = (
        *(step("conv", filters=6, kernel=5), pool, step("conv", filters=16, kernel=5), pool),
        *(step("flatten"), *(step("dense", features=n) for n in (120, 84, 10))),
    )
    made = run(Program((), (), (), (), (32, 32, 1), lenet))
    assert (made.params, made.macs) == (61_706, 416_520)
    # GoogLeNet's pools round up, ResNet's first layers round down.
    googlenet = (step("maxpool", kernel=3, stride=2, ceil="true"),)
    assert run(Program((), (), (), (), (112, 112, 64), googlenet)).outputs == [(56, 56, 64)]
    resnet = (
        step("conv", filters=64, kernel=7, stride=2, pad=3),
        step("maxpool", kernel=3, stride=2, pad=1),
    )
    assert run(Program((), (), (), (), (224, 224, 3), resnet)).outputs == [(56, 56, 64)]


def test_the_programs_have_all_that_they_could_have(for_all):
    forms: Counter[str] = Counter()

    def count(part: Any) -> None:
        if isinstance(part, tuple):
            if hasattr(part, "_fields"):
                forms[type(part).__name__] += 1
            if isinstance(part, Step):
                forms[part.name] += 1
            if isinstance(part, Residual) and part.shortcut_when != "true":
                forms["conditional shortcut"] += 1
            if isinstance(part, If) and part.otherwise:
                forms["else"] += 1
            for each in part:
                count(each)

    for_all(programs(), 350, count)
    steps = """conv depthwise conv_transpose maxpool avgpool adaptiveavgpool adaptivemaxpool
        globalavgpool upsample space_to_depth pad crop split select channel_shuffle bn groupnorm
        layernorm scale relu dropout stochastic_depth flatten dense tokens take_token attention
        class_token position_embedding"""
    statements = """Chain Join Merge MergeFor Residual Repeat For If Group Aux Let Block Parameter
        Binary Choose Sides Row Function"""
    wanted = [*steps.split(), *statements.split(), "conditional shortcut", "else"]
    assert not [each for each in wanted if not forms[each]]


# ---------------------------------------------------------------- shapes and costs


def test_every_value_has_the_shape_that_is_expected(for_all):
    def holds(program: Program) -> None:
        text = render(program)
        assert_same(accepted(text), run(program), text)

    for_all(programs(), 120, holds)


def test_jax_makes_the_same_shapes(for_all):
    def holds(program: Program) -> None:
        expected = run(program)
        model = Model(accepted(render(program)))
        module = nnx.eval_shape(lambda: model.module(nnx.Rngs(0)))
        parts, state = nnx.split(module)
        x = jax.ShapeDtypeStruct((2, *program.sizes), jnp.float32)
        made = jax.eval_shape(
            lambda state, x: nnx.merge(parts, state)(x, train=True, rngs=nnx.Rngs(0)), state, x
        )
        outputs = made if isinstance(made, (tuple, list)) else [made]
        outputs = [each.shape for each in jax.tree.leaves(outputs)]
        assert outputs == [(2, *shape) for shape in expected.outputs], model.python
        held = sum(leaf.size for leaf in jax.tree.leaves(nnx.state(module, nnx.Param)))
        assert held == model.report.trained.params == expected.params

    for_all(programs(), 25, holds)


# ---------------------------------------------------------------- programs that mean the same


def test_layout_means_nothing(for_all):
    def holds(program: Program) -> None:
        text = render(program)
        formatted, _ = format_source(Source("typed.net", text))
        assert formatted is not None
        assert format_source(Source("typed.net", formatted))[0] == formatted
        before, after = accepted(text), accepted(formatted)
        assert (layers(before), paths(before)) == (layers(after), paths(after)), formatted
        assert before.report.total == after.report.total

    for_all(programs(), 50, holds)


def test_names_mean_nothing(for_all):
    def holds(program: Program) -> None:
        text = render(program)
        before = accepted(text)
        after = accepted(re.sub(r"\bv(\d+)\b", r"Size_\1", text))
        assert (layers(before), paths(before)) == (layers(after), paths(after)), text
        # Layers without a label are called after their block.
        after = accepted(re.sub(r"\b([bkntuw])(\d+)\b", r"other_\1_\2", text))
        assert layers(before) == layers(after), text
        assert before.report.total == after.report.total
        outputs = [each.node for each in before.graph.outputs]
        assert outputs == [each.node for each in after.graph.outputs]

    for_all(programs(), 50, holds)


def test_blocks_loops_and_conditions_are_what_they_stand_for(for_all):
    """Against the program with all calls, passes and chosen ways written out, in numbers."""

    def holds(program: Program) -> None:
        structured, flat = render(program), render(run(program).flat)
        assert not re.search(r"\b(block|repeat|for|if|let)\b", flat)
        before, after = accepted(structured), accepted(flat)
        assert layers(before) == layers(after), f"{structured}\n{flat}"
        assert before.report.total == after.report.total
        assert before.report.trained == after.report.trained

    for_all(programs(), 80, holds)


# ---------------------------------------------------------------- mutants

NEW = {
    "one less": lambda n: max(n - 1, 0),
    "one more": lambda n: n + 1,
    "none": lambda n: 0,
    "twice": lambda n: 2 * n,
    "three more": lambda n: n + 3,
}


@st.composite
def mutants(draw: Any, *, named: bool = False, most: int = 6) -> list[Program]:
    """Programs that differ from one that is right in one number each."""
    program = draw(programs(named=named))
    found = []
    for _ in range(most):
        place = draw(st.integers(0, numbers(program) - 1))
        new = NEW[draw(st.sampled_from(list(NEW)))](number_at(program, place))
        found.append(changed(program, place, new))
    return found


def test_a_program_with_one_number_changed_is_right_where_it_fits(for_all):
    verdicts: Counter[bool] = Counter()

    def holds(several: list[Program]) -> None:
        for program in several:
            text, expected = render(program), slow(program)
            network, against = checked(text)
            assert (network is not None) == (expected is not None), f"{against}\n{text}"
            verdicts[network is not None] += 1
            if network is not None:
                assert_same(network, expected, text)

    for_all(mutants(), 60, holds)
    assert min(verdicts[True], verdicts[False]) >= 30, verdicts


ALONE = pytest.mark.parametrize(
    ("axes", "name"), [(axes, name) for axes, names in OPERATORS.items() for name in names]
)


@ALONE
def test_an_operator_with_one_number_changed_is_right_where_it_fits(for_all, axes, name):
    """One operator at a time, and each of its numbers and the image's changed in each way."""
    verdicts: Counter[bool] = Counter()

    def holds(program: Program) -> None:
        several = {program}
        for place in range(numbers(program)):
            for new in NEW.values():
                several.add(changed(program, place, new(number_at(program, place))))
        for each in several:
            text, expected = render(each), slow(each)
            network, against = checked(text)
            assert (network is not None) == (expected is not None), f"{against}\n{text}"
            verdicts[network is not None] += 1
            if network is not None:
                assert_same(network, expected, text)

    for_all(operators(axes, name), 12, holds)
    assert verdicts[True] >= 10 and verdicts[False] >= 5, verdicts


# ---------------------------------------------------------------- every size


def assert_sizes(program: Program, counts: Counter[str]) -> None:
    text = render(program)
    file, _ = load_file(Source("typed.net", text))
    name = "variant" if program.settings else "net"
    sizes, diagnostics = prove_network(file, name, {})
    if sizes is None:
        assert diagnostics, text
        counts["refused"] += 1
        for size in (*range(1, 20), 24, 32, 47, 64):
            assert slow(program, (size, size + 1)) is None, (size, diagnostics, text)
        return
    if sizes.questions or sizes.exempt:
        counts["open"] += 1
        return
    height, width = program.sizes[:2]
    for size in (*range(1, 20), 24, 32, 47):
        for h, w in ((size, width), (height, size), (size, size + 1)):
            claimed = all(n in sizes.valid[k] for k, n in (("H", h), ("W", w)) if k in sizes.valid)
            made = slow(program, (h, w))
            assert claimed == (made is not None), (h, w, text)
            counts["works" if claimed else "fails"] += 1


def test_the_verdict_for_every_size_is_what_each_size_gives(for_all):
    counts: Counter[str] = Counter()
    for_all(programs(named=True), 60, lambda program: assert_sizes(program, counts))
    assert min(counts["works"], counts["fails"]) >= 50, counts


@ALONE
def test_the_verdict_for_every_size_of_an_operator(for_all, axes, name):
    counts: Counter[str] = Counter()

    def holds(program: Program) -> None:
        assert_sizes(program._replace(named=True), counts)

    for_all(operators(axes, name), 10, holds)
    assert counts["works"] or counts["open"]


def test_the_verdict_for_every_size_of_mutants(for_all):
    counts: Counter[str] = Counter()

    def holds(several: list[Program]) -> None:
        for program in several:
            assert_sizes(program, counts)

    for_all(mutants(named=True, most=2), 25, holds)
    assert min(counts["works"], counts["fails"]) >= 50, counts


def test_open_sizes_have_the_shapes_of_whole_ones(for_all):
    """A network elaborated once with its sizes unknown, at sizes that it works for."""
    tried: Counter[bool] = Counter()

    def holds(program: Program) -> None:
        text = render(program)
        file, _ = load_file(Source("typed.net", text))
        elaboration = elaborate(file, "variant" if program.settings else "net", {}, symbolic=True)
        if elaboration.graph is None or elaboration.open_comparisons:
            tried[False] += 1
            return
        total = cost(elaboration.graph).trained
        height, width = program.sizes[:2]
        for h, w in ((height, width), (width + 4, height + 9), (2 * height, 31)):
            made = slow(program, (h, w))
            if made is None:
                continue
            tried[True] += 1
            at = {"H": h, "W": w}
            shapes = [
                tuple(evaluate(size, at) for size in node.type.shape)
                for node in elaboration.graph.nodes
            ]
            assert shapes == [shape for _, shape in made.nodes], text
            work = evaluate(total.params, at), evaluate(total.macs, at)
            assert work == (made.params, made.macs), text

    for_all(programs(named=True), 40, holds)
    assert tried[True] >= 30 and tried[False] <= 10, tried
