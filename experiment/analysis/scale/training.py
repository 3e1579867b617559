"""A model that has to look one token up, trained with the scale and without, at several widths."""

import dataclasses
import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pandas as pd
from jaxtyping import Array, Float

from experiment.analysis.attention import entropy
from experiment.analysis.long_range import Recall, answer_loss, recall_batch
from experiment.analysis.scale.removal import without_scale
from experiment.analysis.sentences import inputs_of
from experiment.analysis.sites import Site, at
from experiment.data import Batch
from experiment.training import Params, TrainState, init_state, train_step
from model.transformer import DecoderOnly, DecoderOnlyConfig

_SITE = Site("decoder", 0)
_LOOKED_INTO = 128  # texts in which weights are looked at, never trained on


def train_with_and_without(
    d_ks: Sequence[int],
    *,
    length: int = 8,
    steps: int = 200,
    rows: int = 32,
    every: int = 20,
    learning_rate: float = 1e-3,
    seed: int = 0,
    say: Callable[[str], None] = lambda line: None,
) -> pd.DataFrame:
    """Returns, by d_k, with the scale and without, how a loss and the weights changed.

    The model is a decoder of one layer and one head with d_model = d_k, where Glorot's matrices
    keep the mean square of what they are given: at the start that of queries and keys is 1.5, 1 of
    the embeddings and 1/2 of the sinusoids. Its task is `Recall` in texts of so many tokens. All
    else is the same: initial parameters, batches, Adam with a constant rate. A row is written
    before the first step, and after every so many:

    - loss: cross-entropy of the answer, in nats, in texts that are not trained on;
    - entropy of the weights by which the last token looks for the answer, as a share of its most;
    - found: the weight on the one token that tells it;
    - gradient: the length of d loss / d kernel of the query projection.
    """
    task, table = Recall(length, side="target"), []
    for d_k in d_ks:
        sizes: dict[str, Any] = {"d_model": d_k, "d_ff": d_k, "num_heads": 1, "num_layers": 1}
        config = DecoderOnlyConfig(vocab_size=task.vocab_size, dropout_rate=0.0, **sizes)
        trial = _Trial(DecoderOnly(config), task, optax.adam(learning_rate), rows, seed)
        for scaled in (True, False):
            say(f"d_k = {d_k}, {'with' if scaled else 'without'} the scale")
            for row in trial.run(jnp.float32(not scaled), steps, every):
                table.append({"d_k": d_k, "scaled": scaled, **row})
    return pd.DataFrame(table)


@dataclasses.dataclass(frozen=True)
class _Trial:
    """What is the same with the scale and without; what is compiled takes either as an argument."""

    model: nn.Module
    task: Recall
    optimizer: optax.GradientTransformation
    rows: int
    seed: int

    def run(self, removed: Array, steps: int, every: int) -> Iterator[dict[str, float]]:
        rng, random = jax.random.key(self.seed), np.random.default_rng(self.seed)
        step_fn, look_fn = self._compiled
        state = self._initial
        distances = np.arange(_LOOKED_INTO) % (self.task.max_distance + 1)
        texts = recall_batch(self.task, distances, np.random.default_rng(self.seed + 1))
        places = 1 + self.task.max_distance - distances  # of the key, among the decoder's inputs
        for step in range(steps + 1):
            if step % every == 0:
                loss, gradient, weights = jax.device_get(look_fn(state.params, texts, removed))
                nats = entropy(weights).mean() / np.log(weights.shape[1])
                found = weights[np.arange(_LOOKED_INTO), places].mean()
                row = {"loss": loss, "entropy": nats, "found": found, "gradient": gradient}
                yield {"step": step, **{name: float(of) for name, of in row.items()}}
            distances = random.integers(0, self.task.max_distance + 1, self.rows)
            batch = recall_batch(self.task, distances, random)
            state = step_fn(state, batch, rng, removed)

    @functools.cached_property
    def _initial(self) -> TrainState:
        init = functools.partial(init_state, self.model, self.optimizer)
        state: TrainState = jax.jit(init)(jax.random.key(self.seed))
        return state

    @functools.cached_property
    def _compiled(self) -> tuple[Callable[..., TrainState], Callable[..., Any]]:
        loss_fn = functools.partial(answer_loss, model=self.model, task=self.task)

        def step_fn(state: TrainState, batch: Batch, rng: Array, removed: Array) -> TrainState:
            with without_scale(removed):
                updated = train_step(state, batch, rng, loss_fn=loss_fn, optimizer=self.optimizer)
            return updated[0]

        def look(params: Params, batch: Batch, removed: Array) -> tuple[Array, Array, Array]:
            with without_scale(removed):
                (loss, _), gradients = jax.value_and_grad(loss_fn, has_aux=True)(
                    params, batch, None
                )
                weights = self._weights(params, batch)
            gradient = jnp.linalg.norm(at(gradients, _SITE)["query"]["kernel"])
            return loss / _LOOKED_INTO, gradient / _LOOKED_INTO, weights

        return jax.jit(step_fn), jax.jit(look)

    def _weights(self, params: Params, batch: Batch) -> Float[Array, "B S"]:
        """Returns what the token before the answer looks at, of all that it may."""
        _, sown = self.model.apply(
            {"params": params}, *inputs_of(batch), deterministic=True, mutable=["intermediates"]
        )
        weights = at(sown["intermediates"], _SITE)["weights"][0]
        asking: Array = weights[:, 0, self.task.answer, : self.task.answer + 1]
        return asking
