"""Label-smoothed cross-entropy (paper, section 5.4), R-Drop, and the sums of a step."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax.core import FrozenDict
from jaxtyping import Array, Float, Int

from experiment.config import TrainConfig
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


@jax.custom_vjp
def divergence(logits: Float[Array, "*N V"], others: Float[Array, "*N V"]) -> Float[Array, "*N"]:
    """Returns the mean of both Kullback-Leibler divergences of each token's two predictions, nats.

    It is L_KL of R-Drop (Liang et al. 2021, section 2.1). Like that of `cross_entropy` its gradient
    is written out: one pass over the vocabulary.
    """
    return _forward_divergence(logits, others)[0]


def _forward_divergence(logits: Array, others: Array) -> tuple[Array, Any]:
    partitions = _log_partition(logits)[..., None], _log_partition(others)[..., None]
    first, second, log_ratio = _compared(logits, others, partitions)
    # Of the logarithm of first / second: one divergence, and the other with a minus.
    means = (first * log_ratio).sum(-1), (second * log_ratio).sum(-1)
    return (means[0] - means[1]) / 2, (logits, others, partitions, means)


def _backward_divergence(saved: Any, gradient: Array) -> tuple[Array, Array]:
    logits, others, partitions, (under_first, under_second) = saved
    first, second, log_ratio = _compared(logits, others, partitions)
    half = gradient[..., None] / 2
    to_logits = half * (first * (log_ratio - under_first[..., None]) + first - second)
    to_others = half * (second * (under_second[..., None] - log_ratio) + second - first)
    return to_logits.astype(logits.dtype), to_others.astype(others.dtype)


def _compared(
    logits: Array, others: Array, partitions: tuple[Array, Array]
) -> tuple[Array, Array, Array]:
    """Returns both predictions, and the logarithm of their ratio."""
    log_first, log_second = logits - partitions[0], others - partitions[1]
    return jnp.exp(log_first), jnp.exp(log_second), log_first - log_second


divergence.defvjp(_forward_divergence, _backward_divergence)


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

    With `r_drop`, the alpha of R-Drop (Liang et al. 2021, section 2.1), a batch goes through the
    model twice if there is `rng`: the losses are means of both, and `r_drop` / 2 times the
    divergence of their predictions is added. That is half of the published loss, a sum over both.
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
        first, second = map(predicted, jax.random.split(rng))
        losses = [cross_entropy(logits, labels, label_smoothing) for logits in (first, second)]
        smoothed, nll = (sum(both) / 2 for both in zip(*losses, strict=True))
        smoothed += r_drop / 2 * divergence(first, second)
    token_weights = (segments > 0).astype(jnp.float32)
    sums = Sums((smoothed * token_weights).sum(), (nll * token_weights).sum(), token_weights.sum())
    return sums.loss, sums


def loss_of(model: nn.Module, label_smoothing: float, r_drop: float = 0.0) -> Callable[..., Any]:
    """Returns `batch_loss` of a model, as a function of (params, batch, rng)."""
    return functools.partial(
        batch_loss, apply_fn=model.apply, label_smoothing=label_smoothing, r_drop=r_drop
    )


def training_loss(model: nn.Module, config: TrainConfig) -> Callable[..., Any]:
    """Returns the loss that a run's updates lower; of (params, batch, rng), as `loss_of`'s."""
    return loss_of(model, config.label_smoothing, config.r_drop)
