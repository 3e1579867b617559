"""Heartbeats: a process that is gone is named by the others, and none of them waits for it.

A collective operation with a process that is gone never ends on some hardware, and nothing can
interrupt it; so the watch ends the whole process, from a thread of its own.
"""

import ctypes
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from experiment.errors import MachineFailed

SECONDS_BETWEEN_BEATS = 2.0
LOST_AFTER_SECONDS = 20.0  # without a beat
_ROUNDS = round(LOST_AFTER_SECONDS / SECONDS_BETWEEN_BEATS)
_SECONDS_TO_FOLLOW = 10.0  # after another has left, for the same reason perhaps
_WELL = ("0", "42")  # exit codes of a run that is done, or saved
_FAILING = "failing"  # in place of a beat
_ADVICE = (
    "This process stops. Start all of them again: the same command goes on from the newest "
    "checkpoint."
)


class Watch:
    """Tells the other processes that this one lives, and ends it when another does not."""

    def __init__(
        self,
        client: Any,
        index: int,
        named: Callable[[int], str],
        count: int,
        address: str,
    ) -> None:
        """`address` is where process 0 offers the coordination service, or empty if unknown."""
        self._client, self._index, self._named, self._count = client, index, named, count
        self._address, self._left, self._fails = address, threading.Event(), False
        # In rounds, not in seconds: of those a machine that was suspended has missed many at once.
        self._rounds_without = 0
        self._heard: dict[int, tuple[str, int]] = {}  # the last beat, and for how many rounds
        self._thread = threading.Thread(target=self._run, daemon=True, name="watch")

    def start(self) -> None:
        """Goes on in the background until `leave`."""
        on_abort(self._aborted)
        self._thread.start()
        # Whoever asks process 0 while it hangs, hangs too: another thread has to notice.
        threading.Thread(target=self._check_exchange, daemon=True, name="watch of watch").start()

    def fails(self) -> None:
        """Tells the others that this process will end, but goes on to look after them."""
        self._fails = True

    def leave(self, exit_code: int) -> None:
        """Tells the others how this process ends; one that has failed ends here."""
        self._left.set()
        self._thread.join(timeout=_SECONDS_TO_FOLLOW)
        self._client.key_value_set(f"left/{self._index}", str(exit_code), allow_overwrite=True)
        if str(exit_code) in _WELL:
            return
        sys.stdout.flush()
        sys.stderr.flush()
        if self._index == 0:
            time.sleep(2 * SECONDS_BETWEEN_BEATS)  # what it has told goes with it
        os._exit(exit_code)

    def _run(self) -> None:
        beats = 0
        while not self._left.wait(SECONDS_BETWEEN_BEATS):
            beats += 1
            beat = _FAILING if self._fails else str(beats)
            try:
                self._client.key_value_set(f"beat/{self._index}", beat, allow_overwrite=True)
                heard = dict(self._client.key_value_dir_get("beat/"))
                left = dict(self._client.key_value_dir_get("left/"))
            except Exception:  # whatever JAX raises: it cannot be reached
                continue
            self._rounds_without = 0
            self._check(heard, left)

    def _check_exchange(self) -> None:
        while not self._left.wait(SECONDS_BETWEEN_BEATS):
            self._rounds_without += 1
            if self._rounds_without > _ROUNDS:
                stop(f"{self._named(0)} has not answered for {LOST_AFTER_SECONDS:.0f} s. {_ADVICE}")

    def _check(self, heard: dict[str, str], left: dict[str, str]) -> None:
        for index in range(self._count):
            code = left.get(f"left/{index}")
            if code in _WELL or index == self._index:
                continue
            if code is not None:
                if not self._left.wait(_SECONDS_TO_FOLLOW):
                    self._end(f"{self._named(index)} ended with exit code {code}. {_ADVICE}")
                return
            beat = heard.get(f"beat/{index}", "")
            last, rounds = self._heard.get(index, ("", 0))
            rounds = rounds + 1 if beat == last else 0
            self._heard[index] = (beat, rounds)
            if beat == _FAILING and rounds > _ROUNDS + 2:  # not for want of another that is lost
                self._end(f"{self._named(index)} has failed; it says why. {_ADVICE}")
            elif beat != _FAILING and rounds > _ROUNDS:
                self._end(
                    f"{self._named(index)} has shown no sign of life for "
                    f"{LOST_AFTER_SECONDS:.0f} s. {_ADVICE}"
                )

    def _end(self, message: str) -> None:
        # With process 0 goes what they talk by: first the others find out who is lost.
        if self._index or not self._left.wait(2 * SECONDS_BETWEEN_BEATS):
            stop(message)

    def _aborted(self) -> None:
        """JAX's client ends this process as soon as the service, in process 0, is gone."""
        if self._index and not _answers(self._address):
            stop(f"{self._named(0)} is gone. {_ADVICE}")
        on_abort(None)  # another fault of a library, which ends the process as it always does


def stop(message: str) -> None:
    """Ends this process at once, from whatever thread, as one that the machine has failed."""
    # Not by print: another thread may hold its lock for ever.
    os.write(2, f"\nerror: {message}\n".encode())
    os._exit(MachineFailed.exit_code)


def _answers(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=2):
            return True
    except (OSError, ValueError):
        return False


_HANDLERS: list[Any] = []  # C calls them, and does not keep them; the first is what was there


def on_abort(handle: Callable[[], None] | None) -> None:
    """Calls `handle` when C code aborts the process, in the thread that does; None: as before.

    Python's own signal handlers would only be called later, and there is no later.
    """
    libc = ctypes.CDLL(None)
    libc.signal.restype = ctypes.c_void_p
    if handle is None:
        before = ctypes.c_void_p(_HANDLERS[0] if _HANDLERS else None)
        libc.signal(int(signal.SIGABRT), before)
        return
    handler = ctypes.CFUNCTYPE(None, ctypes.c_int)(lambda number: handle())
    before = libc.signal(int(signal.SIGABRT), handler)
    _HANDLERS.extend([handler] if _HANDLERS else [before, handler])
