"""Two or more ways to do the same work, timed in turn, so that a noisy machine is fair to all."""

import statistics
import time
from collections.abc import Callable, Mapping


def interleaved(
    ways: Mapping[str, Callable[[], object]], *, rounds: int, warm_up: int = 1
) -> dict[str, list[float]]:
    """Returns the seconds of each call; a round calls every way once, in turn."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for round_number in range(warm_up + rounds):
        for name, way in ways.items():
            start = time.perf_counter()
            way()
            if round_number >= warm_up:
                seconds[name].append(time.perf_counter() - start)
    return seconds


def ratios(of: list[float], to: list[float]) -> tuple[float, float, float]:
    """Returns lowest, median and highest ratio, round by round."""
    each = sorted(a / b for a, b in zip(of, to, strict=True))
    return each[0], statistics.median(each), each[-1]
