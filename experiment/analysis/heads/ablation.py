"""What a model loses with each head, with each layer, and with all heads of a layer but one."""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from experiment.analysis.heads.losses import Losses
from experiment.analysis.heads.removal import HEAD_COLUMNS, columns, without_sites
from experiment.analysis.heads.translations import Translations
from experiment.analysis.runs import Run
from experiment.analysis.sites import at, sites_of, with_gates, without

Pairs = Sequence[tuple[str, str]]
Say = Callable[[str], None]


def silent(line: str) -> None:
    """What is said where nobody listens."""


def ablate(run: Run, pairs: Pairs, *, sentences: int = 0, say: Say = silent) -> pd.DataFrame:
    """Returns what each head's removal, one at a time, does to a model: a row a head.

    `loss` is in nats a target token over all pairs, `loss_change` its difference to the whole
    model's: positive where the head was of use. With `sentences` there are also `bleu` and
    `bleu_change`, of greedy translations of the first so many: negative where it was.
    `attrs["loss"]` and `attrs["bleu"]` are those of the whole model.

    Raises:
      ValueError: if the model has no heads, or is to be given a BLEU and does not translate.
    """
    losses = Losses(run, pairs)
    translations = Translations(run, pairs[:sentences]) if sentences else None
    say(f"the loss without each of {len(losses.heads)} heads")
    table = pd.DataFrame([columns(head) for head in losses.heads], columns=list(HEAD_COLUMNS))
    found, whole = losses.without_each(), losses.of(losses.gates)
    table = table.assign(loss=found, loss_change=found - whole)
    table.attrs["loss"] = whole
    if translations is not None:
        sets = [losses.gates, *(without(losses.gates, [head]) for head in losses.heads)]
        first, *others = translations.bleu(sets, say)
        table = table.assign(bleu=others, bleu_change=np.array(others) - first)
        table.attrs["bleu"] = float(first)
    return table


def ablate_layers(run: Run, pairs: Pairs) -> pd.DataFrame:
    """Returns what the removal of all heads of a layer's attention does: a row a kind and layer.

    Raises:
      ValueError: if the model has no heads.
    """
    losses = Losses(run, pairs)
    sites = sites_of(losses.gates)
    sets = [losses.gates, *(without_sites(losses.gates, [site]) for site in sites)]
    whole, *found = losses.under(sets)
    table = pd.DataFrame(
        [(site.kind, site.layer + 1) for site in sites], columns=["kind", "layer"]
    ).assign(loss=found, loss_change=np.array(found) - whole)
    table.attrs["loss"] = float(whole)
    return table


def keep_one(run: Run, pairs: Pairs) -> pd.DataFrame:
    """Returns what is left of a model where one attention keeps its best head only.

    A row a kind and layer, as in table 2 of Michel et al. 2019, *Are Sixteen Heads Really Better
    than One?*: the head that is best alone, and the loss with it. `attrs["all"]` is the loss where
    all keep only that head.

    Raises:
      ValueError: if the model has no heads.
    """
    losses = Losses(run, pairs)
    table = pd.DataFrame([columns(head) for head in losses.heads], columns=list(HEAD_COLUMNS))
    table = table.assign(loss=losses.with_each_alone())
    best = table.loc[table.groupby(["kind", "layer"], sort=False)["loss"].idxmin()]
    chosen = [losses.heads[index] for index in best.index]
    only = {head.site: np.zeros_like(at(losses.gates, head.site)["heads"]) for head in chosen}
    for head in chosen:
        only[head.site][head.number] = 1
    whole = losses.of(losses.gates)
    best = best.reset_index(drop=True).assign(loss_change=lambda rows: rows["loss"] - whole)
    best.attrs.update(loss=whole, all=losses.of(with_gates(losses.gates, only)))
    return best
