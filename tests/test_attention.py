"""Attention, and what makes sequences of images: against torchvision's record, and slow NumPy.

tests/fixtures/torch_attention.py made the record, and says how.
"""

from __future__ import annotations

import json
from math import log, prod, sqrt
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from netdsl import ProgramError, load
from netdsl.source import Source
from netdsl.tensor import Derived
from netdsl.weights.convert import held, to_ours

jax.config.update("jax_platforms", "cpu")

RECORD = json.loads((Path(__file__).parent / "fixtures/torch_attention.json").read_text("utf-8"))
BATCH = 2


def network(shape, *statements):
    sizes = ", ".join(map(str, shape))
    lines = "".join(f"  {line}\n" for line in (f"input image[{sizes}]", *statements))
    return load(Source("op.net", f"network net {{\n{lines}}}\n"))


def computed(model, arrays, x):
    """The output for a batch, from all arrays by their paths."""
    definition, state = nnx.split(nnx.eval_shape(lambda: model.module(nnx.Rngs(0))))
    filled = []
    for path, leaf in nnx.to_flat_state(state):
        value = arrays.pop(".".join(map(str, path)))
        assert value.shape == leaf.shape
        filled.append((path, leaf.replace(jnp.asarray(value, jnp.float32))))
    assert not arrays, "all are in the module's state"
    forward = jax.jit(lambda state, x: nnx.merge(definition, state)(x))
    y = np.asarray(forward(nnx.from_flat_state(filled), jnp.asarray(x, jnp.float32)))
    assert y.shape == (len(x), *model.graph.nodes[-1].type.shape)
    return y


def shape_of(model, shape):
    """The shape of the output for an input's, without computing it."""
    definition, state = nnx.split(nnx.eval_shape(lambda: model.module(nnx.Rngs(0))))
    x = jax.ShapeDtypeStruct(shape, jnp.float32)
    return jax.eval_shape(lambda state, x: nnx.merge(definition, state)(x), state, x).shape


def run(shape, statement, spread=1.0):
    """Input, output and weights by their paths, of a layer with odd values everywhere."""
    model = network(shape, f"layer: {statement}")
    random = np.random.default_rng(7)
    weights = {
        each.ours: random.normal(size=each.our_shape) * spread
        for each in held(model.graph)
        if not isinstance(each.weight, Derived)
    }
    x = random.normal(size=(BATCH, *shape))
    y = computed(model, dict(weights), x)
    return x, y, {name.removeprefix("layer."): value for name, value in weights.items()}


def assert_close(found, expected):
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=2e-4, atol=2e-5)


# ---------------------------------------------------------------- torchvision's record


def numbers(shape, seed):
    """The values that the record's inputs and weights are made of."""
    index = np.arange(prod(shape))
    return (((index * 37 + seed * 11) % 101 - 50) / 50).astype(np.float32).reshape(shape)


def values(listed):
    return np.array(listed["values"]).reshape(listed["shape"])


@pytest.mark.parametrize("case", RECORD["cases"], ids=lambda case: case["layer"])
def test_a_layer_computes_what_torchvisions_does(case):
    model = network(case["input"], f"layer: {case['layer']}")
    arrays, derived = {}, {}
    for each in held(model.graph):
        name = each.theirs.removeprefix("layer.")
        if isinstance(each.weight, Derived):
            derived[name] = each.weight
        else:
            recorded = case["weights"].pop(name)
            assert list(each.their_shape) == recorded["shape"]
            value = numbers(each.their_shape, recorded["seed"]) / 2
            arrays[each.ours] = to_ours(each.weight, value)
    assert not case["weights"]
    y = computed(model, arrays, numbers((1, *case["input"]), 0))
    assert_close(y[0], values(case["output"]))
    assert derived.keys() == case["derived"].keys()
    for name, expected in case["derived"].items():
        found = derived[name]
        assert list(found.shape) == expected["shape"] == list(np.shape(found.values()))
        assert found.dtype == ("I64" if name == "relative_position_index" else "F32")
        np.testing.assert_allclose(found.values(), values(expected), rtol=1e-5)


