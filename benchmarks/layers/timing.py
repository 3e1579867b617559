"""Layers that are computed in turn, and what their times are compared by."""

import statistics
from collections.abc import Callable, Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array

from benchmarks.paired import interleaved
from experiment.analysis.paths import Kind, exponent

Seconds = dict[str, dict[int, list[float]]]  # kind -> size -> seconds of each round
FIRST = "self-attention, with projections"  # what the others are compared with


class Times(NamedTuple):
    """The times of all kinds of layers while one of their sizes doubles."""

    backward: bool
    varied: str  # n, positions of a sentence, or d, features of one
    fixed: str  # the other, as "d = 512"
    seconds: Seconds

    @property
    def what(self) -> str:
        """What was computed."""
        return "forward and backward" if self.backward else "forward"


def timed(
    chosen: list[Kind],
    shapes: Mapping[int, tuple[int, int, int]],
    *,
    backward: bool,
    rounds: int,
    say: Callable[[str], None],
) -> Seconds:
    """Returns the seconds of all rounds; a round computes each kind at each size once, in turn."""
    ways = {}
    for size, shape in shapes.items():
        inputs = jax.random.normal(jax.random.key(0), shape)
        for kind in chosen:
            say(f"compiling {kind.name} for inputs of {' x '.join(map(str, shape))}")
            ways[f"{kind.name} {size}"] = compiled = way(kind, inputs, backward=backward)
            compiled()
    say(f"timing {len(ways)} layers {rounds} times")
    seconds = interleaved(ways, rounds=rounds)
    return {kind.name: {size: seconds[f"{kind.name} {size}"] for size in shapes} for kind in chosen}


def way(kind: Kind, inputs: Array, *, backward: bool) -> Callable[[], object]:
    """Returns what computes a layer's outputs, and their gradient if `backward`."""
    layer = kind.build((*kind.reaches, 0)[0])
    params = layer.init(jax.random.key(1), inputs.shape[-1])

    def score(params: object, inputs: Array) -> Array:
        return jnp.square(layer.apply(params, inputs)).sum()

    computed = jax.jit(jax.grad(score, argnums=(0, 1)) if backward else layer.apply)
    return lambda: jax.block_until_ready(computed(params, inputs))


def growth(by_size: Mapping[int, list[float]]) -> tuple[float, float, float]:
    """Returns lowest, median and highest exponent of time against size, round by round."""
    rounds = zip(*by_size.values(), strict=True)
    each = sorted(exponent(dict(zip(by_size, values, strict=True))) for values in rounds)
    return each[0], statistics.median(each), each[-1]
