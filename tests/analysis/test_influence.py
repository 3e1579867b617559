import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiment.analysis.attention import words_of
from experiment.analysis.embedded import at_embeddings
from experiment.analysis.influence import influence
from experiment.analysis.influence.jacobian import squared_jacobian
from experiment.analysis.plots import draw_influence
from experiment.data import train_vocabulary
from model.transformer import one_sentence_a_row
from tests.analysis.untrained import untrained
from tests.analysis.viewer.tiny import tiny_run

SENTENCE = "the cat sat on the mat on the cat"


@pytest.mark.parametrize("system", ["transformer", "recurrent", "convolutional"])
def test_shares_are_of_each_word_of_the_sentence(system):
    seen = influence(untrained(system=system), SENTENCE)
    assert seen.words == SENTENCE.split()
    assert seen.shares.shape == (9, 9)
    np.testing.assert_allclose(seen.shares.sum(axis=1), 1.0, rtol=1e-6)


def test_convolution_sees_its_kernel_and_nothing_else():
    run = untrained(system="convolutional", num_layers=1, kernel_width=3)
    seen = influence(run, "a b c d e f")  # a piece or more each
    apart = np.abs(np.subtract.outer(np.arange(6), np.arange(6)))
    assert (seen.shares[apart > 1] == 0).all() and (seen.shares[apart == 0] > 0).all()


def test_attention_sees_every_word_in_one_layer():
    assert (influence(untrained(num_layers=1), SENTENCE).shares > 0).all()


def test_shares_are_those_of_small_random_changes():
    """The mean square of what random changes of one word do is its part of the Jacobian."""
    run, random = untrained(), np.random.default_rng(0)
    ids = run.vocabulary.encode("the cat sat")
    spans = [word[1:] for word in words_of(run.vocabulary.pieces(ids[:-1]))]
    source = one_sentence_a_row(jnp.asarray([ids], jnp.int32))

    @jax.jit
    @jax.vmap
    def outputs(moved):
        with at_embeddings((source,), lambda side, embedded: embedded + moved):
            variables = {"params": run.params}
            return run.model.apply(variables, source, deterministic=True, method="encode")[0]

    squares = np.zeros((3, 3))
    for word, (begin, end) in enumerate(spans):
        moved = np.zeros((500, 1, len(ids), run.config.model.d_model), np.float32)
        moved[:, 0, begin:end] = 1e-2 * random.normal(size=moved[:, 0, begin:end].shape)
        change = np.square(outputs(moved) - outputs(-moved)).sum(axis=(0, 2))
        squares[:, word] = [change[a:b].sum() for a, b in spans]
    estimated = squares / squares.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(influence(run, "the cat sat").shares, estimated, atol=0.03)


def test_sentence_without_a_word_is_refused():
    with pytest.raises(ValueError, match="must have a word"):
        influence(untrained(), " ")


def test_sentence_is_read_as_its_task_reads_it_and_marks_are_no_words():
    run = tiny_run("encoder_only")
    assert influence(run, "the cat sat").words == ["the", "cat", "sat"]
    ids = run.vocabulary.encode(run.task.read("the cat sat"))
    spans = [word[1:] for word in words_of(run.vocabulary.pieces(ids[:-1]))][1:]
    start = jnp.zeros((len(ids), run.config.model.d_model))
    squares = squared_jacobian(run.params, jnp.asarray([ids]), start, model=run.model)
    sums = np.array([[squares[a:b, c:d].sum() for c, d in spans] for a, b in spans])
    expected = sums / sums.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(influence(run, "the cat sat").shares, expected, rtol=1e-5)


def test_punctuation_stands_for_itself():
    vocabulary = train_vocabulary(["the cat, the mat, the cat sat."], 300)
    run = dataclasses.replace(untrained(), vocabulary=vocabulary)
    assert influence(run, "the cat, kö.").words == ["the", "cat", ",", "kö", "."]


def test_another_sentence_of_the_same_length_is_not_compiled_for():
    run = untrained()
    influence(run, "the cat sat")
    before = squared_jacobian._cache_size()
    influence(run, "sat cat the")
    assert squared_jacobian._cache_size() == before


def test_a_model_without_an_encoder_is_refused():
    with pytest.raises(ValueError, match=r"must have an encoder; DecoderOnly has none\. Take"):
        influence(untrained(system="decoder_only"), SENTENCE)


def test_figure_has_a_panel_for_each_system():
    seen = influence(untrained(), "the cat")
    figure = draw_influence({"one": seen, "two": seen})
    titles = [axis.get_title() for axis in figure.axes if axis.get_title()]
    assert titles == ["one", "two"]
