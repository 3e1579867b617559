"""What the scale of dot products is for, drawn: with it in blue, without it in red."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiment.analysis.plots.frame import frame, legend_below

_SIDES = {True: ("#1f5fa8", "with 1/√d_k"), False: ("#b3342d", "without")}
_PANELS = {
    "variance": "variance of logits",
    "entropy": "entropy of weights, nats",
    "jacobian": "|d weights / d logits|",
    "gradient": "|d loss / d query|",
}
_CURVES = {
    "loss": "loss, nats",
    "entropy": "entropy, share of its most",
    "gradient": "|d loss / d query kernel|",
}


def draw_saturation(table: pd.DataFrame) -> Figure:
    """Returns four panels by d_k: logits' variance, entropy, the softmax's Jacobian, gradients.

    Lines are means and dots medians of queries; dashes are what was predicted.
    """
    figure = Figure(figsize=(11, 6.4), layout="constrained")
    for axis, (measure, label) in zip(figure.subplots(2, 2).flat, _PANELS.items(), strict=True):
        for scaled, (color, name) in _SIDES.items():
            side = table[table["scaled"] == scaled]
            d_k = side["d_k"]
            axis.plot(d_k, side[measure], color=color, marker="o", markersize=4, label=name)
            if f"median {measure}" in side:
                style = {"color": color, "linestyle": ":", "marker": ".", "linewidth": 1}
                axis.plot(d_k, side[f"median {measure}"], **style)
            if f"predicted {measure}" in side:
                _predicted(axis, side, measure, color)
        axis.set_xscale("log", base=2)
        axis.set_xticks(d_k, [str(width) for width in d_k])
        if measure != "entropy":
            axis.set_yscale("log")
        frame(axis, "d_k", label)
    first = figure.axes[0]
    first.plot([], [], color="0.4", linestyle="--", label="predicted")
    first.plot([], [], color="0.4", linestyle=":", marker=".", label="median query")
    legend_below(figure)
    return figure


def draw_training(table: pd.DataFrame) -> Figure:
    """Returns a column of panels for each d_k: loss, entropy of the weights, gradient, by step."""
    widths = sorted(table["d_k"].unique())
    figure = Figure(figsize=(1.0 + 3.2 * len(widths), 7.2), layout="constrained")
    panels = figure.subplots(3, len(widths), sharex=True, sharey="row", squeeze=False)
    for column, d_k in zip(panels.T, widths, strict=True):
        for axis, (measure, label) in zip(column, _CURVES.items(), strict=True):
            for scaled, (color, name) in _SIDES.items():
                curve = table[(table["d_k"] == d_k) & (table["scaled"] == scaled)]
                axis.plot(curve["step"], curve[measure], color=color, label=name)
            frame(axis, "", label if d_k == widths[0] else "")
        column[0].set_title(f"d_k = {d_k}", fontsize=10)
        column[-1].set_xlabel("step")
    panels[0, 0].set_ylim(bottom=0)
    panels[1, 0].set_ylim(0, 1)
    panels[2, 0].set_yscale("log")
    legend_below(figure)
    return figure


def _predicted(axis: Axes, side: pd.DataFrame, measure: str, color: str) -> None:
    """Draws a prediction within what was measured: it is of large d_k, and grows far too large."""
    expected, measured = side[f"predicted {measure}"], side[measure]
    seen = expected.where(expected <= 1.3 * measured.max())
    axis.plot(side["d_k"], seen, color=color, linestyle="--", linewidth=1)
