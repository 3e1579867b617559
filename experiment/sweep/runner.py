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

_SECONDS_BETWEEN_LOOKS = 1.0


@dataclasses.dataclass
class _Running:
    """A row that is being trained."""

    row: Row
    process: subprocess.Popen[bytes]
    slot: int  # which share of the processors it has


class Runner:
    """Trains rows in at most `processes` processes; the processors are divided among them."""

    def __init__(
        self,
        command: Callable[[Row], Sequence[str]],
        logs: pathlib.Path,
        *,
        processes: int,
        progress: Progress,
        finished: Callable[[Row], None],
    ) -> None:
        """`command` gives the arguments that train a row; `finished` hears of each that is done.

        What a row prints goes to `logs/ROW.log`.
        """
        self._command, self._logs = command, logs
        self._shares = shares(sorted(_processors()), processes)
        self._progress, self._finished = progress, finished
        self._started = time.monotonic()
        self._done_cost = self._total_cost = 0.0
        self.exit_codes: dict[str, int] = {}  # of the rows that ended, by name

    def run(self, rows: Sequence[Row]) -> bool:
        """Trains all `rows`; returns whether it came to the end, rather than being asked to stop.

        A row that fails does not keep the others from being trained.
        """
        self._logs.mkdir(parents=True, exist_ok=True)
        self._total_cost = sum(row.cost for row in rows)
        waiting, running = list(rows), list[_Running]()
        with StopRequest(self._progress.say) as stop:
            told = False
            while running or (waiting and not stop.asked):
                free = [n for n in range(len(self._shares)) if n not in [r.slot for r in running]]
                for slot in free[: len(waiting)] if not stop.asked else []:
                    running.append(self._start(waiting.pop(0), slot))
                if stop.asked and not told:
                    told = True
                    for each in running:
                        each.process.send_signal(signal.SIGINT)
                running = [each for each in running if not self._has_ended(each)]
                self._show(running, len(waiting))
                time.sleep(_SECONDS_BETWEEN_LOOKS)
        self._progress.clear()
        return not stop.asked

    def _start(self, row: Row, slot: int) -> _Running:
        environment = dict(os.environ)
        if len(self._shares) > 1:
            # On a GPU each process would else take three quarters of the memory.
            fraction = f"{0.9 / len(self._shares):.2f}"
            environment.setdefault("XLA_PYTHON_CLIENT_MEM_FRACTION", fraction)
        with (self._logs / f"{row.name}.log").open("ab") as log:
            process = subprocess.Popen(
                self._command(row),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment,
                start_new_session=True,  # Ctrl-C reaches this process, which passes it on once
            )
        if hasattr(os, "sched_setaffinity") and len(self._shares) > 1:
            os.sched_setaffinity(process.pid, self._shares[slot])
        self._progress.say(f"{row.name}: started; its log is {self._logs / row.name}.log")
        return _Running(row, process, slot)

    def _has_ended(self, running: _Running) -> bool:
        code, row = running.process.poll(), running.row
        if code is None:
            return False
        self.exit_codes[row.name] = code
        self._done_cost += row.cost
        if row.results():
            self._progress.say(f"{row.name}: finished")
            self._finished(row)
        else:
            last = last_line(self._logs / f"{row.name}.log")
            self._progress.say(f"{row.name}: ended with exit code {code}: {last}")
        return True

    def _show(self, running: Sequence[_Running], waiting: int) -> None:
        parts, running_cost = [], 0.0
        for each in running:
            step, num_steps = each.row.step, each.row.config.train.num_steps
            running_cost += each.row.cost * step / num_steps
            parts.append(f"{each.row.name} step {step:,}/{num_steps:,}")
        done = self._done_cost + running_cost
        gone = time.monotonic() - self._started
        left = duration(gone / done * (self._total_cost - done)) if done else "unknown time"
        shown = ", ".join(parts) or "no row"
        self._progress.update(
            f"{len(self.exit_codes)} rows done, {waiting} waiting; {shown}; "
            f"{duration(gone)} gone, about {left} left"
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


def last_line(path: pathlib.Path) -> str:
    """Returns what a log ends with."""
    lines = path.read_text(errors="replace").replace("\r", "\n").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "(it says nothing)")


def _processors() -> set[int]:
    if hasattr(os, "sched_getaffinity"):
        return os.sched_getaffinity(0)
    return set(range(os.cpu_count() or 1))
