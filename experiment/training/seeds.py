"""Several seeds of one config: in which folder each of them is, and from where all can go on."""

import dataclasses
import pathlib
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from experiment.config import ExperimentConfig
from experiment.training.checkpoint import Checkpoints
from experiment.training.workdir import Workdir


class PlannedRun(NamedTuple):
    """Where a run is, and what it is."""

    workdir: Workdir
    config: ExperimentConfig

    @property
    def name(self) -> str:
        """What it is called beside the others."""
        return self.workdir.path.name

    def results(self) -> dict[str, Any] | None:
        """Returns its results if it is finished, else None."""
        return self.workdir.results_after(self.config.train.num_steps)


def planned_runs(folder: pathlib.Path, config: ExperimentConfig, seeds: int) -> list[PlannedRun]:
    """Returns the one run in `folder`, or those of `seeds` seeds in its folders seed_*."""
    if seeds == 1:
        return [PlannedRun(Workdir(folder), config)]
    return [
        PlannedRun(Workdir(folder / f"seed_{seed}"), dataclasses.replace(config, seed=seed))
        for seed in range(config.seed, config.seed + seeds)
    ]


def runs_of(folder: pathlib.Path, config: ExperimentConfig, seeds: int) -> list[PlannedRun]:
    """Returns the `planned_runs`, once nothing that is there stands against them.

    Raises:
      ValueError: if `folder` holds the other kind, or a run of another config.
    """
    members = sorted(path.parent.name for path in folder.expanduser().glob("seed_*/config.json"))
    if seeds == 1 and members:
        raise ValueError(
            f"{folder} holds runs of several seeds ({', '.join(members)}). Give --seeds to go "
            f"on with them, --workdir={folder / members[0]} and its --config.seed to go on "
            "with one, or choose another --workdir."
        )
    if seeds > 1 and Workdir(folder).config.exists():
        raise ValueError(
            f"{folder} holds a single run. Leave out --seeds={seeds} to go on with it, or "
            "choose another --workdir."
        )
    if seeds > 1:
        Workdir(folder).check_belongs_to(config.resolved())  # it may be a file
    runs = planned_runs(folder, config, seeds)
    for run in runs:
        run.workdir.check_belongs_to(run.config.resolved())
    return runs


class CommonStep(NamedTuple):
    """From where several runs can go on together."""

    step: int | None  # None: from nowhere; 0: from the beginning
    damaged: dict[str, dict[int, str]]  # of each run, by name: the checkpoints found so, and why


def has_common_step(runs: Sequence[PlannedRun]) -> bool:
    """Returns whether there is one, as far as names and sizes of files tell."""
    steps = [Checkpoints(run.workdir.checkpoints).steps() for run in runs]
    return common_step(steps, runs[0].config.train.save_every) is not None


def newest_common_step(
    runs: Sequence[PlannedRun], say: Callable[[str], None] = lambda message: None
) -> CommonStep:
    """Returns the `common_step` of what the runs have saved that is as it was written.

    Raises:
      NoGoodCheckpoint: if one has checkpoints and all of them are damaged.
    """
    each = {run.name: Checkpoints(run.workdir.checkpoints, say=say) for run in runs}
    steps = [checkpoints.verify() for checkpoints in each.values()]
    damaged = {name: checkpoints.damaged for name, checkpoints in each.items()}
    return CommonStep(common_step(steps, runs[0].config.train.save_every), damaged)


def common_step(steps: Sequence[Sequence[int]], save_every: int) -> int | None:
    """Returns the newest step from which all can go on together; 0 is the beginning.

    Runs that save together, and are killed meanwhile, are at most one checkpoint apart. None
    where more than one would be lost, as when one was gone on with alone or is new.

    Example:
      >>> common_step([[4, 8], [4]], 4), common_step([[4], []], 4), common_step([[4, 8], []], 4)
      (4, 0, None)
    """
    # What was saved up to the first time that was due has the beginning as its step before.
    starts = [{0} if all(step <= save_every for step in own) else set() for own in steps]
    common = set.intersection(*({*own} | start for own, start in zip(steps, starts, strict=True)))
    newest = max(common, default=None)
    if newest is None or any(sum(step > newest for step in own) > 1 for own in steps):
        return None
    return newest
