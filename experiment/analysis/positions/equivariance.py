"""A model that is blind to order: the same words otherwise arranged, by scheme (section 3.5).

Without positions an encoder is equivariant: rearranged inputs give its outputs, rearranged alike.
Attention to them is a sum over a set, so the decoder's logits do not change at all. That holds for
any weights, trained or not, up to the order in which floating point adds up.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from jaxtyping import Array, Float, Int

from experiment.data import BOS_ID, EOS_ID, UNK_ID
from experiment.training import Params, init_params
from model.transformer import Transformer, TransformerConfig, one_sentence_a_row
from model.transformer.config import CHOICES

SCHEMES: tuple[str, ...] = CHOICES["positions"]
# The same words twice, one piece a word; the other order says the opposite.
EXAMPLES: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "English": (("cat", "chases", "dog"), ("dog", "chases", "cat")),
    "Chinese": (("猫", "追", "狗"), ("狗", "追", "猫")),
}
SMALL = TransformerConfig(
    vocab_size=UNK_ID + 4, d_model=32, d_ff=64, num_heads=4, num_layers=2, dropout_rate=0.0
)

_ROUNDING = 1e-5  # of float32, as a share of the logits' size


def order_of(words: Sequence[Any], rearranged: Sequence[Any]) -> Int[np.ndarray, " S"]:
    """Returns where each of `rearranged` stands in `words`; words that recur keep their order.

    Example:
      >>> order_of("cat chases dog".split(), "dog chases cat".split())
      array([2, 1, 0])

    Raises:
      ValueError: if the two are not the same words.
    """
    if sorted(map(str, words)) != sorted(map(str, rearranged)):
        raise ValueError(
            f"Two orders must be of the same words: {' '.join(map(str, words))!r} and "
            f"{' '.join(map(str, rearranged))!r} are not. Change one of them."
        )
    places = {word: iter([i for i, w in enumerate(words) if w == word]) for word in words}
    return np.array([next(places[word]) for word in rearranged])


class OrderSeen(NamedTuple):
    """How much the order of a source changes what a model makes of it: largest differences."""

    encoder: float  # of the outputs at each word, wherever it stands
    logits: float  # of the decoder, given the same target
    size: float  # the mean absolute logit, to compare with

    @property
    def is_blind(self) -> bool:
        """Whether all of it is rounding, of float32."""
        return max(self.encoder, self.logits) < _ROUNDING * self.size


def drawn_params(model: nn.Module, seed: int) -> Params:
    """Returns weights drawn normally, of deviation 0.2, every one of them, norms and all.

    What holds for any weights holds for these; a model's own way to start is not needed.
    """
    shapes = jax.eval_shape(lambda rng: init_params(model, rng), jax.random.key(0))
    random = np.random.default_rng(seed)
    return jax.tree.map(
        lambda leaf: jnp.asarray(0.2 * random.normal(size=leaf.shape), leaf.dtype), shapes
    )


def order_seen(
    model: nn.Module,
    params: Params,
    ids: Int[np.ndarray, " S"],
    order: Int[np.ndarray, " S"],
    target_inputs: Int[np.ndarray, " T"],
) -> OrderSeen:
    """Returns what changes when a source's ids come in another order, its positions as before.

    Products are those of float32 on any device: coarser ones would hide what is rounding alone.
    """

    def outputs(params: Params, ids: Int[Array, " S"]) -> tuple[Float[Array, "S D"], Any]:
        source = one_sentence_a_row(ids[None])
        target = one_sentence_a_row(jnp.asarray(target_inputs)[None])
        variables = {"params": params}
        memory: Any = model.apply(variables, source, deterministic=True, method="encode")
        logits: Any = model.apply(variables, source, target, deterministic=True)
        return memory[0], logits[0]

    both = jnp.asarray(np.stack([ids, ids[order]]))
    with jax.default_matmul_precision("highest"):
        memories, logits = jax.device_get(jax.jit(jax.vmap(outputs, (None, 0)))(params, both))
    return OrderSeen(
        float(np.abs(memories[0][order] - memories[1]).max()),
        float(np.abs(logits[0] - logits[1]).max()),
        float(np.abs(logits[0]).mean()),
    )


def orders_by_scheme(
    schemes: Sequence[str] = SCHEMES,
    *,
    config: TransformerConfig = SMALL,
    examples: Mapping[str, tuple[Sequence[str], Sequence[str]]] = EXAMPLES,
    seed: int = 0,
) -> pd.DataFrame:
    """Returns what the two orders of each example change, by scheme, at random weights.

    Columns are those of `OrderSeen`, and `blind`: whether all of it is rounding. Every word is one
    piece, and the other order is also the target.
    """
    found = []
    for scheme in schemes:
        model = Transformer(dataclasses.replace(config, positions=scheme))
        params = drawn_params(model, seed)
        for name, (words, rearranged) in examples.items():
            known = {word: UNK_ID + 1 + i for i, word in enumerate(sorted(set(words)))}
            ids = np.array([*(known[word] for word in words), EOS_ID])
            order = np.array([*order_of(words, rearranged), len(words)])
            target = np.array([BOS_ID, *ids[order][:-1]])
            seen = order_seen(model, params, ids, order, target)
            found.append(
                {"positions": scheme, "example": name, **seen._asdict(), "blind": seen.is_blind}
            )
    return pd.DataFrame(found).set_index(["positions", "example"])
