"""The encoder by itself, for labels of what it reads: words to tag, sentences to classify.

Sources carry marks: a piece of their own, `MARK_ID`, in front of whatever has a label, as the first
token of BERT (Devlin et al. 2019, section 3) stands in front of what is classified. The label of
the t-th marked thing is read from the encoder's output at the t-th mark, and the end of the labels
from that at the source's own end. So labels are a target sequence like any other, and loss, search
and scores are those of all systems; only that labels do not see each other.

Embeddings, positions, layers and output are the Transformer's (`transformer.py`), and so are their
settings. Beside the output matrix, which is that of all pieces, there is nothing on top: no layer
that pools, no bias.
"""

from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from model.transformer.config import EncoderOnlyConfig
from model.transformer.dropout import Dropout
from model.transformer.embedding import TIED_EMBEDDINGS, named_tables
from model.transformer.encoder import Encoder
from model.transformer.inputs import embedded_tokens, whole_sentence_mask
from model.transformer.masks import segment_mask
from model.transformer.positions import add_positions_of
from model.transformer.tokens import EOS_ID, MARK_ID, Tokens


def reading_positions(
    source: Tokens, segments: Int[Array, "B T"], positions: Int[Array, "B T"]
) -> Int[Array, "B T"]:
    """Returns where in its row of `source` each target position is read.

    That is the mark of the same segment before which there are as many as the target position says,
    or the segment's end where it has no more marks. Of padding it is 0.

    Example:
      >>> ids = jnp.array([[MARK_ID, 7, MARK_ID, 8, EOS_ID, MARK_ID, 9, EOS_ID]])
      >>> of = jnp.array([[1, 1, 1, 1, 1, 2, 2, 2]])
      >>> source = Tokens(ids, of, jnp.array([[0, 1, 2, 3, 4, 0, 1, 2]]))
      >>> targets = jnp.array([[1, 1, 1, 2, 2, 0]]), jnp.array([[0, 1, 2, 0, 1, 0]])
      >>> reading_positions(source, *targets)
      Array([[0, 2, 4, 5, 7, 0]], dtype=int32)
    """
    is_read = (source.ids == MARK_ID) | (source.ids == EOS_ID)
    own = segment_mask(segments, source.segments)[:, 0] & is_read[:, None, :]
    rank = jnp.cumsum(own, axis=-1)  # 1 at the segment's first
    wanted = jnp.minimum(positions[..., None] + 1, rank[..., -1:])
    return jnp.argmax(own & (rank == wanted), axis=-1)


class EncoderOnlyCache(NamedTuple):
    """What decoding reads, step by step: the source is encoded once, and labels are not read."""

    step: Int[Array, ""]
    outputs: Float[Array, "B L D"]  # at each mark, then at the end over and over


class EncoderOnly(nn.Module):
    """An encoder that says a label for each mark in its source."""

    config: EncoderOnlyConfig

    def setup(self) -> None:
        uses = TIED_EMBEDDINGS[self.config.tied_embeddings]
        sizes, names = (self.config.vocab_size, self.config.d_model), (uses.source, uses.output)
        self.source_table, self.output_table = named_tables(names, *sizes)
        self.source_positions = add_positions_of(self.config)
        self.embedding_dropout = Dropout(self.config.dropout_rate)
        self.encoder = Encoder(self.config)

    def __call__(
        self, source: Tokens, target_inputs: Tokens, *, deterministic: bool
    ) -> Float[Array, "B T V"]:
        """Returns logits of the label at each target position, whatever ids `target_inputs` has."""
        memory = self.encode(source, deterministic=deterministic)
        return self.decode(target_inputs, memory, source, deterministic=deterministic)

    def encode(self, source: Tokens, *, deterministic: bool) -> Float[Array, "B S D"]:
        """Returns the encoder's output at every source position."""
        embedded = embedded_tokens(
            source,
            self.source_table,
            self.source_positions,
            self.embedding_dropout,
            dtype=self.config.dtype,
            deterministic=deterministic,
        )
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
        """Returns logits of the label at each target position, read from the encoder's output."""
        of_targets = target_inputs.segments, target_inputs.positions
        return self.output_table.logits(_read(memory, source, *of_targets))

    def init_cache(self, source: Tokens, *, beam_size: int, max_length: int) -> EncoderOnlyCache:
        """Returns the cache that `decode_step` starts from; one sentence a row of `source`."""
        memory = self.encode(source, deterministic=True)
        shape = source.ids.shape[0], max_length
        positions = jnp.broadcast_to(jnp.arange(max_length), shape)
        outputs = _read(memory, source, jnp.ones(shape, jnp.int32), positions)
        return EncoderOnlyCache(jnp.int32(0), outputs)

    def decode_step(
        self, tokens: Int[Array, "B M"], parents: Int[Array, "B M"], cache: EncoderOnlyCache
    ) -> tuple[Float[Array, "B M V"], EncoderOnlyCache]:
        """Returns the logits of the next label, the same for all hypotheses, and the next cache.

        At most the cache's `max_length` steps may be taken.
        """
        outputs = jax.lax.dynamic_slice_in_dim(cache.outputs, cache.step, 1, axis=1)
        logits = self.output_table.logits(outputs)
        beams = *tokens.shape, logits.shape[-1]
        return jnp.broadcast_to(logits, beams), cache._replace(step=cache.step + 1)


def _read(
    memory: Float[Array, "B S D"],
    source: Tokens,
    segments: Int[Array, "B T"],
    positions: Int[Array, "B T"],
) -> Float[Array, "B T D"]:
    places = reading_positions(source, segments, positions)
    return jnp.take_along_axis(memory, places[..., None], axis=1)
