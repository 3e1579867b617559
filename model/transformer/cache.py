"""What decoding keeps between steps, so that each step computes one position only."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from model.transformer.attention import Memory


class LayerCache(NamedTuple):
    """One decoder layer's memories."""

    own: Memory  # what every hypothesis wrote: [B, L * M, H, K], position by position
    source: Memory  # the encoder's outputs, projected once: [B, S, H, K]


class DecoderCache(NamedTuple):
    """The state of a decoder that has written `step` positions of M hypotheses a sentence.

    Keys and values are never moved: when the search continues hypothesis p in slot m, only row m
    of `ancestors` changes, and the mask made from it lets m see what p and its ancestors wrote.
    """

    step: Int[Array, ""]
    ancestors: Int[Array, "B M L"]
    source_mask: Bool[Array, "B 1 1 S"]
    layers: tuple[LayerCache, ...]


def key_positions(ancestors: Int[Array, "B M L"]) -> Int[Array, "1 S"]:
    """Returns where each key stands that `write` puts, or will put, into a layer's own memory."""
    _, beam, length = ancestors.shape
    return (jnp.arange(length * beam) // beam)[None]


def advance(
    ancestors: Int[Array, "B M L"], parents: Int[Array, "B M"], step: Int[Array, ""]
) -> Int[Array, "B M L"]:
    """Returns the ancestors where hypothesis m continues `parents[:, m]` and writes to its slot."""
    ancestors = jnp.take_along_axis(ancestors, parents[:, :, None], axis=1)
    itself = jnp.broadcast_to(jnp.arange(parents.shape[1], dtype=jnp.int32), parents.shape)
    return jax.lax.dynamic_update_index_in_dim(ancestors, itself, step, axis=2)


def write(memory: Memory, new: Memory, step: Int[Array, ""], *, behind: int = 0) -> Memory:
    """Returns the memory with one position's keys and values, M hypotheses each, written in.

    The first `behind` keys of the memory are none of the hypotheses' own.
    """

    def put(old: Float[Array, "B S H K"], row: Float[Array, "B M H K"]) -> Float[Array, "B S H K"]:
        place = behind + step * row.shape[1]
        return jax.lax.dynamic_update_slice_in_dim(old, row, place, axis=1)

    return Memory(put(memory.key, new.key), put(memory.value, new.value))
