"""Maximum path length: how many hops until every output's gradient reaches every input before it.

Each hop is a real layer with random weights; which inputs it lets an output see is found from
gradients that are not zero, and hops are joined as paths in a graph are. So nothing is underflow
and nothing is taken from a formula.
"""

import functools
import itertools
from collections.abc import Iterable, Iterator

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool

from experiment.analysis.paths.layers import Apply, Hop, Layer, Params

D_MODEL = 16


def max_path_length(layer: Layer, length: int) -> int:
    """Returns the hops of the longest of all shortest paths, from any input to any later output.

    Raises:
      ValueError: if after `length` hops there are outputs that do not depend on an earlier input.
    """
    hops = layer.hops(jax.random.key(0), D_MODEL)
    return hops_to_reach(_supports(itertools.islice(hops, length), length))


def hops_to_reach(supports: Iterable[Bool[np.ndarray, "T S"]]) -> int:
    """Returns after how many hops each position has met itself and all before it.

    `supports` has, hop by hop, which positions [output, input] depend on each other by it. Paths
    of fewer hops count as well: not each kind of hop lets a position keep what it has.

    Example:
      >>> hops_to_reach([np.tri(4, dtype=bool) & ~np.tri(4, k=-2, dtype=bool)] * 9)  # the last two
      3
    """
    walks = met = np.zeros((0, 0), bool)  # paths of exactly, and of at most, so many hops
    for count, support in enumerate(supports, 1):
        if count == 1:
            walks = met = support
        else:
            walks = support.astype(np.float32) @ walks.astype(np.float32) > 0
            met = met | walks
        if met[np.tri(len(met), dtype=bool)].all():
            return count
    raise ValueError("The hops end before every output depends on every input before it.")


def _supports(hops: Iterable[Hop], length: int) -> Iterator[Bool[np.ndarray, "T S"]]:
    for number, hop in enumerate(hops):
        yield support(hop, length, seed=number)


def support(hop: Hop, length: int, *, seed: int) -> Bool[np.ndarray, "T S"]:
    """Returns which outputs' gradients reach which inputs of a hop: [output, input].

    Of an output a random combination of its features is looked at, and of an input all features.
    """
    random = np.random.default_rng(seed).normal(size=(2, 1, length, D_MODEL))
    return np.asarray(_gradients(hop.apply, hop.params, *jnp.asarray(random, jnp.float32))) > 0


@functools.partial(jax.jit, static_argnames="apply")
def _gradients(apply: Apply, params: Params, inputs: Array, combination: Array) -> Array:
    """Returns the largest part of each output's gradient at each input [T, S]."""
    _, back = jax.vjp(functools.partial(apply, params), inputs)

    def of_output(one: Array) -> Array:
        (gradient,) = back(combination * one[None, :, None])
        return jnp.abs(gradient[0]).max(-1)

    return jax.vmap(of_output)(jnp.eye(inputs.shape[1]))
