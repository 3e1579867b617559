"""What removals do to training: small deep models that learn to recall, or do not."""

import dataclasses
import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pandas as pd
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, Key

from experiment.analysis.depth.removals import Variant, removed
from experiment.analysis.long_range import Recall, answer_loss, recall_batch
from experiment.data import Batch
from experiment.training import Params, Sums, TrainState, init_params, train_step
from model.systems import system_of
from model.transformer import TransformerConfig

OUTCOMES = ("not finite", "learned", "stuck")


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


def training_curves(
    config: TransformerConfig,
    variant: Variant,
    task: Recall,
    *,
    steps: int,
    rows: int = 16,
    seeds: int = 1,
    rate: float = 1e-3,
    warmups: Sequence[int] = (100,),
) -> pd.DataFrame:
    """Returns a row for each step of each seed with each number of warm-up steps.

    Columns: `warmup_steps`, `seed`, `step`, `loss` of the answers in nats, `gradient_norm`,
    `skipped`: 1 where one of both was not finite, and the step changed nothing. All of them are
    trained as one, on the same texts, with Adam as in section 5.3, without dropout.
    """
    its = {"norm_placement": variant.norm_placement, "scan_layers": True, "dropout_rate": 0.0}
    model = system_of(dataclasses.replace(config, **its))
    members = [(warmup, seed) for warmup in warmups for seed in range(seeds)]
    rates = jnp.stack([jnp.float32(warm_up(steps, warmup, rate)) for warmup, _ in members])
    rngs = jnp.stack([jax.random.key(seed) for _, seed in members])
    inits = [ravel_pytree(init_params(model, rng)) for rng in rngs]
    loss_fn = _loss_of(model, variant, task, inits[0][1])
    train = functools.partial(_train, loss_fn, _batches(task, steps, rows))
    params = {"flat": jnp.stack([flat for flat, _ in inits])}
    metrics = jax.device_get(jax.jit(jax.vmap(train))(params, rates, rngs))
    names = ("loss", "gradient_norm", "skipped")
    tables = [
        pd.DataFrame({name: metrics[name][number] for name in names}).assign(
            warmup_steps=warmup, seed=seed, step=np.arange(steps)
        )
        for number, (warmup, seed) in enumerate(members)
    ]
    return pd.concat(tables, ignore_index=True)[["warmup_steps", "seed", "step", *names]]


def outcomes(curves: pd.DataFrame, by: Sequence[str], *, chance: float) -> pd.DataFrame:
    """Returns how training ended, a row for each of what `by` tells apart and each seed.

    Columns: `final_loss`, the mean of the last tenth; `skipped`, updates that were not finite; and
    `outcome`, of OUTCOMES: "not finite" if there were any, "learned" if the final loss is below
    half of `chance`, the loss of guessing, and "stuck" otherwise.
    """
    found = []
    for names, curve in curves.groupby([*by, "seed"], sort=False):
        tail = curve["loss"].tail(max(1, len(curve) // 10))
        row = dict(zip([*by, "seed"], names, strict=True))
        row |= {"final_loss": float(tail.mean()), "skipped": int(curve["skipped"].sum())}
        learned = row["final_loss"] < chance / 2
        row["outcome"] = OUTCOMES[0] if row["skipped"] else OUTCOMES[1 if learned else 2]
        found.append(row)
    return pd.DataFrame(found)


def chance(task: Recall) -> float:
    """Returns the loss, in nats, of who knows the values and not the key."""
    return math.log(task.num_keys)


def _batches(task: Recall, steps: int, rows: int) -> Batch:
    random = np.random.default_rng(0)
    all_distances = random.integers(0, task.max_distance + 1, (steps, rows))
    batches = [recall_batch(task, distances, random) for distances in all_distances]
    return Batch(*(jnp.asarray(np.stack(each)) for each in zip(*batches, strict=True)))


def _loss_of(
    model: nn.Module, variant: Variant, task: Recall, tree_of: Callable[[Array], Params]
) -> Callable[..., tuple[Array, Sums]]:
    """Returns the loss of parameters in one vector: Adam of it compiles sooner than of a tree."""

    def loss_fn(params: Params, batch: Batch, rng: Array | None) -> tuple[Array, Sums]:
        with removed(variant):
            return answer_loss(tree_of(params["flat"]), batch, rng, model=model, task=task)

    return loss_fn


def _train(
    loss_fn: Callable[..., tuple[Array, Sums]],
    batches: Batch,
    params: Params,
    rates: Float[Array, " steps"],
    rng: Key[Array, ""],
) -> dict[str, Array]:
    """Returns the metrics of all steps of one member."""
    optimizer = optax.adam(lambda count: rates[count], b1=0.9, b2=0.98, eps=1e-9)

    def step(state: TrainState, batch: Batch) -> tuple[TrainState, Any]:
        return train_step(state, batch, rng, loss_fn=loss_fn, optimizer=optimizer)

    start = TrainState(jnp.zeros((), jnp.int32), params, optimizer.init(params))
    metrics: dict[str, Array] = jax.lax.scan(step, start, batches)[1]
    return metrics
