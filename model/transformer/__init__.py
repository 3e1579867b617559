"""The paper's model, section 3: one component a file, each equation where its name says."""

from model.transformer.attention import Memory, MultiHeadAttention, dot_product_attention
from model.transformer.cache import DecoderCache
from model.transformer.config import DecoderOnlyConfig, EncoderOnlyConfig, TransformerConfig
from model.transformer.decoder import Decoder
from model.transformer.decoder_only import DecoderOnly, PromptCache
from model.transformer.embedding import Embedding, embed
from model.transformer.encoder import Encoder
from model.transformer.encoder_only import EncoderOnly, EncoderOnlyCache, reading_positions
from model.transformer.feed_forward import FeedForward
from model.transformer.flops import (
    decoder_only_flops,
    encoder_only_flops,
    forward_flops,
)
from model.transformer.masks import (
    Window,
    causal_mask,
    centred_window,
    history_mask,
    own_mask,
    segment_mask,
    trailing_window,
    window_mask,
)
from model.transformer.norms import LayerNorm, RMSNorm, layer_norm, rms_norm
from model.transformer.parameter_count import (
    decoder_only_counts,
    encoder_only_counts,
    parameter_counts,
)
from model.transformer.position_bias import (
    alibi_bias,
    alibi_slopes,
    relative_bias,
    relative_buckets,
)
from model.transformer.positions import LearnedPositions, learned_positions, sinusoidal_positions
from model.transformer.relative_positions import Placement, RelativePositions
from model.transformer.residual import Residual
from model.transformer.restricted_attention import restricted_attention
from model.transformer.rotary import Rotation, rotate, rotation
from model.transformer.tokens import (
    BOS_ID,
    EOS_ID,
    MARK_ID,
    PAD_ID,
    Tokens,
    one_sentence_a_row,
)
from model.transformer.transformer import Transformer

__all__ = [
    # The whole, and its halves.
    "Transformer",
    "TransformerConfig",
    "Encoder",
    "Decoder",
    "DecoderCache",
    # Half of it: a language model.
    "DecoderOnly",
    "DecoderOnlyConfig",
    "PromptCache",
    # The encoder by itself, for labels.
    "EncoderOnly",
    "EncoderOnlyCache",
    "EncoderOnlyConfig",
    "encoder_only_counts",
    "encoder_only_flops",
    "reading_positions",
    # Section 3.2: attention.
    "MultiHeadAttention",
    "Memory",
    "dot_product_attention",
    "causal_mask",
    "history_mask",
    "own_mask",
    "segment_mask",
    # Section 4: self-attention within a window.
    "Window",
    "centred_window",
    "restricted_attention",
    "trailing_window",
    "window_mask",
    # Sections 3.3 to 3.5: what stands between attentions.
    "FeedForward",
    "LayerNorm",
    "RMSNorm",
    "Residual",
    "Embedding",
    "embed",
    "layer_norm",
    "rms_norm",
    "sinusoidal_positions",
    # Table 3's last column.
    "decoder_only_counts",
    "parameter_counts",
    # What it takes to use them.
    "decoder_only_flops",
    "forward_flops",
    # What may stand in for the sinusoids.
    "LearnedPositions",
    "Placement",
    "RelativePositions",
    "Rotation",
    "alibi_bias",
    "alibi_slopes",
    "learned_positions",
    "relative_bias",
    "relative_buckets",
    "rotate",
    "rotation",
    # Rows of tokens.
    "BOS_ID",
    "EOS_ID",
    "MARK_ID",
    "PAD_ID",
    "Tokens",
    "one_sentence_a_row",
]
