"""What all figures share: a frame of few lines, colours by what a thing is, how they are kept."""

import io
import pathlib

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiment.data import write_file

# Of one hue what is one kind of layer; a dash for what the paper counts apart.
LAYERS = {
    "self-attention": ("#1f5fa8", "-"),
    "recurrent": ("#b3342d", "-"),
    "convolutional": ("#d1762c", "-"),
    "convolutional, dilated": ("#d1762c", "--"),
    "self-attention, r": ("#3c8d5a", "-"),
    "self-attention, with projections": ("#1f5fa8", ":"),
    "self-attention, r, with projections": ("#3c8d5a", ":"),
}


def style_of_layer(name: str) -> tuple[str, str]:
    """Returns color and dashes of a layer such as "convolutional, k = 3, dilated"."""
    parts = [part.split(" = ")[0] for part in name.split(", ")]
    return LAYERS[", ".join(part for part in parts if part != "k")]


def frame(axis: Axes, across: str, up: str) -> None:
    """Gives a panel its labels, a faint grid, and no box."""
    axis.set_xlabel(across)
    axis.set_ylabel(up)
    axis.grid(color="0.92")
    axis.set_axisbelow(True)
    axis.spines[["top", "right"]].set_visible(False)


def legend_below(figure: Figure) -> None:
    """Puts the legend of the first panel, which is that of all, under the panels."""
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, fontsize=8)


def save(figure: Figure, path: pathlib.Path) -> None:
    """Writes a picture as PNG; one that is there is replaced whole."""
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=130)
    write_file(path, picture.getvalue())
