"""Where a token stands, told to a model that is blind to order (paper, section 3.5).

Here is what is added to the embedded tokens; `relative_positions.py` has what self-attention is
told instead.
"""

from collections.abc import Callable
from functools import partial

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from model.transformer.config import TransformerConfig

# (embedded tokens, their positions, a length that no position reaches) -> embedded with positions
AddPositions = Callable[[Float[Array, "B T D"], Int[Array, "B T"], int], Float[Array, "B T D"]]


def sinusoidal_positions(length: int, d_model: int) -> Float[np.ndarray, "T D"]:
    """Returns the encodings of positions 0 to `length - 1` (section 3.5).

    Dimension 2i holds sin(pos / 10000^(2i / d_model)) and dimension 2i + 1 the cosine of the same
    angle, so the encoding of pos + k is a rotation of that of pos, the same for every pos.

    Example:
      >>> sinusoidal_positions(2, 4).round(4)
      array([[0.    , 1.    , 0.    , 1.    ],
             [0.8415, 0.5403, 0.01  , 1.    ]], dtype=float32)
    """
    frequencies = 10_000.0 ** (-np.arange(0, d_model, 2) / d_model)
    angles = np.arange(length)[:, None] * frequencies
    return np.stack([np.sin(angles), np.cos(angles)], axis=-1).reshape(length, d_model).astype("f4")


def add_sinusoids(
    embedded: Float[Array, "B T D"], positions: Int[Array, "B T"], length: int
) -> Float[Array, "B T D"]:
    """Returns the sums of embeddings and sinusoids (section 3.5)."""
    return embedded + jnp.asarray(sinusoidal_positions(length, embedded.shape[-1]))[positions]


def add_nothing(
    embedded: Float[Array, "B T D"], positions: Int[Array, "B T"], length: int
) -> Float[Array, "B T D"]:
    """Returns the embeddings as they are."""
    return embedded


def learned_positions(
    table: Float[Array, "L D"], positions: Int[Array, "B T"]
) -> Float[Array, "B T D"]:
    """Returns the rows of `positions`, and the last one for positions beyond the table.

    Example:
      >>> learned_positions(jnp.array([[1.0], [2.0]]), jnp.array([[0, 1, 2]]))[0, :, 0]
      Array([1., 2., 2.], dtype=float32)
    """
    # Clipped, as what `take` does by itself beyond the end is to return NaN.
    return jnp.take(table, positions, axis=0, mode="clip")


class LearnedPositions(nn.Module):
    """Adds a learned vector for each position (table 3, row E; Gehring et al., 2017, section 3.1).

    The vectors start normal with variance 1 / d_model, as those of tokens do, but are not scaled by
    sqrt(d_model): small beside the tokens, so a position that training seldom meets adds little.
    All positions beyond the table share its last vector.
    """

    max_positions: int
    d_model: int

    def setup(self) -> None:
        normal = nn.initializers.normal(self.d_model**-0.5)
        self.table = self.param("table", normal, (self.max_positions, self.d_model))

    def __call__(
        self, embedded: Float[Array, "B T D"], positions: Int[Array, "B T"], length: int
    ) -> Float[Array, "B T D"]:
        """Returns the sums of embeddings and learned vectors."""
        return embedded + learned_positions(self.table, positions)


def add_positions_of(config: TransformerConfig) -> AddPositions:
    """Returns the configured way to add positions to embeddings, with a table of its own if any."""
    schemes: dict[str, Callable[[], AddPositions]] = {
        "sinusoidal": lambda: add_sinusoids,
        "learned": partial(LearnedPositions, config.max_positions, config.d_model),
    }
    return schemes.get(config.positions, lambda: add_nothing)()
