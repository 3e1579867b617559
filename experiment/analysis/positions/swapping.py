"""Another scheme of positions, none, or rearranged ones, in a model trained with its own.

What is added to embeddings is a table, so every change of it is a model of learned positions that
is given the table: sinusoids moved, backwards, in any order, of one side alone.
"""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from flax import traverse_util
from jaxtyping import Float, Int

from experiment.analysis.positions.encoding import SIDES, learned_tables
from experiment.analysis.positions.equivariance import SCHEMES
from experiment.analysis.positions.pair_scores import Scorer, scorer
from experiment.analysis.runs import Run
from experiment.analysis.sentences import batch_of
from experiment.training import init_params
from model.systems import system_of
from model.transformer import sinusoidal_positions

Tables = Mapping[str, Float[np.ndarray, "L D"]]  # by side
OFFSETS = (1, 2, 4, 16)  # positions that all of a sentence is moved by
_TABLES = {f"{side}_positions" for side in SIDES} | {"relative_positions"}


def with_scheme(run: Run, scheme: str) -> Run:
    """Returns a run whose model has another scheme, and everything else as it was trained.

    What the new scheme would have to learn is zero: a table of learned positions or of a relative
    bias says nothing then. Its own scheme leaves a run as it is.
    """
    if scheme == run.config.model.positions:
        return run
    settings = dataclasses.replace(run.config.model, positions=scheme)
    config = dataclasses.replace(run.config, model=settings)
    model = system_of(settings.system_config(run.vocabulary.size))
    shapes = jax.eval_shape(lambda rng: init_params(model, rng), jax.random.key(0))
    trained = traverse_util.flatten_dict(dict(run.params))
    params = {
        path: jnp.zeros(leaf.shape, leaf.dtype) if _TABLES & set(path) else trained[path]
        for path, leaf in traverse_util.flatten_dict(dict(shapes)).items()
    }
    return dataclasses.replace(
        run, config=config, model=model, params=traverse_util.unflatten_dict(params)
    )


def sides_of(run: Run) -> tuple[str, ...]:
    """Returns the sides that a run's model has positions of: one where it has one stack."""
    params = with_scheme(run, "learned").params
    return tuple(side for side in SIDES if f"{side}_positions" in params)


def added_tables(run: Run, length: int) -> dict[str, Float[np.ndarray, "L D"]]:
    """Returns what a run adds to the embeddings at the first `length` positions, by side.

    Raises:
      ValueError: if its scheme adds nothing.
    """
    positions = run.config.model.positions
    if positions == "sinusoidal":
        return dict.fromkeys(sides_of(run), sinusoidal_positions(length, run.config.model.d_model))
    if positions != "learned":
        raise ValueError(
            f"model.positions={positions!r} must be sinusoidal or learned for what is added to be "
            "rearranged. Take another run."
        )
    tables = learned_tables(run.params)
    rows = np.minimum(np.arange(length), run.config.model.max_positions - 1)
    return {side: table[rows] for side, table in tables.items()}


def with_tables(run: Run, tables: Tables) -> Run:
    """Returns a run that adds the rows of `tables` instead of its own positions; zeros elsewhere.

    A table has `max_positions` rows.
    """
    learned = with_scheme(run, "learned")
    given: dict[str, Any] = {
        f"{side}_positions": {"table": jnp.asarray(table)} for side, table in tables.items()
    }
    return dataclasses.replace(learned, params=dict(learned.params) | given)


def rearranged(run: Run, rows: Int[np.ndarray, " L"], sides: Sequence[str] = SIDES) -> Run:
    """Returns a run that tells each position p of some sides that it is position `rows[p]`.

    Raises:
      ValueError: if its scheme adds nothing that could be rearranged.
    """
    tables = added_tables(run, max(int(rows.max()) + 1, len(rows)))
    places = {side: rows if side in sides else np.arange(len(rows)) for side in tables}
    return with_tables(run, {side: table[places[side]] for side, table in tables.items()})


def swaps(run: Run, pairs: Sequence[tuple[str, str]], *, seed: int = 0) -> pd.DataFrame:
    """Returns loss and exact match of a run as trained, and with every change of positions.

    Nothing is trained again. Other schemes come in as `with_scheme` says; with sinusoidal or
    learned positions there are also those moved along, counted backwards from the longest sentence
    of `pairs`, in an order drawn once for all sentences, and left out on one side. A model of one
    stack has one side, and a row less: without that side's positions it has none.
    """
    scorers: dict[Any, Scorer] = {}
    batch, found = batch_of(run.vocabulary, pairs), []
    for change, sides, changed in _changes(run, batch.source.shape[1], seed):
        model = changed.config.model
        score = scorers.setdefault(model, scorer(changed.model))
        means = score(changed.params, batch).means()
        found.append({"change": change, "sides": sides, **means})
    return pd.DataFrame(found)


def _changes(run: Run, length: int, seed: int) -> Iterator[tuple[str, str, Run]]:
    own, its_sides = run.config.model.positions, sides_of(run)
    both = " and ".join(its_sides)
    yield f"{own}, as trained", both, run
    for scheme in SCHEMES:
        if scheme != own:
            yield scheme, both, with_scheme(run, scheme)
    if own not in ("sinusoidal", "learned"):
        return
    every = np.arange(run.config.model.max_positions)
    reach = min(length, len(every))
    drawn, backwards = every.copy(), every.copy()
    drawn[:reach] = np.random.default_rng(seed).permutation(reach)
    backwards[:reach] = backwards[:reach][::-1]
    tables = added_tables(run, len(every))
    for side in its_sides if len(its_sides) > 1 else ():
        zeros = {side: np.zeros_like(tables[side])}
        yield "none", side, with_tables(run, tables | zeros)
    for offset in OFFSETS:
        yield f"moved by {offset}", both, rearranged(run, every + offset)
    for change, rows in (("backwards", backwards), ("drawn order", drawn)):
        for side in its_sides:
            yield change, side, rearranged(run, rows, (side,))
