"""Where steps run: the only file that knows how many devices there are.

On one device a step is jitted. On several it is pmapped: every device holds all parameters and
sees its share of each batch's rows. The numbers are the same up to the order of additions.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

from experiment.data import Batch

AXIS = "data"


class Placement:
    """Puts states and batches on `devices`, and runs steps there."""

    def __init__(self, devices: Sequence[jax.Device]) -> None:
        self.devices = list(devices)

    @property
    def description(self) -> str:
        """What the devices are, in words."""
        return f"{len(self.devices)} x {self.devices[0].device_kind}"

    def check_rows(self, rows: int) -> None:
        """Refuses batches that leave a device without work.

        Raises:
          ValueError: if there are fewer rows than devices.
        """
        if rows < len(self.devices):
            raise ValueError(
                f"train.tokens_per_batch gives batches of {rows} rows, fewer than the "
                f"{len(self.devices)} devices. Raise it, or shorten the longest rows of data."
            )

    def compile_train_step(self, step: Callable[..., Any], members: int = 1) -> Callable[..., Any]:
        """Returns `step(state, batch, rng)` compiled for the devices; the state is donated.

        For several members, on one device only, each of the three is stacked along a new first
        axis, and so is what is returned.
        """
        if members > 1:
            assert len(self.devices) == 1
            step = jax.vmap(step)
        if len(self.devices) == 1:
            return jax.jit(step, donate_argnums=0)
        return jax.pmap(
            functools.partial(step, axis_name=AXIS),
            axis_name=AXIS,
            in_axes=(0, 0, None),
            donate_argnums=0,
            devices=self.devices,
        )

    def place_state(self, state: Any) -> Any:
        """Returns the state on every device."""
        if len(self.devices) == 1:
            return jax.device_put(state, self.devices[0])
        copies = len(self.devices)
        # As views on the host: stacked on a device, all copies would have to fit on that one.
        stacked = jax.tree.map(
            lambda x: np.broadcast_to(np.asarray(x)[None], (copies, *np.shape(x))), state
        )
        return jax.pmap(lambda x: x, devices=self.devices)(stacked)

    def fetch(self, tree: Any) -> Any:
        """Returns one device's copy, as numpy arrays that stay when the next step donates it."""
        if len(self.devices) > 1:
            tree = jax.tree.map(lambda x: x.addressable_shards[0].data[0], tree)
        arrays = jax.device_get(tree)
        return jax.tree.map(lambda x: x if x.flags.owndata else x.copy(), arrays)

    def place_batch(self, batch: Batch) -> Batch:
        """Returns the batch split by rows over the devices; missing rows are padding."""
        if len(self.devices) == 1:
            return jax.device_put(batch, self.devices[0])
        return Batch(*(self._split(field) for field in batch))

    def _split(self, rows: np.ndarray) -> np.ndarray:
        copies = len(self.devices)
        padding = -len(rows) % copies
        padded = np.pad(rows, ((0, padding), (0, 0)))
        return padded.reshape(copies, -1, rows.shape[1])
