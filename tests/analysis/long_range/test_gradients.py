"""Gradients by distance: against finite differences, and where there can be none."""

import dataclasses
import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiment.analysis.long_range import gradient_norms, last_loss
from experiment.training import init_params
from model.baselines import ConvolutionalConfig, RecurrentConfig
from model.systems import system_of
from model.transformer import Transformer, TransformerConfig, one_sentence_a_row

CONFIG = TransformerConfig(
    vocab_size=23, d_model=8, d_ff=12, num_heads=2, num_layers=2, dropout_rate=0.5
)
SOURCE = one_sentence_a_row(jnp.array([[5, 6, 7, 8], [9, 4, 9, 5]]))
TARGET = one_sentence_a_row(jnp.array([[11, 12, 13], [14, 15, 14]]))
LABELS = jnp.array([4, 17])


# What is compiled for one call of a tiny model need not be fast: it is there in half the time.
jit = functools.partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})
loss_of = jit(functools.partial(last_loss, Transformer(CONFIG)))
gradients_of = jit(jax.grad(functools.partial(last_loss, Transformer(CONFIG))))


@functools.cache
def params():
    return jit(functools.partial(init_params, Transformer(CONFIG)))(jax.random.key(0))


def moved(source, target):
    return source * jnp.ones((2, 4, 8)), target * jnp.ones((2, 3, 8))


def test_unmoved_it_is_the_loss_of_the_last_word_only():
    apply = jit(functools.partial(Transformer(CONFIG).apply, deterministic=True))
    logits = apply({"params": params()}, SOURCE, TARGET)
    expected = -sum(jax.nn.log_softmax(logits[row, -1])[LABELS[row]] for row in range(2))
    loss = loss_of(moved(0, 0), params(), SOURCE, TARGET, LABELS)
    np.testing.assert_allclose(loss, expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("config", "side", "place"),
    [
        *((CONFIG, *where) for where in [(0, 0), (0, 3), (1, 0), (1, 2)]),
        (RecurrentConfig(vocab_size=23, d_model=8, num_layers=2, dropout_rate=0.5), 0, 1),
        (ConvolutionalConfig(vocab_size=23, d_model=8, num_layers=3, dropout_rate=0.5), 0, 1),
    ],
)
def test_gradients_are_finite_differences_of_embedded_tokens(config, side, place):
    model = system_of(config)
    values = jit(functools.partial(init_params, model))(jax.random.key(0))
    loss_of, gradients_of = (
        jit(of(functools.partial(last_loss, model))) for of in (lambda loss: loss, jax.grad)
    )
    arguments = values, SOURCE, TARGET, LABELS
    gradient = gradients_of(moved(0, 0), *arguments)[side][1, place]
    direction = np.zeros((2, moved(0, 0)[side].shape[1], 8), np.float32)
    direction[1, place] = gradient / np.linalg.norm(gradient)  # where the difference is largest
    step = 3e-3

    def at(distance):
        both = list(moved(0, 0))
        both[side] = distance * jnp.asarray(direction)
        return loss_of(tuple(both), *arguments)

    slope = (at(step) - at(-step)) / (2 * step)
    np.testing.assert_allclose(slope, np.linalg.norm(gradient), rtol=0.02)


def test_medians_are_over_sentences_and_counted_from_the_end():
    model, sizes = Transformer(CONFIG), dict(length=5, vocab_size=23, sentences=3)
    found = gradient_norms(model, params(), **sizes, seed=4)
    words = np.random.default_rng(4).integers(4, 23, (3, 3, 5))
    source, target = (one_sentence_a_row(jnp.asarray(ids, jnp.int32)) for ids in words[:2])
    zeros = (jnp.zeros((3, 5, 8)), jnp.zeros((3, 5, 8)))
    gradients = gradients_of(zeros, params(), source, target, jnp.asarray(words[2, :, -1]))
    for ours, gradient in zip(found, gradients, strict=True):
        sizes_of = np.linalg.norm(np.asarray(gradient), axis=-1)  # [sentence, place]
        expected = [sorted(sizes_of[:, 4 - k])[1] for k in range(5)]
        np.testing.assert_allclose(ours, expected, rtol=1e-4)


def test_behind_a_window_there_is_no_gradient():
    config = dataclasses.replace(CONFIG, attention_window=2)  # 1 further in each of 2 layers
    found = gradient_norms(Transformer(config), params(), length=6, vocab_size=23, sentences=4)
    assert (found.target[:3] > 0).all() and (found.target[3:] == 0).all()
    assert (found.source > 0).all()


class Reversing(nn.Module):
    """Embeds other arrays of ids than it is given."""

    def setup(self):
        self.inner = Transformer(CONFIG)

    def __call__(self, source, target_inputs, *, deterministic):
        source = source._replace(ids=source.ids[:, ::-1])
        return self.inner(source, target_inputs, deterministic=deterministic)


def test_a_model_whose_embedded_tokens_are_not_found_is_refused():
    with pytest.raises(ValueError, match="Reversing must embed the ids of source and target by"):
        gradient_norms(Reversing(), {"inner": params()}, length=4, vocab_size=23)
