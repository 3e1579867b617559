"""What a search asks of a model and what it returns, the same for every search and every model."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

# (last tokens [B, M], parents [B, M], cache) -> (logits [B, M, V], cache). `parents[b, m]` is the
# hypothesis of the step before that hypothesis m continues; what to do with it is the cache's
# affair, so a model may keep a table of ancestors instead of copying its memory.
StepFn = Callable[[Int[Array, "B M"], Int[Array, "B M"], Any], tuple[Float[Array, "B M V"], Any]]

# Stands for the log probability of what cannot be: finite, because -inf - -inf is NaN.
IMPOSSIBLE = -1e30


class Hypotheses(NamedTuple):
    """The M best translations of each sentence, best first.

    Where fewer than M were found, the last ones have length 0, only padding, and scores and log
    probabilities of `IMPOSSIBLE`.
    """

    tokens: Int[Array, "B M L"]  # without BOS; EOS, then padding
    scores: Float[Array, "B M"]  # log probability over length penalty; what they are ordered by
    log_probs: Float[Array, "B M"]  # nats, of the whole hypothesis and its EOS
    lengths: Int[Array, "B M"]  # tokens, EOS included


def is_possible(log_probs: Float[Array, "*shape"]) -> Bool[Array, "*shape"]:
    """True where a sum of log probabilities has no `IMPOSSIBLE` term."""
    return log_probs > IMPOSSIBLE / 2


def restrict_logits(
    logits: Float[Array, "B M V"],
    at_limit: Bool[Array, " B"],
    *,
    bos_id: int,
    eos_id: int,
    pad_id: int,
) -> tuple[Float[Array, "B M V"], Float[Array, "B M"]]:
    """Returns float32 logits, `IMPOSSIBLE` for tokens that may not follow, and their normaliser.

    BOS and padding never follow; at a sentence's last position only EOS does. Logits minus the
    normaliser are log probabilities of the model itself: forbidding a token does not raise the
    others, so the score of a hypothesis does not depend on the search that found it.
    """
    logits = logits.astype(jnp.float32)
    normaliser = jax.nn.logsumexp(logits, axis=-1)
    token = jnp.arange(logits.shape[-1])[None, None, :]
    allowed = (token != bos_id) & (token != pad_id)
    allowed &= ~at_limit[:, None, None] | (token == eos_id)
    return jnp.where(allowed, logits, IMPOSSIBLE), normaliser
