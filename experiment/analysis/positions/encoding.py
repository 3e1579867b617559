"""The encodings of positions, and how alike those of two positions are (section 3.5)."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from experiment.training import Params

SIDES = ("source", "target")


def sinusoids(positions: Int[np.ndarray, " T"], d_model: int) -> Float[np.ndarray, "T D"]:
    """Returns the encodings of any positions in float64, by the formulas of section 3.5.

    The model's own, which `sinusoidal_positions` makes, are these in float32.

    Example:
      >>> sinusoids(np.array([0, 1]), 4).round(4)
      array([[0.    , 1.    , 0.    , 1.    ],
             [0.8415, 0.5403, 0.01  , 1.    ]])
    """
    table = np.empty((len(positions), d_model))
    for i in range(d_model // 2):
        angles = positions / 10_000 ** (2 * i / d_model)
        table[:, 2 * i], table[:, 2 * i + 1] = np.sin(angles), np.cos(angles)
    return table


def dot_products(table: Float[np.ndarray, "T D"], offsets: Sequence[int]) -> pd.DataFrame:
    """Returns PE(pos) · PE(pos + k) by offset k: its mean over all pos of a table, and its range.

    Of sinusoids the range is a point: the product is the sum of cos(k w) over all frequencies w.

    Example:
      >>> dot_products(np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]), [0, 1]).loc[1].to_dict()
      {'mean': 0.5, 'lowest': 0.0, 'highest': 1.0}

    Raises:
      ValueError: if the table has no two positions so far apart.
    """
    if max(offsets) >= len(table):
        raise ValueError(
            f"An offset of {max(offsets)} must be less than the {len(table)} positions of the "
            "table. Take smaller offsets."
        )
    found = []
    for offset in offsets:
        products = np.einsum("TD,TD->T", table[: len(table) - offset], table[offset:])
        found.append((products.mean(), products.min(), products.max()))
    index = pd.Index(offsets, name="offset")
    return pd.DataFrame(found, index, ["mean", "lowest", "highest"])


def learned_tables(params: Params) -> dict[str, Float[np.ndarray, "L D"]]:
    """Returns the learned encodings of a run by side; none if its positions are not learned."""
    modules: Any = {side: params.get(f"{side}_positions") for side in SIDES}
    return {side: np.asarray(module["table"]) for side, module in modules.items() if module}
