"""One writer for a folder: a lock that knows who holds it, and whether they still live.

On one machine the kernel knows (`flock` is released when its process dies). Between machines that
share a folder it may not, and clocks may differ; there a holder counts its heartbeats in the file,
and whoever comes watches for a while whether the count goes on. A holder that finds its lock in
other hands, having been asleep meanwhile, ends at once: two must not write.
"""

import contextlib
import fcntl
import itertools
import json
import os
import pathlib
import platform
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from experiment.errors import InUse
from experiment.training.seeds import PlannedRun

NAME = "lock"
SECONDS_BETWEEN_BEATS = 5.0
SECONDS_OF_WATCHING = 20.0
SECONDS_TO_SETTLE = 1.0  # until another that came at the same moment has written its name


@contextlib.contextmanager
def locked(folder: pathlib.Path, say: Callable[[str], None]) -> Iterator[None]:
    """Holds the lock of `folder`, which is made, while the block runs.

    A lock that a dead process left is taken over, and `say` is told so.

    Raises:
      InUse: if another process holds it, naming that one.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / NAME
    with _opened(path) as (descriptor, kernel_knows):
        if not kernel_knows or _read(descriptor).get("host") != platform.node():
            _watch(descriptor, path, say)
        if holder := _read(descriptor):
            say(f"{folder} was left locked by {_named(holder)}, which is gone; taken over.")
        beat = _Heartbeat(descriptor, path, say)
        if not kernel_knows:
            time.sleep(SECONDS_TO_SETTLE)
            beat.check()
        beat.start()
        try:
            yield
        finally:
            beat.stop()
            if beat.is_ours():
                with contextlib.suppress(OSError):  # the folder may be gone, and the lock with it
                    path.unlink()


@contextlib.contextmanager
def locked_all(runs: Sequence[PlannedRun], say: Callable[[str], None]) -> Iterator[None]:
    """Holds the locks of all the runs' workdirs."""
    with contextlib.ExitStack() as locks:
        for run in runs:
            locks.enter_context(locked(run.workdir.path, say))
        yield


class _Heartbeat:
    """Writes into the lock, now and then, who holds it."""

    def __init__(self, descriptor: int, path: pathlib.Path, say: Callable[[str], None]) -> None:
        """Writes it once."""
        self._descriptor, self._path, self._say = descriptor, path, say
        self._token = secrets.token_hex(8)
        self._folder = path.parent.stat()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._beat, daemon=True)
        self._write(0)

    def start(self) -> None:
        """Goes on in the background."""
        self._thread.start()

    def stop(self) -> None:
        """Returns when nothing is written any more."""
        self._stopped.set()
        self._thread.join()

    def is_ours(self) -> bool:
        """Returns whether the lock still says what was written here."""
        return _read(self._descriptor).get("token") == self._token and _is_at(
            self._descriptor, self._path
        )

    def check(self) -> None:
        """Raises InUse if the lock is in other hands."""
        if not self.is_ours():
            raise InUse(_held(self._path, _read(self._descriptor)))

    def _beat(self) -> None:
        for count in itertools.count(1):
            if self._stopped.wait(SECONDS_BETWEEN_BEATS):
                return
            holder = _looked_at(self._path)
            if holder and holder.get("token") != self._token:
                self._say(f"{_held(self._path, holder)} This process stops at once.")
                os._exit(InUse.exit_code)
            if not self._path.exists() and self._is_where_it_was():
                self._say(f"{self._path} was removed; this process stops at once.")
                os._exit(InUse.exit_code)
            self._write(count)

    def _is_where_it_was(self) -> bool:
        """Returns whether the folder is the one that was locked; one moved away is not removed."""
        try:
            return os.path.samestat(self._folder, self._path.parent.stat())
        except OSError:
            return False

    def _write(self, count: int) -> None:
        holder = {
            "host": platform.node(),
            "process": os.getpid(),
            "token": self._token,
            "beat": count,
        }
        with contextlib.suppress(OSError):  # a full disk is found by what has to be written
            os.pwrite(self._descriptor, f"{json.dumps(holder):<160}\n".encode(), 0)
            os.fsync(self._descriptor)  # else another machine may see it too late


@contextlib.contextmanager
def _opened(path: pathlib.Path) -> Iterator[tuple[int, bool]]:
    """Opens the file at `path`, and returns whether the kernel gives it to this process alone."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            kernel_knows = _ask_kernel(descriptor, path)
            if not _is_at(descriptor, path):  # its holder was just letting go of it
                continue
            yield descriptor, kernel_knows
            return
        finally:
            os.close(descriptor)


def _ask_kernel(descriptor: int, path: pathlib.Path) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise InUse(_held(path, _read(descriptor))) from None
    except OSError:
        return False  # a file system without locks: the heartbeat will tell
    return True


def _is_at(descriptor: int, path: pathlib.Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except OSError:
        return False


def _watch(descriptor: int, path: pathlib.Path, say: Callable[[str], None]) -> None:
    """Returns once whoever holds the lock, if any, has shown no sign of life for a while.

    Raises:
      InUse: if they show one.
    """
    holder = _read(descriptor)
    if not holder:
        return
    say(
        f"{path.parent} is locked by {_named(holder)}; watching for {SECONDS_OF_WATCHING:.0f} s "
        "whether it is alive ..."
    )
    end = time.monotonic() + SECONDS_OF_WATCHING
    while time.monotonic() < end:
        time.sleep(min(0.5, SECONDS_OF_WATCHING / 10))
        if _looked_at(path) != holder:
            raise InUse(_held(path, holder))


def _looked_at(path: pathlib.Path) -> dict[str, Any]:
    """Returns what the lock says, opened anew: what is open may be what was there before."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return {}
    try:
        return _read(descriptor)
    finally:
        os.close(descriptor)


def _read(descriptor: int) -> dict[str, Any]:
    """Returns what the holder wrote, or nothing."""
    try:
        holder = json.loads(os.pread(descriptor, 4096, 0))
    except (OSError, ValueError):
        return {}
    return holder if isinstance(holder, dict) else {}


def _named(holder: dict[str, Any]) -> str:
    if not holder:
        return "another process"
    return f"process {holder.get('process')} on {holder.get('host')}"


def _held(path: pathlib.Path, holder: dict[str, Any]) -> str:
    return (
        f"{path.parent} is in use by {_named(holder)}. Wait for it, stop it, or choose another "
        "--workdir."
    )
