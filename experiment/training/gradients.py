"""The gradients of a batch, summed: of one device's rows, or of all that share an axis."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from experiment.data import Batch
from experiment.training.loss import Params, Sums

LossFn = Callable[[Params, Batch, Array | None], tuple[Float[Array, ""], Sums]]
Total = tuple[Params, Sums]


# Called with (params, batch, rng, loss_fn=...).
GradientsFn = Callable[..., Total]


def local_gradients(params: Params, batch: Batch, rng: Array, *, loss_fn: LossFn) -> Total:
    """Returns the gradients of the summed loss, and the sums.

    The arrays of a batch are [rows, length], or [parts, rows, length]: then one part goes after
    another and their gradients are added up, which takes the memory of one.
    """
    differentiate = jax.grad(loss_fn, has_aux=True)
    if batch.source.ndim == 2:
        gradients, sums = differentiate(params, batch, rng)
        return gradients, sums

    def add(total: Total, part: tuple[Batch, Array]) -> tuple[Total, None]:
        rows, number = part
        found = differentiate(params, rows, jax.random.fold_in(rng, number))
        return jax.tree.map(jnp.add, total, found), None

    parts = jnp.arange(batch.source.shape[0])
    nothing = jax.tree.map(jnp.zeros_like, params), Sums(*3 * (jnp.zeros((), jnp.float32),))
    total: Total = jax.lax.scan(add, nothing, (batch, parts))[0]
    return total


def summed_gradients(
    params: Params, batch: Batch, rng: Array, *, loss_fn: LossFn, axis_name: str
) -> Total:
    """Returns `local_gradients` summed over the devices of `axis_name`, each with its dropout."""
    rng = jax.random.fold_in(rng, jax.lax.axis_index(axis_name))
    total: Total = jax.lax.psum(local_gradients(params, batch, rng, loss_fn=loss_fn), axis_name)
    return total
