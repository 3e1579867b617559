"""A stack of LSTM layers that read a sentence from both ends."""

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from model.baselines.config import RecurrentConfig
from model.baselines.lstm import LSTM, run_lstm
from model.transformer.dropout import Dropout

# Layers from this one on, counted from 0, add their inputs to their outputs (Wu et al. 2016,
# section 3.1: the third layer from the bottom).
FIRST_RESIDUAL = 2


def sentence_starts(segments: Int[Array, "B T"]) -> Bool[Array, "B T"]:
    """Returns where the segment is another than the one to the left: sentences begin there.

    Example:
      >>> sentence_starts(jnp.array([[1, 1, 2, 0, 0]]))[0].astype(int)
      Array([1, 0, 1, 1, 0], dtype=int32)
    """
    return segments != jnp.pad(segments, [(0, 0), (1, 0)], constant_values=-1)[:, :-1]


def sentence_ends(segments: Int[Array, "B T"]) -> Bool[Array, "B T"]:
    """Returns where the segment is another than the one to the right: sentences end there."""
    return sentence_starts(segments[:, ::-1])[:, ::-1]


class RecurrentEncoderLayer(nn.Module):
    """One LSTM from left to right and one back, each of half the width."""

    d_model: int

    def setup(self) -> None:
        self.forward_lstm = LSTM(self.d_model, self.d_model // 2)
        self.backward_lstm = LSTM(self.d_model, self.d_model // 2)

    def __call__(
        self, inputs: Float[Array, "B S D"], segments: Int[Array, "B S"]
    ) -> Float[Array, "B S D"]:
        """Returns both outputs side by side, the forward one first."""
        onward = run_lstm(self.forward_lstm.params, inputs, sentence_starts(segments))
        ends = sentence_ends(segments)
        back = run_lstm(self.backward_lstm.params, inputs, ends, reverse=True)
        return jnp.concatenate([onward, back], axis=-1)


class RecurrentEncoder(nn.Module):
    """Maps an embedded source to one vector a position, each made from the whole sentence."""

    config: RecurrentConfig

    def setup(self) -> None:
        self.layers = [
            RecurrentEncoderLayer(self.config.d_model, name=f"layer_{i}")
            for i in range(self.config.num_layers)
        ]
        self.dropout = Dropout(self.config.dropout_rate)

    def __call__(
        self,
        embedded: Float[Array, "B S D"],
        segments: Int[Array, "B S"],
        *,
        deterministic: bool,
    ) -> Float[Array, "B S D"]:
        """Returns the outputs of the last layer; those of padding are zeros."""
        hidden = embedded
        for number, layer in enumerate(self.layers):
            outputs = self.dropout(layer(hidden, segments), deterministic=deterministic)
            hidden = outputs if number < FIRST_RESIDUAL else hidden + outputs
        return jnp.where((segments > 0)[..., None], hidden, 0)
