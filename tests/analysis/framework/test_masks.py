"""Masks, and what swapping them does: it is all that tells the two stacks apart."""

import jax.numpy as jnp
import numpy as np
import pytest

from experiment.analysis.framework import masks_of, swapped_masks
from experiment.analysis.plots import draw_masks
from model.transformer import DecoderOnlyConfig, one_sentence_a_row

CONFIG = DecoderOnlyConfig(
    vocab_size=8,
    d_model=8,
    d_ff=16,
    num_heads=2,
    num_layers=2,
    dropout_rate=0.1,
    norm_placement="pre",
)


def test_masks_are_of_the_sentence_the_past_and_the_source():
    source, target = (one_sentence_a_row(jnp.array([ids])) for ids in ([5, 6, 0], [1, 7]))
    reading, writing, joint = masks_of(source, target).values()
    assert reading.astype(int).tolist() == [[1, 1, 0], [1, 1, 0], [0, 0, 0]]
    assert writing.astype(int).tolist() == [[1, 0], [1, 1]]
    assert joint.astype(int).tolist() == [[1, 1, 0], [1, 1, 0]]


def test_with_the_mask_of_the_past_an_encoder_is_a_language_model():
    found = swapped_masks(CONFIG, length=5)["largest difference"]
    assert found["encoder layers, the past"] < 1e-5
    assert found["a translator's decoder, cross-attention closed"] < 1e-5
    assert found["encoder layers, the whole sentence"] > 0.1


def test_norms_behind_sublayers_are_refused():
    with pytest.raises(ValueError, match=r"norm_placement='post' must be 'pre'"):
        swapped_masks(DecoderOnlyConfig(8, 8, 16, 2, 1, 0.0))


def test_masks_are_drawn_as_they_are():
    source = one_sentence_a_row(jnp.array([[5, 6]]))
    masks = masks_of(source, source)
    drawn = [axis.get_images()[0].get_array() for axis in draw_masks(masks).axes]
    assert [picture.tolist() for picture in drawn] == [mask.tolist() for mask in masks.values()]


def test_one_mask_alone_is_drawn():
    (axis,) = draw_masks({"own": np.eye(2, dtype=bool)}).axes
    assert axis.get_title() == "own"
