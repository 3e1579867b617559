from functools import partial
from itertools import product

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from model.decoding import IMPOSSIBLE, beam_search, greedy_search, length_penalty
from model.decoding.beam import best_continuations
from tests.decoding.history_model import BOS, EOS, IDS, PAD, WORDS, V, found, history_model

B, M, L = 5, 3, 11
SENTENCES = np.array([17, 290, 503, 641, 877], np.int32)
LIMITS = np.array([7, 0, 11, 1, 4], np.int32)
FULL = np.full(B, L, np.int32)


@partial(jax.jit, static_argnames=("max_length", "beam_size", "alpha"))
def beam(model, limits, sentences=SENTENCES, *, max_length=L, beam_size=M, alpha=0.6):
    cache = model.start(sentences, beam_size)
    widths = {"max_length": max_length, "beam_size": beam_size}
    return beam_search(model.step, cache, limits, length_penalty=alpha, **widths, **IDS)


def score(log_prob, length, alpha=0.6):
    return log_prob / ((5 + length) / 6) ** alpha


def beam_by_hand(model, sentence, limit, alpha=0.6):
    """The search in lists: (score, tokens) of each hypothesis, best first, and steps taken."""
    live, finished, steps = [(0.0, [])], [], 0
    while steps < limit:
        if len(finished) == M and finished[-1][0] >= score(live[0][0], steps, alpha):
            break
        steps += 1
        continuations = []
        for log_prob, tokens in live:
            after = model.log_probs(sentence, tokens)
            allowed = [EOS] if steps == limit else [EOS, *WORDS]
            continuations += [(log_prob + after[token], [*tokens, token]) for token in allowed]
        best = sorted(continuations, reverse=True)[: 2 * M]
        ended = [(score(p, steps, alpha), tokens) for p, tokens in best[:M] if tokens[-1] == EOS]
        finished = sorted(finished + ended, reverse=True)[:M]
        live = [(p, tokens) for p, tokens in best if tokens[-1] != EOS][:M]
    return finished, steps


def test_beam_as_wide_as_the_space_finds_every_sequence_in_order():
    model, sentence, longest = history_model(0), 17, 4
    sequences = [[*words, EOS] for n in range(longest) for words in product(WORDS, repeat=n)]
    scores = [score(model.log_prob(sentence, s), len(s)) for s in sequences]
    order = np.argsort(scores)[::-1]
    widths = {"max_length": longest, "beam_size": len(sequences)}
    hypotheses = beam(model, np.array([longest]), np.array([sentence]), **widths)
    assert found(hypotheses, 0) == [sequences[i] for i in order]
    np.testing.assert_allclose(hypotheses.scores[0], np.array(scores)[order], rtol=1e-5)


@pytest.mark.parametrize("eos_bias", [-2.0, 0.0, 2.0])
def test_beam_is_the_search_written_in_lists(eos_bias):
    for seed in range(4):
        model = history_model(seed, {EOS: eos_bias})
        hypotheses = beam(model, LIMITS)
        for b in range(B):
            expected, _ = beam_by_hand(model, SENTENCES[b], LIMITS[b])
            assert found(hypotheses, b) == [tokens for _, tokens in expected]
            scores = [score for score, _ in expected]
            np.testing.assert_allclose(hypotheses.scores[b, : len(scores)], scores, rtol=1e-5)


def test_poor_early_endings_do_not_end_the_search_for_a_confident_hypothesis():
    # Almost certain of 3 3 3 3 EOS; at every step the next best thing is to end, very unlikely.
    probabilities = np.full((L, V), 1e-7, np.float32)
    probabilities[:4, EOS], probabilities[:4, 3], probabilities[4:, EOS] = 1e-3, 0.99, 0.99
    logits = jnp.log(probabilities / probabilities.sum(1, keepdims=True))

    def step(tokens, parents, position):
        shape = (*tokens.shape, V)
        return jnp.broadcast_to(logits[position][None, None, :], shape), position + 1

    limit, widths = jnp.array([L]), {"max_length": L, "beam_size": 2}
    hypotheses = beam_search(step, jnp.int32(0), limit, length_penalty=0.6, **widths, **IDS)
    assert found(hypotheses, 0)[0] == [3, 3, 3, 3, EOS]


