"""ConvS2S (Gehring et al. 2017, *Convolutional Sequence to Sequence Learning*).

The other system that the Transformer was compared with (its tables 1 and 2). As in that paper:

- tokens and learned positions are embedded and summed (section 3.1);
- both stacks are convolutions with gated linear units and residuals, sums scaled by sqrt(0.5)
  (sections 3.2 and 3.4); the encoder reads as many positions on either side, the decoder its own
  and those to the left;
- every decoder layer attends to the source: the query is its output and the embedded target
  token, keys are the encoder's outputs, values these and the embedded source tokens; what is found
  is scaled by sqrt(m), m the tokens of the source sentence (sections 3.3 and 3.4);
- linear maps lie between the embeddings and either stack, at its end, and before attention
  (section 3.2), behind it as in the authors' code;
- weights are normalised, of every layer but the tables (section 4.2), and start with the variance
  of section 3.5;
- in training, gradients of the encoder are divided by the number of decoder layers, as that many
  attend to it (the authors' code: by twice as many); those of embedded tokens in the values are not
  (section 3.4);
- dropout is on embedded tokens, the inputs of each convolution and the decoder's output
  (section 4.2).

As in the authors' code, sums of query and embedded token, of outputs and what attention found, and
of the two parts of a value are scaled by sqrt(0.5) as well.

Departures, so that the system differs from the Transformer in what it is made of alone:

- token tables and the output matrix are the Transformer's, without a bias of the output. Embedded
  tokens are scaled to the paper's deviation of 0.1, positions start with that of
  `LearnedPositions`;
- `decode` embeds the source anew for the values, with dropout of its own;
- gradients are not clipped, and the loop's optimizer is Adam, not Nesterov's momentum;
- all layers have one width and one kernel.

Several sentences in a row are as sentences in rows of their own: no window reaches beyond its
sentence (`windows`), and attention stays within it.

`dtype` is that of activations and products. Softmax and logits are float32 in any case.
"""

from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from model.baselines.config import ConvolutionalConfig
from model.baselines.convolution import scale_gradient
from model.baselines.convolutional_decoder import ConvolutionalDecoder
from model.baselines.convolutional_encoder import HALF, ConvolutionalEncoder
from model.baselines.embedding import tables_of
from model.baselines.gathering import of_parents
from model.baselines.source_memory import SourceMemory
from model.transformer.dropout import Dropout
from model.transformer.embedding import Embedding
from model.transformer.masks import segment_mask
from model.transformer.positions import LearnedPositions
from model.transformer.tokens import Tokens

EMBEDDED_DEVIATION = 0.1  # of embedded tokens at the start (section 3.5)


class ConvolutionalCache(NamedTuple):
    """What decoding keeps: what each hypothesis' windows reach, and each source once."""

    step: Int[Array, ""]
    past: tuple[Float[Array, "B M _ D"], ...]  # each layer's inputs, the newest last
    source: SourceMemory
    source_mask: Bool[Array, "B 1 1 S"]


class Convolutional(nn.Module):
    """Convolutions with attention, from one language to another."""

    config: ConvolutionalConfig

    def setup(self) -> None:
        sizes = self.config.max_positions, self.config.d_model
        self.source_table, self.target_table, self.output_table = tables_of(self.config)
        self.source_positions, self.target_positions = (LearnedPositions(*sizes) for _ in range(2))
        self.embedding_dropout = Dropout(self.config.dropout_rate)
        self.encoder = ConvolutionalEncoder(self.config)
        self.decoder = ConvolutionalDecoder(self.config)

    def __call__(
        self, source: Tokens, target_inputs: Tokens, *, deterministic: bool
    ) -> Float[Array, "B T V"]:
        """Returns logits of the token that follows each of `target_inputs`."""
        memory = self.encode(source, deterministic=deterministic)
        return self.decode(target_inputs, memory, source, deterministic=deterministic)

    def encode(self, source: Tokens, *, deterministic: bool) -> Float[Array, "B S D"]:
        """Returns the encoder's output at every source position."""
        embedded = self._embed_source(source, deterministic=deterministic)
        return self.encoder(embedded, source.segments, deterministic=deterministic)

    def decode(
        self,
        target_inputs: Tokens,
        memory: Float[Array, "B S D"],
        source: Tokens,
        *,
        deterministic: bool,
    ) -> Float[Array, "B T V"]:
        """Returns logits of the token that follows each of `target_inputs`, all at once."""
        tables = self.target_table, self.target_positions
        embedded = self._embed(target_inputs.ids, target_inputs.positions, *tables)
        embedded = self.embedding_dropout(embedded, deterministic=deterministic)
        segments = target_inputs.segments
        if not deterministic:  # in training; whoever asks for a derivative gets it
            memory = scale_gradient(memory, 1 / self.config.num_layers)
        keys_and_values = self._project_source(memory, source, deterministic=deterministic)
        mask = segment_mask(segments, source.segments)
        outputs = self.decoder(
            embedded, segments, keys_and_values, mask, deterministic=deterministic
        )
        return self.output_table.logits(outputs)

    def init_cache(self, source: Tokens, *, beam_size: int, max_length: int) -> ConvolutionalCache:
        """Returns the cache that `decode_step` starts from; one sentence a row of `source`.

        Windows do not grow with the target, so `max_length` is of no account.
        """
        memory = self.encode(source, deterministic=True)
        return ConvolutionalCache(
            jnp.zeros((), jnp.int32),
            self.decoder.init_past(len(source.ids), beam_size),
            self._project_source(memory, source, deterministic=True),
            (source.segments > 0)[:, None, None, :],
        )

    def decode_step(
        self, tokens: Int[Array, "B M"], parents: Int[Array, "B M"], cache: ConvolutionalCache
    ) -> tuple[Float[Array, "B M V"], ConvolutionalCache]:
        """Returns logits of the token that follows `tokens`, and the cache for the next step.

        `tokens` are the last ones of M hypotheses, each the continuation of what was hypothesis
        `parents[b, m]` at the step before: what its windows reach is copied.
        """
        past = jax.tree.map(lambda each: of_parents(each, parents), cache.past)
        positions = jnp.full_like(tokens, cache.step)
        embedded = self._embed(tokens, positions, self.target_table, self.target_positions)
        outputs, past = self.decoder.step(embedded, past, cache.source, cache.source_mask)
        cache = cache._replace(step=cache.step + 1, past=past)
        return self.output_table.logits(outputs), cache

    def _project_source(
        self, memory: Float[Array, "B S D"], source: Tokens, *, deterministic: bool
    ) -> SourceMemory:
        embedded = self._embed_source(source, deterministic=deterministic)
        return SourceMemory(memory, (memory + embedded) * HALF)

    def _embed_source(self, source: Tokens, *, deterministic: bool) -> Float[Array, "B S D"]:
        tables = self.source_table, self.source_positions
        embedded = self._embed(source.ids, source.positions, *tables)
        return self.embedding_dropout(embedded, deterministic=deterministic)

    def _embed(
        self,
        ids: Int[Array, "B T"],
        positions: Int[Array, "B T"],
        table: Embedding,
        add_positions: LearnedPositions,
    ) -> Float[Array, "B T D"]:
        tokens = EMBEDDED_DEVIATION * table(ids)
        return add_positions(tokens, positions, ids.shape[1]).astype(self.config.dtype)
