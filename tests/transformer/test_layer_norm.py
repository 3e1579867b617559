import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from model.transformer import layer_norm
from model.transformer.layer_norm import EPSILON

N, D = 5, 7


def reference(inputs, scale, bias):
    centred = inputs - inputs.mean(-1, keepdims=True)
    variance = (centred**2).mean(-1, keepdims=True)
    row = (None, None, slice(None))
    return scale[row] * centred / jnp.sqrt(variance + EPSILON) + bias[row]


def arguments(rng):
    keys = jax.random.split(rng, 4)
    shapes = [(2, N, D), (D,), (D,), (2, N, D)]
    inputs, scale, bias, weights = (
        jax.random.normal(k, s) for k, s in zip(keys, shapes, strict=True)
    )
    return (3 * inputs + 5, scale, bias), weights


def test_agrees_with_flax(rng):
    (inputs, scale, bias), _ = arguments(rng)
    flax_norm = nn.LayerNorm(epsilon=EPSILON).apply(
        {"params": {"scale": scale, "bias": bias}}, inputs
    )
    np.testing.assert_allclose(layer_norm(inputs, scale, bias), flax_norm, rtol=1e-4, atol=1e-5)


def test_written_gradient_is_the_derived_one(rng):
    values, weights = arguments(rng)
    ours = jax.grad(lambda *v: (layer_norm(*v) * weights).sum(), argnums=(0, 1, 2))(*values)
    derived = jax.grad(lambda *v: (reference(*v) * weights).sum(), argnums=(0, 1, 2))(*values)
    for mine, theirs in zip(ours, derived, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-5)


def test_bfloat16_inputs_stay_bfloat16_and_are_normalised_in_float32(rng):
    (inputs, scale, bias), _ = arguments(rng)
    outputs = layer_norm(inputs.astype(jnp.bfloat16), scale, bias)
    assert outputs.dtype == jnp.bfloat16
    exact = layer_norm(inputs.astype(jnp.bfloat16).astype(jnp.float32), scale, bias)
    np.testing.assert_allclose(outputs.astype(jnp.float32), exact, rtol=1e-2, atol=1e-2)
