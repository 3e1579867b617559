"""Checkpoints of the whole run, by Orbax. Nothing else in the project knows Orbax.

One step's directory holds three items: `params`, `optimizer` (with the step) and `run`, a JSON
record of what the numbers mean: resolved config, vocabulary, fingerprint of the data. Parameters
lie apart so that translating with a model does not read what only training needs. Where they are a
mean of several steps there is no `optimizer`, and the record names the steps.
"""

import dataclasses
import pathlib
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp
from orbax.checkpoint.checkpoint_managers import PreservationPolicy

from experiment.training.loss import Params
from experiment.training.state import TrainState

AVERAGED_STEPS = "averaged_steps"  # in the record of parameters that are a mean


@dataclasses.dataclass
class _Newest(PreservationPolicy):
    """Keeps the newest `count` of the steps at multiples of `every`, the last one among them.

    The last step is kept wherever it lies, and dropped later if it is no multiple: it was saved
    because the run was asked to stop. So a resumed run leaves the same checkpoints as one that
    never stopped, and their mean is the same.
    """

    count: int
    every: int

    def should_preserve(self, checkpoints: Sequence[Any], *, context: Any) -> Sequence[bool]:
        steps = [checkpoint.step for checkpoint in checkpoints]
        regular = [step for step in steps if step % self.every == 0 or step == steps[-1]]
        return [step in regular[-self.count :] for step in steps]


class Checkpoints:
    """The checkpoints of one workdir: steps, newest last."""

    def __init__(self, directory: pathlib.Path, *, keep: int | None = None, every: int = 1) -> None:
        """Opens `directory`; with `keep` for writing, where only the newest `keep` stay.

        `every` is how many steps lie between those that are meant to stay; the newest one stays in
        any case. Without `keep` nothing is created or deleted.
        """
        if keep is None:
            options = ocp.CheckpointManagerOptions(read_only=True)
        else:
            options = ocp.CheckpointManagerOptions(
                preservation_policy=_Newest(keep, every), cleanup_tmp_directories=True
            )
        self._directory = directory.resolve()
        self._manager = ocp.CheckpointManager(self._directory, options=options)

    def steps(self) -> list[int]:
        """Returns the steps that are on disk, ascending."""
        return sorted(self._manager.all_steps())

    def save(self, state: TrainState, record: dict[str, Any]) -> None:
        """Starts to save a state that lies on the host; returns while it is being written.

        Saving a step that is there already changes nothing: it is the same step.

        Raises:
          RuntimeError: if Orbax declines although the step is new.
        """
        step = int(state.step)
        if step in self._manager.all_steps():
            return
        items = ocp.args.Composite(
            params=ocp.args.StandardSave(state.params),
            optimizer=ocp.args.StandardSave({"step": state.step, "opt_state": state.opt_state}),
            run=ocp.args.JsonSave(record),
        )
        if not self._manager.save(step, args=items):
            raise RuntimeError(f"{self._directory}: Orbax declined to save step {step}.")

    def save_mean(self, params: Params, steps: list[int], record: dict[str, Any]) -> None:
        """Saves parameters on the host that are the mean of several steps, as the last of these."""
        items = ocp.args.Composite(
            params=ocp.args.StandardSave(params),
            run=ocp.args.JsonSave({**record, AVERAGED_STEPS: steps}),
        )
        if not self._manager.save(steps[-1], args=items):
            raise RuntimeError(f"{self._directory}: Orbax declined to save step {steps[-1]}.")

    def delete_after(self, step: int) -> None:
        """Deletes the checkpoints of later steps; Orbax would not save an earlier one beside."""
        for later in [there for there in self.steps() if there > step]:
            self._manager.delete(later)

    def restore(self, step: int, abstract: TrainState) -> tuple[TrainState, dict[str, Any]]:
        """Returns the state (numpy arrays) and the record of a step.

        `abstract` is the state's structure, shapes and types, from `jax.eval_shape`.
        """
        optimizer = {"step": abstract.step, "opt_state": abstract.opt_state}
        items = ocp.args.Composite(
            params=ocp.args.StandardRestore(_placed(abstract.params)),
            optimizer=ocp.args.StandardRestore(_placed(optimizer)),
            run=ocp.args.JsonRestore(),
        )
        restored = self._manager.restore(step, args=items)
        state = TrainState(
            restored.optimizer["step"], restored.params, restored.optimizer["opt_state"]
        )
        return jax.device_get(state), dict(restored.run)

    def restore_params(self, step: int, abstract: Params) -> Params:
        """Returns only the parameters of a step, as numpy arrays."""
        items = ocp.args.Composite(params=ocp.args.StandardRestore(_placed(abstract)))
        return jax.device_get(self._manager.restore(step, args=items).params)

    def average_params(self, steps: list[int], abstract: Params) -> Params:
        """Returns the mean of the parameters of several steps (section 6.1), summed in float64."""
        if len(steps) == 1:
            return self.restore_params(steps[0], abstract)
        total = jax.tree.map(lambda leaf: np.zeros(leaf.shape, np.float64), abstract)
        for step in steps:
            params = self.restore_params(step, abstract)
            total = jax.tree.map(np.add, total, params)
        return jax.tree.map(
            lambda leaf, like: (leaf / len(steps)).astype(like.dtype), total, abstract
        )

    def record(self, step: int) -> dict[str, Any]:
        """Returns the record of a step."""
        return dict(
            self._manager.restore(step, args=ocp.args.Composite(run=ocp.args.JsonRestore())).run
        )

    def wait(self) -> None:
        """Returns when everything started is on disk; raises what went wrong in writing it."""
        self._manager.wait_until_finished()

    def close(self) -> None:
        """Waits, then lets go of the directory."""
        self._manager.close()


def averaged_steps(record: dict[str, Any], steps: Sequence[int]) -> list[int]:
    """Returns the steps that a mean of `steps` is the mean of; `record` is that of the last.

    They are others than `steps` where a mean is all that was kept.
    """
    return list(record.get(AVERAGED_STEPS, steps))


def _placed(abstract: Any) -> Any:
    """Says where restored arrays go, so that Orbax need not trust what the file says of it."""
    sharding = jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
    return jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding), abstract
    )
