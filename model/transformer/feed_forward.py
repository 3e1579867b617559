"""The position-wise feed-forward network (paper, section 3.3)."""

import functools
from collections.abc import Callable, Mapping

import flax.linen as nn
from jaxtyping import Array, Float

from model.transformer.dropout import Dropout
from model.transformer.linear import projection

# `nn.gelu` is an approximation by tanh unless told otherwise.
ACTIVATIONS: Mapping[str, Callable[[Array], Array]] = {
    "relu": nn.relu,
    "gelu": functools.partial(nn.gelu, approximate=False),
}
# These act on a third projection of the inputs, which then multiplies the hidden features.
GATE_ACTIVATIONS: Mapping[str, Callable[[Array], Array]] = {"swiglu": nn.silu}


class FeedForward(nn.Module):
    """max(0, x W1 + b1) W2 + b2, the same at every position (equation 2).

    In place of max(0, .) there may be GELU (Hendrycks and Gimpel 2016), or SwiGLU, which is
    (silu(x W + b) * (x W1 + b1)) W2 + b2. Shazeer 2020 leaves the biases of SwiGLU out; they are
    kept, so that variants differ in the activation alone. `d_ff` is the width of the hidden
    features either way: SwiGLU's three matrices hold half as much again as the paper's two.
    """

    d_model: int
    d_ff: int
    activation: str
    dropout_rate: float

    @nn.compact
    def __call__(
        self, inputs: Float[Array, "B T D"], *, deterministic: bool
    ) -> Float[Array, "B T D"]:
        """Returns each position's features after the linear layers."""
        hidden = projection(self.d_ff, use_bias=True, name="hidden")(inputs)
        if self.activation in GATE_ACTIVATIONS:
            gate = projection(self.d_ff, use_bias=True, name="gate")(inputs)
            hidden = GATE_ACTIVATIONS[self.activation](gate) * hidden
        else:
            hidden = ACTIVATIONS[self.activation](hidden)
        dropout = Dropout(self.dropout_rate, name="dropout")
        hidden = dropout(hidden, deterministic=deterministic)
        return projection(self.d_model, use_bias=True, name="out")(hidden)
