"""What self-attention is told of where queries and keys stand, by scheme.

Never attention to the source, whose positions are not on one scale with the target's. Distances
come from the positions within sentences, so a sentence packed behind others is told the same.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import flax.linen as nn
from jaxtyping import Array, Float, Int

from model.transformer.config import TransformerConfig
from model.transformer.position_bias import NUM_BUCKETS, alibi_bias, relative_bias
from model.transformer.rotary import Rotation, rotation


class Placement(NamedTuple):
    """What one call of self-attention is told; computed once, for all layers of a stack."""

    rotation: Rotation | None = None  # of the queries, and of the keys that stand where they do
    bias: Float[Array, "#B H T S"] | None = None


UNPLACED = Placement()
# (positions of the queries, positions of the keys) -> what a stack's self-attention is told
Place = Callable[[Int[Array, "#B T"], Int[Array, "#B S"]], Placement]


def place_nowhere(queries: Int[Array, "#B T"], keys: Int[Array, "#B S"]) -> Placement:
    """Returns nothing, for schemes that add to the embeddings or tell nothing at all."""
    return UNPLACED


def place_rotary(queries: Int[Array, "#B T"], keys: Int[Array, "#B S"], *, d_k: int) -> Placement:
    """Returns the turns of the queries; keys are turned when projected, and kept so."""
    return Placement(rotation=rotation(queries, d_k))


def place_alibi(
    queries: Int[Array, "#B T"], keys: Int[Array, "#B S"], *, num_heads: int
) -> Placement:
    """Returns the bias that grows with distance."""
    return Placement(bias=alibi_bias(queries, keys, num_heads))


class RelativePositions(nn.Module):
    """A learned bias a head and bucket of distances (Raffel et al., 2020, section 2.1).

    One table for all layers of a stack. It starts normal with variance 1 / d_model, as embeddings
    do. The factor 1 / sqrt(d_k) of the logits stays, which T5 moves into its initial queries.
    """

    num_heads: int
    d_model: int
    bidirectional: bool

    def setup(self) -> None:
        normal = nn.initializers.normal(self.d_model**-0.5)
        self.table = self.param("table", normal, (NUM_BUCKETS, self.num_heads))

    def __call__(self, queries: Int[Array, "#B T"], keys: Int[Array, "#B S"]) -> Placement:
        """Returns the bias of every head."""
        bias = relative_bias(self.table, queries, keys, bidirectional=self.bidirectional)
        return Placement(bias=bias)


def relative_positions_of(config: TransformerConfig, *, bidirectional: bool) -> Place:
    """Returns the configured scheme of one stack; `bidirectional` where queries look ahead too."""
    heads = config.num_heads
    schemes: dict[str, Callable[[], Place]] = {
        "rotary": lambda: partial(place_rotary, d_k=config.key_width),
        "alibi": lambda: partial(place_alibi, num_heads=heads),
        "relative": partial(RelativePositions, heads, config.d_model, bidirectional),
    }
    return schemes.get(config.positions, lambda: place_nowhere)()
