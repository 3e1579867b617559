"""Processes that belong together: started, listened to, signalled and ended together."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from types import FrameType
from typing import IO

from experiment.command import PREEMPTED

_SECONDS_BETWEEN_LOOKS = 0.1
_SECONDS_TO_TERMINATE = 10.0
_SECONDS_TO_DRAIN = 5.0


class Group:
    """One process for each command. What it says appears line by line, with its number in front."""

    def __init__(
        self, commands: Sequence[Sequence[str]], environment: Mapping[str, str], *, grace: float
    ) -> None:
        """`grace` is how many seconds the others have once one has ended badly."""
        self._commands, self._environment, self._grace = commands, environment, grace
        self._processes: list[subprocess.Popen[bytes]] = []
        self._readers: list[threading.Thread] = []
        self._writing = threading.Lock()
        self._asked: list[int] = []  # signals that came while processes were being started
        self._ended: dict[int, int] = {}  # process -> exit code, in the order of their ends

    def run(self) -> int:
        """Starts all, waits for all, and returns the exit code of the whole.

        No process is left behind, nor any that one of them started and did not detach.

        Raises:
          OSError: if the command cannot be started.
        """
        with self._signals():
            try:
                for number, command in enumerate(self._commands):
                    self._start(number, command)
                for asked in self._asked:
                    self._send(asked)
                self._wait()
            finally:
                self._send(signal.SIGKILL)
                for process in self._processes:
                    process.wait()
                for reader in self._readers:
                    reader.join(_SECONDS_TO_DRAIN)
        return exit_code(list(self._ended.values()))

    def _start(self, number: int, command: Sequence[str]) -> None:
        process = subprocess.Popen(
            command,
            env=dict(self._environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C reaches this process, which passes it on once
        )
        self._processes.append(process)
        for source, target in ((process.stdout, sys.stdout), (process.stderr, sys.stderr)):
            reader = threading.Thread(
                target=self._copy, args=(number, source, target.buffer), daemon=True
            )
            reader.start()
            self._readers.append(reader)

    def _copy(self, number: int, source: IO[bytes], target: IO[bytes]) -> None:
        """Copies lines until there are no more, even if nobody reads ours: no pipe may fill."""
        for line in source:
            with self._writing, contextlib.suppress(OSError):
                target.write(b"[%d] %s\n" % (number, line.rstrip(b"\r\n")))
                target.flush()

    def _wait(self) -> None:
        """Waits until all have ended; those that outlive the grace are made to."""
        kill_after = self._grace + _SECONDS_TO_TERMINATE
        means = [(self._grace, signal.SIGTERM), (kill_after, signal.SIGKILL)]
        bad_since: float | None = None  # when the first ended badly
        while len(self._ended) < len(self._processes):
            for number, process in enumerate(self._processes):
                if number not in self._ended and process.poll() is not None:
                    bad = self._note_end(number, process)
                    if bad and bad_since is None:
                        bad_since = time.monotonic()
                        self._say_who_ended(number)
            while bad_since is not None and means and time.monotonic() > bad_since + means[0][0]:
                _, asked = means.pop(0)
                self._say(f"sending {asked.name} to those that are left.")
                self._send(asked)
            time.sleep(_SECONDS_BETWEEN_LOOKS)

    def _note_end(self, number: int, process: subprocess.Popen[bytes]) -> bool:
        """Returns whether it ended badly; having been asked to stop is no bad end."""
        code = process.returncode
        self._ended[number] = code if code >= 0 else 128 - code
        # What it started itself ends with it.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        return code not in (0, PREEMPTED)

    def _say_who_ended(self, number: int) -> None:
        self._say(
            f"process {number} ended with exit code {self._ended[number]}; the others have "
            f"{self._grace:g} s to notice and end by themselves."
        )

    def _say(self, text: str) -> None:
        with self._writing, contextlib.suppress(OSError):
            print(f"[launch] {text}", file=sys.stderr, flush=True)

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        """Inside, SIGINT and SIGTERM are passed on to every process, each as often as it comes."""
        numbers = (signal.SIGINT, signal.SIGTERM)
        before = {number: signal.signal(number, self._pass_on) for number in numbers}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _pass_on(self, number: int, frame: FrameType | None) -> None:
        if len(self._processes) < len(self._commands):
            self._asked.append(number)
        else:
            self._send(number)

    def _send(self, number: int) -> None:
        """Signals each that has not ended, and all it has started in its session."""
        for process in self._processes:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(process.pid, number)


def exit_code(codes: Sequence[int]) -> int:
    """Returns the code of a whole whose parts ended with `codes`, in this order.

    Example:
      >>> exit_code([0, 0]), exit_code([0, 42, 42]), exit_code([42, 5, 143, 2])
      (0, 42, 5)
    """
    bad = [code for code in codes if code not in (0, PREEMPTED)]
    if bad:
        return bad[0]
    return PREEMPTED if PREEMPTED in codes else 0
