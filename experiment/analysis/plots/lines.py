"""Attention as the paper's figures 3 to 5 draw it: two columns of words, a line for each weight.

The darkest line of a panel is its largest weight, which its title says.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from experiment.analysis.attention import Map, matrix
from experiment.analysis.plots.attention import color_of

_LEFT, _RIGHT = 0.34, 0.66  # where words end and begin, of a panel's width
_FAINTEST = 0.02  # weights below are not seen, and cost time to draw
_STRIPE = 0.035  # width of a head's stripe beside a word


def draw_lines(
    found: Map, heads: Sequence[int] | None = None, *, word: str | None = None
) -> Figure:
    """Returns one panel: lines from words that ask to words that are looked at, a colour a head.

    All heads, counted from 1, and all words ask if none are named.

    Raises:
      ValueError: if there is no such head or word.
    """
    chosen = list(range(1, len(found.weights) + 1)) if heads is None else list(heads)
    return _drawn(found, [(chosen, word)])


def draw_figure3(found: Map, word: str = "making") -> Figure:
    """Returns figure 3: what all heads attend to from one word.

    Raises:
      ValueError: if there is no such word.
    """
    return draw_lines(found, word=word)


def draw_figure4(found: Map, heads: tuple[int, int], word: str = "its") -> Figure:
    """Returns figure 4: all of the first head, and what both heads attend to from one word.

    Raises:
      ValueError: if there is no such head or word.
    """
    return _drawn(found, [([heads[0]], None), (list(heads), word)])


def draw_figure5(found: Map, heads: tuple[int, int]) -> Figure:
    """Returns figure 5: all of two heads that do different things.

    Raises:
      ValueError: if there is no such head.
    """
    return _drawn(found, [([head], None) for head in heads])


def _drawn(found: Map, contents: Sequence[tuple[list[int], str | None]]) -> Figure:
    height = 1.3 + 0.2 * max(len(found.queries), len(found.keys))
    figure = Figure(figsize=(0.4 + 4.2 * len(contents), height), layout="constrained")
    panels = figure.subplots(1, len(contents), squeeze=False)[0]
    for axis, (heads, word) in zip(panels, contents, strict=True):
        places = range(len(found.queries)) if word is None else [found.place(word)]
        weights = np.stack([matrix(found, head)[places] for head in heads])
        _words(axis, found, asking=list(places), stripes=0 if word is None else len(heads))
        for stripe, (head, of_head) in enumerate(zip(heads, weights, strict=True)):
            shades = of_head / weights.max()
            _lines(axis, shades, places, color_of(head))
            if word is not None:
                _stripe(axis, shades[0].tolist(), stripe, color_of(head))
        axis.set_title(_title(heads, word, float(weights.max())), fontsize=9)
    shown = sorted({head for heads, _ in contents for head in heads})
    handles = [Line2D([], [], color=color_of(head), label=f"head {head}") for head in shown]
    figure.legend(handles=handles, loc="outside lower center", ncols=8, fontsize=8, frameon=False)
    figure.suptitle(found.name, fontsize=11)
    return figure


def _words(axis: Axes, found: Map, *, asking: Sequence[int], stripes: int) -> None:
    for place, query in enumerate(found.queries):
        color = "black" if place in asking else "0.65"
        axis.text(_LEFT, place, query, ha="right", va="center", fontsize=9, color=color)
    for place, key in enumerate(found.keys):
        axis.text(_RIGHT + stripes * _STRIPE + 0.01, place, key, va="center", fontsize=9)
    axis.set_xlim(0, 1)
    axis.set_ylim(max(len(found.queries), len(found.keys)) - 0.4, -0.6)
    axis.axis("off")


def _lines(
    axis: Axes, shades: Float[np.ndarray, "T S"], queries: Sequence[int], color: str
) -> None:
    for (row, key), shade in np.ndenumerate(shades):
        if shade >= _FAINTEST:
            ends = [_LEFT + 0.01, _RIGHT - 0.01], [queries[row], key]
            axis.plot(*ends, color=color, alpha=float(shade), linewidth=1.4)


def _stripe(axis: Axes, shades: Sequence[float], stripe: int, color: str) -> None:
    """Shades a box beside every key, so that heads that look at one key are told apart."""
    for key, shade in enumerate(shades):
        corner = _RIGHT + stripe * _STRIPE, key - 0.42
        axis.add_patch(Rectangle(corner, 0.9 * _STRIPE, 0.84, color=color, alpha=shade, lw=0))


def _title(heads: Sequence[int], word: str | None, largest: float) -> str:
    named = f"head {heads[0]}" if len(heads) == 1 else f"heads {', '.join(map(str, heads))}"
    asks = "all words" if word is None else f"“{word}”"
    return f"{asks}, {named} (darkest: {largest:.2f})"
