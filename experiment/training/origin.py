"""Starting anew from the parameters of another run: where they are, and that they still are it."""

import pathlib
from collections.abc import Callable, Sequence
from typing import NamedTuple

from experiment.config import ExperimentConfig, from_mapping
from experiment.data import Vocabulary
from experiment.errors import InUse
from experiment.training.checkpoint import Checkpoints, Damaged, Gone
from experiment.training.loss import Params
from experiment.training.seeds import PlannedRun
from experiment.training.workdir import Workdir, flatten, read_json

_FREE = ("dtype", "remat", "scan_layers")  # how a model is computed, not which it is


class Origin(NamedTuple):
    """A checkpoint of another run."""

    workdir: str
    step: int
    digest: str  # of the whole checkpoint

    def params(self, abstract: Params) -> Params:
        """Returns its parameters.

        Raises:
          ValueError: if that checkpoint is not there any more, or has become another.
        """
        checkpoints = Checkpoints(Workdir(pathlib.Path(self.workdir)).checkpoints)
        try:
            if checkpoints.digest(self.step) == self.digest:
                return checkpoints.restore_params(self.step, abstract)
            reason = "it has become another."
        except (Damaged, Gone) as error:
            reason = str(error)
        raise ValueError(
            f"The checkpoint of step {self.step} in {self.workdir}, from which this run starts, "
            f"cannot be used: {reason} Put it back, or choose another --workdir."
        )


def origin_of(
    runs: Sequence[PlannedRun], finetune_from: pathlib.Path | None, say: Callable[[str], None]
) -> Origin | None:
    """Returns where the runs start from: what they wrote down themselves, else what is asked for.

    Raises:
      ValueError: if the two differ, or what is asked for has no checkpoint or another model.
      NoGoodCheckpoint: if all of its checkpoints are damaged; `say` is told of each that is.
    """
    asked = Workdir(finetune_from) if finetune_from else None
    stored = {run.name: _stored(run) for run in runs if run.workdir.origin.exists()}
    begun = [run for run in runs if run.name in stored or run.workdir.config.exists()]
    if asked is None and not stored:
        return None
    source = str(asked.path) if asked else next(iter(stored.values())).workdir
    for run in begun:
        if run.name not in stored:
            raise ValueError(
                f"{run.workdir.path} was started without --finetune_from={source}. Choose "
                "another --workdir."
            )
        own, first = stored[run.name], next(iter(stored.values()))
        if own.workdir != source or own != first:
            raise ValueError(
                f"{run.workdir.path} was started from {own.workdir}, not from "
                f"--finetune_from={source}. Choose another --workdir."
            )
    if stored:
        return next(iter(stored.values()))
    return _newest(Workdir(pathlib.Path(source)), runs[0].config, say)


def check_nothing_changed(runs: Sequence[PlannedRun], origin: Origin | None) -> None:
    """Refuses to train what another process has begun or finished since `origin` was found.

    Whoever calls this holds the locks of the runs.

    Raises:
      InUse: naming the first.
    """
    for run in runs:
        found = _stored(run) if run.workdir.origin.exists() else None
        begun_otherwise = run.workdir.config.exists() and found != origin
        if run.results() or begun_otherwise:
            raise InUse(
                f"{run.workdir.path} was in use by another process meanwhile. Give the same "
                "command again."
            )


def _stored(run: PlannedRun) -> Origin:
    return Origin(**read_json(run.workdir.origin))


def known_vocabulary(runs: Sequence[PlannedRun], origin: Origin | None) -> Vocabulary | None:
    """Returns the vocabulary that the runs have already, or must have."""
    paths = [run.workdir.vocabulary for run in runs]
    paths += [Workdir(pathlib.Path(origin.workdir)).vocabulary] if origin else []
    return next((Vocabulary.load(path) for path in paths if path.exists()), None)


def _newest(source: Workdir, config: ExperimentConfig, say: Callable[[str], None]) -> Origin:
    trained: ExperimentConfig = from_mapping(ExperimentConfig, source.read_config())
    before, now = flatten(trained.resolved()["model"]), flatten(config.resolved()["model"])
    for name, value in now.items():
        if before[name] != value and name not in _FREE and not name.endswith("dropout_rate"):
            raise ValueError(
                f"--finetune_from={source.path} has model.{name}={before[name]}, this config has "
                f"{value}. Give --config.model.{name}={before[name]}."
            )
    checkpoints = Checkpoints(source.checkpoints, say=say)
    step = next(
        (step for step in reversed(checkpoints.steps()) if checkpoints.is_whole(step)), None
    )
    if step is None:
        checkpoints.check_none_is_lost()
        raise ValueError(
            f"--finetune_from={source.path} has no checkpoint yet. Let its training go on."
        )
    return Origin(str(source.path), step, checkpoints.digest(step))
