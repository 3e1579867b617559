"""What keeps a deep stack trainable: LayerNorm(x + Dropout(Sublayer(x))) (sections 3.1 and 5.4)."""

import flax.linen as nn
from jaxtyping import Array, Float

from model.transformer.dropout import Dropout
from model.transformer.layer_norm import LayerNorm


class Residual(nn.Module):
    """Adds a sub-layer's output to its input, then normalises: post-norm, as in the paper."""

    dropout_rate: float

    @nn.compact
    def __call__(
        self,
        inputs: Float[Array, "B T D"],
        sublayer_output: Float[Array, "B T D"],
        *,
        deterministic: bool,
    ) -> Float[Array, "B T D"]:
        """Returns LayerNorm(inputs + Dropout(sublayer_output))."""
        dropout = Dropout(self.dropout_rate, name="dropout")
        dropped = dropout(sublayer_output, deterministic=deterministic)
        return LayerNorm(name="norm")(inputs + dropped)
