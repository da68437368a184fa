"""Operators against slow, obvious NumPy: emitted code computes what the reference says."""

from __future__ import annotations

import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from netdsl import load
from netdsl.source import Source

jax.config.update("jax_platforms", "cpu")

BATCH = 2


def run(shape, statement):
    """Input, output and weights, by name, of a network of one layer with odd values everywhere."""
    sizes = ", ".join(map(str, shape))
    text = f"network net {{\n  input image[{sizes}]\n  layer: {statement}\n}}\n"
    model = load(Source("op.net", text))
    random = np.random.default_rng(7)
    graph, state = nnx.split(nnx.eval_shape(lambda: model.module(nnx.Rngs(0))))
    weights, filled = {}, []
    for path, leaf in nnx.to_flat_state(state):
        value = random.normal(size=leaf.shape).astype(np.float32)
        if path[-1] == "var":
            value = np.abs(value) + 0.3
        weights[str(path[-1])] = value.astype(np.float64)
        filled.append((path, leaf.replace(jnp.asarray(value))))
    x = random.normal(size=(BATCH, *shape)).astype(np.float32)
    forward = jax.jit(lambda state, x: nnx.merge(graph, state)(x))
    y = forward(nnx.from_flat_state(filled), jnp.asarray(x))
    assert y.shape == (BATCH, *model.graph.nodes[-1].type.shape)
    return x.astype(np.float64), np.asarray(y), weights


def assert_close(found, expected):
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=2e-4, atol=2e-5)


def same(size, reach, stride):
    """TensorFlow's SAME: the padding before and after one axis, the odd pixel after."""
    total = max((math.ceil(size / stride) - 1) * stride + reach - size, 0)
    return total // 2, total - total // 2


def sides_of(pad, shape, reach, stride):
    """A padding as the charter writes it, as ((above, below), (left, right))."""
    if pad == "same":
        return tuple(same(shape[axis], reach[axis], stride[axis]) for axis in (0, 1))
    if pad == "valid":
        return (0, 0), (0, 0)
    if isinstance(pad, int):
        return (pad, pad), (pad, pad)
    return pad


# ---------------------------------------------------------------- convolutions

PADS = ["valid", "same", 1, ((2, 0), (0, 1)), ((1, 3), (2, 2))]


def convolve(x, kernel, stride, pad, dilation, groups):
    """y[i, j, f] = Σ over taps and channels of f's group, for K×K×C/G×F weights."""
    height, width, group_channels, filters = kernel.shape
    reach = (dilation[0] * (height - 1) + 1, dilation[1] * (width - 1) + 1)
    x = np.pad(x, ((0, 0), *sides_of(pad, x.shape[1:3], reach, stride), (0, 0)))
    rows = (x.shape[1] - reach[0]) // stride[0] + 1
    columns = (x.shape[2] - reach[1]) // stride[1] + 1
    y = np.zeros((x.shape[0], rows, columns, filters))
    for i, j, f in np.ndindex(rows, columns, filters):
        first = f // (filters // groups) * group_channels
        for a, b, c in np.ndindex(height, width, group_channels):
            row, column = i * stride[0] + a * dilation[0], j * stride[1] + b * dilation[1]
            y[:, i, j, f] += x[:, row, column, first + c] * kernel[a, b, c, f]
    return y


def written(pad):
    return str(pad)


@pytest.mark.parametrize("pad", PADS, ids=written)
@pytest.mark.parametrize(
    ("arguments", "stride", "dilation", "groups"),
    [
        ("", (1, 1), (1, 1), 1),
        ("stride = 2", (2, 2), (1, 1), 1),
        ("stride = 2x3, dilation = 2x1", (2, 3), (2, 1), 1),
        ("dilation = 2, groups = 2", (1, 1), (2, 2), 2),
        ("stride = 2, groups = 4", (2, 2), (1, 1), 4),
    ],
)
def test_conv(pad, arguments, stride, dilation, groups):
    x, y, weights = run((7, 8, 4), f"conv(8, 3x2, pad = {pad}, {arguments})")
    expected = convolve(x, weights["kernel"], stride, pad, dilation, groups)
    assert_close(y, expected + weights["bias"])


def test_conv_without_bias():
    x, y, weights = run((5, 5, 3), "conv(2, 3x3, bias = false)")
    assert set(weights) == {"kernel"}
    assert_close(y, convolve(x, weights["kernel"], (1, 1), "valid", (1, 1), 1))


