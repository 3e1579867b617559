"""A language model: the Transformer without its encoder, whose layers see what is written (3.2.3).

After Liu et al. 2018 (*Generating Wikipedia by Summarizing Long Sequences*), section 4.2.3, and
Radford et al. 2018: the stack is the encoder's, masked as the decoder's self-attention. It keeps
the protocol of all systems, in which a source means here:

- in training nothing: a text's source is empty, and is not read;
- in decoding the prompt, what has been written so far. It is read once, behind BOS and without its
  end, and its keys and values are those of all hypotheses that continue it.

The search begins every hypothesis with BOS. That first token stands for the last one of the prompt,
which is BOS itself where nothing has been written, so the first logits are of what follows the
prompt; positions go on from there.
"""

from typing import NamedTuple

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from model.transformer.attention import Memory
from model.transformer.cache import advance, key_positions, write
from model.transformer.config import DecoderOnlyConfig
from model.transformer.dropout import Dropout
from model.transformer.embedding import TIED_EMBEDDINGS, named_tables
from model.transformer.encoder import Encoder
from model.transformer.inputs import embedded_tokens
from model.transformer.masks import history_mask, own_mask, trailing_window, window_mask
from model.transformer.positions import add_positions_of
from model.transformer.tokens import BOS_ID, Tokens


class PromptCache(NamedTuple):
    """The state of a language model that has written `step` tokens of M hypotheses a prompt.

    A layer's memory holds the S tokens of the prompt, once for all hypotheses, and behind them what
    these wrote, as that of `DecoderCache`: one memory, as two would be joined at every step.
    """

    step: Int[Array, ""]
    ancestors: Int[Array, "B M L"]
    last: Int[Array, " B"]  # the prompt's last token, which the first step reads ...
    begins: Int[Array, " B"]  # ... and its position
    layers: tuple[Memory, ...]  # [B, S + L * M, H, K]

    @property
    def prompt_length(self) -> int:
        """S, the width of the rows of prompts."""
        _, beam, length = self.ancestors.shape
        return self.layers[0].key.shape[1] - beam * length

    def key_positions(self) -> Int[Array, "B S"]:
        """Returns where each key of a memory stands, or will stand, in its sentence."""
        places = jnp.arange(self.prompt_length)[None]
        places = jnp.broadcast_to(places, (len(self.begins), self.prompt_length))
        written = self.begins[:, None] + key_positions(self.ancestors)
        return jnp.concatenate([places, written], axis=1)

    def mask(self) -> Bool[Array, "B 1 M S"]:
        """Allows each hypothesis its prompt but the last token, which it wrote, and its history."""
        written = history_mask(self.ancestors, self.step)
        prompt = jnp.arange(self.prompt_length)[None] < self.begins[:, None]
        shape = (*written.shape[:3], self.prompt_length)
        prompt = jnp.broadcast_to(prompt[:, None, None, :], shape)
        return jnp.concatenate([prompt, written], axis=-1)


class CausalStack(Encoder):
    """The encoder's layers, to be given masks by which no position sees what stands behind it."""

    bidirectional: bool = False

    def memories(
        self,
        embedded: Float[Array, "B S D"],
        positions: Int[Array, "B S"],
        mask: Bool[Array, "B 1 S S"],
    ) -> tuple[Memory, ...]:
        """Returns the keys and values of every position, a memory for each layer."""
        placement, hidden, kept = self.relative_positions(positions, positions), embedded, []
        for layer in self.layers:
            kept.append(layer.project_own(hidden, placement))
            hidden = layer.outputs(hidden, kept[-1], mask, placement, deterministic=True)
        return tuple(kept)

    def step(
        self, embedded: Float[Array, "B M D"], cache: PromptCache
    ) -> tuple[Float[Array, "B M D"], PromptCache]:
        """Returns the outputs of M hypotheses' next position, and the cache with it written."""
        positions = (cache.begins + cache.step)[:, None], cache.key_positions()
        mask = cache.mask()
        if self.config.attention_window:
            mask &= window_mask(*positions, trailing_window(self.config.attention_window))
        placement = self.relative_positions(*positions)
        hidden, layers = embedded, []
        for layer, memory in zip(self.layers, cache.layers, strict=True):
            new = layer.project_own(hidden, placement)
            memory = write(memory, new, cache.step, behind=cache.prompt_length)
            hidden = layer.outputs(hidden, memory, mask, placement, deterministic=True)
            layers.append(memory)
        outputs = hidden if self.norm is None else self.norm(hidden)
        return outputs, cache._replace(step=cache.step + 1, layers=tuple(layers))


