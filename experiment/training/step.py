"""One update, as a pure function of its arguments. Who calls it decides where it runs."""

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array

from experiment.data import Batch
from experiment.training.gradients import GradientsFn, LossFn, local_gradients
from experiment.training.loss import Params, Sums
from experiment.training.state import TrainState

Metrics = dict[str, Array]


def train_step(
    state: TrainState,
    batch: Batch,
    rng: Array,
    *,
    loss_fn: LossFn,
    optimizer: optax.GradientTransformation,
    gradients_fn: GradientsFn = local_gradients,
) -> tuple[TrainState, Metrics]:
    """Returns the state after one update, and the update's metrics.

    `gradients_fn` sums gradients and losses over the whole batch, wherever its rows are; here they
    are divided by the number of its target tokens: the mean is over tokens, however unevenly
    padding falls. Dropout is a function of (rng, step), so nothing random needs to be kept.

    Where the loss or the gradient is not finite, the step counts and changes nothing else: the
    parameters and the optimizer stay as they were, bit for bit, and `skipped` is 1.
    """
    rng = jax.random.fold_in(rng, state.step)
    gradients, sums = gradients_fn(state.params, batch, rng, loss_fn=loss_fn)
    gradients = jax.tree.map(lambda gradient: gradient / sums.tokens, gradients)
    updates, opt_state = optimizer.update(gradients, state.opt_state, state.params)
    metrics = {
        "loss": sums.loss / sums.tokens,
        "nll": sums.nll / sums.tokens,
        "target_tokens": sums.tokens,
        "gradient_norm": optax.tree.norm(gradients),
    }
    is_finite = jnp.isfinite(metrics["loss"]) & jnp.isfinite(metrics["gradient_norm"])
    metrics["skipped"] = 1 - is_finite.astype(jnp.int32)
    updated = (optax.apply_updates(state.params, updates), opt_state)
    params, opt_state = jax.tree.map(
        lambda new, old: jnp.where(is_finite, new, old), updated, (state.params, state.opt_state)
    )
    return TrainState(state.step + 1, params, opt_state), metrics


def evaluation_step(params: Params, batch: Batch, *, loss_fn: LossFn) -> Sums:
    """Returns the sums of a batch without dropout."""
    _, sums = loss_fn(params, batch, None)
    return sums
