"""How far a long preparation is, in lines a person can read."""

import time
from collections.abc import Callable

SECONDS_BETWEEN_LINES = 5.0


class Progress:
    """Reports a share done and the time left, at most every `SECONDS_BETWEEN_LINES`.

    Work that ends within the first few seconds is not mentioned at all.
    """

    def __init__(self, report: Callable[[str], None], what: str, total: int):
        self._report = report
        self._what = what
        self._total = total
        self._done = 0
        self._began = self._spoke = time.monotonic()

    def advance(self, count: int = 1) -> None:
        """Records that `count` more of the `total` are done."""
        self._done += count
        now = time.monotonic()
        if now - self._spoke < SECONDS_BETWEEN_LINES:
            return
        self._spoke = now
        left = (now - self._began) * (self._total - self._done) / self._done
        share = 100 * self._done / self._total
        self._report(
            f"{self._what}: {self._done:,} of {self._total:,} ({share:.0f} %), "
            f"about {left:,.0f} s left"
        )
