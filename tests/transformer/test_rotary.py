import jax
import jax.numpy as jnp
import numpy as np

from model.transformer import rotate, rotation

B, T, H, K = 2, 3, 5, 14  # K even: it holds pairs


def turned_by_hand(heads, positions):
    """Equation 13 of RoFormer: a pair of features is a complex number, times e^(i m theta)."""
    outputs = np.zeros_like(heads, np.float64)
    for b, t, h, pair in np.ndindex(*heads.shape[:3], K // 2):
        angle = positions[b, t] * 10_000 ** (-2 * pair / K)
        vector = complex(heads[b, t, h, pair], heads[b, t, h, pair + K // 2])
        product = vector * complex(np.cos(angle), np.sin(angle))
        outputs[b, t, h, [pair, pair + K // 2]] = product.real, product.imag
    return outputs


def test_turning_is_multiplication_of_complex_numbers(rng):
    heads = jax.random.normal(rng, (B, T, H, K))
    positions = jnp.array([[0, 1, 2], [7, 100, 3]])
    ours = rotate(heads, rotation(positions, K))
    np.testing.assert_allclose(ours, turned_by_hand(heads, positions), rtol=1e-4, atol=1e-5)


def test_position_zero_turns_nothing(rng):
    heads = jax.random.normal(rng, (B, T, H, K))
    still = rotate(heads, rotation(jnp.zeros((B, T), jnp.int32), K))
    np.testing.assert_array_equal(still, heads)


def products(query, key, distance, first):
    """q . k for a key at each of `first` [T] and a query that stands `distance` behind it."""
    turned_query = rotate(query, rotation(first[None] + distance, K))
    turned_key = rotate(key, rotation(first[None], K))
    return jnp.einsum("BTHK,BTHK->BTH", turned_query, turned_key)[0]


def test_products_depend_on_the_distance_only(rng):
    query, key = (
        jnp.broadcast_to(heads, (1, 4, H, K)) for heads in jax.random.normal(rng, (2, 1, 1, H, K))
    )
    first = jnp.array([0, 1, 17, 90])
    near, far = products(query, key, 3, first), products(query, key, 5, first)
    np.testing.assert_allclose(near, jnp.tile(near[:1], (4, 1)), rtol=1e-4, atol=1e-4)
    assert np.abs(near - far).max() > 0.1


def test_it_is_the_papers_model_with_features_in_another_order(rng):
    # Equation 34: neighbouring features are a pair, x * cos + (-x2, x1, -x4, x3, ...) * sin.
    heads = np.asarray(jax.random.normal(rng, (1, T, H, K)))
    positions = np.array([0, 4, 9])
    angles = np.repeat(positions[:, None] * 10_000 ** (-np.arange(0, K, 2) / K), 2, axis=1)
    partner = np.stack([-heads[..., 1::2], heads[..., 0::2]], axis=-1).reshape(heads.shape)
    papers = heads * np.cos(angles)[:, None] + partner * np.sin(angles)[:, None]
    order = np.concatenate([np.arange(0, K, 2), np.arange(1, K, 2)])
    ours = rotate(jnp.asarray(heads[..., order]), rotation(jnp.asarray(positions[None]), K))
    np.testing.assert_allclose(ours, papers[..., order], rtol=1e-4, atol=1e-5)


def test_half_precision_heads_stay_so(rng):
    heads = jax.random.normal(rng, (B, T, H, K)).astype(jnp.bfloat16)
    turned = rotate(heads, rotation(jnp.full((B, T), 300), K))
    assert turned.dtype == jnp.bfloat16
    by_hand = turned_by_hand(np.asarray(heads, np.float64), np.full((B, T), 300))
    np.testing.assert_allclose(np.asarray(turned, np.float64), by_hand, rtol=0.05, atol=0.05)
