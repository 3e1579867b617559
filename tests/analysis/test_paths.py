"""Table 1: what is measured of layers, against small cases by hand and the formulas."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiment.analysis.paths import (
    Sizes,
    convolutional,
    exponent,
    hops_to_reach,
    kinds,
    max_path_length,
    operations,
    recurrent,
    restricted,
    self_attention,
    sequential_products,
)
from experiment.analysis.paths.reach import support

LAYERS = {
    "self-attention": self_attention(),
    "recurrent": recurrent(),
    "window 3": restricted(3),
    "kernel 3": convolutional(3),
    "kernel 3, dilated": convolutional(3, dilated=True),
}


@pytest.mark.parametrize(
    ("name", "hops"),
    [
        ("self-attention", (1, 1)),
        ("recurrent", (9, 10)),  # into the state, then 8 states further
        ("window 3", (4, 5)),  # 2 positions a layer, over a distance of 8 and of 9
        ("kernel 3", (4, 5)),
        ("kernel 3, dilated", (2, 3)),  # 2 * 1 + 2 * 3 = 8
    ],
)
def test_hops_from_the_first_of_9_and_of_10_positions_to_the_last(name, hops):
    assert tuple(max_path_length(LAYERS[name], length) for length in (9, 10)) == hops


@pytest.mark.parametrize("name", ["window 3", "kernel 3", "kernel 3, dilated"])
def test_hops_are_the_layers_of_a_real_stack_that_its_gradient_needs(name):
    layer, length = LAYERS[name], 9
    enough = max_path_length(layer, length)

    def reached(count):
        """Whether the last output of so many layers depends on the first input."""
        hops = list(itertools.islice(layer.hops(jax.random.key(0), 16), count))

        def last(inputs):
            for hop in hops:
                inputs = hop.apply(hop.params, inputs)
            return inputs[0, -1].sum()

        inputs = jax.random.normal(jax.random.key(1), (1, length, 16))
        return bool(jnp.any(jax.grad(last)(inputs)[0, 0] != 0))

    assert [reached(count) for count in (enough - 1, enough)] == [False, True]


def test_a_recurrence_needs_every_state_between():
    layer, inputs = recurrent(), jax.random.normal(jax.random.key(1), (1, 6, 16))
    params = layer.init(jax.random.key(0), 16)
    states = [jnp.zeros(16)]
    for row in inputs[0]:
        states.append(jnp.tanh(row @ params["input"] + states[-1] @ params["hidden"]))
    np.testing.assert_allclose(layer.apply(params, inputs)[0], jnp.stack(states[1:]), rtol=1e-4)
    first, further = itertools.islice(layer.hops(jax.random.key(0), 16), 2)
    np.testing.assert_array_equal(support(first, 6, seed=0), np.eye(6, dtype=bool))
    np.testing.assert_array_equal(support(further, 6, seed=0), np.eye(6, k=-1, dtype=bool))


@pytest.mark.parametrize(
    ("name", "before"), [("self-attention", 4), ("window 3", 2), ("kernel 3", 2)]
)
def test_a_hop_lets_each_position_see_these_before_it_and_none_after(name, before):
    hop = next(LAYERS[name].hops(jax.random.key(0), 16))
    expected = np.tri(5, dtype=bool) & ~np.tri(5, k=-before - 1, dtype=bool)
    np.testing.assert_array_equal(support(hop, 5, seed=3), expected)


def test_hops_that_never_arrive_are_refused():
    with pytest.raises(ValueError, match="before every output depends on every input"):
        hops_to_reach([np.eye(3, dtype=bool)] * 5)


@pytest.mark.parametrize("dilation", [1, 4])
def test_a_convolution_is_a_sum_over_positions_so_far(dilation):
    hops = convolutional(4, dilated=True).hops(jax.random.key(0), 8)
    hop = next(hops) if dilation == 1 else list(itertools.islice(hops, 2))[1]
    inputs, kernel = jax.random.normal(jax.random.key(1), (1, 15, 8)), hop.params["kernel"]
    for t in range(15):
        taps = [(t - (3 - tap) * dilation, tap) for tap in range(4)]
        expected = sum(inputs[0, s] @ kernel[tap] for s, tap in taps if s >= 0)
        found = hop.apply(hop.params, inputs)[0, t]
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_a_window_that_reaches_all_is_self_attention():
    inputs = jax.random.normal(jax.random.key(1), (2, 7, 16))
    params = self_attention().init(jax.random.key(0), 16)
    ours, theirs = (layer.apply(params, inputs) for layer in (restricted(7), self_attention()))
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)
    assert np.abs(restricted(6).apply(params, inputs) - theirs).max() > 1e-3


@pytest.mark.parametrize(
    ("layer", "length", "expected"),
    [
        (self_attention(), 12, 4),  # queries, logits, sums of values, outputs
        (self_attention(projected=False), 12, 2),
        (restricted(3), 12, 4),
        (recurrent(), 12, 12),
        (recurrent(), 24, 24),
        (convolutional(3), 12, 1),
    ],
)
def test_longest_chain_of_products(layer, length, expected):
    params, inputs = layer.init(jax.random.key(0), 16), jnp.ones((1, length, 16))
    assert sequential_products(layer.apply, params, inputs) == expected


def test_chains_go_through_calls_branches_and_loops():
    matrix = jnp.eye(2)

    def twice(a):
        return jax.jit(lambda b: b @ b @ b)(a)

    def loop(a):
        def body(carry, row):
            kept, rolled = carry
            return (kept, jax.checkpoint(twice)(rolled) + row), kept @ rolled

        (_, end), written = jax.lax.scan(body, (a, a), jnp.stack([a @ a] * 3))
        return end, written

    def branch(a):
        return jax.lax.cond(a[0, 0] > 0, lambda b: b, twice, a @ a)

    assert sequential_products(twice, matrix) == 2
    # The rows of the loop have one product behind them, and each of three rounds adds two.
    assert sequential_products(lambda a: loop(a)[0], matrix) == 6
    assert sequential_products(lambda a: loop(a)[1], matrix) == 5
    assert sequential_products(branch, matrix) == 3
    assert sequential_products(jnp.sin, matrix) == 0


def test_a_loop_without_an_end_has_no_chain():
    def endless(a):
        return jax.lax.while_loop(lambda b: b.sum() > 0, lambda b: b @ b, a)

    with pytest.raises(ValueError, match="while has matrix products in it"):
        sequential_products(endless, jnp.eye(2))


def test_of_a_loop_every_round_is_counted():
    layer = recurrent()
    params, inputs = layer.init(jax.random.key(0), 16), jnp.ones((1, 12, 16))
    whole = jax.jit(functools.partial(layer.apply, unroll=12)).lower(params, inputs).compile()
    counted = whole.cost_analysis()["flops"]
    np.testing.assert_allclose(operations(layer, 12, 16), counted, rtol=0.01)
    assert counted >= 2 * 2 * 12 * 16 * 16  # both products of every position
    with pytest.raises(ValueError, match="length=11 must be even"):
        operations(layer, 11, 16)


@pytest.mark.parametrize(
    ("layer", "products"),
    [
        (self_attention(projected=False), 2 * 32 * 32 * 64),  # logits, sums of values
        (self_attention(), 2 * 32 * 32 * 64 + 4 * 32 * 64 * 64),
        (restricted(5, projected=False), 2 * 32 * 9 * 64),  # in blocks of 2r - 1 keys
        (recurrent(), 2 * 32 * 64 * 64),
        (convolutional(5), (5 * 32 - 10) * 64 * 64),  # no product before the first position
    ],
)
def test_operations_are_those_of_the_products_and_little_else(layer, products):
    # Of eight heads of width 8 the softmax is not little.
    assert 2 * products <= operations(layer, 32, 64) < 1.5 * 2 * products


def test_exponents_of_the_formulas_are_found():
    by_length = {n: operations(convolutional(3), n, 64) for n in (64, 128, 256)}
    by_d_model = {d: operations(convolutional(3), 64, d) for d in (32, 64, 128)}
    assert abs(exponent(by_length) - 1) < 0.02
    assert abs(exponent(by_d_model) - 2) < 0.001
    assert exponent({4: 5.0, 8: 5.0, 16: 5.0}) == 0


@pytest.mark.parametrize("kind", kinds(Sizes(windows=(3, 5))), ids=lambda kind: kind.name)
def test_chains_and_paths_grow_as_the_paper_says(kind):
    layer = kind.build(3)
    params, sizes = layer.init(jax.random.key(0), 16), (9, 17, 33)
    inputs = {length: jnp.ones((1, length, 16)) for length in sizes}
    chains = {n: sequential_products(layer.apply, params, inputs[n]) for n in sizes}
    paths = {n: max_path_length(layer, n) for n in sizes}
    powers = {"1": (0, 0), "n": (0.99, 1.01), "n / r": (0.9, 1.1), "n / k": (0.9, 1.1)}
    powers["log_k n"] = (0.3, 0.7)
    for measured, says in ((chains, kind.published.sequential), (paths, kind.published.path)):
        least, most = powers[says]
        assert least <= exponent({n: float(count) for n, count in measured.items()}) <= most


def test_the_papers_orders_are_table_1s_with_what_projections_add():
    published = {kind.name: tuple(kind.published) for kind in kinds(Sizes())}
    assert published == {
        "self-attention": ("n² d", "1", "1"),
        "recurrent": ("n d²", "n", "n"),
        "convolutional, k = 3": ("k n d²", "1", "n / k"),
        "convolutional, k = 3, dilated": ("k n d²", "1", "log_k n"),
        "self-attention, r = 9": ("r n d", "1", "n / r"),
        "self-attention, with projections": ("n² d, + n d²", "1", "1"),
        "self-attention, r = 9, with projections": ("r n d, + n d²", "1", "n / r"),
    }


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict(lengths=(8,)), "--lengths 8 must be two or more ascending sizes, from 2 on."),
        (dict(windows=(9, 3)), "--windows 9 3 must be two or more ascending sizes, from 2 on."),
        (dict(kernels=(1, 3)), "--kernels 1 3 must be two or more ascending sizes, from 2 on."),
        (dict(d_models=(8, 12)), "--d_models 8 12 must be multiples of 8, one for each head."),
        (dict(lengths=(8, 15)), "--lengths 8 15 must be even: XLA's count of a loop is made of"),
    ],
)
def test_sizes_that_cannot_be_measured_are_refused(change, message):
    with pytest.raises(ValueError) as refused:
        Sizes(**change)
    assert str(refused.value).startswith(message)
