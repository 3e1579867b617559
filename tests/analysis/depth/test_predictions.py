"""Predictions: the gains against random layers, the bounds and exponents by hand."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

from experiment.analysis.depth import (
    attention_gain,
    ends,
    feed_forward_gain,
    gradient_exponents,
    predicted_rms,
)
from model.transformer import FeedForward, MultiHeadAttention
from tests.analysis.depth.small import LANGUAGE_MODEL

WIDE = dataclasses.replace(LANGUAGE_MODEL, d_model=64, d_ff=256, d_v=16)


def gain(module, *arguments):
    """The mean square of outputs, over 16 draws of a module, of inputs whose mean square is 1."""

    def of_one(rng):
        outputs, _ = module.init_with_output(rng, *arguments, deterministic=True)
        return (outputs**2).mean()

    return float(jax.jit(jax.vmap(of_one))(jax.random.split(jax.random.key(1), 16)).mean())


def test_feed_forward_gain_is_that_of_a_fresh_network():
    inputs = jax.random.normal(jax.random.key(0), (1, 64, 64))
    network = FeedForward(64, 256, "relu", 0.0)
    np.testing.assert_allclose(gain(network, inputs), feed_forward_gain(WIDE), rtol=0.05)


def test_attention_gain_is_that_of_equal_positions():
    inputs = jnp.broadcast_to(jax.random.normal(jax.random.key(0), (64, 1, 64)), (64, 3, 64))
    attention = MultiHeadAttention(2, 64, 32, 16)
    found = gain(attention, inputs, inputs, jnp.ones((64, 1, 3, 3), bool))
    np.testing.assert_allclose(found, attention_gain(WIDE), rtol=0.05)


def test_of_equal_widths_the_growth_is_the_one_of_xiong_et_al():
    config = dataclasses.replace(LANGUAGE_MODEL, d_ff=8)
    bounds = predicted_rms(config, "pre-norm", [0, 4], start=1.0)
    np.testing.assert_allclose(bounds.low**2, [1, 1 + 4 / 2])  # lemma 2: (1 + l/2) d
    np.testing.assert_allclose(bounds.high**2, [1, 1 + 3 * 4 / 2])  # ... and (1 + 3l/2) d


@pytest.mark.parametrize(
    ("variant", "low", "high"),
    [
        ("post-norm", 1, 1),
        ("no residual", 1, 1),
        ("no norm", 4 * 1.5**3, 4 * 3.0**3),
        ("neither", 0, 4 / 2**3),
    ],
)
def test_bounds_of_the_third_layer_by_hand(variant, low, high):
    config = dataclasses.replace(LANGUAGE_MODEL, d_ff=8)  # the gains are 1/2 and 1
    bounds = predicted_rms(config, variant, [0, 3], start=2.0)
    np.testing.assert_allclose(bounds.low**2, [4, low])
    np.testing.assert_allclose(bounds.high**2, [4, high])


def test_without_a_relu_nothing_is_predicted():
    with pytest.raises(ValueError, match="='gelu' must be 'relu'"):
        feed_forward_gain(dataclasses.replace(LANGUAGE_MODEL, activation="gelu"))


def made_up_signals():
    """Of depths 2 and 8: the last matrix's gradient, the same post-norm and a quarter pre-norm."""
    gradients = {("post-norm", 2): 3.0, ("post-norm", 8): 3.0}
    gradients |= {("pre-norm", 2): 2.0, ("pre-norm", 8): 0.5}
    rows = [
        {
            "num_layers": depth,
            "variant": variant,
            "seed": seed,
            "layer": layer,
            "activation_rms": 1.0,
            "distinctness": 0.5,
            "output_gradient": 6.0 if layer == 0 else 2.0,
            "matrix_gradient": gradient * (10 if seed == 2 else 1),
        }
        for (variant, depth), gradient in gradients.items()
        for seed in range(3)
        for layer in (0, depth)
    ]
    return pd.DataFrame(rows)


def test_ends_are_the_medians_of_the_first_and_the_last_layer():
    found = ends(made_up_signals(), LANGUAGE_MODEL)
    assert list(zip(found.num_layers, found.variant, strict=True))[1] == (8, "post-norm")
    assert (found.gradient_ratio == 3).all()
    assert list(found.matrix_gradient) == [3, 3, 2, 0.5]
    last = found[(found.num_layers == 8) & (found.variant == "pre-norm")].iloc[0]
    bounds = predicted_rms(LANGUAGE_MODEL, "pre-norm", [8], start=1.0).iloc[0]
    assert (last.predicted_low, last.predicted_high) == (bounds.low, bounds.high)


def test_exponents_stand_beside_the_published_ones():
    found = gradient_exponents(ends(made_up_signals(), LANGUAGE_MODEL))
    assert list(found.variant) == ["post-norm", "pre-norm"]
    assert list(found.published) == [0, -0.5]
    assert list(found.measured) == [0, -1]
