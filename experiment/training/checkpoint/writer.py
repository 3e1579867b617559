"""Writing checkpoints: in the background, whole or not at all, and never the last good one away.

A step is written to a folder beside the others, gets its manifest there, is flushed to disk, and
then appears under its number by a rename. An old one disappears by a rename before it is deleted.
So whatever dies at whatever instant, a folder with a number is a whole checkpoint.
"""

import concurrent.futures
import contextlib
import os
import pathlib
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from experiment.data import sync
from experiment.errors import MachineFailed
from experiment.training.checkpoint import manifest, storage
from experiment.training.checkpoint.checkpoints import (
    AVERAGED_STEPS,
    Checkpoints,
    check_finite,
    folders,
    reason_of,
)
from experiment.training.checkpoint.retention import Retention
from experiment.training.checkpoint.storage import RECORD, Items
from experiment.training.loss import Params
from experiment.training.state import TrainState

_UNFINISHED = ".unfinished"  # what is being written, and what is being deleted
_SET_ASIDE = "damaged"  # beside the checkpoints


class _Saving(NamedTuple):
    """What is being written, kept until it is known to be on disk."""

    step: int
    items: Items
    losses: Mapping[int, float]
    written: concurrent.futures.Future[None]


class CheckpointWriter(Checkpoints):
    """The checkpoints of a workdir of which this is the only writer."""

    def __init__(
        self,
        folder: pathlib.Path,
        retention: Retention,
        *,
        say: Callable[[str], None] | None = None,
        damaged: Mapping[int, str] | None = None,
    ) -> None:
        """Makes `folder`, and clears away what is no whole checkpoint.

        What a killed process was writing is removed. What is damaged (also by the finding of an
        earlier reader) is set aside, in the folder `damaged` beside this one.
        """
        super().__init__(folder, say=say)
        self._retention = retention
        self._thread = concurrent.futures.ThreadPoolExecutor(1, "checkpoint")
        self._saving: _Saving | None = None
        self._unfinished = self._folder / _UNFINISHED
        self._folder.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(self._unfinished, ignore_errors=True)
        self.damaged |= damaged or {}
        self.steps()  # notes what else is damaged
        self._set_aside()

    def save(
        self, state: TrainState, record: dict[str, Any], losses: Mapping[int, float] | None = None
    ) -> None:
        """Starts to save a state that lies on the host; returns while it is being written.

        Saving a step that is there already changes nothing: it is the same step. `losses` are those
        of validation so far, for what is kept of older steps.

        Raises:
          MachineFailed: if what was started before could not be written, tried twice.
          NotFinite: if the state holds something that cannot be trained on.
        """
        optimizer = {"step": state.step, "opt_state": state.opt_state}
        items = {"params": state.params, "optimizer": optimizer, RECORD: record}
        self._begin(int(state.step), items, losses or {})

    def save_mean(self, params: Params, steps: Sequence[int], record: dict[str, Any]) -> None:
        """Saves parameters on the host that are the mean of several steps, as the last of these."""
        items = {"params": params, RECORD: {**record, AVERAGED_STEPS: list(steps)}}
        self._begin(steps[-1], items, {})

    def delete_after(self, step: int) -> None:
        """Deletes later steps: they come again."""
        for later in [there for there in self.steps() if there > step]:
            self._delete(later)

    def check_written(self) -> None:
        """Does not wait; raises MachineFailed if what was started could not be written."""
        if self._saving and self._saving.written.done():
            self.wait()

    def wait(self) -> None:
        """Returns when everything started is on disk; raises MachineFailed if it cannot be."""
        saving, self._saving = self._saving, None
        if saving is None:
            return
        error = saving.written.exception()
        if error is not None:
            self._try_again(saving, error)
        self._delete_old(saving.losses)

    def close(self) -> None:
        """Waits, then lets go of the folder."""
        try:
            self.wait()
        finally:
            self._thread.shutdown()

    def _begin(self, step: int, items: Items, losses: Mapping[int, float]) -> None:
        self.wait()
        if step in self.steps():
            return
        check_finite(items)
        written = self._thread.submit(self._write, step, items)
        self._saving = _Saving(step, items, losses, written)

    def _write(self, step: int, items: Items) -> None:
        place = self._unfinished / str(step)
        with self._not_made_anew(place):
            self._unfinished.mkdir(exist_ok=True)
            shutil.rmtree(place, ignore_errors=True)
            storage.write(place, items)
        manifest.commit(place, items)
        place.rename(self._folder / str(step))
        sync(self._folder)

    @contextlib.contextmanager
    def _not_made_anew(self, place: pathlib.Path) -> Iterator[None]:
        """Sees to it that the folder is the same before and after the block.

        Orbax makes what is missing above the folder that it is given. When the workdir is moved
        away in the middle of that, a second one must not come to be under the old name.

        Raises:
          FileNotFoundError: if the folder is gone, or was. What was made anew around `place` is
            removed, and nothing of whoever may have begun another run there.
        """
        gone = FileNotFoundError(f"{self._folder} is gone; put it back")
        if (before := _looked_at(self._folder)) is None:
            raise gone
        try:
            yield
        finally:
            now = _looked_at(self._folder)
            if now is None or not os.path.samestat(before, now):
                shutil.rmtree(place, ignore_errors=True)
                for empty in (self._unfinished, self._folder, self._folder.parent):
                    with contextlib.suppress(OSError):  # another's files are left alone
                        empty.rmdir()
                raise gone

    def _delete_old(self, losses: Mapping[int, float]) -> None:
        steps = self.steps()
        for old in {*steps} - self._retention.kept(steps, losses):
            try:
                self._delete(old)
            except OSError as error:  # it takes room, and no more
                self._say(f"step {old:,} could not be deleted ({reason_of(error)}).")

    def _delete(self, step: int) -> None:
        self._unfinished.mkdir(exist_ok=True)
        place = _free(self._unfinished / f"{step}.deleted")
        (self._folder / str(step)).rename(place)
        shutil.rmtree(place)

    def _try_again(self, saving: _Saving, error: BaseException) -> None:
        """Tries once more to write what could not be written.

        Raises:
          MachineFailed: if it cannot be, naming what is left.
        """
        self._say(f"step {saving.step:,} could not be saved ({reason_of(error)}); trying again.")
        try:
            self._write(saving.step, saving.items)
        except Exception as second:
            shutil.rmtree(self._unfinished, ignore_errors=True)
            raise MachineFailed(self._cannot_save(saving, second)) from second

    def _cannot_save(self, saving: _Saving, error: Exception) -> str:
        arrays = [leaf for item in saving.items.values() for leaf in jax.tree.leaves(item)]
        needed = sum(leaf.nbytes for leaf in arrays if isinstance(leaf, np.ndarray))
        room = f"it needs {needed / 2**20:,.1f} MiB"
        try:
            room += f", {shutil.disk_usage(self._folder).free / 2**20:,.1f} MiB are free"
            left = self.steps()
            newest = f"step {left[-1]:,} is the newest that is whole" if left else "there is none"
        except OSError:
            newest = "what was saved before is where the folder is"
        return (
            f"The checkpoint of step {saving.step:,} could not be written to {self._folder}: "
            f"{reason_of(error)}; {room}; {newest}. Make room or mend the disk; the same command "
            "goes on from there."
        )

    def _set_aside(self) -> None:
        for step, folder in folders(self._folder).items():
            if step in self.damaged:
                aside = self._folder.parent / _SET_ASIDE
                aside.mkdir(exist_ok=True)
                place = _free(aside / str(step))
                folder.rename(place)
                self._say(f"step {step:,} is set aside as {place}.")
        self.damaged.clear()


def seal(folder: pathlib.Path) -> list[int]:
    """Takes the steps in `folder` that have no manifest as they are; returns which.

    Raises:
      ValueError: if one of them cannot be read.
    """
    sealed = []
    for step, place in folders(folder).items():
        if (place / manifest.NAME).exists():
            continue
        try:
            items = storage.read(place, sorted(p.name for p in place.iterdir() if p.is_dir()))
            check_finite(items)
        except Exception as error:
            raise ValueError(f"{place} cannot be read: {reason_of(error)}.") from error
        manifest.commit(place, items)
        sealed.append(step)
    return sealed


def _looked_at(folder: pathlib.Path) -> os.stat_result | None:
    """Returns which folder lies there, if any."""
    try:
        return folder.stat()
    except FileNotFoundError:
        return None


def _free(path: pathlib.Path) -> pathlib.Path:
    """Returns `path`, or the first of `path-2`, `path-3`, ... that is not taken."""
    number, free = 1, path
    while free.exists():
        number += 1
        free = path.with_name(f"{path.name}-{number}")
    return free
