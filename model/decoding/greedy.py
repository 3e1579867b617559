"""Greedy search: the most probable token, one after another."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from model.decoding.hypotheses import (
    IMPOSSIBLE,
    Hypotheses,
    StepFn,
    is_possible,
    restrict_logits,
)


class _State(NamedTuple):
    """What one step hands to the next."""

    step: Int[Array, ""]
    last: Int[Array, "B 1"]
    tokens: Int[Array, "B 1 L"]
    log_probs: Float[Array, "B 1"]
    done: Bool[Array, "B 1"]
    cache: Any


def greedy_search(
    step_fn: StepFn,
    cache: Any,
    max_lengths: Int[Array, " B"],
    *,
    max_length: int,
    bos_id: int,
    eos_id: int,
    pad_id: int = 0,
) -> Hypotheses:
    """Returns one hypothesis for each sentence, M = 1; its score is its log probability.

    `max_lengths` counts tokens with EOS and is cut at `max_length`, the width of the result; a
    sentence of 0 is padding. Takes as many steps as the longest hypothesis has tokens.
    """
    limits = jnp.minimum(max_lengths, max_length)[:, None]
    restrict = partial(restrict_logits, bos_id=bos_id, eos_id=eos_id, pad_id=pad_id)

    def advance(state: _State) -> _State:
        logits, cache = step_fn(state.last, jnp.zeros_like(state.last), state.cache)
        at_limit = state.step + 1 == limits
        logits, normaliser = restrict(logits, at_limit[:, 0])
        last = jnp.where(state.done, pad_id, jnp.argmax(logits, axis=-1))
        log_probs = jnp.where(state.done, 0.0, jnp.max(logits, axis=-1) - normaliser)
        return _State(
            step=state.step + 1,
            last=last,
            tokens=state.tokens.at[:, :, state.step].set(last),
            log_probs=state.log_probs + log_probs,
            done=state.done | at_limit | (last == eos_id),
            cache=cache,
        )

    start = _State(
        step=jnp.int32(0),
        last=jnp.full(limits.shape, bos_id, jnp.int32),
        tokens=jnp.full((*limits.shape, max_length), pad_id, jnp.int32),
        log_probs=jnp.where(limits > 0, 0.0, IMPOSSIBLE),
        done=limits <= 0,
        cache=cache,
    )
    end = jax.lax.while_loop(lambda state: ~jnp.all(state.done), advance, start)
    tokens = jnp.where(is_possible(end.log_probs)[..., None], end.tokens, pad_id)
    lengths = jnp.sum(tokens != pad_id, axis=-1)
    return Hypotheses(tokens, scores=end.log_probs, log_probs=end.log_probs, lengths=lengths)
