"""Positions told by turning queries and keys (Su et al., 2021, *RoFormer*, section 3.2.2).

A query turned by its position and a key turned by its own meet at an angle that depends on the
distance between them only.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int


class Rotation(NamedTuple):
    """How far the pairs of features of each position turn: K / 2 angles, the same in all heads."""

    cosine: Float[Array, "B T _"]
    sine: Float[Array, "B T _"]


def rotation(positions: Int[Array, "B T"], d_k: int) -> Rotation:
    """Returns the turns of `positions`: pair i by position / 10000^(2i / d_k) (equation 15).

    Example:
      >>> rotation(jnp.array([[0, 1]]), 4).sine.round(4)
      Array([[[0.    , 0.    ],
              [0.8415, 0.01  ]]], dtype=float32)
    """
    frequencies = 10_000.0 ** (-np.arange(0, d_k, 2) / d_k)
    angles = positions[:, :, None] * jnp.asarray(frequencies, jnp.float32)[None, None]
    return Rotation(jnp.cos(angles), jnp.sin(angles))


def rotate(heads: Float[Array, "B T H K"], by: Rotation) -> Float[Array, "B T H K"]:
    """Returns the queries or keys with feature pairs (i, i + K / 2) turned (equation 34).

    The paper pairs neighbours, (2i, 2i + 1). Halves are the same model with the columns of both
    projections in another order, and need no strided access.

    Example:
      >>> heads = jnp.array([1.0, 0.0, 0.0, 0.0]).reshape(1, 1, 1, 4)
      >>> rotate(heads, rotation(jnp.array([[1]]), 4)).round(4)[0, 0, 0]
      Array([0.5403, 0.    , 0.8415, 0.    ], dtype=float32)
    """
    first, second = jnp.split(heads, 2, axis=-1)
    cosine, sine = (turn[:, :, None].astype(heads.dtype) for turn in by)
    turned = (first * cosine - second * sine, first * sine + second * cosine)
    return jnp.concatenate(turned, axis=-1)
