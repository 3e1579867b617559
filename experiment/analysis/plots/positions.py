"""What tells a model the order of its words, drawn."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from experiment.analysis.plots.frame import frame

# One colour a scheme, everywhere: what is added to embeddings is dashed or solid by its kin.
SCHEMES: Mapping[str, tuple[str, str]] = {
    "sinusoidal": ("#1f5fa8", "-"),
    "learned": ("#6aaed6", "-"),
    "none": ("#8a8a8a", "--"),
    "rotary": ("#3c8d5a", "-"),
    "alibi": ("#d1762c", "-"),
    "relative": ("#b3342d", "-"),
}
_LOSSES = (0.1, 0.2, 0.5, 1, 2, 5)  # nats a token


def draw_encoding(table: Float[np.ndarray, "T D"], products: pd.DataFrame, *, title: str) -> Figure:
    """Returns a table of encodings as a picture, and PE(pos) · PE(pos + k) by offset k.

    The second is a mean over all positions, and shaded their range, which sinusoids do not have.
    """
    figure = Figure(figsize=(11, 3.8), layout="constrained")
    picture, by_offset = figure.subplots(1, 2, width_ratios=(1.2, 1))
    _picture(figure, picture, table)
    _range(by_offset, products)
    figure.suptitle(title)
    return figure


def draw_blindness(
    table: Float[np.ndarray, "T D"],
    curves: Mapping[str, Sequence[Mapping[str, Any]]],
    orders: pd.DataFrame,
) -> Figure:
    """Returns three panels: the encoding, training with and without it, and what order changes.

    `curves` are the metrics of runs by scheme, `orders` what `orders_by_scheme` finds.
    """
    figure = Figure(figsize=(12.5, 3.8), layout="constrained")
    picture, losses, changed = figure.subplots(1, 3)
    _picture(figure, picture, table)
    for scheme, metrics in curves.items():
        lines = [line for line in metrics if line["kind"] == "train"]
        color, dashes = SCHEMES[scheme]
        steps, nll = zip(*((line["step"], line["nll"]) for line in lines), strict=True)
        losses.plot(steps, nll, dashes, color=color, label=scheme)
    losses.set_yscale("log")
    losses.yaxis.set_minor_formatter(NullFormatter())
    losses.set_yticks(_LOSSES, [str(loss) for loss in _LOSSES])
    losses.legend(frameon=False, title="positions")
    frame(losses, "step", "training loss, nats a token")
    _bars(changed, orders)
    for axis, title in zip(
        (picture, losses, changed),
        ("Where each word stands, as a vector", "Numbers learned", "The same words, rearranged"),
        strict=True,
    ):
        axis.set_title(title, fontsize=11)
    return figure


def draw_orders(orders: pd.DataFrame) -> Figure:
    """Returns how much the order of the same words changes, by scheme: encoder, then decoder."""
    figure = Figure(figsize=(7, 3.6), layout="constrained")
    _bars(figure.subplots(), orders)
    return figure


def draw_linear_map(
    fitted: Float[np.ndarray, "D D"], rotation: Float[np.ndarray, "D D"], errors: pd.DataFrame
) -> Figure:
    """Returns the map that was solved for, the rotation, and their errors by offset."""
    figure = Figure(figsize=(12, 3.8), layout="constrained")
    left, middle, right = figure.subplots(1, 3, width_ratios=(1, 1, 1.25))
    for axis, matrix, title in (
        (left, fitted, "solved by least squares"),
        (middle, rotation, "rotation, in closed form"),
    ):
        image = axis.imshow(matrix, cmap="RdBu_r", vmin=-1, vmax=1)
        axis.set_title(title, fontsize=11)
        axis.set_xlabel("dimension of PE(pos)")
    left.set_ylabel("dimension of PE(pos + k)")
    figure.colorbar(image, ax=middle, shrink=0.8)
    for column, style in {
        "fitted positions": "o-",
        "other positions": "s-",
        "fit - rotation": "^--",
    }.items():
        right.plot(errors.index, errors[column], style, markersize=4, label=column)
    right.axhline(float(np.finfo(float).eps), color="0.6", linewidth=0.8)
    right.set_xscale("log", base=2)
    right.set_yscale("log")
    right.legend(frameon=False, fontsize=8)
    frame(right, "k, positions", "largest error (grey: float64's epsilon)")
    return figure


def draw_swaps(swapped: pd.DataFrame) -> Figure:
    """Returns exact match and loss of a trained run under each change of its positions."""
    figure = Figure(figsize=(10, 0.6 + 0.27 * len(swapped)), layout="constrained")
    exact, loss = figure.subplots(1, 2, sharey=True)
    names = [
        change if " and " in sides else f"{change}, {sides} only"
        for change, sides in zip(swapped.change, swapped.sides, strict=True)
    ]
    colors = ["#1f5fa8", *["#9db8d6"] * (len(swapped) - 1)]
    places = range(len(names))
    exact.barh(places, 100 * swapped.exact, color=colors)
    exact.set_yticks(places, names)
    exact.invert_yaxis()
    exact.set_xlim(0, 100)
    loss.barh(places, swapped.nll, color=colors)
    frame(exact, "exact, % of pairs", "")
    frame(loss, "loss, nats a token", "")
    return figure


def draw_extrapolation(scores: pd.DataFrame, trained_words: int) -> Figure:
    """Returns exact match and loss by number of words: each scheme's median, and its seeds' range.

    What was trained on is shaded.
    """
    figure = Figure(figsize=(11, 4.4), layout="constrained")
    panels = figure.subplots(1, 2)
    for axis, column, factor in zip(panels, ("exact", "nll"), (100, 1), strict=True):
        axis.axvspan(scores.words.min() - 0.5, trained_words + 0.5, color="0.95", zorder=0)
        for scheme in scores.positions.unique():
            color, dashes = SCHEMES[scheme]
            by_words = (
                factor * scores[scores.positions == scheme].set_index("words")[column]
            ).groupby(level="words")
            words = list(by_words.groups)
            axis.fill_between(words, by_words.min(), by_words.max(), color=color, alpha=0.15)
            axis.plot(
                words,
                by_words.median(),
                dashes,
                color=color,
                marker="o",
                markersize=4,
                label=scheme,
            )
        axis.set_xticks(sorted(scores.words.unique()))
        axis.set_xlim(scores.words.min() - 0.5, scores.words.max() + 0.5)
    panels[0].set_ylim(-2, 102)
    panels[1].set_yscale("log")
    frame(panels[0], "words of the number (shaded: trained on)", "exact, % of numbers")
    frame(panels[1], "words of the number (shaded: trained on)", "loss, nats a token")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=6, frameon=False)
    figure.suptitle("Longer than any that was trained on")
    return figure


def _picture(figure: Figure, axis: Axes, table: Float[np.ndarray, "T D"]) -> None:
    bound = float(np.abs(table).max())
    image = axis.imshow(table, cmap="RdBu_r", vmin=-bound, vmax=bound, aspect="auto")
    axis.set_xlabel("dimension")
    axis.set_ylabel("position")
    figure.colorbar(image, ax=axis)


def _range(axis: Axes, products: pd.DataFrame) -> None:
    axis.fill_between(
        products.index, products.lowest, products.highest, color="#1f5fa8", alpha=0.2, linewidth=0
    )
    axis.plot(products.index, products["mean"], color="#1f5fa8")
    frame(axis, "k, positions apart", "PE(pos) · PE(pos + k)")


def _bars(axis: Axes, orders: pd.DataFrame) -> None:
    """Draws the worst example of each scheme, as a share of the mean logit."""
    shares = orders[["encoder", "logits"]].div(orders["size"], axis=0)
    worst = shares.groupby(level="positions", sort=False).max()
    places = np.arange(len(worst))
    for shift, column, color in ((-0.2, "encoder", "#1f5fa8"), (0.2, "logits", "#d1762c")):
        axis.bar(places + shift, worst[column], 0.38, color=color, label=column)
    axis.set_yscale("log")
    axis.axhline(float(np.finfo(np.float32).eps), color="0.6", linewidth=0.8)
    axis.set_xticks(places, list(worst.index), rotation=20)
    axis.set_ylim(top=20 * float(worst.to_numpy().max()))
    axis.legend(frameon=False, fontsize=8, ncols=2, loc="upper center")
    frame(axis, "", "difference / mean logit (grey: epsilon)")
