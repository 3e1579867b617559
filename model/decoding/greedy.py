"""Greedy search: the most probable token, one after another."""

from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Int

from model.decoding.hypotheses import Hypotheses, StepFn
from model.decoding.independent import continue_each


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
    return continue_each(
        step_fn,
        cache,
        max_lengths,
        lambda logits, step: jnp.argmax(logits, axis=-1),
        num_hypotheses=1,
        max_length=max_length,
        bos_id=bos_id,
        eos_id=eos_id,
        pad_id=pad_id,
    )
