"""What heads are good for, drawn."""

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiment.analysis.heads import rank_correlation
from experiment.analysis.plots.frame import frame
from experiment.analysis.sites import TITLES

_KINDS = {"encoder": "#1f5fa8", "decoder": "#d1762c", "cross": "#3c8d5a"}
_ORDERS = {"greedy": ("#1f5fa8", "-"), "importance": ("#d1762c", "--")}
# Column -> what it is called, how a cell is written, colours: red where a head was of use.
_CHANGES = {
    "loss_change": ("loss, nats a token", "{:+.3f}", "RdBu_r"),
    "bleu_change": ("BLEU", "{:+.1f}", "RdBu"),
}


def draw_heads(table: pd.DataFrame, changes: Sequence[str] | None = None) -> Figure:
    """Returns maps of `ablate`'s heads, layers from below: a row of panels a change, one a kind.

    All panels of a row share their colours, which are white at 0 and red where a head was of use.
    """
    shown = [name for name in changes or _CHANGES if name in table]
    kinds = list(dict.fromkeys(table["kind"]))
    layers, heads = int(table["layer"].max()), int(table["head"].max())
    size = (1.2 + len(kinds) * max(0.62 * heads, 2.4), 0.7 + len(shown) * (0.8 + 0.5 * layers))
    figure = Figure(figsize=size, layout="constrained")
    rows = figure.subplots(len(shown), len(kinds), squeeze=False, sharex="col", sharey=True)
    for row, name in zip(rows, shown, strict=True):
        title, form, colours = _CHANGES[name]
        largest = max(float(table[name].abs().max()), 1e-9)
        for axis, kind in zip(row, kinds, strict=True):
            grid = table[table["kind"] == kind].pivot(index="layer", columns="head", values=name)
            limits = {"vmin": -largest, "vmax": largest}
            image = axis.imshow(grid, cmap=colours, origin="lower", aspect="auto", **limits)
            _cells(axis, grid, form, largest)
        row[0].set_ylabel("layer")
        figure.colorbar(image, ax=row, label=title, pad=0.01)
    for axis, kind in zip(rows[0], kinds, strict=True):
        axis.set_title(TITLES[kind], fontsize=10)
    for axis in rows[-1]:
        axis.set_xlabel("head")
    figure.suptitle("What changes without one head", fontsize=11)
    return figure


def _cells(axis: Axes, grid: pd.DataFrame, form: str, largest: float) -> None:
    for row, values in enumerate(grid.to_numpy()):
        for column, value in enumerate(values):
            text = form.format(value).replace("-", "−")
            text = text if any(digit in text for digit in "123456789") else "0"
            color = _readable(value / largest)
            axis.text(column, row, text, color=color, ha="center", va="center", fontsize=8)
    axis.set_xticks(range(grid.shape[1]), [str(head) for head in grid.columns])
    axis.set_yticks(range(grid.shape[0]), [str(layer) for layer in grid.index])
    axis.tick_params(length=0)
    axis.spines[:].set_visible(False)


def _readable(share: float) -> str:
    return "white" if abs(share) > 0.6 else "0.15"


def draw_pruning(table: pd.DataFrame) -> Figure:
    """Returns the curves of `prune`: loss, and BLEU where there is one, by heads removed."""
    panels = {"loss": "loss, nats a token", "bleu": "BLEU, greedy"}
    shown = [name for name in panels if name in table]
    figure = Figure(figsize=(1.0 + 4.6 * len(shown), 3.6), layout="constrained")
    for axis, name in zip(figure.subplots(1, len(shown), squeeze=False)[0], shown, strict=True):
        for order, rows in table.dropna(subset=name).groupby("order"):
            color, dashes = _ORDERS[str(order)]
            label = {"greedy": "least missed first", "importance": "least gradient first"}[
                str(order)
            ]
            axis.plot(
                *(rows["removed"], rows[name], dashes),
                color=color,
                marker="o",
                markersize=3,
                label=label,
            )
        frame(axis, "heads removed", panels[name])
        axis.set_ylim(bottom=0)
    figure.axes[0].legend(frameon=False, fontsize=9)
    return figure


def draw_importance(ablation: pd.DataFrame, importance: pd.DataFrame) -> Figure:
    """Returns each head's importance by gradient against what its removal really costs."""
    both = ablation.merge(importance, on=["kind", "layer", "head"])
    figure = Figure(figsize=(5.2, 4.2), layout="constrained")
    axis = figure.subplots()
    for kind, rows in both.groupby("kind", sort=False):
        label, color = TITLES[str(kind)], _KINDS[str(kind)]
        axis.scatter(rows["importance"], rows["loss_change"], s=22, color=color, label=label)
    axis.axhline(0, color="0.6", linewidth=0.8)
    axis.set_xscale("log")
    straight = max(float(both["loss_change"].abs().quantile(0.25)), 1e-4)
    axis.set_yscale("symlog", linthresh=straight)
    low, high = float(both["loss_change"].min()), float(both["loss_change"].max())
    axis.set_ylim(min(2 * low, -straight / 2), max(2 * high, straight))
    frame(
        axis, "importance: mean |d loss / d gate|, nats a token", "change of loss without the head"
    )
    rho = rank_correlation(both["importance"], both["loss_change"])
    axis.set_title(f"{len(both)} heads, rank correlation {rho:.2f}", fontsize=10)
    axis.legend(frameon=False, fontsize=8, loc="lower right")
    return figure
