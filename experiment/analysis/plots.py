"""Figures of what is analysed; the numbers are made elsewhere."""

import io
import pathlib
from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

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
        axis.set_xlabel(across)
        axis.set_ylabel(up)
        axis.grid(color="0.92")
        axis.set_axisbelow(True)
        axis.spines[["top", "right"]].set_visible(False)
    figure.suptitle("Table 1 of the paper, measured (curves that agree lie on one another)")
    handles, labels = panels.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, fontsize=8)
    return figure


def save(figure: Figure, path: pathlib.Path) -> None:
    """Writes a picture as PNG; one that is there is replaced whole."""
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=130)
    write_file(path, picture.getvalue())


def _curve(axis: Axes, name: str, measured: Mapping[int, float] | Mapping[int, int]) -> None:
    kind = ", ".join(part.split(" = ")[0] for part in name.split(", ")).replace(", k", "")
    color, dashes = _STYLES[kind]
    sizes, values = list(measured), list(measured.values())
    axis.set_xticks(sizes, [str(size) for size in sizes])
    axis.plot(sizes, values, dashes, color=color, marker="o", markersize=3, label=name)
