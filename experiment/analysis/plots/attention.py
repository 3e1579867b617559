"""What heads attend to, drawn: maps of words and profiles of heads."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from experiment.analysis.attention import MEAN, Map, aligned, matrix
from experiment.analysis.plots.frame import frame, legend_below
from experiment.analysis.sites import KINDS, TITLES

HEADS = (
    *("#1f5fa8", "#d1762c", "#3c8d5a", "#b3342d", "#7a55a3", "#8a5a44", "#c25b9a", "#6b6b6b"),
    *("#9a9a1f", "#2a9aa8", "#7fb0e6", "#f0b27a", "#8fd0a4", "#e89a95", "#bfa6dc", "#b89a8c"),
)
_SHARES = ["self", "previous", "next", "first", "last"]


def color_of(head: int) -> str:
    """Returns the colour of a head, counted from 1, the same in every figure."""
    return HEADS[(head - 1) % len(HEADS)]


def draw_maps(found: Map, heads: Sequence[int] | None = None, *, columns: int = 4) -> Figure:
    """Returns a grid of heatmaps, a panel a head (counted from 1; all of them if None)."""
    chosen = list(range(1, len(found.weights) + 1)) if heads is None else list(heads)
    columns = min(columns, len(chosen))
    rows = -(-len(chosen) // columns)
    size = columns * _side(len(found.keys)) + 0.9, rows * _side(len(found.queries)) + 0.9
    figure = Figure(figsize=size, layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False)
    for axis in panels.flat[len(chosen) :]:
        axis.set_visible(False)
    drawn = {head: matrix(found, head) for head in chosen}
    largest = max(float(weights.max()) for weights in drawn.values())
    for place, (head, weights) in enumerate(drawn.items()):
        axis = panels.flat[place]
        picture = _heatmap(axis, weights, found, largest)
        axis.set_title("mean of all heads" if head == MEAN else f"head {head}", fontsize=10)
        if place % columns:
            axis.set_yticklabels([])
    figure.colorbar(picture, ax=panels, label="weight", shrink=0.6, aspect=30)
    figure.suptitle(found.name)
    return figure


def draw_alignment(found: Map, head: int = MEAN) -> Figure:
    """Returns the weights between target and source words; a ring marks each word's largest."""
    size = max(5.2, _side(len(found.keys)) + 1.8), max(3.2, _side(len(found.queries)) + 1.2)
    figure = Figure(figsize=size, layout="constrained")
    axis, weights = figure.subplots(), matrix(found, head)
    picture = _heatmap(axis, weights, found, float(weights.max()))
    chosen = aligned(weights)[:-1]
    axis.scatter(chosen, range(len(chosen)), s=34, facecolors="none", edgecolors=HEADS[1])
    axis.set_xlabel("source, attended to")
    axis.set_ylabel("target, being written")
    figure.colorbar(picture, ax=axis, label="weight", shrink=0.7)
    which = "mean of all heads" if head == MEAN else f"head {head}"
    axis.set_title(f"{found.name}, {which}", fontsize=11)
    return figure


def draw_profiles(table: pd.DataFrame) -> Figure:
    """Returns two rows of panels, one column a kind: distance and entropy of heads by layer."""
    kinds = [kind for kind in KINDS if (table["kind"] == kind).any()]
    figure = Figure(figsize=(0.8 + 3.4 * len(kinds), 5.6), layout="constrained")
    panels = figure.subplots(2, len(kinds), sharex=True, sharey="row", squeeze=False)
    for column, kind in zip(panels.T, kinds, strict=True):
        of_kind = table[table["kind"] == kind]
        for head, of_head in of_kind.groupby("head"):
            style = {"color": color_of(head), "marker": "o", "markersize": 4, "linewidth": 0.8}
            for axis, measure in zip(column, ("distance", "relative entropy"), strict=True):
                axis.plot(of_head["layer"], of_head[measure], label=f"head {head}", **style)
        even = of_kind.groupby("layer")["even distance"].first()
        column[0].plot(even.index, even, color="0.6", linestyle="--", label="even weights")
        column[1].axhline(1, color="0.6", linestyle="--")
        column[0].set_title(TITLES[kind], fontsize=10)
        frame(column[0], "", "distance attended, places" if kind == kinds[0] else "")
        frame(column[1], "layer", "entropy, share of log n" if kind == kinds[0] else "")
        column[1].set_xticks(sorted(table["layer"].unique()))
        column[1].set_ylim(0, 1.04)
    panels[0, 0].set_ylim(bottom=0)
    figure.suptitle("How far and how widely heads look")
    legend_below(figure)
    return figure


def draw_shares(table: pd.DataFrame) -> Figure:
    """Returns, a panel a kind, the share of each head's weight on places that mean something."""
    kinds = [kind for kind in KINDS if (table["kind"] == kind).any()]
    tallest = max((table["kind"] == kind).sum() for kind in kinds)
    figure = Figure(figsize=(1.2 + 2.9 * len(kinds), 1.6 + 0.24 * tallest), layout="constrained")
    panels = figure.subplots(1, len(kinds), squeeze=False)[0]
    for axis, kind in zip(panels, kinds, strict=True):
        of_kind = table[table["kind"] == kind]
        shares = of_kind[_SHARES].to_numpy(float)
        picture = axis.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
        for (row, column), share in np.ndenumerate(shares):
            text = "" if np.isnan(share) else f"{share:.2f}"
            color = "white" if share > 0.6 else "0.25"
            axis.text(column, row, text, ha="center", va="center", fontsize=7, color=color)
        names = (of_kind["layer"].astype(str) + "." + of_kind["head"].astype(str)).tolist()
        axis.set_xticks(range(len(_SHARES)), _SHARES, rotation=45, fontsize=8)
        axis.set_yticks(range(len(names)), names, fontsize=8)
        axis.tick_params(length=0)
        axis.spines[:].set_visible(False)
        axis.set_title(TITLES[kind], fontsize=10)
    panels[0].set_ylabel("layer.head")
    figure.colorbar(picture, ax=list(panels), label="share of weight", shrink=0.7)
    return figure


def _side(words: int) -> float:
    return max(1.5, 0.21 * words)


def _heatmap(
    axis: Axes, weights: Float[np.ndarray, "T S"], found: Map, largest: float
) -> AxesImage:
    picture = axis.imshow(weights, cmap="Blues", vmin=0, vmax=largest, aspect="auto")
    axis.set_xticks(range(len(found.keys)), found.keys, rotation=90, fontsize=8)
    axis.set_yticks(range(len(found.queries)), found.queries, fontsize=8)
    axis.tick_params(length=0)
    axis.spines[:].set_visible(False)
    return picture
