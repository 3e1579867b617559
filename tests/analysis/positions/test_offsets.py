import numpy as np
import pytest

from experiment.analysis.positions import (
    LONGEST_WAVE,
    fitted_map,
    linear_maps,
    offset_rotation,
    sinusoids,
)
from model.transformer import sinusoidal_positions

D = 16
OTHERS = np.arange(300)
FITTED = 300 + np.random.default_rng(0).choice(2 * LONGEST_WAVE, 500, replace=False)


def test_rotation_of_one_frequency_is_that_of_the_plane():
    cosine, sine = np.cos(3), np.sin(3)
    np.testing.assert_allclose(offset_rotation(3, 2), [[cosine, sine], [-sine, cosine]])


def test_rotation_takes_every_position_of_the_model_k_further():
    table = sinusoidal_positions(100, D).astype(float)
    moved = table[:-7] @ offset_rotation(7, D).T
    np.testing.assert_allclose(moved, table[7:], atol=1e-6)


def test_rotations_add_up_and_undo_each_other():
    np.testing.assert_allclose(
        offset_rotation(3, D) @ offset_rotation(4, D), offset_rotation(7, D), atol=1e-12
    )
    np.testing.assert_allclose(offset_rotation(3, D).T, offset_rotation(-3, D), atol=1e-12)


@pytest.mark.parametrize("offset", [1, 10, 100])
def test_solved_map_is_the_rotation(offset):
    found = fitted_map(FITTED, offset, D)
    assert found.rank == D
    np.testing.assert_allclose(found.matrix, offset_rotation(offset, D), atol=1e-10)


def test_same_map_holds_where_it_was_not_fitted():
    assert not set(FITTED) & set(OTHERS)
    errors = linear_maps([1, 5], d_model=D, positions=FITTED, others=OTHERS)
    solved = errors[["fitted positions", "other positions", "fit - rotation"]]
    assert solved.to_numpy().max() < 1e-10
    assert (errors.rotation < 1e-12).all()


def test_a_sentence_alone_does_not_determine_the_map():
    found = fitted_map(np.arange(20), 1, 64)
    assert found.rank <= 20
    far = sinusoids(np.array([40_000]), 64)
    assert np.abs(far @ found.matrix.T - sinusoids(np.array([40_001]), 64)).max() > 0.1
