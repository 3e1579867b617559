import jax
import jax.numpy as jnp
import numpy as np
import pytest

from model.transformer import MultiHeadAttention, Placement, dot_product_attention, rotation

B, T, S, H, K, Z, D = 2, 3, 5, 7, 11, 13, 17  # distinct primes: nothing broadcasts by luck
EVERYTHING = jnp.ones((1, 1, 1, S), bool)


def normals(rng, *shapes):
    keys = jax.random.split(rng, len(shapes))
    return [jax.random.normal(key, shape) for key, shape in zip(keys, shapes, strict=True)]


def heads(rng):
    return normals(rng, (B, T, H, K), (B, S, H, K), (B, S, H, Z))


def test_equation_1_by_hand():
    query = jnp.array([1.0, 0.0, 0.0, 0.0]).reshape(1, 1, 1, 4)
    key = jnp.array([[2.0, 0, 0, 0], [0, 5, 0, 0]]).reshape(1, 2, 1, 4)
    value = jnp.array([10.0, 20.0]).reshape(1, 2, 1, 1)
    attended, weights = dot_product_attention(query, key, value, jnp.ones((1, 1, 1, 2), bool))
    # Scores 2 / sqrt(4) = 1 and 0: weights e / (e + 1) and 1 / (e + 1).
    first = np.e / (np.e + 1)
    np.testing.assert_allclose(weights[0, 0, 0], [first, 1 - first], rtol=1e-6)
    np.testing.assert_allclose(attended.item(), 10 * first + 20 * (1 - first), rtol=1e-6)


def test_agrees_with_jax_own_attention(rng):
    query, key, value = normals(rng, (B, T, H, K), (B, S, H, K), (B, S, H, K))
    mask = jax.random.bernoulli(rng, 0.7, (B, 1, T, S)).at[..., 0].set(True)
    ours, _ = dot_product_attention(query, key, value, mask)
    theirs = jax.nn.dot_product_attention(query, key, value, mask=mask)
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)


def test_a_bias_is_added_to_scaled_logits(rng):
    query, key, value, bias = normals(rng, (B, T, H, K), (B, S, H, K), (B, S, H, K), (B, H, T, S))
    mask = jax.random.bernoulli(rng, 0.7, (B, 1, T, S)).at[..., 0].set(True)
    ours, _ = dot_product_attention(query, key, value, mask, bias)
    theirs = jax.nn.dot_product_attention(query, key, value, bias, mask)
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)


def test_no_bias_opens_a_mask(rng):
    query, key, value = heads(rng)
    bias = jnp.zeros((1, 1, 1, S)).at[..., 4].set(1e9)
    _, weights = dot_product_attention(query, key, value, jnp.arange(S)[None, None, None] < 4, bias)
    np.testing.assert_array_equal(weights[..., 4], 0.0)


def test_masked_keys_get_exactly_zero_weight(rng):
    query, key, value = heads(rng)
    _, weights = dot_product_attention(query, key, value, jnp.arange(S)[None, None, None] < 4)
    np.testing.assert_array_equal(weights[..., 4], 0.0)
    np.testing.assert_allclose(weights.sum(-1), 1.0, rtol=1e-6)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16, jnp.float16])
def test_a_query_that_may_see_nothing_stays_finite_and_uniform(rng, dtype):
    query, key, value = (x.astype(dtype) for x in heads(rng))
    attended, weights = dot_product_attention(query, key, value, jnp.zeros((1, 1, 1, S), bool))
    assert np.isfinite(np.asarray(attended, np.float32)).all()
    np.testing.assert_allclose(np.asarray(weights, np.float32), 1 / S, rtol=1e-2)


def test_permuting_the_memory_changes_nothing(rng):
    attention = MultiHeadAttention(num_heads=H, d_model=D, d_k=K, d_v=Z)
    queries, memory = normals(rng, (B, T, D), (B, S, D))
    variables = attention.init(rng, queries, memory, EVERYTHING, deterministic=True)
    order = jnp.array([3, 0, 4, 1, 2])
    straight = attention.apply(variables, queries, memory, EVERYTHING, deterministic=True)
    permuted = attention.apply(variables, queries, memory[:, order], EVERYTHING, deterministic=True)
    np.testing.assert_allclose(straight, permuted, rtol=1e-4, atol=1e-6)


def test_turned_attention_is_blind_to_a_shift_of_all_but_not_to_order(rng):
    attention = MultiHeadAttention(num_heads=H, d_model=D, d_k=10, d_v=Z)
    (inputs,) = normals(rng, (B, S, D))
    variables = attention.init(rng, inputs, inputs, EVERYTHING, deterministic=True)

    def found(positions):
        placement = Placement(rotation(jnp.array([positions]), 10))
        return attention.apply(variables, inputs, inputs, EVERYTHING, placement, deterministic=True)

    straight, shifted, reordered = map(
        found, ([0, 1, 2, 3, 4], [9, 10, 11, 12, 13], [2, 1, 0, 3, 4])
    )
    np.testing.assert_allclose(straight, shifted, rtol=1e-4, atol=1e-5)
    assert np.abs(straight - reordered).max() > 1e-2


