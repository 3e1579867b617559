"""Dropout whose random numbers cost little (paper, section 5.4)."""

import math

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

LEVELS = 1 << 16


def dropout(rng: Array, inputs: Float[Array, "*N"], rate: float) -> Float[Array, "*N"]:
    """Zeroes each element with probability `rate`, and scales the others to keep the mean.

    Draws 16 bits an element rather than 32: half as many random words. The rate is met to
    1/65536, and the scale is that of the rate met, so the mean is exact.
    """
    dropped_levels = round(rate * LEVELS)
    words = jax.random.bits(rng, (math.ceil(inputs.size / 2),), jnp.uint32)
    levels = jax.lax.bitcast_convert_type(words, jnp.uint16).reshape(-1)[: inputs.size]
    kept = levels.reshape(inputs.shape) >= dropped_levels
    # Of a lower precision the scale would be rounded once for all elements, and so their mean.
    scaled = inputs.astype(jnp.float32) * (LEVELS / (LEVELS - dropped_levels))
    return jnp.where(kept, scaled.astype(inputs.dtype), 0)


class Dropout(nn.Module):
    """Applies `dropout` with the random stream `dropout`, unless `deterministic`."""

    rate: float

    @nn.compact
    def __call__(self, inputs: Float[Array, "*N"], *, deterministic: bool) -> Float[Array, "*N"]:
        """Returns the inputs with some elements zeroed."""
        if deterministic or self.rate == 0:
            return inputs
        return dropout(self.make_rng("dropout"), inputs, self.rate)
