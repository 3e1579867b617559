"""Gated convolutions over what has been written, with a look at the source in every layer."""

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from model.baselines.config import ConvolutionalConfig
from model.baselines.convolution import gated_linear_unit, windows
from model.baselines.convolutional_encoder import HALF, convolution, mapping
from model.baselines.source_memory import SourceMemory, retrieved
from model.transformer.dropout import Dropout
from model.transformer.rounding import attention_logits


def attend(
    queries: Float[Array, "B T D"], source: SourceMemory, mask: Bool[Array, "B 1 #T S"]
) -> tuple[Float[Array, "B T D"], Float[Array, "B 1 T S"]]:
    """Returns what each query finds, the "conditional input" (section 3.3), and the weights.

    Of m source tokens the sum is multiplied by sqrt(m), which gives it the variance of one if all
    weigh the same (section 3.4). A query that may attend to nothing finds zeros.
    """
    logits = attention_logits(queries[:, :, None], source.key[:, :, None])
    found, weights = retrieved(logits, source.value, mask)
    size = jnp.sqrt(mask[:, 0].sum(-1, dtype=jnp.float32))[..., None]
    return (found * size).astype(queries.dtype), weights


class ConvolutionalDecoderLayer(nn.Module):
    """A gated convolution, then attention to the source (section 3.3)."""

    config: ConvolutionalConfig

    def setup(self) -> None:
        self.convolution = convolution(self.config)
        self.to_attention = mapping(self.config, dropped=False)
        self.from_attention = mapping(self.config, dropped=False)

    def __call__(
        self,
        inputs: Float[Array, "B T D"],
        seen: Float[Array, "B T W D"],
        embedded: Float[Array, "B T D"],
        source: SourceMemory,
        mask: Bool[Array, "B 1 #T S"],
    ) -> Float[Array, "B T D"]:
        """Returns the layer's outputs; `seen` are the windows, of inputs that may be dropped."""
        hidden = gated_linear_unit(self.convolution(seen))
        queries = (self.to_attention(hidden) + embedded) * HALF
        found, weights = attend(queries, source, mask)
        self.sow("intermediates", "weights", weights)
        hidden = (hidden + self.from_attention(found)) * HALF
        return (inputs + hidden) * HALF


class ConvolutionalDecoder(nn.Module):
    """Maps what has been written of the target, and the encoded source, to the next positions."""

    config: ConvolutionalConfig

    def setup(self) -> None:
        self.input = mapping(self.config, dropped=True)
        self.layers = [
            ConvolutionalDecoderLayer(self.config, name=f"layer_{number}")
            for number in range(self.config.num_layers)
        ]
        self.output = mapping(self.config, dropped=False)
        self.dropout = Dropout(self.config.dropout_rate)

    def __call__(
        self,
        embedded: Float[Array, "B T D"],
        segments: Int[Array, "B T"],
        source: SourceMemory,
        mask: Bool[Array, "B 1 T S"],
        *,
        deterministic: bool,
    ) -> Float[Array, "B T D"]:
        """Returns the decoder's output at every position at once."""
        offsets = range(1 - self.config.kernel_width, 1)
        hidden = self.input(embedded)
        for layer in self.layers:
            dropped = self.dropout(hidden, deterministic=deterministic)
            seen = windows(dropped, segments, offsets)
            hidden = layer(hidden, seen, embedded, source, mask)
        return self.dropout(self.output(hidden), deterministic=deterministic)

    def init_past(self, sentences: int, beam_size: int) -> tuple[Float[Array, "B M _ D"], ...]:
        """Returns each layer's inputs of the positions before the first: zeros."""
        kept = self.config.kernel_width - 1
        shape = sentences, beam_size, kept, self.config.d_model
        return tuple(jnp.zeros(shape, self.config.dtype) for _ in self.layers)

    def step(
        self,
        embedded: Float[Array, "B M D"],
        past: tuple[Float[Array, "B M _ D"], ...],
        source: SourceMemory,
        mask: Bool[Array, "B 1 1 S"],
    ) -> tuple[Float[Array, "B M D"], tuple[Float[Array, "B M _ D"], ...]]:
        """Returns the outputs of M hypotheses' next position, and what the one after it reads."""
        hidden, kept = self.input(embedded), []
        for layer, before in zip(self.layers, past, strict=True):
            seen = jnp.concatenate([before, hidden[:, :, None]], axis=2)
            kept.append(seen[:, :, 1:])
            hidden = layer(hidden, seen, embedded, source, mask)
        return self.output(hidden), tuple(kept)
