"""How the layers of a stack run: what is kept for the way back, and how long the program is."""

from collections.abc import Callable, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from model.transformer.config import TransformerConfig

# (a layer, its inputs) -> its outputs. What all layers are given alike, it knows by itself.
OutputsOf = Callable[[Any, Float[Array, "B T D"]], Float[Array, "B T D"]]


def run_stack(
    layers: Sequence[nn.Module],
    outputs_of: OutputsOf,
    inputs: Float[Array, "B T D"],
    config: TransformerConfig,
) -> Float[Array, "B T D"]:
    """Returns the outputs of the last of the bound `layers`, each given those of the one before.

    With `config.remat` only the inputs of each layer are kept, and all else that its gradient
    needs is computed a second time; dropout drops the same again.

    With `config.scan_layers` there is one layer in a loop, over variables that are stacked in
    here: outside they lie and are named as ever. Its dropout draws other numbers than without.

    Neither touches a call that may change or collect what the layers hold (`init`, or
    `intermediates`), nor is there a loop over layers of which only some have gates.
    """
    variables = [layer.variables for layer in layers]
    if any(layers[0].is_mutable_collection(name) for name in ("params", "intermediates")):
        run = outputs_of
    elif config.scan_layers and len({jax.tree.structure(tree) for tree in variables}) == 1:
        return _scanned(layers, outputs_of, inputs, remat=config.remat)
    else:
        run = nn.remat(outputs_of) if config.remat else outputs_of
    for layer in layers:
        inputs = run(layer, inputs)
    return inputs


def _scanned(
    layers: Sequence[nn.Module],
    outputs_of: OutputsOf,
    inputs: Float[Array, "B T D"],
    *,
    remat: bool,
) -> Float[Array, "B T D"]:
    any_layer = layers[0].clone(parent=None)
    has_rng = layers[0].has_rng("dropout")
    keys = jnp.stack([layer.make_rng("dropout") for layer in layers]) if has_rng else None
    variables = jax.tree.map(lambda *each: jnp.stack(each), *(layer.variables for layer in layers))

    def step(hidden: Array, its: tuple[Any, Array | None]) -> tuple[Array, None]:
        own, key = its
        rngs = None if key is None else {"dropout": key}
        outputs: Any = any_layer.apply(own, hidden, method=outputs_of, rngs=rngs)
        return outputs, None

    # In a loop XLA cannot find the first computation, so nothing need keep it from merging the two.
    step = jax.checkpoint(step, prevent_cse=False) if remat else step
    return jax.lax.scan(step, inputs, (variables, keys))[0]
