"""What bfloat16 needs beside casts: results, and gradients, that are float32 where it matters.

A product of bfloat16 operands is added up in float32 by every accelerator; these functions say
what its result is rounded to, and that of its two backward products, which autodiff alone would
compute in float32 wherever the result is. In float32 each is the plain formula: nothing is rounded.
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

Pair = tuple[Array, Array]


def rounded_product(
    inputs: Float[Array, "N D"], kernel: Float[Array, "D F"], dtype: Any
) -> Float[Array, "N F"]:
    """Returns inputs @ kernel in `dtype`, with the kernel rounded to the inputs' dtype.

    On the way back the gradient is rounded to it too, and the kernel's arrives in its own dtype.
    """
    if inputs.dtype == kernel.dtype:
        return jax.lax.dot(inputs, kernel)
    return _rounded_product(inputs, kernel, jnp.dtype(dtype))


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def _rounded_product(inputs: Array, kernel: Array, dtype: Any) -> Array:
    return jax.lax.dot(inputs, kernel.astype(inputs.dtype), preferred_element_type=dtype)


def _product_forward(inputs: Array, kernel: Array, dtype: Any) -> tuple[Array, Pair]:
    return _rounded_product(inputs, kernel, dtype), (inputs, kernel)


def _product_backward(dtype: Any, saved: Pair, gradient: Array) -> Pair:
    inputs, kernel = saved
    rounded, last, first = gradient.astype(inputs.dtype), ((1,), (1,)), ((0,), (0,))
    to_inputs = jax.lax.dot_general(rounded, kernel.astype(inputs.dtype), (last, ((), ())))
    to_kernel = jax.lax.dot_general(
        inputs, rounded, (first, ((), ())), preferred_element_type=kernel.dtype
    )
    return to_inputs, to_kernel


_rounded_product.defvjp(_product_forward, _product_backward)


def attention_logits(
    query: Float[Array, "B T H K"], key: Float[Array, "B S H K"]
) -> Float[Array, "B H T S"]:
    """Returns the float32 products of all queries with all keys; their gradient is rounded."""
    if query.dtype == jnp.float32:
        return _products(query, key)
    return _precise_products(query, key)


def _products(query: Array, key: Array, **options: Any) -> Array:
    return jnp.einsum("BTHK,BSHK->BHTS", query, key, **options)


@jax.custom_vjp
def _precise_products(query: Array, key: Array) -> Array:
    return _products(query, key, preferred_element_type=jnp.float32)


def _products_forward(query: Array, key: Array) -> tuple[Array, Pair]:
    return _precise_products(query, key), (query, key)


def _products_backward(saved: Pair, gradient: Array) -> Pair:
    query, key = saved
    rounded = gradient.astype(query.dtype)
    to_query = jnp.einsum("BHTS,BSHK->BTHK", rounded, key)
    return to_query, jnp.einsum("BHTS,BTHK->BSHK", rounded, query)


_precise_products.defvjp(_products_forward, _products_backward)


def softmax(logits: Float[Array, "*N S"], dtype: Any) -> Float[Array, "*N S"]:
    """Returns the softmax over the last axis, computed in float32 and rounded to `dtype`.

    Rounded, it is all that is kept for the way back: beside it the float32 weights would take
    twice its memory once more.
    """
    if dtype == jnp.float32:
        return jax.nn.softmax(logits)
    return _rounded_softmax(logits, jnp.dtype(dtype))


@functools.partial(jax.custom_vjp, nondiff_argnums=(1,))
def _rounded_softmax(logits: Array, dtype: Any) -> Array:
    return jax.nn.softmax(logits).astype(dtype)


def _softmax_forward(logits: Array, dtype: Any) -> tuple[Array, Array]:
    weights = _rounded_softmax(logits, dtype)
    return weights, weights


def _softmax_backward(dtype: Any, weights: Array, gradient: Array) -> tuple[Array]:
    precise, gradient = weights.astype(jnp.float32), gradient.astype(jnp.float32)
    return (precise * (gradient - (precise * gradient).sum(-1, keepdims=True)),)


_rounded_softmax.defvjp(_softmax_forward, _softmax_backward)
