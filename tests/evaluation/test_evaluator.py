import functools

import jax
import numpy as np
import pytest

from experiment.data import TokenIds, evaluation_batches
from experiment.evaluation import Evaluator, perplexity, task_of, translation_scores
from experiment.training import evaluation_step, loss_of
from tests.evaluation.random_model import MODEL, params, translator
from tests.made_up import config, vocabulary

STEP = functools.partial(evaluation_step, loss_fn=loss_of(MODEL, 0.1))
TOKENS = {"tokenizer": "moses", "language": "de"}
PAIRS = [
    ("the cat", "die Katze"),
    ("the mat", "die Matte"),
    ("on the mat", "auf der Matte"),
    ("", ""),
    ("sat", "saß"),
]


@pytest.fixture(scope="module")
def evaluator():
    return Evaluator(translator(), STEP, vocabulary(), (16,), 4, task_of(config()))


def test_scores_are_those_of_the_translations_and_of_the_references(evaluator):
    scores, translations = evaluator.score(params(), PAIRS)
    sources, targets = map(list, zip(*PAIRS, strict=True))
    assert translations == translator().best(params(), sources)
    expected = translation_scores(translations, targets, **TOKENS)
    assert {name: scores[name] for name in expected} == expected
    ids = TokenIds.from_lists(vocabulary().encode_all(sources), vocabulary().encode_all(targets))
    batches = evaluation_batches(ids, bucket_lengths=(16,), sentences_per_batch=5)
    likelihood = perplexity(jax.jit(STEP), params(), batches)
    np.testing.assert_allclose(scores["nll"], likelihood["nll"], rtol=1e-5)
    np.testing.assert_allclose(scores["perplexity"], likelihood["perplexity"], rtol=1e-5)


def test_only_the_first_are_translated_but_all_count_for_perplexity(evaluator):
    whole, _ = evaluator.score(params(), PAIRS)
    part, translations = evaluator.score(params(), PAIRS, translated=2)
    assert translations == evaluator.score(params(), PAIRS)[1][:2]
    assert part["nll"] == whole["nll"]


def test_zero_means_all(evaluator):
    assert evaluator.scores(params(), PAIRS, translated=0) == evaluator.scores(params(), PAIRS)


def test_parameters_on_the_host_give_the_same(evaluator):
    on_host = jax.device_get(params())
    assert evaluator.scores(on_host, PAIRS) == evaluator.scores(params(), PAIRS)
