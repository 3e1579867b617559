"""Who may attend to whom. True means may attend (paper, section 3.2.3, and 4 for windows)."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Int

from model.transformer.position_bias import distances_between
from model.transformer.tokens import Tokens


class Window(NamedTuple):
    """How far from a query its keys may stand, in positions of their sentence."""

    before: int
    behind: int

    @property
    def width(self) -> int:
        """The keys of a query that is far from both ends of its sentence, itself included."""
        return self.before + 1 + self.behind


def centred_window(width: int) -> Window:
    """Returns the `width` positions around each: of an even number, one more before it."""
    return Window(width // 2, (width - 1) // 2)


def trailing_window(width: int) -> Window:
    """Returns the last `width` positions, each itself included: a decoder's window."""
    return Window(width - 1, 0)


def window_mask(
    queries: Int[Array, "#B T"], keys: Int[Array, "#B S"], window: Window
) -> Bool[Array, "#B 1 T S"]:
    """Allows keys near the query: restricted self-attention (section 4).

    Example:
      >>> positions = jnp.arange(4)[None]
      >>> window_mask(positions, positions, centred_window(3))[0, 0].astype(int)
      Array([[1, 1, 0, 0],
             [1, 1, 1, 0],
             [0, 1, 1, 1],
             [0, 0, 1, 1]], dtype=int32)
    """
    distances = distances_between(queries, keys)
    return ((distances >= -window.before) & (distances <= window.behind))[:, None]


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


def own_mask(tokens: Tokens, attention_window: int) -> Bool[Array, "B 1 T T"]:
    """Allows what is written to see itself: the past of its sentence, or the end of that.

    `attention_window` is how many of the last positions are seen, each itself included; 0 is all.
    """
    mask = segment_mask(tokens.segments, tokens.segments) & causal_mask(tokens.ids.shape[1])
    if attention_window:
        window = trailing_window(attention_window)
        mask &= window_mask(tokens.positions, tokens.positions, window)
    return mask


def history_mask(ancestors: Int[Array, "B M L"], step: Int[Array, ""]) -> Bool[Array, "B 1 M S"]:
    """Allows each hypothesis of a beam its own past, in a memory that all of them share.

    The memory holds what every hypothesis wrote at every position, S = L * M keys, position by
    position; `ancestors[b, m, l]` is the one whose entry at position l hypothesis m descends from.
    """
    sentences, beam, length = ancestors.shape
    own = ancestors[..., None] == jnp.arange(beam)[None, None, None, :]
    past = (jnp.arange(length) <= step)[None, None, :, None]
    return (own & past).reshape(sentences, 1, beam, length * beam)
