"""Where a run's time goes."""

import contextlib
import time
from collections.abc import Iterator

PHASES = ("compiling", "evaluating", "saving")


class Clock:
    """Seconds by phase; what is in no phase is training."""

    def __init__(self, earlier: dict[str, float] | None = None) -> None:
        """Starts now, on top of the seconds of `earlier`, of which `total` is the whole."""
        self._seconds = dict.fromkeys(PHASES, 0.0) | (earlier or {})
        self._seconds.setdefault("total", 0.0)
        self._started = time.monotonic()
        self._stopped: float | None = None

    @contextlib.contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Counts the seconds spent inside as `name`."""
        start = time.monotonic()
        try:
            yield
        finally:
            self._seconds[name] += time.monotonic() - start

    def stop(self) -> None:
        """Counts no longer."""
        self._stopped = time.monotonic()

    def seconds(self) -> dict[str, float]:
        """Returns the seconds so far of every phase, of `training`, and of all in `total`."""
        now = time.monotonic() if self._stopped is None else self._stopped
        total = self._seconds["total"] + now - self._started
        phases = {name: self._seconds[name] for name in PHASES}
        return {**phases, "training": total - sum(phases.values()), "total": total}
