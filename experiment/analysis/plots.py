"""Figures of what is analysed; the numbers are made elsewhere."""

import io
import pathlib
import statistics
from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiment.analysis.long_range import Settings, Sight
from experiment.analysis.paths import Row
from experiment.data import write_file

# Of one hue what is one kind of layer; a dash for what the paper counts apart.
_STYLES = {
    "self-attention": ("#1f5fa8", "-"),
    "recurrent": ("#b3342d", "-"),
    "convolutional": ("#d1762c", "-"),
    "convolutional, dilated": ("#d1762c", "--"),
    "self-attention, r": ("#3c8d5a", "-"),
    "self-attention, with projections": ("#1f5fa8", ":"),
    "self-attention, r, with projections": ("#3c8d5a", ":"),
}
_SYSTEMS = {"transformer": "self-attention"}  # what a system is made of, where it is called else


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
        _frame(axis, across, up)
    figure.suptitle("Table 1 of the paper, measured (curves that agree lie on one another)")
    handles, labels = panels.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, fontsize=8)
    return figure


def draw_long_range(sights: Sequence[Sight], settings: Settings) -> Figure:
    """Returns four panels: gradients and recall by distance, each in the target and the source."""
    figure = Figure(figsize=(11, 7), layout="constrained")
    for row, side in zip(figure.subplots(2, 2), ("target", "source"), strict=True):
        for sight in sights:
            color, dashes = _STYLES[_SYSTEMS.get(sight.system, sight.system)]
            style = {"color": color, "linestyle": dashes, "label": sight.system}
            norms = getattr(sight.gradients, side)
            row[0].plot(range(len(norms)), norms / norms[0], **style)
            recalled = sight.recalled[side]
            for accuracies, weight in zip(_curves_of(recalled), (2.0, 0.6, 0.6), strict=True):
                row[1].plot(list(recalled), accuracies, linewidth=weight, **style)
        row[0].set_yscale("log")
        _frame(row[0], f"k, tokens of the {side} back", "gradient, share of that at k = 0")
        row[1].axhline(1 / settings.num_keys, color="0.6", linewidth=0.8)
        row[1].set_ylim(0, 1.03)
        _frame(row[1], f"k, tokens of the {side} back", "values recalled (grey: by chance)")
    figure.suptitle("How far each system looks back, at equal size and training")
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, fontsize=8)
    return figure


def save(figure: Figure, path: pathlib.Path) -> None:
    """Writes a picture as PNG; one that is there is replaced whole."""
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=130)
    write_file(path, picture.getvalue())


def _frame(axis: Axes, across: str, up: str) -> None:
    axis.set_xlabel(across)
    axis.set_ylabel(up)
    axis.grid(color="0.92")
    axis.set_axisbelow(True)
    axis.spines[["top", "right"]].set_visible(False)


def _curves_of(recalled: Mapping[int, Sequence[float]]) -> list[list[float]]:
    """Returns, over the distances, the median, the lowest and the highest of the seeds."""
    return [[of(each) for each in recalled.values()] for of in (statistics.median, min, max)]


def _curve(axis: Axes, name: str, measured: Mapping[int, float] | Mapping[int, int]) -> None:
    kind = ", ".join(part.split(" = ")[0] for part in name.split(", ")).replace(", k", "")
    color, dashes = _STYLES[kind]
    sizes, values = list(measured), list(measured.values())
    axis.set_xticks(sizes, [str(size) for size in sizes])
    axis.plot(sizes, values, dashes, color=color, marker="o", markersize=3, label=name)
