"""Label-smoothed cross-entropy (paper, section 5.4), and the sums that a step is made of."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax.core import FrozenDict
from jaxtyping import Array, Float, Int

from experiment.data import Batch
from model.transformer import Tokens

Params = FrozenDict[str, Any] | dict[str, Any]


class Sums(NamedTuple):
    """Sums over the target tokens of a batch, to be added up over devices and then divided."""

    loss: Float[Array, ""]  # label-smoothed cross-entropy, nats
    nll: Float[Array, ""]  # negative log-likelihood of the reference, nats
    tokens: Float[Array, ""]  # target tokens, the ends of sentences included


def _log_partition(logits: Float[Array, "*N V"]) -> Float[Array, "*N"]:
    return jax.nn.logsumexp(logits.astype(jnp.float32), axis=-1)


@jax.custom_vjp
def cross_entropy(
    logits: Float[Array, "*N V"],
    labels: Int[Array, "*N"],
    smoothing: float | Float[Array, ""],
) -> tuple[Float[Array, "*N"], Float[Array, "*N"]]:
    """Returns each token's cross-entropy with smoothed labels, and with the plain ones, in nats.

    The smoothed distribution gives `smoothing` to the whole vocabulary evenly and the rest to the
    label (Szegedy et al. 2015). Neither it nor its gradient is ever materialised: the gradient is
    softmax(logits) minus that distribution, in one pass.
    """
    return _forward(logits, labels, smoothing)[0]


def _forward(logits: Array, labels: Array, smoothing: float | Array) -> tuple[Any, Any]:
    log_partition = _log_partition(logits)
    of_label = jnp.take_along_axis(logits, labels[..., None], axis=-1)[..., 0]
    nll = log_partition - of_label
    even = log_partition - logits.mean(-1)
    smoothed = (1 - smoothing) * nll + smoothing * even
    return (smoothed, nll), (logits, log_partition, labels, smoothing)


def _backward(saved: Any, gradients: tuple[Array, Array]) -> tuple[Array, None, None]:
    logits, log_partition, labels, smoothing = saved
    to_smoothed, to_nll = (gradient[..., None] for gradient in gradients)
    is_label = (
        jax.lax.broadcasted_iota(labels.dtype, logits.shape, logits.ndim - 1) == (labels[..., None])
    )
    probability = jnp.exp(logits - log_partition[..., None])
    label_share = to_smoothed * (1 - smoothing) + to_nll
    even_share = to_smoothed * (smoothing / logits.shape[-1])
    to_logits = (to_smoothed + to_nll) * probability - even_share
    return jnp.where(is_label, to_logits - label_share, to_logits).astype(logits.dtype), None, None


cross_entropy.defvjp(_forward, _backward)


def batch_loss(
    params: Params,
    batch: Batch,
    rng: Array | None,
    *,
    apply_fn: Callable[..., Any],
    label_smoothing: float,
) -> tuple[Float[Array, ""], Sums]:
    """Returns the summed loss of a batch, and all its sums; without `rng` there is no dropout."""
    source = Tokens(*map(jnp.asarray, batch[:3]))
    inputs, labels, segments, positions = map(jnp.asarray, batch[3:])
    target = Tokens(inputs, segments, positions)
    rngs = None if rng is None else {"dropout": rng}
    logits = apply_fn({"params": params}, source, target, deterministic=rng is None, rngs=rngs)
    smoothed, nll = cross_entropy(logits, labels, label_smoothing)
    token_weights = (segments > 0).astype(jnp.float32)
    sums = Sums((smoothed * token_weights).sum(), (nll * token_weights).sum(), token_weights.sum())
    return sums.loss, sums


def loss_of(model: nn.Module, label_smoothing: float) -> Callable[..., Any]:
    """Returns `batch_loss` of a model, as a function of (params, batch, rng)."""
    return functools.partial(batch_loss, apply_fn=model.apply, label_smoothing=label_smoothing)