@pytest.mark.parametrize("pad", PADS, ids=written)
@pytest.mark.parametrize("multiplier", [1, 3])
def test_depthwise(pad, multiplier):
    """Output channel c M + m is window m of input channel c."""
    statement = f"depthwise(3x2, stride = 2x1, pad = {pad}, multiplier = {multiplier})"
    x, y, weights = run((7, 6, 4), statement)
    parts = [
        convolve(
            x[..., c : c + 1],
            weights["kernel"][..., c * multiplier : (c + 1) * multiplier],
            (2, 1),
            pad,
            (1, 1),
            1,
        )
        for c in range(4)
    ]
    assert_close(y, np.concatenate(parts, axis=-1) + weights["bias"])


def spread(x, kernel, stride, dilation):
    """The full transposed convolution: each pixel spread over a mirrored K×K window."""
    height, width, _, filters = kernel.shape
    reach = (dilation[0] * (height - 1) + 1, dilation[1] * (width - 1) + 1)
    batch, rows, columns, _ = x.shape
    full = np.zeros(
        (batch, (rows - 1) * stride[0] + reach[0], (columns - 1) * stride[1] + reach[1], filters)
    )
    for i, j, a, b in np.ndindex(rows, columns, height, width):
        row = i * stride[0] + (height - 1 - a) * dilation[0]
        column = j * stride[1] + (width - 1 - b) * dilation[1]
        full[:, row, column] += x[:, i, j] @ kernel[a, b]
    return full


@pytest.mark.parametrize("pad", PADS, ids=written)
@pytest.mark.parametrize(
    ("kernel", "arguments", "stride", "dilation", "extra"),
    [
        ("3x4", "", (1, 1), (1, 1), (0, 0)),
        ("2x2", "stride = 2", (2, 2), (1, 1), (0, 0)),
        ("4x3", "stride = 2x3", (2, 3), (1, 1), (0, 0)),
        ("1x1", "stride = 2", (2, 2), (1, 1), (0, 0)),
        ("3x3", "stride = 2, dilation = 2", (2, 2), (2, 2), (0, 0)),
        ("3x3", "stride = 2, extra = 1", (2, 2), (1, 1), (1, 1)),
        ("3x2", "stride = 3x2, extra = 2x1, dilation = 1x2", (3, 2), (1, 2), (2, 1)),
    ],
)
def test_conv_transpose(pad, kernel, arguments, stride, dilation, extra):
    shape = (5, 6, 3)
    x, y, weights = run(shape, f"conv_transpose(2, {kernel}, pad = {pad}, {arguments})")
    full = spread(x, weights["kernel"], stride, dilation)
    expected = full
    for axis in (0, 1):
        if pad == "same":
            size = shape[axis] * stride[axis]
            before = max(full.shape[axis + 1] - size, 0) // 2
            size += extra[axis]
        else:
            before, after = sides_of(pad, None, None, None)[axis]
            size = full.shape[axis + 1] - before - after + extra[axis]
        longer = [(0, 0)] * 4
        longer[axis + 1] = (0, size)
        expected = np.pad(expected, longer).take(range(before, before + size), axis + 1)
    assert_close(y, expected + weights["bias"])


def test_conv_transpose_is_the_gradient_of_a_convolution():
    """… with the window mirrored and its channels exchanged."""
    x, y, weights = run((4, 5, 3), "conv_transpose(2, 3x3, stride = 2, bias = false)")
    mirrored = jnp.asarray(weights["kernel"][::-1, ::-1].transpose(0, 1, 3, 2))

    def forward(image):
        return jax.lax.conv_general_dilated(
            image, mirrored, (2, 2), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC")
        )

    _, gradient = jax.vjp(forward, jnp.zeros(y.shape))
    assert_close(y, np.asarray(gradient(jnp.asarray(x, jnp.float32))[0]))


# ---------------------------------------------------------------- pooling


