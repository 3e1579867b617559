"""Floating-point operations that the two systems need for sentence pairs, by arithmetic.

Counted as `model/transformer/flops.py` counts: matrix products alone, a multiplication and an
addition as two, each sentence by itself. Additive attention's product of v with every tanh is one
of them. What a decoder starts a sentence from is counted once a sentence; the program computes it
at every position, and uses it where sentences start.
"""

import numpy as np
from jaxtyping import Int

from model.baselines.config import ConvolutionalConfig, RecurrentConfig


def recurrent_flops(
    config: RecurrentConfig,
    source_lengths: Int[np.ndarray, " B"],
    target_lengths: Int[np.ndarray, " B"],
) -> Int[np.ndarray, " B"]:
    """Returns the operations of one pass over each pair, teacher-forced, from tokens to logits."""
    source, target = source_lengths.astype(np.int64), target_lengths.astype(np.int64)
    width, layers = config.d_model, config.num_layers
    lowest = 2 * width if config.input_feeding else width
    encoder = layers * 2 * _lstm(width, width // 2)
    decoder = _lstm(lowest, width) + (layers - 1) * _lstm(width, width)
    projected = width**2 if config.attention == "additive" else 0
    of_target = decoder + projected + 2 * width**2 + width * config.vocab_size
    attended = 2 * width * source * target  # how well each fits, then the sum of values
    initial = (target > 0) * (width // 2 * layers * width)
    return 2 * (source * (encoder + width**2) + target * of_target + attended + initial)


def convolutional_flops(
    config: ConvolutionalConfig,
    source_lengths: Int[np.ndarray, " B"],
    target_lengths: Int[np.ndarray, " B"],
) -> Int[np.ndarray, " B"]:
    """Returns the operations of one pass over each pair, teacher-forced, from tokens to logits."""
    source, target = source_lengths.astype(np.int64), target_lengths.astype(np.int64)
    width, layers = config.d_model, config.num_layers
    mapping, convolution = width**2, config.kernel_width * width * 2 * width
    of_source = 2 * mapping + layers * convolution
    of_target = 2 * mapping + layers * (convolution + 2 * mapping) + width * config.vocab_size
    attended = layers * 2 * width * source * target
    return 2 * (source * of_source + target * of_target + attended)


def _lstm(inputs: int, cells: int) -> int:
    """Counts the multiplications of one position."""
    return (inputs + cells) * 4 * cells
