"""Which runs take their steps together, from where all of them can go on, and in which order."""

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import jax
import numpy as np

from experiment.config import ExperimentConfig
from experiment.data import Batch, TrainingData, training_batches
from experiment.training.following import followed, told_of
from experiment.training.member import Diverged, Member
from experiment.training.optimizer import learning_rate
from experiment.training.origin import Origin
from experiment.training.parallel import Placement
from experiment.training.processes import Processes
from experiment.training.progress import Progress
from experiment.training.seeds import CommonStep, PlannedRun, has_common_step, newest_common_step
from experiment.training.stacking import stacked_batches
from experiment.training.start import OpenRun, open_run
from experiment.training.state import TrainState
from model.systems import training_flops

# Tokens x d_model of all members up to which a CPU takes their steps faster together: then what
# passes between two layers still lies in its cache. docs/measurements.md has the figures.
IN_CACHE = 32_768
# The same for accelerators, where activations have to fit into memory. Not measured: 8 MB for each
# activation of float32, of which a backward pass keeps some hundreds.
IN_MEMORY = 64 * IN_CACHE


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
        if len(group) > 1 and not has_common_step(group):
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
    tokens, width = config.train.tokens_per_batch, config.model.d_model
    steps = f"two steps of {tokens:,} tokens x {width}"
    if config.train.passes > 1:
        steps += f", {config.train.passes} times each,"
    if placement.devices[0].platform == "cpu":
        bound, reason = IN_CACHE, f"on a CPU, {steps} are no faster at once"
    else:
        bound, reason = IN_MEMORY, f"{steps} might not fit into the device's memory"
    return max(1, bound // (config.train.passes * tokens * width)), reason


def open_members(
    runs: Sequence[PlannedRun],
    data: Mapping[str, TrainingData],
    init: Callable[[jax.Array], TrainState],
    evaluate: Callable[..., dict[str, Any]],
    progress: Progress,
    origin: Origin | None = None,
    processes: Processes | None = None,
) -> list[Member]:
    """Returns the runs, opened at the newest step that all have; `data` is that of each, by name.

    The first process opens them, and the others get their states from it.

    Raises:
      ValueError: if a checkpoint was trained on other data, or for more steps.
      NoGoodCheckpoint: if there are checkpoints of a run and all of them are damaged.
    """
    opened: list[OpenRun] = []
    processes = processes or Processes()

    def open_all() -> list[dict[str, Any]]:
        opened.extend(_opened(runs, data, init, progress, origin))
        return [told_of(run) for run in opened]

    told = processes.from_first("the newest checkpoint to be read", open_all)
    members = []
    for number, run in enumerate(runs):
        root, own = jax.random.key(run.config.seed), data[run.name]
        if not processes.is_first:
            shapes = jax.eval_shape(init, root)
            state = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), shapes)
            opened.append(followed(run, own, state, told[number]))
        opened[number].state = processes.spread(opened[number].state)
        members.append(
            Member(
                opened[number],
                jax.random.fold_in(root, 1),
                evaluate,
                progress,
                together=len(runs),
                pairs_of=functools.partial(_pairs_of_batch, own),
                rate_of=learning_rate(run.config),
                flops_of=functools.partial(_flops_of_batch, own, run.config),
            )
        )
    return members


def _opened(
    runs: Sequence[PlannedRun],
    data: Mapping[str, TrainingData],
    init: Callable[[jax.Array], TrainState],
    progress: Progress,
    origin: Origin | None,
) -> list[OpenRun]:
    common, opened = CommonStep(None, {}), []
    if len(runs) > 1:
        with progress.waiting("the checkpoints of all seeds to be read"):
            common = newest_common_step(runs, progress.say)
    for run in runs:
        progress.wait_for(f"{run.workdir.path}: initialising, or restoring the newest checkpoint")
        root = jax.random.key(run.config.seed)
        start = functools.partial(init, jax.random.fold_in(root, 0))
        opened.append(
            open_run(
                run.workdir,
                run.config,
                data[run.name],
                start,
                step=common.step,
                damaged=common.damaged.get(run.name),
                origin=origin,
                say=progress.say,
            )
        )
    return opened


def _pairs_of_batch(data: TrainingData, step: int) -> Sequence[int]:
    """Returns which training pairs the update was made from that ended `step`."""
    return sorted(data.plan.rows(step - 1).examples.tolist())


def _flops_of_batch(data: TrainingData, config: ExperimentConfig, step: int) -> float:
    """Returns the operations that the model needs for the update that ended `step`."""
    lengths = data.train.lengths[data.plan.rows(step - 1).examples]
    model = config.model.system_config(data.vocabulary.size)
    return float(config.train.passes * training_flops(model, *lengths.T).sum())


def batches_after(
    step: int, runs: Sequence[PlannedRun], data: Mapping[str, TrainingData], placement: Placement
) -> Iterator[Batch]:
    """Yields this process's rows of each step after `step`, to the last; `data` is by name."""
    each = [
        training_batches(
            data[run.name].train,
            data[run.name].plan,
            start_step=step,
            num_steps=run.config.train.num_steps - step,
            shards=placement.shards,
            of=placement.num_shards,
        )
        for run in runs
    ]
    return stacked_batches(each)


def train_in_turn(
    groups: Sequence[Sequence[PlannedRun]],
    train: Callable[[Sequence[PlannedRun]], dict[str, Any]],
    say: Callable[[str], None],
) -> dict[str, Any]:
    """Returns the results of all runs, by name; `train` returns those of a group.

    A group that diverges does not keep the next ones from being trained.

    Raises:
      Diverged: when no other is left to train, naming the runs that did and those they stopped.
    """
    results: dict[str, Any] = {}
    diverged: list[str] = []
    beside: list[PlannedRun] = []
    for group in groups:
        try:
            results |= train(group)
        except Diverged as error:
            if len(groups) == len(group) == 1:
                raise
            say(str(error))
            diverged += error.names
            beside += [run for run in group if run.name not in error.names]
    if diverged:
        raise Diverged(diverged, _said_of(diverged, beside))
    return results


def _said_of(diverged: Sequence[str], beside: Sequence[PlannedRun]) -> str:
    said = f"{', '.join(diverged)} diverged: the loss or its gradient is not finite any more."
    if not beside:
        return said
    names, first = ", ".join(run.name for run in beside), beside[0]
    return (
        f"{said} Stopped with what they were trained together with: {names}; their checkpoints are "
        f"intact. --workdir={first.workdir.path} --config.seed={first.config.seed} goes on with "
        f"{first.name} alone."
    )
