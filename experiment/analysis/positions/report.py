"""How far each scheme of positions reaches beyond the lengths it was trained on, as Markdown."""

import pandas as pd

from experiment.analysis.documents import measured, table
from experiment.analysis.positions.extrapolation import Settings
from experiment.analysis.positions.longer import Longest


def markdown(
    scores: pd.DataFrame, settings: Settings, *, trained: Longest, tested: Longest, source: str
) -> str:
    """Returns both tables, between their markers.

    `trained` and `tested` are the longest sentences; `source` says what measured the scores.
    """
    given = (
        f"Trained on numbers of up to {settings.trained_words} words, {settings.steps:,} updates "
        f"of {settings.tokens_per_batch:,} tokens, {settings.num_layers} + {settings.num_layers} "
        f"layers of width {settings.d_model}; the median of {settings.seeds} seeds (lowest to "
        f"highest). The longest source and target that were trained on have {trained.source} and "
        f"{trained.target} tokens, ends included, the longest tested {tested.source} and "
        f"{tested.target}."
    )
    exact = _of(scores, "exact", 100.0, ".0f")
    loss = _of(scores, "nll", 1.0, ".2f")
    return measured(
        [
            given,
            "",
            "Numbers translated without a fault by greedy search, in %, by their words:",
            "",
            *exact,
            "",
            "Negative log-likelihood of the references, in nats a token:",
            "",
            *loss,
            "",
            source,
        ]
    )


def _of(scores: pd.DataFrame, column: str, factor: float, digits: str) -> list[str]:
    grouped = (factor * scores.set_index(["positions", "words"])[column]).groupby(
        level=["positions", "words"], sort=False
    )
    spread = grouped.agg(["median", "min", "max"])
    words = sorted(scores.words.unique())
    rows = [
        (str(scheme), *(_cell(spread.loc[(scheme, n)], digits) for n in words))
        for scheme in scores.positions.unique()
    ]
    return table(["positions", *map(str, words)], rows)


def _cell(spread: "pd.Series[float]", digits: str) -> str:
    median, low, high = (format(value, digits) for value in spread)
    return median if low == high else f"{median} ({low} to {high})"
