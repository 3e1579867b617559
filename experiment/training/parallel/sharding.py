"""Which axis of which parameter is spread over which devices of a mesh."""

from collections.abc import Mapping
from typing import Any

import jax
from jax.sharding import Mesh, NamedSharding, PartitionSpec

AXES = ("data", "fsdp", "tensor")
ROWS = ("data", "fsdp")  # together they share the rows of a batch

# What the axes of a parameter are, by the end of its path. A vector is too small to be spread.
LOGICAL_AXES: Mapping[str, tuple[str | None, ...]] = {
    "attention/query/kernel": ("features", "heads", "head_width"),
    "attention/key/kernel": ("features", "heads", "head_width"),
    "attention/value/kernel": ("features", "heads", "head_width"),
    "attention/out/kernel": ("heads", "head_width", "features"),
    "feed_forward/hidden/kernel": ("features", "hidden"),
    "feed_forward/gate/kernel": ("features", "hidden"),
    "feed_forward/out/kernel": ("hidden", "features"),
    "embedding/table": ("vocabulary", "features"),
    "relative_positions/table": ("buckets", "heads"),
    "positions/table": ("positions", "features"),
    # Of the recurrent system; what a layer reads of itself is no axis of its own.
    "lstm/kernel": ("features", "gates", "hidden"),
    "lstm/bias": ("gates", "hidden"),
    "attention/memory": ("features", "hidden"),
    "attention/state": ("features", "hidden"),
    "attention/combine": ("hidden", "features"),
    "initial/kernel": ("features", "layers", "hidden"),
    # Of the convolutional system.
    "convolution/kernel": ("taps", "features", "gates", "hidden"),
    "convolution/length": ("gates", "hidden"),
    "convolution/bias": ("gates", "hidden"),
    "to_attention/kernel": ("features", "hidden"),
    "from_attention/kernel": ("hidden", "features"),
    "input/kernel": ("features", "hidden"),
    "output/kernel": ("hidden", "features"),
}

# Which devices each of them is spread over; what is missing stays whole.
MESH_AXES: Mapping[str, str] = {
    "features": "fsdp",
    "heads": "tensor",
    "hidden": "tensor",
    "vocabulary": "tensor",
}


def partition(path: str, shape: tuple[int, ...], mesh: Mesh) -> PartitionSpec:
    """Returns how an array is spread, by its path: a parameter's, or the optimizer's of one.

    An axis that its devices do not divide evenly stays whole.
    """
    names = next((axes for end, axes in LOGICAL_AXES.items() if path.endswith(end)), ())
    if len(names) != len(shape):
        return PartitionSpec()
    spread = [MESH_AXES.get(name or "") for name in names]
    return PartitionSpec(
        *(
            axis if axis and size % mesh.shape[axis] == 0 else None
            for axis, size in zip(spread, shape, strict=True)
        )
    )


def state_shardings(state: Any, mesh: Mesh) -> Any:
    """Returns a sharding for each array of a state, or of its shapes."""

    def sharding(path: Any, leaf: Any) -> NamedSharding:
        name = jax.tree_util.keystr(path, simple=True, separator="/")
        return NamedSharding(mesh, partition(name, leaf.shape, mesh))

    return jax.tree_util.tree_map_with_path(sharding, state)


def without(axis: str, shardings: Any) -> Any:
    """Returns shardings of arrays that are whole along one axis of the mesh."""

    def gathered(sharding: NamedSharding) -> NamedSharding:
        spec = (None if name == axis else name for name in sharding.spec)
        return NamedSharding(sharding.mesh, PartitionSpec(*spec))

    return jax.tree.map(gathered, shardings)
