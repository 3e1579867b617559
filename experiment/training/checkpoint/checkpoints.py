"""The checkpoints of a run: written in the background, committed by a manifest, read with care.

One step holds three items: `params`, `optimizer` (with the step) and `run`, a JSON record of what
the numbers mean: resolved config, vocabulary, fingerprint of the data. Parameters lie apart so that
translating with a model does not read what only training needs. Where they are a mean of several
steps there is no `optimizer`, and the record names the steps.
"""

import concurrent.futures
import contextlib
import pathlib
import shutil
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from experiment.data import write_file
from experiment.errors import MachineFailed, NoGoodCheckpoint, NotFinite
from experiment.training.checkpoint import manifest
from experiment.training.checkpoint.manifest import Manifest
from experiment.training.checkpoint.retention import Retention, regular_steps
from experiment.training.checkpoint.storage import RECORD, Items, Storage
from experiment.training.loss import Params
from experiment.training.state import TrainState

AVERAGED_STEPS = "averaged_steps"  # in the record of parameters that are a mean
SEAL = "python -m experiment.training.checkpoint seal"

# Beside the steps, from the first save on: a step without a manifest is then one that a process was
# writing when it died, and not one of a program that wrote no manifests.
_HAS_MANIFESTS = "manifests.txt"
_SET_ASIDE = "damaged"


class Damaged(NoGoodCheckpoint):
    """A checkpoint is not what was written."""


class Restored(NamedTuple):
    """A state of the run, with what it says of itself."""

    step: int
    state: TrainState
    record: dict[str, Any]


