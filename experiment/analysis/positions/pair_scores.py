"""How well a model expects references, and whether greedy search would find them, pair by pair.

Greedy search takes the likeliest token each time. It finds a reference if and only if each token
of the reference is the likeliest after those before it, so one pass over the references tells,
without a search. (A search that is cut off before the reference ends would not find it.)
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from experiment.analysis.sentences import inputs_of
from experiment.data import BOS_ID, EOS_ID, PAD_ID, Batch
from experiment.training import Params, cross_entropy
from model.decoding.hypotheses import restrict_logits

_ROWS = 64  # at once


class PairScores(NamedTuple):
    """Scores of each pair of a batch."""

    nll: Float[Array, " B"] | Float[np.ndarray, " B"]  # nats, of the whole reference
    tokens: Float[Array, " B"] | Float[np.ndarray, " B"]  # of the reference, its end included
    exact: Bool[Array, " B"] | Bool[np.ndarray, " B"]  # whether greedy search finds it

    def means(self) -> dict[str, float]:
        """Returns `nll` in nats a token, and `exact`, the share of pairs."""
        nll, tokens, exact = map(np.asarray, self)
        return {"nll": float(nll.sum() / tokens.sum()), "exact": float(exact.mean())}


Scorer = Callable[[Params, Batch], PairScores]


def scorer(model: nn.Module) -> Scorer:
    """Returns what scores parameters on batches of one pair a row; it compiles each shape once."""

    @jax.jit
    def score(params: Params, batch: Batch) -> PairScores:
        logits: Any = model.apply({"params": params}, *inputs_of(batch), deterministic=True)
        labels = jnp.asarray(batch.target_labels)
        is_token = jnp.asarray(batch.target_segments) > 0
        nll = jnp.where(is_token, cross_entropy(logits, labels, 0.0)[1], 0.0)
        never = jnp.zeros(len(labels), bool)
        allowed, _ = restrict_logits(logits, never, bos_id=BOS_ID, eos_id=EOS_ID, pad_id=PAD_ID)
        is_right = (allowed.argmax(-1) == labels) | ~is_token
        return PairScores(nll.sum(1), is_token.sum(1).astype(jnp.float32), is_right.all(1))

    def in_parts(params: Params, batch: Batch) -> PairScores:
        count = len(batch.source)
        rows = np.arange(-(-count // _ROWS) * _ROWS) % count  # the last part is full too
        parts = [
            jax.device_get(score(params, Batch(*(np.asarray(side)[part] for side in batch))))
            for part in rows.reshape(-1, _ROWS)
        ]
        return PairScores(*(np.concatenate(each)[:count] for each in zip(*parts, strict=True)))

    return in_parts
