"""A step of k positions as one linear map, the same from everywhere (section 3.5).

The paper chose sinusoids since "for any fixed offset k, PE(pos+k) can be represented as a linear
function of PE(pos)". Here the map is solved for, by least squares, and held against the rotation
that trigonometry gives.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from experiment.analysis.positions.encoding import sinusoids

LONGEST_WAVE = 62_832  # positions: 2 pi times 10,000, rounded up


def offset_rotation(offset: int, d_model: int) -> Float[np.ndarray, "D D"]:
    """Returns the rotation that takes PE(pos) to PE(pos + k), for every pos.

    Each sine and cosine of one frequency w turn by the angle k w: of sin(a + b) and cos(a + b).

    Example:
      >>> offset_rotation(1, 2).round(4)
      array([[ 0.5403,  0.8415],
             [-0.8415,  0.5403]])
    """
    rotation = np.zeros((d_model, d_model))
    for i in range(0, d_model, 2):
        angle = offset / 10_000 ** (i / d_model)
        sine, cosine = np.sin(angle), np.cos(angle)
        rotation[i : i + 2, i : i + 2] = [[cosine, sine], [-sine, cosine]]
    return rotation


class LinearMap(NamedTuple):
    """What least squares finds."""

    matrix: Float[np.ndarray, "D D"]  # PE(pos + k) is this times PE(pos)
    rank: int  # of the encodings it was fitted to; below D other matrices fit as well


def fitted_map(positions: Int[np.ndarray, " T"], offset: int, d_model: int) -> LinearMap:
    """Returns the matrix that best takes PE(pos) to PE(pos + k) for the given positions.

    Nothing tells it that sines and cosines come in pairs. To tell the low frequencies apart it
    needs positions from all along `LONGEST_WAVE`; from a sentence's length alone the matrix is not
    unique in floating point, and the rank says so.
    """
    before, after = sinusoids(positions, d_model), sinusoids(positions + offset, d_model)
    transposed, _, rank, _ = np.linalg.lstsq(before, after, rcond=None)
    return LinearMap(transposed.T, int(rank))


def linear_maps(
    offsets: Sequence[int],
    *,
    d_model: int,
    positions: Int[np.ndarray, " T"],
    others: Int[np.ndarray, " S"],
) -> pd.DataFrame:
    """Returns, by offset, how far off the fitted map is: where fitted, elsewhere, by its entries.

    All are the largest absolute differences; `rotation` is that of the closed form at `others`.
    """
    found = []
    for offset in offsets:
        matrix, rank = fitted_map(positions, offset, d_model)
        rotation = offset_rotation(offset, d_model)
        found.append(
            {
                "offset": offset,
                "rank": rank,
                "fitted positions": _error(matrix, positions, offset),
                "other positions": _error(matrix, others, offset),
                "rotation": _error(rotation, others, offset),
                "fit - rotation": np.abs(matrix - rotation).max(),
            }
        )
    return pd.DataFrame(found).set_index("offset")


def _error(matrix: Float[np.ndarray, "D D"], positions: Int[np.ndarray, " T"], k: int) -> float:
    d_model = len(matrix)
    moved = sinusoids(positions, d_model) @ matrix.T
    return float(np.abs(moved - sinusoids(positions + k, d_model)).max())
