"""The encoder: a stack of self-attention and feed-forward layers (paper, section 3.1)."""

import flax.linen as nn
from jaxtyping import Array, Bool, Float, Int

from model.transformer.attention import MultiHeadAttention
from model.transformer.config import TransformerConfig
from model.transformer.feed_forward import FeedForward
from model.transformer.relative_positions import Placement, relative_positions_of
from model.transformer.residual import Residual


def attention_of(config: TransformerConfig) -> MultiHeadAttention:
    """Returns multi-head attention of the configured sizes."""
    return MultiHeadAttention(
        config.num_heads, config.d_model, config.key_width, config.value_width
    )


class EncoderLayer(nn.Module):
    """Self-attention, then a feed-forward network, each in a residual (figure 1, left)."""

    config: TransformerConfig

    def setup(self) -> None:
        self.self_attention = attention_of(self.config)
        self.self_attention_residual = Residual(self.config.dropout_rate)
        self.feed_forward = FeedForward(self.config.d_model, self.config.d_ff)
        self.feed_forward_residual = Residual(self.config.dropout_rate)

    def __call__(
        self,
        inputs: Float[Array, "B S D"],
        mask: Bool[Array, "B 1 #S S"],
        placement: Placement,
        *,
        deterministic: bool,
    ) -> Float[Array, "B S D"]:
        """Returns the layer's outputs; `mask` says which positions see which."""
        found = self.self_attention(inputs, inputs, mask, placement)
        hidden = self.self_attention_residual(inputs, found, deterministic=deterministic)
        transformed = self.feed_forward(hidden)
        return self.feed_forward_residual(hidden, transformed, deterministic=deterministic)


class Encoder(nn.Module):
    """Maps an embedded source to one vector a position, each made from the whole sentence."""

    config: TransformerConfig

    def setup(self) -> None:
        self.relative_positions = relative_positions_of(self.config, bidirectional=True)
        self.layers = [
            EncoderLayer(self.config, name=f"layer_{i}") for i in range(self.config.num_layers)
        ]

    def __call__(
        self,
        embedded: Float[Array, "B S D"],
        positions: Int[Array, "B S"],
        mask: Bool[Array, "B 1 #S S"],
        *,
        deterministic: bool,
    ) -> Float[Array, "B S D"]:
        """Returns the output of the last layer."""
        hidden, placement = embedded, self.relative_positions(positions, positions)
        for layer in self.layers:
            hidden = layer(hidden, mask, placement, deterministic=deterministic)
        return hidden
