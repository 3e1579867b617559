"""How many numbers a Transformer learns, by arithmetic: table 3's last column, and any variant's.

Nothing is allocated, so a model of any size is counted at once.
"""

from model.transformer.config import EncoderOnlyConfig, TransformerConfig
from model.transformer.embedding import TIED_EMBEDDINGS
from model.transformer.feed_forward import GATE_ACTIVATIONS
from model.transformer.position_bias import NUM_BUCKETS


def parameter_counts(config: TransformerConfig) -> dict[str, int]:
    """Returns the parameters of each part: embeddings, positions, encoder, decoder.

    What tells layers about positions is counted under positions, wherever it is kept.
    """
    attention, feed_forward, norm = _attention(config), _feed_forward(config), _norm(config)
    # One norm for each sub-layer, and with pre-norm another at the stack's end.
    last_norm = norm if config.norm_placement == "pre" else 0
    encoder_layer = attention + feed_forward + 2 * norm
    decoder_layer = 2 * attention + feed_forward + 3 * norm
    return {
        "embeddings": _tables(config) * config.vocab_size * config.d_model,
        "positions": _positions(config),
        "encoder": config.num_layers * encoder_layer + last_norm,
        "decoder": config.num_layers * decoder_layer + last_norm,
    }


def encoder_only_counts(config: EncoderOnlyConfig) -> dict[str, int]:
    """Returns the parameters of each part of the encoder by itself."""
    uses = TIED_EMBEDDINGS[config.tied_embeddings]
    whole = parameter_counts(config)
    return {
        "embeddings": len({uses.source, uses.output}) * config.vocab_size * config.d_model,
        "positions": whole["positions"] // 2,
        "encoder": whole["encoder"],
    }


def parameter_count(config: TransformerConfig) -> int:
    """Returns the parameters of the whole model.

    Example:
      >>> base = dict(d_model=512, d_ff=2048, num_heads=8, num_layers=6, dropout_rate=0.1)
      >>> parameter_count(TransformerConfig(vocab_size=37_000, **base))
      63045632
    """
    return sum(parameter_counts(config).values())


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


def _tables(config: TransformerConfig) -> int:
    return len(set(TIED_EMBEDDINGS[config.tied_embeddings]))


def _positions(config: TransformerConfig) -> int:
    # Either way once for the encoder and once for the decoder.
    learned = {
        "learned": 2 * config.max_positions * config.d_model,
        "relative": 2 * NUM_BUCKETS * config.num_heads,
    }
    return learned.get(config.positions, 0)
