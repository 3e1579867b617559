"""Products of activations with parameters, in the form that every backend multiplies fastest.

They are computed in the dtype of the activations, whatever the parameters'.
"""

import math
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from model.transformer.rounding import rounded_product

xavier_uniform = nn.initializers.xavier_uniform()


def flat_product(
    inputs: Float[Array, "..."], kernel: Float[Array, "..."], *, axes: int = 1, dtype: Any = None
) -> Float[Array, "..."]:
    """Returns the product over the inputs' last `axes` axes and the kernel's first, as one of two.

    Flattened to matrices, the backward products need no transposed copy; on a CPU that saves
    about a tenth of a whole training step. The result is of the inputs' dtype, or of `dtype`.
    """
    kept, features = inputs.shape[: inputs.ndim - axes], kernel.shape[axes:]
    width = math.prod(kernel.shape[:axes])
    matrices = inputs.reshape(-1, width), kernel.reshape(width, -1)
    return rounded_product(*matrices, dtype or inputs.dtype).reshape(*kept, *features)


def add_bias(outputs: Float[Array, "..."], bias: Float[Array, "..."]) -> Float[Array, "..."]:
    """Returns the outputs, of their dtype, with a bias added at every position."""
    row = bias.reshape((1,) * (outputs.ndim - bias.ndim) + bias.shape)
    # Spread before it is rounded, so that its gradient is added up in float32.
    return outputs + jnp.broadcast_to(row, outputs.shape).astype(outputs.dtype)


def _as_one_matrix(axes: int) -> nn.initializers.Initializer:
    def init(rng: Array, shape: tuple[int, ...], dtype: Any = jnp.float32) -> Array:
        flat = (math.prod(shape[:axes]), math.prod(shape[axes:]))
        return xavier_uniform(rng, flat, dtype).reshape(shape)

    return init


class Projection(nn.Module):
    """A linear layer over the last `axes` axes, initialised as in Glorot and Bengio."""

    features: tuple[int, ...]
    axes: int
    use_bias: bool

    @nn.compact
    def __call__(self, inputs: Float[Array, "..."]) -> Float[Array, "..."]:
        """Returns the features of each position, of the inputs' dtype."""
        contracted = inputs.shape[inputs.ndim - self.axes :]
        kernel = self.param("kernel", _as_one_matrix(self.axes), (*contracted, *self.features))
        outputs = flat_product(inputs, kernel, axes=self.axes)
        if not self.use_bias:
            return outputs
        return add_bias(outputs, self.param("bias", nn.initializers.zeros, self.features))


def projection(
    features: int | tuple[int, ...], *, name: str | None = None, axes: int = 1, use_bias: bool
) -> Projection:
    """Returns a linear layer to one axis of features, or to several."""
    wide = (features,) if isinstance(features, int) else features
    return Projection(wide, axes, use_bias, name=name)
