import math

import numpy as np
import pytest

from experiment.analysis.positions import dot_products, learned_tables, sinusoids
from model.transformer import sinusoidal_positions


def test_sinusoids_are_the_models_own_up_to_float32():
    own = sinusoidal_positions(200, 32)
    np.testing.assert_allclose(sinusoids(np.arange(200), 32), own, atol=1e-6)


def test_dot_products_of_sinusoids_depend_on_the_offset_alone():
    found = dot_products(sinusoids(np.arange(100), 4), [0, 1, 7])
    np.testing.assert_allclose(found.lowest, found.highest, atol=1e-12)
    by_hand = [math.cos(k) + math.cos(k / 100) for k in (0, 1, 7)]
    np.testing.assert_allclose(found["mean"], by_hand)


def test_dot_products_of_any_table_are_those_of_its_rows():
    table = np.random.default_rng(0).normal(size=(5, 3))
    found = dot_products(table, [3]).loc[3]
    pair = sorted([table[0] @ table[3], table[1] @ table[4]])
    np.testing.assert_allclose(list(found), [sum(pair) / 2, *pair])


def test_offset_beyond_the_table_is_refused():
    with pytest.raises(ValueError, match="offset of 5 must be less than the 5 positions"):
        dot_products(np.ones((5, 2)), [5])


def test_tables_are_found_by_side():
    table = np.ones((3, 2))
    found = learned_tables({"source_positions": {"table": table}, "encoder": {}})
    assert list(found) == ["source"]
    np.testing.assert_array_equal(found["source"], table)
