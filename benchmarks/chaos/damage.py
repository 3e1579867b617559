"""Every byte of a checkpoint, damaged one after another."""

import contextlib
import functools
import pathlib
import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import jax

from experiment.analysis import runs
from experiment.training import (
    Checkpoints,
    CheckpointWriter,
    Retention,
    TrainState,
    adam,
    init_state,
)
from experiment.training.checkpoint.manifest import digests_of

DETECTED, HARMLESS, WRONG = "detected", "harmless", "WRONG"
FLIPPED, CUT, GONE = "bit flipped", "cut off", "gone"
_LENGTHS = 8  # that a file is cut off at, besides 0, a half, and all but a byte


class Copy(NamedTuple):
    """Two steps of a run, in a folder where they may be damaged."""

    folder: pathlib.Path
    abstract: TrainState
    digests: dict[int, dict[str, str]]  # of the arrays and the record, by step

    @property
    def newest(self) -> int:
        """The step that is damaged."""
        return max(self.digests)

    def files(self) -> list[pathlib.Path]:
        """Those of the newest step."""
        return sorted(p for p in (self.folder / str(self.newest)).rglob("*") if p.is_file())


class Trial(NamedTuple):
    """One thing done to one file."""

    path: pathlib.Path
    kind: str
    content: bytes | None  # None: the file is gone


class Outcomes(NamedTuple):
    """How trials ended."""

    counts: Counter[tuple[str, str]]  # by kind of file, and of end
    kinds: Counter[str]  # by kind of damage
    fallbacks: int
    troubles: list[str]


def copied(workdir: pathlib.Path, folder: pathlib.Path) -> Copy:
    """Returns the two newest steps of a run, saved again without what makes their records large.

    That is the vocabulary: 300 kB in one file that one digest covers, whatever its length.
    """
    run = runs.load(workdir)
    init = functools.partial(init_state, run.model, adam(run.config), jax.random.key(0))
    copy = Copy(folder, jax.eval_shape(init), {})
    source = Checkpoints(workdir / "checkpoints")
    with contextlib.closing(CheckpointWriter(folder, Retention(newest=2))) as target:
        for step in source.steps()[-2:]:
            state, record = source.restore(step, copy.abstract)
            record["vocabulary"] = ""
            copy.digests[step] = _digests(state, record)
            target.save(state, record)
    assert len(copy.digests) == 2
    return copy


def trials(copy: Copy, *, every: int, bits: int, chance: random.Random) -> Iterator[Trial]:
    """Yields what is done: in every `every`-th byte of every file so many bits are flipped."""
    for path in copy.files():
        whole = path.read_bytes()
        for place in range(0, len(whole), every):
            for bit in chance.sample(range(8), bits):
                flipped = bytearray(whole)
                flipped[place] ^= 1 << bit
                yield Trial(path, FLIPPED, bytes(flipped))
        lengths = {0, len(whole) // 2, len(whole) - 1}
        for length in sorted(lengths | {chance.randrange(len(whole)) for _ in range(_LENGTHS)}):
            yield Trial(path, CUT, whole[:length])
        yield Trial(path, GONE, None)


def number_of_trials(copy: Copy, *, every: int, bits: int) -> int:
    """Returns about how many there are."""
    sizes = [path.stat().st_size for path in copy.files()]
    return sum(-(-size // every) * bits + _LENGTHS + 4 for size in sizes)


def outcomes(
    copy: Copy,
    trials: Iterable[Trial],
    *,
    restored: float,
    chance: random.Random,
    tell: Callable[[int], None],
) -> Outcomes:
    """Tries all; `tell` is told how many are done.

    One reader looks at the newest step after each, and reads it to the end if it finds no fault. A
    share `restored` of them, and all files that are gone, are left to a new reader, which restores
    what it takes for the newest.
    """
    found, reader = Outcomes(Counter(), Counter(), 0, []), Checkpoints(copy.folder)
    for done, trial in enumerate(trials):
        with _damaged(trial):
            reader.damaged.clear()
            end = _end(copy, reader)
            if trial.kind == GONE or chance.random() < restored:
                found = found._replace(fallbacks=found.fallbacks + 1)
                end = end if falls_back(copy, end) else WRONG
        if end == WRONG:
            found.troubles.append(f"{trial.path}: {trial.kind}: not noticed")
        found.counts[_kind_of(trial.path), end] += 1
        found.kinds[trial.kind] += 1
        tell(done)
    return found


def falls_back(copy: Copy, end: str) -> bool:
    """Returns whether a new reader restores the newest step, or the one before if it must."""
    said: list[str] = []
    newest = Checkpoints(copy.folder, say=said.append).newest(copy.abstract)
    if newest is None or _digests(newest.state, newest.record) != copy.digests[newest.step]:
        return False
    return (newest.step, bool(said)) == (
        (copy.newest, False) if end == HARMLESS else (min(copy.digests), True)
    )


def _end(copy: Copy, reader: Checkpoints) -> str:
    """Returns what becomes of the newest step, as it lies there."""
    if not reader.is_whole(copy.newest):
        return DETECTED
    same = _digests(*reader.restore(copy.newest, copy.abstract)) == copy.digests[copy.newest]
    return HARMLESS if same else WRONG


@contextlib.contextmanager
def _damaged(trial: Trial) -> Iterator[None]:
    """Does it while the block runs."""
    whole = trial.path.read_bytes()
    if trial.content is None:
        trial.path.unlink()
        yield
        trial.path.write_bytes(whole)
        return
    _put(trial.path, trial.content)
    yield
    _put(trial.path, whole)


def _put(path: pathlib.Path, content: bytes) -> None:
    """Writes over what is there: what is emptied first goes to the disk as soon as it is closed."""
    with path.open("r+b") as file:
        file.write(content)
        file.truncate()


def _kind_of(path: pathlib.Path) -> str:
    if path.parent.name == "d":
        return "d/*"  # numbers, and where they are
    return "run/metadata" if path.parent.name == "run" and path.name == "metadata" else path.name


def _digests(state: TrainState, record: dict[str, Any]) -> dict[str, str]:
    return digests_of({"state": state, "run": record})
