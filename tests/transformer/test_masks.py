import jax.numpy as jnp
import numpy as np

from model.transformer import causal_mask, history_mask, segment_mask


def test_segments_see_only_themselves_and_never_padding():
    segments = jnp.array([[1, 1, 2, 0]])
    expected = [[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0]]
    np.testing.assert_array_equal(segment_mask(segments, segments)[0, 0], expected)


def test_causal_mask_is_the_lower_triangle():
    np.testing.assert_array_equal(causal_mask(3)[0, 0], [[1, 0, 0], [1, 1, 0], [1, 1, 1]])


def test_history_mask_follows_each_hypothesis_ancestors():
    # Two hypotheses, three positions, two written: hypothesis 0 wrote position 1 itself on top of
    # what 1 had written at position 0; hypothesis 1 descends from itself.
    ancestors = jnp.array([[[1, 0, 0], [1, 1, 0]]])
    mask = history_mask(ancestors, jnp.array(1))[0, 0]
    # Keys lie position by position, in each the two hypotheses.
    np.testing.assert_array_equal(mask, [[0, 1, 1, 0, 0, 0], [0, 1, 0, 1, 0, 0]])
