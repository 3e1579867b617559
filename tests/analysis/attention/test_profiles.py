import numpy as np
import pandas as pd
import pytest

from experiment.analysis.attention import entropy, profile, profiles
from experiment.analysis.sentences import batch_of
from experiment.analysis.sites import Site
from experiment.analysis.weights import attention_weights

# One sentence of three tokens and a column and a row of padding, which must not count.
WEIGHTS = np.array([[[[0.5, 0.5, 0.0, 9], [0.0, 1.0, 0.0, 9], [1.0, 0.0, 0.0, 9], [9, 9, 9, 9]]]])
THREE = np.array([3])


def of(weights=WEIGHTS, queries=THREE, keys=THREE, *, causal=False):
    (row,) = profile(weights, queries, keys, causal=causal).to_dict("records")
    return row


def test_distances_are_means_over_real_queries():
    found = of()
    assert found["distance"] == pytest.approx((0.5 * 1 + 0 + 2) / 3)
    assert found["offset"] == pytest.approx((0.5 - 2) / 3)
    assert found["even distance"] == pytest.approx((3 + 2 + 3) / 9)  # 0+1+2, 1+0+1, 2+1+0


def test_entropy_is_in_nats_and_as_a_share_of_its_most():
    found = of()
    assert found["entropy"] == pytest.approx(np.log(2) / 3)
    assert found["relative entropy"] == pytest.approx(np.log(2) / np.log(3) / 3)


def test_shares_are_of_queries_that_have_such_a_key():
    found = of()
    assert found["self"] == pytest.approx((0.5 + 1 + 0) / 3)
    assert found["previous"] == pytest.approx((0 + 0) / 2)
    assert found["next"] == pytest.approx((0.5 + 0) / 2)
    assert found["first"] == pytest.approx((0.5 + 0 + 1) / 3)
    assert found["last"] == 0


def test_a_decoder_has_no_next_and_no_last_and_fewer_keys():
    weights = np.array([[[[1.0, 0, 0], [0.5, 0.5, 0], [0.25, 0.25, 0.5]]]])
    found = of(weights, causal=True)
    assert np.isnan(found["next"]) and np.isnan(found["last"])
    of_third = np.log(2) / 2 + np.log(4) / 2
    relative = (1 + of_third / np.log(3)) / 2  # the first query has but one key: no share
    assert found["relative entropy"] == pytest.approx(relative)
    assert found["even distance"] == pytest.approx((0 + 0.5 + 1) / 3)


def test_sentences_count_by_their_queries_and_heads_apart():
    weights = np.zeros((2, 2, 3, 3))
    weights[0, :, :3, :3] = np.eye(3)
    weights[1, 0, 0, 0] = 1
    weights[1, 1, 0, 1] = 1
    found = profile(weights, np.array([3, 1]), np.array([3, 2]), causal=False)
    assert found["head"].tolist() == [1, 2]
    assert found["distance"].tolist() == [0, 0.25]
    assert found["last"].tolist() == [0.25, 0.5]


def test_even_weights_have_all_the_entropy_there_is():
    assert entropy(np.full((2, 5), 0.2)) == pytest.approx(np.log(5))
    found = of(np.full((1, 1, 3, 3), 1 / 3))
    assert found["relative entropy"] == pytest.approx(1)
    assert found["distance"] == pytest.approx(found["even distance"])


def test_profiles_of_a_run_are_those_of_its_weights_in_any_batches(run):
    pairs = [("the cat sat on the mat", "die Katze saß"), ("the dog", "der Hund auf der Matte")]
    batch = batch_of(run.vocabulary, pairs)
    weights = attention_weights(run.model, run.params, batch)
    source, target = ((of > 0).sum(1) for of in (batch.source_segments, batch.target_segments))
    axes = {"encoder": (source, source), "decoder": (target, target), "cross": (target, source)}
    table = profiles(run, pairs, pairs_at_once=1)
    assert table["kind"].tolist() == ["encoder"] * 2 + ["decoder"] * 2 + ["cross"] * 2
    for kind, (queries, keys) in axes.items():
        expected = profile(weights[Site(kind, 0)], queries, keys, causal=kind == "decoder")
        found = table[table["kind"] == kind].drop(columns=["kind", "layer"])
        pd.testing.assert_frame_equal(found.reset_index(drop=True), expected, rtol=1e-4)


def test_no_pairs_are_refused(run):
    with pytest.raises(ValueError, match="at least one sentence pair"):
        profiles(run, [])
