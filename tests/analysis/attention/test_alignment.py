import numpy as np
import pytest

from experiment.analysis.attention import (
    Map,
    aligned,
    alignment,
    alignment_measures,
    best_aligning,
    matrix,
)
from experiment.analysis.sites import Site

KEYS, QUERIES = ["two", "and", "forty", "</s>"], ["vierzig", "zwei", "</s>"]
CROSSED = [[0.1, 0.0, 0.6, 0.3], [0.7, 0.1, 0.1, 0.1], [0.0, 0.0, 0.0, 1.0]]
AT_THE_END = [[0.0, 0.2, 0.0, 0.8], [0.1, 0.0, 0.0, 0.9], [0.0, 0.0, 0.0, 1.0]]
FOUND = Map(Site("cross", 1), QUERIES, KEYS, np.array([CROSSED, AT_THE_END]), 2)


def test_words_are_aligned_to_their_largest_weight_that_is_not_the_end():
    assert aligned(np.array(CROSSED)).tolist() == [2, 0, 0]
    assert aligned(np.array(AT_THE_END)).tolist() == [1, 0, 0]
    assert aligned(np.array([[1.0]])).tolist() == [0]


def test_alignment_names_pairs_of_words_without_the_target_end():
    table = alignment(FOUND, 1)
    assert table["target"].tolist() == ["vierzig", "zwei"]
    assert table["source"].tolist() == ["forty", "two"]
    assert table["weight"].tolist() == [0.6, 0.7]


def test_head_0_is_the_mean_of_all():
    np.testing.assert_allclose(matrix(FOUND), (np.array(CROSSED) + np.array(AT_THE_END)) / 2)
    assert alignment(FOUND)["source"].tolist() == ["forty", "two"]


def test_measures_of_heads_are_those_of_their_words():
    table = alignment_measures([{FOUND.site: FOUND}]).set_index("head")
    assert table.index.tolist() == [0, 1, 2] and (table["layer"] == 2).all()
    one = table.loc[1]
    nats = -sum(w * np.log(w) for row in CROSSED[:2] for w in row if w) / 2
    assert one["entropy"] == pytest.approx(nats)
    assert one["weight"] == pytest.approx(0.65)
    assert one["at the end"] == pytest.approx(0.2)
    assert one["covered"] == pytest.approx(2 / 3)
    assert one["forwards"] == 0  # from the third word back to the first


def test_measures_are_means_over_pairs():
    forwards = FOUND._replace(weights=FOUND.weights[:, [1, 0, 2]])
    table = alignment_measures([{FOUND.site: FOUND}, {FOUND.site: forwards}])
    assert table[table["head"] == 1]["forwards"].tolist() == [0.5]


def test_a_head_that_always_looks_at_one_word_aligns_worst():
    diagonal = np.eye(4)[[0, 1, 2]] * 0.7 + 0.1
    fixed = np.eye(4)[[1, 1, 1]]
    sharp = np.eye(4)[[0, 2, 3]]
    found = FOUND._replace(weights=np.array([fixed, diagonal / diagonal.sum(1)[:, None]]))
    assert best_aligning(alignment_measures([{found.site: found}])) == (2, 2)
    found = found._replace(weights=np.array([fixed, sharp]))
    assert best_aligning(alignment_measures([{found.site: found}])) == (2, 2)


def test_what_is_no_cross_attention_aligns_nothing():
    with pytest.raises(ValueError, match="encoder self-attention, layer 1 of 2 aligns nothing"):
        alignment(FOUND._replace(site=Site("encoder", 0)))


def test_head_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match="head=3 must be from 1 to 2, or 0 for the mean"):
        matrix(FOUND, 3)
