"""Multiplications and additions that a model needs, by formula, to hold the compiler's against."""

from experiment.config import ExperimentConfig


def model_flops(config: ExperimentConfig, rows: int, length: int) -> float:
    """Returns the FLOPs of one update on `rows` pairs of `length` padded tokens a side.

    Products of matrices only, two FLOPs for each multiplication with its addition: once forward,
    twice backward. Attention is counted in full, as it is computed, its masked half included; what
    `model.remat` computes again is not counted.
    """
    model = config.model
    sizes = model.transformer(config.data.vocab_size)
    keys, values = model.num_heads * sizes.key_width, model.num_heads * sizes.value_width
    of_queries = model.d_model * keys + values * model.d_model  # first and last projection
    of_memory = model.d_model * (keys + values)
    feed_forward = (3 if model.activation == "swiglu" else 2) * model.d_model * model.d_ff
    scores = (keys + values) * length
    attention = of_queries + of_memory + scores
    encoder = attention + feed_forward
    decoder = 2 * attention + feed_forward  # to itself, and to the source
    logits = model.d_model * config.data.vocab_size
    per_pair_of_tokens = model.num_layers * (encoder + decoder) + logits
    return 6.0 * per_pair_of_tokens * rows * length
