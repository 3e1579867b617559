"""Table 1, drawn."""

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiment.analysis.paths import Row
from experiment.analysis.plots.frame import LAYERS, frame, legend_below


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


def _curve(axis: Axes, name: str, measured: Mapping[int, float] | Mapping[int, int]) -> None:
    kind = ", ".join(part.split(" = ")[0] for part in name.split(", ")).replace(", k", "")
    color, dashes = LAYERS[kind]
    sizes, values = list(measured), list(measured.values())
    axis.set_xticks(sizes, [str(size) for size in sizes])
    axis.plot(sizes, values, dashes, color=color, marker="o", markersize=3, label=name)
