"""How many numbers the two systems learn, by arithmetic."""

from model.baselines.config import Config, ConvolutionalConfig, RecurrentConfig
from model.transformer.embedding import TIED_EMBEDDINGS


def recurrent_counts(config: RecurrentConfig) -> dict[str, int]:
    """Returns the parameters of each part: embeddings, encoder, decoder.

    Example:
      >>> gnmt = RecurrentConfig(vocab_size=32_000, d_model=1024, num_layers=8, dropout_rate=0.2)
      >>> recurrent_counts(gnmt)
      {'embeddings': 32768000, 'encoder': 50364416, 'decoder': 78675968}
    """
    width, layers = config.d_model, config.num_layers
    lowest = 2 * width if config.input_feeding else width
    attention = 3 * width**2 + (width**2 + width if config.attention == "additive" else 0)
    initial = width // 2 * layers * width
    stack = _lstm(lowest, width) + (layers - 1) * _lstm(width, width)
    return {
        "embeddings": _tables(config),
        "encoder": layers * 2 * _lstm(width, width // 2),
        "decoder": stack + attention + initial,
    }


def convolutional_counts(config: ConvolutionalConfig) -> dict[str, int]:
    """Returns the parameters of each part: embeddings, positions, encoder, decoder."""
    width, layers = config.d_model, config.num_layers
    # With each output's length, beside the direction of its weights, and its bias.
    mapping = width**2 + 2 * width
    convolution = config.kernel_width * width * 2 * width + 2 * 2 * width
    return {
        "embeddings": _tables(config),
        "positions": 2 * config.max_positions * width,
        "encoder": 2 * mapping + layers * convolution,
        "decoder": 2 * mapping + layers * (convolution + 2 * mapping),
    }


def _lstm(inputs: int, cells: int) -> int:
    return (inputs + cells) * 4 * cells + 4 * cells


def _tables(config: Config) -> int:
    return len(set(TIED_EMBEDDINGS[config.tied_embeddings])) * config.vocab_size * config.d_model
