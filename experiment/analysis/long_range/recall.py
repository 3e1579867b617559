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
from jaxtyping import Array, Float, Int

from experiment.data import BOS_ID, EOS_ID, UNK_ID, Batch
from experiment.training import (
    Params,
    Sums,
    TrainState,
    cross_entropy,
    init_state,
    train_step,
    warmup_rsqrt,
)
from model.transformer import Tokens

SIDES = ("source", "target")


@dataclasses.dataclass(frozen=True)
class Recall:
    """A text of one key among fillers, ended by a query, and the key's value as the answer.

    The query comes last, `distance` fillers behind the key; fillers before the key make every
    text as long as any other, so that distance is all that differs. Ids are, after the special
    ones: keys, their values in the same order, fillers, the query.

    On the side "source" the text is the source and the answer is the whole target: attention to
    the source can look the key up. On the side "target" text and answer are one target, of an
    empty source: the decoder has to remember.

    Raises:
      ValueError: if a number is less than 1, `length` has no room for key and query, or there is
        no such side.
    """

    length: int  # tokens of a text, the query included
    num_keys: int = 8
    num_fillers: int = 8
    side: str = "source"

    def __post_init__(self) -> None:
        for name in ("num_keys", "num_fillers"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)} must be at least 1.")
        if self.length < 2:
            raise ValueError(f"length={self.length} must be at least 2: a key and the query.")
        if self.side not in SIDES:
            raise ValueError(f"side={self.side!r} must be one of {', '.join(SIDES)}.")

    @property
    def first_key(self) -> int:
        """The id of the first key; its value's is `num_keys` further, as of all keys."""
        return UNK_ID + 1

    @property
    def query(self) -> int:
        """The id that ends a text."""
        return self.first_key + 2 * self.num_keys + self.num_fillers

    @property
    def vocab_size(self) -> int:
        """How many ids there are."""
        return self.query + 1

    @property
    def max_distance(self) -> int:
        """The most fillers that fit between the key and the query."""
        return self.length - 2

    @property
    def answer(self) -> int:
        """The position of the answer among the target's labels."""
        return self.length if self.side == "target" else 0


def recall_batch(
    task: Recall, distances: Int[np.ndarray, " B"], random: np.random.Generator
) -> Batch:
    """Returns a text and its answer for each of `distances`.

    Raises:
      ValueError: if a distance is negative or does not fit.
    """
    if distances.min() < 0 or distances.max() > task.max_distance:
        raise ValueError(
            f"distances of {distances.min()} to {distances.max()} must be from 0 to "
            f"{task.max_distance}, in texts of {task.length} tokens."
        )
    rows, first_filler = len(distances), task.query - task.num_fillers
    text = random.integers(first_filler, task.query, (rows, task.length))
    keys = random.integers(0, task.num_keys, rows)
    text[:, -1] = task.query
    text[np.arange(rows), task.max_distance - distances] = task.first_key + keys
    answer, end = task.first_key + task.num_keys + keys[:, None], np.full((rows, 1), EOS_ID)
    of_target = [text, answer, end] if task.side == "target" else [answer, end]
    source, labels = end if task.side == "target" else text, np.concatenate(of_target, axis=1)
    inputs = np.concatenate([np.full((rows, 1), BOS_ID), labels[:, :-1]], axis=1)

    def laid_out(ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Returns segments and positions of one sentence a row."""
        places = np.broadcast_to(np.arange(ids.shape[1]), ids.shape)
        return np.ones_like(ids, np.int32), places.astype(np.int32)

    arrays = (source, *laid_out(source), inputs, labels, *laid_out(labels))
    return Batch(*(np.asarray(array, np.int32) for array in arrays))


def answer_loss(
    params: Params, batch: Batch, rng: Array | None, *, model: nn.Module, task: Recall
) -> tuple[Float[Array, ""], Sums]:
    """Returns the cross-entropy of the answers alone, in nats: fillers cannot be told beforehand.

    As any loss of the project it gives a sum, and all sums; without `rng` there is no dropout.
    """
    logits = _answer_logits(model, params, batch, task, rng=rng)
    nll = cross_entropy(logits, jnp.asarray(batch.target_labels)[:, task.answer], 0.0)[1].sum()
    return nll, Sums(nll, nll, jnp.float32(len(logits)))


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
    is told the loss, in nats an answer, now and then. Seeds of one model share a compiled update.
    """
    optimizer = _adam(d_model, warmup_steps, learning_rate_scale)
    update = functools.partial(_update, model=model, task=task, optimizer=optimizer)
    rng, random = jax.random.key(seed), np.random.default_rng(seed)
    state = _initial(rng, model=model, optimizer=optimizer)
    for step in range(steps):
        distances = random.integers(0, task.max_distance + 1, rows)
        state, metrics = update(state, recall_batch(task, distances, random), rng)
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
    random = np.random.default_rng(seed)
    batches = [recall_batch(task, np.full(rows, distance), random) for distance in distances]
    stacked = jax.tree.map(lambda *each: np.stack(each), *batches)
    shares = np.asarray(_recalled(params, stacked, model=model, task=task))
    return dict(zip(distances, shares.tolist(), strict=True))


@functools.cache  # so that the seeds of one model are updated by one and the same
def _adam(d_model: int, warmup_steps: int, scale: float) -> optax.GradientTransformation:
    return optax.adam(warmup_rsqrt(d_model, warmup_steps, scale), b1=0.9, b2=0.98, eps=1e-9)


@functools.partial(jax.jit, static_argnames=("model", "optimizer"))
def _initial(rng: Array, *, model: nn.Module, optimizer: Any) -> TrainState:
    return init_state(model, optimizer, rng)


@functools.partial(jax.jit, static_argnames=("model", "task", "optimizer"))
def _update(
    state: TrainState, batch: Batch, rng: Array, *, model: nn.Module, task: Recall, optimizer: Any
) -> tuple[TrainState, dict[str, Array]]:
    loss_fn = functools.partial(answer_loss, model=model, task=task)
    return train_step(state, batch, rng, loss_fn=loss_fn, optimizer=optimizer)


@functools.partial(jax.jit, static_argnames=("model", "task"))
def _recalled(
    params: Params, batches: Batch, *, model: nn.Module, task: Recall
) -> Float[Array, " distances"]:
    def share(batch: Batch) -> Array:
        found = _answer_logits(model, params, batch, task).argmax(-1)
        return (found == batch.target_labels[:, task.answer]).mean()

    return jax.lax.map(share, batches)  # one after another: all at once leave a CPU's cache


def _answer_logits(
    model: nn.Module, params: Params, batch: Batch, task: Recall, *, rng: Array | None = None
) -> Float[Array, "B V"]:
    source = Tokens(*map(jnp.asarray, batch[:3]))
    target = Tokens(*map(jnp.asarray, (batch.target_inputs, *batch[5:])))
    rngs = None if rng is None else {"dropout": rng}
    logits: Any = model.apply(
        {"params": params}, source, target, deterministic=rng is None, rngs=rngs
    )
    return logits[:, task.answer]
