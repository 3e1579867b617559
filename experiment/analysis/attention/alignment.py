"""Which source word a target word comes from, read from cross-attention."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from experiment.analysis.attention.maps import Map
from experiment.analysis.attention.profiles import entropy
from experiment.analysis.sites import Site

MEAN = 0  # where heads are counted from 1: the mean of all of them


def matrix(found: Map, head: int = MEAN) -> Float[np.ndarray, "T S"]:
    """Returns the weights of a head, counted from 1, or the mean of all.

    Raises:
      ValueError: if there is no such head.
    """
    if not 0 <= head <= len(found.weights):
        raise ValueError(
            f"head={head} must be from 1 to {len(found.weights)}, or {MEAN} for the mean of all."
        )
    return found.weights.mean(0) if head == MEAN else found.weights[head - 1]


def aligned(weights: Float[np.ndarray, "T S"]) -> Int[np.ndarray, " T"]:
    """Returns the key with the largest weight for every query, the end, which is last, left out.

    The end of a sentence is a place to look at when there is nothing to look for; it is never what
    a word is translated from.
    """
    return weights[:, : max(weights.shape[1] - 1, 1)].argmax(1)


def alignment(found: Map, head: int = MEAN) -> pd.DataFrame:
    """Returns a row for each target word but the end: the source word it comes from, the weight.

    Raises:
      ValueError: if the map is not one of cross-attention, or there is no such head.
    """
    if found.site.kind != "cross":
        raise ValueError(f"{found.name} aligns nothing. Take a map of cross-attention.")
    weights = matrix(found, head)
    chosen = aligned(weights)
    table = {
        "target place": np.arange(len(chosen)),
        "target": found.queries,
        "source place": chosen,
        "source": [found.keys[place] for place in chosen],
        "weight": weights[np.arange(len(chosen)), chosen],
    }
    return pd.DataFrame(table)[:-1]


def alignment_measures(maps: Sequence[Mapping[Site, Map]]) -> pd.DataFrame:
    """Returns, for every head of cross-attention and for their mean (0), means over sentence pairs.

    - entropy of a target word's weights, in nats;
    - weight: the largest that is not on the source's end; at the end: the share that is;
    - covered: the share of source words, its end left out, that some target word comes from;
    - forwards: the share of steps to the next target word that do not go back in the source.

    Layers and heads are counted from 1.
    """
    rows = [
        {"layer": site.layer + 1, "head": head, **_measures(matrix(found, head))}
        for of_pair in maps
        for site, found in of_pair.items()
        if site.kind == "cross"
        for head in range(len(found.weights) + 1)
    ]
    return pd.DataFrame(rows).groupby(["layer", "head"], as_index=False).mean()


def best_aligning(measures: pd.DataFrame) -> tuple[int, int]:
    """Returns layer and head, counted from 1, that look sharply and, word by word, everywhere.

    Of what `alignment_measures` says it is the largest product of "weight" and "covered": a head
    that always looks at one word is as sharp as can be, and aligns nothing.
    """
    heads = measures[measures["head"] != MEAN]
    best = heads.loc[(heads["weight"] * heads["covered"]).idxmax()]
    return int(best["layer"]), int(best["head"])


def _measures(weights: Float[np.ndarray, "T S"]) -> dict[str, float]:
    words = weights[:-1] if len(weights) > 1 else weights
    chosen = aligned(words)
    return {
        "entropy": float(entropy(words).mean()),
        "weight": float(words[np.arange(len(chosen)), chosen].mean()),
        "at the end": float(words[:, -1].mean()),
        "covered": len(np.unique(chosen)) / max(weights.shape[1] - 1, 1),
        "forwards": float((np.diff(chosen) >= 0).mean()) if len(chosen) > 1 else np.nan,
    }
