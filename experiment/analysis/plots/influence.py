"""What words are made from, drawn: one page a system."""

from collections.abc import Mapping

from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from experiment.analysis.influence import Influence

_LEAST = 1e-5  # share of a word at which the colours begin; white is none at all


def draw_influence(seen: Mapping[str, Influence]) -> Figure:
    """Returns a panel a system, by its title: each word's row, coloured by what it is made from."""
    figure = Figure(figsize=(4.6 * len(seen) + 0.9, 5.4), layout="constrained")
    panels = figure.subplots(1, len(seen), sharey=True, squeeze=False)[0]
    for axis, (title, its) in zip(panels, seen.items(), strict=True):
        image = axis.imshow(its.shares, cmap="magma_r", norm=LogNorm(_LEAST, 1.0))
        axis.set_title(title, fontsize=13)
        axis.set_xticks(range(len(its.words)), its.words, rotation=90)
        axis.set_yticks(range(len(its.words)), its.words)
        axis.tick_params(length=0)
        axis.spines[:].set_visible(False)
        axis.set_facecolor("white")
    panels[0].set_ylabel("what becomes of this word ...")
    panels[len(panels) // 2].set_xlabel("... is made of this one")
    figure.colorbar(image, ax=panels, shrink=0.8, pad=0.01, label="share")
    return figure
