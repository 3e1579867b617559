"""Ancestral sampling: each token drawn from what the model expects, or from the likeliest of it."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key

from model.decoding.beam import length_penalty as penalty_of
from model.decoding.hypotheses import IMPOSSIBLE, Hypotheses, StepFn
from model.decoding.independent import continue_each


def sample(
    step_fn: StepFn,
    cache: Any,
    max_lengths: Int[Array, " B"],
    rngs: Key[Array, " B"],
    *,
    max_length: int,
    num_samples: int,
    temperature: float,
    length_penalty: float,
    bos_id: int,
    eos_id: int,
    top_k: int = 0,
    top_p: float = 1.0,
    pad_id: int = 0,
) -> Hypotheses:
    """Returns M = `num_samples` hypotheses of each sentence, drawn independently, best first.

    Tokens are drawn from the softmax of logits over `temperature`, without those that `kept` leaves
    out. Log probabilities are the model's own all the same, at temperature 1 and of all tokens, so
    those of samples and of searches compare; scores are these over the length penalty, as a beam's.

    A sentence's samples depend on its key alone, of `rngs`, not on its company nor on M, except
    for their order. `max_lengths` and the rest are as in greedy search.
    """
    slots = jnp.arange(num_samples)
    own = jax.vmap(lambda rng: jax.vmap(lambda slot: jax.random.fold_in(rng, slot))(slots))(rngs)

    def choose(logits: Float[Array, "B M V"], step: Int[Array, ""]) -> Int[Array, "B M"]:
        warm = (logits - logits.max(axis=-1, keepdims=True)) / temperature
        warm = jnp.where(kept(warm, top_k=top_k, top_p=top_p), warm, -jnp.inf)

        def draw(rng: Key[Array, ""], logits: Float[Array, " V"]) -> Int[Array, ""]:
            return jax.random.categorical(jax.random.fold_in(rng, step), logits)

        return jax.vmap(jax.vmap(draw))(own, warm)

    ids = {"bos_id": bos_id, "eos_id": eos_id, "pad_id": pad_id}
    sizes = {"num_hypotheses": num_samples, "max_length": max_length}
    found = continue_each(step_fn, cache, max_lengths, choose, **sizes, **ids)
    scores = found.log_probs / penalty_of(found.lengths, length_penalty)
    scores = jnp.where(found.lengths > 0, scores, IMPOSSIBLE)
    order = jnp.argsort(-scores, axis=1)

    def ordered(leaf: Array) -> Array:
        along = order.reshape(*order.shape, *(1 for _ in leaf.shape[2:]))
        return jnp.take_along_axis(leaf, along, axis=1)

    return jax.tree.map(ordered, found._replace(scores=scores))


def kept(logits: Float[Array, "*N V"], *, top_k: int, top_p: float) -> Bool[Array, "*N V"]:
    """True for the tokens that may be drawn (Holtzman et al. 2020, sections 3.1 and 3.2).

    Of the `top_k` likeliest these are the fewest that have `top_p` of their probability; 0 and 1
    are all tokens. Of equal ones those of lower ids count as likelier, as in greedy search.

    Example:
      >>> logits = jnp.log(jnp.array([0.1, 0.5, 0.15, 0.25]))
      >>> kept(logits, top_k=0, top_p=0.7)
      Array([False,  True, False,  True], dtype=bool)
      >>> kept(logits, top_k=3, top_p=1.0)
      Array([False,  True,  True,  True], dtype=bool)
    """
    if top_k == 0 and top_p == 1:
        return jnp.ones(logits.shape, bool)
    order = jnp.argsort(-logits, axis=-1)
    ranked = jnp.take_along_axis(logits, order, axis=-1)
    if top_k:
        rank = jax.lax.broadcasted_iota(jnp.int32, ranked.shape, ranked.ndim - 1)
        ranked = jnp.where(rank < top_k, ranked, -jnp.inf)
    probability = jax.nn.softmax(ranked, axis=-1)
    before = jnp.cumsum(probability, axis=-1) - probability
    ranks = jnp.argsort(order, axis=-1)
    return jnp.take_along_axis((before < top_p) & (ranked > -jnp.inf), ranks, axis=-1)
