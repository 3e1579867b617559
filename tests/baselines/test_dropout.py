"""Dropout is where the papers have it, and nowhere on the way from one position to the next."""

import collections

import jax
import pytest

from model.baselines import recurrent_decoder
from model.systems import system_of
from model.transformer import dropout, one_sentence_a_row
from tests.baselines.small import CONFIGS, SOURCE, TARGET, initial

(B, S), T, D = SOURCE.shape, TARGET.shape[1], 14
OF_SOURCE, OF_TARGET, OF_A_POSITION = (B, S, D), (B, T, D), (B, 1, D)


@pytest.mark.parametrize(
    ("name", "dropped"),
    [
        # Embedded tokens and each of the encoder's outputs; embedded tokens, each of the decoder's
        # outputs, a position at a time, and what goes to the logits.
        ("recurrent", {OF_SOURCE: 1 + 3, OF_TARGET: 1 + 1, OF_A_POSITION: 3}),
        ("additive, not fed", {OF_SOURCE: 1 + 3, OF_TARGET: 1 + 3 + 1}),
        # Embedded tokens, those of the values too, and what each convolution reads; of the decoder
        # its output as well.
        ("convolutional", {OF_SOURCE: 1 + 2 + 1, OF_TARGET: 1 + 2 + 1}),
    ],
)
def test_dropout_is_where_the_papers_have_it(name, dropped, monkeypatch):
    found = collections.Counter()

    def noted(rng, inputs, rate):
        found[inputs.shape] += 1
        assert rate == 0.5
        return inputs

    monkeypatch.setattr(dropout, "dropout", noted)
    monkeypatch.setattr(recurrent_decoder, "dropout", noted)
    tokens = one_sentence_a_row(SOURCE), one_sentence_a_row(TARGET)
    rngs = {"dropout": jax.random.key(0)}
    system, variables = system_of(CONFIGS[name]), initial(CONFIGS[name])
    jax.eval_shape(lambda: system.apply(variables, *tokens, deterministic=False, rngs=rngs))
    assert found == dropped
