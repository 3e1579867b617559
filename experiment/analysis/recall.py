"""A task that needs one token from afar: recall the value of a key that lies k tokens back."""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Int

from experiment.data import BOS_ID, EOS_ID, UNK_ID, Batch
from experiment.training import Params, init_state, loss_of, train_step, warmup_rsqrt
from model.transformer import Tokens


@dataclasses.dataclass(frozen=True)
class Recall:
    """Sources of one key among fillers, ended by a query; the target is that key's value.

    The query comes last, `distance` fillers behind the key; fillers before the key make every
    source as long as any other, so that distance is all that differs. Ids are, after the special
    ones: keys, their values in the same order, fillers, the query.

    Raises:
      ValueError: if a number is less than 1, or `length` has no room for key and query.
    """

    length: int  # tokens of a source, the query included
    num_keys: int = 8
    num_fillers: int = 8

    def __post_init__(self) -> None:
        for name in ("num_keys", "num_fillers"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)} must be at least 1.")
        if self.length < 2:
            raise ValueError(f"length={self.length} must be at least 2: a key and the query.")

    @property
    def first_key(self) -> int:
        """The id of the first key; its value's is `num_keys` further, as of all keys."""
        return UNK_ID + 1

    @property
    def query(self) -> int:
        """The id that ends a source."""
        return self.first_key + 2 * self.num_keys + self.num_fillers

    @property
    def vocab_size(self) -> int:
        """How many ids there are."""
        return self.query + 1

    @property
    def max_distance(self) -> int:
        """The most fillers that fit between the key and the query."""
        return self.length - 2


def recall_batch(
    task: Recall, distances: Int[np.ndarray, " B"], random: np.random.Generator
) -> Batch:
    """Returns a source for each of `distances`, and its target: the value, then the end.

    Raises:
      ValueError: if a distance is negative or does not fit.
    """
    if distances.min() < 0 or distances.max() > task.max_distance:
        raise ValueError(
            f"distances of {distances.min()} to {distances.max()} must be from 0 to "
            f"{task.max_distance}, in sources of {task.length} tokens."
        )
    rows, first_filler = len(distances), task.query - task.num_fillers
    source = random.integers(first_filler, task.query, (rows, task.length))
    keys = random.integers(0, task.num_keys, rows)
    source[:, -1] = task.query
    source[np.arange(rows), task.max_distance - distances] = task.first_key + keys
    labels = np.stack([task.first_key + task.num_keys + keys, np.full(rows, EOS_ID)], axis=1)
    inputs = np.stack([np.full(rows, BOS_ID), labels[:, 0]], axis=1)

    def laid_out(ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Returns segments and positions of one sentence a row."""
        places = np.broadcast_to(np.arange(ids.shape[1]), ids.shape)
        return np.ones_like(ids, np.int32), places.astype(np.int32)

    arrays = (source, *laid_out(source), inputs, labels, *laid_out(labels))
    return Batch(*(np.asarray(array, np.int32) for array in arrays))


def train_recall(
    model: nn.Module,
    task: Recall,
    *,
    d_model: int,
    steps: int,
    rows: int = 64,
    seed: int = 0,
    warmup_steps: int = 100,
    learning_rate_scale: float = 1.0,
    say: Callable[[str], None] = lambda line: None,
) -> Params:
    """Returns parameters after `steps` updates on batches of every distance, evenly drawn.

    The rate is equation 3's for `d_model`, Adam is section 5.3's, and there is no smoothing. `say`
    is told the loss, in nats a target token, now and then.
    """
    rate = warmup_rsqrt(d_model, warmup_steps, learning_rate_scale)
    optimizer = optax.adam(rate, b1=0.9, b2=0.98, eps=1e-9)
    loss_fn = loss_of(model, 0.0)
    step_fn = jax.jit(functools.partial(train_step, loss_fn=loss_fn, optimizer=optimizer))
    rng, random = jax.random.key(seed), np.random.default_rng(seed)
    state = jax.jit(functools.partial(init_state, model, optimizer))(rng)
    for step in range(steps):
        distances = random.integers(0, task.max_distance + 1, rows)
        state, metrics = step_fn(state, recall_batch(task, distances, random), rng)
        if step % 50 == 0:
            say(f"step {step:,} of {steps:,}: loss {metrics['loss']:.3f}")
    return state.params


def recall_accuracy(
    model: nn.Module,
    params: Params,
    task: Recall,
    distances: Sequence[int],
    *,
    rows: int = 256,
    seed: int = 1,
) -> dict[int, float]:
    """Returns the share of values recalled at each distance: the likeliest token, of all of them.

    A model that knows the values and not the key recalls 1 in `num_keys`.
    """

    @jax.jit
    def first_outputs(source: Tokens, target: Tokens) -> Any:
        logits: Any = model.apply({"params": params}, source, target, deterministic=True)
        return logits[:, 0].argmax(-1)

    random, found = np.random.default_rng(seed), {}
    for distance in distances:
        batch = recall_batch(task, np.full(rows, distance), random)
        sides = batch[:3], (batch.target_inputs, *batch[5:])
        tokens = first_outputs(*(Tokens(*map(jnp.asarray, side)) for side in sides))
        found[distance] = float((np.asarray(tokens) == batch.target_labels[:, 0]).mean())
    return found
