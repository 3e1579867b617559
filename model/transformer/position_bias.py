"""Positions told by a bias on the logits of attention, made from distances alone."""

import math

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

NUM_BUCKETS = 32
MAX_DISTANCE = 128


def distances_between(
    queries: Int[Array, "#B T"], keys: Int[Array, "#B S"]
) -> Int[Array, "#B T S"]:
    """Returns how far behind each query each key stands: negative for keys before it.

    Example:
      >>> distances_between(jnp.array([[0, 2]]), jnp.array([[0, 1, 2]]))[0]
      Array([[ 0,  1,  2],
             [-2, -1,  0]], dtype=int32)
    """
    return keys[:, None, :] - queries[:, :, None]


def alibi_slopes(num_heads: int) -> Float[np.ndarray, " H"]:
    """Returns each head's slope (Press et al., 2022, section 3).

    For a power of two they are 2^(-8 / H), its square, its cube and so on; for other numbers those
    of the next lower power of two, then every other one of twice that power (the authors' code).

    Example:
      >>> alibi_slopes(3).tolist()
      [0.0625, 0.00390625, 0.25]
    """

    def geometric(count: int) -> Float[np.ndarray, " _"]:
        return 2.0 ** (-8 / count * np.arange(1, count + 1))

    power = 1 << (num_heads.bit_length() - 1)
    between = geometric(2 * power)[::2][: num_heads - power]
    return np.concatenate([geometric(power), between]).astype(np.float32)


def alibi_bias(
    queries: Int[Array, "#B T"], keys: Int[Array, "#B S"], num_heads: int
) -> Float[Array, "#B H T S"]:
    """Returns the negative distance of query and key times the head's slope (section 3).

    Symmetric: a key behind the query counts as one as far before it. The paper has decoders only,
    where no key behind may be attended to.
    """
    slopes = jnp.asarray(alibi_slopes(num_heads))[None, :, None, None]
    return -slopes * jnp.abs(distances_between(queries, keys))[:, None]


def relative_buckets(
    distances: Int[np.ndarray, "*N"], *, bidirectional: bool
) -> Int[np.ndarray, "*N"]:
    """Returns the bucket of each distance (Raffel et al., 2020, section 2.1, and its code).

    The first half of them hold one distance each, from 0; those of the other half grow wider, in
    even steps of the logarithm up to `MAX_DISTANCE`, and the last has everything beyond.
    `bidirectional` spends half of all buckets on keys behind the query; without it these share the
    bucket of distance 0.

    Example:
      >>> relative_buckets(np.array([-200, -9, -1, 0, 1, 9]), bidirectional=True)
      array([15,  8,  1,  0, 17, 24])
      >>> relative_buckets(np.array([-200, -17, -9, -1, 0, 1]), bidirectional=False)
      array([31, 16,  9,  1,  0,  0])
    """
    count = NUM_BUCKETS // 2 if bidirectional else NUM_BUCKETS
    far = np.abs(distances) if bidirectional else np.maximum(-distances, 0)
    exact = count // 2
    ratio = np.log(np.maximum(far, exact) / exact) / math.log(MAX_DISTANCE / exact)
    # Where the logarithm is a whole number of buckets, as at 16, rounding must not take one away.
    grown = np.minimum(exact + np.floor(ratio * (count - exact) + 1e-9).astype(int), count - 1)
    behind = count * (distances > 0) if bidirectional else 0
    return np.where(far < exact, far, grown) + behind


def relative_bias(
    table: Float[Array, "_ H"],
    queries: Int[Array, "#B T"],
    keys: Int[Array, "#B S"],
    *,
    bidirectional: bool,
) -> Float[Array, "#B H T S"]:
    """Returns each head's learned number for the bucket of each distance (section 2.1)."""
    every = np.arange(-MAX_DISTANCE, MAX_DISTANCE + 1)  # one further falls into the same buckets
    by_distance = table[relative_buckets(every, bidirectional=bidirectional)]
    clipped = jnp.clip(distances_between(queries, keys), -MAX_DISTANCE, MAX_DISTANCE)
    return jnp.moveaxis(by_distance[clipped + MAX_DISTANCE], -1, 1)
