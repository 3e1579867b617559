"""How far a model looks back: the size of gradients, by how far from the end they arrive.

The paper's argument for short paths (section 4) is that they make distant dependencies easier to
learn. This takes any system of the protocol, `model.apply({"params": ...}, source, target_inputs,
deterministic=True)`, that embeds its tokens by `Embedding`; `recall.py` has what must be learned.
"""

import functools
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from experiment.analysis.embedded import at_embeddings
from experiment.data import UNK_ID
from experiment.training import Params, cross_entropy
from model.transformer import Tokens, one_sentence_a_row

_FIRST_WORD = UNK_ID + 1  # what stands before it is no word


class Gradients(NamedTuple):
    """Sizes of the gradient of the last output's loss at embedded inputs, by distance from the end.

    Entry k is that of the input k positions before the last one of its side.
    """

    source: Float[np.ndarray, " S"]
    target: Float[np.ndarray, " T"]


def gradient_norms(
    model: nn.Module,
    params: Params,
    *,
    length: int,
    vocab_size: int,
    sentences: int = 32,
    seed: int = 0,
) -> Gradients:
    """Returns medians over random sentences of `length` words a side.

    The loss is the cross-entropy, in nats, of a random word after the last one of the target; its
    gradient is taken at embedded tokens, before positions are added, and measured by its length.

    Raises:
      ValueError: if the model does not embed its tokens by `Embedding`, each side as it is given.
    """
    words = np.random.default_rng(seed).integers(_FIRST_WORD, vocab_size, (3, sentences, length))
    source, target = (one_sentence_a_row(jnp.asarray(ids, jnp.int32)) for ids in words[:2])
    width = _embedding_width(model, params, source, target)
    nowhere = (jnp.zeros((sentences, length, width)),) * 2
    gradients_fn = jax.jit(jax.grad(functools.partial(last_loss, model)))
    gradients = gradients_fn(nowhere, params, source, target, jnp.asarray(words[2, :, -1]))
    norms = (jnp.linalg.norm(gradient, axis=-1)[:, ::-1] for gradient in gradients)
    return Gradients(*(np.median(np.asarray(each), axis=0) for each in norms))


def last_loss(
    model: nn.Module,
    moved: tuple[Float[Array, "B S D"], Float[Array, "B T D"]],
    params: Params,
    source: Tokens,
    target: Tokens,
    labels: Int[Array, " B"],
) -> Float[Array, ""]:
    """Returns the loss after the last target token, summed over sentences that have no padding.

    The embedded tokens of either side are first moved by `moved`.
    """
    with at_embeddings((source, target), lambda side, embedded: embedded + moved[side]):
        logits: Any = model.apply({"params": params}, source, target, deterministic=True)
    _, nll = cross_entropy(logits[:, -1], labels, 0.0)
    return nll.sum()


def _embedding_width(model: nn.Module, params: Params, source: Tokens, target: Tokens) -> int:
    widths: dict[int, int] = {}

    def look(side: int, embedded: Array) -> Array:
        widths[side] = embedded.shape[-1]
        return embedded

    with at_embeddings((source, target), look):
        apply = functools.partial(model.apply, deterministic=True)
        jax.eval_shape(lambda values: apply({"params": values}, source, target), params)
    if set(widths) != {0, 1}:
        raise ValueError(
            f"{type(model).__name__} must embed the ids of source and target by Embedding, as they "
            "are given to it; otherwise there is nothing to take gradients at."
        )
    return widths[0]