def pool(x, kernel, stride, pad, ceil, reduce):
    """`reduce(values, inside)` over each window: its values, and which of them are of the image,
    which of the padding (1 and 0); what hangs over the padding is in neither."""
    sides = sides_of(pad, x.shape[1:3], kernel, stride)
    sizes = []
    for axis in (0, 1):
        before, after = sides[axis]
        size = x.shape[axis + 1]
        padded = size + before + after
        count = 0
        while True:
            start = count * stride[axis]
            whole = start + kernel[axis] <= padded
            # Rounding up keeps a window that misses some rows, if it begins in the image or before,
            # and if the window before it did not reach the end.
            needed = start - stride[axis] + kernel[axis] < padded and start < before + size
            if not (whole or (ceil and needed)):
                break
            count += 1
        sizes.append(count)
    y = np.zeros((x.shape[0], *sizes, x.shape[3]))
    for i, j in np.ndindex(*sizes):
        values, inside = [], []
        for a, b in np.ndindex(*kernel):
            row = i * stride[0] + a - sides[0][0]
            column = j * stride[1] + b - sides[1][0]
            if 0 <= row < x.shape[1] and 0 <= column < x.shape[2]:
                values.append(x[:, row, column])
                inside.append(True)
            elif row < x.shape[1] + sides[0][1] and column < x.shape[2] + sides[1][1]:
                values.append(np.zeros_like(x[:, 0, 0]))
                inside.append(False)
        y[:, i, j] = reduce(np.stack(values), np.array(inside))
    return y


def largest(values, inside):
    return values[inside].max(axis=0)


def mean_with_padding(values, inside):
    return values.mean(axis=0)


def mean_without_padding(values, inside):
    return values[inside].mean(axis=0)


POOLS = [
    ("2x2", (2, 2), (2, 2)),
    ("3x3, stride = 2", (3, 3), (2, 2)),
    ("2x3, stride = 3x1", (2, 3), (3, 1)),
]
POOL_PADS = ["valid", "same", 1, ((0, 1), (1, 0))]


@pytest.mark.parametrize("ceil", [False, True])
@pytest.mark.parametrize("pad", POOL_PADS, ids=written)
@pytest.mark.parametrize(("arguments", "kernel", "stride"), POOLS)
def test_maxpool(arguments, kernel, stride, pad, ceil):
    statement = f"maxpool({arguments}, pad = {pad}, ceil = {ceil})".lower()
    x, y, _ = run((7, 8, 3), statement)
    assert_close(y, pool(x, kernel, stride, pad, ceil, largest))


@pytest.mark.parametrize("counted", [False, True])
@pytest.mark.parametrize("ceil", [False, True])
@pytest.mark.parametrize("pad", POOL_PADS, ids=written)
@pytest.mark.parametrize(("arguments", "kernel", "stride"), POOLS)
def test_avgpool(arguments, kernel, stride, pad, ceil, counted):
    reduce = mean_with_padding if counted and pad != "same" else mean_without_padding
    arguments = f"{arguments}, pad = {pad}, ceil = {ceil}, count_padding = {counted}".lower()
    x, y, _ = run((7, 8, 3), f"avgpool({arguments})")
    assert_close(y, pool(x, kernel, stride, pad, ceil, reduce))


def test_a_window_larger_than_the_image_hangs_over_it_where_sizes_round_up():
    """PyTorch: MaxPool2d(3, 2, ceil_mode=True) makes 1×1 of 2×2."""
    x, y, _ = run((2, 2, 3), "maxpool(3x3, stride = 2, ceil = true)")
    assert_close(y, x.max(axis=(1, 2), keepdims=True))


@pytest.mark.parametrize("keep", ["true", "false"])
def test_global_pools(keep):
    for name, reduce in [("globalavgpool", np.mean), ("globalmaxpool", np.max)]:
        x, y, _ = run((4, 5, 3), f"{name}(keep = {keep})")
        assert_close(y, reduce(x, axis=(1, 2), keepdims=keep == "true"))


