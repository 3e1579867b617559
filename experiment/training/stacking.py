"""Several runs as one: what they need is stacked, so that one program takes a step of each."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from experiment.data import Batch


def stacked(trees: Sequence[Any]) -> Any:
    """Returns several alike trees as one, along a new first axis; a single one stays as it is."""
    if len(trees) == 1:
        return trees[0]

    def stack(*leaves: Any) -> Any:
        # Random keys exist on devices only; everything else is still on the host.
        return jnp.stack(leaves) if isinstance(leaves[0], jax.Array) else np.stack(leaves)

    return jax.tree.map(stack, *trees)


def unstacked(tree: Any, count: int) -> list[Any]:
    """Returns the `count` trees of arrays on the host that `stacked` made one of."""
    if count == 1:
        return [tree]
    return [jax.tree.map(lambda leaf, i=i: np.asarray(leaf[i]), tree) for i in range(count)]


def stacked_batches(members: Sequence[Iterable[Batch]]) -> Iterator[Batch]:
    """Yields what the members take the same step with, as one batch."""
    for batches in zip(*members, strict=True):
        yield stacked(batches)
