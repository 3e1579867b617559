import numpy as np

from experiment.data import in_the_order_of
from tests.made_up import config, training_data


def test_another_seed_changes_the_order_and_nothing_else():
    data, other = training_data(config()), training_data(config(seed=1))
    found = in_the_order_of(config(seed=1), data)
    assert found.fingerprint == other.fingerprint != data.fingerprint
    assert found.train is data.train
    for step in range(5):
        ours, theirs = found.plan.rows(step), other.plan.rows(step)
        np.testing.assert_array_equal(ours.examples, theirs.examples)
        np.testing.assert_array_equal(ours.offsets, theirs.offsets)
