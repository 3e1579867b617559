"""Scaled dot-product and multi-head attention (paper, section 3.2)."""

import functools
from collections.abc import Callable
from typing import NamedTuple

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from model.transformer.dropout import Dropout
from model.transformer.linear import projection
from model.transformer.relative_positions import UNPLACED, Placement
from model.transformer.rotary import rotate
from model.transformer.rounding import attention_logits, softmax


def dot_product_attention(
    query: Float[Array, "B T H K"],
    key: Float[Array, "B S H K"],
    value: Float[Array, "B S H Z"],
    mask: Bool[Array, "#B #H #T S"],
    bias: Float[Array, "#B #H #T S"] | None = None,
    *,
    drop: Callable[[Float[Array, "B H T S"]], Float[Array, "B H T S"]] | None = None,
) -> tuple[Float[Array, "B T H Z"], Float[Array, "B H T S"]]:
    """Returns the attended values and the weights that produced them (equation 1).

    Logits and softmax are float32, whatever the dtype of the rest; a `bias` is added to the scaled
    logits. A query that may attend to nothing gets uniform weights: finite, and without meaning.
    `drop` zeroes some of the weights on their way to the values; those returned are the ones before
    it.
    """
    logits = attention_logits(query * query.shape[-1] ** -0.5, key)
    if bias is not None:
        logits = logits + bias
    logits = jnp.where(mask, logits, jnp.finfo(logits.dtype).min)
    # bfloat16 softmax loses small weights over long sources; float32 costs little here.
    weights = softmax(logits, value.dtype)
    used = weights if drop is None else drop(weights)
    return jnp.einsum("BHTS,BSHZ->BTHZ", used, value), weights


class Memory(NamedTuple):
    """What is attended to, already projected to every head's keys and values."""

    key: Float[Array, "B S H K"]
    value: Float[Array, "B S H Z"]


class MultiHeadAttention(nn.Module):
    """Projects to H heads, attends in each, mixes them back (section 3.2.2).

    The variable `heads` of the collection `gates` holds one factor a head, all ones: a head is
    ablated by passing 0 for it, and a run without that collection is the plain model. Weights
    are sown into `intermediates` as `weights`, as they are before dropout.
    """

    num_heads: int
    d_model: int
    d_k: int
    d_v: int
    dropout_rate: float = 0.0  # of weights; the paper drops none

    def setup(self) -> None:
        self.query = projection((self.num_heads, self.d_k), use_bias=False)
        self.key = projection((self.num_heads, self.d_k), use_bias=False)
        self.value = projection((self.num_heads, self.d_v), use_bias=False)
        self.out = projection(self.d_model, axes=2, use_bias=False)
        self.dropout = Dropout(self.dropout_rate)
        gated = self.is_initializing() or self.has_variable("gates", "heads")
        self.heads = self.variable("gates", "heads", jnp.ones, self.num_heads) if gated else None

    def __call__(
        self,
        queries: Float[Array, "B T D"],
        memory: Float[Array, "B S D"],
        mask: Bool[Array, "#B #H #T S"],
        placement: Placement = UNPLACED,
        *,
        deterministic: bool,
    ) -> Float[Array, "B T D"]:
        """Returns what each query finds in `memory`; self-attention if the two are the same."""
        projected = self.project(memory, placement)
        return self.attend(queries, projected, mask, placement, deterministic=deterministic)

    def project(self, memory: Float[Array, "B S D"], placement: Placement = UNPLACED) -> Memory:
        """Returns the keys and values of `memory`, which decoding computes once and keeps."""
        return Memory(_placed(self.key(memory), placement), self.value(memory))

    def attend(
        self,
        queries: Float[Array, "B T D"],
        memory: Memory,
        mask: Bool[Array, "#B #H #T S"],
        placement: Placement = UNPLACED,
        *,
        deterministic: bool,
    ) -> Float[Array, "B T D"]:
        """Returns what each query finds in a memory that is already projected."""
        query = _placed(self.query(queries), placement)
        drop = functools.partial(self.dropout, deterministic=deterministic)
        mixed, weights = dot_product_attention(query, *memory, mask, placement.bias, drop=drop)
        self.sow("intermediates", "weights", weights)
        if self.heads is not None:
            gated = jnp.einsum("BTHZ,H->BTHZ", mixed, self.heads.value)  # float32, as gates are
            mixed = gated.astype(mixed.dtype)
        return self.out(mixed)


def _placed(heads: Float[Array, "B T H K"], placement: Placement) -> Float[Array, "B T H K"]:
    return heads if placement.rotation is None else rotate(heads, placement.rotation)
