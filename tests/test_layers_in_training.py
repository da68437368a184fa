"""What layers do in training alone: noise, running statistics, and how weights start."""

from __future__ import annotations

from math import sqrt

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from netdsl import load
from netdsl.ops.initializers import INITIALIZER
from netdsl.source import Source

jax.config.update("jax_platforms", "cpu")


def module(shape, statement):
    sizes = ", ".join(map(str, shape))
    text = f"network net {{\n  input image[{sizes}]\n  layer: {statement}\n}}\n"
    return load(Source("op.net", text)).module(nnx.Rngs(0))


@pytest.mark.parametrize("statement", ["dropout(0.25)", "stochastic_depth(0.25)"])
def test_noise_is_for_training_alone(statement):
    layer = module((4, 5, 2), statement)
    x = jnp.ones((400, 4, 5, 2))
    np.testing.assert_array_equal(layer(x), x)
    dropped = np.asarray(layer(x, train=True, rngs=nnx.Rngs(0)))
    assert set(np.unique(dropped.round(4))) == {0.0, np.float32(1.3333)}
    # The mean of a whole batch stays, by about three deviations of it.
    draws = 400 if statement.startswith("stochastic") else x.size
    assert abs(dropped.mean() - 1) < 3 * sqrt(0.25 / 0.75 / draws)
    again = layer(x, train=True, rngs=nnx.Rngs(1))
    assert (np.asarray(again) != dropped).any()


def test_dropout_drops_values_and_stochastic_depth_whole_images():
    x = jnp.ones((50, 4, 5, 2))
    kept = np.asarray(module((4, 5, 2), "dropout(0.5)")(x, train=True, rngs=nnx.Rngs(0))) > 0
    assert not {0.0, 1.0} & set(kept.mean((1, 2, 3)))
    layer = module((4, 5, 2), "stochastic_depth(0.5)")
    kept = np.asarray(layer(x, train=True, rngs=nnx.Rngs(0))) > 0
    assert set(kept.mean((1, 2, 3))) == {0.0, 1.0}


@pytest.mark.parametrize("statement", ["dropout(0.5)", "stochastic_depth(0.5)"])
def test_training_with_noise_needs_random_numbers(statement):
    with pytest.raises(ValueError, match="rngs"):
        module((2, 2, 1), statement)(jnp.ones((1, 2, 2, 1)), train=True)


@pytest.mark.parametrize("statement", ["dropout", "stochastic_depth"])
@pytest.mark.parametrize(("rate", "expected"), [(0, 1.0), (1, 0.0)])
def test_the_ends_of_a_rate(statement, rate, expected):
    layer = module((2, 2, 1), f"{statement}({rate})")
    x = jnp.ones((3, 2, 2, 1))
    run = jax.value_and_grad(lambda x: layer(x, train=True, rngs=nnx.Rngs(0)).mean())
    value, gradient = run(x)
    assert value == expected
    np.testing.assert_allclose(gradient * x.size, expected)


def test_batch_norm_in_training():
    layer = module((3, 4, 2), "bn(momentum = 0.7, eps = 1e-3)")
    x = np.random.default_rng(0).normal(2, 3, size=(5, 3, 4, 2)).astype(np.float32)
    mean, var = x.mean((0, 1, 2)), x.var((0, 1, 2))
    y = layer(jnp.asarray(x), train=True, rngs=nnx.Rngs(0))
    np.testing.assert_allclose(y, (x - mean) / np.sqrt(var + 1e-3), rtol=1e-4, atol=1e-5)
    # They start as mean 0 and variance 1.
    np.testing.assert_allclose(layer.layer.mean[...], 0.3 * mean, rtol=1e-5)
    np.testing.assert_allclose(layer.layer.var[...], 0.7 + 0.3 * var, rtol=1e-5)


def test_a_residual_whose_last_scale_is_zeros_starts_as_the_identity():
    text = """
    network net {
      input image[6, 6, 4]
      residual { conv(4, 3x3, pad = 1) -> bn -> relu -> conv(4, 3x3, pad = 1) -> bn(init = zeros) }
    }
    """
    net = load(Source("op.net", text)).module(nnx.Rngs(0))
    x = jax.random.normal(jax.random.key(1), (2, 6, 6, 4))
    np.testing.assert_array_equal(net(x, train=True, rngs=nnx.Rngs(0)), x)


# For n inputs and m outputs of one weight: Glorot & Bengio 2010; He et al., arXiv:1502.01852.
VARIANCES = {
    "lecun": lambda n, m: 1 / n,
    "he": lambda n, m: 2 / n,
    "glorot": lambda n, m: 2 / (n + m),
}


@pytest.mark.parametrize("init", INITIALIZER.words)
def test_weights_start_as_named(init):
    n, m = 3 * 3 * 16, 3 * 3 * 64
    kernel = np.asarray(module((4, 4, 16), f"conv(64, 3x3, init = {init})").layer.kernel[...])
    family, _, form = init.partition("_")
    if init == "zeros":
        assert not kernel.any()
    elif init == "orthogonal":
        columns = kernel.reshape(n, 64)
        np.testing.assert_allclose(columns.T @ columns, np.eye(64), atol=1e-5)
    else:
        variance = VARIANCES[family](n, m)
        assert kernel.var() == pytest.approx(variance, rel=0.05)
        # A normal distribution is cut at two deviations, and made wider to keep its variance.
        bound = sqrt(3 * variance) if form == "uniform" else 2 * sqrt(variance) / 0.8796
        assert 0.98 * bound < abs(kernel).max() <= 1.0001 * bound


def test_biases_start_at_zero():
    for statement in ("conv(3, 1x1)", "depthwise(3x3)", "conv_transpose(3, 3x3)", "bn"):
        assert not np.asarray(module((4, 4, 2), statement).layer.bias[...]).any()
