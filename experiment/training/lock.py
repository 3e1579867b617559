"""One writer for a folder: a lock that knows who holds it, and whether they still live.

On one machine the kernel knows (`flock` is released when its process dies). Between machines that
share a folder it may not, and clocks may differ; there a holder counts its heartbeats in the file,
and whoever comes watches for a while whether the count goes on.
"""

import contextlib
import fcntl
import itertools
import json
import os
import pathlib
import platform
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from experiment.errors import InUse
from experiment.training.seeds import PlannedRun

NAME = "lock"
SECONDS_BETWEEN_BEATS = 5.0
SECONDS_OF_WATCHING = 20.0


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
        _take(descriptor, path, say, kernel_knows)
        stopped = threading.Event()
        beating = threading.Thread(target=_beat, args=(descriptor, stopped), daemon=True)
        beating.start()
        try:
            yield
        finally:
            stopped.set()
            beating.join()
            with contextlib.suppress(OSError):  # the folder may be gone, and the lock with it
                path.unlink()


@contextlib.contextmanager
def locked_all(runs: Sequence[PlannedRun], say: Callable[[str], None]) -> Iterator[None]:
    """Holds the locks of all the runs' workdirs."""
    with contextlib.ExitStack() as locks:
        for run in runs:
            locks.enter_context(locked(run.workdir.path, say))
        yield


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
    except FileNotFoundError:
        return False


def _take(
    descriptor: int, path: pathlib.Path, say: Callable[[str], None], kernel_knows: bool
) -> None:
    """Takes the lock over from whoever left it, unless they live where the kernel does not see."""
    holder = _read(descriptor)
    if not holder:
        return
    named = _named(holder)
    if holder.get("host") != platform.node() or not kernel_knows:
        say(
            f"{path.parent} is locked by {named}; watching for {SECONDS_OF_WATCHING:.0f} s whether "
            "it is alive ..."
        )
        end = time.monotonic() + SECONDS_OF_WATCHING
        while time.monotonic() < end:
            time.sleep(min(0.5, SECONDS_OF_WATCHING / 10))
            if _read(descriptor) != holder:
                raise InUse(_held(path, holder))
    say(f"{path.parent} was left locked by {named}, which is gone; taken over.")


def _beat(descriptor: int, stopped: threading.Event) -> None:
    for beat in itertools.count():
        holder = {"host": platform.node(), "process": os.getpid(), "beat": beat}
        with contextlib.suppress(OSError):  # a full disk is found by what has to be written
            os.pwrite(descriptor, f"{json.dumps(holder):<120}\n".encode(), 0)
        if stopped.wait(SECONDS_BETWEEN_BEATS):
            return


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