def test_parameters_have_independent_key_and_value_widths(rng):
    attention = MultiHeadAttention(num_heads=H, d_model=D, d_k=K, d_v=Z)
    queries, memory = normals(rng, (B, T, D), (B, S, D))
    variables = attention.init(rng, queries, memory, EVERYTHING, deterministic=True)
    shapes = jax.tree.map(jnp.shape, variables)
    assert shapes["params"] == {
        "query": {"kernel": (D, H, K)},
        "key": {"kernel": (D, H, K)},
        "value": {"kernel": (D, H, Z)},
        "out": {"kernel": (H, Z, D)},
    }
    assert shapes["gates"] == {"heads": (H,)}


def test_closing_a_gate_is_removing_the_heads_rows_of_the_output_projection(rng):
    attention = MultiHeadAttention(num_heads=H, d_model=D, d_k=K, d_v=Z)
    queries, memory = normals(rng, (B, T, D), (B, S, D))
    variables = attention.init(rng, queries, memory, EVERYTHING, deterministic=True)
    gates = {"heads": jnp.ones(H).at[2].set(0.0)}
    gated = attention.apply(
        {**variables, "gates": gates}, queries, memory, EVERYTHING, deterministic=True
    )
    params = dict(variables["params"])
    params["out"] = {"kernel": params["out"]["kernel"].at[2].set(0.0)}
    removed = attention.apply({"params": params}, queries, memory, EVERYTHING, deterministic=True)
    np.testing.assert_allclose(gated, removed, rtol=1e-5, atol=1e-6)


def test_without_gates_it_is_the_plain_model(rng):
    attention = MultiHeadAttention(num_heads=H, d_model=D, d_k=K, d_v=Z)
    queries, memory = normals(rng, (B, T, D), (B, S, D))
    variables = attention.init(rng, queries, memory, EVERYTHING, deterministic=True)
    with_gates = attention.apply(variables, queries, memory, EVERYTHING, deterministic=True)
    without = attention.apply(
        {"params": variables["params"]}, queries, memory, EVERYTHING, deterministic=True
    )
    np.testing.assert_array_equal(with_gates, without)


def test_all_heads_are_ablated_in_one_vmapped_call(rng):
    attention = MultiHeadAttention(num_heads=H, d_model=D, d_k=K, d_v=Z)
    queries, memory = normals(rng, (B, T, D), (B, S, D))
    params = attention.init(rng, queries, memory, EVERYTHING, deterministic=True)["params"]

    def ablated(gates):
        variables = {"params": params, "gates": {"heads": gates}}
        return attention.apply(variables, queries, memory, EVERYTHING, deterministic=True)

    every = jax.vmap(ablated)(1 - jnp.eye(H))
    np.testing.assert_allclose(every[4], ablated(jnp.ones(H).at[4].set(0)), rtol=1e-5, atol=1e-6)


def test_weights_are_sown(rng):
    attention = MultiHeadAttention(num_heads=H, d_model=D, d_k=K, d_v=Z)
    queries, memory = normals(rng, (B, T, D), (B, S, D))
    variables = attention.init(rng, queries, memory, EVERYTHING, deterministic=True)
    _, sown = attention.apply(
        {"params": variables["params"]},
        queries,
        memory,
        EVERYTHING,
        deterministic=True,
        mutable=["intermediates"],
    )
    (weights,) = sown["intermediates"]["weights"]
    assert weights.shape == (B, H, T, S)
    np.testing.assert_allclose(weights.sum(-1), 1.0, rtol=1e-6)


def dropped_weights(rng, rate, *, deterministic):
    """Weights as they reach the values, and as they are sown: [B, T, S] of one head each.

    The memory is one-hot and nothing projects it, so that what is attended is the weights.
    """
    targets, sources = 50, 64
    attention = MultiHeadAttention(1, sources, d_k=K, d_v=sources, dropout_rate=rate)
    queries = jax.random.normal(rng, (B, targets, sources))
    memory = jnp.broadcast_to(jnp.eye(sources), (B, sources, sources))
    mask = jnp.ones((1, 1, 1, sources), bool)
    params = attention.init(rng, queries, memory, mask, deterministic=True)["params"]
    params["value"] = {"kernel": jnp.eye(sources)[:, None, :]}
    params["out"] = {"kernel": jnp.eye(sources)[None]}
    used, sown = attention.apply(
        {"params": params},
        queries,
        memory,
        mask,
        deterministic=deterministic,
        rngs={"dropout": rng},
        mutable=["intermediates"],
    )
    return np.asarray(used), np.asarray(sown["intermediates"]["weights"][0][:, 0])


def test_dropout_takes_a_share_of_the_weights_and_scales_the_rest(rng):
    used, weights = dropped_weights(rng, 0.3, deterministic=False)
    dropped = used == 0
    assert abs(dropped.mean() - 0.3) < 5 * np.sqrt(0.3 * 0.7 / used.size)
    np.testing.assert_allclose(used[~dropped], weights[~dropped] / 0.7, rtol=1e-4)


def test_sown_weights_are_those_before_dropout(rng):
    _, noisy = dropped_weights(rng, 0.3, deterministic=False)
    _, clean = dropped_weights(rng, 0.3, deterministic=True)
    np.testing.assert_array_equal(noisy, clean)
    np.testing.assert_allclose(noisy.sum(-1), 1.0, rtol=1e-5)


def test_deterministic_attention_drops_nothing(rng):
    used, weights = dropped_weights(rng, 0.3, deterministic=True)
    np.testing.assert_allclose(used, weights, rtol=1e-6)
