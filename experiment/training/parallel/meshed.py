"""`jit` over a mesh of devices with the axes data, fsdp and tensor.

Devices along data and fsdp share the rows of a batch. Those along fsdp share parameters and
optimizer too, and gather the parameters when a step begins; those along tensor share heads, hidden
features and the vocabulary, and compute on what they have. Gradients are added up once a step.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import AxisType, NamedSharding, PartitionSpec
from jaxtyping import Array

from experiment.config import MeshConfig, ModelConfig
from experiment.data import Batch
from experiment.training.gradients import LossFn, Total, local_gradients
from experiment.training.loss import Params
from experiment.training.parallel.placement import Placement, as_numpy
from experiment.training.parallel.sharding import AXES, ROWS, state_shardings, without


class Meshed(Placement):
    """One shard of the rows for each place along data and fsdp together."""

    def __init__(self, devices: Sequence[jax.Device], config: MeshConfig) -> None:
        """Raises ValueError if the devices cannot be arranged so."""
        shape = _shape(config, len(devices))
        self.mesh = jax.make_mesh(
            shape, AXES, axis_types=(AxisType.Auto,) * 3, devices=tuple(devices)
        )
        places = self.mesh.devices.reshape(-1, shape[2])
        own = jax.process_index()
        super().__init__(
            devices,
            num_shards=len(places),
            shards=[
                number
                for number, sharing in enumerate(places)
                if any(device.process_index == own for device in sharing)
            ],
            tokens_per_device=config.tokens_per_device,
        )
        self._whole = NamedSharding(self.mesh, PartitionSpec())

    @property
    def description(self) -> str:
        """What the devices are, in words."""
        sizes = ", ".join(f"{name} {size}" for name, size in self.mesh.shape.items())
        return f"{super().description} ({sizes})"

    def check_model(self, model: ModelConfig) -> None:
        """Refuses a mesh among which the model cannot be divided.

        Raises:
          ValueError: naming what does not divide.
        """
        spread = ("num_heads", "d_ff") if model.has("num_heads") else ("d_model",)
        for axis, name in (("fsdp", "d_model"), *(("tensor", name) for name in spread)):
            among, size = self.mesh.shape[axis], getattr(model, name)
            if size % among:
                raise ValueError(
                    f"mesh.{axis}={among} must divide model.{name}={size} (remainder "
                    f"{size % among}). Use {math.gcd(among, size)}, or another model.{name}."
                )

    def compile_train_step(self, step: Callable[..., Any], members: int = 1) -> Callable[..., Any]:
        assert members == 1

        def placed(state: Any, batch: Batch, rng: Array) -> Any:
            state, metrics = step(state, batch, rng, gradients_fn=self._gradients)
            state = jax.lax.with_sharding_constraint(state, self.state_shardings(state))
            return state, jax.lax.with_sharding_constraint(metrics, self._whole)

        return jax.jit(placed, donate_argnums=0)

    def _gradients(self, params: Params, batch: Batch, rng: Array, *, loss_fn: LossFn) -> Total:
        """Returns the gradients summed over all rows, spread as the parameters are."""
        shardings = self.state_shardings(params)
        gathered = jax.lax.with_sharding_constraint(params, without("fsdp", shardings))

        def of_shard(params: Params, batch: Batch, rng: Array, number: Array) -> Total:
            if self.num_shards > 1:
                rng = jax.random.fold_in(rng, number[0])
            found = local_gradients(params, batch, rng, loss_fn=loss_fn)
            return jax.tree.map(lambda x: x[None], found)  # added up below, all at once

        parts = (None,) * (batch.source.ndim - 2)
        each = jax.shard_map(
            of_shard,
            mesh=self.mesh,
            in_specs=(
                PartitionSpec(),
                PartitionSpec(*parts, ROWS),
                PartitionSpec(),
                PartitionSpec(ROWS),
            ),
            out_specs=PartitionSpec(ROWS),
            axis_names=set(ROWS),
            check_vma=False,
        )(gathered, batch, rng, jnp.arange(self.num_shards))
        gradients, sums = jax.tree.map(lambda x: x.sum(0), each)
        return jax.lax.with_sharding_constraint(gradients, shardings), sums

    def state_shardings(self, state: Any) -> Any:
        """Returns how each array of a state, or of its shapes, is spread."""
        return state_shardings(state, self.mesh)

    def place_state(self, state: Any) -> Any:
        return jax.tree.map(_spread, state, self.state_shardings(state))

    def place_rng(self, rng: jax.Array) -> jax.Array:
        data = _spread(np.asarray(jax.random.key_data(rng)), self._whole)
        wrap = jax.jit(jax.random.wrap_key_data, out_shardings=self._whole)
        return wrap(data)

    def place_batch(self, batch: Batch) -> Batch:
        placed: Any = [self._place_rows(self._blocks(field)) for field in batch]
        return Batch(*placed)

    def _place_rows(self, blocks: np.ndarray) -> jax.Array:
        """Returns [(parts,) rows, length] of this process's [shards, parts, rows, length]."""
        _, parts, rows, length = blocks.shape
        local = dict(zip(self.shards, blocks, strict=True))

        def of_device(index: Any) -> np.ndarray:
            block = local[(index[-2].start or 0) // rows]
            return block if parts > 1 else block[0]

        lead = (parts,) * (parts > 1)
        spec = PartitionSpec(*(None for _ in lead), ROWS)
        shape = (*lead, self.num_shards * rows, length)
        return jax.make_array_from_callback(shape, NamedSharding(self.mesh, spec), of_device)

    def fetch(self, tree: Any) -> Any:
        return as_numpy(jax.tree.map(_fetchable, tree))

    def abstract_state(self, shapes: Any) -> Any:
        """Returns the shapes of a state as they are spread, for compiling without one."""
        return jax.tree.map(
            lambda leaf, sharding: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding),
            shapes,
            self.state_shardings(shapes),
        )

    def abstract_batch(self, rows: int, length: int) -> Batch:
        """Returns the shape of a global batch of so many rows, as it is placed."""
        each = -(-rows // self.num_shards)
        parts = self.num_parts(each, length)
        lead = (parts,) * (parts > 1)
        shape = (*lead, self.num_shards * -(-each // parts), length)
        sharding = NamedSharding(self.mesh, PartitionSpec(*(None for _ in lead), ROWS))
        field: Any = jax.ShapeDtypeStruct(shape, jnp.int32, sharding=sharding)
        return Batch(*[field] * len(Batch._fields))

    def abstract_rng(self) -> Any:
        """Returns the shape of a random key, as it is placed."""
        key = jax.eval_shape(lambda: jax.random.key(0))
        return jax.ShapeDtypeStruct(key.shape, key.dtype, sharding=self._whole)


def _shape(config: MeshConfig, devices: int) -> tuple[int, int, int]:
    """Returns the sizes of the axes.

    Raises:
      ValueError: if there are more or fewer devices than the mesh has places.
    """
    others = config.fsdp * config.tensor
    data = devices // others if config.data == -1 else config.data
    if data * others != devices:
        way_out = (
            f"a mesh.fsdp and mesh.tensor whose product divides {devices}"
            if devices % others
            else "mesh.data=-1 for as many as are left"
        )
        raise ValueError(
            f"mesh.data={config.data}, mesh.fsdp={config.fsdp} and mesh.tensor={config.tensor} "
            f"must multiply to the number of devices, which is {devices}. Use {way_out}."
        )
    return data, config.fsdp, config.tensor


def _spread(array: Any, sharding: NamedSharding) -> jax.Array:
    """Returns an array that every process has whole, spread over the devices of all."""
    array = np.asarray(array)
    return jax.make_array_from_callback(array.shape, sharding, lambda index: array[index])


def _fetchable(array: jax.Array) -> Any:
    """Returns an array whole on this host, gathered from other processes where it must be."""
    if array.is_fully_addressable:
        return array
    if array.is_fully_replicated:
        return array.addressable_data(0)
    return multihost_utils.process_allgather(array, tiled=True)
