"""What a stack is given: embedded tokens with their positions, and which of them see which."""

from jaxtyping import Array, Bool, Float

from model.transformer.dropout import Dropout
from model.transformer.embedding import Embedding
from model.transformer.masks import centred_window, segment_mask, window_mask
from model.transformer.positions import AddPositions
from model.transformer.tokens import Tokens


def embedded_tokens(
    tokens: Tokens,
    embedding: Embedding,
    add_positions: AddPositions,
    dropout: Dropout,
    *,
    dtype: str,
    deterministic: bool,
) -> Float[Array, "B T D"]:
    """Returns the sums of embeddings and positions in `dtype`, some of them dropped (5.4)."""
    length = tokens.ids.shape[1]
    embedded = add_positions(embedding(tokens.ids), tokens.positions, length).astype(dtype)
    return dropout(embedded, deterministic=deterministic)


def whole_sentence_mask(tokens: Tokens, attention_window: int) -> Bool[Array, "B 1 S S"]:
    """Allows an encoder its sentence, or the window around each position (section 4); 0 is all."""
    mask = segment_mask(tokens.segments, tokens.segments)
    if not attention_window:
        return mask
    window = centred_window(attention_window)
    return mask & window_mask(tokens.positions, tokens.positions, window)
