"""Stacked layers: there and back, bit for bit."""

import jax
import numpy as np

from experiment.analysis.depth.stacking import with_named_layers, with_stacked_layers
from tests.analysis.depth.small import CONFIG, LAYERS, fresh


def test_stacked_layers_are_unstacked_as_they_were():
    _, params = fresh(CONFIG)
    stacked = with_stacked_layers(params)
    assert {len(leaf) for leaf in jax.tree.leaves(stacked["encoder"]["layers"])} == {LAYERS}
    assert stacked["embedding"] is params["embedding"]
    jax.tree.map(np.testing.assert_array_equal, with_named_layers(stacked), dict(params))