def test_beam_of_one_is_greedy_search():
    @jax.jit
    def greedy(model):
        cache = model.start(SENTENCES, 1)
        return greedy_search(model.step, cache, jnp.array(LIMITS), max_length=L, **IDS)

    for seed in range(50):
        model = history_model(seed, {EOS: -1.0})
        one, other = beam(model, LIMITS, beam_size=1, alpha=0.0), greedy(model)
        np.testing.assert_array_equal(one.tokens, other.tokens)
        np.testing.assert_array_equal(one.lengths, other.lengths)
        np.testing.assert_allclose(one.log_probs, other.log_probs, rtol=1e-5)
        np.testing.assert_allclose(one.scores, other.scores, rtol=1e-5)


def test_hypotheses_are_distinct_and_sorted():
    hypotheses = beam(history_model(1), FULL)
    assert np.all(np.diff(hypotheses.scores) <= 0)
    for b in range(B):
        assert len({tuple(tokens) for tokens in found(hypotheses, b)}) == M


def test_log_probs_are_those_of_the_returned_tokens():
    # The states of this model come from `parents` alone: with wrong ones, these numbers differ.
    model = history_model(2)
    hypotheses = beam(model, FULL)
    for b, sentence in enumerate(SENTENCES):
        expected = [model.log_prob(sentence, tokens) for tokens in found(hypotheses, b)]
        np.testing.assert_allclose(hypotheses.log_probs[b], expected, rtol=1e-5)
    expected = score(hypotheses.log_probs, hypotheses.lengths)
    np.testing.assert_allclose(hypotheses.scores, expected, rtol=1e-6)


def test_likely_padding_and_bos_are_never_produced_and_keep_their_probability():
    model = history_model(3, {PAD: 5.0, BOS: 5.0})
    hypotheses = beam(model, FULL)
    for b, sentence in enumerate(SENTENCES):
        assert all(set(tokens) <= {EOS, *WORDS} for tokens in found(hypotheses, b))
        expected = [model.log_prob(sentence, tokens) for tokens in found(hypotheses, b)]
        np.testing.assert_allclose(hypotheses.log_probs[b], expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("length", "alpha", "expected"),
    [(1, 0.6, 1.0), (7, 1.0, 2.0), (7, 0.5, 2**0.5), (49, 2.0, 81.0), (49, 0.0, 1.0)],
)
def test_length_penalty_has_the_value_of_its_equation(length, alpha, expected):
    np.testing.assert_allclose(length_penalty(jnp.array(length), alpha), expected, rtol=1e-6)


@pytest.mark.parametrize(("alpha", "best"), [(0.0, [EOS]), (2.0, [3, EOS])])
def test_larger_length_penalty_prefers_the_longer(alpha, best):
    # P(EOS) = 0.4 is more than P(3) P(EOS | 3) = 0.36, but log 0.36 / (7/6)^2 beats log 0.4.
    probabilities = np.full((V, V), 1e-30, np.float32)
    probabilities[BOS, [EOS, 3]] = 0.4, 0.6
    probabilities[3, [EOS, 4]] = 0.6, 0.4
    probabilities[4, EOS] = 1.0
    logits = jnp.log(probabilities)
    hypotheses = beam_search(
        lambda tokens, parents, cache: (logits[tokens], cache),
        None,
        jnp.array([L]),
        max_length=L,
        beam_size=2,
        length_penalty=alpha,
        **IDS,
    )
    assert found(hypotheses, 0)[0] == best


def test_every_hypothesis_ends_in_eos_at_its_limit_where_it_would_not_by_itself():
    hypotheses = beam(history_model(4, {EOS: -50.0}), LIMITS)
    # One token is EOS, so there is one hypothesis; otherwise as many as the beam is wide.
    np.testing.assert_array_equal(
        hypotheses.lengths, [[7, 7, 7], [0, 0, 0], [11, 11, 11], [1, 0, 0], [4, 4, 4]]
    )
    for b in range(B):
        assert all(tokens.index(EOS) == len(tokens) - 1 for tokens in found(hypotheses, b))


def test_limits_above_the_width_of_the_result_are_cut():
    model = history_model(4, {EOS: -50.0})
    wide, cut = beam(model, FULL + 6, max_length=7), beam(model, FULL - 4, max_length=7)
    jax.tree.map(np.testing.assert_array_equal, wide, cut)
    assert wide.tokens.shape == (B, M, 7)


