import jax
import jax.numpy as jnp
import numpy as np
import pytest

from model.transformer import alibi_bias, alibi_slopes, relative_bias, relative_buckets

B, T, S, H = 2, 3, 5, 7
QUERIES = jnp.array([[0, 1, 2], [4, 0, 200]])
KEYS = jnp.array([[0, 1, 2, 3, 0], [150, 0, 9, 4, 300]])


def bucket_by_hand(distance, bidirectional):
    """T5's rule in whole numbers, for 32 buckets and a maximum distance of 128."""
    buckets, behind = (16, 16 * (distance > 0)) if bidirectional else (32, 0)
    far = abs(distance) if bidirectional else max(0, -distance)
    exact = buckets // 2
    if far < exact:
        return behind + far
    # log(far / exact) / log(128 / exact) * exact >= k, without logarithms.
    steps = [k for k in range(exact) if far**exact * exact**k >= 128**k * exact**exact]
    return behind + exact + max(steps)


def test_alibi_slopes_of_8_heads():
    expected = [1 / 2, 1 / 4, 1 / 8, 1 / 16, 1 / 32, 1 / 64, 1 / 128, 1 / 256]
    np.testing.assert_array_equal(alibi_slopes(8), expected)


def test_alibi_slopes_of_12_heads_are_those_of_8_and_every_other_of_16():
    expected = [2.0**-n for n in (1, 2, 3, 4, 5, 6, 7, 8, 0.5, 1.5, 2.5, 3.5)]
    np.testing.assert_allclose(alibi_slopes(12), expected, rtol=1e-6)


@pytest.mark.parametrize("num_heads", range(1, 34))
def test_every_head_has_a_slope_of_its_own(num_heads):
    slopes = alibi_slopes(num_heads)
    assert len(set(slopes.tolist())) == len(slopes) == num_heads
    assert (slopes > 0).all() and (slopes < 1).all()


def test_alibi_is_the_distance_times_the_slope():
    bias = alibi_bias(QUERIES, KEYS, H)
    slopes = [2.0**-n for n in (2, 4, 6, 8, 1, 3, 5)]
    expected = np.zeros((B, H, T, S))
    for b, h, t, s in np.ndindex(B, H, T, S):
        expected[b, h, t, s] = -slopes[h] * abs(int(QUERIES[b, t]) - int(KEYS[b, s]))
    np.testing.assert_allclose(bias, expected, rtol=1e-6)


# Of 16 buckets 8 are exact; then one for each factor of sqrt(2): 8, 11.3, 16, 22.6, ..., 90.5.
BEFORE = {0: 0, -1: 1, -7: 7, -8: 8, -11: 8, -12: 9, -15: 9, -16: 10, -22: 10, -23: 11, -32: 12}
BEFORE |= {-64: 14, -90: 14, -91: 15, -128: 15, -5000: 15}
BEHIND = {1: 17, 7: 23, 8: 24, 16: 26, 90: 30, 91: 31, 5000: 31}
# Of 32 buckets 16 are exact; then one for each factor of 8^(1/16): 16, 18.2, ..., 112.3.
CAUSAL = {0: 0, -1: 1, -15: 15, -16: 16, -18: 16, -19: 17, -112: 30, -113: 31, -5000: 31}
CAUSAL |= {1: 0, 40: 0}


@pytest.mark.parametrize(("bidirectional", "buckets"), [(True, BEFORE | BEHIND), (False, CAUSAL)])
def test_buckets_by_hand(bidirectional, buckets):
    found = relative_buckets(np.array(list(buckets)), bidirectional=bidirectional)
    np.testing.assert_array_equal(found, list(buckets.values()))


@pytest.mark.parametrize("bidirectional", [True, False])
def test_buckets_are_the_rule_in_whole_numbers(bidirectional):
    distances = np.arange(-300, 301)
    expected = [bucket_by_hand(d, bidirectional) for d in distances.tolist()]
    np.testing.assert_array_equal(
        relative_buckets(distances, bidirectional=bidirectional), expected
    )
    assert set(expected) == set(range(32)) - ({16} if bidirectional else set())  # 16: "0 behind"


@pytest.mark.parametrize("bidirectional", [True, False])
def test_relative_bias_looks_every_distance_up(rng, bidirectional):
    table = jax.random.normal(rng, (32, H))
    bias = relative_bias(table, QUERIES, KEYS, bidirectional=bidirectional)
    expected = np.zeros((B, H, T, S))
    for b, h, t, s in np.ndindex(B, H, T, S):
        distance = int(KEYS[b, s]) - int(QUERIES[b, t])
        expected[b, h, t, s] = table[bucket_by_hand(distance, bidirectional), h]
    np.testing.assert_array_equal(bias, expected)
