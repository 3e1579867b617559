import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from model.transformer import RMSNorm, layer_norm, rms_norm
from model.transformer.norms import EPSILON
from tests.transformer import numpy_transformer

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


def test_rms_norm_by_hand():
    # The root of the mean of 9 and 16 is sqrt(12.5).
    outputs = rms_norm(jnp.array([[3.0, 4.0]]), jnp.array([1.0, 2.0]))
    np.testing.assert_allclose(outputs[0], [3 / 12.5**0.5, 8 / 12.5**0.5], rtol=1e-6)


def test_rms_norm_agrees_with_numpy_and_with_flax(rng):
    inputs, scale, _ = arguments(rng)
    ours = rms_norm(inputs, scale)
    params = {"scale": np.asarray(scale, np.float64)}
    theirs = numpy_transformer.rms_norm(np.asarray(inputs, np.float64), params)
    np.testing.assert_allclose(ours, theirs, rtol=1e-5)
    flax_norm = nn.RMSNorm(epsilon=EPSILON).apply({"params": {"scale": scale}}, inputs)
    np.testing.assert_allclose(ours, flax_norm, rtol=1e-5)


def test_rms_norm_keeps_zero_finite():
    np.testing.assert_array_equal(rms_norm(jnp.zeros((1, D)), jnp.ones(D)), 0.0)


def test_rms_norm_of_float16_is_computed_in_float32():
    # 300 squared is beyond float16.
    half = jnp.full((1, D), 300.0, jnp.float16)
    outputs = rms_norm(half, jnp.ones(D))
    assert outputs.dtype == jnp.float16
    np.testing.assert_allclose(np.asarray(outputs, np.float32), 1.0, rtol=1e-3)


def test_rms_norm_learns_a_scale_and_nothing_else(rng):
    params = RMSNorm().init(rng, jnp.ones((2, N, D)))["params"]
    assert jax.tree.map(jnp.shape, params) == {"scale": (D,)}
