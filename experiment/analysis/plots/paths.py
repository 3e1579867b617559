"""Table 1, drawn."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Bool
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

from experiment.analysis.paths import Row
from experiment.analysis.plots.frame import frame, legend_below, style_of_layer


def draw_table1(rows: Sequence[Row]) -> Figure:
    """Returns four panels: operations by n and by d, products in a chain and hops by n."""
    figure = Figure(figsize=(11, 7), layout="constrained")
    panels = figure.subplots(2, 2)
    contents: list[tuple[str, str, str]] = [
        ("by_length", "n, positions", "operations of a layer"),
        ("by_d_model", "d", "operations of a layer"),
        ("sequential", "n, positions", "products in the longest chain"),
        ("paths", "n, positions", "hops of the longest path"),
    ]
    for axis, (field, across, up) in zip(panels.flat, contents, strict=True):
        axis.set_xscale("log", base=2)
        axis.set_yscale("log")
        for row in rows:
            _curve(axis, row.name, getattr(row, field))
        frame(axis, across, up)
    figure.suptitle("Table 1 of the paper, measured (curves that agree lie on one another)")
    legend_below(figure)
    return figure


def draw_horizons(horizons: Mapping[str, Bool[np.ndarray, "hops S"]]) -> Figure:
    """Returns a panel a layer: which inputs (across) its last output sees after so many hops."""
    figure = Figure(figsize=(11, 3.2), layout="constrained")
    panels = figure.subplots(1, len(horizons), sharey=True, squeeze=False)[0]
    for axis, (name, seen) in zip(panels, horizons.items(), strict=True):
        color, _ = style_of_layer(name)
        hops, length = seen.shape
        box = (-length + 0.5, 0.5, hops + 0.5, 0.5)  # the output's own position is 0
        axis.imshow(
            seen, cmap=ListedColormap(["0.95", color]), vmin=0, vmax=1, extent=box, aspect="auto"
        )
        axis.set_yticks(range(1, hops + 1), minor=True)
        axis.grid(axis="y", which="minor", color="white", linewidth=0.4)
        axis.set_title(f"{name}\n{seen[-1].sum()} of {length} inputs in {hops} hops", fontsize=9)
        axis.set_xlabel("input, positions before the output")
        axis.spines[:].set_visible(False)
    panels[0].set_ylabel("hops")
    return figure


def _curve(axis: Axes, name: str, measured: Mapping[int, float] | Mapping[int, int]) -> None:
    color, dashes = style_of_layer(name)
    sizes, values = list(measured), list(measured.values())
    axis.set_xticks(sizes, [str(size) for size in sizes])
    axis.plot(sizes, values, dashes, color=color, marker="o", markersize=3, label=name)
