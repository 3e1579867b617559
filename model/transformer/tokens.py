"""What a row of tokens is: ids, the sentence each belongs to, and its place in that sentence."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Int

# Of the vocabulary's pieces, those that a model must know.
PAD_ID, BOS_ID, EOS_ID = 0, 1, 2
MARK_ID = 4  # its first symbol, where a corpus marks what is to be labelled


class Tokens(NamedTuple):
    """Rows of tokens, holding one sentence each, or several packed one after another.

    `segments` numbers the sentences of a row from 1, and is 0 on padding; `positions` counts from
    0 within each sentence. Everything that must not look across sentences follows from these two.
    """

    ids: Int[Array, "B T"]
    segments: Int[Array, "B T"]
    positions: Int[Array, "B T"]


def one_sentence_a_row(ids: Int[Array, "B T"]) -> Tokens:
    """Returns the tokens of rows that hold one sentence each, padded at the end with `PAD_ID`."""
    positions = jnp.broadcast_to(jnp.arange(ids.shape[1]), ids.shape)
    return Tokens(ids, (ids != PAD_ID).astype(jnp.int32), positions)
