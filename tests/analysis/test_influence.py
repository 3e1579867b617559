import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiment.analysis.embedded import at_embeddings
from experiment.analysis.influence import influence, word_spans
from experiment.analysis.plots import draw_influence
from model.transformer import one_sentence_a_row
from tests.analysis.untrained import untrained

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
    spans = word_spans(run.vocabulary.pieces(ids[:-1]))
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


def test_figure_has_a_panel_for_each_system():
    seen = influence(untrained(), "the cat")
    figure = draw_influence({"one": seen, "two": seen})
    titles = [axis.get_title() for axis in figure.axes if axis.get_title()]
    assert titles == ["one", "two"]
