"""Any model of this project without the scale of its dot products, and no switch in the model."""

import contextlib
from typing import Any

import flax.linen as nn
from jaxtyping import Array, Float

from model.transformer import MultiHeadAttention


def without_scale(
    removed: float | Float[Array, ""] = 1.0,
) -> contextlib.AbstractContextManager[Any]:
    """Inside, attention's queries are multiplied by d_k^(removed / 2).

    1 undoes the 1 / sqrt(d_k) of equation 1; 0 leaves it as it is. Being a number it may be an
    argument of what is compiled; what was compiled outside does not see it.
    """

    def intercept(call: Any, arguments: Any, options: Any, context: Any) -> Any:
        found = call(*arguments, **options)
        module = context.module
        if module.name == "query" and isinstance(module.parent, MultiHeadAttention):
            return found * found.shape[-1] ** (removed / 2)
        return found

    return nn.intercept_methods(intercept)
