"""A stack of gated convolutions over the source (Gehring et al. 2017, section 3.2)."""

import flax.linen as nn
from jaxtyping import Array, Float, Int

from model.baselines.config import ConvolutionalConfig
from model.baselines.convolution import NormedProjection, gated_linear_unit, windows
from model.transformer.dropout import Dropout

HALF = 0.5**0.5  # a sum of two of like variance has it again, times this (section 3.4)


def mapping(config: ConvolutionalConfig, *, dropped: bool) -> NormedProjection:
    """Returns a linear layer that no gate follows; `dropped` if some of its inputs are."""
    kept = 1 - config.dropout_rate if dropped else 1.0
    return NormedProjection((config.d_model,), kept)


def convolution(config: ConvolutionalConfig, name: str | None = None) -> NormedProjection:
    """Returns a linear layer over windows, to both halves of a gated linear unit.

    The unit gives a quarter of the variance of its inputs, which the weights make up for, and for
    what dropout adds (section 3.5).
    """
    gain = 4 * (1 - config.dropout_rate)
    return NormedProjection((2, config.d_model), gain, axes=2, name=name)


class ConvolutionalEncoder(nn.Module):
    """Maps an embedded source to one vector a position, made from its neighbours."""

    config: ConvolutionalConfig

    def setup(self) -> None:
        self.input = mapping(self.config, dropped=True)
        self.convolutions = [
            convolution(self.config, name=f"layer_{number}_convolution")
            for number in range(self.config.num_layers)
        ]
        self.output = mapping(self.config, dropped=False)
        self.dropout = Dropout(self.config.dropout_rate)

    def __call__(
        self,
        embedded: Float[Array, "B S D"],
        segments: Int[Array, "B S"],
        *,
        deterministic: bool,
    ) -> Float[Array, "B S D"]:
        """Returns the outputs of the last layer, mapped back to the space of embeddings."""
        reach = self.config.kernel_width // 2
        hidden = self.input(embedded)
        for layer in self.convolutions:
            dropped = self.dropout(hidden, deterministic=deterministic)
            seen = windows(dropped, segments, range(-reach, reach + 1))
            hidden = (hidden + gated_linear_unit(layer(seen))) * HALF
        return self.output(hidden)
