"""What every way of sharing a step among devices has in common: which rows go where."""

import abc
from collections.abc import Callable, Sequence
from typing import Any, ParamSpec, TypeVar

import jax
import numpy as np

from experiment.data import Batch

P = ParamSpec("P")
T = TypeVar("T")


def on_host(make: Callable[P, T]) -> Callable[P, T]:
    """Returns `make` as run by the host's processor, where JAX_PLATFORMS leaves it to JAX.

    What it makes need not fit on one device, and does not depend on which devices there are.
    """

    def made(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            host = jax.local_devices(backend="cpu")[0]
        except RuntimeError:
            return make(*args, **kwargs)
        with jax.default_device(host):
            return make(*args, **kwargs)

    return made


class Placement(abc.ABC):
    """Puts states and batches on `devices`, and runs steps there.

    The rows of a global batch are cut into `num_shards` blocks of equally many, the last ones
    filled up with padding; `shards` are those of them that this process reads, for its devices.
    """

    def __init__(
        self,
        devices: Sequence[jax.Device],
        *,
        num_shards: int,
        shards: Sequence[int],
        tokens_per_device: int = 0,
    ) -> None:
        self.devices, self.num_shards, self.shards = list(devices), num_shards, tuple(shards)
        self._tokens_at_once = tokens_per_device

    @property
    def description(self) -> str:
        """What the devices are, in words."""
        return f"{len(self.devices)} x {self.devices[0].device_kind}"

    def check_rows(self, rows: int) -> None:
        """Refuses batches of which most shards could have nothing.

        Raises:
          ValueError: if there are fewer rows than shards.
        """
        if rows < self.num_shards:
            raise ValueError(
                f"train.tokens_per_batch gives batches of {rows} rows, fewer than the "
                f"{self.num_shards} devices that share them. Raise it, or shorten the longest rows "
                "of data."
            )

    def num_parts(self, rows: int, length: int) -> int:
        """Returns into how many parts a shard's rows are cut, to go one after another."""
        rows_at_once = max(1, self._tokens_at_once // length) if self._tokens_at_once else rows
        return -(-rows // rows_at_once)

    @abc.abstractmethod
    def compile_train_step(self, step: Callable[..., Any], members: int = 1) -> Callable[..., Any]:
        """Returns `step(state, batch, rng)` compiled for the devices; the state is donated.

        `step` is told by `gradients_fn` how gradients are summed over them. For several members,
        on one device only, each argument is stacked along a new first axis, and so is the result.
        """

    @abc.abstractmethod
    def place_state(self, state: Any) -> Any:
        """Returns a state that lies on the host, the same in every process, on the devices."""

    @abc.abstractmethod
    def place_batch(self, batch: Batch) -> Batch:
        """Returns the rows of `shards`, in order, on the devices; missing ones are padding."""

    def place_rng(self, rng: jax.Array) -> jax.Array:
        """Returns a random key where steps can use it."""
        return rng

    @abc.abstractmethod
    def fetch(self, tree: Any) -> Any:
        """Returns what lies on the devices as numpy arrays that stay when it is donated.

        Every process asks for it at the same time, and gets the same.
        """

    def _blocks(self, rows: np.ndarray) -> np.ndarray:
        """Returns [..., shards, parts, rows, length] of [..., rows, length], filled up with 0."""
        *members, given, length = rows.shape
        each = -(-given // len(self.shards))
        parts = self.num_parts(each, length)
        in_part = -(-each // parts)
        lead = [(0, 0)] * len(members)
        filled = np.pad(rows, (*lead, (0, each * len(self.shards) - given), (0, 0)))
        blocks = filled.reshape(*members, len(self.shards), each, length)
        blocks = np.pad(blocks, (*lead, (0, 0), (0, parts * in_part - each), (0, 0)))
        return blocks.reshape(*members, len(self.shards), parts, in_part, length)


def as_numpy(tree: Any) -> Any:
    """Returns the arrays of a tree as numpy's, none of them a view of a device's memory."""
    return jax.tree.map(lambda x: x if x.flags.owndata else x.copy(), jax.device_get(tree))