# ---------------------------------------------------------------- slow NumPy


def softmax(logits):
    powers = np.exp(logits - logits.max())
    return powers / powers.sum()


def heads_of(x, kernel, bias, heads):
    """Queries, keys and values of one image's positions: [3, heads, …, C / heads]."""
    parts = np.split(x @ kernel + bias, 3, axis=-1)
    return [np.split(part, heads, axis=-1) for part in parts]


def attend(x, weights, heads, seen, logit):
    """For each place p of x, Σ_r softmax_r(logit(h, q_p, k_r, p, r)) v_r over the places that it
    sees; the heads side by side, projected."""
    queries, keys, contents = heads_of(x, weights["qkv.kernel"], weights["qkv.bias"], heads)
    mixed = np.zeros(x.shape)
    size = x.shape[-1] // heads
    for place in np.ndindex(*x.shape[:-1]):
        others = seen(place)
        for h in range(heads):
            q, k, v = queries[h], keys[h], contents[h]
            shares = softmax(
                np.array([logit(h, q[place], k[other], place, other) for other in others])
            )
            mixed[place][h * size : (h + 1) * size] = sum(
                share * v[other] for share, other in zip(shares, others, strict=True)
            )
    return mixed @ weights["out.kernel"] + weights["out.bias"]


def test_attention():
    x, y, weights = run((3, 2, 6), "tokens -> attention(3)", spread=0.5)

    def logit(h, q, k, place, other):
        return q @ k / sqrt(2)

    tokens = x.reshape(BATCH, 6, 6)
    expected = [
        attend(each, weights, 3, lambda place: [(other,) for other in range(6)], logit)
        for each in tokens
    ]
    assert_close(y, np.stack(expected))


def padded(x, window):
    below, right = (-x.shape[axis] % window[axis] for axis in (0, 1))
    return np.pad(x, ((0, below), (0, right), (0, 0)))


