"""How a run starts: from its own newest checkpoint if there is one, else from scratch."""

import base64
import contextlib
import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from experiment.config import ExperimentConfig
from experiment.data import TrainingData
from experiment.training.checkpoint import AVERAGED_STEPS, Checkpoints
from experiment.training.clock import Clock
from experiment.training.metrics import MetricsLog
from experiment.training.source import commit
from experiment.training.state import TrainState
from experiment.training.workdir import Workdir


@dataclasses.dataclass
class OpenRun:
    """A run that is ready to go on: its state, and where everything it says is written."""

    workdir: Workdir
    state: TrainState  # numpy arrays on the host
    step: int
    record: dict[str, Any]  # what every checkpoint says of itself
    since_log: list[dict[str, float]]  # metrics of the steps that no logged mean contains yet
    target_tokens: int  # trained on so far
    checkpoints: Checkpoints
    log: MetricsLog
    clock: Clock


def open_run(
    workdir: Workdir,
    config: ExperimentConfig,
    data: TrainingData,
    init: Callable[[], TrainState],
    *,
    step: int | None = None,
) -> OpenRun:
    """Returns the run of `workdir`, at its newest checkpoint or, if there is none, from `init`.

    With `step` it goes back to the checkpoint of that step, 0 for `init`; later ones are deleted.

    Raises:
      ValueError: if the checkpoint was trained on other data, or for more steps, or is a mean;
        nothing is changed then.
    """
    fingerprint = data.fingerprint
    state, kept = _restored(workdir, init, step)
    check_same_data(kept.get("fingerprint", {}), fingerprint)
    if state.step > config.train.num_steps:
        raise ValueError(
            f"{workdir.path} is at step {state.step}, beyond train.num_steps="
            f"{config.train.num_steps}. Raise it, or choose another --workdir."
        )
    if state.step < config.train.num_steps:
        for file in (workdir.results, workdir.translations):
            file.unlink(missing_ok=True)  # of a shorter run, which goes on now
    workdir.write_config(config.resolved())
    data.vocabulary.save(workdir.vocabulary)
    step = int(state.step)
    checkpoints = Checkpoints(
        workdir.checkpoints, keep=config.train.keep_checkpoints, every=config.train.save_every
    )
    checkpoints.delete_after(step)
    return OpenRun(
        workdir=workdir,
        state=state,
        step=step,
        record={
            "config": config.resolved(),
            "vocabulary": base64.b64encode(data.vocabulary.model_bytes).decode(),
            "fingerprint": fingerprint,
            "commit": commit(),  # now: the files may change while the run goes on
        },
        since_log=kept.get("since_log", []),
        target_tokens=kept.get("target_tokens", 0),
        checkpoints=checkpoints,
        log=MetricsLog(workdir.metrics, step=step),
        clock=Clock(kept.get("seconds")),
    )


def _restored(
    workdir: Workdir, init: Callable[[], TrainState], step: int | None
) -> tuple[TrainState, dict[str, Any]]:
    if workdir.checkpoints.is_dir() and step != 0:
        with contextlib.closing(Checkpoints(workdir.checkpoints)) as checkpoints:
            steps = checkpoints.steps() if step is None else [step]
            if steps:
                check_is_no_mean(workdir, checkpoints.record(steps[-1]))
                return checkpoints.restore(steps[-1], jax.eval_shape(init))
    return jax.tree.map(np.asarray, init()), {}


def check_is_no_mean(workdir: Workdir, record: dict[str, Any]) -> None:
    """Refuses to go on from parameters that never were those of an optimizer.

    Raises:
      ValueError: naming the steps they are the mean of.
    """
    if AVERAGED_STEPS in record:
        steps = ", ".join(map(str, record[AVERAGED_STEPS]))
        raise ValueError(
            f"{workdir.path} holds the mean of the checkpoints {steps}, and no optimizer to go on "
            "with. Go on with the run it was made from, or choose another --workdir."
        )


def check_same_data(before: dict[str, str], now: dict[str, str]) -> None:
    """Refuses to go on with other batches than those a checkpoint was trained on.

    Raises:
      ValueError: naming what differs.
    """
    for name, value in before.items():
        if now.get(name) != value:
            raise ValueError(
                f"The data is not what this run was trained on: its {name} was {value[:12]}, now it"
                f" is {now.get(name, 'absent')[:12]}. Restore it, or choose another --workdir."
            )
