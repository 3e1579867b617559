"""Residuals and norms taken out of a model from outside: the model has no switch for it.

A function that was compiled outside of a removal is not traced again inside of it, so the removal
goes around what is traced: `with_removals` wraps the `apply` of a model.
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Bool

from model.transformer import LayerNorm, Residual, RMSNorm

Flag = bool | Bool[Array, ""]


class Variant(NamedTuple):
    """What stands around the sub-layers of a stack.

    Whether residuals and norms do may be traced: variants of one placement are one program then.
    """

    norm_placement: str = "post"
    residuals: Flag = True
    norms: Flag = True


# Without norms their place does not matter, and without residuals it is that between sub-layers.
VARIANTS: Mapping[str, Variant] = {
    "post-norm": Variant("post"),
    "pre-norm": Variant("pre"),
    "no norm": Variant(norms=False),
    "no residual": Variant(residuals=False),
    "neither": Variant(residuals=False, norms=False),
}


def without_residuals(keep: Flag = False) -> contextlib.AbstractContextManager[Any]:
    """Inside, no sub-layer's inputs are added to its outputs; norms stay where they are.

    With `keep` they are; it is for programs that are told so late.
    """

    def intercept(call: Any, arguments: Any, options: Any, context: Any) -> Any:
        if isinstance(context.module, Residual) and context.method_name == "__call__":
            inputs, *rest = arguments
            arguments = (jnp.where(keep, inputs, jnp.zeros_like(inputs)), *rest)
        return call(*arguments, **options)

    return nn.intercept_methods(intercept)


def without_norms(keep: Flag = False) -> contextlib.AbstractContextManager[Any]:
    """Inside, every norm gives back what it is given; its parameters are there, and unused.

    With `keep` it norms; it is for programs that are told so late.
    """

    def intercept(call: Any, arguments: Any, options: Any, context: Any) -> Any:
        is_norm = isinstance(context.module, LayerNorm | RMSNorm)
        if not is_norm or context.method_name != "__call__":
            return call(*arguments, **options)
        (inputs,) = arguments
        # Called in any case, for its parameters; of zeros, so that its gradients stay finite.
        normed = call(jnp.where(keep, inputs, jnp.zeros_like(inputs)), **options)
        return jnp.where(keep, normed, inputs)

    return nn.intercept_methods(intercept)


@contextlib.contextmanager
def removed(variant: Variant) -> Iterator[None]:
    """Inside, what `variant` is without is removed; where its norms stand, the model must know."""
    with contextlib.ExitStack() as stack:
        if variant.residuals is not True:
            stack.enter_context(without_residuals(variant.residuals))
        if variant.norms is not True:
            stack.enter_context(without_norms(variant.norms))
        yield


def with_removals(function: Callable[..., Any], variant: Variant) -> Callable[..., Any]:
    """Returns the function, as `model.apply`, with what it calls as in `variant`, also compiled."""

    def inside(*arguments: Any, **options: Any) -> Any:
        with removed(variant):
            return function(*arguments, **options)

    return inside
