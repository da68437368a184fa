"""Symbolic sizes against brute force: a normal form has the value that plain integers give."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netdsl.sizes import (
    UndecidedSize,
    ceil_divide,
    evaluate,
    floor_divide,
    rises,
    symbol,
    symbols,
)

# One step of a size: what a padding, a window, an upsampling or a stride does to it.
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.integers(-6, 6)),
        st.tuples(st.just("multiply"), st.integers(1, 4)),
        st.tuples(st.just("floor"), st.integers(1, 7)),
        st.tuples(st.just("ceil"), st.integers(1, 7)),
    ),
    max_size=7,
)


def apply(steps, size):
    for step, number in steps:
        if step == "add":
            size = size + number
        elif step == "multiply":
            size = size * number
        elif step == "floor":
            size = floor_divide(size, number)
        else:
            size = ceil_divide(size, number)
    return size


@given(STEPS)
def test_normal_form_has_the_value_of_plain_arithmetic(steps):
    closed = apply(steps, symbol("H"))
    for height in range(1, 200):
        assert evaluate(closed, {"H": height}) == apply(steps, height)


@given(STEPS, st.sampled_from([2, 4, 6, 16, 32]))
def test_a_known_multiple_changes_no_value(steps, multiple):
    closed = apply(steps, symbol("H", multiple))
    for height in range(multiple, 40 * multiple, multiple):
        assert evaluate(closed, {"H": height}) == apply(steps, height)


@given(STEPS, STEPS)
def test_two_sizes_multiply_like_numbers(left, right):
    product = apply(left, symbol("H")) * apply(right, symbol("W"))
    for height, width in [(1, 1), (7, 3), (225, 224), (64, 31)]:
        values = {"H": height, "W": width}
        assert evaluate(product, values) == apply(left, height) * apply(right, width)


@given(STEPS, STEPS)
def test_an_order_is_only_given_where_it_always_holds(left, right):
    a, b = apply(left, symbol("H")), apply(right, symbol("H"))
    if isinstance(a, int):
        return
    try:
        larger = a > b
    except UndecidedSize:
        return
    for height in range(1, 100):
        assert (apply(left, height) > apply(right, height)) == larger


@given(STEPS, st.integers(-3, 3))
def test_what_is_said_to_rise_never_falls(steps, factor):
    closed = apply(steps, symbol("H")) * factor
    if rises(closed):
        values = [evaluate(closed, {"H": height}) for height in range(1, 300)]
        assert values == sorted(values)


def test_rising_is_seen_in_halvings_and_products_and_not_in_differences():
    height, width = symbol("H"), symbol("W")
    assert rises(ceil_divide(height, 2) * ceil_divide(width, 32) * 7 - 5)
    assert rises(floor_divide(height + 1, 4) - 2)
    assert not rises(-height)
    assert not rises(height * (width - 3))
    assert not rises(floor_divide(height - 9, 4) * width)
    assert not rises(floor_divide(symbol("H") * 0 + 9, height))


def test_five_halvings_are_one_division():
    size = symbol("H")
    for _ in range(5):
        size = ceil_divide(size, 2)
    assert str(size) == "ceil(H/32)"
    size = symbol("H")
    for _ in range(3):
        size = floor_divide(size, 2)
    assert str(size) == "floor(H/8)"


def test_division_of_a_known_multiple_is_exact():
    height = symbol("H", 16)
    assert [str(height // 2**i) for i in range(5)] == ["H", "H/2", "H/4", "H/8", "H/16"]
    assert height // 16 * 16 == height


def test_a_division_of_a_known_multiple_is_one_fraction():
    height, width = symbol("H", 2), symbol("W", 8)
    assert str(ceil_divide(width, 16)) == "ceil(W/16)"
    assert str(floor_divide(height + 2, 8)) == "floor((H + 2)/8)"
    assert str(floor_divide(width * height + width, 32)) == "floor((H W + W)/32)"
    assert str(floor_divide(width * 3 + symbol("A"), 16)) == "floor((A + 3 W)/16)"
    assert str(symbol("A") // width) == "floor(A/W)"
    assert str(symbol("A") // (width + 1)) == "floor(A/(W + 1))"


def test_a_factor_has_parentheses_where_it_needs_them():
    height = symbol("H")
    factors = [height, 2 * height, height + 1, floor_divide(height + 1, 4), height * height]
    assert [each.as_factor() for each in factors] == [
        "H",
        "(2 H)",
        "(H + 1)",
        "floor((H + 1)/4)",
        "H^2",
    ]


def test_polynomials_print_as_formulas():
    height, width = symbol("H"), symbol("W")
    assert str(3 * height * width + 2 * height - 1) == "3 H W + 2 H - 1"
    assert str((height + 1) * (height - 1)) == "H^2 - 1"


def test_symbols_inside_divisions_are_found():
    assert {each.name for each in symbols(symbol("H") // 3 * symbol("W"))} == {"H", "W"}


def test_undecided_questions_raise():
    with pytest.raises(UndecidedSize):
        symbol("H") > symbol("W")  # noqa: B015 - the comparison itself is what is tested
    with pytest.raises(UndecidedSize):
        bool(symbol("H"))
    with pytest.raises(ZeroDivisionError):
        floor_divide(symbol("H"), 0)
