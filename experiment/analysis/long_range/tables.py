"""How far systems look back, as tables of one measurement a row."""

from collections.abc import Sequence

import pandas as pd

from experiment.analysis.long_range.comparison import Sight
from experiment.analysis.long_range.recall import SIDES


def gradient_table(sights: Sequence[Sight]) -> pd.DataFrame:
    """Returns gradients before training: system, side, distance, norm, share of that at 0."""
    rows = [
        (sight.system, side, distance, norm, norm / norms[0])
        for sight in sights
        for side, norms in zip(("source", "target"), sight.gradients, strict=True)
        for distance, norm in enumerate(norms.tolist())
    ]
    return pd.DataFrame(rows, columns=["system", "side", "distance", "norm", "share"])


def recall_table(sights: Sequence[Sight]) -> pd.DataFrame:
    """Returns what was recalled after training: system, side, distance, seed, share of values."""
    rows = [
        (sight.system, side, distance, seed, share)
        for sight in sights
        for side in SIDES
        for distance, shares in sight.recalled.get(side, {}).items()
        for seed, share in enumerate(shares)
    ]
    return pd.DataFrame(rows, columns=["system", "side", "distance", "seed", "recalled"])
