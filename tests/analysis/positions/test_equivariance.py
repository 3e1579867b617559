import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest

from experiment.analysis.positions import SCHEMES, order_of, order_seen, orders_by_scheme
from experiment.analysis.positions.equivariance import SMALL, drawn_params
from model.transformer import BOS_ID, Transformer

ONE_LAYER = dataclasses.replace(SMALL, num_layers=1)


@pytest.fixture(scope="module")
def orders():
    return orders_by_scheme(config=ONE_LAYER)


def test_without_positions_order_is_rounding(orders):
    found = orders.loc["none"]
    assert (found.encoder < 1e-5 * found["size"]).all()
    assert (found.logits < 1e-5 * found["size"]).all()


@pytest.mark.parametrize("scheme", [scheme for scheme in SCHEMES if scheme != "none"])
def test_every_scheme_tells_the_order(orders, scheme):
    found = orders.loc[scheme]
    assert (found.encoder > 1e-2 * found["size"]).all()
    assert (found.logits > 1e-3 * found["size"]).all()


def test_languages_differ_in_nothing_but_the_words(orders):
    assert list(orders.index.levels[1]) == ["Chinese", "English"]
    assert {len(found) for _, found in orders.groupby(level="positions")} == {2}


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


def test_cross_attention_is_a_sum_over_a_set():
    """The reason why: weights and values rearranged alike add up to the same."""
    weights, values = jnp.array([0.5, 0.25, 0.25]), jnp.array([1.0, 2.0, 4.0])
    order = np.array([2, 0, 1])
    assert weights @ values == weights[order] @ values[order]
