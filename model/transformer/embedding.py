"""Tokens to vectors and back, with one matrix for both languages and the output (section 3.4)."""

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from model.transformer.linear import flat_dot_general


def embed(table: Float[Array, "V D"], ids: Int[Array, "B T"]) -> Float[Array, "B T D"]:
    """Returns the rows of `ids`, scaled by sqrt(d_model) (section 3.4)."""
    return jnp.take(table, ids, axis=0) * table.shape[-1] ** 0.5


class SharedEmbedding(nn.Module):
    """One table of V vectors: source embedding, target embedding and pre-softmax projection."""

    vocab_size: int
    d_model: int

    def setup(self) -> None:
        # Scaled by sqrt(d_model) on the way in, unscaled on the way out: both start near unit size.
        normal = nn.initializers.normal(self.d_model**-0.5)
        self.table = self.param("table", normal, (self.vocab_size, self.d_model))

    def __call__(self, ids: Int[Array, "B T"]) -> Float[Array, "B T D"]:
        """Returns the embedded tokens."""
        return embed(self.table, ids)

    def logits(self, outputs: Float[Array, "B T D"]) -> Float[Array, "B T V"]:
        """Returns each position's score of every piece of the vocabulary."""
        return flat_dot_general(outputs, self.table.T, (((2,), (0,)), ((), ())))
