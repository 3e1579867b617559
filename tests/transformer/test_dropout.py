import jax
import jax.numpy as jnp
import numpy as np

from model.transformer.dropout import dropout

COUNT = 100_003


def test_the_rate_is_met_and_the_rest_scaled(rng):
    outputs = np.asarray(dropout(rng, jnp.ones(COUNT), 0.3))
    dropped = (outputs == 0).mean()
    assert abs(dropped - 0.3) < 5 * np.sqrt(0.3 * 0.7 / COUNT)
    np.testing.assert_allclose(outputs[outputs != 0], 1 / 0.7, rtol=1e-4)


def test_neighbours_are_dropped_independently(rng):
    # Two neighbours share one random word: were they not independent, these would agree too often.
    kept = np.asarray(dropout(rng, jnp.ones(COUNT - 1), 0.5)) > 0
    agree = (kept[0::2] == kept[1::2]).mean()
    assert abs(agree - 0.5) < 5 * 0.5 / np.sqrt(COUNT / 2)


def test_the_same_key_drops_the_same(rng):
    inputs = jnp.ones((3, 5, 7))
    np.testing.assert_array_equal(dropout(rng, inputs, 0.5), dropout(rng, inputs, 0.5))


def test_bfloat16_keeps_the_mean_too(rng):
    # Rounded to bfloat16, the scale of 1 / 0.9 would make every element 0.16 % too small.
    inputs = jax.random.uniform(rng, COUNT, minval=1, maxval=2).astype(jnp.bfloat16)
    outputs = dropout(jax.random.key(1), inputs, 0.1)
    assert outputs.dtype == jnp.bfloat16
    before, after = (np.asarray(x, np.float64) for x in (inputs, outputs))
    kept = after != 0
    assert abs((after[kept] / before[kept]).mean() * 0.9 - 1) < 1e-4
