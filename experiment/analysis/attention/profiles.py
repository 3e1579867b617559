"""How heads attend on the whole: how far, how widely, and to which places."""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int

from experiment.analysis.runs import Run
from experiment.analysis.sentences import batch_of
from experiment.analysis.weights import attention_weights

_OFFSETS = {"self": 0, "previous": -1, "next": 1}


def entropy(weights: Float[np.ndarray, "*N S"]) -> Float[np.ndarray, "*N"]:
    """Returns the entropy of the last axis, in nats: 0 on one key, log(n) evenly on n.

    Example:
      >>> entropy(np.array([[1.0, 0.0], [0.5, 0.5]])).round(3).tolist()
      [0.0, 0.693]
    """
    safe = np.where(weights > 0, weights, 1.0)
    return np.abs((weights * np.log(safe)).sum(-1))


def profiles(
    run: Run, pairs: Sequence[tuple[str, str]], *, pairs_at_once: int = 64
) -> pd.DataFrame:
    """Returns a row for every head of a run: `profile` over the queries of all pairs.

    Layers and heads are counted from 1. In a decoder nothing stands behind a query, so that "next"
    and "last" are no numbers there.

    Raises:
      ValueError: if there are no pairs, or the model has no heads.
    """
    found: dict[tuple[str, int], list[pd.DataFrame]] = {}
    for begin in range(0, max(len(pairs), 1), pairs_at_once):
        batch = batch_of(run.vocabulary, pairs[begin : begin + pairs_at_once])
        source, target = (
            np.asarray((segments > 0).sum(1))
            for segments in (batch.source_segments, batch.target_segments)
        )
        for site, weights in attention_weights(run.model, run.params, batch).items():
            queries = source if site.kind == "encoder" else target
            keys = target if site.kind == "decoder" else source
            sums = _sums(weights, queries, keys, causal=site.kind == "decoder")
            found.setdefault((site.kind, site.layer + 1), []).append(sums)
    tables = [_means(sum(parts[1:], parts[0])) for parts in found.values()]
    return pd.concat(tables, keys=list(found), names=["kind", "layer", "head"]).reset_index()


def profile(
    weights: Float[np.ndarray, "B H T S"],
    queries: Int[np.ndarray, " B"],
    keys: Int[np.ndarray, " B"],
    *,
    causal: bool,
) -> pd.DataFrame:
    """Returns means over all queries of rows that have so many queries and keys, a row a head.

    - distance: how many places the attended key stands away, and, as "even distance", how many it
      would with even weights; offset: the same with its sign, positive behind the query;
    - entropy, in nats, and as a share of the logarithm of the number of keys, where there are two;
    - self, previous, next, first, last: the share of weight there, over queries that have such a
      key. In cross-attention the source position of the same number counts as "self".
    """
    return _means(_sums(weights, queries, keys, causal=causal)).reset_index()


def _allowed(
    weights: Float[np.ndarray, "B H T S"],
    queries: Int[np.ndarray, " B"],
    keys: Int[np.ndarray, " B"],
    causal: bool,
) -> Bool[np.ndarray, "B T S"]:
    """Returns which keys the queries of a sentence may attend to, were there no window."""
    _, _, length, others = weights.shape
    is_query = np.arange(length)[None, :, None] < queries[:, None, None]
    is_key = np.arange(others)[None, None, :] < keys[:, None, None]
    return is_query & is_key & (np.tri(length, others, dtype=bool) if causal else True)


def _sums(
    weights: Float[np.ndarray, "B H T S"],
    queries: Int[np.ndarray, " B"],
    keys: Int[np.ndarray, " B"],
    *,
    causal: bool,
) -> pd.DataFrame:
    """Returns a row a head: the sum and the count of all that is averaged."""
    allowed = _allowed(weights, queries, keys, causal)
    heads = pd.RangeIndex(1, weights.shape[1] + 1, name="head")
    columns = {}
    for measure, values, counted in _measured(weights, allowed, last=keys - 1, causal=causal):
        columns["sum", measure] = np.zeros(len(heads)) + (values * counted[:, None]).sum((0, 2))
        columns["count", measure] = np.full(len(heads), counted.sum())
    return pd.DataFrame(columns, index=heads)


def _means(sums: pd.DataFrame) -> pd.DataFrame:
    return sums["sum"] / sums["count"].where(sums["count"] > 0)


def _measured(
    weights: Float[np.ndarray, "B H T S"],
    allowed: Bool[np.ndarray, "B T S"],
    *,
    last: Int[np.ndarray, " B"],
    causal: bool,
) -> Iterator[tuple[str, Float[np.ndarray, "B _ T"], Bool[np.ndarray, "B T"]]]:
    """Yields measures of every query, and which queries they are averaged over."""
    weights = np.where(allowed[:, None], weights, 0.0)
    offsets = np.arange(weights.shape[3])[None, :] - np.arange(weights.shape[2])[:, None]
    count = allowed.sum(-1)
    is_query, several = count > 0, count > 1
    even = (allowed / np.maximum(count, 1)[..., None])[:, None]
    yield "distance", (weights * np.abs(offsets)).sum(-1), is_query
    yield "even distance", (even * np.abs(offsets)).sum(-1), is_query
    yield "offset", (weights * offsets).sum(-1), is_query
    nats = entropy(weights)
    yield "entropy", nats, is_query
    yield "relative entropy", nats / np.log(np.maximum(count, 2))[:, None], several
    for name, offset in _OFFSETS.items():
        there = allowed & (offsets == offset)
        yield name, (weights * there[:, None]).sum(-1), there.any(-1)
    yield "first", weights[..., 0], is_query
    at_last = np.take_along_axis(weights, last[:, None, None, None], axis=-1)[..., 0]
    yield "last", at_last, is_query & (not causal)
