"""Heads removed one after another: the one that is missed least each time, or by importance."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from experiment.analysis.heads.ablation import Pairs, Say, silent
from experiment.analysis.heads.importance import importance
from experiment.analysis.heads.losses import Losses
from experiment.analysis.heads.removal import HEAD_COLUMNS, columns
from experiment.analysis.heads.translations import Translations
from experiment.analysis.runs import Run
from experiment.analysis.sites import Head, without


def prune(
    run: Run,
    pairs: Pairs,
    *,
    at_most: int | None = None,
    sentences: int = 0,
    bleu_every: int = 4,
    say: Say = silent,
) -> pd.DataFrame:
    """Returns two curves of the loss against the number of heads removed, up to `at_most`.

    `order` is "greedy", where the least harmful head of those left goes, as found by trying all of
    them, or "importance", where all are ranked once by their gradients. `removed` counts from 0,
    the whole model; kind, layer and head are of the last that went. With `sentences` every
    `bleu_every`-th row has a `bleu`, of the first so many sentences; others have none.

    Raises:
      ValueError: if the model has no heads, or is to be given a BLEU and does not translate.
    """
    losses = Losses(run, pairs)
    translations = Translations(run, pairs[:sentences]) if sentences else None
    every = len(losses.heads)
    count = every if at_most is None else min(at_most, every)
    whole = losses.of(losses.gates)
    ranked = importance(run, pairs)["importance"].argsort().tolist()
    by_rank = [losses.heads[index] for index in ranked[:count]]
    sets = [without(losses.gates, by_rank[:number]) for number in range(1, count + 1)]
    orders = {
        "greedy": [(None, whole), *_greedily(losses, count, say)],
        "importance": [(None, whole), *zip(by_rank, losses.under(sets), strict=True)],
    }
    tables = []
    for order, steps in orders.items():
        table = _table(order, steps)
        if translations is not None:
            removed = [head for head, _ in steps[1:] if head is not None]
            rows = range(0, len(steps), bleu_every)
            sets = [without(losses.gates, removed[:row]) for row in rows]
            bleu = pd.Series(translations.bleu(sets, say), index=rows)
            table = table.assign(bleu=bleu)
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def _greedily(losses: Losses, count: int, say: Say) -> Iterator[tuple[Head, float]]:
    """Yields which head goes next, and the loss without it and all before it."""
    removed: list[Head] = []
    for number in range(1, count + 1):
        say(f"pruning: {number} of {count} heads")
        found = losses.without_each(without(losses.gates, removed))
        found[[losses.heads.index(head) for head in removed]] = np.inf
        removed.append(losses.heads[int(found.argmin())])
        yield removed[-1], float(found.min())


def _table(order: str, steps: list[tuple[Head | None, float]]) -> pd.DataFrame:
    rows = [
        (order, number, *(columns(head) if head else (None, pd.NA, pd.NA)), loss)
        for number, (head, loss) in enumerate(steps)
    ]
    table = pd.DataFrame(rows, columns=["order", "removed", *HEAD_COLUMNS, "loss"])
    return table.astype({"layer": "Int64", "head": "Int64"})
