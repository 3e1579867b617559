"""Figures show the weights that they are given."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb

from experiment.analysis.attention import Map, profile
from experiment.analysis.plots import (
    draw_alignment,
    draw_figure3,
    draw_figure4,
    draw_figure5,
    draw_lines,
    draw_maps,
    draw_profiles,
    draw_shares,
)
from experiment.analysis.plots.attention import color_of
from experiment.analysis.sites import Site

WORDS = ["The", "Law", "its", "</s>"]
WEIGHTS = np.array([np.eye(4), np.tile([0.0, 0.5, 0.25, 0.25], (4, 1))])
FOUND = Map(Site("encoder", 1), WORDS, WORDS, WEIGHTS, 3)


def lines(axis):
    """(query, key) -> opacity and colour, of what is drawn."""
    return {
        tuple(int(place) for place in line.get_ydata()): (line.get_alpha(), line.get_color())
        for line in axis.lines
    }


def test_lines_are_weights_from_word_to_word():
    (axis,) = draw_lines(FOUND, [1]).axes
    assert lines(axis) == {(place, place): (1.0, color_of(1)) for place in range(4)}


def test_from_one_word_all_heads_are_drawn_each_in_its_colour():
    (axis,) = draw_figure3(FOUND, "its").axes
    assert all(int(line.get_ydata()[0]) == 2 for line in axis.lines)
    assert {line.get_color() for line in axis.lines} == {color_of(1), color_of(2)}
    assert len(axis.lines) == 1 + 3
    stripes = [patch for patch in axis.patches if patch.get_facecolor()[3] > 0]
    assert sorted(patch.get_alpha() for patch in stripes) == [0.25, 0.25, 0.5, 1.0]


def test_opacity_is_a_share_of_the_panels_largest_weight_which_is_said():
    (axis,) = draw_lines(FOUND, [2], word="The").axes
    assert {key: alpha for (_, key), (alpha, _) in lines(axis).items()} == {1: 1.0, 2: 0.5, 3: 0.5}
    assert axis.get_title() == "“The”, head 2 (darkest: 0.50)"


def test_figure_4_has_a_whole_head_and_two_heads_of_one_word():
    figure = draw_figure4(FOUND, (2, 1), "its")
    whole, word = figure.axes
    assert len(whole.lines) == 4 * 3 and len(word.lines) == 3 + 1
    assert figure.get_suptitle() == "encoder self-attention, layer 2 of 3"


def test_figure_5_has_two_whole_heads():
    assert [len(axis.lines) for axis in draw_figure5(FOUND, (1, 2)).axes] == [4, 12]


def test_heatmaps_are_the_matrices_of_the_heads():
    first, second, _ = draw_maps(FOUND).axes
    for axis, weights in zip((first, second), WEIGHTS, strict=True):
        np.testing.assert_array_equal(axis.images[0].get_array(), weights)
        assert [label.get_text() for label in axis.get_xticklabels()] == WORDS


def test_rings_mark_what_words_are_aligned_to():
    cross = FOUND._replace(site=Site("cross", 0))
    rings = draw_alignment(cross, 2).axes[0].collections[0].get_offsets()
    assert rings.tolist() == [[1, 0], [1, 1], [1, 2]]


@pytest.fixture
def table():
    of_kind = profile(WEIGHTS[None], np.array([4]), np.array([4]), causal=False)
    two = [of_kind.assign(kind="encoder", layer=layer) for layer in (1, 2)]
    return pd.concat([*two, of_kind.assign(kind="cross", layer=1)], ignore_index=True)


def test_profiles_have_a_column_a_kind_and_a_curve_a_head(table):
    figure = draw_profiles(table)
    assert len(figure.axes) == 4
    curves = [line for line in figure.axes[0].lines if line.get_label().startswith("head")]
    of_first = table[(table["head"] == 1) & (table["kind"] == "encoder")]
    np.testing.assert_array_equal(curves[0].get_ydata(), of_first["distance"])
    assert to_rgb(curves[1].get_color()) == to_rgb(color_of(2))


def test_shares_are_written_into_their_cells(table):
    axis = draw_shares(table).axes[0]
    assert axis.images[0].get_array().shape == (4, 5)
    assert axis.texts[0].get_text() == "1.00"  # of the first head on the query itself
