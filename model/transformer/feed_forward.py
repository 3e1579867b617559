"""The position-wise feed-forward network (paper, section 3.3)."""

import flax.linen as nn
from jaxtyping import Array, Float

from model.transformer.linear import projection


class FeedForward(nn.Module):
    """max(0, x W1 + b1) W2 + b2, the same at every position (equation 2)."""

    d_model: int
    d_ff: int

    @nn.compact
    def __call__(self, inputs: Float[Array, "B T D"]) -> Float[Array, "B T D"]:
        """Returns each position's features after the two linear layers."""
        hidden = nn.relu(projection(self.d_ff, use_bias=True, name="hidden")(inputs))
        return projection(self.d_model, use_bias=True, name="out")(hidden)
