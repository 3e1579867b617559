"""What a system is stacked from, read off the paths of its parameters (figure 1 of the paper)."""

import functools
from collections.abc import Mapping
from typing import Any

import jax
import pandas as pd

from experiment.training import init_params
from model.systems import SystemConfig, system_of

KINDS = {  # a part of a path -> what the paper calls it
    "embedding": "embedding",
    "self_attention": "self-attention",
    "cross_attention": "cross-attention",
    "feed_forward": "feed-forward",
}
_NORM = "norm"


def placed_blocks(config: SystemConfig) -> pd.DataFrame:
    """Returns the blocks of a system from below: stack, layer, block, its parameters.

    A norm counts to the block whose residual it is in. What belongs to no layer has layer -1, the
    last norm of a stack among it.
    """
    found: dict[tuple[str, int, str], int] = {}
    for path, shape in _parameters(config).items():
        place = _place(path)
        found[place] = found.get(place, 0) + shape.size
    order = [*KINDS.values(), _NORM]
    table = pd.DataFrame(
        [(*place, size) for place, size in found.items()],
        columns=["stack", "layer", "block", "parameters"],
    )
    ranks = table["block"].map(order.index)
    return table.assign(rank=ranks).sort_values(["stack", "layer", "rank"]).drop(columns="rank")


def blocks(systems: Mapping[str, SystemConfig]) -> pd.DataFrame:
    """Returns how many of each block a system has: a row a block of one size, a column a system.

    The last row is all parameters.
    """
    placed = pd.concat(
        [placed_blocks(config).assign(system=name) for name, config in systems.items()]
    )
    counts = placed.pivot_table(
        index=["block", "parameters"], columns="system", values="layer", aggfunc="size"
    )
    counts = counts.reindex(columns=list(systems)).fillna(0).astype(int).reset_index(level=1)
    ranked = counts.loc[[kind for kind in (*KINDS.values(), _NORM) if kind in counts.index]]
    sums = placed.groupby("system")["parameters"].sum()
    total = pd.DataFrame([{"parameters": "", **sums}], index=["all parameters"])
    return pd.concat([ranked.astype({"parameters": object}), total]).rename(
        columns={"parameters": "parameters of one"}
    )


def layer_parameters(systems: Mapping[str, SystemConfig]) -> pd.DataFrame:
    """Returns the shape of each parameter of a lowest layer, a column for each stack of a system.

    Where two columns agree, row by row, the layers are the same; "" is where one has no such block.
    """
    columns: dict[str, dict[str, str]] = {}
    for name, config in systems.items():
        for path, shape in _parameters(config).items():
            stack, *rest = path.split("/")
            if rest[0] == "layer_0":
                shown = " × ".join(map(str, shape.shape))
                columns.setdefault(f"{name}: {stack}", {})["/".join(rest[1:])] = shown
    return pd.DataFrame(columns).fillna("")


def _parameters(config: SystemConfig) -> dict[str, Any]:
    """Returns the shape of every parameter by its path; nothing is allocated."""
    init = functools.partial(init_params, system_of(config))
    shapes = jax.tree_util.tree_leaves_with_path(jax.eval_shape(init, jax.random.key(0)))
    return {"/".join(entry.key for entry in path): shape for path, shape in shapes}


def _place(path: str) -> tuple[str, int, str]:
    stack, *rest = path.split("/")
    if not rest[0].startswith("layer_"):
        kind = _NORM if rest[0] == "norm" else "embedding"
        return ("" if kind == "embedding" else stack), -1, kind
    part = rest[1].removesuffix("_residual")
    return stack, int(rest[0].removeprefix("layer_")), KINDS.get(part, part)