class Checkpoints:
    """The checkpoints of one workdir. Only whole ones count; damaged ones are named and left out.

    What was found damaged, and why, is said once to `say` and kept in `damaged`.
    """

    def __init__(
        self,
        folder: pathlib.Path,
        *,
        retention: Retention | None = None,
        say: Callable[[str], None] | None = None,
        damaged: Mapping[int, str] | None = None,
    ) -> None:
        """Opens `folder`; with `retention` for writing, else nothing is created or deleted.

        For writing there must be no other writer. What a killed process left half written is
        removed, and what is damaged (also by the finding of an earlier reader) set aside in the
        folder `damaged` beside this one.
        """
        self._folder, self._retention = folder, retention
        self._say = say or (lambda message: None)
        self.damaged: dict[int, str] = {}
        self._storage = Storage(folder, read_only=retention is None)
        self._committer = concurrent.futures.ThreadPoolExecutor(1, "checkpoint")
        self._saving: _Saving | None = None
        if retention is not None:
            self.damaged |= damaged or {}
            self._clear_away()
            write_file(folder / _HAS_MANIFESTS, b"Each step here has a manifest, or is no step.\n")

    # Reading.

    def steps(self) -> list[int]:
        """Returns the steps that can be used as far as names and sizes tell, ascending."""
        return [*self._manifests()]

    def digest(self, step: int) -> str:
        """Returns what tells a step's state from any other."""
        return self._manifests()[step].digest

    def newest(self, abstract: TrainState) -> Restored | None:
        """Returns the newest state that is as it was written, or None where there is no step yet.

        `abstract` is the state's structure, shapes and types, from `jax.eval_shape`.

        Raises:
          NoGoodCheckpoint: if there are steps and all of them are damaged.
          ValueError: if it is the state of another model.
        """
        for step in reversed(self.steps()):
            try:
                restored = Restored(step, *self.restore(step, abstract))
            except Damaged:
                continue
            if self.damaged and max(self.damaged) > step:
                self._say(f"{self._folder.parent}: using the checkpoint of step {step:,}.")
            return restored
        self._check_none_is_lost()
        return None

    def restore(self, step: int, abstract: TrainState) -> tuple[TrainState, dict[str, Any]]:
        """Returns the state (numpy arrays) and the record of a step.

        Raises:
          Damaged: if it is not what was written; that is said, and the step counts no longer.
          ValueError: if it is a mean, or the state of another model, naming the first array.
        """
        if mean_of := self.record(step).get(AVERAGED_STEPS):
            raise ValueError(
                f"{self._folder.parent} holds the mean of the checkpoints "
                f"{', '.join(map(str, mean_of))}, and no optimizer to go on with. Go on with the "
                "run it was made from, or choose another --workdir."
            )
        items = self._read(step, ["params", "optimizer", RECORD])
        wanted = {
            "params": abstract.params,
            "optimizer": {"step": abstract.step, "opt_state": abstract.opt_state},
        }
        found = _as(wanted, {name: items[name] for name in wanted}, self._folder / str(step))
        optimizer = found["optimizer"]
        state = TrainState(optimizer["step"], found["params"], optimizer["opt_state"])
        return state, dict(items[RECORD])

    def restore_params(self, step: int, abstract: Params) -> Params:
        """Returns only the parameters of a step, as numpy arrays; raises as `restore` does."""
        items = self._read(step, ["params"])
        return _as({"params": abstract}, items, self._folder / str(step))["params"]

    def only(self, step: int, abstract: Params) -> Params:
        """Returns the parameters of a step that was asked for by name.

        Raises:
          NoGoodCheckpoint: if it is damaged.
          ValueError: if it is not there, naming those that are.
        """
        if step not in (steps := self.steps()) and step not in self.damaged:
            there = ", ".join(map(str, steps)) or "none"
            raise ValueError(
                f"{self._folder.parent} has no checkpoint of step {step}. It has: {there}."
            )
        try:
            return self.restore_params(step, abstract)
        except Damaged as error:
            raise NoGoodCheckpoint(f"The checkpoint of step {step} is damaged: {error}.") from None

    def mean(
        self, count: int, abstract: Params, *, save_every: int = 1
    ) -> tuple[Params, list[int]]:
        """Returns the mean of the newest `count` steps' parameters (section 6.1), and which.

        Summed in float64. Fewer steps are taken where there are fewer that are good; `save_every`
        leaves out those that were saved between because the run was asked to stop.

        Raises:
          NoGoodCheckpoint: if there are steps and all of them are damaged.
          ValueError: if there is no step yet.
        """
        total: Any = jax.tree.map(lambda leaf: np.zeros(leaf.shape, np.float64), abstract)
        steps: list[int] = []
        for step in reversed(regular_steps(self.steps(), save_every)):
            try:
                params = self.restore_params(step, abstract)
            except Damaged:
                continue
            steps.insert(0, step)
            if count == 1:
                return params, steps
            total = jax.tree.map(np.add, total, params)
            if len(steps) == count:
                break
        if not steps:
            self._check_none_is_lost()
            raise ValueError(
                f"{self._folder.parent} has no checkpoint yet. Let its training go on."
            )
        mean = jax.tree.map(
            lambda leaf, like: (leaf / len(steps)).astype(like.dtype), total, abstract
        )
        return mean, steps

    def record(self, step: int) -> dict[str, Any]:
        """Returns the record of a step; raises Damaged as `restore` does."""
        return dict(self._read(step, [RECORD])[RECORD])

    def is_whole(self, step: int) -> bool:
        """Reads all of a step; returns whether it is as it was written."""
        try:
            self._read(step, None)
        except Damaged:
            return False
        return True

    def verify(self) -> list[int]:
        """Reads all of every step; returns those that are as they were written.

        Raises:
          NoGoodCheckpoint: if there are steps and all of them are damaged.
        """
        good = [step for step in self.steps() if self.is_whole(step)]
        if not good:
            self._check_none_is_lost()
        return good

    # Writing.

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
        self._start(int(state.step), items, losses or {})

    def save_mean(self, params: Params, steps: Sequence[int], record: dict[str, Any]) -> None:
        """Saves parameters on the host that are the mean of several steps, as the last of these."""
        items = {"params": params, RECORD: {**record, AVERAGED_STEPS: list(steps)}}
        self._start(steps[-1], items, {})

    def delete_after(self, step: int) -> None:
        """Deletes later steps: they come again."""
        for later in [there for there in self.steps() if there > step]:
            self._delete(later)

    def check(self) -> None:
        """Does not wait; raises MachineFailed if what was started could not be written."""
        if self._saving and self._saving.committed.done():
            self.wait()

    def wait(self) -> None:
        """Returns when everything started is on disk; raises MachineFailed if it cannot be."""
        saving, self._saving = self._saving, None
        if saving is None:
            return
        error = saving.committed.exception()
        if error is not None:
            self._again(saving, error)

    def close(self) -> None:
        """Waits, then lets go of the folder."""
        try:
            self.wait()
        finally:
            self._committer.shutdown()
            self._storage.close()

    def _start(self, step: int, items: Items, losses: Mapping[int, float]) -> None:
        self.wait()
        if step in self.steps():
            return
        _check_finite(items)
        committed = self._committer.submit(self._write, step, items, losses)
        self._saving = _Saving(step, items, losses, committed)

    def _write(self, step: int, items: Items, losses: Mapping[int, float]) -> None:
        if not (self._folder / _HAS_MANIFESTS).exists():
            raise FileNotFoundError(f"{self._folder} is not the folder any more that it was")
        self._storage.save(step, items)
        manifest.commit(self._storage.folders()[step], items)
        assert self._retention is not None
        steps = self.steps()
        for old in {*steps} - self._retention.kept(steps, losses):
            self._delete(old)

    def _delete(self, step: int) -> None:
        # Without its manifest it is no step any more, however far the rest comes.
        (self._storage.folders()[step] / manifest.NAME).unlink()
        self._storage.delete(step)

    def _again(self, saving: "_Saving", error: BaseException) -> None:
        """Tries once more to write what could not be written.

        Raises:
          MachineFailed: if it cannot be, naming what is left.
        """
        self._say(f"step {saving.step:,} could not be saved ({_reason(error)}); trying again.")
        try:
            self._storage.reopen()
            shutil.rmtree(self._folder / str(saving.step), ignore_errors=True)
            self._write(saving.step, saving.items, saving.losses)
        except Exception as second:
            raise MachineFailed(self._cannot_save(saving, second)) from second

    def _cannot_save(self, saving: "_Saving", error: Exception) -> str:
        shutil.rmtree(self._folder / str(saving.step), ignore_errors=True)
        arrays = [leaf for item in saving.items.values() for leaf in jax.tree.leaves(item)]
        needed = sum(leaf.nbytes for leaf in arrays if isinstance(leaf, np.ndarray))
        try:
            left = self.steps()
            free = f"{shutil.disk_usage(self._folder).free / 2**20:,.1f} MiB are free"
        except OSError:
            left, free = [], "the folder cannot be read"
        newest = f"step {left[-1]:,} is the newest that is whole" if left else "there is none yet"
        return (
            f"The checkpoint of step {saving.step:,} could not be written to {self._folder}: "
            f"{_reason(error)}; it needs {needed / 2**20:,.1f} MiB, {free}; {newest}. Make room or "
            "mend the disk; the same command goes on from there."
        )

    # What is not as it should be.

    def _manifests(self) -> dict[int, Manifest]:
        found = {}
        for step, folder in self._storage.folders().items():
            if step in self.damaged:
                continue
            try:
                found[step] = manifest.read(folder)
            except ValueError as error:
                if folder.exists() and not self._is_unfinished(folder):
                    self._note(step, str(error))
        return found

    def _is_unfinished(self, folder: pathlib.Path) -> bool:
        """Returns whether a process died, or is at work, between writing a step and its manifest.

        An empty folder is no step of any program.
        """
        if (folder / manifest.NAME).exists():
            return False
        return (self._folder / _HAS_MANIFESTS).exists() or not any(folder.iterdir())

    def _read(self, step: int, names: list[str] | None) -> Items:
        """Returns items of a step, all of them by default, as they were written."""
        try:
            folder = self._storage.folders()[step]
            written = manifest.read(folder)
            names = names or sorted({key.split("/")[0] for key in written.digests})
            manifest.check_files(written, folder, names)
            items = self._storage.restore(step, names)
            manifest.check(written, items)
            _check_finite(items)
        except Exception as error:
            if not (self._folder / str(step) / manifest.NAME).exists():
                raise Damaged(f"The checkpoint of step {step} is gone.") from None
            self._note(step, _reason(error))
            raise Damaged(self.damaged[step]) from error
        return items

    def _note(self, step: int, reason: str) -> None:
        self.damaged[step] = reason
        self._say(f"{self._folder.parent}: the checkpoint of step {step:,} is damaged ({reason}).")

    def _check_none_is_lost(self) -> None:
        if self.damaged:
            reasons = "; ".join(f"step {step}: {why}" for step, why in sorted(self.damaged.items()))
            raise NoGoodCheckpoint(
                f"{self._folder.parent} has no checkpoint that is as it was written ({reasons}). "
                "Put back a copy, or choose another --workdir. If they are whole and come from a "
                f"program that wrote no manifests, `{SEAL} {self._folder.parent}` takes them as "
                "they are."
            )

    def _clear_away(self) -> None:
        self._manifests()  # notes what is damaged
        for step, folder in self._storage.folders().items():
            if step in self.damaged:
                aside = self._folder.parent / _SET_ASIDE
                aside.mkdir(exist_ok=True)
                place = _free(aside / str(step))
                folder.rename(place)
                self._say(f"step {step:,} is set aside as {place}.")
            elif self._is_unfinished(folder):
                shutil.rmtree(folder)
                self._say(f"step {step:,} was not yet written whole; it is removed.")
        self._storage.reopen()  # it lists the steps when it is opened


