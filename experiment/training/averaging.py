"""Averaging as a step of its own: the mean of a run's newest checkpoints, kept as a run (6.1)."""

import contextlib
import functools
import pathlib
import shutil
from collections.abc import Callable

import jax

from experiment.config import ExperimentConfig, from_mapping
from experiment.data import Vocabulary, new_folder
from experiment.training.checkpoint import Checkpoints, CheckpointWriter, Retention, averaged_steps
from experiment.training.state import init_params
from experiment.training.workdir import Workdir
from model.systems import system_of


def average_run(
    workdir: Workdir, *, last: int, to: pathlib.Path, say: Callable[[str], None]
) -> list[int]:
    """Returns the steps of the newest `last` good checkpoints, whose mean is the run in `to`.

    `to` appears whole or not at all: config.json, vocabulary.model, and one checkpoint that has
    parameters, the record of the newest step, and there the steps it is the mean of.

    Raises:
      ValueError: if there is no run, if it has fewer checkpoints, or if `to` is not free.
    """
    config: ExperimentConfig = from_mapping(ExperimentConfig, workdir.read_config())
    average = Workdir(to)
    if average.path.exists() and (not average.path.is_dir() or any(average.path.iterdir())):
        raise ValueError(f"--to={to} must be a new folder; there is something. Name another.")
    if not workdir.checkpoints.is_dir():
        raise ValueError(f"{workdir.path} has no checkpoint yet. Let its training go on.")
    model = system_of(config.model.system_config(Vocabulary.load(workdir.vocabulary).size))
    abstract = jax.eval_shape(functools.partial(init_params, model), jax.random.key(0))
    checkpoints = Checkpoints(workdir.checkpoints, say=say)
    mean = checkpoints.mean(last, abstract, save_every=config.train.save_every)
    if len(mean.steps) < last:
        raise ValueError(f"{workdir.path} has {len(mean.steps)} checkpoints, not --last={last}.")
    steps = averaged_steps(mean.record, mean.steps)
    with new_folder(average.path) as folder:
        written, alone = Workdir(folder), Retention(newest=1)
        shutil.copyfile(workdir.config, written.config)
        shutil.copyfile(workdir.vocabulary, written.vocabulary)
        with contextlib.closing(CheckpointWriter(written.checkpoints, alone)) as writer:
            writer.save_mean(mean.params, steps, mean.record)
    return steps
