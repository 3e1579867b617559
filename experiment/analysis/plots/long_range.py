"""How far systems look back, drawn."""

import statistics
from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from experiment.analysis.long_range import Settings, Sight
from experiment.analysis.plots.frame import LAYERS, frame, legend_below

_SYSTEMS = {"transformer": "self-attention"}  # what a system is made of, where it is called else


def draw_long_range(sights: Sequence[Sight], settings: Settings) -> Figure:
    """Returns two panels a side that was recalled on: gradients and recall, by distance.

    Where a gradient is exactly 0, its curve falls out of the panel.
    """
    sides = [side for side in ("target", "source") if side in sights[0].recalled]
    figure = Figure(figsize=(11, 3.5 * len(sides)), layout="constrained")
    rows = figure.subplots(len(sides), 2, squeeze=False)
    for row, side in zip(rows, sides, strict=True):
        for sight in sights:
            color, dashes = LAYERS[_SYSTEMS.get(sight.system, sight.system)]
            style = {"color": color, "linestyle": dashes, "label": sight.system}
            norms = getattr(sight.gradients, side)
            shares = norms / norms[0]
            row[0].plot(range(len(norms)), shares, marker="o", markersize=3, **style)
            recalled = sight.recalled[side]
            for accuracies, weight in zip(_curves_of(recalled), (2.0, 0.6, 0.6), strict=True):
                row[1].plot(list(recalled), accuracies, linewidth=weight, **style)
        row[0].set_yscale("log")
        frame(row[0], f"k, tokens of the {side} back", "gradient, share of that at k = 0")
        row[1].axhline(1 / settings.num_keys, color="0.6", linewidth=0.8)
        row[1].set_ylim(0, 1.03)
        frame(row[1], f"k, tokens of the {side} back", "values recalled (grey: by chance)")
    figure.suptitle("How far each system looks back, at equal size and training")
    legend_below(figure)
    return figure


def _curves_of(recalled: Mapping[int, Sequence[float]]) -> list[list[float]]:
    """Returns, over the distances, the median, the lowest and the highest of the seeds."""
    return [[of(each) for each in recalled.values()] for of in (statistics.median, min, max)]
