"""Being asked to stop: by Ctrl-C, or by the machine's owner with SIGTERM.

SIGTERM has one owner. In a run of one process that is the handler below. In a run of several it
is JAX's preemption service, which a handler of ours would silence: whichever process is told first,
all of them learn of it at the same step, and so save the same one.
"""

import contextlib
import os
import signal
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any

import jax
from jax.experimental import multihost_utils

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
        self._several = jax.process_count() > 1
        self._looks = 0

    def look(self) -> None:
        """Notes what other processes were asked; each calls it as often, at every step."""
        # The step would not do: JAX agrees on one more than the last it was told, and a run that
        # goes on would begin beyond that.
        self._looks += 1
        if self._several and multihost_utils.reached_preemption_sync_point(self._looks):
            self._note_once("SIGTERM")

    def leave_if_asked(self, where: str) -> None:
        """Raises Preempted if it was asked to stop; `where` says what was left, and how."""
        if self.asked:
            raise Preempted(f"{where}; the same command goes on from there.")

    def __enter__(self) -> "StopRequest":
        if self._several:
            self._previous[signal.SIGINT] = signal.signal(signal.SIGINT, _pass_on)
            return self
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
        self._note_once(signal.Signals(number).name)

    def _note_once(self, name: str) -> None:
        self.asked = True
        # A signal may come while a line is being written; then this one is not.
        with contextlib.suppress(RuntimeError):
            again = "" if self._several else " Once more to stop at once, without saving."
            self._say(f"{name}: saving, then stopping.{again}")


def _pass_on(number: int, frame: FrameType | None) -> None:
    """Tells JAX's preemption service of a Ctrl-C."""
    os.kill(os.getpid(), signal.SIGTERM)
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # once more ends this process
