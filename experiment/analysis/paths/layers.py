"""One layer of each kind that table 1 compares, as pure functions of (parameters, inputs).

All are as in a decoder: no output sees what comes after it. Each is the operation that the table's
formula counts and nothing around it: no residual, norm or feed-forward network, which are the same
whatever layer stands between them.
"""

import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from model.transformer import (
    causal_mask,
    dot_product_attention,
    restricted_attention,
    trailing_window,
)

NUM_HEADS = 8
Params = Mapping[str, Array]
Apply = Callable[..., Float[Array, "B T D"]]  # (parameters, inputs [B, T, D]) -> outputs


class Hop(NamedTuple):
    """A step that signals take on their way: from positions [B, T, D] to positions."""

    apply: Apply
    params: Params


class Layer(NamedTuple):
    """How a layer starts, what it computes, and the hops that a path through such layers is of."""

    init: Callable[[Array, int], Params]  # (rng, d_model)
    apply: Apply
    hops: Callable[[Array, int], Iterator[Hop]]  # (rng, d_model), without end
    loops: bool = False  # over positions; then `apply` takes `unroll`, positions a trip


def self_attention(*, projected: bool = True) -> Layer:
    """Returns attention to all positions so far: equation 1, and 3.2.2 around it if `projected`."""

    def attend(query: Array, key: Array, value: Array) -> Array:
        return dot_product_attention(query, key, value, causal_mask(query.shape[1]))[0]

    return _attention(attend, projected)


def restricted(window: int, *, projected: bool = True) -> Layer:
    """Returns attention to the last `window` positions, computed in blocks (section 4)."""

    def attend(query: Array, key: Array, value: Array) -> Array:
        segments = jnp.ones(query.shape[:2], jnp.int32)
        return restricted_attention(query, key, value, segments, trailing_window(window))

    return _attention(attend, projected)


def recurrent() -> Layer:
    """Returns the plainest one: h_t = tanh(x_t W + h_(t-1) U), its outputs (Elman 1990).

    A path does not go from layer to layer but from position to position inside of one. Its first
    hop takes an input into the state of its position, each further one a state into the next.
    """

    def enter(params: Params, inputs: Array) -> Array:
        return _next_state(params, _given(inputs.shape), inputs @ params["input"])

    def go_on(params: Params, states: Array) -> Array:
        before = jnp.pad(states, [(0, 0), (1, 0), (0, 0)])[:, :-1]
        return _next_state(params, before, _given(states.shape) @ params["input"])

    def hops(rng: Array, d_model: int) -> Iterator[Hop]:
        params = _kernels_of(("input", "hidden"), rng, d_model)
        yield Hop(enter, params)
        while True:
            yield Hop(go_on, params)

    init = functools.partial(_kernels_of, ("input", "hidden"))
    return Layer(init, _recurrence, hops, loops=True)


def convolutional(kernel: int, *, dilated: bool = False) -> Layer:
    """Returns a convolution over the last `kernel` positions.

    `dilated`, a further layer skips `kernel` times as many positions between those it sees as the
    one before (Kalchbrenner et al. 2017, *ByteNet*); otherwise they are contiguous in every layer.
    """

    def init(rng: Array, d_model: int) -> Params:
        scale = (kernel * d_model) ** -0.5
        return {"kernel": scale * jax.random.normal(rng, (kernel, d_model, d_model))}

    def hops(rng: Array, d_model: int) -> Iterator[Hop]:
        dilation = 1
        while True:
            rng, own = jax.random.split(rng)
            yield Hop(_dilated_by(dilation), init(own, d_model))
            dilation *= kernel if dilated else 1

    return Layer(init, _dilated_by(1), hops)


def _attention(attend: Callable[[Array, Array, Array], Array], projected: bool) -> Layer:
    def apply(params: Params, inputs: Array) -> Array:
        def heads(name: str) -> Array:
            rows = inputs @ params[name] if projected else inputs
            return rows.reshape(*rows.shape[:2], NUM_HEADS, -1)

        mixed = attend(heads("query"), heads("key"), heads("value")).reshape(inputs.shape)
        return mixed @ params["out"] if projected else mixed

    names = ("query", "key", "value", "out") if projected else ()
    init = functools.partial(_kernels_of, names)

    def hops(rng: Array, d_model: int) -> Iterator[Hop]:
        while True:
            rng, own = jax.random.split(rng)
            yield Hop(apply, init(own, d_model))

    return Layer(init, apply, hops)


def _given(shape: tuple[int, ...]) -> Array:
    """Returns inputs or states that a hop does not come from."""
    return jnp.asarray(np.random.default_rng(0).normal(size=shape), jnp.float32)


def _next_state(params: Params, state: Array, projected: Array) -> Array:
    return jnp.tanh(projected + state @ params["hidden"])


def _recurrence(params: Params, inputs: Array, *, unroll: int = 1) -> Array:
    def step(state: Array, projected: Array) -> tuple[Array, Array]:
        state = _next_state(params, state, projected)
        return state, state

    by_position = jnp.moveaxis(inputs @ params["input"], 1, 0)
    states: Any = jax.lax.scan(step, jnp.zeros_like(inputs[:, 0]), by_position, unroll=unroll)[1]
    return jnp.moveaxis(states, 0, 1)


@functools.cache  # so that what is the same function is compiled once
def _dilated_by(dilation: int) -> Apply:
    return functools.partial(_convolution, dilation=dilation)


def _convolution(params: Params, inputs: Array, *, dilation: int) -> Array:
    before = (params["kernel"].shape[0] - 1) * dilation
    return jax.lax.conv_general_dilated(
        inputs,
        params["kernel"],
        window_strides=(1,),
        padding=[(before, 0)],
        rhs_dilation=(dilation,),
        dimension_numbers=("NTC", "TIO", "NTC"),
    )


def _kernels_of(names: tuple[str, ...], rng: Array, d_model: int) -> Params:
    """Returns square matrices that keep the size of what they are multiplied with."""
    kernels = jax.random.normal(rng, (len(names), d_model, d_model)) * d_model**-0.5
    return dict(zip(names, kernels, strict=True))
