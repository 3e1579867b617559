"""The Transformer (Vaswani et al. 2017, *Attention Is All You Need*), section 3.

As in the paper: LayerNorm after the residual sum, one matrix shared by both embeddings and the
output, embeddings scaled by sqrt(d_model), sinusoidal positions, dropout on every sub-layer's
output and on the embedded tokens, biases in the feed-forward networks. Where the paper is silent:

- attention projections have no bias, as its formulas have none;
- there is no dropout on attention weights or inside the feed-forward network, unless rates for them
  are set;
- matrices start uniform after Glorot and Bengio, a head's projections as one matrix of all heads;
  embeddings start normal with variance 1 / d_model;
- LayerNorm's epsilon is 1e-6.

Departures, each a setting of `TransformerConfig` that is the paper's by default:

- the norm before each sub-layer, and one more after each stack (`norm_placement`);
- RMSNorm (`norm`);
- GELU, or SwiGLU with biases (`activation`);
- two or three embedding matrices (`tied_embeddings`);
- positions that are learned, turn queries and keys, bias attention, or are not told (`positions`);
- self-attention that sees a window of each sentence only (`attention_window`, section 4).

How it is computed is no part of the model, and of no parameter's name, shape or dtype:

- `dtype` is that of the embedded tokens once their positions are added, in float32, and every layer
  computes in the dtype that it is given. Softmax, norms, logits, attention's too, and parameters
  with their gradients are float32 in any case (`rounding.py`);
- `remat` and `scan_layers` are ways to run a stack (`stack.py`).
"""

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from model.transformer.cache import DecoderCache, advance
from model.transformer.config import TransformerConfig
from model.transformer.decoder import Decoder
from model.transformer.dropout import Dropout
from model.transformer.embedding import TIED_EMBEDDINGS, Embedding, named_tables
from model.transformer.encoder import Encoder
from model.transformer.inputs import embedded_tokens, whole_sentence_mask
from model.transformer.masks import own_mask, segment_mask
from model.transformer.positions import AddPositions, add_positions_of
from model.transformer.tokens import Tokens


class Transformer(nn.Module):
    """An encoder-decoder Transformer (figure 1)."""

    config: TransformerConfig

    def setup(self) -> None:
        uses = TIED_EMBEDDINGS[self.config.tied_embeddings]
        tables = named_tables(uses, self.config.vocab_size, self.config.d_model)
        self.source_table, self.target_table, self.output_table = tables
        self.source_positions = add_positions_of(self.config)
        self.target_positions = add_positions_of(self.config)
        self.embedding_dropout = Dropout(self.config.dropout_rate)
        self.encoder = Encoder(self.config)
        self.decoder = Decoder(self.config)

    def __call__(
        self, source: Tokens, target_inputs: Tokens, *, deterministic: bool
    ) -> Float[Array, "B T V"]:
        """Returns logits of the token that follows each of `target_inputs`."""
        memory = self.encode(source, deterministic=deterministic)
        return self.decode(target_inputs, memory, source, deterministic=deterministic)

    def encode(self, source: Tokens, *, deterministic: bool) -> Float[Array, "B S D"]:
        """Returns the encoder's output at every source position."""
        parts = self.source_table, self.source_positions
        embedded = self._embed(source, *parts, deterministic=deterministic)
        mask = whole_sentence_mask(source, self.config.attention_window)
        return self.encoder(embedded, source.positions, mask, deterministic=deterministic)

    def decode(
        self,
        target_inputs: Tokens,
        memory: Float[Array, "B S D"],
        source: Tokens,
        *,
        deterministic: bool,
    ) -> Float[Array, "B T V"]:
        """Returns logits of the token that follows each of `target_inputs`, all at once."""
        parts = self.target_table, self.target_positions
        embedded = self._embed(target_inputs, *parts, deterministic=deterministic)
        masks = (
            own_mask(target_inputs, self.config.attention_window),
            segment_mask(target_inputs.segments, source.segments),
        )
        inputs = embedded, target_inputs.positions, memory
        outputs = self.decoder(*inputs, *masks, deterministic=deterministic)
        return self.output_table.logits(outputs)

    def init_cache(self, source: Tokens, *, beam_size: int, max_length: int) -> DecoderCache:
        """Returns the cache that `decode_step` starts from; one sentence a row of `source`."""
        memory = self.encode(source, deterministic=True)
        source_mask = (source.segments > 0)[:, None, None, :]
        return self.decoder.init_cache(
            memory, source_mask, beam_size=beam_size, max_length=max_length
        )

    def decode_step(
        self, tokens: Int[Array, "B M"], parents: Int[Array, "B M"], cache: DecoderCache
    ) -> tuple[Float[Array, "B M V"], DecoderCache]:
        """Returns logits of the token that follows `tokens`, and the cache for the next step.

        `tokens` are the last ones of M hypotheses, each the continuation of what was hypothesis
        `parents[b, m]` at the step before. At most the cache's `max_length` steps may be taken.
        """
        cache = cache._replace(ancestors=advance(cache.ancestors, parents, cache.step))
        positions = jnp.full_like(tokens, cache.step)
        max_length = cache.ancestors.shape[2]
        embedded = self.target_positions(self.target_table(tokens), positions, max_length)
        outputs, cache = self.decoder.step(embedded.astype(self.config.dtype), cache)
        return self.output_table.logits(outputs), cache

    def _embed(
        self,
        tokens: Tokens,
        embedding: Embedding,
        add_positions: AddPositions,
        *,
        deterministic: bool,
    ) -> Float[Array, "B T D"]:
        parts = embedding, add_positions, self.embedding_dropout
        dtype = self.config.dtype
        return embedded_tokens(tokens, *parts, dtype=dtype, deterministic=deterministic)
