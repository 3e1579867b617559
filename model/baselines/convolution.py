"""What a convolutional layer is made of: windows, products with normalised weights, gates."""

import functools
from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from model.transformer.linear import add_bias, flat_product


def windows(
    inputs: Float[Array, "B T D"], segments: Int[Array, "B T"], offsets: Sequence[int]
) -> Float[Array, "B T W D"]:
    """Returns what each position reads: the inputs so many places to its right.

    Beyond the ends of the own sentence there are zeros, whatever the row has there.

    Example:
      >>> row = jnp.array([[[1.0], [2.0], [3.0], [4.0]]])
      >>> windows(row, jnp.array([[1, 1, 2, 0]]), (-1, 0, 1))[0, :, :, 0]
      Array([[0., 1., 2.],
             [1., 2., 0.],
             [0., 3., 0.],
             [0., 0., 0.]], dtype=float32)
    """
    taps = []
    for offset in offsets:
        there = _shifted(segments, offset)
        same = (there == segments) & (segments > 0)
        taps.append(jnp.where(same[..., None], _shifted(inputs, offset), 0))
    return jnp.stack(taps, axis=2)


def _shifted(array: Array, offset: int) -> Array:
    """Returns `array[:, t + offset]` at every t, and zeros where there is no such place."""
    length, before, after = array.shape[1], max(0, -offset), max(0, offset)
    rest = [(0, 0)] * (array.ndim - 2)
    padded = jnp.pad(array, [(0, 0), (before, after), *rest])
    return padded[:, after : after + length]


def gated_linear_unit(halves: Float[Array, "*N 2 D"]) -> Float[Array, "*N D"]:
    """Returns A * sigmoid(B) (Dauphin et al. 2017; Gehring et al., section 3.2)."""
    return halves[..., 0, :] * jax.nn.sigmoid(halves[..., 1, :])


def normalised(directions: Float[Array, "*N"], lengths: Float[Array, "*F"]) -> Float[Array, "*N"]:
    """Returns a kernel of which the weights of each output together have the length given for it.

    Weight normalisation (Salimans and Kingma 2016). The last axes are those of the outputs.
    """
    sums = tuple(range(directions.ndim - lengths.ndim))
    norms = jnp.sqrt((directions**2).sum(sums))
    scale = (lengths / norms).reshape((1,) * len(sums) + lengths.shape)
    return directions * scale


class NormedProjection(nn.Module):
    """A linear layer with a bias and normalised weights, over the last `axes` axes.

    Weights start normal with a variance of `gain` over the number of inputs, and as long as they
    are drawn; biases start at 0 (Gehring et al., section 3.5).
    """

    features: tuple[int, ...]
    gain: float
    axes: int = 1

    @nn.compact
    def __call__(self, inputs: Float[Array, "..."]) -> Float[Array, "..."]:
        """Returns the features of each position, of the inputs' dtype."""
        contracted = inputs.shape[inputs.ndim - self.axes :]
        shape = (*contracted, *self.features)
        directions = self.param("kernel", _normal(self.gain, self.axes), shape)
        lengths = self.param("length", _lengths, directions, self.axes)
        outputs = flat_product(inputs, normalised(directions, lengths), axes=self.axes)
        return add_bias(outputs, self.param("bias", nn.initializers.zeros, self.features))


def _normal(gain: float, axes: int) -> nn.initializers.Initializer:
    def init(rng: Array, shape: Sequence[int], dtype: Any = jnp.float32) -> Array:
        inputs = 1
        for size in shape[:axes]:
            inputs *= size
        deviation = (gain / inputs) ** 0.5
        return deviation * jax.random.normal(rng, tuple(shape), dtype)

    return init


def _lengths(_: Array, directions: Array, axes: int) -> Array:
    return jnp.sqrt((directions**2).sum(tuple(range(axes))))


@functools.partial(jax.custom_vjp, nondiff_argnums=(1,))
def scale_gradient(inputs: Float[Array, "*N"], factor: float) -> Float[Array, "*N"]:
    """Returns the inputs; what comes back through them is multiplied by `factor`."""
    return inputs


def _unchanged(inputs: Array, factor: float) -> tuple[Array, None]:
    return inputs, None


def _scaled(factor: float, _: None, gradient: Array) -> tuple[Array]:
    return (gradient * factor,)


scale_gradient.defvjp(_unchanged, _scaled)
