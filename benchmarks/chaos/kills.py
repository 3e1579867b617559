"""A run that is killed again and again, and started again by the same command."""

import contextlib
import pathlib
import random
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from benchmarks.chaos import watched
from benchmarks.chaos.watched import Watched
from experiment.training import Checkpoints

Aim = str | int  # a state of the process; or a step that it has taken, whatever it does then

# For one run: nothing is as likely to break as a save.
AIMS: tuple[Aim, ...] = (
    watched.STARTING,
    watched.COMPILING,
    watched.TRAINING,
    watched.FETCHING,
    *[watched.ARRAYS] * 3,
    *[watched.MANIFEST] * 2,
    watched.CLEARING,
    watched.EVALUATING,
)
MOST_TIMES = 2  # now and then a save is let pass, so that the run gets on
_OFTEN = (watched.TRAINING, watched.FETCHING, watched.ARRAYS, watched.MANIFEST)


class Kill(NamedTuple):
    """What one of them hit."""

    state: str
    step: int


class Killed(NamedTuple):
    """A run that came to its end nevertheless."""

    kills: list[Kill]
    repeated: list[int]  # steps taken again, each time it went on
    said: list[str]
    litter: Sequence[str] = ()

    def count(self, words: str) -> int:
        """Returns how many lines say so."""
        return sum(words in line for line in self.said)

    def troubles(self) -> list[str]:
        """Returns what should not have been said: a kill leaves steps unfinished, never damaged."""
        return [line for line in self.said if "damaged" in line]


def uninterrupted(arguments: Sequence[str], workdir: pathlib.Path) -> dict[str, float]:
    """Trains to the end; returns how long a killer waits at most, by what it aims at.

    That is as long as it takes each time.

    Raises:
      RuntimeError: if it fails.
    """
    with contextlib.closing(Watched(arguments, workdir)) as process:
        while process.look():
            pass
        _check_success(process)
        return {state: process.seconds[state] / process.times[state] for state in process.times}


def killed(
    arguments: Sequence[str],
    workdir: pathlib.Path,
    seconds: Mapping[str, float],
    aims: Sequence[Aim],
    chance: random.Random,
    tell: Callable[[Kill], None],
) -> Killed:
    """Trains to the end, and is killed once for every aim as long as there is something to hit."""
    done, reached = Killed([], [], []), 0
    for aim in [*aims, None]:
        with contextlib.closing(Watched(arguments, workdir)) as process:
            hit = aim is not None and _kill(process, aim, seconds, chance)
            while not hit and process.look():
                pass
            done.said.extend(process.said)
            if done.kills and process.goes_on_after is not None:
                done.repeated.append(max(0, reached - process.goes_on_after))
                reached = 0
            reached = max(reached, process.step)
            if not hit:
                break
            done.kills.append(Kill(process.state, process.step))
            done.said.extend(_not_whole(workdir))
            tell(done.kills[-1])
    _check_success(process)
    return done


def _kill(process: Watched, aim: Aim, seconds: Mapping[str, float], chance: random.Random) -> bool:
    """Kills in the midst of what is aimed at; returns whether there was something to kill."""
    times = chance.randint(1, MOST_TIMES) if aim in _OFTEN else 1
    while process.step < aim if isinstance(aim, int) else process.times[aim] < times:
        if not process.look():
            return False
    begun = process.alive
    state = watched.TRAINING if isinstance(aim, int) else aim
    lives = chance.uniform(0, seconds.get(state, 0.0))
    while process.alive - begun < lives:
        if not process.look():
            return False
    return process.kill()


def _not_whole(workdir: pathlib.Path) -> list[str]:
    """Returns what a reader says that comes at this instant: a step is whole, or is not there."""
    said: list[str] = []
    Checkpoints(workdir / "checkpoints", say=said.append).steps()
    return said


def _check_success(process: Watched) -> None:
    if process.code() != 0:
        said = "\n".join(process.said[-30:])
        raise RuntimeError(f"train.py ended with exit code {process.code()}:\n{said}")
