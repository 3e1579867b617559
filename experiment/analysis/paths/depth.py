"""Sequential operations: the longest chain of matrix products of which each needs the one before.

It is read off the program as it is traced, so it does not depend on a machine: no number of
processors makes a program shorter than its longest chain.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax

_PRODUCTS = ("dot_general", "conv_general_dilated")


def sequential_products(function: Callable[..., Any], *arguments: Any) -> int:
    """Returns the length of the longest chain of dependent matrix products.

    A loop counts as often as it is gone round. `arguments` may be shapes (`jax.ShapeDtypeStruct`).

    Raises:
      ValueError: if a loop with products in it does not say how often it is gone round.

    Example:
      >>> matrix = jax.ShapeDtypeStruct((2, 2), "float32")
      >>> sequential_products(lambda a, b: (a @ b) @ (b @ a) + a @ a, matrix, matrix)
      2
    """
    closed = jax.make_jaxpr(function)(*arguments)
    return max(_depths(closed.jaxpr, [0] * len(closed.jaxpr.invars)), default=0)


def _depths(jaxpr: Any, inputs: Sequence[int]) -> list[int]:
    """Returns how many products precede each output, given how many precede each input."""
    known = dict(zip(jaxpr.invars, inputs, strict=True))

    def of(variables: Sequence[Any]) -> list[int]:
        return [0 if hasattr(v, "val") else known.get(v, 0) for v in variables]  # 0 of constants

    for equation in jaxpr.eqns:
        known.update(zip(equation.outvars, _after(equation, of(equation.invars)), strict=True))
    return of(jaxpr.outvars)


def _after(equation: Any, inputs: list[int]) -> list[int]:
    """Returns how many products precede what an equation computes, its own included."""
    name, inner = equation.primitive.name, list(_inner(equation))
    if name == "scan":
        return _after_scan(equation, inputs)
    if name == "cond":
        branches = [_depths(branch, inputs[1:]) for branch in inner]
        return [max(inputs[0], *each) for each in zip(*branches, strict=True)]
    if len(inner) == 1 and len(inner[0].invars) == len(inputs):  # a function that is called
        return _depths(inner[0], inputs)
    if any(_multiplies(jaxpr) for jaxpr in inner):
        raise ValueError(f"{name} has matrix products in it, and does not say how often.")
    return [max(inputs, default=0) + (name in _PRODUCTS)] * len(equation.outvars)


def _after_scan(equation: Any, inputs: list[int]) -> list[int]:
    # Of constants and carries the body is given the whole, of all else a row.
    body = equation.params["jaxpr"].jaxpr
    whole, carries = (
        sum(a.aval.ndim == b.aval.ndim for a, b in zip(outside, inside, strict=True))
        for outside, inside in (
            (equation.invars, body.invars),
            (equation.outvars, body.outvars),
        )
    )
    constants = whole - carries
    fixed, carry = inputs[:constants], inputs[constants : constants + carries]
    rows, outputs = inputs[constants + carries :], [0] * (len(equation.outvars) - carries)
    for _ in range(equation.params["length"]):
        after = _depths(body, [*fixed, *carry, *rows])
        carry, written = after[:carries], after[carries:]
        outputs = [max(pair) for pair in zip(outputs, written, strict=True)]
    return [*carry, *outputs]


def _inner(equation: Any) -> Iterator[Any]:
    """Yields the programs inside of an equation."""
    for value in equation.params.values():
        for each in value if isinstance(value, tuple | list) else (value,):
            program = getattr(each, "jaxpr", each)
            if hasattr(program, "eqns"):
                yield program


def _multiplies(jaxpr: Any) -> bool:
    return any(
        equation.primitive.name in _PRODUCTS or any(map(_multiplies, _inner(equation)))
        for equation in jaxpr.eqns
    )
