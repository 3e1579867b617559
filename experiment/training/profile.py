"""A trace of some steps, on request: what host and devices did in them, and when."""

import contextlib
import pathlib
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import NamedTuple

import jax


class Profile(NamedTuple):
    """The steps to trace: those after step `start`, to step `end`."""

    start: int
    end: int


def profile_of(flag: str | None, num_steps: int) -> Profile | None:
    """Returns what `--profile=FROM:TO` asks for in a run of `num_steps`, None without it.

    Raises:
      ValueError: if it is no such pair of numbers, or not within the run.
    """
    if flag is None:
        return None
    start, _, end = flag.partition(":")
    digits = flag.isascii() and start.isdigit() and end.isdigit()
    if not (digits and int(start) < int(end)):
        raise ValueError(
            f"--profile={flag} must be FROM:TO, two whole numbers of which the first is smaller. "
            "100:110 traces the ten steps after step 100."
        )
    if int(end) > num_steps:
        raise ValueError(
            f"--profile={flag} must end within the run, which has {num_steps} steps. "
            f"Use at most {num_steps} for TO, or raise train.num_steps."
        )
    return Profile(int(start), int(end))


class Profiler:
    """Traces the steps of `profile` into `folder`; the first of several processes does.

    Training goes on where no trace can be taken or written: that is said, and no more. What of it
    is over when a run goes on is not traced. Left by an exception, it keeps what there is.
    """

    def __init__(
        self,
        profile: Profile | None,
        folder: pathlib.Path,
        *,
        say: Callable[[str], None],
        wait: Callable[[], object],
    ) -> None:
        """`wait` returns when the devices have done what they were given."""
        self._profile = profile if jax.process_index() == 0 else None
        self._folder, self._say, self._wait = folder, say, wait
        self._first: int | None = None  # the step that is the first in the trace being taken

    def __enter__(self) -> "Profiler":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._first is not None:
            self._end("the steps")

    @contextlib.contextmanager
    def step(self, number: int) -> Iterator[None]:
        """Inside, step `number` is taken: traced, if it is one of those asked for."""
        profile = self._profile
        if profile is None or number <= profile.start:
            yield
            return
        if self._first is None:
            self._begin(number, profile)
        if self._first is None:
            yield
            return
        with jax.profiler.StepTraceAnnotation("train", step_num=number):
            yield
        if number == profile.end:
            self._end(f"steps {self._first:,} to {number:,}")

    def _begin(self, number: int, profile: Profile) -> None:
        asked = f"--profile={profile.start}:{profile.end}"
        if number > profile.end:
            self._profile = None
            self._say(f"{asked} is over before step {number:,}, the first one now: not traced.")
            return
        options = jax.profiler.ProfileOptions()
        # Every call of Python in the trace would slow down what it is to show.
        options.python_tracer_level = 0
        self._wait()
        try:
            jax.profiler.start_trace(self._folder, profiler_options=options)
        except Exception as error:
            self._profile = None
            self._say(f"{asked}: no trace can be taken ({_first_line(error)}); training goes on.")
        else:
            self._first = number

    def _end(self, steps: str) -> None:
        self._profile = self._first = None
        with contextlib.suppress(Exception):  # of the steps, whose caller will meet it too
            self._wait()
        try:
            jax.profiler.stop_trace()
        except Exception as error:
            self._say(f"the trace could not be written ({_first_line(error)}); training goes on.")
            return
        found = sorted(self._folder.glob("plugins/profile/*/*.trace.json.gz"))
        single = f", or open {found[-1]} in https://ui.perfetto.dev" if found else ""
        self._say(
            f"{steps} are traced in {self._folder}. To look: pip install xprof, then "
            f"tensorboard --logdir={self._folder}, Profile{single}."
        )


def _first_line(error: Exception) -> str:
    return str(error).split("\n")[0] or type(error).__name__
