"""Sentence pairs as arrays, one a row, and the pieces that stand on their axes."""

from collections.abc import Sequence
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from experiment.data import BOS_ID, Batch, PlannedBatch, TokenIds, Vocabulary, assemble
from model.transformer import Tokens


def batch_of(
    vocabulary: Vocabulary, pairs: Sequence[tuple[str, str]], *, multiple: int = 1
) -> Batch:
    """Returns the pairs in their order, one a row, padded to the longest of either side.

    The length of the rows is a multiple of `multiple`: a large one makes for few shapes.

    Raises:
      ValueError: if there are none.
    """
    if not pairs:
        raise ValueError("There must be at least one sentence pair to look at; there is none.")
    sides = [vocabulary.encode_all([pair[side] for pair in pairs]) for side in (0, 1)]
    token_ids = TokenIds.from_lists(*sides)
    count = len(pairs)
    length = -(-int(token_ids.lengths.max()) // multiple) * multiple
    planned = PlannedBatch(length, np.arange(count), np.arange(count + 1, dtype=np.int64))
    return assemble(token_ids, planned)


def inputs_of(batch: Batch) -> tuple[Tokens, Tokens]:
    """Returns the source, and the target as the decoder reads it, of a batch."""
    source = Tokens(*map(jnp.asarray, batch[:3]))
    target = Tokens(
        *map(jnp.asarray, (batch.target_inputs, batch.target_segments, batch.target_positions))
    )
    return source, target


class Pieces(NamedTuple):
    """What stands along the axes of a pair's attention weights."""

    source: list[str]  # the last is the end
    inputs: list[str]  # of the target, as the decoder reads it: the first is the beginning
    labels: list[str]  # ... and what follows each of them: the last is the end


def pieces_of(vocabulary: Vocabulary, source: str, target: str) -> Pieces:
    """Returns the pieces of a pair, "▁" for a space."""
    ids, labels = vocabulary.encode(source), vocabulary.encode(target)
    inputs = [BOS_ID, *labels[:-1]]
    return Pieces(*map(vocabulary.pieces, (ids, inputs, labels)))
