"""What is measured of each row of table 1, over sizes that double."""

import dataclasses
from collections.abc import Callable, Iterator
from typing import NamedTuple

import jax
import jax.numpy as jnp

from experiment.analysis.paths.depth import sequential_products
from experiment.analysis.paths.layers import (
    NUM_HEADS,
    Layer,
    convolutional,
    recurrent,
    restricted,
    self_attention,
)
from experiment.analysis.paths.operations import operations
from experiment.analysis.paths.reach import max_path_length


@dataclasses.dataclass(frozen=True)
class Sizes:
    """The sizes to measure at, each ascending. What is not varied is at its largest; r, k smallest.

    Raises:
      ValueError: naming the flag, if they are too few, out of order, or no layer can have them.
    """

    lengths: tuple[int, ...] = (64, 128, 256, 512)  # n, positions of a sentence
    d_models: tuple[int, ...] = (64, 128, 256, 512)
    windows: tuple[int, ...] = (9, 17, 33, 65)  # r, positions
    kernels: tuple[int, ...] = (3, 5, 9, 17)  # k, positions
    path_lengths: tuple[int, ...] = (16, 32, 64, 128)  # n again; gradients take n times n

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            sizes = getattr(self, field.name)
            shown = f"--{field.name} {' '.join(map(str, sizes))}"
            if len(sizes) < 2 or list(sizes) != sorted(set(sizes)) or sizes[0] < 2:
                raise ValueError(f"{shown} must be two or more ascending sizes, from 2 on.")
            if field.name == "d_models" and any(size % NUM_HEADS for size in sizes):
                raise ValueError(f"{shown} must be multiples of {NUM_HEADS}, one for each head.")
            if field.name == "lengths" and any(size % 2 for size in sizes):
                raise ValueError(f"{shown} must be even: XLA's count of a loop is made of pairs.")


class Published(NamedTuple):
    """A row of the paper's table 1, or what section 4 says beside it."""

    operations: str
    sequential: str
    path: str


@dataclasses.dataclass(frozen=True)
class Row:
    """A kind of layer: what the paper says of it, and each figure by the size that is varied."""

    name: str
    published: Published
    by_length: dict[int, float]  # operations of a layer, by n
    by_d_model: dict[int, float]
    by_reach: dict[int, float]  # by r or k; empty where there is none
    sequential: dict[int, int]  # products in the longest chain, by n
    paths: dict[int, int]  # hops of the longest path, by n


class Kind(NamedTuple):
    """How the layers of a row are made, given r or k."""

    name: str
    published: Published
    build: Callable[[int], Layer]
    reaches: tuple[int, ...] = ()


def kinds(sizes: Sizes) -> list[Kind]:
    """Returns the rows of table 1, with both kinds of kernels and with attention's projections."""
    window, kernel = sizes.windows[0], sizes.kernels[0]
    attention = Published("n² d", "1", "1")
    near = Published("r n d", "1", "n / r")
    contiguous = Published("k n d²", "1", "n / k")
    return [
        Kind("self-attention", attention, lambda _: self_attention(projected=False)),
        Kind("recurrent", Published("n d²", "n", "n"), lambda _: recurrent()),
        Kind(f"convolutional, k = {kernel}", contiguous, convolutional, sizes.kernels),
        Kind(
            f"convolutional, k = {kernel}, dilated",
            contiguous._replace(path="log_k n"),
            lambda k: convolutional(k, dilated=True),
            sizes.kernels,
        ),
        Kind(
            f"self-attention, r = {window}",
            near,
            lambda r: restricted(r, projected=False),
            sizes.windows,
        ),
        Kind(
            "self-attention, with projections",
            attention._replace(operations="n² d, + n d²"),
            lambda _: self_attention(),
        ),
        Kind(
            f"self-attention, r = {window}, with projections",
            near._replace(operations="r n d, + n d²"),
            restricted,
            sizes.windows,
        ),
    ]


def measure(sizes: Sizes, say: Callable[[str], None]) -> Iterator[Row]:
    """Yields a row after the other; `say` is told what is being measured."""
    for kind in kinds(sizes):

        def told(what: str, over: tuple[int, ...], kind: Kind = kind) -> Iterator[int]:
            for size in over:
                say(f"{kind.name}: {what} {size}")
                yield size

        n, d, reach = sizes.lengths[-1], sizes.d_models[-1], (*kind.reaches, 0)[0]
        layer, build = kind.build(reach), kind.build
        yield Row(
            kind.name,
            kind.published,
            {size: operations(layer, size, d) for size in told("operations, n", sizes.lengths)},
            {size: operations(layer, n, size) for size in told("operations, d", sizes.d_models)},
            {
                size: operations(build(size), n, d)
                for size in told("operations, r or k", kind.reaches)
            },
            {size: _sequential(layer, size, d) for size in told("chain, n", sizes.lengths)},
            {size: max_path_length(layer, size) for size in told("path, n", sizes.path_lengths)},
        )


def _sequential(layer: Layer, length: int, d_model: int) -> int:
    params = jax.eval_shape(lambda: layer.init(jax.random.key(0), d_model))
    inputs = jax.ShapeDtypeStruct((1, length, d_model), jnp.float32)
    return sequential_products(layer.apply, params, inputs)
