"""What the last output of a sentence can see, hop by hop: table 1's last column as a picture."""

import itertools
from collections.abc import Mapping, Sequence

import jax
import numpy as np
import pandas as pd
from jaxtyping import Bool

from experiment.analysis.paths.layers import Layer
from experiment.analysis.paths.measurements import Row
from experiment.analysis.paths.operations import exponent
from experiment.analysis.paths.reach import D_MODEL, support


def horizon(layer: Layer, length: int, hops: int) -> Bool[np.ndarray, "hops S"]:
    """Returns which inputs the last of `length` outputs depends on after at most 1, 2, ... hops.

    As in `max_path_length`, each hop is a layer with random weights, seen through by its gradients;
    of a recurrence a hop goes from one position to the next.
    """
    own = itertools.islice(layer.hops(jax.random.key(0), D_MODEL), hops)
    supports = [support(hop, length, seed=number) for number, hop in enumerate(own)]
    met, rows = np.zeros(length, bool), []
    for count in range(1, hops + 1):
        seen = np.eye(length, dtype=bool)[-1]
        for hop in reversed(supports[:count]):  # from the output down to the inputs
            seen = seen @ hop
        met = met | seen
        rows.append(met)
    return np.stack(rows)


def hops_table(horizons: Mapping[str, Bool[np.ndarray, "hops S"]]) -> pd.DataFrame:
    """Returns how many inputs each layer's last output sees after 1, 2, ... hops."""
    counts = {name: seen.sum(axis=1) for name, seen in horizons.items()}
    hops = max(map(len, counts.values()))
    return pd.DataFrame(counts, index=pd.RangeIndex(1, hops + 1, name="hops"))


def path_table(rows: Sequence[Row]) -> pd.DataFrame:
    """Returns the paper's orders of chains and paths beside what was measured, by length."""
    cells = [
        {
            ("paths", "paper"): row.published.path,
            **{("paths", f"n = {n}"): hops for n, hops in row.paths.items()},
            ("chains", "paper"): row.published.sequential,
            **{("chains", f"n = {n}"): products for n, products in row.sequential.items()},
        }
        for row in rows
    ]
    columns = pd.MultiIndex.from_tuples(list(cells[0]))
    return pd.DataFrame(cells, index=[row.name for row in rows], columns=columns)


def operation_table(rows: Sequence[Row]) -> pd.DataFrame:
    """Returns the paper's order of operations beside the exponents that fit what was counted."""
    cells = [
        {
            "paper": row.published.operations,
            "exponent of n": exponent(row.by_length),
            "exponent of d": exponent(row.by_d_model),
        }
        for row in rows
    ]
    return pd.DataFrame(cells, index=[row.name for row in rows])
