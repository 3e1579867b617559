import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from model.transformer import layer_norm
from model.transformer.layer_norm import EPSILON

N, D = 5, 7


def arguments(rng):
    keys, shapes = jax.random.split(rng, 3), [(2, N, D), (D,), (D,)]
    inputs, scale, bias = (jax.random.normal(k, s) for k, s in zip(keys, shapes, strict=True))
    return 3 * inputs + 5, scale, bias


def test_agrees_with_flax(rng):
    inputs, scale, bias = arguments(rng)
    flax_norm = nn.LayerNorm(epsilon=EPSILON).apply(
        {"params": {"scale": scale, "bias": bias}}, inputs
    )
    np.testing.assert_allclose(layer_norm(inputs, scale, bias), flax_norm, rtol=1e-4, atol=1e-5)


def test_rows_have_mean_0_and_deviation_1_before_scale_and_bias(rng):
    inputs, _, _ = arguments(rng)
    outputs = layer_norm(inputs, jnp.ones(D), jnp.zeros(D))
    np.testing.assert_allclose(outputs.mean(-1), 0, atol=1e-5)
    np.testing.assert_allclose(outputs.std(-1), 1, rtol=1e-4)


def test_bfloat16_inputs_stay_bfloat16_and_are_normalised_in_float32(rng):
    inputs, scale, bias = arguments(rng)
    outputs = layer_norm(inputs.astype(jnp.bfloat16), scale, bias)
    assert outputs.dtype == jnp.bfloat16
    exact = layer_norm(inputs.astype(jnp.bfloat16).astype(jnp.float32), scale, bias)
    np.testing.assert_allclose(outputs.astype(jnp.float32), exact, rtol=1e-2, atol=1e-2)
