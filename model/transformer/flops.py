"""Floating-point operations that a Transformer needs for sentence pairs, by arithmetic.

Counted are matrix products, a multiplication and an addition as two: projections, attention's
logits and values, feed-forward networks, output logits. Everything else (softmax, norms,
activations, the lookup of embeddings) is a few percent at the paper's sizes, and no part of what
is compared with a device's peak (Chowdhery et al. 2022, PaLM, appendix B).

Each sentence is counted by itself: padding costs nothing, and neither does the attention between
sentences of one row that a mask takes away. Masked self-attention counts as if every position saw
every other, as in that appendix: a mask saves operations only where a kernel skips blocks.
"""

import numpy as np
from jaxtyping import Int

from model.transformer.config import DecoderOnlyConfig, EncoderOnlyConfig, TransformerConfig
from model.transformer.feed_forward import GATE_ACTIVATIONS


def forward_flops(
    config: TransformerConfig,
    source_lengths: Int[np.ndarray, " B"],
    target_lengths: Int[np.ndarray, " B"],
) -> Int[np.ndarray, " B"]:
    """Returns the operations of one pass over each pair, teacher-forced, from tokens to logits.

    Lengths are in tokens, sentence ends included.

    Example:
      >>> base = dict(d_model=512, d_ff=2048, num_heads=8, num_layers=6, dropout_rate=0.1)
      >>> config = TransformerConfig(vocab_size=37_000, **base)
      >>> forward_flops(config, np.array([25, 50]), np.array([25, 50]))
      array([3172249600, 6390579200])
    """
    source, target = source_lengths.astype(np.int64), target_lengths.astype(np.int64)
    decoder = _attention(config, target, target) + _attention(config, target, source)
    decoder = decoder + target * _feed_forward(config)
    return config.num_layers * (_layer(config, source) + decoder) + _logits(config, target)


def encoder_only_flops(
    config: EncoderOnlyConfig,
    source_lengths: Int[np.ndarray, " B"],
    target_lengths: Int[np.ndarray, " B"],
) -> Int[np.ndarray, " B"]:
    """Returns the operations of one pass of the encoder by itself, from tokens to logits."""
    source, target = source_lengths.astype(np.int64), target_lengths.astype(np.int64)
    return config.num_layers * _layer(config, source) + _logits(config, target)


def decoder_only_flops(
    config: DecoderOnlyConfig,
    source_lengths: Int[np.ndarray, " B"],
    target_lengths: Int[np.ndarray, " B"],
) -> Int[np.ndarray, " B"]:
    """Returns the operations of one pass of a language model over each text; sources cost nothing.

    Lengths are in tokens, sentence ends included.
    """
    target = target_lengths.astype(np.int64)
    return config.num_layers * _layer(config, target) + _logits(config, target)


def _layer(config: TransformerConfig, tokens: Int[np.ndarray, " B"]) -> Int[np.ndarray, " B"]:
    """Counts a layer that attends to itself alone: the encoder's, or a language model's."""
    return _attention(config, tokens, tokens) + tokens * _feed_forward(config)


def _logits(config: TransformerConfig, tokens: Int[np.ndarray, " B"]) -> Int[np.ndarray, " B"]:
    return 2 * config.d_model * config.vocab_size * tokens


def _attention(
    config: TransformerConfig, queries: Int[np.ndarray, " B"], keys: Int[np.ndarray, " B"]
) -> Int[np.ndarray, " B"]:
    """Counts section 3.2 for so many queries and keys a sentence, all heads."""
    key_width = config.num_heads * config.key_width
    value_width = config.num_heads * config.value_width
    projected = config.d_model * (key_width + value_width) * (queries + keys)  # Q and out, K and V
    attended = (key_width + value_width) * queries * keys  # logits, then the sum of values
    return 2 * (projected + attended)


def _feed_forward(config: TransformerConfig) -> int:
    """Counts equation 2 for one position."""
    matrices = 3 if config.activation in GATE_ACTIVATIONS else 2
    return 2 * matrices * config.d_model * config.d_ff
