"""Runs the rows of a sweep: each a `train.py` of its own, one after another or several at once."""

import dataclasses
import os
import pathlib
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence

from experiment.sweep.rows import Row
from experiment.training import Progress, StopRequest, duration

_SECONDS_BETWEEN_LOOKS = 0.2


@dataclasses.dataclass
class _Running:
    """A row that is being trained."""

    row: Row
    process: subprocess.Popen[bytes]
    slot: int  # which share of the processors it has
    first_step: int  # it goes on from here
    log: pathlib.Path
    said_before: int  # bytes of the log, of earlier starts

    def done(self) -> float:
        """Returns how much of the row's cost was spent since it was started."""
        steps = self.row.step - self.first_step
        return self.row.cost * max(0, steps) / self.row.config.train.num_steps


class Runner:
    """Trains rows in at most `processes` processes; the processors are divided among them."""

    def __init__(
        self,
        command: Callable[[Row], Sequence[str]],
        folder: pathlib.Path,
        *,
        processes: int,
        progress: Progress,
        finished: Callable[[Row], None],
    ) -> None:
        """`command` gives the arguments that train a row; `finished` hears of each that is done.

        What a row prints goes to `folder/ROW/log.txt`.
        """
        self._command, self._folder, self._processes = command, folder, processes
        self._progress, self._finished = progress, finished
        self._shares: list[list[int]] = []
        self._started = time.monotonic()
        self._done = self._left = 0.0  # costs
        self._asked: set[str] = set()  # rows that were asked to stop
        self.exit_codes: dict[str, int] = {}  # of the rows that ended, by name

    def run(self, rows: Sequence[Row]) -> bool:
        """Trains all `rows`; returns whether it came to the end, rather than being asked to stop.

        A row that fails does not keep the others from being trained. When this process fails, the
        rows that are being trained save and stop.
        """
        self._shares = shares(sorted(_processors()), max(1, min(self._processes, len(rows))))
        self._left = sum(row.cost * (1 - row.step / row.config.train.num_steps) for row in rows)
        waiting, running = list(rows), list[_Running]()
        with StopRequest(self._progress.say) as stop:
            try:
                while running or (waiting and not stop.asked):
                    self._fill(running, waiting if not stop.asked else [])
                    if stop.asked:
                        self._ask_to_stop(running)
                    running[:] = [each for each in running if not self._has_ended(each)]
                    self._show(running, len(waiting))
                    time.sleep(_SECONDS_BETWEEN_LOOKS)
            finally:
                self._ask_to_stop(running)
                for each in running:
                    each.process.wait()
        self._progress.clear()
        return not stop.asked

    def _fill(self, running: list[_Running], waiting: list[Row]) -> None:
        """Starts rows that wait, as long as a share of the processors is free."""
        taken = {each.slot for each in running}
        for slot in range(len(self._shares)):
            if slot not in taken and waiting:
                running.append(self._start(waiting.pop(0), slot))

    def _start(self, row: Row, slot: int) -> _Running:
        environment = dict(os.environ)
        is_set = any("CLIENT_MEM_FRACTION" in name for name in environment)
        if len(self._shares) > 1 and not is_set:
            # On a GPU each process would else take three quarters of the memory.
            environment["XLA_CLIENT_MEM_FRACTION"] = f"{0.9 / len(self._shares):.2f}"
        log = self._folder / row.name / "log.txt"
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            said_before = output.tell()
            process = subprocess.Popen(
                self._command(row),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=environment,
                start_new_session=True,  # Ctrl-C reaches this process, which passes it on once
            )
        if hasattr(os, "sched_setaffinity") and len(self._shares) > 1:
            os.sched_setaffinity(process.pid, self._shares[slot])
        self._progress.say(f"{row.name}: started; its log is {log}")
        return _Running(row, process, slot, row.step, log, said_before)

    def _ask_to_stop(self, running: Sequence[_Running]) -> None:
        """Passes the request on, once: a second one would keep a row from saving."""
        for each in running:
            if each.row.name not in self._asked and each.process.poll() is None:
                self._asked.add(each.row.name)
                each.process.send_signal(signal.SIGINT)

    def _has_ended(self, running: _Running) -> bool:
        code, row = running.process.poll(), running.row
        if code is None:
            return False
        self.exit_codes[row.name] = code
        self._left -= row.cost * (1 - running.first_step / row.config.train.num_steps)
        if row.results():
            self._done += running.done()
            self._progress.say(f"{row.name}: finished")
            self._finished(row)
        else:
            said = last_line(running.log, running.said_before)
            self._progress.say(f"{row.name}: ended with exit code {code}: {said}")
        return True

    def _show(self, running: Sequence[_Running], waiting: int) -> None:
        shown = ", ".join(
            f"{each.row.name} step {each.row.step:,}/{each.row.config.train.num_steps:,}"
            for each in running
        )
        here = sum(each.done() for each in running)
        gone, done = time.monotonic() - self._started, self._done + here
        left = f", about {duration(gone / done * (self._left - here))} left" if done else ""
        self._progress.update(
            f"{len(self.exit_codes)} rows ended, {waiting} waiting; {shown or 'no row'}; "
            f"{duration(gone)} gone{left}"
        )


def shares(processors: Sequence[int], processes: int) -> list[list[int]]:
    """Returns which processors each of so many processes gets: as equal as can be, none shared.

    Where there are fewer processors than processes, they are shared in turn.

    Example:
      >>> shares([0, 1, 2, 3, 4], 2), shares([0, 1], 3)
      ([[0, 2, 4], [1, 3]], [[0], [1], [0]])
    """
    if processes > len(processors):
        return [[processors[n % len(processors)]] for n in range(processes)]
    return [list(processors[n::processes]) for n in range(processes)]


def train_command(
    path: str, overrides: Sequence[str], row: Row, folder: pathlib.Path, options: Sequence[str]
) -> list[str]:
    """Returns the command that trains a row of the config file `path` into `folder`."""
    train = pathlib.Path(__file__).parents[2] / "train.py"
    config = f"--config={path}:{row.name}"
    return [sys.executable, str(train), config, *overrides, f"--workdir={folder}", *options]


def last_line(log: pathlib.Path, start: int = 0) -> str:
    """Returns what a log ends with, of what it says from byte `start` on."""
    said = log.read_bytes()[start:].decode(errors="replace")
    lines = [line.strip() for line in said.replace("\r", "\n").split("\n")]
    return next((line for line in reversed(lines) if line), "it says nothing")


def _processors() -> set[int]:
    if hasattr(os, "sched_getaffinity"):
        return os.sched_getaffinity(0)
    return set(range(os.cpu_count() or 1))
