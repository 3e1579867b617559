"""The checkpoints of a run, read with care: only what is as it was written counts.

One step's folder holds three items and a manifest: `params`, `optimizer` (with the step) and `run`,
a JSON record of what the numbers mean: resolved config, vocabulary, fingerprint of the data.
Parameters lie apart so that translating with a model does not read what only training needs. Where
they are a mean of several steps there is no `optimizer`, and the record names the steps.
"""

import pathlib
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from experiment.errors import Failure, MachineFailed, NoGoodCheckpoint, NotFinite
from experiment.training.checkpoint import manifest, storage
from experiment.training.checkpoint.manifest import Manifest
from experiment.training.checkpoint.retention import regular_steps
from experiment.training.checkpoint.storage import RECORD, Items
from experiment.training.loss import Params
from experiment.training.state import TrainState

AVERAGED_STEPS = "averaged_steps"  # in the record of parameters that are a mean
SEAL = "python -m experiment.training.checkpoint seal"


class Damaged(Failure):
    """A checkpoint is not what was written."""

    exit_code = NoGoodCheckpoint.exit_code


class Gone(Failure):
    """A checkpoint was deleted, by the run it is of, since it was looked for."""

    exit_code = NoGoodCheckpoint.exit_code


class Restored(NamedTuple):
    """A state of the run, with what it says of itself."""

    step: int
    state: TrainState
    record: dict[str, Any]


class Mean(NamedTuple):
    """The mean of several steps' parameters, with what the last of them says of itself."""

    params: Params
    steps: list[int]
    record: dict[str, Any]


