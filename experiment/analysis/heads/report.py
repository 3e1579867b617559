"""What each head's removal costs, as Markdown."""

from collections.abc import Iterator

import pandas as pd

from experiment.analysis.documents import measured, table
from experiment.analysis.sites import TITLES


def markdown(heads: pd.DataFrame, layers: pd.DataFrame, *, given: str, source: str) -> str:
    """Returns the tables of `ablate` and `ablate_layers`, between their markers.

    `given` says what was measured on; `source` what measured it.
    """
    return measured([*_lines(heads, layers, given), "", source])


def _lines(heads: pd.DataFrame, layers: pd.DataFrame, given: str) -> Iterator[str]:
    harmless = int((heads["loss_change"] <= 0).sum())
    yield (
        f"{given} Loss of the whole model: {heads.attrs['loss']:.3f} nats a token. What it grows "
        f"by without one head, and without all of a layer's; it does not grow without {harmless} "
        f"of the {len(heads)}:"
    )
    yield ""
    yield from _grid(heads, "loss_change", "{:+.3f}", layers)
    if "bleu_change" in heads:
        yield ""
        yield (
            f"BLEU of the whole model, greedy: {heads.attrs['bleu']:.1f}. What it changes by "
            "without one head:"
        )
        yield ""
        yield from _grid(heads, "bleu_change", "{:+.1f}", None)


def _grid(heads: pd.DataFrame, value: str, form: str, layers: pd.DataFrame | None) -> Iterator[str]:
    grid = heads.pivot(index=["kind", "layer"], columns="head", values=value)
    names = [f"head {head}" for head in grid.columns]
    if layers is not None:
        grid = grid.assign(all=layers.set_index(["kind", "layer"])[value])
        names.append("all")
    places = list(dict.fromkeys(zip(heads["kind"], heads["layer"], strict=True)))
    yield from table(
        ["", "layer", *names],
        (
            [TITLES[kind], str(layer), *(_told(cell, form) for cell in grid.loc[(kind, layer)])]
            for kind, layer in places
        ),
    )


def _told(value: float, form: str) -> str:
    text = form.format(value)
    return text if any(digit in text for digit in "123456789") else "0"
