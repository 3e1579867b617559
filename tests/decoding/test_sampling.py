import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from model.decoding import IMPOSSIBLE, greedy_search, kept, sample
from tests.decoding.history_model import BOS, EOS, IDS, PAD, found, history_model

SENTENCES = np.array([17, 290, 503, 641, 877], np.int32)
LIMITS = np.array([7, 0, 11, 1, 4], np.int32)
PLAIN = dict(temperature=1.0, length_penalty=0.0)
L = 11


@functools.partial(jax.jit, static_argnames=("samples", "options"))
def _sampled(model, limits, sentences, numbers, *, samples, options):
    rngs = jax.vmap(functools.partial(jax.random.fold_in, jax.random.key(0)))(numbers)
    cache, sizes = model.start(sentences, samples), dict(num_samples=samples, max_length=L)
    return sample(model.step, cache, limits, rngs, **sizes, **{**PLAIN, **dict(options)}, **IDS)


def sampled(model, limits=LIMITS, sentences=SENTENCES, numbers=None, samples=3, **options):
    numbers = np.arange(len(limits)) if numbers is None else numbers
    options = tuple(sorted(options.items()))
    return _sampled(model, limits, sentences, numbers, samples=samples, options=options)


def drawn(logits, count=20_000, **options):
    """How often each token was drawn as the first of two."""
    logits = jnp.asarray(logits, jnp.float32)

    def step(tokens, parents, cache):
        return jnp.broadcast_to(logits, (*tokens.shape, len(logits))), cache

    sizes = dict(num_samples=count, max_length=2)
    found = sample(
        step, None, jnp.array([2]), jax.random.key(3)[None], **sizes, **{**PLAIN, **options}, **IDS
    )
    tokens = np.asarray(found.tokens)[0, :, 0]
    return np.bincount(tokens, minlength=len(logits)) / count


LOGITS = np.array([4.0, 4.0, 0.0, 1.0, 2.0, -1.0, 0.5])  # of padding, BOS, EOS and four words


@pytest.mark.parametrize(
    ("options", "allowed"),
    [
        ({}, range(2, 7)),
        ({"temperature": 2.0, "top_k": 3}, (3, 4, 6)),
        ({"top_p": 0.8}, (3, 4, 6)),
    ],
    ids=str,
)
def test_tokens_are_drawn_as_often_as_the_softmax_says(options, allowed):
    weights = np.zeros(7)
    weights[list(allowed)] = np.exp(LOGITS[list(allowed)] / options.get("temperature", 1.0))
    expected, count = weights / weights.sum(), 20_000
    frequencies = drawn(LOGITS, count, **options)
    assert (frequencies[expected == 0] == 0).all()
    deviations = np.sqrt(expected * (1 - expected) / count)
    assert (np.abs(frequencies - expected) < 5 * deviations + 1e-9).all()


def test_the_kept_are_the_fewest_that_are_probable_enough(rng):
    logits = jax.random.normal(rng, (40, 30)) * 3
    probabilities = np.asarray(jax.nn.softmax(logits))
    for top_p in (0.1, 0.5, 0.99):
        for row, mask in zip(
            probabilities, np.asarray(kept(logits, top_k=0, top_p=top_p)), strict=True
        ):
            assert row[mask].sum() >= top_p - 1e-5
            assert row[mask].sum() - row[mask].min() < top_p + 1e-5  # one fewer is not enough
            assert row[mask].min() >= row[~mask].max()
    assert (kept(logits, top_k=7, top_p=1.0).sum(-1) == 7).all()
    assert kept(jnp.zeros((1, 5)), top_k=2, top_p=1.0).tolist() == [[True, True] + [False] * 3]


@pytest.mark.parametrize("options", [{"top_k": 1}, {"top_p": 1e-6}], ids=str)
def test_the_likeliest_alone_is_greedy_search(options):
    model = history_model(0, {EOS: -1.0})
    search = functools.partial(greedy_search, model.step, max_length=L, **IDS)
    greedy = jax.jit(search)(model.start(SENTENCES, 1), LIMITS)
    samples = sampled(model, samples=1, **options)
    np.testing.assert_array_equal(samples.tokens, greedy.tokens)
    np.testing.assert_allclose(samples.log_probs, greedy.log_probs, rtol=1e-6)


def test_log_probabilities_are_the_models_own_and_best_first():
    model = history_model(1, {PAD: 3.0, BOS: 3.0})
    samples = sampled(model, temperature=1.5, top_k=3, length_penalty=0.6)
    for b, sentence in enumerate(SENTENCES):
        texts = found(samples, b)
        assert len(texts) == (3 if LIMITS[b] else 0)
        for m, tokens in enumerate(texts):
            assert tokens[-1] == EOS
            assert len(tokens) <= LIMITS[b]
            log_prob = model.log_prob(sentence, tokens)
            np.testing.assert_allclose(samples.log_probs[b, m], log_prob, rtol=1e-5)
            score = log_prob / ((5 + len(tokens)) / 6) ** 0.6
            np.testing.assert_allclose(samples.scores[b, m], score, rtol=1e-5)
    assert (np.diff(samples.scores, axis=1) <= 0).all()
    assert (samples.scores[1] == IMPOSSIBLE).all()


def test_samples_depend_on_their_key_alone():
    model = history_model(2)
    together = sampled(model)
    np.testing.assert_array_equal(together.tokens, sampled(model).tokens)
    order = np.array([3, 0, 4, 2, 1])
    turned = sampled(model, LIMITS[order], SENTENCES[order], order)
    np.testing.assert_array_equal(turned.tokens, together.tokens[order])
    fewer = found(sampled(model, samples=1), 2)
    assert fewer[0] in found(together, 2)
    others = sampled(model, numbers=np.arange(5) + 5)
    assert (others.tokens != together.tokens).any()


def test_samples_of_one_sentence_are_unlike_each_other():
    samples = found(sampled(history_model(3, {EOS: -1.0}), samples=8), 2)
    assert len({tuple(tokens) for tokens in samples}) == 8


def test_end_of_probability_zero_gives_no_nan_and_no_hypothesis():
    samples = sampled(history_model(5, {EOS: -np.inf, 3: -np.inf}))
    assert (samples.scores == IMPOSSIBLE).all()
    assert (samples.lengths == 0).all()
