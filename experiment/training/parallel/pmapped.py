"""Data parallelism by `pmap`: every device holds all parameters and sees its share of the rows.

On one device a step is jitted. The only file that knows `pmap`, which JAX keeps alive and no more.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

from experiment.data import Batch
from experiment.training.gradients import summed_gradients
from experiment.training.parallel.placement import Placement, as_numpy

AXIS = "data"


class Pmapped(Placement):
    """One shard of the rows for each device, of this process and of others."""

    def __init__(self, devices: Sequence[jax.Device], tokens_per_device: int = 0) -> None:
        own = jax.process_index()
        super().__init__(
            devices,
            num_shards=len(devices),
            shards=[number for number, each in enumerate(devices) if each.process_index == own],
            tokens_per_device=tokens_per_device,
        )
        self._single = len(self.devices) == 1

    def compile_train_step(self, step: Callable[..., Any], members: int = 1) -> Callable[..., Any]:
        if members > 1:
            assert self._single
            step = jax.vmap(step)
        if self._single:
            return jax.jit(step, donate_argnums=0)
        return jax.pmap(
            functools.partial(
                step, gradients_fn=functools.partial(summed_gradients, axis_name=AXIS)
            ),
            axis_name=AXIS,
            in_axes=(0, 0, None),
            donate_argnums=0,
            devices=self.devices,
        )

    def place_state(self, state: Any) -> Any:
        if self._single:
            return jax.device_put(state, self.devices[0])
        copies = len(self.shards)
        # As views on the host: stacked on a device, all copies would have to fit on that one.
        stacked = jax.tree.map(
            lambda x: np.broadcast_to(np.asarray(x)[None], (copies, *np.shape(x))), state
        )
        return jax.pmap(lambda x: x, devices=self.devices)(stacked)

    def fetch(self, tree: Any) -> Any:
        if not self._single:
            tree = jax.tree.map(lambda x: x.addressable_shards[0].data[0], tree)
        return as_numpy(tree)

    def place_batch(self, batch: Batch) -> Batch:
        blocks = [self._blocks(field) for field in batch]
        if blocks[0].shape[-3] == 1:
            blocks = [block.squeeze(-3) for block in blocks]
        if not self._single:
            return Batch(*blocks)
        axis = batch.source.ndim - 2  # that of shards, after the members'
        return jax.device_put(Batch(*(block.squeeze(axis) for block in blocks)), self.devices[0])
