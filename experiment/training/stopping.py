"""Being asked to stop: by Ctrl-C, or by the machine's owner with SIGTERM."""

import os
import signal
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any

from experiment.errors import Failure


class Preempted(Failure):
    """The run was asked to stop, has saved what it had, and can be resumed."""

    exit_code = 42


class StopRequest:
    """While entered, the first signal is noted in `asked`; a second one ends the process."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self.asked = False
        self._say = say
        self._previous: dict[signal.Signals, Any] = {}

    def __enter__(self) -> "StopRequest":
        for number in (signal.SIGINT, signal.SIGTERM):
            self._previous[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            os._exit(128 + number)
        self.asked = True
        name = signal.Signals(number).name
        self._say(f"{name}: saving, then stopping. Once more to stop at once, without saving.")