def test_places_without_a_hypothesis_are_empty():
    # With one possible word there are two sequences of up to two tokens. The beam is wider than
    # the vocabulary, so that impossible hypotheses get as far as their EOS.
    model = history_model(5, dict.fromkeys([4, 5, 6], -np.inf))
    limits = np.array([0, 2, 0, 2, 0], np.int32)
    hypotheses = beam(model, limits, beam_size=11)
    empty = np.asarray(hypotheses.lengths) == 0
    np.testing.assert_array_equal(empty, [[n == 0 or m >= 2 for m in range(11)] for n in limits])
    assert np.all(np.asarray(hypotheses.tokens)[empty] == PAD)
    assert np.all(np.asarray(hypotheses.scores)[empty] == IMPOSSIBLE)
    assert np.all(np.asarray(hypotheses.log_probs)[empty] == IMPOSSIBLE)


def test_tokens_after_eos_are_padding():
    hypotheses = beam(history_model(6), FULL)
    after = np.arange(L)[None, None, :] >= np.asarray(hypotheses.lengths)[:, :, None]
    assert np.all((np.asarray(hypotheses.tokens) == PAD) == after)


def test_sentences_do_not_depend_on_their_batch():
    # Many models: of a search that settles and unsettles again, one in hundreds shows it.
    for seed in range(60):
        model = history_model(seed, {EOS: 1.0})
        together = beam(model, FULL)
        for b in range(B):
            alone = beam(model, FULL[b : b + 1], SENTENCES[b : b + 1])
            np.testing.assert_array_equal(alone.tokens[0], together.tokens[b])
            np.testing.assert_allclose(alone.scores[0], together.scores[b], rtol=1e-6)


def test_models_can_be_searched_in_one_vmap():
    models = [history_model(seed) for seed in range(2)]
    stacked = jax.tree.map(lambda *tables: np.stack(tables), *models)
    together = jax.vmap(lambda model: beam(model, LIMITS))(stacked)
    for i, model in enumerate(models):
        np.testing.assert_array_equal(together.tokens[i], beam(model, LIMITS).tokens)


@pytest.mark.parametrize("eos_bias", [2.0, 4.0])
def test_loop_ends_with_the_last_sentence(eos_bias):
    model, calls = history_model(8, {EOS: eos_bias}), []

    def step(tokens, parents, cache):
        jax.debug.callback(lambda: calls.append(1))
        return model.step(tokens, parents, cache)

    widths = {"max_length": 101, "beam_size": M}
    cache = model.start(SENTENCES, M)
    jax.block_until_ready(
        beam_search(step, cache, jnp.full(B, 101), length_penalty=0.6, **widths, **IDS)
    )
    jax.effects_barrier()
    assert len(calls) == max(beam_by_hand(model, sentence, 101)[1] for sentence in SENTENCES) < 101


def test_batch_of_padding_takes_no_step():
    def step(tokens, parents, cache):
        jax.debug.callback(lambda: pytest.fail("a step was taken"))
        return jnp.zeros((B, M, V)), cache

    hypotheses = beam_search(
        step, None, jnp.zeros(B, int), max_length=L, beam_size=M, length_penalty=0.6, **IDS
    )
    jax.effects_barrier()
    assert np.all(hypotheses.lengths == 0)


def test_tokens_of_probability_zero_give_no_nan_and_no_hypothesis():
    biases = dict.fromkeys([EOS, 3, 4, 5], -np.inf)
    hypotheses = beam(history_model(9, biases), FULL)
    assert np.all(hypotheses.scores == IMPOSSIBLE)
    assert np.all(hypotheses.log_probs == IMPOSSIBLE)


@pytest.mark.parametrize("vocab_size", [5, 64, 67, 131])
def test_best_continuations_are_the_best_of_all(vocab_size):
    values = np.random.default_rng(0)
    logits = values.normal(size=(B, M, vocab_size)).astype(np.float32)
    logits[0, :, :-1] = IMPOSSIBLE  # fewer that are possible than asked for
    offsets = 3 * values.normal(size=(B, M)).astype(np.float32)
    everything = (logits + offsets[:, :, None]).reshape(B, -1)
    tokens, parents, sums = jax.jit(best_continuations)(jnp.asarray(logits), jnp.asarray(offsets))
    np.testing.assert_array_equal(sums, np.sort(everything)[:, : -2 * M - 1 : -1])
    where = np.asarray(parents) * vocab_size + np.asarray(tokens)
    np.testing.assert_array_equal(np.take_along_axis(everything, where, axis=1), sums)
    assert all(len(set(row)) == 2 * M for row in where)
    assert np.all(np.asarray(tokens) < vocab_size)
