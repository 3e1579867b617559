"""Where a model attends: the attention modules of its layers, and the heads of each.

Their gates and their weights lie under the same path in the collections `gates` and
`intermediates`, so what is asked of "head 3 of the second layer's cross-attention" is asked here.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from model.transformer import one_sentence_a_row

Gates = Mapping[str, Any]  # a factor for every head, laid out as the collection `gates`

# Kind -> (stack, module of a layer), in the order in which a sentence meets them.
KINDS = {
    "encoder": ("encoder", "self_attention"),
    "decoder": ("decoder", "self_attention"),
    "cross": ("decoder", "cross_attention"),
}
TITLES = {
    "encoder": "encoder self-attention",
    "decoder": "decoder self-attention",
    "cross": "cross-attention",
}


class Site(NamedTuple):
    """One multi-head attention of a model."""

    kind: str  # of KINDS
    layer: int  # from 0, the lowest

    @property
    def path(self) -> tuple[str, ...]:
        """Where it lies in a collection of variables."""
        stack, module = KINDS[self.kind]
        return stack, f"layer_{self.layer}", module

    @property
    def name(self) -> str:
        """What people call it, layers counted from 1, as the paper counts them."""
        return f"{TITLES[self.kind]}, layer {self.layer + 1}"


def ones(model: nn.Module) -> dict[str, Any]:
    """Returns the gates of a model, with every head in place.

    Raises:
      ValueError: if the model has none, as the recurrent and the convolutional one.
    """
    tokens = one_sentence_a_row(jnp.ones((1, 2), jnp.int32))
    shapes = jax.eval_shape(
        lambda rng: model.init(rng, tokens, tokens, deterministic=True), jax.random.key(0)
    )
    if "gates" not in shapes:
        raise ValueError(
            f"{type(model).__name__} has no attention heads to be asked for. Take a run of a "
            "Transformer."
        )
    return jax.tree.map(lambda gate: jnp.ones(gate.shape, gate.dtype), dict(shapes["gates"]))


def sites_of(gates: Gates) -> list[Site]:
    """Returns the attention modules that a tree of gates belongs to, by kind, then from below.

    Example:
      >>> heads = {"heads": np.ones(2)}
      >>> layer = {"self_attention": heads, "cross_attention": heads}
      >>> [site.name for site in sites_of({"decoder": {"layer_0": layer}})]
      ['decoder self-attention, layer 1', 'cross-attention, layer 1']
    """
    found = []
    for kind, (stack, module) in KINDS.items():
        layers = gates.get(stack, {})
        for layer in range(len(layers)):
            if module in layers[f"layer_{layer}"]:
                found.append(Site(kind, layer))
    return found


def at(collection: Mapping[str, Any], site: Site) -> Any:
    """Returns what a collection holds of an attention module."""
    for name in site.path:
        collection = collection[name]
    return collection


def with_gates(
    gates: Gates, changed: Mapping[Site, Float[Array, " H"] | Float[np.ndarray, " H"]]
) -> dict[str, Any]:
    """Returns the gates with those of some modules replaced; the given tree stays as it was."""
    by_path = {(*site.path, "heads"): jnp.asarray(new) for site, new in changed.items()}

    def replaced(path: Sequence[Any], gate: Array) -> Array:
        return by_path.get(tuple(entry.key for entry in path), gate)

    return jax.tree_util.tree_map_with_path(replaced, dict(gates))


class Head(NamedTuple):
    """One head of a model."""

    site: Site
    number: int  # within its site, from 0

    @property
    def name(self) -> str:
        """What people call it, layers and heads counted from 1, as the paper counts them."""
        return f"{self.site.name}, head {self.number + 1}"


def heads_of(gates: Gates) -> list[Head]:
    """Returns all heads that a tree of gates has a number for, site by site.

    Example:
      >>> gates = {"encoder": {"layer_0": {"self_attention": {"heads": np.ones(2)}}}}
      >>> [head.name for head in heads_of(gates)][1]
      'encoder self-attention, layer 1, head 2'
    """
    sizes = {site: len(at(gates, site)["heads"]) for site in sites_of(gates)}
    return [Head(site, index) for site, size in sizes.items() for index in range(size)]


def without(gates: Gates, heads: Iterable[Head]) -> dict[str, Any]:
    """Returns the gates with those of some heads at zero; the given tree stays as it was.

    Raises:
      ValueError: if there is no such head.
    """
    there = set(heads_of(gates))
    changed: dict[Site, Any] = {}
    for head in heads:
        if head not in there:
            raise ValueError(f"There is no {head.name}. The model has {len(there)} heads.")
        its = changed.setdefault(head.site, np.array(at(gates, head.site)["heads"]))
        its[head.number] = 0
    return with_gates(gates, changed)
