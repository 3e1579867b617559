"""Operations of a layer, as XLA counts them in the program it has compiled."""

import functools
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from experiment.analysis.paths.layers import Layer


def operations(layer: Layer, length: int, d_model: int) -> float:
    """Returns the floating-point operations of one layer over one sentence.

    A multiplication and an addition are two. Elementwise work counts too: of attention the
    scaling, the mask and the softmax, which are a few percent. XLA counts a loop's body once,
    however often it is gone round. So a layer that loops is compiled twice, with one position and
    with two a trip: the difference is what a position costs.

    Raises:
      ValueError: if the layer loops and `length` is odd, so that pairs would not fill it.
    """
    if not layer.loops:
        return _compiled(layer, length, d_model)
    if length % 2:
        raise ValueError(f"length={length} must be even: loops are counted in pairs of positions.")
    one, two = (_compiled(layer, length, d_model, unroll=unroll) for unroll in (1, 2))
    return one + (length - 1) * (two - one)


def _compiled(layer: Layer, length: int, d_model: int, **options: int) -> float:
    inputs = jax.ShapeDtypeStruct((1, length, d_model), jnp.float32)
    apply = functools.partial(layer.apply, **options)
    params = jax.eval_shape(lambda: layer.init(jax.random.key(0), d_model))
    analysis: Any = jax.jit(apply).lower(params, inputs).compile().cost_analysis()
    return float(analysis["flops"])


def exponent(measured: Mapping[int, float]) -> float:
    """Returns the slope of log(value) over log(size): 2 where doubling the size makes four of one.

    Example:
      >>> exponent({8: 3.0, 16: 12.0, 32: 48.0})
      2.0
    """
    sizes, values = np.log2(list(measured)), np.log2(list(measured.values()))
    return round(float(np.polyfit(sizes, values, 1)[0]), 6)
