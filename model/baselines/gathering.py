"""How a system that copies what its hypotheses remember follows the search."""

import jax.numpy as jnp
from jaxtyping import Array, Int, Shaped


def of_parents(
    each: Shaped[Array, "B M *rest"], parents: Int[Array, "B M"]
) -> Shaped[Array, "B M *rest"]:
    """Returns `each[b, parents[b, m]]`: what a hypothesis takes over from the one it continues."""
    along = parents.reshape(*parents.shape, *(1 for _ in each.shape[2:]))
    return jnp.take_along_axis(each, along, axis=1)
