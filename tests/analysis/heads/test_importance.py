import numpy as np
import pandas as pd
import pytest

from experiment.analysis.heads import Losses, importance, prune, rank_correlation
from experiment.analysis.sites import at, with_gates
from tests.analysis.heads.tiny import PAIRS, run

HALF = 2e-3  # of the step of a finite difference


@pytest.fixture(scope="module")
def table():
    return importance(run(), PAIRS)


def test_importance_is_the_mean_of_what_each_sentence_says(table):
    """A sentence's |d loss / d gate| by a central difference, of losses of that sentence alone."""
    expected, tokens = np.zeros(2), 0
    for pair in PAIRS:
        losses = Losses(run(), [pair], tokens_per_batch=40)
        for number, index in enumerate((2, 9)):
            head = losses.heads[index]
            gate = np.array(at(losses.gates, head.site)["heads"])
            ends = []
            for step in (HALF, -HALF):
                moved = gate.copy()
                moved[head.number] += step
                ends.append(losses.of(with_gates(losses.gates, {head.site: moved})))
            slope = (ends[0] - ends[1]) / (2 * HALF)
            expected[number] += abs(slope) * losses.packed.tokens
        tokens += losses.packed.tokens
    np.testing.assert_allclose(table["importance"][[2, 9]], expected / tokens, rtol=0.02)


def test_normalised_importance_has_length_one_in_each_attention(table):
    normalised = importance(run(), PAIRS, normalised=True)
    squares = normalised["importance"].to_numpy().reshape(6, 2) ** 2
    np.testing.assert_allclose(squares.sum(1), 1, rtol=1e-5)
    shares = table["importance"].to_numpy().reshape(6, 2)
    ratio = normalised["importance"].to_numpy().reshape(6, 2) / shares
    np.testing.assert_allclose(ratio[:, 0], ratio[:, 1], rtol=1e-5)


def test_rank_correlation_is_of_ranks_and_not_of_values():
    one = pd.Series([1.0, 2.0, 3.0, 1e9])
    assert rank_correlation(one, pd.Series([0.1, 0.2, 0.3, 0.4])) == pytest.approx(1)
    assert rank_correlation(one, pd.Series([4.0, 3.0, 2.0, 1.0])) == pytest.approx(-1)
    # 1 - 6 * sum of d^2 / (n (n^2 - 1)), with d^2 of 1, 1, 0, 0.
    assert rank_correlation(one, pd.Series([2.0, 1.0, 3.0, 4.0])) == pytest.approx(0.8)


@pytest.fixture(scope="module")
def pruned():
    return prune(run(), PAIRS, at_most=3, sentences=2, bleu_every=2)


def test_none_removed_is_the_whole_model():
    none = prune(run(), PAIRS, at_most=0)
    assert list(none["order"]) == ["greedy", "importance"]
    assert list(none["removed"]) == [0, 0]
    assert none["loss"].nunique() == 1


def test_first_head_to_go_is_the_least_of_the_table(pruned):
    losses = Losses(run(), PAIRS)
    found = losses.without_each()
    head = losses.heads[int(found.argmin())]
    first = pruned[pruned["order"] == "greedy"].iloc[1]
    assert tuple(first[["kind", "layer", "head"]]) == (
        *(head.site.kind, head.site.layer + 1, head.number + 1),
    )
    assert first["loss"] == pytest.approx(found.min(), rel=1e-5)


def test_each_order_begins_whole_and_removes_no_head_twice(pruned):
    whole = Losses(run(), PAIRS)
    for _, rows in pruned.groupby("order"):
        assert list(rows["removed"]) == [0, 1, 2, 3]
        assert rows["loss"].iloc[0] == pytest.approx(whole.of(whole.gates))
        assert len(rows[["kind", "layer", "head"]].drop_duplicates()) == 4
        assert list(rows["bleu"].notna()) == [True, False, True, False]


def test_other_order_is_that_of_importance(pruned, table):
    rows = pruned[pruned["order"] == "importance"].iloc[1:]
    least = table.sort_values("importance").head(3)
    assert rows[["kind", "layer", "head"]].astype(str).to_numpy().tolist() == (
        least[["kind", "layer", "head"]].astype(str).to_numpy().tolist()
    )
