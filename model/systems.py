"""The systems that can be trained, each by its name: what it is, how large, and how much work.

All keep one protocol, so nothing else need know which of them it has.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import flax.linen as nn
import numpy as np
from jaxtyping import Int

from model.baselines import Convolutional, ConvolutionalConfig, Recurrent, RecurrentConfig
from model.baselines.flops import convolutional_flops, recurrent_flops
from model.baselines.parameter_count import convolutional_counts, recurrent_counts
from model.transformer import (
    DecoderOnly,
    DecoderOnlyConfig,
    EncoderOnly,
    EncoderOnlyConfig,
    Transformer,
    TransformerConfig,
    decoder_only_counts,
    decoder_only_flops,
    encoder_only_counts,
    encoder_only_flops,
    forward_flops,
    parameter_counts,
)

# Either half of a Transformer has a config that is one of its kind.
SystemConfig = TransformerConfig | RecurrentConfig | ConvolutionalConfig

_OF_AN_UPDATE = 3  # times a forward pass: backward, each product has the gradients of both factors


class System(NamedTuple):
    """What is known of one system; the functions take its config first."""

    config: Callable[..., Any]
    module: Callable[[Any], nn.Module]
    parameter_counts: Callable[[Any], dict[str, int]]  # by part
    forward_flops: Callable[..., Int[np.ndarray, " B"]]  # of pairs, by their lengths


SYSTEMS: Mapping[str, System] = {
    "transformer": System(TransformerConfig, Transformer, parameter_counts, forward_flops),
    "decoder_only": System(DecoderOnlyConfig, DecoderOnly, decoder_only_counts, decoder_only_flops),
    "encoder_only": System(EncoderOnlyConfig, EncoderOnly, encoder_only_counts, encoder_only_flops),
    "recurrent": System(RecurrentConfig, Recurrent, recurrent_counts, recurrent_flops),
    "convolutional": System(
        ConvolutionalConfig, Convolutional, convolutional_counts, convolutional_flops
    ),
}


def system_of(config: SystemConfig) -> nn.Module:
    """Returns the module that a config describes.

    Example:
      >>> config = RecurrentConfig(vocab_size=9, d_model=4, num_layers=1, dropout_rate=0.0)
      >>> type(system_of(config)).__name__
      'Recurrent'
    """
    return _known(config).module(config)


def parameter_count(config: SystemConfig) -> int:
    """Returns the parameters of the whole system, by arithmetic.

    Example:
      >>> base = dict(d_model=512, d_ff=2048, num_heads=8, num_layers=6, dropout_rate=0.1)
      >>> parameter_count(TransformerConfig(vocab_size=37_000, **base))
      63045632
    """
    return sum(_known(config).parameter_counts(config).values())


def training_flops(
    config: SystemConfig,
    source_lengths: Int[np.ndarray, " B"],
    target_lengths: Int[np.ndarray, " B"],
) -> Int[np.ndarray, " B"]:
    """Returns the operations of an update for each pair, of matrix products, by arithmetic.

    Lengths are in tokens, sentence ends included. What is computed a second time to save memory
    is not counted.
    """
    return _OF_AN_UPDATE * _known(config).forward_flops(config, source_lengths, target_lengths)


def _known(config: SystemConfig) -> System:
    return next(system for system in SYSTEMS.values() if system.config is type(config))
