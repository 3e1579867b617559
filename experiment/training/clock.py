"""Where a run's time goes: every second is counted, and in one phase."""

import contextlib
import time
from collections.abc import Iterator, Mapping

from experiment.training.progress import duration

STARTING, TRAINING, DATA = "starting", "training", "data"
# What is in none of these is training.
PHASES = (STARTING, "compiling", DATA, "evaluating", "saving")


class Clock:
    """Seconds by phase, of which there is one at any time.

    It begins with `starting`, which ends when the first step is about to be taken (`ready`).
    """

    def __init__(
        self, earlier: Mapping[str, float] | None = None, *, since: float | None = None
    ) -> None:
        """Starts now, or at `since` of `time.monotonic()`, on top of the seconds of `earlier`.

        Of these `total` is the whole; a phase that is not named took none.
        """
        earlier = earlier or {}
        self._seconds = {name: earlier.get(name, 0.0) for name in PHASES}
        self._seconds[TRAINING] = earlier.get("total", 0.0) - sum(self._seconds.values())
        self._phase, self._since = STARTING, time.monotonic() if since is None else since
        self._stopped = False

    def ready(self) -> None:
        """Ends starting: what is in no phase from now on is training."""
        self._enter(TRAINING)

    @contextlib.contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Counts the seconds spent inside as `name`, and in no phase that is around it."""
        around = self._enter(name)
        try:
            yield
        finally:
            self._enter(around)

    def stop(self) -> None:
        """Counts no longer."""
        self._enter(self._phase)
        self._stopped = True

    def seconds(self) -> dict[str, float]:
        """Returns the seconds so far of every phase, of `training`, and of all in `total`."""
        self._enter(self._phase)
        return {**self._seconds, "total": sum(self._seconds.values())}

    def _enter(self, name: str) -> str:
        """Counts what has passed as the phase until now; returns that phase."""
        now, before = time.monotonic(), self._phase
        if not self._stopped:
            self._seconds[before] += now - self._since
        self._phase, self._since = name, now
        return before


def of_steps(seconds: Mapping[str, float]) -> float:
    """Returns the seconds that taking the steps took: training, and waiting for their batches."""
    return seconds[TRAINING] + seconds[DATA]


def in_words(seconds: Mapping[str, float]) -> str:
    """Returns where the time went, as in "2m10s in all: training 1m50s (85%), data 0s, ..."."""
    share = seconds[TRAINING] / max(seconds["total"], 1e-9)
    phases = ", ".join(f"{name} {duration(seconds[name])}" for name in PHASES)
    return (
        f"{duration(seconds['total'])} in all: training {duration(seconds[TRAINING])} "
        f"({share:.0%}), {phases}"
    )
