"""Slices of TPUs that are not there: devices to compile for, and for nothing else."""

import math
import os
import re
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.experimental import topologies

from experiment.training.chips import Chip, chip_of

# It would ask the cloud which machine this is, complain of the answer, let one process in at a
# time, and keep a diary in /tmp/tpu_logs.
_LIBTPU = {
    "TPU_SKIP_MDS_QUERY": "1",
    "TPU_ACCELERATOR_TYPE": "v5litepod-8",  # any
    "TPU_WORKER_HOSTNAMES": "localhost",
    "TPU_WORKER_ID": "0",
    "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",
    "TPU_LOG_DIR": "disabled",
}
# One device a chip, as on a real v4; its compiler would otherwise show the two cores of each.
_CHIP_CONFIG = {"v4": "megacore"}
_EXAMPLES = "v4:2x2x1, v5e:4x4, v5e:16x16, v5p:4x4x8, v6e:16x16"
# Axes on which the last chip is linked to the first: a whole pod's on flat slices, any of full
# cubes of 4 x 4 x 4 in space (https://docs.cloud.google.com/tpu/docs/v4, .../v5e).
_WRAPS_IN_A_PLANE, _WRAPS_IN_SPACE = 16, 4
_SIZES = {"B": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


class Slice(NamedTuple):
    """Chips with links between them, all of one kind."""

    name: str  # such as v5e:16x16
    devices: tuple[jax.Device, ...]
    shape: tuple[int, ...]  # chips along each axis
    usable_memory: int  # bytes of a device that the compiler gives to a program

    @property
    def kind(self) -> str:
        """What JAX calls the devices."""
        return self.devices[0].device_kind

    @property
    def chip(self) -> Chip | None:
        """The peaks of one device, where they are known."""
        return chip_of(self.kind)


def slice_of(name: str) -> Slice:
    """Returns the slice of a name, with devices that exist for the compiler only.

    Raises:
      ValueError: if there is no such slice, or no TPU compiler on this machine.
    """
    for variable, value in _LIBTPU.items():
        os.environ.setdefault(variable, value)
    generation, _, size = name.partition(":")
    if not re.fullmatch(r"\d+(x\d+)*", size) or any(int(n) < 1 for n in size.split("x")):
        raise ValueError(
            f"--topology={name} must be a generation of TPUs and the chips along each axis, such "
            f"as {_EXAMPLES}."
        )
    shape = tuple(map(int, size.split("x")))
    options = {"chip_config_name": _CHIP_CONFIG[generation]} if generation in _CHIP_CONFIG else {}
    if math.prod(shape) == 1:
        options["chips_per_host_bounds"] = (1, 1, 1)  # type: ignore[assignment]
    try:
        found = topologies.get_topology_desc(name, platform="tpu", **options)
    except RuntimeError as error:
        raise ValueError(_refusal(name, str(error))) from None
    devices = tuple(found.devices)
    return Slice(name, devices, shape, _usable_memory(devices[0]))


def _refusal(name: str, message: str) -> str:
    if "not installed" in message:
        return (
            "no TPU compiler is installed. It runs on any x86 Linux, without a TPU: "
            "pip install 'attention-lab[tpu]'"
        )
    reason = " ".join((message.partition(": ")[2] or message).split()).rstrip(".")
    return f"--topology={name} is not known: {reason}. Known are {_EXAMPLES}, ..."


def _usable_memory(device: jax.Device) -> int:
    """Asks the compiler, by way of a program that fits no chip; it answers at once."""
    placed = jax.sharding.SingleDeviceSharding(device)
    huge = jax.ShapeDtypeStruct((2**40,), jnp.float32, sharding=placed)
    try:
        jax.jit(lambda x: x + 1).lower(huge).compile()
    except RuntimeError as error:
        memory = memory_refused(str(error))
        if memory is not None:
            return memory.available
        raise
    raise AssertionError("a program of 4 TiB fits a chip")


class MemoryRefused(NamedTuple):
    """How much memory of a device a program wants, and how much there is, in bytes."""

    needed: int
    available: int


def memory_refused(message: str) -> MemoryRefused | None:
    """Returns what the compiler says about memory when it gives up, None if it is about another.

    Example:
      >>> memory_refused("RESOURCE_EXHAUSTED: ... hbm. Used 31.50G of 15.75G hbm. Exceeded ...")
      MemoryRefused(needed=33822867456, available=16911433728)
    """
    amount = r"(\d+(?:\.\d+)?)([BKMGT]?)"
    for pattern in (
        rf"[Uu]sed {amount} of {amount} hbm",
        rf"total memory required for [^(]*\({amount}\) exceeds available HBM \({amount}\)",
    ):
        found = re.search(pattern, message)
        if found:
            return MemoryRefused(_bytes(found[1], found[2]), _bytes(found[3], found[4]))
    return None


def _bytes(number: str, unit: str) -> int:
    return round(float(number) * _SIZES[unit or "B"])


def links_in_use(shape: tuple[int, ...], links: int) -> int:
    """Returns how many of its links the chip in the corner of a slice has a neighbour at.

    An all-reduce is as fast as its slowest chip. `links` are those of a chip inside a large slice.

    Example:
      >>> links_in_use((2, 4), 4), links_in_use((4, 16), 4), links_in_use((4, 4, 8), 6)
      (2, 3, 6)
    """
    in_space = links == 6
    wraps = _WRAPS_IN_SPACE if in_space else _WRAPS_IN_A_PLANE
    # Two chips along an axis are neighbours once, however the axis ends.
    whole = all(n % wraps == 0 for n in shape) if in_space else True
    return sum(2 if whole and n % wraps == 0 else 1 for n in shape if n > 1)
