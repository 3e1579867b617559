"""What brings every position's features to one size: LayerNorm, or its simpler successor."""

from collections.abc import Mapping

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

EPSILON = 1e-6


def layer_norm(
    inputs: Float[Array, "*N D"], scale: Float[Array, " D"], bias: Float[Array, " D"]
) -> Float[Array, "*N D"]:
    """Returns scale * (x - mean) / standard deviation + bias, over the last axis, in float32.

    Ba et al. 2016, as in the paper.
    """
    row = (1,) * (inputs.ndim - 1) + (-1,)
    precise = inputs.astype(jnp.float32)
    centred = precise - precise.mean(-1, keepdims=True)
    inverse_deviation = jax.lax.rsqrt((centred**2).mean(-1, keepdims=True) + EPSILON)
    normalised = centred * inverse_deviation
    return (normalised * scale.reshape(row) + bias.reshape(row)).astype(inputs.dtype)


def rms_norm(inputs: Float[Array, "*N D"], scale: Float[Array, " D"]) -> Float[Array, "*N D"]:
    """Returns scale * x / root mean square, over the last axis, in float32.

    Zhang and Sennrich 2019, equation 4: LayerNorm without the mean and without the bias.
    """
    row = (1,) * (inputs.ndim - 1) + (-1,)
    precise = inputs.astype(jnp.float32)
    inverse_size = jax.lax.rsqrt((precise**2).mean(-1, keepdims=True) + EPSILON)
    return (precise * inverse_size * scale.reshape(row)).astype(inputs.dtype)


class LayerNorm(nn.Module):
    """Owns the scale and bias of one `layer_norm`."""

    @nn.compact
    def __call__(self, inputs: Float[Array, "*N D"]) -> Float[Array, "*N D"]:
        """Returns the normalised inputs."""
        width = inputs.shape[-1]
        scale = self.param("scale", nn.initializers.ones, (width,))
        bias = self.param("bias", nn.initializers.zeros, (width,))
        return layer_norm(inputs, scale, bias)


class RMSNorm(nn.Module):
    """Owns the scale of one `rms_norm`."""

    @nn.compact
    def __call__(self, inputs: Float[Array, "*N D"]) -> Float[Array, "*N D"]:
        """Returns the normalised inputs."""
        scale = self.param("scale", nn.initializers.ones, (inputs.shape[-1],))
        return rms_norm(inputs, scale)


NORMS: Mapping[str, type[LayerNorm] | type[RMSNorm]] = {"layer": LayerNorm, "rms": RMSNorm}
