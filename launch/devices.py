"""What JAX finds on this host."""

import pathlib
from collections.abc import Mapping

import jax

from experiment.training.chips import GIB, chip_of
from launch.findings import OK, PROBLEM, Finding

# A file that is there with the device, and the extra that makes JAX use it.
_ACCELERATORS = {"/dev/nvidia0": "cuda", "/dev/accel0": "tpu", "/dev/vfio/0": "tpu"}


def check_devices(environment: Mapping[str, str], root: pathlib.Path) -> Finding:
    """Platform, kind, count and memory; `root` is where devices' files are looked for."""
    local = jax.local_devices()
    platform, kind = local[0].platform, local[0].device_kind
    unused = {extra for path, extra in _ACCELERATORS.items() if (root / path[1:]).exists()}
    if platform == "cpu" and unused and not environment.get("JAX_PLATFORMS"):
        extra = unused.pop()
        return Finding(
            PROBLEM,
            "devices",
            "this host has an accelerator, and JAX does not use it. Install with "
            f"`pip install -c constraints.txt -e '.[{extra}]'`, or set JAX_PLATFORMS=cpu if the "
            "processor is meant.",
        )
    memory = memory_of(local[0])
    each = f", {memory / GIB:.0f} GiB each" if memory else ""
    total = f" of {jax.device_count():,}" if jax.process_count() > 1 else ""
    return Finding(OK, "devices", f"{len(local)}{total} on {platform}: {kind}{each}.")


def memory_of(device: jax.Device) -> int | None:
    """Returns the bytes of a device: as it says itself, else as its maker does, else None."""
    stats = device.memory_stats() or {}
    chip = chip_of(device.device_kind)
    return stats.get("bytes_limit") or (chip.memory if chip else None)


def kinds() -> str:
    """Returns what one process has, in words that are equal where the devices are."""
    local = jax.local_devices()
    return f"{len(local)} x {local[0].device_kind}"
