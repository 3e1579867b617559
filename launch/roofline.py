"""How fast a step can be at most, and how slow if nothing happens at the same time.

Three things take time: products at the chip's peak in bfloat16, to and from its memory, to and from
other chips. Where all three go on side by side the longest of them is left; where none does, their
sum. The truth lies between, or above: no chip reaches its peaks.
"""

import math
from collections.abc import Iterator
from typing import NamedTuple

from experiment.training.chips import Chip
from launch.collectives import Collective
from launch.program import Step
from launch.topology import Slice, links_in_use

# Slices that can be had (Google's pages on v5e, v6e, v4 and v5p); beyond the last is another pod.
IN_A_PLANE = ((2, 4), (4, 4), (4, 8), (8, 8), (8, 16), (16, 16))
IN_SPACE = (
    *((2, 2, 2), (2, 2, 4), (2, 4, 4), (4, 4, 4), (4, 4, 8), (4, 8, 8), (8, 8, 8)),
    *((8, 8, 16), (8, 16, 16), (16, 16, 16)),
)


class Times(NamedTuple):
    """Seconds of one step on one chip, each by itself."""

    compute: float
    memory: float  # at least: all arguments read and all results written, once
    # With every operand and result of every operation; what is in loops is counted for one round.
    memory_at_most: float
    network: float

    @property
    def overlapped(self) -> float:
        """A step in which all goes on side by side."""
        return max(self.compute, self.memory, self.network)

    @property
    def one_by_one(self) -> float:
        """A step in which one thing waits for the other."""
        return self.compute + self.memory_at_most + self.network


class Scaled(NamedTuple):
    """A step on a slice of another size, with as many tokens a chip."""

    shape: tuple[int, ...]
    devices: int
    times: Times
    tokens_per_second: tuple[float, float]  # one by one, overlapped


def flops_of_chip(step: Step, devices: int) -> float:
    """Returns the larger of both counts: the compiler's has no loops, the formula no details."""
    return max(step.flops, step.model_flops / devices)


def times(step: Step, chip: Chip, chips: Slice) -> Times:
    """Returns what a step takes on the slice that it was compiled for."""
    memory, devices = step.memory, len(chips.devices)
    # Arguments are read, and written as results in their place.
    least = 2 * (memory.parameters + memory.optimizer) + memory.batch
    return Times(
        compute=flops_of_chip(step, devices) / chip.flops,
        memory=least / chip.bandwidth,
        memory_at_most=max(least, step.traffic) / chip.bandwidth,
        network=_seconds_to_send(step.network.collectives, chip, chips.shape),
    )


def _seconds_to_send(
    collectives: tuple[Collective, ...], chip: Chip, shape: tuple[int, ...]
) -> float:
    sent = sum(collective.sent for collective in collectives)
    return sent / bandwidth(chip, shape) if sent else 0.0


def bandwidth(chip: Chip, shape: tuple[int, ...]) -> float:
    """Returns the bytes a second that each chip of a slice can send, over all links that lead on.

    Example:
      >>> flat = Chip("flat", flops=1.0, memory=1, bandwidth=1.0, interconnect=200e9, links=4)
      >>> bandwidth(flat, (4, 4)), bandwidth(flat, (16, 16))
      (100000000000.0, 200000000000.0)
    """
    assert chip.interconnect is not None
    return chip.interconnect / chip.links * links_in_use(shape, chip.links)


def weak_scaling(step: Step, chip: Chip, chips: Slice) -> Iterator[Scaled]:
    """Yields the step on larger and larger slices, with as much work for each device.

    A collective of all devices becomes one of all devices there; others stay as they are. The bytes
    stay, too: those of gradients do not depend on the batch.
    """
    devices = len(chips.devices)
    here = times(step, chip, chips)
    for shape in IN_SPACE if chip.links == 6 else IN_A_PLANE:
        number = math.prod(shape) * devices // math.prod(chips.shape)
        collectives = tuple(
            c._replace(group=number) if c.group == devices else c for c in step.network.collectives
        )
        there = here._replace(network=_seconds_to_send(collectives, chip, shape))
        tokens = step.shape.tokens / devices * number
        speeds = (tokens / there.one_by_one, tokens / there.overlapped)
        yield Scaled(shape, number, there, speeds)