@pytest.mark.parametrize("shape", [(7, 9), (3, 2), (4, 10)])
def test_adaptive_pools(shape):
    """Bin i of n over H rows: floor(i H / n) up to ceil((i + 1) H / n)."""
    for name, reduce in [("adaptiveavgpool", np.mean), ("adaptivemaxpool", np.max)]:
        x, y, _ = run((*shape, 3), f"{name}(4x5)")
        expected = np.zeros((BATCH, 4, 5, 3))
        for i, j in np.ndindex(4, 5):
            rows = slice(i * shape[0] // 4, math.ceil((i + 1) * shape[0] / 4))
            columns = slice(j * shape[1] // 5, math.ceil((j + 1) * shape[1] / 5))
            expected[:, i, j] = reduce(x[:, rows, columns], axis=(1, 2))
        assert_close(y, expected)


# ---------------------------------------------------------------- normalisation


@pytest.mark.parametrize("scale", [True, False])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("name", ["bn(eps = 0.02", "layernorm(eps = 0.5", "groupnorm(2, eps = 0.5"])
def test_normalisations(name, scale, bias):
    x, y, weights = run((3, 4, 6), f"{name}, scale = {scale}, bias = {bias})".lower())
    assert ("scale" in weights, "bias" in weights) == (scale, bias)
    if name.startswith("bn"):
        expected = (x - weights["mean"]) / np.sqrt(weights["var"] + 0.02)
    elif name.startswith("layernorm"):
        mean, var = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
        expected = (x - mean) / np.sqrt(var + 0.5)
    else:
        groups = x.reshape(BATCH, 3, 4, 2, 3)
        mean, var = (f(groups, axis=(1, 2, 4), keepdims=True) for f in (np.mean, np.var))
        expected = ((groups - mean) / np.sqrt(var + 0.5)).reshape(x.shape)
    assert_close(y, expected * weights.get("scale", 1) + weights.get("bias", 0))


@pytest.mark.parametrize("size", [1, 2, 3, 5, 9])
def test_lrn(size):
    """AlexNet, §3.3: the sum runs over channels c - size/2 to c + size/2."""
    x, y, _ = run((2, 3, 6), f"lrn(size = {size}, alpha = 0.3, beta = 0.6, k = 1.5)")
    expected = np.zeros_like(x)
    for c in range(6):
        first, last = c - size // 2, c + (size - 1) // 2
        energy = sum(x[..., j] ** 2 for j in range(max(first, 0), min(last, 5) + 1))
        expected[..., c] = x[..., c] / (1.5 + 0.3 * energy) ** 0.6
    assert_close(y, expected)


def test_scale():
    x, y, weights = run((2, 3, 4), "scale(init = 0.5)")
    assert_close(y, x * weights["scale"])
    x, y, weights = run((2, 3, 4), "scale(bias = true)")
    assert_close(y, x * weights["scale"] + weights["bias"])


def test_scale_starts_where_it_is_told():
    text = "network net {\n  input image[2, 2, 3]\n  layer: scale(init = 0.5, bias = true)\n}\n"
    layer = load(Source("op.net", text)).module(nnx.Rngs(0)).layer
    np.testing.assert_array_equal(layer.scale[...], [0.5] * 3)
    np.testing.assert_array_equal(layer.bias[...], [0] * 3)


# ---------------------------------------------------------------- values moved about


def test_flatten_is_row_by_row_with_channels_innermost():
    x, y, _ = run((2, 3, 4), "flatten")
    expected = [[x[n, i, j, c] for i, j, c in np.ndindex(2, 3, 4)] for n in range(BATCH)]
    assert_close(y, np.array(expected))


def test_reshape_keeps_the_order():
    x, y, _ = run((2, 6, 4), "reshape([4, -1, 6])")
    assert_close(y, x.reshape(BATCH, 4, 2, 6))


def test_upsample_nearest():
    x, y, _ = run((3, 4, 2), "upsample(2x3)")
    expected = np.zeros((BATCH, 6, 12, 2))
    for i, j in np.ndindex(6, 12):
        expected[:, i, j] = x[:, i // 2, j // 3]
    assert_close(y, expected)


@pytest.mark.parametrize("scale", [(2, 2), (3, 2), (4, 1)])
def test_upsample_bilinear(scale):
    """Pixel i lies at (i + 1/2) / S - 1/2 of the image, whose edge goes on outside."""
    x, y, _ = run((4, 5, 2), f"upsample({scale[0]}x{scale[1]}, method = bilinear)")
    expected = np.zeros((BATCH, 4 * scale[0], 5 * scale[1], 2))
    for i, j in np.ndindex(*expected.shape[1:3]):
        row = min(max((i + 0.5) / scale[0] - 0.5, 0), 3)
        column = min(max((j + 0.5) / scale[1] - 0.5, 0), 4)
        for a, b in itertools.product(range(4), range(5)):
            weight = max(1 - abs(row - a), 0) * max(1 - abs(column - b), 0)
            expected[:, i, j] += weight * x[:, a, b]
    assert_close(y, expected)


@pytest.mark.parametrize("mode", ["zeros", "edge", "reflect"])
@pytest.mark.parametrize("amount", [1, ((2, 0), (1, 3))], ids=written)
def test_pad(amount, mode):
    x, y, _ = run((4, 5, 2), f"pad({amount}, mode = {mode})")
    (above, below), (left, right) = sides_of(amount, None, None, None)
    expected = np.zeros((BATCH, 4 + above + below, 5 + left + right, 2))
    for i, j in np.ndindex(*expected.shape[1:3]):
        row, column = i - above, j - left
        if mode == "edge":
            row, column = min(max(row, 0), 3), min(max(column, 0), 4)
        elif mode == "reflect":
            row, column = 3 - abs(3 - abs(row)), 4 - abs(4 - abs(column))
        if 0 <= row < 4 and 0 <= column < 5:
            expected[:, i, j] = x[:, row, column]
    assert_close(y, expected)


@pytest.mark.parametrize("amount", [0, 1, ((2, 0), (1, 3)), ((0, 3), (0, 0))], ids=written)
def test_crop(amount):
    x, y, _ = run((4, 5, 2), f"crop({amount})")
    (above, below), (left, right) = sides_of(amount, None, None, None)
    assert_close(y, x[:, above : 4 - below, left : 5 - right])


def test_select_and_split():
    x, y, _ = run((2, 3, 6), "select([5, 0, 0, 2])")
    assert_close(y, x[..., [5, 0, 0, 2]])
    for index in range(3):
        x, y, _ = run((2, 3, 6), f"split(3, {index})")
        assert_close(y, x[..., 2 * index : 2 * index + 2])


def test_channel_shuffle():
    """ShuffleNet: write the channels in G rows, read them by columns."""
    x, y, _ = run((2, 3, 6), "channel_shuffle(2)")
    assert_close(y, x[..., [0, 3, 1, 4, 2, 5]])


# ---------------------------------------------------------------- joined values


def test_merges_of_equal_shapes():
    for name, join in [("add", np.add), ("mul", np.multiply), ("max", np.maximum)]:
        x, y, _ = run((3, 4, 2), f"{name} {{ | identity | relu | tanh }}")
        assert_close(y, join(join(x, np.maximum(x, 0)), np.tanh(x)))


def test_concat_keeps_the_order_of_branches():
    x, y, _ = run((3, 4, 2), "concat { | tanh | identity | relu }")
    assert_close(y, np.concatenate([np.tanh(x), x, np.maximum(x, 0)], axis=-1))


@pytest.mark.parametrize("keep", ["true", "false"])
def test_mul_weighs_channels(keep):
    x, y, _ = run((3, 4, 2), f"mul {{ | globalavgpool(keep = {keep}) -> sigmoid | identity }}")
    assert_close(y, x / (1 + np.exp(-x.mean(axis=(1, 2), keepdims=True))))


# ---------------------------------------------------------------- elementwise functions


def erf(x):
    return np.vectorize(math.erf)(x)


ACTIVATIONS = {
    "relu": lambda x: np.maximum(x, 0),
    "relu6": lambda x: np.clip(x, 0, 6),
    "leaky_relu": lambda x: np.where(x >= 0, x, 0.01 * x),
    "leaky_relu(slope = 0.2)": lambda x: np.where(x >= 0, x, 0.2 * x),
    "elu": lambda x: np.where(x > 0, x, np.exp(x) - 1),
    "elu(alpha = 0.5)": lambda x: np.where(x > 0, x, 0.5 * (np.exp(x) - 1)),
    "gelu": lambda x: x * (1 + erf(x / math.sqrt(2))) / 2,
    "gelu(approximate = true)": lambda x: (
        0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
    ),
    "silu": lambda x: x / (1 + np.exp(-x)),
    "hard_swish": lambda x: x * np.clip(x + 3, 0, 6) / 6,
    "hard_sigmoid": lambda x: np.clip(x + 3, 0, 6) / 6,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "tanh": np.tanh,
    "softmax": lambda x: np.exp(x) / np.exp(x).sum(axis=-1, keepdims=True),
    "identity": lambda x: x,
    "dropout(0.5)": lambda x: x,
    "stochastic_depth(0.5)": lambda x: x,
}


@pytest.mark.parametrize("statement", ACTIVATIONS)
def test_activations(statement):
    x, y, _ = run((2, 40, 3), statement)
    assert_close(y, ACTIVATIONS[statement](x))


def test_dense():
    x, y, weights = run((5,), "dense(3)")
    assert_close(y, x @ weights["kernel"] + weights["bias"])