class DecoderOnly(nn.Module):
    """A Transformer that continues a text."""

    config: DecoderOnlyConfig

    def setup(self) -> None:
        config = self.config
        _, *uses = TIED_EMBEDDINGS[config.tied_embeddings]
        self.input_table, self.output_table = named_tables(uses, config.vocab_size, config.d_model)
        self.target_positions = add_positions_of(config)
        self.embedding_dropout = Dropout(config.dropout_rate)
        self.decoder = CausalStack(config)

    def __call__(
        self, source: Tokens, target_inputs: Tokens, *, deterministic: bool
    ) -> Float[Array, "B T V"]:
        """Returns logits of the token that follows each of `target_inputs`, whatever the source."""
        outputs = self.decoder(
            self._embed(target_inputs, deterministic=deterministic),
            target_inputs.positions,
            own_mask(target_inputs, self.config.attention_window),
            deterministic=deterministic,
        )
        return self.output_table.logits(outputs)

    def init_cache(self, source: Tokens, *, beam_size: int, max_length: int) -> PromptCache:
        """Returns the cache that `decode_step` starts from; one prompt a row of `source`.

        A prompt's last token is its end, which is left out.
        """
        first = jnp.full_like(source.ids[:, :1], BOS_ID)
        read = source._replace(ids=jnp.concatenate([first, source.ids[:, :-1]], axis=1))
        memories = self.decoder.memories(
            self._embed(read, deterministic=True),
            read.positions,
            own_mask(read, self.config.attention_window),
        )
        sentences, room = len(read.ids), max_length * beam_size
        begins = jnp.maximum((read.segments > 0).sum(axis=1) - 1, 0)  # 0 where a row is empty
        return PromptCache(
            step=jnp.zeros((), jnp.int32),
            ancestors=jnp.zeros((sentences, beam_size, max_length), jnp.int32),
            last=jnp.take_along_axis(read.ids, begins[:, None], axis=1)[:, 0],
            begins=begins,
            layers=tuple(_with_room(memory, room) for memory in memories),
        )

    def decode_step(
        self, tokens: Int[Array, "B M"], parents: Int[Array, "B M"], cache: PromptCache
    ) -> tuple[Float[Array, "B M V"], PromptCache]:
        """Returns logits of the token that follows `tokens`, and the cache for the next step.

        `tokens` are the last ones of M hypotheses, each the continuation of what was hypothesis
        `parents[b, m]` at the step before; at the first step they are passed over for the prompt's
        last. At most the cache's `max_length` steps may be taken.
        """
        cache = cache._replace(ancestors=advance(cache.ancestors, parents, cache.step))
        tokens = jnp.where(cache.step == 0, cache.last[:, None], tokens)
        positions = jnp.broadcast_to((cache.begins + cache.step)[:, None], tokens.shape)
        end = cache.prompt_length + cache.ancestors.shape[2]
        embedded = self.target_positions(self.input_table(tokens), positions, end)
        outputs, cache = self.decoder.step(embedded.astype(self.config.dtype), cache)
        return self.output_table.logits(outputs), cache

    def _embed(self, tokens: Tokens, *, deterministic: bool) -> Float[Array, "B T D"]:
        parts = self.input_table, self.target_positions, self.embedding_dropout
        dtype = self.config.dtype
        return embedded_tokens(tokens, *parts, dtype=dtype, deterministic=deterministic)


def _with_room(memory: Memory, room: int) -> Memory:
    """Returns the memory with zeros behind it, where so many keys and values will be written."""
    widths = [(0, 0), (0, room), (0, 0), (0, 0)]
    return Memory(*(jnp.pad(rows, widths) for rows in memory))
