"""The sizes of a Transformer (paper, table 3), and the variants of it that people compare."""

import dataclasses
import math

CHOICES = {
    "positions": ("sinusoidal", "learned", "none", "rotary", "alibi", "relative"),
    "norm": ("layer", "rms"),
    "norm_placement": ("post", "pre"),
    "activation": ("relu", "gelu", "swiglu"),
    "tied_embeddings": ("all", "target", "none"),
    "dtype": ("float32", "bfloat16"),
}
SIZES = ("vocab_size", "d_model", "d_ff", "num_heads", "num_layers", "d_k", "d_v", "max_positions")
RATES = ("dropout_rate", "attention_dropout_rate", "activation_dropout_rate")


@dataclasses.dataclass(frozen=True)
class TransformerConfig:
    """Sizes, rates and variants of an encoder-decoder Transformer; the defaults are the paper's.

    `d_k` and `d_v` are the widths of one head's keys and values. Left at None they are
    `d_model / num_heads`, as everywhere in the paper but in rows B of table 3. `max_positions` is
    the length of the tables of learned positions; the other schemes have no end.
    `attention_window` is how many positions of a sentence self-attention sees (section 4): those
    around each in the encoder, of an even number one more before it, and in the decoder the last
    ones; 0 is all of them.

    `dtype` is that of activations and products; parameters are float32, and so are softmax, norms
    and logits. With `remat` a layer's activations are computed again in the backward pass instead
    of being kept. With `scan_layers` a stack is one layer in a loop: the program is smaller, the
    parameters lie and are named as without.

    Raises:
      ValueError: if a size is not positive, a rate not in [0, 1), a variant unknown, or `d_model`
        cannot be divided among the heads although a head's width is left open.
    """

    vocab_size: int
    d_model: int
    d_ff: int
    num_heads: int
    num_layers: int
    dropout_rate: float
    d_k: int | None = None
    d_v: int | None = None
    attention_dropout_rate: float = 0.0
    activation_dropout_rate: float = 0.0
    positions: str = "sinusoidal"
    max_positions: int = 1024
    norm: str = "layer"
    norm_placement: str = "post"
    activation: str = "relu"
    tied_embeddings: str = "all"
    attention_window: int = 0
    dtype: str = "float32"
    remat: bool = False
    scan_layers: bool = False

    def __post_init__(self) -> None:
        for name in SIZES:
            size = getattr(self, name)
            if size is not None and size < 1:
                raise ValueError(f"model.{name}={size} must be at least 1.")
        if self.attention_window < 0:
            raise ValueError(
                f"model.attention_window={self.attention_window} must be a number of positions, "
                "or 0 for all of them."
            )
        for name in RATES:
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"model.{name}={getattr(self, name)} must be in [0, 1).")
        for name, choices in CHOICES.items():
            if getattr(self, name) not in choices:
                raise ValueError(
                    f"model.{name}={getattr(self, name)!r} must be one of {', '.join(choices)}."
                )
        if self.positions == "sinusoidal" and self.d_model % 2:
            raise ValueError(
                f"model.d_model={self.d_model} must be even: positions pair a sine with a cosine. "
                f"Use {self.d_model + 1}."
            )
        if (self.d_k is None or self.d_v is None) and self.d_model % self.num_heads:
            raise ValueError(_indivisible(self.d_model, self.num_heads))
        if self.positions == "rotary" and self.key_width % 2:
            raise ValueError(
                f"model.d_k={self.key_width} must be even: rotary positions turn pairs of features."
            )

    @property
    def key_width(self) -> int:
        """d_k, the width of one head's queries and keys."""
        return self.d_k or self.d_model // self.num_heads

    @property
    def value_width(self) -> int:
        """d_v, the width of one head's values."""
        return self.d_v or self.d_model // self.num_heads


@dataclasses.dataclass(frozen=True)
class DecoderOnlyConfig(TransformerConfig):
    """Sizes, rates and variants of a language model: those of a Transformer that has one stack.

    There is no source, so of `tied_embeddings` "all" and "target" differ in the table's name alone,
    and `attention_window` is of the last positions everywhere.
    """


@dataclasses.dataclass(frozen=True)
class EncoderOnlyConfig(TransformerConfig):
    """Sizes, rates and variants of the encoder by itself: the settings are the Transformer's.

    Of the embedding matrices it has those of the source and of the output.
    """


def _indivisible(d_model: int, num_heads: int) -> str:
    small = [n for n in range(1, math.isqrt(d_model) + 1) if d_model % n == 0]
    divisors = [*small, *(d_model // n for n in small)]
    below = max(n for n in divisors if n <= num_heads)
    above = min((n for n in divisors if n > num_heads), default=d_model)
    return (
        f"model.d_model={d_model} must be divisible by model.num_heads={num_heads} "
        f"(remainder {d_model % num_heads}). Nearest: {below} or {above} heads; "
        "or set model.d_k and model.d_v."
    )
