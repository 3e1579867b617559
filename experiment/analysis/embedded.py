"""Embedded tokens as something to change or to differentiate by, in any system of the protocol."""

import contextlib
from collections.abc import Callable, Sequence
from typing import Any

import flax.linen as nn
from jaxtyping import Array

from model.transformer import Embedding, Tokens


def at_embeddings(
    sides: Sequence[Tokens], change: Callable[[int, Array], Array]
) -> contextlib.AbstractContextManager[Any]:
    """Inside, what an `Embedding` makes of a side's ids goes through `change(side, embedded)`.

    The same table may embed all sides, so they are told apart by the ids that it is given.
    """

    def intercept(call: Any, arguments: Any, options: Any, context: Any) -> Any:
        found = call(*arguments, **options)
        if isinstance(context.module, Embedding) and context.method_name == "__call__":
            for side, tokens in enumerate(sides):
                if arguments[0] is tokens.ids:
                    return change(side, found)
        return found

    return nn.intercept_methods(intercept)
