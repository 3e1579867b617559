"""One update, as a pure function of its arguments. Who calls it decides where it runs."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from experiment.data import Batch
from experiment.training.loss import Params, Sums
from experiment.training.state import TrainState

LossFn = Callable[[Params, Batch, Array | None], tuple[Float[Array, ""], Sums]]
Metrics = dict[str, Array]


def train_step(
    state: TrainState,
    batch: Batch,
    rng: Array,
    *,
    loss_fn: LossFn,
    optimizer: optax.GradientTransformation,
    axis_name: str | None = None,
) -> tuple[TrainState, Metrics]:
    """Returns the state after one update, and the update's metrics.

    Losses and gradients are summed over the devices of `axis_name`, then divided by the number of
    target tokens of them all: the mean is over tokens, however unevenly padding falls on devices.
    Dropout is a function of (rng, step, device), so nothing random needs to be kept.

    Where the loss or the gradient is not finite, the step counts and changes nothing else: the
    parameters and the optimizer stay as they were, bit for bit, and `skipped` is 1.
    """
    rng = jax.random.fold_in(rng, state.step)
    if axis_name is not None:
        rng = jax.random.fold_in(rng, jax.lax.axis_index(axis_name))
    (_, sums), gradients = jax.value_and_grad(loss_fn, has_aux=True)(state.params, batch, rng)
    if axis_name is not None:
        sums, gradients = jax.lax.psum((sums, gradients), axis_name)
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


def evaluation_step(
    params: Params, batch: Batch, *, loss_fn: LossFn, axis_name: str | None = None
) -> Sums:
    """Returns the sums of a batch without dropout, over the devices of `axis_name`."""
    _, sums = loss_fn(params, batch, None)
    return sums if axis_name is None else jax.lax.psum(sums, axis_name)
