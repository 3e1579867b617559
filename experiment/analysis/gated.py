"""A model under gates: several trees of them as one, and how likely it finds references."""

from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax
import numpy as np
from jaxtyping import Array, Float

from experiment.analysis.sites import Gates
from experiment.data import Batch
from experiment.training import Params, batch_loss


def stacked(trees: Sequence[Gates]) -> dict[str, Any]:
    """Returns trees of gates as one, whose arrays have an axis more, their first."""
    return jax.tree.map(lambda *leaves: np.stack(leaves), *map(dict, trees))


def nll(params: Params, batch: Batch, *, gates: Gates, model: nn.Module) -> Float[Array, ""]:
    """Returns the negative log-likelihood of a batch's references, in nats, under gates."""

    def gated(variables: dict[str, Any], *inputs: Any, **options: Any) -> Any:
        return model.apply({**variables, "gates": gates}, *inputs, **options)

    return batch_loss(params, batch, None, apply_fn=gated, label_smoothing=0.0)[1].nll
