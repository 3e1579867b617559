import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from model.transformer.linear import projection

B, T, D, H, K = 2, 3, 5, 7, 11


@pytest.mark.parametrize(
    ("features", "axes", "shape"),
    [(D, 1, (B, T, D)), ((H, K), 1, (B, T, D)), (D, 2, (B, T, H, K))],
)
def test_it_is_flax_own_general_layer(rng, features, axes, shape):
    inputs = jax.random.normal(rng, shape)
    ours = projection(features, axes=axes, use_bias=True)
    theirs = nn.DenseGeneral(
        features, axis=tuple(range(-axes, 0)), kernel_init=nn.initializers.xavier_uniform()
    )
    variables = ours.init(rng, inputs)
    jax.tree.map(np.testing.assert_array_equal, variables, theirs.init(rng, inputs))
    random = jax.tree.map(lambda x: jax.random.normal(rng, x.shape), variables)
    outputs = theirs.apply(random, inputs)
    np.testing.assert_allclose(ours.apply(random, inputs), outputs, rtol=1e-4, atol=1e-5)


def test_a_bias_has_its_gradient_added_up_in_float32():
    # In bfloat16 the sum would stay at 256: one more is less than half of its last digit.
    layer, inputs = projection(D, use_bias=True), jnp.zeros((7, 143, D), jnp.bfloat16)
    params = layer.init(jax.random.key(0), inputs)
    gradient = jax.grad(lambda p: layer.apply(p, inputs).astype(jnp.float32).sum())(params)
    np.testing.assert_array_equal(gradient["params"]["bias"], np.full(D, 7 * 143, np.float32))
