"""The decoder: as the encoder, with a look at the source in every layer (paper, section 3.1)."""

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from model.transformer.attention import Memory
from model.transformer.cache import DecoderCache, LayerCache, key_positions, write
from model.transformer.config import TransformerConfig
from model.transformer.encoder import attention_of, feed_forward_of, last_norm_of, residual_of
from model.transformer.masks import history_mask, trailing_window, window_mask
from model.transformer.relative_positions import Placement, relative_positions_of
from model.transformer.stack import run_stack


class DecoderLayer(nn.Module):
    """Masked self-attention, attention to the source, feed-forward network (figure 1, right)."""

    config: TransformerConfig

    def setup(self) -> None:
        self.self_attention = attention_of(self.config)
        self.self_attention_residual = residual_of(self.config)
        self.cross_attention = attention_of(self.config)
        self.cross_attention_residual = residual_of(self.config)
        self.feed_forward = feed_forward_of(self.config)
        self.feed_forward_residual = residual_of(self.config)

    def __call__(
        self,
        inputs: Float[Array, "B T D"],
        own: Memory,
        source: Memory,
        own_mask: Bool[Array, "B 1 T _"],
        source_mask: Bool[Array, "B 1 #T S"],
        placement: Placement,
        *,
        deterministic: bool,
    ) -> Float[Array, "B T D"]:
        """Returns the layer's outputs, given what it may remember of itself and of the source."""
        queries = self.self_attention_residual.sublayer_inputs(inputs)
        found = self.self_attention.attend(
            queries, own, own_mask, placement, deterministic=deterministic
        )
        hidden = self.self_attention_residual(inputs, found, deterministic=deterministic)
        queries = self.cross_attention_residual.sublayer_inputs(hidden)
        found = self.cross_attention.attend(
            queries, source, source_mask, deterministic=deterministic
        )
        hidden = self.cross_attention_residual(hidden, found, deterministic=deterministic)
        features = self.feed_forward_residual.sublayer_inputs(hidden)
        transformed = self.feed_forward(features, deterministic=deterministic)
        return self.feed_forward_residual(hidden, transformed, deterministic=deterministic)

    def project_own(self, inputs: Float[Array, "B T D"], placement: Placement) -> Memory:
        """Returns the keys and values of the layer's own inputs, normed where its queries are."""
        normed = self.self_attention_residual.sublayer_inputs(inputs)
        return self.self_attention.project(normed, placement)

    def project_source(self, memory: Float[Array, "B S D"]) -> Memory:
        """Returns the keys and values of the encoder's outputs."""
        return self.cross_attention.project(memory)


class Decoder(nn.Module):
    """Maps what has been written of the target, and the encoded source, to the next positions."""

    config: TransformerConfig

    def setup(self) -> None:
        self.relative_positions = relative_positions_of(self.config, bidirectional=False)
        self.layers = [
            DecoderLayer(self.config, name=f"layer_{i}") for i in range(self.config.num_layers)
        ]
        self.norm = last_norm_of(self.config)

    def __call__(
        self,
        embedded: Float[Array, "B T D"],
        positions: Int[Array, "B T"],
        memory: Float[Array, "B S D"],
        own_mask: Bool[Array, "B 1 T T"],
        source_mask: Bool[Array, "B 1 T S"],
        *,
        deterministic: bool,
    ) -> Float[Array, "B T D"]:
        """Returns the decoder's output at every position at once."""
        placement, masks = self.relative_positions(positions, positions), (own_mask, source_mask)

        def outputs_of(layer: DecoderLayer, inputs: Float[Array, "B T D"]) -> Array:
            own, source = layer.project_own(inputs, placement), layer.project_source(memory)
            return layer(inputs, own, source, *masks, placement, deterministic=deterministic)

        return self._output(run_stack(self.layers, outputs_of, embedded, self.config))

    def init_cache(
        self,
        memory: Float[Array, "B S D"],
        source_mask: Bool[Array, "B 1 1 S"],
        *,
        beam_size: int,
        max_length: int,
    ) -> DecoderCache:
        """Returns an empty cache of `max_length` positions for `beam_size` hypotheses."""
        sentences = memory.shape[0]
        rows, heads = (sentences, max_length * beam_size), self.config.num_heads
        own = Memory(
            jnp.zeros((*rows, heads, self.config.key_width), memory.dtype),
            jnp.zeros((*rows, heads, self.config.value_width), memory.dtype),
        )
        layers = tuple(LayerCache(own, layer.project_source(memory)) for layer in self.layers)
        ancestors = jnp.zeros((sentences, beam_size, max_length), jnp.int32)
        return DecoderCache(jnp.zeros((), jnp.int32), ancestors, source_mask, layers)

    def step(
        self, embedded: Float[Array, "B M D"], cache: DecoderCache
    ) -> tuple[Float[Array, "B M D"], DecoderCache]:
        """Returns the outputs of M hypotheses' next position, and the cache with it written."""
        own_mask = history_mask(cache.ancestors, cache.step)
        positions = cache.step[None, None], key_positions(cache.ancestors)
        if self.config.attention_window:
            own_mask &= window_mask(*positions, trailing_window(self.config.attention_window))
        placement = self.relative_positions(*positions)
        hidden, layers = embedded, []
        for layer, kept in zip(self.layers, cache.layers, strict=True):
            own = write(kept.own, layer.project_own(hidden, placement), cache.step)
            masks = own_mask, cache.source_mask
            hidden = layer(hidden, own, kept.source, *masks, placement, deterministic=True)
            layers.append(LayerCache(own, kept.source))
        cache = cache._replace(step=cache.step + 1, layers=tuple(layers))
        return self._output(hidden), cache

    def _output(self, hidden: Float[Array, "B T D"]) -> Float[Array, "B T D"]:
        return hidden if self.norm is None else self.norm(hidden)
