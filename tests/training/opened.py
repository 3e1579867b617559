"""A run that is opened for a test, and let go of after it."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

from experiment.config import ExperimentConfig
from experiment.training import OpenRun, TrainState, Workdir, open_run
from tests.made_up import training_data


@contextlib.contextmanager
def opened(
    path: Path, config: ExperimentConfig, init: Callable[[], TrainState], *, data: int = 0
) -> Iterator[OpenRun]:
    """The run in the folder `path`, on the made-up corpus number `data`."""
    run = open_run(Workdir(path), config, training_data(config, seed=data), init)
    try:
        yield run
    finally:
        run.checkpoints.close()
        run.log.close()
