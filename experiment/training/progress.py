"""What a person who waits is told, on standard error."""

import math
import sys
import time
from typing import TextIO


class Progress:
    """One line at a time: overwritten on a terminal, appended to a log elsewhere."""

    def __init__(self, stream: TextIO | None = None, *, every_seconds: float = 10.0) -> None:
        """Writes to `stream` (standard error); `every_seconds` is how often a log gets a line."""
        self._stream = stream or sys.stderr
        self._overwrites = self._stream.isatty()
        self._every_seconds = every_seconds
        self._last_update = -math.inf
        self._open = False

    def say(self, message: str) -> None:
        """Writes a line that stays."""
        start = "\r\033[K" if self._open else ""
        self._open = False
        print(f"{start}{message}", file=self._stream, flush=True)

    def update(self, message: str) -> None:
        """Writes a line that the next one replaces; in a log, only now and then."""
        if self._overwrites:
            print(f"\r\033[K{message}", end="", file=self._stream, flush=True)
            self._open = True
        elif time.monotonic() - self._last_update >= self._every_seconds:
            self._last_update = time.monotonic()
            print(message, file=self._stream, flush=True)

    def wait_for(self, what: str) -> None:
        """Writes what the user waits for now, such as a compilation: in a log too, every time."""
        self._last_update = -math.inf
        self.update(f"{what} ...")

    def clear(self) -> None:
        """Takes away the line that the next one would have replaced."""
        if self._open:
            print("\r\033[K", end="", file=self._stream, flush=True)
            self._open = False


def duration(seconds: float) -> str:
    """Returns seconds as people say them.

    Example:
      >>> duration(42.0), duration(754.0), duration(8054.0)
      ('42s', '12m34s', '2h14m')
    """
    seconds = int(seconds)
    if seconds < 60:
        return f"{seconds}s"
    if seconds < 3600:
        return f"{seconds // 60}m{seconds % 60:02d}s"
    return f"{seconds // 3600}h{seconds % 3600 // 60:02d}m"
