"""How fast a run goes, and how much of what its devices can do at most it makes use of."""

from collections.abc import Callable, Sequence
from typing import Any

from experiment.training.chips import chip_of
from experiment.training.clock import PHASES, TRAINING

RATES = ("target_tokens_per_second", "target_tokens_per_second_per_device", "mfu")
# What metrics and results say of machines: in these alone do two runs differ that are the same.
TIMES = frozenset({"seconds", "train_seconds", *RATES})
TIMES |= {f"seconds_{phase}" for phase in (TRAINING, *PHASES)}


def rates(
    target_tokens: int,
    seconds: float,
    devices: Sequence[Any],
    flops: Callable[[], float] | None,
) -> dict[str, float]:
    """Returns the rates, by name, of having trained on so many target tokens in `seconds`.

    `devices` are all that took part. `mfu`, of 1 at most, is the share of their peak (that of
    bfloat16, whatever the run computes in) that `flops()` make, the operations the model needed
    for these tokens. Where the peak is not known there is no such rate, and `flops` is not called.
    """
    per_second = target_tokens / seconds
    found = {"target_tokens_per_second": per_second}
    if devices:
        found["target_tokens_per_second_per_device"] = per_second / len(devices)
        if flops and (chip := chip_of(devices[0].device_kind)):
            found["mfu"] = flops() / seconds / (len(devices) * chip.flops)
    return found
