"""The sizes and variants of the two systems; what they have of the Transformer's is named alike."""

import dataclasses
from collections.abc import Mapping

from model.transformer.config import CHOICES

ATTENTIONS = ("multiplicative", "additive")
SHARED_CHOICES = {name: CHOICES[name] for name in ("tied_embeddings", "dtype")}


@dataclasses.dataclass(frozen=True)
class RecurrentConfig:
    """An LSTM sequence-to-sequence model with attention, which by default is Luong et al.'s (2015).

    `d_model` is the width of embeddings, of each decoder layer's state and of an encoder layer's
    two states together, of which either direction has half. `attention` is "multiplicative"
    (Luong et al. 2015, "general") or "additive" (Bahdanau et al. 2015). With `input_feeding` the
    lowest decoder layer also reads what attention made of the position before (Luong et al.,
    section 3.3), so that no two positions can be computed at once.

    Raises:
      ValueError: if a size is not positive, `d_model` is odd, the rate not in [0, 1), or a variant
        unknown.
    """

    vocab_size: int
    d_model: int
    num_layers: int
    dropout_rate: float
    attention: str = "multiplicative"
    input_feeding: bool = True
    tied_embeddings: str = "all"
    dtype: str = "float32"

    def __post_init__(self) -> None:
        _check(self, ("vocab_size", "d_model", "num_layers"))
        _check_choices(self, {"attention": ATTENTIONS, **SHARED_CHOICES})
        if self.d_model % 2:
            raise ValueError(
                f"model.d_model={self.d_model} must be even: the encoder's two directions share "
                f"it. Use {self.d_model + 1}."
            )


@dataclasses.dataclass(frozen=True)
class ConvolutionalConfig:
    """A convolutional sequence-to-sequence model (Gehring et al. 2017).

    `d_model` is the width of embeddings and of every layer. `kernel_width` counts the positions
    that a convolution reads; `max_positions` is the length of the tables of learned positions.

    Raises:
      ValueError: if a size is not positive, `kernel_width` is even, the rate not in [0, 1), or a
        variant unknown.
    """

    vocab_size: int
    d_model: int
    num_layers: int
    dropout_rate: float
    kernel_width: int = 3
    max_positions: int = 1024
    tied_embeddings: str = "all"
    dtype: str = "float32"

    def __post_init__(self) -> None:
        _check(self, ("vocab_size", "d_model", "num_layers", "kernel_width", "max_positions"))
        _check_choices(self, SHARED_CHOICES)
        if self.kernel_width % 2 == 0:
            raise ValueError(
                f"model.kernel_width={self.kernel_width} must be odd: the encoder reads as many "
                f"tokens on either side. Use {self.kernel_width + 1}."
            )


Config = RecurrentConfig | ConvolutionalConfig


def _check(config: Config, sizes: tuple[str, ...]) -> None:
    for name in sizes:
        if getattr(config, name) < 1:
            raise ValueError(f"model.{name}={getattr(config, name)} must be at least 1.")
    if not 0 <= config.dropout_rate < 1:
        raise ValueError(f"model.dropout_rate={config.dropout_rate} must be in [0, 1).")


def _check_choices(config: Config, choices: Mapping[str, tuple[str, ...]]) -> None:
    for name, values in choices.items():
        if getattr(config, name) not in values:
            raise ValueError(
                f"model.{name}={getattr(config, name)!r} must be one of {', '.join(values)}."
            )
