"""What the first layer of a stack reads: tokens as vectors, told where they stand (3.4 and 3.5)."""

from jaxtyping import Array, Float

from model.transformer.dropout import Dropout
from model.transformer.embedding import Embedding
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
