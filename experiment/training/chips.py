"""What one device can do at most, by what JAX calls it; from its maker's data sheets.

A device is what `jax.devices()` lists: a whole chip, or one of two cores on TPU v2 and v3, to which
half of the chip is counted here.

TPUs: https://docs.cloud.google.com/tpu/docs/v5e and its siblings. They give the interconnect in
bits, or in bytes of both directions together. That of v2 and v3 is from Jouppi et al. 2020, "A
domain-specific supercomputer for training deep neural networks": 496 and 656 Gbit a second, a link
and direction.
"""

import re
from typing import NamedTuple

GIB = 2**30


class Chip(NamedTuple):
    """Peaks of one device."""

    name: str
    flops: float  # multiplications and additions a second, in bfloat16 (float16 before there was)
    memory: int  # bytes of its own
    bandwidth: float  # bytes a second, from and to that memory
    # Bytes a second to the devices of the same slice, all links together, one way; TPUs only.
    interconnect: float | None = None
    links: int = 0  # so many, to neighbours: 4 in a plane, 6 in space; TPUs only


TPUS = {
    "TPU v2": Chip("TPU v2", 22.5e12, 8 * GIB, 350e9, 124e9, 4),
    "TPU v3": Chip("TPU v3", 61.5e12, 16 * GIB, 450e9, 164e9, 4),
    "TPU v4": Chip("TPU v4", 275e12, 32 * GIB, 1_200e9, 300e9, 6),
    "TPU v5 lite": Chip("TPU v5e", 197e12, 16 * GIB, 819e9, 200e9, 4),
    "TPU v5": Chip("TPU v5p", 459e12, 95 * GIB, 2_765e9, 600e9, 6),
    "TPU v6 lite": Chip("TPU v6e", 918e12, 32 * GIB, 1_638e9, 400e9, 4),
}
# The first whose words begin somewhere in the device's name, and end where a word of it ends.
GPUS = {
    "B200": Chip("B200", 2_250e12, 180 * 10**9, 8_000e9),
    "H200": Chip("H200", 989e12, 141 * 10**9, 4_800e9),
    "H100 PCIe": Chip("H100 PCIe", 756e12, 80 * 10**9, 2_000e9),
    "H100 NVL": Chip("H100 NVL", 835e12, 94 * 10**9, 3_900e9),
    "H100": Chip("H100", 989e12, 80 * 10**9, 3_350e9),
    "A100-SXM4-80GB": Chip("A100 80 GB", 312e12, 80 * 10**9, 2_039e9),
    "A100 80GB PCIe": Chip("A100 80 GB PCIe", 312e12, 80 * 10**9, 1_935e9),
    "A100": Chip("A100", 312e12, 40 * 10**9, 1_555e9),
    "L40S": Chip("L40S", 362e12, 48 * 10**9, 864e9),
    "L40": Chip("L40", 181e12, 48 * 10**9, 864e9),
    "L4": Chip("L4", 121e12, 24 * 10**9, 300e9),
    "V100": Chip("V100", 125e12, 16 * 10**9, 900e9),
    "T4": Chip("T4", 65e12, 16 * 10**9, 320e9),
}


def chip_of(device_kind: str) -> Chip | None:
    """Returns the peaks of a device of that kind, or None where they are not known, as of CPUs.

    Example:
      >>> chip_of("NVIDIA H100 80GB HBM3").name, chip_of("TPU v5 lite").name, chip_of("cpu")
      ('H100', 'TPU v5e', None)
    """
    if device_kind in TPUS:
        return TPUS[device_kind]
    return next((chip for name, chip in GPUS.items() if _names(name, device_kind)), None)


def _names(name: str, device_kind: str) -> bool:
    """Returns whether a name stands in another as words of its own: L4 does not in L40."""
    return re.search(rf"(?<!\w){name}(?!\w)", device_kind) is not None
