"""What the heads of a run look at in sentence pairs, with the words, or pieces, on both axes."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float

from experiment.analysis.attention.words import between_words, words_of
from experiment.analysis.runs import Run
from experiment.analysis.sentences import Pieces, batch_of, pieces_of
from experiment.analysis.sites import Site
from experiment.analysis.weights import attention_weights

# Kind -> what stands on the axes of queries and keys. A target position asks the source while it
# predicts its label, so that is what its row is called.
_AXES = {"encoder": ("source", "source"), "decoder": ("inputs", "inputs")}
_AXES |= {"cross": ("labels", "source")}


class Map(NamedTuple):
    """What the heads of one attention look at in one sentence pair."""

    site: Site
    queries: list[str]
    keys: list[str]
    weights: Float[np.ndarray, "H T S"]
    num_layers: int  # that its model has of this kind

    @property
    def name(self) -> str:
        """Which attention it is, layers counted from 1."""
        return f"{self.site.name} of {self.num_layers}"

    def place(self, word: str) -> int:
        """Returns which of the queries is `word`, the first of several.

        Raises:
          ValueError: if none is.
        """
        if word not in self.queries:
            raise ValueError(f"word={word!r} must be one of {', '.join(self.queries)}.")
        return self.queries.index(word)


def maps_of(
    run: Run,
    pairs: Sequence[tuple[str, str]],
    *,
    words: bool = False,
    gates: Mapping[str, Any] | None = None,
) -> list[dict[Site, Map]]:
    """Returns, for each sentence pair, what every head of a run attends to.

    With `words`, pieces are put together: attention between words. The target is what the decoder
    is given: a reference, or what `with_translations` found.

    Raises:
      ValueError: if there are no pairs, or the model has no heads.
    """
    batch = batch_of(run.vocabulary, pairs)
    found = attention_weights(run.model, run.params, batch, gates)
    maps = []
    for row, pair in enumerate(pairs):
        pieces, of_pair = pieces_of(run.vocabulary, *pair), {}
        for site, weights in found.items():
            num_layers = sum(other.kind == site.kind for other in found)
            of_pair[site] = _map(site, weights[row], pieces, words, num_layers)
        maps.append(of_pair)
    return maps


def with_translations(run: Run, sources: Sequence[str]) -> list[tuple[str, str]]:
    """Returns each source with the run's own best translation of it."""
    return list(zip(sources, run.translator().best(run.params, sources), strict=True))


def tidy(maps: Mapping[Site, Map]) -> pd.DataFrame:
    """Returns a row for every weight: kind, layer, head, query, key and their places, weight.

    Layers and heads are counted from 1, as the paper counts them, places from 0.
    """
    tables = []
    for site, found in maps.items():
        head, query, key = (axis.ravel() for axis in np.indices(found.weights.shape))
        columns = {
            "kind": site.kind,
            "layer": site.layer + 1,
            "head": head + 1,
            "query place": query,
            "query": np.array(found.queries, object)[query],
            "key place": key,
            "key": np.array(found.keys, object)[key],
            "weight": found.weights.ravel(),
        }
        tables.append(pd.DataFrame(columns))
    return pd.concat(tables, ignore_index=True)


def _map(
    site: Site,
    weights: Float[np.ndarray, "H T S"],
    pieces: Pieces,
    words: bool,
    num_layers: int,
) -> Map:
    queries, keys = (getattr(pieces, axis) for axis in _AXES[site.kind])
    weights = weights[:, : len(queries), : len(keys)]
    if not words:
        return Map(site, queries, keys, weights, num_layers)
    asking, asked = words_of(queries), words_of(keys)
    texts = [word.text for word in asking], [word.text for word in asked]
    return Map(site, *texts, between_words(weights, asking, asked), num_layers)
