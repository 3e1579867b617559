import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiment.analysis.positions import SCHEMES, order_of, order_seen, orders_by_scheme
from experiment.analysis.positions.equivariance import SMALL, drawn_params
from model.transformer import BOS_ID, Transformer, dot_product_attention

ONE_LAYER = dataclasses.replace(SMALL, num_layers=1)


@pytest.fixture(scope="module")
def orders():
    return orders_by_scheme(config=ONE_LAYER)


def test_without_positions_order_is_rounding(orders):
    found = orders.loc["none"]
    assert list(found.blind) == [True, True]
    assert (found[["encoder", "logits"]] < 1e-6).all(axis=None)


@pytest.mark.parametrize("scheme", [scheme for scheme in SCHEMES if scheme != "none"])
def test_every_scheme_tells_the_order(orders, scheme):
    found = orders.loc[scheme]
    assert (found.encoder > 1e-2 * found["size"]).all()
    assert (found.logits > 1e-3 * found["size"]).all()
    assert not found.blind.any()


def test_the_same_order_changes_nothing_at_all():
    model = Transformer(ONE_LAYER)
    params = drawn_params(model, 0)
    ids = np.array([4, 5, 6])
    seen = order_seen(model, params, ids, np.arange(3), np.array([BOS_ID, 4]))
    assert (seen.encoder, seen.logits, seen.is_blind) == (0, 0, True)
    assert not order_seen(model, params, ids, np.array([2, 1, 0]), np.array([BOS_ID, 4])).is_blind


def test_rearranged_words_are_found_in_their_places():
    words = ["to", "be", "or", "not", "to", "be"]
    order = order_of(words, ["be", "to", "not", "or", "be", "to"])
    assert [words[place] for place in order] == ["be", "to", "not", "or", "be", "to"]
    assert sorted(order) == list(range(6))


def test_other_words_are_refused():
    with pytest.raises(ValueError, match="must be of the same words"):
        order_of(["cat"], ["dog"])


def test_cross_attention_is_a_sum_over_a_set(rng):
    """The reason why: keys and values rearranged alike are the same dictionary."""
    drawn = (jax.random.normal(key, (1, 5, 2, 4)) for key in jax.random.split(rng, 3))
    queries, keys, values = drawn
    mask, order = jnp.ones((1, 1, 5, 5), bool), np.array([3, 0, 4, 2, 1])
    with jax.default_matmul_precision("highest"):
        found, weights = dot_product_attention(queries, keys, values, mask)
        again, moved = dot_product_attention(queries, keys[:, order], values[:, order], mask)
    np.testing.assert_allclose(again, found, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(moved, weights[..., order], rtol=1e-5)
    assert np.abs(np.asarray(moved) - weights).max() > 0.1
