"""How long one layer of each kind of table 1 takes, against sentences and widths that double."""

import argparse
import statistics
from collections.abc import Callable, Iterator, Mapping

import jax
import jax.numpy as jnp
from jaxtyping import Array

from benchmarks.paired import interleaved, ratios
from experiment import command
from experiment.analysis.paths import Kind, Sizes, exponent, kinds
from experiment.analysis.paths.layers import NUM_HEADS
from experiment.training import use_compilation_cache

Seconds = dict[str, dict[int, list[float]]]  # kind -> size -> seconds of each round
FIRST = "self-attention, with projections"  # what the others are compared with


def main(argv: list[str]) -> None:
    """Computes all kinds in turn at each size, and prints times and ratios to self-attention's."""
    arguments = command.parser(__doc__)
    arguments.add_argument("--lengths", type=int, nargs="+", default=[64, 128, 256, 512])
    arguments.add_argument("--d_models", type=int, nargs="+", default=[64, 128, 256, 512])
    arguments.add_argument("--window", type=int, default=9, help="positions r")
    arguments.add_argument("--kernel", type=int, default=3, help="positions k")
    arguments.add_argument("--sentences", type=int, default=8, help="at once")
    arguments.add_argument("--rounds", type=int, default=7)
    command.add_cache_dir(arguments)
    flags = arguments.parse_args(argv)
    with command.user_errors():
        chosen = chosen_kinds(flags)
        use_compilation_cache(flags.cache_dir)
    n, d = max(flags.lengths), max(flags.d_models)
    for backward in (False, True):
        print(f"{'forward and backward' if backward else 'forward'}, {flags.sentences} sentences")
        for name, fixed, sizes in (
            ("n", f"d = {d}", {size: (size, d) for size in flags.lengths}),
            ("d", f"n = {n}", {size: (n, size) for size in flags.d_models}),
        ):
            shapes = {size: (flags.sentences, *shape) for size, shape in sizes.items()}
            seconds = timed(chosen, shapes, backward=backward, rounds=flags.rounds)
            for line in told(name, fixed, seconds):
                print(f"  {line}")


def chosen_kinds(flags: argparse.Namespace) -> list[Kind]:
    """Returns what is timed: whole layers, so attention with its projections.

    Raises:
      ValueError: if a size cannot be.
    """
    command.check_positive(flags, "sentences", "rounds")
    for name in ("window", "kernel"):
        if getattr(flags, name) < 2:
            raise ValueError(f"--{name}={getattr(flags, name)} must be at least 2 positions.")
    for size in (*flags.lengths, *flags.d_models):
        if size < 1:
            raise ValueError(f"--lengths and --d_models must be at least 1, not {size}.")
    if any(size % NUM_HEADS for size in flags.d_models):
        raise ValueError(
            f"--d_models={flags.d_models} must be multiples of {NUM_HEADS}, its heads."
        )
    sizes = Sizes(
        windows=(flags.window, 2 * flags.window), kernels=(flags.kernel, 2 * flags.kernel)
    )
    whole = {"recurrent", *(kind.name for kind in kinds(sizes) if "projections" in kind.name)}
    convolutions = [kind.name for kind in kinds(sizes) if kind.name.startswith("convolutional")]
    whole.add(convolutions[0])  # the first layer of dilated ones is the same
    return [kind for kind in kinds(sizes) if kind.name in whole]


def timed(
    chosen: list[Kind],
    shapes: Mapping[int, tuple[int, int, int]],
    *,
    backward: bool,
    rounds: int,
) -> Seconds:
    """Returns the seconds of all rounds; a round computes each kind at each size once, in turn."""
    ways = {}
    for size, shape in shapes.items():
        inputs = jax.random.normal(jax.random.key(0), shape)
        for kind in chosen:
            ways[f"{kind.name} {size}"] = compiled = way(kind, inputs, backward=backward)
            compiled()
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


def told(name: str, fixed: str, seconds: Seconds) -> Iterator[str]:
    """Yields lines: each kind's time and ratio to self-attention's by size, and how it grows."""
    for kind, by_size in seconds.items():
        for size, values in by_size.items():
            low, median, high = ratios(values, seconds[FIRST][size])
            yield (
                f"{kind}: {name} = {size}, {fixed}: {1000 * statistics.median(values):.2f} ms, "
                f"{median:.2f} of self-attention's (rounds {low:.2f} to {high:.2f})"
            )
        if len(by_size) > 1:
            low, median, high = growth(by_size)
            yield f"{kind}: exponent of {name} {median:.2f} (rounds {low:.2f} to {high:.2f})"


def growth(by_size: Mapping[int, list[float]]) -> tuple[float, float, float]:
    """Returns lowest, median and highest exponent of time against size, round by round."""
    rounds = zip(*by_size.values(), strict=True)
    each = sorted(exponent(dict(zip(by_size, values, strict=True))) for values in rounds)
    return each[0], statistics.median(each), each[-1]
