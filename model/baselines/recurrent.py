"""LSTMs with attention, what the Transformer was compared with first (its tables 2 and 4).

A sequence-to-sequence model after Luong et al. 2015 (*Effective Approaches to Attention-based
Neural Machine Translation*), Bahdanau et al. 2015 (*Neural Machine Translation by Jointly Learning
to Align and Translate*) and Wu et al. 2016 (*Google's Neural Machine Translation System*, GNMT):

- the encoder reads in both directions (Bahdanau, section 3.2);
- from the third layer on, in both stacks, a layer's inputs are added to its outputs (GNMT,
  section 3.1 and figure 1);
- the decoder's top layer attends to the source, and what it finds and its output make the
  attentional state, from which the next token is predicted (Luong, equations 5 and 6);
- that state is fed to the decoder's lowest layer at the next position (Luong, section 3.3), unless
  `input_feeding` is off;
- each decoder layer starts a sentence with tanh(W b), b the encoder's output at the first token,
  read from the end (Bahdanau, appendix A.2.2);
- dropout is on embedded tokens, each layer's outputs and the attentional state on its way to the
  logits; nothing that goes from one position to the next is dropped (Zaremba et al. 2014).

Departures, so that the system differs from the Transformer in what it is made of alone:

- embeddings are those of the Transformer, its output matrix and scale among them;
- every layer of the encoder is bidirectional, each direction of half the width: Bahdanau's has one
  layer, GNMT's only its lowest, Luong's none;
- GNMT's decoder attends from the lowest layer's
  state one position ago and gives what is found to every layer, Bahdanau's likewise attends from
  the state before. Here both ways of attention look from the top layer's new state, as Luong's;
- Luong's decoder starts with the encoder's last states, which are not all at hand when
  several sentences share a row;
- gradients are not clipped, as the loop clips none; matrices start after Glorot and Bengio, not
  uniform within 0.1 (Luong) or 0.04 (GNMT).

Several sentences in a row are as sentences in rows of their own: states are forgotten where the
segment changes, in either direction, and attention stays within it.

`dtype` is that of outputs and products. Gates, cells, softmax and logits are float32 in any case.
"""

from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from model.baselines.config import RecurrentConfig
from model.baselines.embedding import tables_of
from model.baselines.gathering import of_parents
from model.baselines.recurrent_decoder import DecoderState, RecurrentDecoder
from model.baselines.recurrent_encoder import RecurrentEncoder, sentence_starts
from model.baselines.source_memory import SourceMemory
from model.transformer.dropout import Dropout
from model.transformer.embedding import Embedding
from model.transformer.masks import segment_mask
from model.transformer.tokens import Tokens


class RecurrentCache(NamedTuple):
    """What decoding keeps: states of each hypothesis, and each sentence's source once."""

    state: DecoderState
    source: SourceMemory
    source_mask: Bool[Array, "B 1 1 S"]


def first_of_source(
    memory: Float[Array, "B S D"],
    source_segments: Int[Array, "B S"],
    target_segments: Int[Array, "B T"],
) -> Float[Array, "B T D"]:
    """Returns, at every target position, the memory of its sentence's first source token."""
    same = target_segments[:, :, None] == source_segments[:, None, :]
    return jnp.take_along_axis(memory, jnp.argmax(same, axis=-1)[..., None], axis=1)


class Recurrent(nn.Module):
    """LSTMs with attention, from one language to another."""

    config: RecurrentConfig

    def setup(self) -> None:
        self.source_table, self.target_table, self.output_table = tables_of(self.config)
        self.embedding_dropout = Dropout(self.config.dropout_rate)
        self.output_dropout = Dropout(self.config.dropout_rate)
        self.encoder = RecurrentEncoder(self.config)
        self.decoder = RecurrentDecoder(self.config)

    def __call__(
        self, source: Tokens, target_inputs: Tokens, *, deterministic: bool
    ) -> Float[Array, "B T V"]:
        """Returns logits of the token that follows each of `target_inputs`."""
        memory = self.encode(source, deterministic=deterministic)
        return self.decode(target_inputs, memory, source, deterministic=deterministic)

    def encode(self, source: Tokens, *, deterministic: bool) -> Float[Array, "B S D"]:
        """Returns the encoder's output at every source position."""
        embedded = self._embed(source, self.source_table, deterministic=deterministic)
        return self.encoder(embedded, source.segments, deterministic=deterministic)

    def decode(
        self,
        target_inputs: Tokens,
        memory: Float[Array, "B S D"],
        source: Tokens,
        *,
        deterministic: bool,
    ) -> Float[Array, "B T V"]:
        """Returns logits of the token that follows each of `target_inputs`."""
        embedded = self._embed(target_inputs, self.target_table, deterministic=deterministic)
        segments = target_inputs.segments
        outputs = self.decoder(
            embedded,
            sentence_starts(segments),
            first_of_source(memory, source.segments, segments),
            memory,
            segment_mask(segments, source.segments),
            deterministic=deterministic,
        )
        outputs = self.output_dropout(outputs, deterministic=deterministic)
        return self.output_table.logits(outputs)

    def init_cache(self, source: Tokens, *, beam_size: int, max_length: int) -> RecurrentCache:
        """Returns the cache that `decode_step` starts from; one sentence a row of `source`.

        States do not grow with the target, so `max_length` is of no account.
        """
        memory = self.encode(source, deterministic=True)
        state = self.decoder.init_state(memory[:, :1], beam_size)
        source_mask = (source.segments > 0)[:, None, None, :]
        return RecurrentCache(state, self.decoder.project_source(memory), source_mask)

    def decode_step(
        self, tokens: Int[Array, "B M"], parents: Int[Array, "B M"], cache: RecurrentCache
    ) -> tuple[Float[Array, "B M V"], RecurrentCache]:
        """Returns logits of the token that follows `tokens`, and the cache for the next step.

        `tokens` are the last ones of M hypotheses, each the continuation of what was hypothesis
        `parents[b, m]` at the step before: its states are copied.
        """
        state = jax.tree.map(lambda each: of_parents(each, parents), cache.state)
        embedded = self.target_table(tokens).astype(self.config.dtype)
        state = self.decoder.step(embedded, state, cache.source, cache.source_mask)
        return self.output_table.logits(state.fed), cache._replace(state=state)

    def _embed(
        self, tokens: Tokens, table: Embedding, *, deterministic: bool
    ) -> Float[Array, "B T D"]:
        embedded = table(tokens.ids).astype(self.config.dtype)
        return self.embedding_dropout(embedded, deterministic=deterministic)
