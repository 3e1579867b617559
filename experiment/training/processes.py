"""Several processes as one run: who is there, who is missing, and what the first tells the others.

Process 0 alone reads and writes the workdir; the others are told what they need of it. They talk
by the key-value store of JAX's coordination service, which lives in process 0: each wait has a name
and an end, and says who has not come. Each process counts its heartbeats there, so that one that
dies or hangs is named by the others, which then stop: they could only wait for it.
"""

import json
import platform
import time
import traceback
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, TypeVar

import jax
import numpy as np
from jax.experimental import multihost_utils

from experiment.errors import Failure, MachineFailed
from experiment.training.progress import PATIENCE_SECONDS, duration
from experiment.training.watch import LOST_AFTER_SECONDS, Watch

T = TypeVar("T")

SECONDS_TO_COME = 600.0  # to a meeting of all
SECONDS_TO_PREPARE = 24 * 3600.0  # a corpus, or to score one: those that wait hear the heartbeats
_SECONDS_BETWEEN_REMARKS = 60.0
_INTERRUPTED = 130


class Processes:
    """All processes of a run; a run of one is its own first.

    To be entered around all that they do together. Each calls the same methods in the same order.
    """

    def __init__(
        self,
        index: int = 0,
        count: int = 1,
        client: Any = None,
        address: str = "",
        say: Callable[[str], None] = lambda message: None,
    ) -> None:
        """`client` is that of JAX's coordination service; a process that is alone has none."""
        self.index, self.count = index, count
        self.hosts: list[str] = []  # by index, once all are here
        self._client, self._address, self._say, self._meetings = client, address, say, 0
        self._watch: Watch | None = None

    @property
    def is_first(self) -> bool:
        """Returns whether this is the process that reads and writes."""
        return self.index == 0

    def publish(self, key: str, text: str) -> None:
        """Leaves a text under `key` for the others to collect."""
        if self._client:
            self._client.key_value_set(f"{key}/{self.index}", text)

    def collect(self, key: str, what: str, seconds: float = SECONDS_TO_COME) -> list[str]:
        """Returns what each process published under `key`, in their order, when all have.

        Raises:
          MachineFailed: naming those that have not within `seconds`, and `what` they were awaited
            for.
        """
        return self._published(key, what, seconds, range(self.count))

    def wait(self, what: str, seconds: float = SECONDS_TO_COME) -> None:
        """Returns when all processes have come here; raises as `collect` does."""
        if self._client:
            key = self._meeting()
            self.publish(key, "")
            self.collect(key, what, seconds)

    def from_first(
        self, what: str, make: Callable[[], T], seconds: float = SECONDS_TO_PREPARE
    ) -> T:
        """Returns what `make` returns in the first process; the others wait for it.

        It has to be such that JSON can hold it. A ValueError or a Failure that it raises there is
        raised in the others too; anything else ends the first process, and then the others.
        """
        if not self._client:
            return make()
        key = self._meeting()
        if self.is_first:
            try:
                made = make()
            except (ValueError, Failure) as error:
                code = error.exit_code if isinstance(error, Failure) else None
                self.publish(key, json.dumps({"error": str(error), "exit_code": code}))
                raise
            self.publish(key, json.dumps({"made": made}))
        answer = json.loads(self._published(key, what, seconds, range(1))[0])
        if "error" in answer:
            raise _failure(answer)
        as_sent: T = answer["made"]
        return as_sent

    def after_first(self, what: str, make: Callable[[], T]) -> T:
        """Returns what `make` returns in this process, once it has done so in the first.

        Where disks are not shared each host has to make it anew: its first process does, and only
        then the others there, which find it made.
        """
        if not self._client:
            return make()
        made: list[T] = []
        self.from_first(what, lambda: made.append(make()))
        is_first_here = self.index == self.hosts.index(self.hosts[self.index])
        if is_first_here and not self.is_first:
            made.append(make())
        self.wait(f"{what} on every host", SECONDS_TO_PREPARE)
        if not is_first_here:
            made.append(make())
        self.wait(f"{what} everywhere", SECONDS_TO_PREPARE)
        return made[0]

    def check_same(self, what: str, values: Mapping[str, Any]) -> None:
        """Refuses to go on with processes of which one has other values than the first.

        Raises:
          ValueError: naming the first that differs, and both.
        """
        if not self._client:
            return
        key = self._meeting()
        self.publish(key, json.dumps(values))
        first, *others = map(json.loads, self.collect(key, f"{what} to be compared"))
        for index, other in enumerate(others, 1):
            for name, value in first.items():
                if other.get(name) != value:
                    raise ValueError(
                        f"{name} must be the same in every process: {self.named(index)} has "
                        f"{str(other.get(name))[:100]}, {self.named(0)} has {str(value)[:100]}."
                    )

    def spread(self, tree: Any) -> Any:
        """Returns the numpy arrays of the first process, bit for bit; others give any alike."""
        if not self._client:
            return tree

        def spread(array: Any) -> np.ndarray:
            array = np.asarray(array)
            # As bytes: a sum with zeros, by which it is done, would make 0 of -0.
            sent = multihost_utils.broadcast_one_to_all(
                np.ascontiguousarray(array).reshape(-1).view(np.uint8)
            )
            return np.asarray(sent).view(array.dtype).reshape(array.shape)

        return jax.tree.map(spread, tree)

    def named(self, index: int) -> str:
        """Returns how a process is called."""
        host = f" ({self.hosts[index]})" if index < len(self.hosts) else ""
        return f"process {index}{host}"

    def __enter__(self) -> "Processes":
        if self._client:
            self.publish("host", platform.node())
            self.hosts = self.collect("host", "all processes to start")
            self._watch = Watch(self._client, self.index, self.named, self.count, self._address)
            self._watch.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if not self._watch:
            return
        if isinstance(error, KeyboardInterrupt):
            self._say("interrupted; what was saved is whole.")
            self._watch.leave(_INTERRUPTED)
        elif error is not None and not isinstance(error, SystemExit):
            traceback.print_exception(error)
            # It may be that another process is gone; then the watch says so, and ends this one.
            self._watch.fails()
            time.sleep(LOST_AFTER_SECONDS + 10)
        self._watch.leave(_exit_code(error))

    def _meeting(self) -> str:
        self._meetings += 1
        return f"meeting/{self._meetings}"

    def _published(self, key: str, what: str, seconds: float, wanted: range) -> list[str]:
        started = said = time.monotonic()
        patience = PATIENCE_SECONDS
        while True:
            found = dict(self._client.key_value_dir_get(f"{key}/")) if self._client else {}
            there = {int(name.rpartition("/")[2]): text for name, text in found.items()}
            missing = [index for index in wanted if index not in there]
            if not missing:
                return [there[index] for index in wanted]
            now = time.monotonic()
            names = ", ".join(map(self.named, missing[:8])) + ", ..." * (len(missing) > 8)
            if now - started > seconds:
                raise MachineFailed(
                    f"Waited {duration(seconds)} for {what}; missing: {names}. Look there, and "
                    "start all of them again: the same command goes on from the newest checkpoint."
                )
            if now - said > patience and (self.is_first or missing != [0]):
                said, patience = now, _SECONDS_BETWEEN_REMARKS
                self._say(f"waiting for {what}, {duration(now - started)} so far; missing: {names}")
            time.sleep(min(0.5, 0.05 + (now - started) / 20))


def _failure(answer: Mapping[str, Any]) -> Exception:
    """Returns what the first process raised."""
    if answer["exit_code"] is None:
        return ValueError(answer["error"])
    failure = Failure(answer["error"])
    failure.exit_code = answer["exit_code"]  # type: ignore[misc]
    return failure


def _exit_code(error: BaseException | None) -> int:
    if error is None:
        return 0
    return error.code if isinstance(error, SystemExit) and isinstance(error.code, int) else 1
