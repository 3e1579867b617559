"""The sizes of a Transformer (paper, table 3)."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class TransformerConfig:
    """Sizes and rates of an encoder-decoder Transformer; one column of table 3 each.

    `d_k` and `d_v` are the widths of one head's keys and values. Left at None they are
    `d_model / num_heads`, as everywhere in the paper but in rows B of table 3.

    Raises:
      ValueError: if a size is not positive, a rate not in [0, 1), or `d_model` cannot be divided
        among the heads although a head's width is left open.
    """

    vocab_size: int
    d_model: int
    d_ff: int
    num_heads: int
    num_layers: int
    dropout_rate: float
    d_k: int | None = None
    d_v: int | None = None

    def __post_init__(self) -> None:
        for name in ("vocab_size", "d_model", "d_ff", "num_heads", "num_layers", "d_k", "d_v"):
            size = getattr(self, name)
            if size is not None and size < 1:
                raise ValueError(f"model.{name}={size} must be at least 1.")
        if not 0 <= self.dropout_rate < 1:
            raise ValueError(f"model.dropout_rate={self.dropout_rate} must be in [0, 1).")
        if self.d_model % 2:
            raise ValueError(
                f"model.d_model={self.d_model} must be even: positions pair a sine with a cosine. "
                f"Use {self.d_model + 1}."
            )
        if (self.d_k is None or self.d_v is None) and self.d_model % self.num_heads:
            raise ValueError(_indivisible(self.d_model, self.num_heads))

    @property
    def key_width(self) -> int:
        """d_k, the width of one head's queries and keys."""
        return self.d_k or self.d_model // self.num_heads

    @property
    def value_width(self) -> int:
        """d_v, the width of one head's values."""
        return self.d_v or self.d_model // self.num_heads


def _indivisible(d_model: int, num_heads: int) -> str:
    divisors = [n for n in range(1, d_model + 1) if d_model % n == 0]
    below = max(n for n in divisors if n <= num_heads)
    above = min((n for n in divisors if n > num_heads), default=d_model)
    return (
        f"model.d_model={d_model} must be divisible by model.num_heads={num_heads} "
        f"(remainder {d_model % num_heads}). Nearest: {below} or {above} heads; "
        "or set model.d_k and model.d_v."
    )
