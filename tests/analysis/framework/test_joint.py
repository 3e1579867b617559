"""The joint between two halves: against the loss, and against other sources."""

import functools
import pathlib

import jax
import numpy as np
import pytest

from experiment.analysis.framework import MEMORIES, joint, of_one_length
from experiment.analysis.runs import Run
from experiment.analysis.sentences import batch_of
from experiment.training import Workdir, init_params, loss_of
from model.systems import system_of
from tests import made_up

PAIRS = [("the cat", "die Katze"), ("the mat", "die Matte"), ("cat the", "auf der")]


@functools.cache
def run(path="nowhere"):
    config, vocabulary = made_up.config(), made_up.vocabulary()
    model = system_of(config.model.system_config(vocabulary.size))
    params = jax.jit(functools.partial(init_params, model))(jax.random.key(0))
    # Untrained outputs hardly depend on anything: larger parameters make them.
    params = jax.tree.map(lambda leaf: 3 * leaf, params)
    return Run(Workdir(pathlib.Path(path)), config, vocabulary, model, params, (1,), {})


@pytest.fixture(scope="module", autouse=True)
def _products_of_float32():
    """On any device: what is to be equal differs by rounding alone."""
    with jax.default_matmul_precision("highest"):
        yield


@pytest.fixture(scope="module")
def found():
    pairs = of_one_length(run().vocabulary, PAIRS, 3)
    assert pairs == PAIRS
    return joint(run(), pairs)


def test_as_it_is_it_is_the_models_own_loss(found):
    loss_fn = loss_of(run().model, 0.0)
    _, sums = loss_fn(run().params, batch_of(run().vocabulary, PAIRS), None)
    np.testing.assert_allclose(found.loc["as it is", "nll"], sums.nll / sums.tokens, rtol=1e-5)


def test_where_a_memory_stands_is_of_no_account(found):
    np.testing.assert_allclose(
        found.loc["its positions shuffled", "nll"], found.loc["as it is", "nll"], rtol=1e-4
    )
    texts = found["what is written"]
    assert texts["its positions shuffled"] == texts["as it is"]


def test_another_sentences_memory_is_as_if_that_had_been_read(found):
    exchanged = [(PAIRS[(i + 1) % 3][0], target) for i, (_, target) in enumerate(PAIRS)]
    expected = joint(run(), exchanged, {"as it is": MEMORIES["as it is"]}).loc["as it is"]
    other = found.loc["the next sentence's"]
    np.testing.assert_allclose(other["nll"], expected["nll"], rtol=1e-5)
    assert other["what is written"] == expected["what is written"]


def test_every_memory_has_its_row(found):
    assert list(found.index) == list(MEMORIES)
    assert abs(found.loc["zeros", "nll"] - found.loc["as it is", "nll"]) > 1e-3


def test_sources_of_several_lengths_are_refused_and_the_commonest_is_chosen():
    pairs = [("the cat sat on the mat", "x"), *PAIRS]
    with pytest.raises(ValueError, match="must be of one length in tokens"):
        joint(run(), pairs)
    assert of_one_length(run().vocabulary, pairs, 2) == PAIRS[:2]
