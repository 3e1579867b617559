"""How many numbers a Transformer learns, by arithmetic: table 3's last column, and any variant's.

Nothing is allocated, so a model of any size is counted at once.
"""

from model.transformer.config import DecoderOnlyConfig, EncoderOnlyConfig, TransformerConfig
from model.transformer.embedding import TIED_EMBEDDINGS
from model.transformer.feed_forward import GATE_ACTIVATIONS
from model.transformer.position_bias import NUM_BUCKETS


def parameter_counts(config: TransformerConfig) -> dict[str, int]:
    """Returns the parameters of each part: embeddings, positions, encoder, decoder.

    What tells layers about positions is counted under positions, wherever it is kept.
    """
    tables = len(set(TIED_EMBEDDINGS[config.tied_embeddings]))
    return {
        "embeddings": tables * config.vocab_size * config.d_model,
        "positions": 2 * _positions(config),  # once for the encoder and once for the decoder
        "encoder": _stack(config, attentions=1),
        "decoder": _stack(config, attentions=2),
    }


def decoder_only_counts(config: DecoderOnlyConfig) -> dict[str, int]:
    """Returns the parameters of each part of a language model: embeddings, positions, decoder."""
    uses = TIED_EMBEDDINGS[config.tied_embeddings]
    return {
        "embeddings": len({uses.target, uses.output}) * config.vocab_size * config.d_model,
        "positions": _positions(config),
        "decoder": _stack(config, attentions=1),
    }


def encoder_only_counts(config: EncoderOnlyConfig) -> dict[str, int]:
    """Returns the parameters of each part of the encoder by itself."""
    uses = TIED_EMBEDDINGS[config.tied_embeddings]
    return {
        "embeddings": len({uses.source, uses.output}) * config.vocab_size * config.d_model,
        "positions": _positions(config),
        "encoder": _stack(config, attentions=1),
    }


def _stack(config: TransformerConfig, *, attentions: int) -> int:
    norm = _norm(config)
    # One norm for each sub-layer, and with pre-norm another at the stack's end.
    last_norm = norm if config.norm_placement == "pre" else 0
    layer = attentions * (_attention(config) + norm) + _feed_forward(config) + norm
    return config.num_layers * layer + last_norm


def _attention(config: TransformerConfig) -> int:
    # W^Q and W^K are d_model x d_k, W^V and a head's rows of W^O are d_model x d_v (3.2.2).
    head = 2 * config.d_model * config.key_width + 2 * config.d_model * config.value_width
    return config.num_heads * head


def _feed_forward(config: TransformerConfig) -> int:
    into_hidden = config.d_model * config.d_ff + config.d_ff
    out_of_hidden = config.d_ff * config.d_model + config.d_model
    return (2 if config.activation in GATE_ACTIVATIONS else 1) * into_hidden + out_of_hidden


def _norm(config: TransformerConfig) -> int:
    scale_and_bias = {"layer": 2, "rms": 1}
    return scale_and_bias[config.norm] * config.d_model


def _positions(config: TransformerConfig) -> int:
    """Counts what one stack is told by."""
    learned = {
        "learned": config.max_positions * config.d_model,
        "relative": NUM_BUCKETS * config.num_heads,
    }
    return learned.get(config.positions, 0)
