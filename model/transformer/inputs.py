"""What a stack is given: embedded tokens with their positions, and which of them see which."""

from collections.abc import Sequence

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from model.transformer.config import TransformerConfig
from model.transformer.dropout import Dropout
from model.transformer.embedding import Embedding
from model.transformer.masks import centred_window, segment_mask, window_mask
from model.transformer.positions import AddPositions
from model.transformer.tokens import Tokens


def tables_of(config: TransformerConfig, names: Sequence[str]) -> list[Embedding]:
    """Returns the table of each name, in a module's `setup`; a name that stands twice is one."""
    tables = {
        name: Embedding(config.vocab_size, config.d_model, name=name) for name in sorted(set(names))
    }
    return [tables[name] for name in names]


def embedded_tokens(
    tokens: Tokens,
    table: Embedding,
    add_positions: AddPositions,
    dropout: Dropout,
    *,
    dtype: str,
    deterministic: bool,
) -> Float[Array, "B T D"]:
    """Returns the sums of embeddings and positions, made in float32, with dropout (5.4)."""
    embedded = add_positions(table(tokens.ids), tokens.positions, tokens.ids.shape[1])
    return dropout(embedded.astype(jnp.dtype(dtype)), deterministic=deterministic)


def whole_sentence_mask(tokens: Tokens, attention_window: int) -> Bool[Array, "B 1 S S"]:
    """Allows an encoder its sentence, or the window around each position (section 4); 0 is all."""
    mask = segment_mask(tokens.segments, tokens.segments)
    if not attention_window:
        return mask
    window = centred_window(attention_window)
    return mask & window_mask(tokens.positions, tokens.positions, window)
