"""The figure of a sweep: every row against the first, ours beside the published."""

import pathlib
import textwrap
from collections.abc import Sequence

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiment.sweep.scores import RowScores

matplotlib.use("Agg")

OURS, PAPER = "#1f5fa8", "#d1762c"
_INCHES_A_ROW = 0.28
_LABEL_WIDTH = 36  # characters


def draw(rows: Sequence[RowScores], path: pathlib.Path, *, title: str) -> None:
    """Writes a picture of parameters, and of perplexity and BLEU against the first row.

    Perplexity is drawn as a ratio, because vocabularies differ; BLEU as a difference, with the 95%
    interval of ours.
    """
    figure = Figure(figsize=(11, 1.6 + _INCHES_A_ROW * len(rows)), layout="constrained")
    axes = figure.subplots(1, 3, sharey=True)
    places = range(len(rows))
    axes[0].barh(places, [row.num_params / 1e6 for row in rows], color=OURS, height=0.6)
    axes[0].set_xlabel("parameters, millions\n")
    axes[0].set_yticks(places, [_label(row) for row in rows], fontsize=8)
    axes[0].invert_yaxis()
    _draw_perplexity(axes[1], rows)
    _draw_bleu(axes[2], rows)
    for axis in axes:
        axis.grid(axis="x", color="0.9")
        axis.set_axisbelow(True)
        axis.spines[["top", "right"]].set_visible(False)
        for place in _group_ends(rows):
            axis.axhline(place, color="0.8", linewidth=0.8)
    figure.suptitle(title)
    figure.legend(*axes[2].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    figure.savefig(path, dpi=130)


def _label(row: RowScores) -> str:
    """Returns the name, and what is changed in lines that leave room for the picture."""
    return "\n".join(textwrap.wrap(f"{row.name}:  {row.changes}".rstrip(": "), _LABEL_WIDTH))


def _draw_perplexity(axis: Axes, rows: Sequence[RowScores]) -> None:
    base = rows[0]
    if base.perplexity:
        ours = [
            (place, row.perplexity.mean / base.perplexity.mean)
            for place, row in enumerate(rows)
            if row.perplexity
        ]
        axis.plot([x for _, x in ours], [y for y, _ in ours], "o", color=OURS)
    if "perplexity" in base.published:
        paper = [
            (place, row.published["perplexity"] / base.published["perplexity"])
            for place, row in enumerate(rows)
            if "perplexity" in row.published
        ]
        axis.plot([x for _, x in paper], [y for y, _ in paper], "D", color=PAPER, mfc="none")
    axis.axvline(1, color="0.5", linewidth=1)
    axis.set_xlabel(f"perplexity, as a multiple of {base.name}'s\n(less is better)")


def _draw_bleu(axis: Axes, rows: Sequence[RowScores]) -> None:
    base = rows[0]
    if base.sacrebleu:
        ours = [
            (place, row.sacrebleu.mean - base.sacrebleu.mean, row.half_width or 0)
            for place, row in enumerate(rows)
            if row.sacrebleu
        ]
        axis.errorbar(
            [difference for _, difference, _ in ours],
            [place for place, _, _ in ours],
            xerr=[width for _, _, width in ours],
            fmt="o",
            color=OURS,
            ecolor="#9db9d9",
            label="here (sacreBLEU, 95% interval of the row)",
        )
    if "bleu" in base.published:
        paper = [
            (place, row.published["bleu"] - base.published["bleu"])
            for place, row in enumerate(rows)
            if "bleu" in row.published
        ]
        places, differences = [y for y, _ in paper], [x for _, x in paper]
        axis.plot(differences, places, "D", color=PAPER, mfc="none", label="published")
    axis.axvline(0, color="0.5", linewidth=1)
    axis.set_xlabel(f"BLEU, difference from {base.name}\n(more is better)")


def _group_ends(rows: Sequence[RowScores]) -> list[float]:
    """Returns the places between rows whose names begin with different letters."""
    return [n - 0.5 for n in range(1, len(rows)) if rows[n].name[0] != rows[n - 1].name[0]]