class Checkpoints:
    """The checkpoints of one workdir. Nothing is created or deleted.

    What is found damaged is said once to `say`, kept with the reason in `damaged`, and left out.
    """

    def __init__(self, folder: pathlib.Path, *, say: Callable[[str], None] | None = None) -> None:
        self._folder = folder.resolve()
        self._say = say or (lambda message: None)
        self.damaged: dict[int, str] = {}

    def steps(self) -> list[int]:
        """Returns the steps that can be used as far as names and sizes tell, ascending."""
        found = []
        for step, folder in folders(self._folder).items():
            if step in self.damaged:
                continue
            try:
                manifest.read(folder)
                found.append(step)
            except ValueError as error:
                if folder.exists():  # else it was deleted meanwhile
                    self._note(step, error)
        return found

    def digest(self, step: int) -> str:
        """Returns what tells a step's arrays from any others; raises as `restore` does."""
        return self._manifest(step).digest

    def newest(self, abstract: TrainState) -> Restored | None:
        """Returns the newest state that is as it was written, or None where there is no step yet.

        `abstract` is the state's structure, shapes and types, from `jax.eval_shape`.

        Raises:
          NoGoodCheckpoint: if there are steps and all of them are damaged.
          ValueError: if it is a mean, or the state of another model.
        """
        for step in reversed(self.steps()):
            try:
                restored = Restored(step, *self.restore(step, abstract))
            except (Damaged, Gone):
                continue
            if self.damaged and max(self.damaged) > step:
                self._say(f"{self._folder.parent}: using the checkpoint of step {step:,}.")
            return restored
        self.check_none_is_lost()
        return None

    def restore(self, step: int, abstract: TrainState) -> tuple[TrainState, dict[str, Any]]:
        """Returns the state (numpy arrays) and the record of a step.

        Raises:
          Damaged: if it is not what was written.
          Gone: if it is not there any more.
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
        arrays = {name: items[name] for name in wanted}
        found = _in_structure_of(wanted, arrays, self._folder / str(step))
        optimizer = found["optimizer"]
        state = TrainState(optimizer["step"], found["params"], optimizer["opt_state"])
        return state, dict(items[RECORD])

    def restore_params(self, step: int, abstract: Params) -> Params:
        """Returns only the parameters of a step, as numpy arrays; raises as `restore` does."""
        return self._params_and_record(step, abstract)[0]

    def record(self, step: int) -> dict[str, Any]:
        """Returns the record of a step; raises as `restore` does."""
        return dict(self._read(step, [RECORD])[RECORD])

    def only(self, step: int, abstract: Params) -> Mean:
        """Returns the parameters of a step that was asked for by name.

        Raises:
          Damaged: if it is not what was written.
          Gone: if it was deleted in this moment.
          ValueError: if it is not there, naming those that are.
        """
        if step not in (steps := self.steps()) and step not in self.damaged:
            there = ", ".join(map(str, steps)) or "none"
            raise ValueError(
                f"{self._folder.parent} has no checkpoint of step {step}. It has: {there}."
            )
        params, record = self._params_and_record(step, abstract)
        return Mean(params, [step], record)

    def mean(self, count: int, abstract: Params, *, save_every: int = 1) -> Mean:
        """Returns the mean of the newest `count` steps' parameters (section 6.1).

        Summed in float64. Fewer steps are taken where there are fewer that are good; `save_every`
        leaves out those that were saved between because the run was asked to stop.

        Raises:
          NoGoodCheckpoint: if there are steps and all of them are damaged.
          ValueError: if there is no step yet.
        """
        total: Any = jax.tree.map(lambda leaf: np.zeros(leaf.shape, np.float64), abstract)
        taken: list[int] = []
        newest: dict[str, Any] = {}
        for step in reversed(regular_steps(self.steps(), save_every)):
            try:
                params, record = self._params_and_record(step, abstract)
            except (Damaged, Gone):
                continue
            newest = newest or record
            taken.insert(0, step)
            if count == 1:
                return Mean(params, taken, newest)
            total = jax.tree.map(np.add, total, params)
            if len(taken) == count:
                break
        if not taken:
            self.check_none_is_lost()
            raise ValueError(
                f"{self._folder.parent} has no checkpoint yet. Let its training go on."
            )
        mean = jax.tree.map(
            lambda leaf, like: (leaf / len(taken)).astype(like.dtype), total, abstract
        )
        return Mean(mean, taken, newest)

    def check(self, step: int) -> None:
        """Reads all of a step; raises as `restore` does unless it is as it was written."""
        self._read(step, None)

    def is_whole(self, step: int) -> bool:
        """Returns whether a step is as it was written."""
        try:
            self.check(step)
        except (Damaged, Gone):
            return False
        return True

    def verify(self) -> list[int]:
        """Reads all of every step; returns those that are as they were written.

        Raises:
          NoGoodCheckpoint: if there are steps and all of them are damaged.
        """
        good = [step for step in self.steps() if self.is_whole(step)]
        if not good:
            self.check_none_is_lost()
        return good

    def check_none_is_lost(self) -> None:
        """Raises NoGoodCheckpoint if any was found damaged; for where none is good."""
        if self.damaged:
            reasons = "; ".join(f"step {step}: {why}" for step, why in sorted(self.damaged.items()))
            raise NoGoodCheckpoint(
                f"{self._folder.parent} has no checkpoint that is as it was written ({reasons}). "
                "Put back a copy, or choose another --workdir. If they are whole and come from a "
                f"program that wrote no manifests, `{SEAL} {self._folder.parent}` takes them as "
                "they are."
            )

    def _params_and_record(self, step: int, abstract: Params) -> tuple[Params, dict[str, Any]]:
        items = self._read(step, ["params", RECORD])
        wanted, found = {"params": abstract}, {"params": items["params"]}
        params = _in_structure_of(wanted, found, self._folder / str(step))["params"]
        return params, dict(items[RECORD])

    def _read(self, step: int, names: list[str] | None) -> Items:
        """Returns items of a step, all of them by default, as they were written."""
        folder, written = self._folder / str(step), self._manifest(step)
        try:
            names = names or sorted({manifest.item_of(name) for name in written.digests})
            manifest.check_files(written, folder, names)
            items = self._items(written, names)
            manifest.check_arrays(written, items)
            check_finite(items)
        except (ValueError, KeyError, NotFinite, FileNotFoundError) as error:
            raise self._damaged_or_gone(step, error) from error
        return items

    def _items(self, written: Manifest, names: list[str]) -> Items:
        """Returns what Orbax reads of files that are as they were written."""
        folder = self._folder / str(written.step)
        try:
            return storage.read(folder, names)
        except Exception as error:
            manifest.check_files(written, folder, names)  # they may have changed or gone since
            raise MachineFailed(f"{folder} could not be read: {reason_of(error)}.") from error

    def _manifest(self, step: int) -> Manifest:
        try:
            return manifest.read(self._folder / str(step))
        except ValueError as error:
            raise self._damaged_or_gone(step, error) from error

    def _damaged_or_gone(self, step: int, error: Exception) -> Failure:
        """Any other error than these is the machine's, and says nothing of the checkpoint."""
        if not (self._folder / str(step)).exists():
            return Gone(f"{self._folder.parent}: the checkpoint of step {step} is gone.")
        self._note(step, error)
        return Damaged(_said_of(self._folder, step, self.damaged[step]))

    def _note(self, step: int, error: Exception) -> None:
        if step not in self.damaged:
            self.damaged[step] = reason_of(error)
            self._say(_said_of(self._folder, step, self.damaged[step]))


