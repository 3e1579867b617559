import jax
import numpy as np
import pytest

from experiment.analysis.heads import Head, alone, heads_of, table_of_heads, without, without_sites
from experiment.analysis.sites import Site, at, ones, sites_of
from tests.analysis.heads.tiny import run

SITE = Site("cross", 1)


@pytest.fixture(scope="module")
def gates():
    return ones(run().model)


def total(gates):
    return sum(float(leaf.sum()) for leaf in jax.tree.leaves(gates))


def test_heads_are_those_of_each_site_in_order(gates):
    heads = heads_of(gates)
    assert heads == [Head(site, index) for site in sites_of(gates) for index in (0, 1)]
    assert len(heads) == 3 * 2 * 2


def test_removed_heads_are_at_zero_and_no_other(gates):
    removed = without(gates, [Head(SITE, 1), Head(Site("encoder", 0), 0)])
    np.testing.assert_array_equal(at(removed, SITE)["heads"], [1, 0])
    np.testing.assert_array_equal(at(removed, Site("encoder", 0))["heads"], [0, 1])
    assert total(removed) == total(gates) - 2 == 10


def test_removal_adds_up(gates):
    one, other = Head(SITE, 0), Head(SITE, 1)
    assert total(without(without(gates, [one]), [other])) == total(without(gates, [one, other]))


def test_a_layer_without_attention_is_one_without_all_of_its_heads(gates):
    by_head = without(gates, [Head(SITE, 0), Head(SITE, 1)])
    jax.tree.map(np.testing.assert_array_equal, without_sites(gates, [SITE]), by_head)


def test_head_that_is_alone_is_so_in_its_site_only(gates):
    left = alone(gates, Head(SITE, 1))
    np.testing.assert_array_equal(at(left, SITE)["heads"], [0, 1])
    assert total(left) == total(gates) - 1


@pytest.mark.parametrize("head", [Head(Site("cross", 2), 0), Head(SITE, 2)])
def test_head_that_is_not_there_is_refused(gates, head):
    with pytest.raises(ValueError, match=rf"^There is no {head.name}\. The model has 12 heads\."):
        without(gates, [head])


def test_site_that_is_not_there_is_refused(gates):
    with pytest.raises(ValueError, match=r"^There is no cross-attention, layer 3\."):
        without_sites(gates, [Site("cross", 2)])


def test_table_has_a_row_a_head_and_adds_up_to_all_projections():
    table = table_of_heads(run())
    assert list(table.loc[11, ["kind", "layer", "head"]]) == ["cross", 2, 2]
    assert set(table["d_k"]) == set(table["d_v"]) == {4}
    projections = sum(
        at(run().params, site)[name]["kernel"].size
        for site in sites_of(ones(run().model))
        for name in ("query", "key", "value", "out")
    )
    assert table["parameters"].sum() == projections
