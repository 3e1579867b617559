"""The figure of a sweep: every row against the first, ours beside the published."""

import pathlib
import textwrap
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiment.sweep.scores import RowScores, comparable

OURS, INTERVAL, PAPER = "#1f5fa8", "#9db9d9", "#d1762c"
_INCHES_A_ROW = 0.28
_LABEL_WIDTH = 44  # characters


def draw(rows: Sequence[RowScores], *, title: str) -> Figure:
    """Returns a picture of parameters, and of perplexity and BLEU against the first row.

    Perplexity is drawn as a ratio, because vocabularies differ from the paper's; tokenised BLEU as
    a difference, with the 95% interval of ours where there is one seed.
    """
    figure = Figure(figsize=(11, 1.6 + _INCHES_A_ROW * len(rows)), layout="constrained")
    parameters, perplexity, bleu = figure.subplots(1, 3, sharey=True)
    places = range(len(rows))
    parameters.barh(places, [row.num_params / 1e6 for row in rows], color=OURS, height=0.6)
    parameters.set_xlabel("parameters, millions\n")
    parameters.set_yticks(places, [_label(row) for row in rows], fontsize=8)
    parameters.invert_yaxis()
    _draw_figure(perplexity, rows, "perplexity")
    perplexity.set_xlabel(f"perplexity, as a multiple of {rows[0].name}'s\n(less is better)")
    _draw_figure(bleu, rows, "bleu")
    bleu.set_xlabel(f"tokenised BLEU, difference from {rows[0].name}\n(more is better)")
    for axis in (parameters, perplexity, bleu):
        axis.grid(color="0.92")
        axis.set_axisbelow(True)
        axis.spines[["top", "right"]].set_visible(False)
    figure.suptitle(title)
    handles, labels = bleu.get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="outside lower center", ncols=2)
    return figure


def save(figure: Figure, path: pathlib.Path) -> None:
    """Writes a picture as PNG; one that is there is replaced whole."""
    temporary = path.with_name(path.name + ".tmp")
    figure.savefig(temporary, format="png", dpi=130)
    temporary.replace(path)


def _label(row: RowScores) -> str:
    """Returns the name, and what is changed in lines that leave room for the picture."""
    return "\n".join(textwrap.wrap(f"{row.name}:  {row.changes}".rstrip(": "), _LABEL_WIDTH))


def _draw_figure(axis: Axes, rows: Sequence[RowScores], figure: str) -> None:
    """Draws "perplexity" or "bleu" of every row that has it, ours and the published."""
    measured = [comparable(row, rows[0], figure) for row in rows]
    ours = [(place, found.mean) for place, found in enumerate(measured) if found]
    published = [
        (place, row.published[figure]) for place, row in enumerate(rows) if figure in row.published
    ]
    for points, marker, color, fill, label in (
        (ours, "o", OURS, OURS, "here, with 95% interval"),
        (published, "D", PAPER, "none", "published"),
    ):
        if points and points[0][0] == 0:
            values = _against(figure, [value for _, value in points])
            axis.plot(
                values,
                [place for place, _ in points],
                linestyle="none",
                marker=marker,
                color=color,
                markerfacecolor=fill,
                label=label,
                zorder=3,
            )
    for place, row in enumerate(rows if figure == "bleu" else ()):
        if row.against_first and row.tokenized_bleu and row.tokenized_bleu.deviation is None:
            found = row.against_first
            half = found.difference_half_width
            ends = [found.difference - half, found.difference + half]
            axis.plot(ends, [place, place], color=INTERVAL, linewidth=2)
    axis.axvline(0 if figure == "bleu" else 1, color="0.5", linewidth=1)


def _against(figure: str, values: Sequence[float]) -> list[float]:
    first = values[0]
    return [value - first if figure == "bleu" else value / first for value in values]
