"""What every head of a model attends to: the weights of equation 1, by site."""

import functools
from collections.abc import Mapping
from typing import Any

import flax.linen as nn
import jax
import numpy as np
from jaxtyping import Float

from experiment.analysis.sentences import inputs_of
from experiment.analysis.sites import Site, at, ones, sites_of
from experiment.data import Batch
from experiment.training import Params

Weights = Mapping[Site, Float[np.ndarray, "B H T S"]]


def attention_weights(
    model: nn.Module, params: Params, batch: Batch, gates: Mapping[str, Any] | None = None
) -> Weights:
    """Returns the weights of every attention of a Transformer, or of half of one, on a batch.

    The decoder is given the references. Rows and columns of padding have no meaning. With `gates`
    what later layers attend to is that of a model whose heads are gated so. What is computed is
    compiled once for a model and a shape of batch: it does not see `flax.linen.intercept_methods`.

    Raises:
      ValueError: if the model has no heads.
    """
    sites = sites_of(ones(model))
    variables = {"params": params} | ({} if gates is None else {"gates": gates})
    found = jax.device_get(_sown(variables, batch, model=model))
    return {site: at(found, site)["weights"][0] for site in sites}


@functools.partial(jax.jit, static_argnames="model")
def _sown(variables: Any, batch: Batch, *, model: nn.Module) -> Any:
    _, sown = model.apply(
        variables, *inputs_of(batch), deterministic=True, mutable=["intermediates"]
    )
    return sown["intermediates"]
