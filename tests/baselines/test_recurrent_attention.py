import jax
import jax.numpy as jnp
import numpy as np
import pytest

from model.baselines.recurrent_attention import AttentionParams, attend, project_source
from tests.baselines import numpy_recurrent

B, T, S, D = 2, 3, 5, 4


def random_params(rng, kind):
    shapes = {"memory": (D, D), "combine": (2 * D, D)}
    if kind == "additive":
        shapes |= {"state": (D, D), "vector": (D,)}
    keys = jax.random.split(rng, len(shapes))
    return {
        name: jax.random.normal(key, shape)
        for key, (name, shape) in zip(keys, shapes.items(), strict=True)
    }


@pytest.mark.parametrize("kind", numpy_recurrent.ATTENTIONS)
def test_attention_is_that_of_the_loops(kind, rng):
    arrays = random_params(rng, kind)
    states, memory = (
        jax.random.normal(key, (B, size, D))
        for key, size in zip(jax.random.split(rng), (T, S), strict=True)
    )
    params, lengths = AttentionParams(**arrays), (5, 2)
    mask = (jnp.arange(S)[None] < jnp.array(lengths)[:, None])[:, None, None]
    found, weights = attend(params, states, project_source(params, memory), mask)
    plain = {name: np.asarray(value, np.float64) for name, value in arrays.items()}
    for row, length in enumerate(lengths):
        for t in range(T):
            pair = np.asarray(states[row, t], "f8"), np.asarray(memory[row, :length], "f8")
            expected, of_each = numpy_recurrent.attend(*pair, plain, kind)
            np.testing.assert_allclose(found[row, t], expected, rtol=1e-4, atol=1e-5)
            np.testing.assert_allclose(weights[row, 0, t, :length], of_each, rtol=1e-4, atol=1e-5)
        np.testing.assert_array_equal(weights[row, 0, :, length:], 0)


@pytest.mark.parametrize("kind", numpy_recurrent.ATTENTIONS)
def test_who_may_attend_to_nothing_finds_something_finite(kind, rng):
    params = AttentionParams(**random_params(rng, kind))
    states, memory = jnp.ones((B, T, D)), jnp.ones((B, S, D))

    def total(memory):
        nothing = jnp.zeros((B, 1, 1, S), bool)
        return attend(params, states, project_source(params, memory), nothing)[0].sum()

    value, gradient = jax.value_and_grad(total)(memory)
    assert np.isfinite(value)
    assert np.isfinite(gradient).all()
