"""A model small enough to search by hand: logits are a table, looked up by the whole history."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

PAD, BOS, EOS = 0, 1, 2
V = 7
WORDS = range(3, V)
IDS = {"bos_id": BOS, "eos_id": EOS, "pad_id": PAD}


class HistoryModel(NamedTuple):
    """`table[state]` are logits; every token read leads to another of the N states, as a hash."""

    table: np.ndarray | jax.Array  # [N, V]

    def next_state(self, state, token):
        return (31 * state + 7 * token + 1) % len(self.table)

    def start(self, sentences, beam_size):
        """The cache: one state for each hypothesis, a start of its own for each sentence."""
        states = jnp.asarray(sentences, jnp.int32)[:, None]
        return jnp.broadcast_to(states, (len(sentences), beam_size))

    def step(self, tokens, parents, cache):
        """What a search calls. Without the right parents, states and so logits are wrong."""
        cache = self.next_state(jnp.take_along_axis(cache, parents, axis=1), tokens)
        return jnp.asarray(self.table)[cache], cache

    def log_probs(self, sentence, history):
        """Log probabilities [V] of what follows a list of tokens, in numpy, without any search."""
        state = sentence
        for token in [BOS, *history]:
            state = self.next_state(state, token)
        logits = self.table[state].astype(np.float64)
        return logits - np.log(np.sum(np.exp(logits)))

    def log_prob(self, sentence, tokens):
        """The log probability of a sequence, whatever found it."""
        return sum(self.log_probs(sentence, tokens[:i])[t] for i, t in enumerate(tokens))


def history_model(seed, biases=None, states=1009):
    """A fixed random model; `biases` are added to the logits of the tokens they name."""
    table = np.random.default_rng(seed).normal(scale=2.0, size=(states, V)).astype(np.float32)
    for token, bias in (biases or {}).items():
        table[:, token] += bias
    return HistoryModel(table)


def found(hypotheses, sentence):
    """The hypotheses of one sentence, best first, as lists of tokens without padding."""
    tokens, lengths = np.asarray(hypotheses.tokens)[sentence], np.asarray(hypotheses.lengths)
    return [row[:n].tolist() for row, n in zip(tokens, lengths[sentence], strict=True) if n > 0]
