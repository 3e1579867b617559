"""What training changes: everything that a run must keep to go on."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from flax import linen as nn
from jaxtyping import Array, Int

from experiment.training.loss import Params
from model.transformer import one_sentence_a_row


class TrainState(NamedTuple):
    """The parameters, and how they are being changed."""

    step: Int[Array, ""]  # updates applied so far; also the index of the next batch
    params: Params
    opt_state: optax.OptState


def init_params(model: nn.Module, rng: Array) -> Params:
    """Returns fresh parameters."""
    tokens = one_sentence_a_row(jnp.ones((1, 1), jnp.int32))
    params: Any = model.init(rng, tokens, tokens, deterministic=True)["params"]
    return params


def init_state(model: nn.Module, optimizer: optax.GradientTransformation, rng: Array) -> TrainState:
    """Returns the state before the first update; pure, so `jax.eval_shape` gives its shapes."""
    params = init_params(model, rng)
    return TrainState(jnp.zeros((), jnp.int32), params, optimizer.init(params))


def num_params(params: Params) -> int:
    """Returns how many numbers are trained; works on shapes too."""
    return sum(leaf.size for leaf in jax.tree.leaves(params))
