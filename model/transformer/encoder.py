"""The encoder: a stack of self-attention and feed-forward layers (paper, section 3.1)."""

import flax.linen as nn
from jaxtyping import Array, Bool, Float, Int

from model.transformer.attention import Memory, MultiHeadAttention
from model.transformer.config import TransformerConfig
from model.transformer.feed_forward import FeedForward
from model.transformer.norms import NORMS, LayerNorm, RMSNorm
from model.transformer.relative_positions import Placement, relative_positions_of
from model.transformer.residual import Residual
from model.transformer.stack import run_stack


def attention_of(config: TransformerConfig) -> MultiHeadAttention:
    """Returns multi-head attention of the configured sizes."""
    return MultiHeadAttention(
        config.num_heads,
        config.d_model,
        config.key_width,
        config.value_width,
        config.attention_dropout_rate,
    )


def feed_forward_of(config: TransformerConfig) -> FeedForward:
    """Returns a feed-forward network of the configured sizes and activation."""
    return FeedForward(
        config.d_model, config.d_ff, config.activation, config.activation_dropout_rate
    )


def residual_of(config: TransformerConfig) -> Residual:
    """Returns a residual with the configured norm in the configured place."""
    return Residual(config.dropout_rate, config.norm, config.norm_placement)


def last_norm_of(config: TransformerConfig) -> LayerNorm | RMSNorm | None:
    """Returns the norm at a stack's end, which only pre-norm layers leave something to do."""
    return NORMS[config.norm]() if config.norm_placement == "pre" else None


class EncoderLayer(nn.Module):
    """Self-attention, then a feed-forward network, each in a residual (figure 1, left)."""

    config: TransformerConfig

    def setup(self) -> None:
        self.self_attention = attention_of(self.config)
        self.self_attention_residual = residual_of(self.config)
        self.feed_forward = feed_forward_of(self.config)
        self.feed_forward_residual = residual_of(self.config)

    def __call__(
        self,
        inputs: Float[Array, "B S D"],
        mask: Bool[Array, "B 1 #S S"],
        placement: Placement,
        *,
        deterministic: bool,
    ) -> Float[Array, "B S D"]:
        """Returns the layer's outputs; `mask` says which positions see which."""
        own = self.project_own(inputs, placement)
        return self.outputs(inputs, own, mask, placement, deterministic=deterministic)

    def project_own(self, inputs: Float[Array, "B S D"], placement: Placement) -> Memory:
        """Returns the keys and values of the layer's own inputs, normed where its queries are."""
        normed = self.self_attention_residual.sublayer_inputs(inputs)
        return self.self_attention.project(normed, placement)

    def outputs(
        self,
        inputs: Float[Array, "B T D"],
        own: Memory,
        mask: Bool[Array, "B 1 #T S"],
        placement: Placement,
        *,
        deterministic: bool,
    ) -> Float[Array, "B T D"]:
        """Returns the layer's outputs, given keys and values of all that may be attended to."""
        queries = self.self_attention_residual.sublayer_inputs(inputs)
        found = self.self_attention.attend(
            queries, own, mask, placement, deterministic=deterministic
        )
        hidden = self.self_attention_residual(inputs, found, deterministic=deterministic)
        features = self.feed_forward_residual.sublayer_inputs(hidden)
        transformed = self.feed_forward(features, deterministic=deterministic)
        return self.feed_forward_residual(hidden, transformed, deterministic=deterministic)


class Encoder(nn.Module):
    """Maps an embedded source to one vector a position, each made from the whole sentence."""

    config: TransformerConfig
    bidirectional: bool = True  # whether its masks let positions see what stands behind them

    def setup(self) -> None:
        self.relative_positions = relative_positions_of(
            self.config, bidirectional=self.bidirectional
        )
        self.layers = [
            EncoderLayer(self.config, name=f"layer_{i}") for i in range(self.config.num_layers)
        ]
        self.norm = last_norm_of(self.config)

    def __call__(
        self,
        embedded: Float[Array, "B S D"],
        positions: Int[Array, "B S"],
        mask: Bool[Array, "B 1 #S S"],
        *,
        deterministic: bool,
    ) -> Float[Array, "B S D"]:
        """Returns the output of the last layer, normed if the layers do not norm it."""
        placement = self.relative_positions(positions, positions)

        def outputs_of(layer: EncoderLayer, inputs: Float[Array, "B S D"]) -> Array:
            return layer(inputs, mask, placement, deterministic=deterministic)

        hidden = run_stack(self.layers, outputs_of, embedded, self.config)
        return hidden if self.norm is None else self.norm(hidden)
