"""The sentences, words and layer of the paper's figures 3 to 5, for a run of any depth."""

import numpy as np

from experiment.analysis.attention.maps import Map, maps_of
from experiment.analysis.runs import Run
from experiment.analysis.sites import Site

MAKING = (
    "It is in this spirit that a majority of American governments have passed new laws since 2009 "
    "making the registration or voting process more difficult."
)
LAW = (
    "The Law will never be perfect, but its application should be just - this is what we are "
    "missing, in my opinion."
)


def encoder_map(run: Run, sentence: str, layer: int | None = None) -> Map:
    """Returns what the words of a sentence attend to in a layer of the encoder, counted from 0.

    None is the highest but one, as layer 5 of 6 in the paper's figures, or the only one.

    Raises:
      ValueError: if the model has no encoder with heads, or not that layer.
    """
    maps = maps_of(run, [(sentence, "")], words=True)[0]
    layers = [site.layer for site in maps if site.kind == "encoder"]
    if not layers:
        raise ValueError(f"{run.workdir.path} has no encoder to look into.")
    chosen = max(len(layers) - 2, 0) if layer is None else layer
    if chosen not in layers:
        raise ValueError(f"layer={layer} must be from 0 to {len(layers) - 1}.")
    return maps[Site("encoder", chosen)]


def heads_towards(found: Map, query: str, key: str) -> list[int]:
    """Returns all heads, counted from 1, the one by which `query` attends most to `key` first.

    Raises:
      ValueError: if either is not a word of the sentence.
    """
    if key not in found.keys:
        raise ValueError(f"key={key!r} must be one of {', '.join(found.keys)}.")
    weights = found.weights[:, found.place(query), found.keys.index(key)]
    return [int(head) + 1 for head in np.argsort(-weights, kind="stable")]


def most_unlike(found: Map) -> tuple[int, int]:
    """Returns the two heads, counted from 1, whose weights differ most: figure 5 wants such a pair.

    The difference is the total variation of a word's weights, on the mean over words.

    Raises:
      ValueError: if there is but one head.
    """
    if len(found.weights) < 2:
        raise ValueError(f"{found.name} has one head; two are needed to differ.")
    apart = np.abs(found.weights[:, None] - found.weights[None]).sum(-1).mean(-1) / 2
    one, other = np.unravel_index(apart.argmax(), apart.shape)
    return int(one) + 1, int(other) + 1
