import jax
import jax.numpy as jnp
import numpy as np

from model.decoding import IMPOSSIBLE, greedy_search
from tests.decoding.history_model import BOS, EOS, IDS, PAD, WORDS, V, found, history_model

B, L = 5, 11
SENTENCES = np.array([17, 290, 503, 641, 877], np.int32)
LIMITS = np.array([7, 0, 11, 1, 4], np.int32)
FULL = np.full(B, L, np.int32)


@jax.jit
def greedy(model, limits, sentences=SENTENCES):
    return greedy_search(model.step, model.start(sentences, 1), limits, max_length=L, **IDS)


def greedy_by_hand(model, sentence, limit):
    tokens = []
    while len(tokens) < limit and EOS not in tokens:
        after = model.log_probs(sentence, tokens)
        allowed = [EOS] if len(tokens) + 1 == limit else [EOS, *WORDS]
        tokens.append(max(allowed, key=lambda token: after[token]))
    return tokens


def test_greedy_takes_the_best_token_each_time():
    for seed in range(8):
        model = history_model(seed, {EOS: -1.0})
        hypotheses = greedy(model, LIMITS)
        for b, sentence in enumerate(SENTENCES):
            tokens = greedy_by_hand(model, sentence, LIMITS[b])
            assert hypotheses.tokens[b, 0].tolist() == tokens + [PAD] * (L - len(tokens))
            assert hypotheses.lengths[b, 0] == len(tokens)


def test_score_is_the_log_probability_of_the_returned_tokens():
    model = history_model(0, {PAD: 5.0, BOS: 5.0})
    # Padding is likely and never produced: its probability is not given to the others.

    hypotheses = greedy(model, FULL)
    expected = [[model.log_prob(s, found(hypotheses, b)[0])] for b, s in enumerate(SENTENCES)]
    np.testing.assert_allclose(hypotheses.log_probs, expected, rtol=1e-5)
    np.testing.assert_array_equal(hypotheses.scores, hypotheses.log_probs)


def test_every_sentence_ends_in_eos_at_its_limit_where_it_would_not_by_itself():
    hypotheses = greedy(history_model(1, {EOS: -50.0}), LIMITS)
    np.testing.assert_array_equal(hypotheses.lengths[:, 0], LIMITS)
    for b in (0, 2, 3, 4):
        assert found(hypotheses, b)[0].index(EOS) == LIMITS[b] - 1


def test_padding_sentence_gives_an_empty_hypothesis():
    hypotheses = greedy(history_model(2), LIMITS)
    assert hypotheses.lengths[1, 0] == 0
    assert hypotheses.scores[1, 0] == hypotheses.log_probs[1, 0] == IMPOSSIBLE
    assert np.all(hypotheses.tokens[1] == PAD)


def test_sentences_do_not_depend_on_their_batch():
    model = history_model(3)
    together = greedy(model, LIMITS)
    for b in range(B):
        alone = greedy(model, LIMITS[b : b + 1], SENTENCES[b : b + 1])
        np.testing.assert_array_equal(alone.tokens[0], together.tokens[b])
        np.testing.assert_allclose(alone.scores[0], together.scores[b], rtol=1e-6)


def test_loop_takes_as_many_steps_as_the_longest_has_tokens():
    model, calls = history_model(4), []

    def step(tokens, parents, cache):
        jax.debug.callback(lambda: calls.append(1))
        return model.step(tokens, parents, cache)

    cache = model.start(SENTENCES, 1)
    hypotheses = greedy_search(step, cache, jnp.full(B, 101), max_length=101, **IDS)
    jax.effects_barrier()
    assert len(calls) == hypotheses.lengths.max() < 101


def test_end_of_probability_zero_gives_no_nan_and_no_hypothesis():
    hypotheses = greedy(history_model(5, {EOS: -np.inf, 3: -np.inf}), FULL)
    assert np.all(hypotheses.scores == IMPOSSIBLE)
    assert np.all(hypotheses.lengths == 0)


def test_half_precision_logits_are_normalised_in_float32():
    logits = jnp.zeros((B, 1, V), jnp.bfloat16)
    hypotheses = greedy_search(
        lambda tokens, parents, cache: (logits, cache), None, jnp.array(FULL), max_length=L, **IDS
    )
    np.testing.assert_allclose(hypotheses.log_probs, -np.log(V), rtol=1e-6)
