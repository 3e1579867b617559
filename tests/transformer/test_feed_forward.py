import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from model.transformer import FeedForward

B, T, D, F = 2, 3, 5, 7


def network(activation, dropout_rate=0.0, d_model=D, d_ff=F):
    return FeedForward(d_model, d_ff, activation, dropout_rate)


def silu(x):
    return x / (1 + math.exp(-x))


@pytest.mark.parametrize(
    ("activation", "expected"),
    [
        # Hidden features 2 and -1, the gate's 3 and 1, and the output their sum.
        ("relu", 2.0),
        ("gelu", 2 * 0.9772498680518208 - 1 * 0.15865525393145707),  # normal distribution function
        ("swiglu", silu(3) * 2 + silu(1) * -1),
    ],
)
def test_activations_by_hand(activation, expected):
    params = {
        "hidden": {"kernel": jnp.array([[1.0, -2.0]]), "bias": jnp.array([1.0, 1.0])},
        "out": {"kernel": jnp.ones((2, 1)), "bias": jnp.zeros(1)},
    }
    if activation == "swiglu":
        params["gate"] = {"kernel": jnp.array([[2.0, 2.0]]), "bias": jnp.array([1.0, -1.0])}
    model = network(activation, d_model=1, d_ff=2)
    output = model.apply({"params": params}, jnp.ones((1, 1, 1)), deterministic=True)
    np.testing.assert_allclose(output.item(), expected, rtol=1e-6)


def test_gelu_is_exact_and_not_the_approximation_by_tanh():
    # At 2 the two differ by 4e-4.
    params = {
        name: {"kernel": jnp.ones((1, 1)), "bias": jnp.zeros(1)} for name in ("hidden", "out")
    }
    model = network("gelu", d_model=1, d_ff=1)
    output = model.apply({"params": params}, jnp.full((1, 1, 1), 2.0), deterministic=True)
    np.testing.assert_allclose(output.item(), 1 + math.erf(2**0.5), rtol=1e-6)


@pytest.mark.parametrize("activation", ["relu", "gelu", "swiglu"])
def test_positions_do_not_see_each_other(rng, activation):
    model, inputs = network(activation), jax.random.normal(rng, (B, T, D))
    variables = model.init(rng, inputs, deterministic=True)
    together = model.apply(variables, inputs, deterministic=True)
    alone = model.apply(variables, inputs[:, 1:2], deterministic=True)
    np.testing.assert_allclose(together[:, 1:2], alone, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("activation", ["gelu", "swiglu"])
def test_dropout_takes_a_share_of_what_the_activation_gives(rng, activation):
    width, rate = 512, 0.3
    model = network(activation, rate, d_model=width, d_ff=width)
    inputs = jax.random.normal(rng, (B, T, width))
    params = model.init(rng, inputs, deterministic=True)["params"]
    # The output is then what the dropout leaves.
    params["out"] = {"kernel": jnp.eye(width), "bias": jnp.zeros(width)}
    whole = model.apply({"params": params}, inputs, deterministic=True)
    rngs = {"dropout": jax.random.key(1)}
    left = np.asarray(model.apply({"params": params}, inputs, deterministic=False, rngs=rngs))
    share = (left == 0).mean()
    assert abs(share - rate) < 5 * np.sqrt(rate * (1 - rate) / left.size)
    np.testing.assert_allclose(left[left != 0], whole[left != 0] / (1 - rate), rtol=1e-4)