def seen_in_windows(shape, window, shift):
    """The places of the shifted window around a place, on its side of the edge."""

    def group(place):
        numbers = [(place[axis] - shift[axis]) % shape[axis] // window[axis] for axis in (0, 1)]
        return numbers + [place[axis] < shift[axis] for axis in (0, 1)]

    return lambda place: [other for other in np.ndindex(*shape) if group(other) == group(place)]


def way(place, other, shift, shape):
    """From one place to another, going on round the edge."""
    return tuple(
        (place[axis] - shift[axis]) % shape[axis] - (other[axis] - shift[axis]) % shape[axis]
        for axis in (0, 1)
    )


@pytest.mark.parametrize(
    ("size", "window", "shift"),
    [
        ((4, 6), (2, 3), (0, 0)),
        ((4, 6), (2, 3), (1, 1)),
        ((5, 4), (3, 2), (1, 1)),  # hangs over
        ((3, 6), (3, 3), (2, 1)),  # one window fills the height
        ((2, 2), (3, 3), (1, 1)),  # and more than the image
    ],
)
@pytest.mark.parametrize("cosine", [False, True])
def test_window_attention(size, window, shift, cosine):
    name = "cosine_window_attention" if cosine else "window_attention"
    text = f"{name}(2, {window[0]}x{window[1]}, shift = {shift[0]}x{shift[1]})"
    x, y, weights = run((*size, 4), text, spread=0.7)
    if cosine:
        weights["qkv.bias"] = weights.pop("qkv_bias")
        weights["qkv.bias"][4:8] = 0  # Keys have none.

    def bias(h, place, other):
        rows, columns = (
            ahead + window[axis] - 1 for axis, ahead in enumerate(way(place, other, moved, shape))
        )
        if not cosine:
            return weights["position_bias"][rows * (2 * window[1] - 1) + columns][h]
        steps = np.array(way(place, other, moved, shape)) / (np.array(window) - 1)
        steps = np.sign(steps) * np.log2(1 + 8 * np.abs(steps)) / 3
        hidden = steps @ weights["position_hidden.kernel"] + weights["position_hidden.bias"]
        return 16 / (1 + np.exp(-np.maximum(hidden, 0) @ weights["position_out.kernel"][:, h]))

    def logit(h, q, k, place, other):
        if not cosine:
            return q @ k / sqrt(2) + bias(h, place, other)
        angle = q @ k / np.linalg.norm(q) / max(np.linalg.norm(k), 1e-12)
        return angle * np.exp(weights["log_scale"][h]) + bias(h, place, other)

    for image, found in zip(x, y, strict=True):
        whole = padded(image, window)
        shape = whole.shape[:2]
        # An axis that one window fills stays where it is.
        moved = [0 if window[axis] >= shape[axis] else shift[axis] for axis in (0, 1)]
        seen = seen_in_windows(shape, window, moved)
        expected = attend(whole, weights, 2, seen, logit)[: size[0], : size[1]]
        assert_close(found, expected)


def test_the_scale_of_cosines_stays_below_100():
    x, _, weights = run((2, 2, 4), "cosine_window_attention(2, 2x2)", spread=0.5)
    model = network((2, 2, 4), "layer: cosine_window_attention(2, 2x2)")

    def scaled(number):
        arrays = {f"layer.{name}": value for name, value in weights.items()}
        return computed(model, arrays | {"layer.log_scale": np.full(2, log(number))}, x)

    assert_close(scaled(400), scaled(100))
    assert np.abs(scaled(100) - scaled(80)).max() > 1e-3


@pytest.mark.parametrize("scaled_by", ["head", "channels"])
@pytest.mark.parametrize("name", ["block_attention", "grid_attention"])
def test_block_and_grid_attention(name, scaled_by):
    """A block holds neighbours; a grid the same pixel of all blocks of 2×3."""
    x, y, weights = run((4, 9, 4), f"{name}(2, 2x3, scaled_by = {scaled_by})", spread=0.7)
    steps = (1, 1) if name == "block_attention" else (2, 3)

    def parts(place):
        """Which window a place lies in, and where in it."""
        if name == "block_attention":
            return (place[0] // 2, place[1] // 3), (place[0] % 2, place[1] % 3)
        return (place[0] % steps[0], place[1] % steps[1]), (
            place[0] // steps[0],
            place[1] // steps[1],
        )

    def logit(h, q, k, place, other):
        (row, column), (other_row, other_column) = parts(place)[1], parts(other)[1]
        number = (row - other_row + 1) * 5 + column - other_column + 2
        root = sqrt(2 if scaled_by == "head" else 4)
        return q @ k / root + weights["position_bias"][number][h]

    def seen(place):
        return [other for other in np.ndindex(4, 9) if parts(other)[0] == parts(place)[0]]

    expected = [attend(image, weights, 2, seen, logit) for image in x]
    assert_close(y, np.stack(expected))


def test_tokens_are_row_by_row():
    x, y, _ = run((2, 3, 4), "tokens")
    assert_close(y, x.reshape(BATCH, 6, 4))
    x, y, _ = run((2, 3, 4), "tokens -> reshape([2, 3, -1])")
    assert_close(y, x)


def test_the_class_token_is_the_first():
    x, y, weights = run((2, 3, 4), "tokens -> class_token")
    assert_close(y[:, 1:], x.reshape(BATCH, 6, 4))
    assert_close(y[:, 0], np.stack([weights["token"]] * BATCH))
    for index in (0, 3):
        x, y, weights = run((2, 3, 4), f"tokens -> class_token -> take_token({index})")
        token = x.reshape(BATCH, 6, 4)[:, index - 1]
        assert_close(y, token if index else np.stack([weights["token"]] * BATCH))


def test_position_embedding():
    x, y, weights = run((2, 3, 4), "tokens -> position_embedding")
    assert_close(y, x.reshape(BATCH, 6, 4) + weights["embedding"])


@pytest.mark.parametrize("order", ["rows", "columns"])
def test_space_to_depth(order):
    x, y, _ = run((4, 6, 2), f"space_to_depth(2x3, order = {order})")
    for i, j, row, column in np.ndindex(2, 2, 2, 3):
        first = 2 * (row * 3 + column if order == "rows" else column * 2 + row)
        assert_close(y[:, i, j, first : first + 2], x[:, 2 * i + row, 3 * j + column])


def test_space_to_depth_pads_with_zeros():
    x, y, _ = run((3, 2, 1), "space_to_depth(2, pad = same)")
    assert_close(y[:, 1, 0], np.stack([x[:, 2, 0, 0], x[:, 2, 1, 0], *np.zeros((2, BATCH))], -1))


def test_dense_on_tokens_and_pixels():
    x, y, weights = run((2, 3, 4), "tokens -> dense(5)")
    assert_close(y, x.reshape(BATCH, 6, 4) @ weights["kernel"] + weights["bias"])
    x, y, weights = run((2, 3, 4), "dense(5, bias = false, axis = channels)")
    assert_close(y, x @ weights["kernel"])


@pytest.mark.parametrize("order", ["channels_first", "channels_last"])
def test_a_sequence_flattens_in_either_order(order):
    x, y, _ = run((2, 3, 4), f"tokens -> flatten(order = {order})")
    tokens = x.reshape(BATCH, 6, 4)
    tokens = tokens.swapaxes(1, 2) if order == "channels_first" else tokens
    assert_close(y, tokens.reshape(BATCH, 24))


def test_layers_of_all_shapes_work_on_sequences():
    model = network(
        (4, 4, 8),
        "tokens -> layernorm -> gelu -> dropout(0.1) -> stochastic_depth(0.1) -> scale",
        "concat { | identity | relu | split(2, 0) }",
        "mul { | identity | sigmoid }",
        "residual { dense(20) -> bn }",
        "select([0, 5]) -> channel_shuffle(2)",
    )
    assert model.graph.nodes[-1].type.shape == (16, 2)
    assert shape_of(model, (1, 4, 4, 8)) == (1, 16, 2)


# ---------------------------------------------------------------- what it starts from


def started(size, statement):
    return network((size, size, 8), f"layer: {statement}").module(nnx.Rngs(0)).layer


def test_how_layers_start():
    layer = started(4, "window_attention(2, 2x2, init = zeros)")
    assert not layer.qkv.kernel[...].any() and not layer.out.kernel[...].any()
    assert 0.01 < np.std(layer.position_bias[...]) < 0.03
    layer = started(4, "tokens -> attention(2)")
    assert np.abs(layer.qkv.kernel[...]).max() == pytest.approx(sqrt(6 / 32), rel=0.05)
    assert not started(4, "tokens -> class_token").token[...].any()
    layer = started(32, "tokens -> position_embedding")
    assert np.std(layer.embedding[...]) == pytest.approx(0.02, rel=0.05)
    layer = started(4, "cosine_window_attention(2, 4x4)")
    np.testing.assert_allclose(layer.log_scale[...], [log(10)] * 2, rtol=1e-6)


@pytest.mark.parametrize(
    "statement",
    [
        "tokens -> class_token -> position_embedding -> attention(2)",
        "window_attention(2, 2x2, shift = 1)",
        "cosine_window_attention(2, 2x2, shift = 1)",  # where zeros have no angle
        "grid_attention(2, 3x1)",
    ],
)
def test_gradients_reach_all_weights(statement):
    definition, state = nnx.split(network((3, 3, 4), statement).module(nnx.Rngs(0)))
    x = jax.random.normal(jax.random.key(0), (2, 3, 3, 4))

    @jax.jit
    @jax.grad
    def gradients(state):
        return (nnx.merge(definition, state)(x) ** 2).sum()

    for path, leaf in nnx.to_flat_state(gradients(state)):
        assert np.isfinite(leaf[...]).all() and np.any(leaf[...]), path


# ---------------------------------------------------------------- costs


@pytest.mark.parametrize(
    ("statement", "params", "macs", "flops"),
    [
        # By hand, for an image of 4×6×8: C = 8, 24 positions. First the projections to 3 C and to
        # C, then the products of queries and keys, and of those and values.
        (
            "tokens -> attention(2)",
            4 * 64 + 32,
            24 * 256 + 2 * 24 * 24 * 8,
            2 * (24 * 256 + 2 * 24 * 24 * 8) + 24 * 32 + 6 * 2 * 24 * 24,
        ),
        (
            "window_attention(2, 2x3)",
            4 * 64 + 32 + 3 * 5 * 2,
            24 * 256 + 4 * 2 * 6 * 6 * 8,
            2 * (24 * 256 + 4 * 2 * 6 * 6 * 8) + 24 * 32 + 7 * 2 * 4 * 6 * 6,
        ),
        # Four windows of 3×4, which hang over: 48 positions.
        (
            "window_attention(2, 3x4, shift = 1)",
            4 * 64 + 32 + 5 * 7 * 2,
            48 * 256 + 4 * 2 * 12 * 12 * 8,
            2 * (48 * 256 + 4 * 2 * 12 * 12 * 8) + 48 * 32 + 8 * 2 * 4 * 12 * 12,
        ),
        # The network of 15 ways adds its products, bias, relu and sigmoid; lengths take 6 C each.
        (
            "cosine_window_attention(2, 2x3)",
            4 * 64 + 32 + 2 + 2 * 512 + 512 + 512 * 2,
            24 * 256 + 4 * 2 * 6 * 6 * 8 + 15 * 512 * 4,
            2 * (24 * 256 + 4 * 2 * 6 * 6 * 8 + 15 * 512 * 4)
            + (24 * 32 + 7 * 2 * 4 * 6 * 6)
            + (24 * 6 * 8 + 15 * (2 * 512 + 5 * 2)),
        ),
        (
            "grid_attention(2, 2x3)",
            4 * 64 + 32 + 3 * 5 * 2,
            24 * 256 + 4 * 2 * 6 * 6 * 8,
            2 * (24 * 256 + 4 * 2 * 6 * 6 * 8) + 24 * 32 + 7 * 2 * 4 * 6 * 6,
        ),
        ("tokens -> class_token", 8, 0, 0),
        ("tokens -> position_embedding", 24 * 8, 0, 24 * 8),
        ("tokens -> dense(5)", 45, 24 * 40, 24 * 85),
        ("dense(5, axis = channels)", 45, 24 * 40, 24 * 85),
        ("space_to_depth(2)", 0, 0, 0),
    ],
)
def test_costs_as_counted_by_hand(statement, params, macs, flops):
    total = network((4, 6, 8), statement).report.total
    assert (total.params, total.macs, total.flops) == (params, macs, flops)


def test_attention_sees_the_whole_image_and_counts_as_a_layer():
    report = network((8, 8, 4), "conv(4, 3x3, pad = 1) -> tokens -> attention(2)").report
    assert report.receptive_field is None
    assert report.total.depth == 2
    report = network((8, 8, 4), "conv(4, 3x3, pad = 1) -> window_attention(2, 4x2)").report
    assert report.receptive_field == (6, 4)
    assert network((8, 8, 4), "grid_attention(2, 4x2)").report.receptive_field is None


# ---------------------------------------------------------------- refusals

REFUSALS = [
    # statement, code, message, and the place that it points at, for an image of 6×8×12
    (
        "tokens -> attention(5)",
        "channels-not-divisible",
        "heads = 5 does not divide the 12 channels of the input",
        "5",
    ),
    (
        "window_attention(5, 2x2)",
        "channels-not-divisible",
        "heads = 5 does not divide the 12 channels of the input",
        "5",
    ),
    (
        "window_attention(3, 4x2, shift = 2)",
        "argument-value",
        "`shift` of `window_attention` must be less than the window of 4x2",
        "shift = 2",
    ),
    (
        "block_attention(3, 2x5)",
        "size-not-divisible",
        "`block_attention` tiles the image with 2x5, but 5 does not divide the width of 8",
        "2x5",
    ),
    (
        "space_to_depth(4)",
        "size-not-divisible",
        "`space_to_depth` tiles the image with 4x4, but 4 does not divide the height of 6",
        "4",
    ),
    (
        "tokens -> take_token(48)",
        "token-out-of-range",
        "there is no token 48 in a sequence of 48",
        "48",
    ),
    *(
        (
            call,
            "needs-sequence",
            f"`{call.split('(')[0]}` works on a sequence (tokens × channels), not on an image "
            "of 6×8×12",
            call,
        )
        for call in ("attention(3)", "class_token", "position_embedding", "take_token(0)")
    ),
    (
        "flatten -> class_token",
        "needs-sequence",
        "`class_token` works on a sequence (tokens × channels), not on a vector of 576",
        "class_token",
    ),
    *(
        (
            f"tokens -> {call}",
            "needs-image",
            f"`{call.split('(')[0]}` works on an image (height × width × channels), not on a "
            "sequence of 48×12",
            call,
        )
        for call in (
            "conv(4, 1x1)",
            "tokens",
            "window_attention(3, 2x2)",
            "grid_attention(3, 2x2)",
            "space_to_depth(2)",
        )
    ),
    (
        "add { | tokens | identity }",
        "shape-mismatch",
        "`add` joins 48×12 with 6×8×12: a sequence with an image",
        "add",
    ),
    (
        "mul { | identity | tokens }",
        "shape-mismatch",
        "`mul` joins 6×8×12 with 48×12: an image with a sequence",
        "mul",
    ),
    (
        "add { | tokens | tokens -> class_token }",
        "shape-mismatch",
        "`add` joins 48×12 with 49×12: tokens differs, 48 and 49",
        "add",
    ),
]


@pytest.mark.parametrize(("statement", "code", "message", "place"), REFUSALS, ids=str)
def test_a_refusal_says_what_is_wrong_at_the_argument(statement, code, message, place):
    with pytest.raises(ProgramError) as caught:
        network((6, 8, 12), statement)
    (diagnostic,) = caught.value.diagnostics
    assert (diagnostic.code, diagnostic.message) == (code, message)
    assert diagnostic.span.text == place


def test_a_sequence_has_channels_but_no_height():
    model = network((6, 8, 12), "x: tokens", "dense(x.channels)", "dense(x.shape[0])")
    assert model.graph.nodes[-1].type.shape == (48, 48)
    with pytest.raises(ProgramError, match="a sequence \\(48×12\\) has no height"):
        network((6, 8, 12), "x: tokens", "dense(x.height)")


# ---------------------------------------------------------------- symbolic sizes, and code


OPEN = """
network net {
  input image[H, W, 12] where H % 8 == 0 and W % 12 == 0
  window_attention(3, 5x5)
  grid_attention(3, 4x6)
  space_to_depth(2)
  block_attention(3, 2x3)
  globalavgpool
  dense(4)
}
"""


def test_windows_are_proven_for_every_size():
    """And the code is the same for all."""
    model = load(Source("open.net", OPEN))
    for height, width in ((8, 12), (16, 24)):
        assert shape_of(model, (1, height, width, 12)) == (1, 4)
    with pytest.raises(ProgramError, match="only when H is a multiple of 56: H = 8 gives 8"):
        load(Source("open.net", OPEN.replace("4x6", "7x6")))


def test_names_that_the_copied_sources_have():
    """A program's own blocks and labels may be called as they are."""
    text = """
block SelfAttention(width) {
  attend_in_windows: conv(width, 1x1)
  window_attention: window_attention(2, 2x2)
  relative_positions: relu
  add(attend_in_windows)
}
network ClassToken {
  input image[4, 4, 8]
  SelfAttention(8)
  tokens -> class_token -> attention(2)
  take_token(0)
}
"""
    model = load(Source("names.net", text))
    assert shape_of(model, (2, 4, 4, 8)) == (2, 8)
