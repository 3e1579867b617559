"""Who may attend to whom. True means may attend (paper, section 3.2.3)."""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Int


def segment_mask(
    query_segments: Int[Array, "B T"], key_segments: Int[Array, "B S"]
) -> Bool[Array, "B 1 T S"]:
    """Allows attention inside one sentence: not to padding, not to a row's other sentences.

    Example:
      >>> segment_mask(jnp.array([[1, 1, 2]]), jnp.array([[1, 2, 0]]))[0, 0].astype(int)
      Array([[1, 0, 0],
             [1, 0, 0],
             [0, 1, 0]], dtype=int32)
    """
    same = query_segments[:, :, None] == key_segments[:, None, :]
    return (same & (key_segments > 0)[:, None, :])[:, None]


def causal_mask(length: int) -> Bool[Array, "1 1 T T"]:
    """Allows attention to the same and earlier positions: what keeps a decoder autoregressive.

    Example:
      >>> causal_mask(3)[0, 0].astype(int)
      Array([[1, 0, 0],
             [1, 1, 0],
             [1, 1, 1]], dtype=int32)
    """
    return jnp.tril(jnp.ones((length, length), bool))[None, None]


def history_mask(ancestors: Int[Array, "B M L"], step: Int[Array, ""]) -> Bool[Array, "B 1 M S"]:
    """Allows each hypothesis of a beam its own past, in a memory that all of them share.

    The memory holds what every hypothesis wrote at every position, S = L * M keys, position by
    position; `ancestors[b, m, l]` is the one whose entry at position l hypothesis m descends from.
    """
    sentences, beam, length = ancestors.shape
    own = ancestors[..., None] == jnp.arange(beam)[None, None, None, :]
    past = (jnp.arange(length) <= step)[None, None, :, None]
    return (own & past).reshape(sentences, 1, beam, length * beam)
