"""What keeps a deep stack trainable: a sum around every sub-layer, and a norm (3.1 and 5.4)."""

import flax.linen as nn
from jaxtyping import Array, Float

from model.transformer.dropout import Dropout
from model.transformer.norms import NORMS


class Residual(nn.Module):
    """Adds a sub-layer's outputs to its inputs, and norms after the sum or before the sub-layer.

    Placed "post", Norm(x + Dropout(Sublayer(x))), as in the paper; placed "pre",
    x + Dropout(Sublayer(Norm(x))) (Xiong et al. 2020). There nothing norms the sum, which grows
    from layer to layer: a stack of those ends with a norm of its own.
    """

    dropout_rate: float
    norm_kind: str
    norm_placement: str

    def setup(self) -> None:
        self.dropout = Dropout(self.dropout_rate)
        self.norm = NORMS[self.norm_kind]()

    def sublayer_inputs(self, inputs: Float[Array, "B T D"]) -> Float[Array, "B T D"]:
        """Returns what the sub-layer reads."""
        return self.norm(inputs) if self.norm_placement == "pre" else inputs

    def __call__(
        self,
        inputs: Float[Array, "B T D"],
        sublayer_outputs: Float[Array, "B T D"],
        *,
        deterministic: bool,
    ) -> Float[Array, "B T D"]:
        """Returns what the next sub-layer's residual is given."""
        total = inputs + self.dropout(sublayer_outputs, deterministic=deterministic)
        return self.norm(total) if self.norm_placement == "post" else total
