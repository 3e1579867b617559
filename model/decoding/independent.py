"""Hypotheses that go on token by token, each by itself: what greedy search and sampling share."""

from collections.abc import Callable
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

# (logits of what may follow, the step) -> the token that follows each hypothesis
Choose = Callable[[Float[Array, "B M V"], Int[Array, ""]], Int[Array, "B M"]]


class _State(NamedTuple):
    """What one step hands to the next."""

    step: Int[Array, ""]
    last: Int[Array, "B M"]
    tokens: Int[Array, "B M L"]
    log_probs: Float[Array, "B M"]
    done: Bool[Array, "B M"]
    cache: Any


def continue_each(
    step_fn: StepFn,
    cache: Any,
    max_lengths: Int[Array, " B"],
    choose: Choose,
    *,
    num_hypotheses: int,
    max_length: int,
    bos_id: int,
    eos_id: int,
    pad_id: int,
) -> Hypotheses:
    """Returns M = `num_hypotheses` for each sentence, in no order; scores are log probabilities.

    Each is what `choose` makes of it, up to EOS or a sentence's limit, where only EOS may follow.
    Takes as many steps as the longest hypothesis has tokens.
    """
    restrict = partial(restrict_logits, bos_id=bos_id, eos_id=eos_id, pad_id=pad_id)
    shape = (len(max_lengths), num_hypotheses)
    limits = jnp.minimum(max_lengths, max_length)
    itself = jnp.broadcast_to(jnp.arange(num_hypotheses, dtype=jnp.int32), shape)

    def advance(state: _State) -> _State:
        logits, cache = step_fn(state.last, itself, state.cache)
        at_limit = state.step + 1 == limits
        logits, normaliser = restrict(logits, at_limit)
        chosen = choose(logits, state.step).astype(jnp.int32)
        log_probs = jnp.take_along_axis(logits, chosen[..., None], axis=-1)[..., 0] - normaliser
        last = jnp.where(state.done, pad_id, chosen)
        return _State(
            step=state.step + 1,
            last=last,
            tokens=state.tokens.at[:, :, state.step].set(last),
            log_probs=state.log_probs + jnp.where(state.done, 0.0, log_probs),
            done=state.done | at_limit[:, None] | (last == eos_id),
            cache=cache,
        )

    is_sentence = jnp.broadcast_to((limits > 0)[:, None], shape)
    start = _State(
        step=jnp.int32(0),
        last=jnp.full(shape, bos_id, jnp.int32),
        tokens=jnp.full((*shape, max_length), pad_id, jnp.int32),
        log_probs=jnp.where(is_sentence, 0.0, IMPOSSIBLE),
        done=~is_sentence,
        cache=cache,
    )
    end = jax.lax.while_loop(lambda state: ~jnp.all(state.done), advance, start)
    tokens = jnp.where(is_possible(end.log_probs)[..., None], end.tokens, pad_id)
    lengths = jnp.sum(tokens != pad_id, axis=-1)
    return Hypotheses(tokens, scores=end.log_probs, log_probs=end.log_probs, lengths=lengths)
