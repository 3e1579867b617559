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

    loss: Float[Array, ""]  # label-smoothed cross-entropy, and R-Drop's divergence, nats
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


def divergence(logits: Float[Array, "*N V"], others: Float[Array, "*N V"]) -> Float[Array, "*N"]:
    """Returns the mean of both Kullback-Leibler divergences of each token's two predictions."""
    first, second = (jax.nn.log_softmax(each.astype(jnp.float32)) for each in (logits, others))
    return ((jnp.exp(first) - jnp.exp(second)) * (first - second)).sum(-1) / 2


def batch_loss(
    params: Params,
    batch: Batch,
    rng: Array | None,
    *,
    apply_fn: Callable[..., Any],
    label_smoothing: float,
    r_drop: float = 0.0,
) -> tuple[Float[Array, ""], Sums]:
    """Returns the summed loss of a batch, and all its sums; without `rng` there is no dropout.

    With `r_drop`, the alpha of R-Drop (Liang et al. 2021, equation 4), a batch goes through the
    model twice where there is dropout: the losses are means of both, and `r_drop` / 2 times the
    divergence of their predictions is added. That is half of the equation, which has sums.
    """
    source = Tokens(*map(jnp.asarray, batch[:3]))
    inputs, labels, segments, positions = map(jnp.asarray, batch[3:])
    target = Tokens(inputs, segments, positions)

    def predicted(rng: Array | None) -> Array:
        rngs = None if rng is None else {"dropout": rng}
        given = {"params": params}
        return apply_fn(given, source, target, deterministic=rng is None, rngs=rngs)

    if rng is None or not r_drop:
        smoothed, nll = cross_entropy(predicted(rng), labels, label_smoothing)
    else:
        logits = jnp.stack([predicted(each) for each in jax.random.split(rng)])
        both = jnp.broadcast_to(labels, (2, *labels.shape))
        smoothed, nll = (each.mean(0) for each in cross_entropy(logits, both, label_smoothing))
        smoothed += r_drop / 2 * divergence(*logits)
    token_weights = (segments > 0).astype(jnp.float32)
    sums = Sums((smoothed * token_weights).sum(), (nll * token_weights).sum(), token_weights.sum())
    return sums.loss, sums


def loss_of(model: nn.Module, label_smoothing: float, r_drop: float = 0.0) -> Callable[..., Any]:
    """Returns `batch_loss` of a model, as a function of (params, batch, rng)."""
    return functools.partial(
        batch_loss, apply_fn=model.apply, label_smoothing=label_smoothing, r_drop=r_drop
    )