def seal(folder: pathlib.Path) -> list[int]:
    """Takes the steps in `folder` that have no manifest as they are; returns which.

    Raises:
      ValueError: if one of them cannot be read.
    """
    sealed = []
    with contextlib.closing(Storage(folder, read_only=True)) as storage:
        for step, place in storage.folders().items():
            if (place / manifest.NAME).exists():
                continue
            names = sorted(path.name for path in place.iterdir() if path.is_dir())
            try:
                items = storage.restore(step, names)
                _check_finite(items)
            except Exception as error:
                raise ValueError(f"{place} cannot be read: {_reason(error)}.") from error
            manifest.commit(place, items)
            sealed.append(step)
    return sealed


class _Saving(NamedTuple):
    """What is being written, kept until it is known to be on disk."""

    step: int
    items: Items
    losses: Mapping[int, float]
    committed: concurrent.futures.Future[None]


def averaged_steps(record: dict[str, Any], steps: Sequence[int]) -> list[int]:
    """Returns the steps that a mean of `steps` is the mean of; `record` is that of the last.

    They are others than `steps` where a mean is all that was kept.
    """
    return list(record.get(AVERAGED_STEPS, steps))


def _as(wanted: Items, found: Items, where: pathlib.Path) -> Items:
    """Returns the arrays of `found` in the structure of `wanted`.

    Raises:
      ValueError: naming the first array that `wanted` has otherwise.
    """
    by_name, names = _by_name(found), _by_name(wanted)
    for name in sorted(by_name.keys() | names.keys()):
        shapes = [
            f"{leaf.dtype}{list(leaf.shape)}" if (leaf := tree.get(name)) is not None else "absent"
            for tree in (by_name, names)
        ]
        if shapes[0] != shapes[1]:
            raise ValueError(
                f"{where} is of another model: {name} is {shapes[0]} there, {shapes[1]} here. "
                "Choose another --workdir."
            )
    return jax.tree.unflatten(jax.tree.structure(wanted), [by_name[name] for name in names])


def _by_name(tree: Items) -> dict[str, Any]:
    return {
        jax.tree_util.keystr(path, simple=True, separator="/"): leaf
        for path, leaf in jax.tree_util.tree_leaves_with_path(tree)
    }


def _check_finite(items: Items) -> None:
    for name, leaf in _by_name({key: item for key, item in items.items() if key != RECORD}).items():
        if not np.isfinite(leaf).all():
            raise NotFinite(f"{name} is not finite")


def _free(path: pathlib.Path) -> pathlib.Path:
    """Returns `path`, or the first of `path-2`, `path-3`, ... that is not taken."""
    number, free = 1, path
    while free.exists():
        number += 1
        free = path.with_name(f"{path.name}-{number}")
    return free


def _reason(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
