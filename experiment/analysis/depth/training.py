"""What removals do to training: small deep models that learn to recall, or do not."""

import dataclasses
import functools
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pandas as pd
from jaxtyping import Array, Bool, Float, Key

from experiment.analysis.depth.removals import VARIANTS, Variant, removed
from experiment.analysis.depth.stacking import with_named_layers, with_stacked_layers
from experiment.analysis.long_range import Recall, answer_loss, recall_batch
from experiment.data import Batch
from experiment.training import Params, Sums, TrainState, init_params, train_step
from model.systems import system_of
from model.transformer import TransformerConfig

# Up to which share of the loss of guessing a run has come to this; beyond all it has diverged.
_UP_TO = {"learned": 0.5, "learning": 0.9, "stuck": 1.5}
OUTCOMES = (*_UP_TO, "diverged")


def warm_up(steps: int, warmup_steps: int, rate: float) -> Float[np.ndarray, " steps"]:
    """Returns the learning rate of every step: up to `rate` on a line, and then constant.

    So runs with and without warm-up (0 steps) differ in their first steps alone, which those of
    equation 3 do not: there the number of steps also sets the highest rate.

    Example:
      >>> warm_up(5, 3, 0.3)
      array([0.1, 0.2, 0.3, 0.3, 0.3])
    """
    line = (np.arange(steps) + 1) / max(warmup_steps, 1)
    return rate * np.minimum(line, 1.0)


class Member(NamedTuple):
    """One of the models that are trained as one."""

    variant: str  # of VARIANTS
    warmup_steps: int
    seed: int = 0


def training_curves(
    config: TransformerConfig,
    task: Recall,
    members: Sequence[Member],
    *,
    steps: int,
    rows: int = 16,
    rate: float = 1e-3,
) -> pd.DataFrame:
    """Returns a row for each step of each member.

    Columns: `variant`, `warmup_steps`, `seed`, `step`, `loss` of the answers in nats,
    `gradient_norm`, `skipped`: 1 where one of both was not finite, and the step changed nothing.
    All are trained on the same texts, with Adam as in section 5.3, without dropout.

    Raises:
      ValueError: if the norms of some stand elsewhere than those of others.
    """
    variants = [VARIANTS[member.variant] for member in members]
    placements = {variant.norm_placement for variant in variants}
    if len(placements) != 1:
        raise ValueError(
            f"members have norms placed {', '.join(sorted(placements)) or 'nowhere'}; they must "
            "have one placement to be one program. Train each placement by itself."
        )
    its: dict[str, Any] = {"norm_placement": placements.pop(), "scan_layers": True}
    model = system_of(dataclasses.replace(config, **its, dropout_rate=0.0))
    kept = [jnp.array([v.residuals for v in variants]), jnp.array([v.norms for v in variants])]
    rates = jnp.stack([jnp.float32(warm_up(steps, m.warmup_steps, rate)) for m in members])
    keys = {member.seed: jax.random.key(member.seed) for member in members}
    fresh = {seed: with_stacked_layers(init_params(model, key)) for seed, key in keys.items()}
    params = jax.tree.map(lambda *each: jnp.stack(each), *(fresh[m.seed] for m in members))
    rngs = jnp.stack([keys[member.seed] for member in members])
    train = functools.partial(_train, model, task, _batches(task, steps, rows))
    metrics = jax.device_get(jax.jit(jax.vmap(train))(*kept, params, rates, rngs))
    names = ("loss", "gradient_norm", "skipped")
    tables = [
        pd.DataFrame(
            {**member._asdict(), "step": np.arange(steps)}
            | {name: metrics[name][number] for name in names}
        )
        for number, member in enumerate(members)
    ]
    return pd.concat(tables, ignore_index=True)


def outcomes(curves: pd.DataFrame, by: Sequence[str], *, chance: float) -> pd.DataFrame:
    """Returns how training ended, a row for each of what `by` tells apart and each seed.

    Columns: `final_loss`, the mean of the last tenth, infinite where one of them is no number;
    `skipped`, updates that were not finite; and `outcome`, of OUTCOMES, by the final loss as a
    share of `chance`, the loss of guessing: "learned" below a half, "learning" below 0.9, "stuck"
    up to 1.5, "diverged" above, or if an update of the last tenth was not finite.
    """
    found = []
    for names, curve in curves.groupby([*by, "seed"], sort=False):
        tail = curve.tail(max(1, len(curve) // 10))
        mean = tail["loss"].mean(skipna=False)
        loss = math.inf if math.isnan(mean) else float(mean)
        row = dict(zip([*by, "seed"], names, strict=True))
        row |= {"final_loss": loss, "skipped": int(curve["skipped"].sum())}
        share = math.inf if tail["skipped"].any() else loss / chance
        reached = (name for name, up_to in _UP_TO.items() if share < up_to)
        row["outcome"] = next(reached, OUTCOMES[-1])
        found.append(row)
    return pd.DataFrame(found)


def chance(task: Recall) -> float:
    """Returns the loss, in nats, of who knows the values and not the key."""
    return math.log(task.num_keys)


def _batches(task: Recall, steps: int, rows: int) -> Batch:
    random = np.random.default_rng(0)
    all_distances = random.integers(0, task.max_distance + 1, (steps, rows))
    batches = [recall_batch(task, distances, random) for distances in all_distances]
    return Batch(*(np.stack(each) for each in zip(*batches, strict=True)))


def _train(
    model: nn.Module,
    task: Recall,
    batches: Batch,
    residuals: Bool[Array, ""],
    norms: Bool[Array, ""],
    params: Params,
    rates: Float[Array, " steps"],
    rng: Key[Array, ""],
) -> dict[str, Array]:
    """Returns the metrics of all steps of one member."""

    def loss_fn(params: Params, batch: Batch, rng: Array | None) -> tuple[Array, Sums]:
        named = with_named_layers(params)
        with removed(Variant(residuals=residuals, norms=norms)):
            return answer_loss(named, batch, rng, model=model, task=task)

    optimizer = optax.adam(lambda count: rates[count], b1=0.9, b2=0.98, eps=1e-9)

    def step(state: TrainState, batch: Batch) -> tuple[TrainState, Any]:
        return train_step(state, batch, rng, loss_fn=loss_fn, optimizer=optimizer)

    start = TrainState(jnp.zeros((), jnp.int32), params, optimizer.init(params))
    metrics: dict[str, Array] = jax.lax.scan(step, start, batches)[1]
    return metrics
