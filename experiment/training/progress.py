"""What a person who waits is told, on standard error."""

import contextlib
import io
import math
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from typing import TextIO, TypeVar

T = TypeVar("T")

# A wait that takes longer is named, and again now and then.
PATIENCE_SECONDS = 10.0
_SECONDS_BETWEEN_REMARKS = 60.0


class _Nowhere(io.StringIO):
    def write(self, text: str, /) -> int:
        return len(text)


class Progress:
    """One line at a time: overwritten on a terminal, appended to a log elsewhere."""

    def __init__(self, stream: TextIO | None = None, *, every_seconds: float = 10.0) -> None:
        """Writes to `stream` (standard error); `every_seconds` is how often a log gets a line."""
        self._stream = stream or sys.stderr
        self._overwrites = self._stream.isatty()
        self._every_seconds = every_seconds
        self._last_update = -math.inf
        self._open = False
        self._waits: tuple[str, float] | None = None  # for what, since when
        self._watcher: threading.Thread | None = None

    def mute(self) -> "Progress":
        """Returns one that writes nothing, for a process whose every word another says too."""
        return Progress(_Nowhere())

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

    @contextlib.contextmanager
    def waiting(self, what: str) -> Iterator[None]:
        """Says what the block waits for, should it take longer than PATIENCE_SECONDS."""
        before, self._waits = self._waits, (what, time.monotonic())
        if self._watcher is None:
            self._watcher = threading.Thread(target=self._watch, daemon=True)
            self._watcher.start()
        try:
            yield
        finally:
            self._waits = before

    def while_waiting(self, what: str, items: Iterable[T]) -> Iterator[T]:
        """Yields `items`; while the next one does not come, says that it waits for `what`."""
        iterator, end = iter(items), object()
        while True:
            with self.waiting(what):
                item = next(iterator, end)
            if item is end:
                return
            yield item  # type: ignore[misc]

    def _watch(self) -> None:
        said = -math.inf
        while True:
            time.sleep(PATIENCE_SECONDS / 10)
            waits, now = self._waits, time.monotonic()
            if waits is None or now - waits[1] < PATIENCE_SECONDS:
                continue
            if said < waits[1] or now - said >= _SECONDS_BETWEEN_REMARKS:
                said = now
                self.say(f"waiting for {waits[0]}, {duration(now - waits[1])} so far ...")

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
