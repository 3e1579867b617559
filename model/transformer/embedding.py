"""Tokens to vectors and back, with one matrix for both languages and the output (section 3.4)."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from model.transformer.linear import flat_product


def embed(table: Float[Array, "V D"], ids: Int[Array, "B T"]) -> Float[Array, "B T D"]:
    """Returns the rows of `ids`, scaled by sqrt(d_model) (section 3.4)."""
    return jnp.take(table, ids, axis=0) * table.shape[-1] ** 0.5


class Embedding(nn.Module):
    """One table of V vectors, for tokens on the way in or scores on the way out, or for both."""

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
        """Returns each position's score of every piece of the vocabulary, float32 in any case."""
        return flat_product(outputs, self.table.T, dtype=jnp.float32)


def named_tables(uses: Sequence[str], vocab_size: int, d_model: int) -> list[Embedding]:
    """Returns the table of each use, by its name; to be called in a module's `setup`."""
    tables = {name: Embedding(vocab_size, d_model, name=name) for name in sorted(set(uses))}
    return [tables[name] for name in uses]


class Uses(NamedTuple):
    """The name of the table that each use of one reads; a name that stands twice is one table."""

    source: str
    target: str
    output: str


# The paper's is "all": the vocabulary is that of both languages.
TIED_EMBEDDINGS: Mapping[str, Uses] = {
    "all": Uses("embedding", "embedding", "embedding"),
    "target": Uses("source_embedding", "target_embedding", "target_embedding"),
    "none": Uses("source_embedding", "target_embedding", "output_embedding"),
}