def folders(folder: pathlib.Path) -> dict[int, pathlib.Path]:
    """Returns where every step lies, whole or not, ascending; an empty folder is none."""
    paths = folder.iterdir() if folder.is_dir() else []
    steps = sorted(
        int(path.name)
        for path in paths
        if path.name.isdecimal() and str(int(path.name)) == path.name and _holds_something(path)
    )
    return {step: folder / str(step) for step in steps}


def _holds_something(path: pathlib.Path) -> bool:
    try:
        return any(path.iterdir())
    except (FileNotFoundError, NotADirectoryError):  # it was deleted meanwhile, or is a file
        return False


def averaged_steps(record: dict[str, Any], steps: Sequence[int]) -> list[int]:
    """Returns the steps that a mean of `steps` is the mean of; `record` is that of the last.

    They are others than `steps` where a mean is all that was kept.
    """
    return list(record.get(AVERAGED_STEPS, steps))


def check_finite(items: Items) -> None:
    """Raises NotFinite, naming the first array that holds what cannot be trained on."""
    for name, leaf in _by_name({key: item for key, item in items.items() if key != RECORD}).items():
        if not np.isfinite(leaf).all():
            raise NotFinite(f"{name} is not finite")


def reason_of(error: BaseException) -> str:
    """Returns what an error says, in one line of bounded length."""
    return " ".join(str(error).split())[:200] or type(error).__name__


def _said_of(folder: pathlib.Path, step: int, reason: str) -> str:
    return f"{folder.parent}: the checkpoint of step {step:,} is damaged ({reason})."


def _in_structure_of(wanted: Items, found: Items, where: pathlib.Path) -> Items:
    """Returns the arrays of `found` in the structure of `wanted`.

    Raises:
      ValueError: naming the first array that `wanted` has otherwise.
    """
    there, here = _by_name(found), _by_name(wanted)
    for name in sorted(there.keys() | here.keys()):
        shapes = [
            f"{leaf.dtype}{list(leaf.shape)}" if (leaf := tree.get(name)) is not None else "absent"
            for tree in (there, here)
        ]
        if shapes[0] != shapes[1]:
            raise ValueError(
                f"{where} is of another model: {name} is {shapes[0]} there, {shapes[1]} here. "
                "Choose another --workdir."
            )
    return jax.tree.unflatten(jax.tree.structure(wanted), [there[name] for name in here])


def _by_name(tree: Items) -> dict[str, Any]:
    return {
        jax.tree_util.keystr(path, simple=True, separator="/"): leaf
        for path, leaf in jax.tree_util.tree_leaves_with_path(tree)
    }
