"""What there is of a command's runs before it starts, as the first process finds it."""

import base64
import pathlib
from typing import Any, NamedTuple

from experiment.config import ExperimentConfig
from experiment.data import Vocabulary
from experiment.training.origin import Origin, known_vocabulary, origin_of
from experiment.training.processes import Processes
from experiment.training.progress import Progress
from experiment.training.seeds import PlannedRun, planned_runs, runs_of


class Begun(NamedTuple):
    """The runs, and what all processes have to know of them."""

    runs: list[PlannedRun]
    results: dict[str, dict[str, Any]]  # of those that are finished, by name
    vocabulary: Vocabulary | None  # that they have, or must have
    origin: Origin | None  # known to the first process only, which reads it

    @property
    def left(self) -> list[PlannedRun]:
        """The runs that are not finished."""
        return [run for run in self.runs if run.name not in self.results]


def look_at(
    folder: pathlib.Path,
    config: ExperimentConfig,
    seeds: int,
    finetune_from: pathlib.Path | None,
    processes: Processes,
    progress: Progress,
) -> Begun:
    """Returns the run in `folder`, or those of `seeds` seeds, and what there is of them.

    Raises:
      ValueError: if what is there is of another config, or cannot be started from.
      NoGoodCheckpoint: if all checkpoints to start from are damaged.
    """
    origins: list[Origin | None] = []

    def look() -> dict[str, Any]:
        runs = runs_of(folder, config, seeds)
        with progress.waiting("the checkpoint to start from to be read"):
            origins.append(origin_of(runs, finetune_from, progress.say))
        vocabulary = known_vocabulary(runs, origins[0])
        model = vocabulary and base64.b64encode(vocabulary.model_bytes).decode()
        results = {run.name: found for run in runs if (found := run.results())}
        return {"results": results, "vocabulary": model}

    found = processes.from_first("the workdir to be looked at", look)
    vocabulary = found["vocabulary"] and Vocabulary(base64.b64decode(found["vocabulary"]))
    runs = planned_runs(folder, config, seeds)
    begun = Begun(runs, found["results"], vocabulary or None, origins[0] if origins else None)
    for run in runs:
        if run.name in begun.results:
            progress.say(f"{run.workdir.path} is finished{'.' if begun.left else ':'}")
    return begun
