import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiment.analysis.positions import PairScores, scorer
from experiment.data import EOS_ID, PlannedBatch, TokenIds, assemble
from experiment.evaluation import perplexity, search
from experiment.training import evaluation_step, loss_of
from tests.analysis.positions.made_up_run import run_of

SOURCES = [[270, 280, EOS_ID], [290, EOS_ID], [265, 275, 285, EOS_ID]]
LENGTH = 5


@pytest.fixture(scope="module")
def run():
    return run_of("sinusoidal")


@pytest.fixture(scope="module")
def found(run):
    """What greedy search finds, but for the end that is forced on it."""
    source = np.zeros((3, 4), np.int32)
    for row, ids in enumerate(SOURCES):
        source[row, : len(ids)] = ids
    hypotheses = search(
        run.params,
        jnp.asarray(source),
        jnp.full(3, LENGTH),
        jnp.arange(3),
        max_length=LENGTH,
        model=run.model,
        config=dataclasses.replace(run.config.decode, beam_size=1),
    )
    lengths = np.asarray(hypotheses.lengths[:, 0])
    return [
        tokens[: n - 1].tolist() for tokens, n in zip(hypotheses.tokens[:, 0], lengths, strict=True)
    ]


def batch_of_ids(targets):
    ids = TokenIds.from_lists(SOURCES, targets)
    return assemble(ids, PlannedBatch(8, np.arange(3), np.arange(4)))


def test_what_greedy_search_finds_is_exact(run, found):
    scores = scorer(run.model)(run.params, batch_of_ids(found))
    np.testing.assert_array_equal(scores.exact, [True, True, True])
    np.testing.assert_array_equal(scores.tokens, [len(target) for target in found])


def test_what_it_does_not_find_is_not(run, found):
    for place in range(len(found[1])):
        other = [*found[1][:place], (found[1][place] + 1) % 300, *found[1][place + 1 :]]
        scores = scorer(run.model)(run.params, batch_of_ids([found[0], other, found[2]]))
        np.testing.assert_array_equal(scores.exact, [True, False, True])


def test_loss_is_that_of_evaluation(run, found):
    batch, loss_fn = batch_of_ids(found), loss_of(run.model, 0.1)
    sums = evaluation_step(run.params, batch, loss_fn=loss_fn)
    means = scorer(run.model)(run.params, batch).means()
    assert means["nll"] == pytest.approx(float(sums.nll / sums.tokens), rel=1e-5)
    assert perplexity(lambda params, batch: sums, None, [batch])["nll"] == pytest.approx(
        means["nll"], rel=1e-5
    )


def test_means_are_over_tokens_and_over_pairs():
    scores = PairScores(np.array([1.0, 5.0]), np.array([1.0, 2.0]), np.array([True, False]))
    assert scores.means() == {"nll": 2.0, "exact": 0.5}


def test_many_pairs_are_scored_as_few(run, found):
    batch = batch_of_ids(found)
    many = jax.tree.map(lambda side: np.tile(side, (30, 1)), batch)
    few, all_of_them = (scorer(run.model)(run.params, each) for each in (batch, many))
    np.testing.assert_allclose(all_of_them.nll, np.tile(few.nll, 30), rtol=1e-5)
