"""Which runs take their steps together, and from where all of them can go on."""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax

from experiment.config import ExperimentConfig
from experiment.data import TrainingData
from experiment.training.member import Member
from experiment.training.parallel import Placement
from experiment.training.progress import Progress
from experiment.training.seeds import PlannedRun, newest_common_step
from experiment.training.start import open_run
from experiment.training.state import TrainState

# Tokens x d_model of all members up to which a CPU takes their steps faster together: then what
# passes between two layers still lies in its cache. docs/measurements.md has the figures.
IN_CACHE = 32_768


def grouped(
    runs: Sequence[PlannedRun],
    data: Mapping[str, TrainingData],
    placement: Placement,
    say: Callable[[str], None],
) -> list[list[PlannedRun]]:
    """Returns the runs that are not finished, in groups that take their steps together.

    They do where it is faster; where they cannot, or it is not, `say` is told why.
    """
    size, reason = _largest_group(runs[0].config, data, placement)
    if len(runs) > 1 and size == 1:
        say(f"one seed after another, not together: {reason}")
    groups: list[list[PlannedRun]] = []
    for start in range(0, len(runs), size):
        group = [run for run in runs[start : start + size] if not run.results()]
        if len(group) > 1 and newest_common_step(group) is None:
            names = ", ".join(run.name for run in group)
            say(f"one seed after another, not together: {names} were saved at different steps")
            groups += [[run] for run in group]
        elif group:
            groups.append(group)
    return groups


def _largest_group(
    config: ExperimentConfig, data: Mapping[str, TrainingData], placement: Placement
) -> tuple[int, str]:
    """Returns how many runs may take their steps together, and why if it is one."""
    if len({shape for order in data.values() for shape in order.plan.shapes}) > 1:
        return 1, "batches in buckets differ in shape"
    if len(placement.devices) > 1:
        return 1, f"a step is spread over {len(placement.devices)} devices"
    if placement.devices[0].platform != "cpu":
        return len(data), ""
    tokens, width = config.train.tokens_per_batch, config.model.d_model
    return max(1, IN_CACHE // (tokens * width)), (
        f"on a CPU, two steps of {tokens:,} tokens x {width} are no faster at once"
    )


def open_members(
    runs: Sequence[PlannedRun],
    data: Mapping[str, TrainingData],
    init: Callable[[jax.Array], TrainState],
    evaluate: Callable[..., dict[str, Any]],
    progress: Progress,
) -> list[Member]:
    """Returns the runs, opened at the newest step that all have; `data` is that of each, by name.

    Raises:
      ValueError: if a checkpoint was trained on other data, or for more steps.
    """
    step, members = newest_common_step(runs), []
    for run in runs:
        progress.wait_for(f"{run.workdir.path}: initialising, or restoring the newest checkpoint")
        root = jax.random.key(run.config.seed)
        start = functools.partial(init, jax.random.fold_in(root, 0))
        opened = open_run(run.workdir, run.config, data[run.name], start, step=step)
        members.append(Member(opened, jax.random.fold_in(root, 1), evaluate, progress))
    return members
