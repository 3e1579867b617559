"""How much the loss depends on each head, by its gradient: no head need be removed to know."""

import functools
from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from jaxtyping import Array

from experiment.analysis.gated import nll
from experiment.analysis.heads.removal import HEAD_COLUMNS, columns
from experiment.analysis.runs import Run
from experiment.analysis.sites import Gates, at, heads_of, ones
from experiment.data import Batch, TokenIds, evaluation_batches
from experiment.training import Params

_SENTENCES_AT_ONCE = 16


def importance(
    run: Run, pairs: Sequence[tuple[str, str]], *, normalised: bool = False
) -> pd.DataFrame:
    """Returns each head's importance as Michel et al. 2019, section 4.1, define it: a row a head.

    It is the expectation over sentences of |d loss / d gate|, the absolute value within, as what a
    head does for one sentence must not cancel what it does for another. The loss is a sentence's
    summed one, and the mean is divided by the mean number of its tokens: nats a token, as changes
    of loss are. `normalised` divides by the l2 norm over the heads of a layer's attention.

    Raises:
      ValueError: if the model has no heads, or there are no pairs.
    """
    if not pairs:
        raise ValueError("There must be at least one sentence pair to look at; there is none.")
    gates = ones(run.model)
    sides = [run.vocabulary.encode_all([pair[side] for pair in pairs]) for side in (0, 1)]
    ids = TokenIds.from_lists(*sides)
    every = evaluation_batches(
        ids, bucket_lengths=[int(ids.lengths.max())], sentences_per_batch=_SENTENCES_AT_ONCE
    )
    batches = Batch(*(np.stack(arrays) for arrays in zip(*every, strict=True)))
    params = jax.device_put(run.params)
    total = jax.device_get(summed_sensitivity(params, gates, batches, model=run.model))
    heads = heads_of(gates)
    table = pd.DataFrame([columns(head) for head in heads], columns=list(HEAD_COLUMNS))
    summed = np.array([at(total, head.site)["heads"][head.number] for head in heads])
    table = table.assign(importance=summed / ids.lengths[:, 1].sum())
    if normalised:
        squares = table.assign(square=table["importance"] ** 2)
        norms = squares.groupby(["kind", "layer"])["square"].transform("sum") ** 0.5
        table = table.assign(importance=table["importance"] / norms)
    return table


@functools.partial(jax.jit, static_argnames="model")
def summed_sensitivity(params: Params, gates: Gates, batches: Batch, *, model: nn.Module) -> Gates:
    """Returns the sum over sentences, one a row, of |d loss / d gate|, laid out as the gates."""

    def of_row(gates: Gates, row: Batch) -> Array:
        batch = jax.tree.map(lambda array: array[None], row)
        return nll(params, batch, gates=gates, model=model)

    def add(total: Gates, batch: Batch) -> tuple[Gates, None]:
        gradients = jax.vmap(jax.grad(of_row), in_axes=(None, 0))(gates, batch)
        return jax.tree.map(lambda old, new: old + jnp.abs(new).sum(0), total, gradients), None

    return jax.lax.scan(add, jax.tree.map(jnp.zeros_like, gates), batches)[0]


def rank_correlation(one: pd.Series, other: pd.Series) -> float:
    """Returns Spearman's rho: the correlation of ranks, those of equal values being their mean.

    Example:
      >>> round(rank_correlation(pd.Series([1.0, 2.0, 9.0]), pd.Series([0.1, 7.0, 0.2])), 3)
      0.5
    """
    return float(one.rank().corr(other.rank()))
