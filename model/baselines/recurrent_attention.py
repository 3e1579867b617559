"""What a recurrent decoder finds in the source, and how well each token of it fits.

Two ways to say how well: a product with a matrix between (Luong et al. 2015, section 3.1,
"general"), or a small network of tanh (Bahdanau et al. 2015, appendix A.1.2).
"""

from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from model.baselines.source_memory import SourceMemory, retrieved
from model.transformer.linear import flat_product, xavier_uniform
from model.transformer.rounding import attention_logits


def multiplicative_logits(
    states: Float[Array, "B T D"], keys: Float[Array, "B S D"]
) -> Float[Array, "B 1 T S"]:
    """Returns h_t^T W m_s, of which `keys` are W m_s; there is no factor for the width."""
    return attention_logits(states[:, :, None], keys[:, :, None])


@jax.checkpoint
def additive_logits(
    states: Float[Array, "B T D"], keys: Float[Array, "B S D"], vector: Float[Array, " D"]
) -> Float[Array, "B 1 T S"]:
    """Returns v^T tanh(W h_t + U m_s), of which `states` are W h_t and `keys` U m_s, in float32.

    The tanh of all pairs is as large as the logits times the width. It is computed again on the
    way back rather than kept, and summed, not multiplied: so it is never stored as a whole.
    """
    fits = jnp.tanh((states[:, :, None] + keys[:, None]).astype(jnp.float32))
    return (fits * vector[None, None, None]).sum(-1)[:, None]


class AttentionParams(NamedTuple):
    """The parameters; the last two are there where attention is additive."""

    memory: Float[Array, "D D"]
    combine: Float[Array, "2*D D"]
    state: Float[Array, "D D"] | None = None
    vector: Float[Array, " D"] | None = None


def project_source(params: AttentionParams, memory: Float[Array, "B S D"]) -> SourceMemory:
    """Returns what does not change from one position to the next."""
    return SourceMemory(flat_product(memory, params.memory), memory)


def attend(
    params: AttentionParams,
    states: Float[Array, "B T D"],
    source: SourceMemory,
    mask: Bool[Array, "B 1 #T S"],
) -> tuple[Float[Array, "B T D"], Float[Array, "B 1 T S"]]:
    """Returns tanh(W [c; h]), c being what each state h finds (Luong, equation 5), and the weights.

    A state that may attend to nothing gets uniform weights: finite, and without meaning.
    """
    if params.state is None or params.vector is None:
        logits = multiplicative_logits(states, source.key)
    else:
        logits = additive_logits(flat_product(states, params.state), source.key, params.vector)
    found, weights = retrieved(logits, source.value, mask)
    both = jnp.concatenate([found, states], axis=-1)
    return jnp.tanh(flat_product(both, params.combine)), weights


class RecurrentAttention(nn.Module):
    """Owns the parameters of attention with one head; none has a bias, as in the papers."""

    kind: str
    d_model: int

    def setup(self) -> None:
        width = self.d_model
        self.memory = self.param("memory", xavier_uniform, (width, width))
        self.combine = self.param("combine", xavier_uniform, (2 * width, width))
        self.state = self.vector = None
        if self.kind == "additive":
            self.state = self.param("state", xavier_uniform, (width, width))
            normal = nn.initializers.normal(width**-0.5)
            self.vector = self.param("vector", normal, (width,))

    @property
    def params(self) -> AttentionParams:
        """The parameters, as the functions of this file take them."""
        return AttentionParams(self.memory, self.combine, self.state, self.vector)

    def sow_weights(self, weights: Float[Array, "B 1 T S"]) -> None:
        """Sows the attention weights of all positions into `intermediates`, as `weights`."""
        self.sow("intermediates", "weights", weights)
