"""A process of train.py that is watched, so that it can be killed in the midst of something."""

import contextlib
import os
import pathlib
import pty
import re
import select
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Sequence

ROOT = pathlib.Path(__file__).parents[2]
# One CPU device, whatever there is; the processors are those of this process.
ENVIRONMENT = {**os.environ, "JAX_PLATFORMS": "cpu", "XLA_FLAGS": ""}
SECONDS_BETWEEN_LOOKS = 0.002  # folders of a step half written are seen for some milliseconds only

STARTING, COMPILING, TRAINING = "starting", "compiling", "training"
EVALUATING, SCORING = "evaluating", "scoring"
# A save as files tell it: Orbax writes arrays, then the manifest is made, then an old step goes.
FETCHING, ARRAYS = "saving: state fetched", "saving: arrays written"
MANIFEST, CLEARING = "saving: manifest written", "saving: old step deleted"
STATES = (STARTING, COMPILING, TRAINING, FETCHING, ARRAYS, MANIFEST, CLEARING, EVALUATING, SCORING)

_BEGINS = (
    (re.compile(r"compiling the step "), COMPILING),
    (re.compile(r"step [\d,]+: saving"), FETCHING),
    (re.compile(r"step [\d,]+: (evaluating|translated)"), EVALUATING),
    (re.compile(r"step [\d,]+(/|  )|.* parameters on .* steps in all"), TRAINING),
    (re.compile(r".*: scoring |translated "), SCORING),
)
_STEP = re.compile(r"step ([\d,]+)(?:/|:|  )")
_HEADLINE = re.compile(
    r".* parameters on .*; (?:starts|goes on after step ([\d,]+)), .* steps in all"
)


class Watched:
    """Runs train.py at a terminal of its own: there it says all that it does, at once."""

    def __init__(self, arguments: Sequence[str], workdir: pathlib.Path) -> None:
        """Starts it."""
        self._checkpoints = workdir / "checkpoints"
        self._terminal, theirs = pty.openpty()
        self._process = subprocess.Popen(
            [sys.executable, str(ROOT / "train.py"), *arguments, f"--workdir={workdir}"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=theirs,
            env=ENVIRONMENT,
        )
        os.close(theirs)
        self._unread, self._began = b"", time.monotonic()
        self._does, self._files = STARTING, ""  # as the last line has it; as files have it
        self.said: list[str] = []
        self.goes_on_after: int | None = None  # once it has said so; 0 from the start
        self.step = 0  # the last it spoke of
        self.alive = 0.0  # seconds
        self.seconds: defaultdict[str, float] = defaultdict(float)  # in every state ...
        self.times: Counter[str] = Counter([STARTING])  # ... and how often it came into it

    @property
    def state(self) -> str:
        """What it is doing. A step is written in the background: files say more than lines."""
        return self._files or self._does

    def look(self) -> bool:
        """Waits a moment, takes notice of what it did; returns whether it still runs."""
        before, since = self.state, self.alive
        ended = self._process.poll() is not None
        self._read(0 if ended else SECONDS_BETWEEN_LOOKS)
        files = "" if self._does == STARTING else half_written(self._checkpoints)
        if self._files and not files and self._does == FETCHING:
            self._does = TRAINING
        self._files = files
        self.alive = time.monotonic() - self._began
        self.seconds[before] += self.alive - since
        if self.state != before:
            self.times[self.state] += 1
        return not ended

    def kill(self) -> bool:
        """Ends it as a machine does that fails; returns False if it had come to its end before."""
        self._process.kill()
        killed = self._process.wait() < 0
        self.look()
        return killed

    def code(self) -> int:
        """Returns the exit code of what has ended."""
        return self._process.wait()

    def close(self) -> None:
        """Leaves nothing behind."""
        self._process.kill()
        self._process.wait()
        os.close(self._terminal)

    def _read(self, seconds: float) -> None:
        while select.select([self._terminal], [], [], seconds)[0]:
            try:
                self._unread += os.read(self._terminal, 65_536)
            except OSError:  # the other end is closed
                break
            seconds = 0
        *lines, self._unread = re.split(rb"[\r\n]+", self._unread)
        # A line that will be replaced has no end yet; what is cut off in it is read again.
        for line in [*lines, self._unread]:
            self._understand(line.decode(errors="replace").replace("\033[K", ""))
        self.said += [line.decode(errors="replace").replace("\033[K", "") for line in lines]

    def _understand(self, line: str) -> None:
        for pattern, state in _BEGINS:
            if pattern.match(line):
                self._does = state
                break
        if found := _STEP.match(line):
            self.step = max(self.step, _number(found[1]))
        if found := _HEADLINE.match(line):
            self.goes_on_after = self.step = _number(found[1] or "0")


def half_written(checkpoints: pathlib.Path) -> str:
    """Returns what of a step is half written, or half deleted, beside those in the folder."""
    names: list[str] = []
    with contextlib.suppress(FileNotFoundError):
        names = os.listdir(checkpoints / ".unfinished")
    for name in names:
        if ".orbax-checkpoint-tmp" in name:
            return ARRAYS
        return MANIFEST if name.isdecimal() else CLEARING
    return ""


def _number(text: str) -> int:
    return int(text.replace(",", ""))
