import jax
import jax.numpy as jnp
import numpy as np
import pytest

from model.baselines.convolution import (
    NormedProjection,
    gated_linear_unit,
    normalised,
    scale_gradient,
    windows,
)
from model.baselines.convolutional_decoder import attend
from model.baselines.source_memory import SourceMemory
from tests.baselines import numpy_convolutional

T, D, W = 5, 3, 3


def test_gated_linear_unit_by_hand():
    # sigmoid(0) = 1 / 2, sigmoid(ln 3) = 3 / 4, sigmoid(-ln 3) = 1 / 4.
    halves = jnp.array([[[6.0, 4.0, -8.0], [0.0, np.log(3.0), -np.log(3.0)]]])
    np.testing.assert_allclose(gated_linear_unit(halves), [[3.0, 3.0, -2.0]], rtol=1e-6)


def test_kernel_has_the_length_that_is_learned_and_no_other():
    directions = jnp.array([[3.0, 1.0], [4.0, 1.0]])
    np.testing.assert_allclose(
        normalised(directions, jnp.array([10.0, 2.0])),
        [[6.0, 2**0.5], [8.0, 2**0.5]],
        rtol=1e-6,
    )
    longer = normalised(7 * directions, jnp.array([10.0, 2.0]))
    np.testing.assert_allclose(longer[:, 0], [6.0, 8.0], rtol=1e-6)


@pytest.mark.parametrize("reach", [1, 2])
def test_layer_is_that_of_the_loops(rng, reach):
    """Centred, as the encoder's, and to the left alone, as the decoder's."""
    layer, inputs = NormedProjection((2, D), 4.0, axes=2), jax.random.normal(rng, (1, T, D))
    segments = jnp.array([[1, 1, 1, 2, 2]])
    seen = windows(inputs, segments, range(-reach, W - reach))
    params = layer.init(rng, seen)["params"]
    params = {name: leaf + 0.3 for name, leaf in params.items()}
    found = gated_linear_unit(layer.apply({"params": params}, seen))[0]
    plain = {name: np.asarray(leaf, np.float64) for name, leaf in params.items()}
    for own in (slice(0, 3), slice(3, 5)):
        expected = numpy_convolutional.convolve(np.asarray(inputs[0, own]), plain, reach)
        np.testing.assert_allclose(found[own], expected, rtol=1e-4, atol=1e-5)


def test_weights_start_with_the_variance_of_the_paper(rng):
    # 4 / n before a gated linear unit, whose outputs then vary as its inputs do.
    inputs = jax.random.normal(rng, (2000, W, 64))
    layer = NormedProjection((2, 64), 4.0, axes=2)
    params = layer.init(rng, inputs[:1])["params"]
    deviation = (4 / (W * 64)) ** 0.5
    np.testing.assert_allclose(np.std(params["kernel"]), deviation, rtol=0.02)
    outputs = gated_linear_unit(layer.apply({"params": params}, inputs))
    # The paper's quarter is a linear approximation of the gate.
    assert 0.9 < np.var(outputs) / np.var(inputs) < 1.5
    first = normalised(params["kernel"], params["length"])
    np.testing.assert_allclose(first, params["kernel"], rtol=1e-5)


def test_gradient_is_scaled_and_the_value_is_not():
    value, gradient = jax.value_and_grad(lambda x: (scale_gradient(x, 0.25) ** 2).sum())(
        jnp.array([3.0, -1.0])
    )
    assert value == 10.0
    np.testing.assert_allclose(gradient, [1.5, -0.5])


def test_what_is_found_is_scaled_by_the_root_of_the_sentence(rng):
    value, nothing = jax.random.normal(rng, (1, 6, D)), jnp.zeros((1, 1, D))
    mask = (jnp.arange(6) < 4)[None, None, None]
    found, weights = attend(nothing, SourceMemory(value, value), mask)
    np.testing.assert_allclose(weights[0, 0, 0], [0.25] * 4 + [0.0] * 2)
    np.testing.assert_allclose(found[0, 0], 2 * value[0, :4].mean(0), rtol=1e-5)
