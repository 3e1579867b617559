import functools
import math

import jax
import jax.numpy as jnp
import numpy as np

from experiment.data import TokenIds, evaluation_batches
from experiment.evaluation import perplexity
from experiment.training import Sums, batch_loss, evaluation_step
from tests.made_up import bigram

V = 7


STEP = jax.jit(
    functools.partial(
        evaluation_step,
        loss_fn=functools.partial(batch_loss, apply_fn=bigram, label_smoothing=0.1),
    )
)
TARGETS = [[3, 4, 2], [5, 2], [6, 6, 6, 6, 2], [2]]


def batches(*, rows, length=8):
    ids = TokenIds.from_lists([[4, 2] for _ in TARGETS], TARGETS)
    return evaluation_batches(ids, bucket_lengths=(length,), sentences_per_batch=rows)


def test_model_that_knows_nothing_is_as_perplexed_as_there_are_pieces():
    found = perplexity(STEP, {"table": jnp.zeros((V, V))}, batches(rows=4))
    np.testing.assert_allclose(found["perplexity"], V, rtol=1e-6)
    np.testing.assert_allclose(found["nll"], math.log(V), rtol=1e-6)


def test_perplexity_is_that_of_the_tokens_one_by_one(rng):
    table = jax.random.normal(rng, (V, V))
    log_probs = np.asarray(jax.nn.log_softmax(table))
    nll = [
        -log_probs[before, label]
        for target in TARGETS
        for before, label in zip([1, *target], target, strict=False)
    ]
    found = perplexity(STEP, {"table": table}, batches(rows=4))
    np.testing.assert_allclose(found["nll"], np.mean(nll), rtol=1e-6)
    np.testing.assert_allclose(found["perplexity"], math.exp(np.mean(nll)), rtol=1e-6)


def test_how_sentences_fall_on_batches_does_not_matter(rng):
    params = {"table": jax.random.normal(rng, (V, V))}
    whole = perplexity(STEP, params, batches(rows=4))
    for rows, length in [(1, 5), (3, 8)]:
        parts = perplexity(STEP, params, batches(rows=rows, length=length))
        np.testing.assert_allclose(parts["nll"], whole["nll"], rtol=1e-6)


def test_uneven_batches_weigh_by_their_tokens():
    sums = iter([Sums(*map(jnp.float32, (0, 6, 2))), Sums(*map(jnp.float32, (0, 10, 8)))])
    (batch,) = batches(rows=4)
    found = perplexity(lambda params, batch: next(sums), {}, [batch, batch])
    assert found["nll"] == 16 / 10


def test_hopeless_model_has_a_finite_perplexity():
    (batch,) = batches(rows=4)
    hopeless = Sums(*map(jnp.float32, (0, 1e6, 1)))
    assert math.isfinite(perplexity(lambda *_: hopeless, {}, [batch])["perplexity"])
