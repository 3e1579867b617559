"""What either system keeps of a source, and what a query takes from it: attention with one head."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from model.transformer.rounding import softmax


class SourceMemory(NamedTuple):
    """A source that can be attended to: one of each sentence, however many hypotheses look."""

    key: Float[Array, "B S D"]
    value: Float[Array, "B S D"]


def retrieved(
    logits: Float[Array, "B 1 T S"], value: Float[Array, "B S D"], mask: Bool[Array, "B 1 #T S"]
) -> tuple[Float[Array, "B T D"], Float[Array, "B 1 T S"]]:
    """Returns the mean of the values that each position weighs by its logits, and the weights.

    A position that may attend to nothing gets uniform weights: finite, and without meaning.
    """
    logits = jnp.where(mask, logits, jnp.finfo(logits.dtype).min)
    weights = softmax(logits, value.dtype)
    return jnp.einsum("BTS,BSD->BTD", weights[:, 0], value), weights
