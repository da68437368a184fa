"""Exact sets of sizes against trying every size."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_sizes import STEPS, apply

from netdsl.size_sets import (
    EVERY,
    NONE,
    Undecidable,
    always_zero,
    at_least,
    decided,
    meeting,
    set_of,
    zeros,
)
from netdsl.size_words import as_condition, in_words, region_in_words
from netdsl.sizes import ceil_divide, evaluate, floor_divide, symbol

H, W = symbol("H"), symbol("W")
FAR = 3_000
"""Sizes up to here are tried, which is beyond where the sets in these tests begin to repeat."""

PERIODS = st.builds(
    lambda start, period, seed: set_of(lambda each: (each * seed) % 7 % 3 == 0, start, 7 * period),
    st.integers(1, 20),
    st.integers(1, 4),
    st.integers(1, 6),
)


def held_by(numbers, last=FAR):
    return [each for each in range(1, last) if each in numbers]


@given(STEPS, STEPS)
def test_where_two_sizes_agree_is_what_trying_finds(left, right):
    a, b = apply(left, H), apply(right, H)
    try:
        _, numbers = meeting(a, "==", b)
    except Undecidable:
        return  # Products of strides that are too long to repeat.
    for height in range(1, FAR, 1 if len(left) + len(right) < 6 else 7):
        assert (height in numbers) == (apply(left, height) == apply(right, height)), height


@given(STEPS, st.sampled_from(["<", "<=", ">", ">=", "!=", "%"]), st.integers(1, 12))
def test_a_relation_to_a_number_is_what_trying_finds(steps, relation, number):
    try:
        _, numbers = meeting(apply(steps, H), relation, number)
    except Undecidable:
        return
    for height in range(1, FAR, 7):
        size = apply(steps, height)
        expected = {
            "<": size < number,
            "<=": size <= number,
            ">": size > number,
            ">=": size >= number,
            "!=": size != number,
            "%": size % number == 0,
        }[relation]
        assert (height in numbers) == expected, height


@given(STEPS, st.integers(-40, 40), st.integers(-3, 3))
def test_products_of_sizes_are_decided_too(steps, number, factor):
    size = apply(steps, H)
    square = size * size * factor + size - number
    try:
        roots, positive = zeros(square), at_least(square, 1)
    except Undecidable:
        return
    for height in range(1, 400):
        value = apply(steps, height)
        value = value * value * factor + value - number
        assert (height in roots) == (value == 0), height
        assert (height in positive) == (value >= 1), height


@given(PERIODS, PERIODS)
def test_sets_join_and_part_like_sets(one, other):
    a, b = set(held_by(one, 400)), set(held_by(other, 400))
    assert set(held_by(one & other, 400)) == a & b
    assert set(held_by(one | other, 400)) == a | b
    assert set(held_by(one - other, 400)) == a - b
    assert (one & other).is_empty == (not a & b)


@given(PERIODS, PERIODS)
def test_equal_sets_are_equal_values(one, other):
    assert (one == other) == (held_by(one, 400) == held_by(other, 400))


@given(PERIODS, st.integers(1, 6))
def test_multiples_of_a_set(numbers, factor):
    expected = [each * factor for each in held_by(numbers, 100)]
    assert held_by(numbers.times(factor), 99 * factor + 1) == expected


@given(PERIODS)
def test_a_condition_of_the_language_means_the_set(numbers):
    condition = as_condition(numbers, "H")
    for height in range(1, 200):
        holds = not condition or eval(condition.replace("false", "False"), {"H": height})
        assert holds == (height in numbers), condition


def few_of(numbers, last):
    return numbers & at_least(-H, -last)


def test_agreement_is_worded_as_a_teacher_would():
    even = zeros(H - floor_divide(H, 2) * 2)
    assert in_words(even, "H") == "H is even"
    assert in_words(even, "H", "W") == "H and W are even"
    assert in_words(at_least(floor_divide(H - 63, 32), 0), "H") == "H is at least 63"
    _, unet = meeting(H % 16, "==", 12)
    assert in_words(unet & at_least(H, 188), "size") == (
        "size is at least 188 and 12 more than a multiple of 16"
    )
    assert in_words(EVERY - even, "H") == "H is odd"
    assert in_words(few_of(even, 20), "H", "W") == "H and W are even, from 2 to 20"
    assert in_words(few_of(even, 8), "H") == "H is 2, 4, 6 or 8"
    assert as_condition(few_of(even, 20), "H") == "H <= 20 and H % 2 == 0"
    assert as_condition(few_of(even, 20) & at_least(H, 3), "H") == (
        "H >= 4 and H <= 20 and H % 2 == 0"
    )
    assert as_condition(few_of(even, 8), "H") == "H in [2, 4, 6, 8]"
    assert in_words(NONE, "H") == "H is no size at all"
    _, third = meeting(H, "%", 3)
    assert in_words(EVERY - third, "H") == "H is no multiple of 3"
    _, few = meeting(ceil_divide(H, 32), "==", 7)
    assert in_words(few, "H") == "H is 193 to 224"
    assert region_in_words({"H": even, "W": even, "D": third}) == (
        "H and W are even and D is a multiple of 3"
    )


def test_a_known_multiple_counts_in_pixels():
    height = symbol("H", 8)
    _, numbers = meeting(height // 8, "%", 3)
    assert held_by(numbers, 100) == [24, 48, 72, 96]


def test_several_unknowns_are_decided_as_a_whole_or_not_at_all():
    product = floor_divide(H, 2) * floor_divide(W, 2)
    assert always_zero((ceil_divide(H, 2) + floor_divide(H, 2) - H) * W)
    assert not always_zero(floor_divide(H * W, 4) - product)
    with pytest.raises(Undecidable, match="H and W together"):
        meeting(H, "==", W)


def test_what_repeats_too_late_is_not_guessed():
    size = H
    for divisor in (7, 11, 13, 17, 19):
        size = floor_divide(size + 1, divisor)
    with pytest.raises(Undecidable):
        zeros(size * 2 - floor_divide(H, 160_000))


def test_a_condition_is_decided_under_what_the_input_allows():
    allowed = {"H": at_least(H, 64)}
    assert decided(allowed, ">", H, 32) is True
    assert decided(allowed, "<", H, 10) is False
    assert decided(allowed, ">", H, 100) is None
    assert decided(allowed, "<", H, W) is None


def test_the_smallest_from_some_size_on():
    even = zeros(H % 2)
    assert even.smallest() == 2 and even.smallest(225) == 226
    assert NONE.smallest() is None
    assert evaluate(H, {"H": 3}) == 3
