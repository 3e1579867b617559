"""Self-attention within a window, at the cost that section 4 gives it: O(r n d)."""

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from model.transformer.attention import dot_product_attention
from model.transformer.masks import Window, segment_mask


def restricted_attention(
    query: Float[Array, "B T H K"],
    key: Float[Array, "B T H K"],
    value: Float[Array, "B T H Z"],
    segments: Int[Array, "B T"],
    window: Window,
) -> Float[Array, "B T H Z"]:
    """Returns what `dot_product_attention` finds under a window's mask, without the rest of it.

    `segments` are those of `Tokens`: nothing is seen of padding and of a row's other sentences,
    and what padding itself finds is without meaning. A sentence's tokens must lie side by side.

    Queries go in blocks of r, the window's width, each with the 2r - 1 keys that any of them may
    see. So there are (2r - 1) n products where the window has r n; narrower blocks would waste
    fewer and copy more.
    """
    length = query.shape[1]
    window = Window(*(min(far, length - 1) for far in window))
    size = min(window.width, length)  # queries of a block
    blocks = -(-length // size)
    filled = blocks * size - length
    places = jnp.arange(size + window.width - 1)[None]  # of a block's keys
    reach = size * jnp.arange(blocks)[:, None] + places

    def in_blocks(rows: Array) -> Array:
        padded = jnp.pad(rows, [(0, 0), (0, filled), *[(0, 0)] * (rows.ndim - 2)])
        return padded.reshape(-1, size, *rows.shape[2:])

    def around_blocks(rows: Array) -> Array:
        ends = (window.before, window.behind + filled)
        padded = jnp.pad(rows, [(0, 0), ends, *[(0, 0)] * (rows.ndim - 2)])
        return padded[:, reach].reshape(-1, places.size, *rows.shape[2:])

    from_first = places - jnp.arange(size)[:, None]  # of the keys that a query may see
    inside = (from_first >= 0) & (from_first < window.width)
    mask = segment_mask(in_blocks(segments), around_blocks(segments)) & inside[None, None]
    blocked = in_blocks(query), around_blocks(key), around_blocks(value)
    attended, _ = dot_product_attention(*blocked, mask)
    return attended.reshape(query.shape[0], -1, *attended.shape[2:])[:, :length]
